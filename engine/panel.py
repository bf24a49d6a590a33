"""A panel: an instant computation without a run (at most a second), drawn on the page of its lab and moved with sliders.

A new panel is one file in `engine/panels/` with one subclass of `Panel`.  The file is imported by the
server too, which must not know torch: whatever is heavy is imported inside `compute`, which runs in a
short-lived fork of the zygote; `figure` runs in the server on what `compute` has returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.knobs import Knobs

if TYPE_CHECKING:
    import plotly.graph_objects as go

Frame = dict[str, list[Any]]  # columns of equal length: numbers, strings, None


class Panel(Knobs):
    """Base of every panel.  Its fields (made with `engine.knobs.knob`) become sliders and switches.

    `labs`: the labs whose page shows it.  `formula`: in LaTeX without dollars.  `about`: what one sees, in a
    sentence or two.  `reading`: "paper", or "our reading of the abstract" where the formula is our reconstruction.
    """

    title: ClassVar[str]
    labs: ClassVar[tuple[str, ...]]
    formula: ClassVar[str]
    about: ClassVar[str]
    paper: ClassVar[str] = ""
    reading: ClassVar[str] = ""
    place: ClassVar[int] = 50  # order on the page

    def compute(self) -> dict[str, Frame]:
        """-> named frames, a pure function of the panel's fields; ValueError, in one sentence, for fields that do not go together."""
        raise TypeError(f"{type(self).__name__} must define compute()")

    def figure(self, frames: dict[str, Frame]) -> go.Figure:
        """-> the figure of the frames; only this method imports plotly."""
        raise TypeError(f"{type(self).__name__} must define figure(frames)")

    def says(self, frames: dict[str, Frame]) -> str:
        """-> one sentence with the numbers that matter, shown under the figure; "" for none."""
        return ""
