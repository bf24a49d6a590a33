"""A chart: frames of one or more runs in, one Plotly figure out.

A new chart is one file in `engine/labs/<topic>/charts/` with one subclass of `Chart`; it attaches to every run
that has the metrics it `needs`.  On the page the figure is drawn once with empty frames and its
traces grow from the live stream: `meta` on a trace says which points belong to it (see `engine/labs/common/traces.py`).
With full frames the same figure stands alone, in a notebook or a test.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import plotly.graph_objects as go
import polars as pl

from engine.core.catalog import Broken, Catalog
from engine.runs.series import SeriesInfo

Frames = Mapping[str, pl.DataFrame]  # run id -> metric, layer, index, step, t, value (every stored point)
Group = Literal["training", "mechanism", "samples", "events"]
GROUPS: tuple[Group, ...] = ("training", "mechanism", "samples", "events")
Events = Mapping[str, Sequence[Mapping[str, Any]]]  # run id -> events as in `show`


@dataclass(frozen=True)
class RunStyle:
    """One run as every chart draws it: a fixed colour and dash, a short label, and the series it has."""

    run: str
    label: str = "run"
    colour: str = "#0072B2"
    dash: str = "solid"
    series: tuple[SeriesInfo, ...] = ()

    def has(self, metric: str) -> bool:
        return any(s.name == metric for s in self.series)

    def layers(self, metric: str) -> list[str]:
        """Layers of `metric`, in the order in which the run described them."""
        return list(dict.fromkeys(s.layer for s in self.series if s.name == metric and s.layer))

    def size(self, metric: str, layer: str) -> int:
        """Elements of a vector series; 0 for a series that the run lacks."""
        return next(iter(self.shape(metric, layer)), 0)

    def shape(self, metric: str, layer: str = "") -> tuple[int, ...]:
        """The shape of a vector series, whose points come row by row; () for a series that the run lacks."""
        return next((s.shape for s in self.series if s.name == metric and s.layer == layer and s.shape), ())


class Chart:
    """Base of every chart.

    `needs`: metrics without which the chart says nothing; `also`: others that a redrawn one shows where a run has them.
    `layered`: it shows one layer at a time.
    `log`: its y axis follows the page's log / linear switch.  `about`: one sentence, "what am I seeing?".
    `live`: "extend" when every live trace carries `meta` and grows in the browser, "redraw" when the
    figure is made again from stored frames, at most once a second.  A redrawn figure has axes of its own: what
    a person zoomed to stays, and the other charts do not follow.  "moment": it shows one step, on axes of its own, and the browser
    fills its rows and points at the step of the page's film.
    `newest`: the frames of a redrawn chart hold only the newest step of each series.
    """

    title: ClassVar[str]
    about: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    also: ClassVar[tuple[str, ...]] = ()
    layered: ClassVar[bool] = False
    log: ClassVar[bool] = False
    live: ClassVar[Literal["extend", "redraw", "moment"]] = "extend"
    newest: ClassVar[bool] = False
    order: ClassVar[int] = 50  # order on the page, small first
    wide: ClassVar[bool] = False  # it takes a whole row: it has a panel for each run, or is flat
    group: ClassVar[Group | None] = None  # under which heading it stands; None: what `group_of` derives

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        """-> the figure of `runs`; a run without a frame gets its traces with no points."""
        raise TypeError(f"{type(self).__name__} must define figure(runs, frames, events, layer)")

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        """What a redrawn figure shows of one run in numbers and words, for those who would rather read; None for a chart without."""
        return None

    def sentences(self, run: RunStyle, frame: pl.DataFrame) -> list[str]:
        """What a redrawn figure says of one run in plain sentences, written below it; [] for a chart that speaks for itself."""
        return []

    def fits(self, runs: Sequence[RunStyle]) -> bool:
        """True when at least one run has everything that the chart needs."""
        return any(all(run.has(metric) for metric in self.needs) for run in runs)


def charts(only: Container[str] | None = None) -> tuple[dict[str, Chart], list[Broken]]:
    """Every chart of the catalog (of `only`) in the order of the page, and the files that could not be read.

    The server imports only charts that the document of the labs names: a child has tried them.
    """
    good, bad = Catalog("charts", Chart).load(only)
    return {name: good[name]() for name in sorted(good, key=lambda n: (good[n].order, n))}, bad


def group_of(chart: Chart) -> Group:
    """Under which heading of the page a chart stands: its own word; else by what it needs, which for events is nothing."""
    if chart.group is not None:
        return chart.group
    if not chart.needs:
        return "events"
    return "training" if {need.partition("/")[0] for need in chart.needs} & {"loss", "grad_norm"} else "mechanism"


def blank(*, y_title: str = "", height: int = 300) -> go.Figure:
    """An empty figure in the house layout; colours of text and grid come from the page's theme."""
    layout = {  # in one piece: Plotly takes eight times as long to update a figure as to make it
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 58, "r": 34, "t": 8, "b": 36},
        "hovermode": "x unified",
        "hoverdistance": 12,
        "hoverlabel": {"namelength": -1},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "trace"},
        "xaxis": {"title": {"text": "step"}, "zeroline": False},
        "yaxis": {"title": {"text": y_title}, "zeroline": False},
    }
    return go.Figure(layout=layout)
