"""What every run came to."""

from __future__ import annotations

import plotly.graph_objects as go

from pages.parts.compare.picture import ComparisonPicture, Shown
from pages.parts.compare.strips import strips


class FinalValues(ComparisonPicture):
    """A strip an arm, a dot a seed."""

    title = "Final values"
    about = (
        "A dot is a run, a bar the median, a shade the 90 % band of one more run that does not diverge; "
        "thin lines join the two runs of a pair."
    )
    order = 20

    def fits(self, shown: Shown) -> bool:
        return any(v is not None for values in shown.overview.values.values() for v in values.values())

    def figure(self, shown: Shown) -> go.Figure:
        return strips(shown, shown.overview, shown.axis, log=shown.log, unnumbered="diverged")
