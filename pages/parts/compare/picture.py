"""A picture of a comparison: numbers of several arms in, one Plotly figure out.

A new picture is one file in `pages/parts/compare/pictures/` with one subclass of `ComparisonPicture`; it appears wherever `fits` says so.
It draws numbers that `engine.compare` and `engine.statistics` made and writes no sentence of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import plotly.graph_objects as go

from engine.compare.arms import Arms
from engine.compare.curves import Curves
from engine.compare.overview import Overview
from engine.core.catalog import Broken, Catalog
from engine.core.paths import ROOT
from engine.labs.common.traces import EDGES, NEUTRAL, OVERLAY, SHOWN, SYMBOLS
from engine.statistics.difference import Difference
from engine.statistics.noise_floor import Floor
from pages.parts.charts.run_styles import COLOURS, second

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKERS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
SHADE = 0.18  # opacity of a band
GREY = "rgba(138,138,138,0.22)"  # a noise floor, on white and on near-black
FLOOR, UNMEASURED = "noise floor", "noise floor: not measured"
LINE = 34  # characters of a line of an axis title, which a phone still shows whole


@dataclass(frozen=True)
class ArmStyle:
    """One arm as every picture draws it: colour, and dash and marker as the second cue."""

    name: str
    label: str
    colour: str
    dash: str
    marker: str


@dataclass(frozen=True)
class Shown:
    """What the pictures of one page draw.  `times`: steps to the `level`; None where no level was chosen.  `within`: the steps that
    a person has zoomed to.  `broken`: the arm that is drawn as a run page draws a broken run; "" where no declaration says so."""

    overview: Overview
    curves: Curves
    times: Overview | None
    level: float | None
    unit: str
    log: bool
    theme: str
    within: tuple[int, int] | None = None
    broken: str = ""

    @property
    def arms(self) -> Arms:
        return self.overview.arms

    @property
    def styles(self) -> list[ArmStyle]:
        return styles(self.arms, self.theme, self.broken)

    @property
    def axis(self) -> str:
        """What an axis of values shows."""
        return f"{tag_free(self.overview.metric)}{f' ({tag_free(self.unit)})' if self.unit else ''}"

    def style(self, arm: str) -> ArmStyle:
        return next(one for one in self.styles if one.name == arm)


class ComparisonPicture:
    """Base of every picture.  `about`: one sentence, "what am I seeing?".  `wide`: it takes the whole width of the page.
    `needs_webgl`: it cannot be drawn without, and a browser that has none says so instead.  `zooms`: what is zoomed to is read anew."""

    title: ClassVar[str]
    about: ClassVar[str]
    order: ClassVar[int] = 50  # order on the page, small first
    wide: ClassVar[bool] = False
    needs_webgl: ClassVar[bool] = False
    zooms: ClassVar[bool] = False

    def fits(self, shown: Shown) -> bool:
        """Whether there is anything to draw."""
        return True

    def figure(self, shown: Shown) -> go.Figure:
        raise TypeError(f"{type(self).__name__} must define figure(shown)")


def pictures() -> tuple[dict[str, ComparisonPicture], list[Broken]]:
    """Every picture in the order of the page, and the files that could not be read."""
    catalog = Catalog("pictures", ComparisonPicture, ROOT / "pages" / "parts")
    catalog.root = ROOT
    good, bad = catalog.load()
    return {name: good[name]() for name in sorted(good, key=lambda name: (good[name].order, name))}, bad


def broken_arm(arms: Arms, specs: Mapping[str, Mapping[str, Any]]) -> str:
    """Of two arms the broken or unchanged one, where the declarations of all their runs agree which it is; "" otherwise."""
    if len(arms.arms) != 2:
        return ""
    every = list(specs.values())
    sides = [{second(specs[run], every) for run in arm.runs.values() if run in specs} for arm in arms.arms]
    return next((arm.name for arm, *side in zip(arms.arms, sides, sides[::-1], strict=True) if side == [{False}, {True}]), "")


def styles(arms: Arms, theme: str, broken: str = "") -> list[ArmStyle]:
    """One for each arm, in their order; of a broken arm and its cure the colours and dashes that a run page gives to such a pair."""
    colours = COLOURS.get(theme, COLOURS["light"])
    out = []
    for n, arm in enumerate(arms.arms):
        turn = n // len(colours)
        colour, dash = colours[n % len(colours)], DASHES[turn % len(DASHES)]
        if broken:
            colour, dash = (colours[1], "dot") if arm.name == broken else (colours[0], "solid")
        out.append(ArmStyle(arm.name, tag_free(arm.name), colour, dash, MARKERS[turn % len(MARKERS)]))
    return out


def in_lines(text: str, most: int = LINE) -> str:
    """A long title in lines of at most `most` characters, broken before "@" and behind a blank or a comma; a longer word stays whole."""
    lines = [""]
    for part in re.split(r"(?<=[ ,])|(?=@)", text):
        if lines[-1] and len((lines[-1] + part).rstrip()) > most:
            lines.append("")
        lines[-1] += part
    return "<br>".join(line.strip() for line in lines)


def tag_free(text: object) -> str:
    """Text in which plotly.js reads no tag."""
    return " ".join(str(text).split()).replace("<", "‹")


def shade(colour: str, opacity: float = SHADE) -> str:
    """ "#0072B2" -> "rgba(0,114,178,0.18)"."""
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def short(values: Iterable[float]) -> list[float | None]:
    """Six significant digits, so that a page stays small; None where there is no finite value, at which a line breaks."""
    return [float(f"{v:.6g}") if abs(v) < float("inf") else None for v in map(float, values)]  # NaN compares false


def value_axis(figure: go.Figure, axis: str, values: Iterable[float | None], log: bool) -> float | None:
    """Make an axis of values logarithmic -> the smallest value; leave it linear where one is 0 or less, or it is not wanted -> None."""
    kept = [v for v in values if v is not None and abs(v) < float("inf")]
    if not log or not kept or min(kept) <= 0:
        return None
    figure.layout[axis].update(type="log", tickformat=".3~g")
    return min(kept)


def edge_marks(figure: go.Figure, marks: Sequence[tuple[float, str, str, str]], x_axis: str = "x") -> None:
    """Marks at the edge of the panel for what no axis can hold: (x, word, colour, text of the hover box)."""
    if not marks:
        return
    figure.layout.yaxis9 = {"overlaying": "y", "range": [0, 1], "fixedrange": True, "visible": False, "tickmode": "auto"}
    for word, name in SHOWN.items():
        mine = [mark for mark in marks if mark[1] == word]
        if mine:
            figure.add_trace(
                go.Scatter(
                    x=[x for x, _, _, _ in mine],
                    y=[EDGES[word]] * len(mine),
                    customdata=[text for _, _, _, text in mine],
                    name=name,
                    mode="markers",
                    xaxis=x_axis,
                    yaxis=OVERLAY,
                    marker={"symbol": SYMBOLS[word], "size": 10, "color": [colour for _, _, colour, _ in mine]},
                    cliponaxis=False,
                    hovertemplate="%{customdata}<extra></extra>",
                )
            )


def floor_band(figure: go.Figure, floor: Floor, middle: float | None, lowest: float | None, *, horizontal: bool = True) -> None:
    """A grey band of ± the floor around `middle`, or the word that it is not measured.  `lowest`: smallest value of a logarithmic axis,
    below which the band ends where it would reach 0."""
    if floor.single is None or middle is None:
        note(figure, UNMEASURED)
        return
    low, high = middle - floor.single, middle + floor.single
    low = low if lowest is None or low > 0 else lowest / 1000
    if horizontal:
        figure.add_hrect(y0=low, y1=high, fillcolor=GREY, line_width=0, layer="below")
    else:
        figure.add_vrect(x0=low, x1=high, fillcolor=GREY, line_width=0, layer="below")
    note(figure, f"grey: {FLOOR} of {floor.n} runs")


def note(figure: go.Figure, text: str) -> None:
    """A few words above the upper right corner."""
    at = {"x": 1, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom"}
    figure.add_annotation(**at, text=text, showarrow=False, font={"size": 11, "color": NEUTRAL})
    figure.layout.margin.t = max(figure.layout.margin.t or 0, 24)


def seed_text(key: Sequence[int]) -> str:
    """ "seed 3", "seed 3, data order 0"."""
    return f"seed {key[0]}" if key[0] == key[1] else f"seed {key[0]}, data order {key[1]}"


def differences_of(overview: Overview) -> Mapping[str, Difference]:
    """By arm, of those that are compared with the baseline."""
    return {one.first: one for one in overview.compared.differences}
