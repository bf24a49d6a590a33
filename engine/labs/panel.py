"""A panel: an instant computation without a run (at most a second), drawn on the page of its lab and moved with sliders.

One that is more than sliders and a figure has a page of its own, whose browser asks for its frames at /panel.

A new panel is one file in `engine/labs/<topic>/panels/` with one subclass of `Panel`.  The file is imported by the
server too, which must not know torch: whatever is heavy is imported inside `compute`, which runs in a
short-lived fork of the fork server; `figure` runs in the server on what `compute` has returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.core.catalog import Catalog
from engine.declare.knobs import Knobs

if TYPE_CHECKING:
    import plotly.graph_objects as go

Frame = dict[str, list[Any]]  # columns of equal length: numbers, strings, None
Frames = dict[str, Frame]

TEXTS = ("title", "formula", "about", "paper", "reading")


class Panel(Knobs):
    """Base of every panel.  Its fields (made with `engine.declare.knobs.knob`) become sliders and switches; a number needs both bounds.

    `labs`: the labs whose page shows it.  `page`: the page of its own (a file of pages/) that draws it instead, for which it needs no
    `figure`; only such a panel may have knobs of text.  `formula`: in LaTeX without dollars.  `about`: what one sees, in a
    sentence or two.  `reading`: "paper", or "our reading of the abstract" where the formula is our reconstruction.
    """

    title: ClassVar[str]
    labs: ClassVar[tuple[str, ...]]
    formula: ClassVar[str]
    about: ClassVar[str]
    page: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    reading: ClassVar[str] = ""
    order: ClassVar[int] = 50  # order on the page

    def compute(self) -> Frames:
        """-> named frames, a pure function of the panel's fields; ValueError, in one sentence, for fields that do not go together.

        A ValueError may also say what is missing on this machine, such as a teacher that nobody has trained yet.
        """
        raise TypeError(f"{type(self).__name__} must define compute()")

    def figure(self, frames: Frames) -> go.Figure:
        """-> the figure of the frames, with NaN and infinities where `compute` had them; only this method imports plotly."""
        raise TypeError(f"{type(self).__name__} must define figure(frames)")

    def sentence(self, frames: Frames) -> str:
        """-> one sentence with the numbers that matter, shown under the figure; "" for none."""
        return ""


def panel(name: str) -> type[Panel]:
    """The panel of that name.  KeyError, in one sentence, for a name that is no file."""
    return Catalog("panels", Panel)[name]
