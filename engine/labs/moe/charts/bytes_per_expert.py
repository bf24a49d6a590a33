"""Which bytes each expert of one layer receives, against what chance would give it.

Shapes: E experts, V = 256 bytes, B bytes shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import polars as pl

from engine.labs.chart import Chart, Events, Frames, RunStyle, blank
from engine.labs.moe._byte_names import byte_name

METRIC, BYTES = "router/bytes", 256
SHOWN = 40  # the most frequent bytes of the text
TOP = 5  # in the table
APART = -3  # place of the column of all bytes together, left of the first byte
SCALE = ((0.0, "rgba(0,140,105,0.05)"), (1.0, "rgba(0,140,105,1)"))


class BytesPerExpert(Chart):
    """Experts by bytes: which share of each byte's occurrences goes to which expert."""

    title = "Which bytes each expert gets"
    about = "Each column is a byte of the validation text, the most frequent one first; the stronger, the more of it goes to that expert."
    needs = (METRIC,)
    layered = True
    live = "redraw"
    newest = True
    order = 55
    wide = True

    def figure(self, runs: Sequence[RunStyle], frames: Frames, events: Events, layer: str = "") -> go.Figure:
        drawn = [run_style for run_style in runs if run_style.shape(METRIC, layer)] or list(runs)
        figure = blank(height=90 + 330 * len(drawn))
        figure.update_layout(hovermode="closest", margin={"l": 46, "r": 10, "t": 24, "b": 40}, showlegend=False)
        for row, run_style in enumerate(drawn):
            _panel(figure, row, len(drawn), run_style, counted(run_style, frames.get(run_style.run), layer))
        return figure

    def table(self, run: RunStyle, frame: pl.DataFrame, layer: str = "") -> pl.DataFrame | None:
        counts_EV = counted(run, frame, layer)
        if counts_EV is None:
            return None
        text_V = counts_EV.sum(axis=0) / counts_EV.sum()
        rows = [{"expert": "whole text", "gets": "100 %", "its bytes, and how often chance would have it (×1)": top_bytes(text_V, text_V)}]
        for expert in np.argsort(-counts_EV.sum(axis=1), kind="stable"):
            got = counts_EV[expert].sum()
            said = top_bytes(counts_EV[expert] / got, text_V) if got else "nothing"
            share = f"{100 * got / counts_EV.sum():.1f} %"
            rows.append(dict(zip(rows[0], (str(expert), share, said), strict=True)))
        return pl.DataFrame(rows)


def counted(run_style: RunStyle, frame: pl.DataFrame | None, layer: str) -> np.ndarray | None:
    """The newest counts of a run -> (E, V), or None while there are none."""
    if frame is None or not run_style.shape(METRIC, layer):
        return None
    mine = frame.filter((pl.col("metric") == METRIC) & (pl.col("layer") == layer)).sort("index")
    if mine.is_empty() or mine.height % BYTES:
        return None
    counts_EV = mine["value"].to_numpy().reshape(-1, BYTES)
    return counts_EV if counts_EV.sum() > 0 else None


def _panel(figure: go.Figure, row: int, panels: int, run_style: RunStyle, counts_EV: np.ndarray | None) -> None:
    number = "" if row == 0 else str(row + 1)
    low, high = 1 - (row + 1) / panels + (0.12 if row < panels - 1 else 0), 1 - row / panels
    names = [] if counts_EV is None else _shown(counts_EV)
    axes = {
        f"yaxis{number}": {"domain": [low, high], "title": {"text": "expert"}, "autorange": "reversed", "zeroline": False},
        f"xaxis{number}": {
            "anchor": f"y{number}",
            "title": {"text": ""},
            "type": "category",
            "tickangle": 0,
            "tickfont": {"size": 10},
            "showgrid": False,
            "zeroline": False,
        },
    }
    if names:  # every byte has its letter, as far as there is room
        axes[f"xaxis{number}"] |= {
            "tickmode": "array",
            "tickvals": [APART, *range(len(names))],
            "ticktext": ["all", *map(byte_name, names)],
        }
    figure.update_layout(axes)
    figure.add_annotation(
        text=f"<b>{run_style.label}</b>", x=0, y=high, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False
    )
    cells, said = ([], []) if counts_EV is None else _cells(counts_EV, names)
    for xs, columns in (([APART], slice(0, 1)), (list(range(len(names))), slice(1, None))):
        figure.add_trace(
            go.Heatmap(
                x=xs,
                y=list(range(len(cells))),
                z=[row[columns] for row in cells],
                customdata=[row[columns] for row in said],
                zmin=0,
                zmax=1,
                colorscale=[list(stop) for stop in SCALE],
                showscale=False,
                xgap=1,
                ygap=1,
                hovertemplate="%{customdata}<extra></extra>",
                xaxis=f"x{number}",
                yaxis=f"y{number}",
                name=run_style.label,
            )
        )


def _shown(counts_EV: np.ndarray) -> list[int]:
    """The most frequent bytes of the text, the most frequent one first."""
    text_V = counts_EV.sum(axis=0)
    return [int(byte) for byte in np.argsort(-text_V, kind="stable")[:SHOWN] if text_V[byte] > 0]


def _cells(counts_EV: np.ndarray, names: Sequence[int]) -> tuple[list[list[float]], list[list[str]]]:
    """Share of each byte that an expert gets, and a sentence each; first of all bytes together, which is what chance would give."""
    load_E = counts_EV.sum(axis=1) / counts_EV.sum()
    z, said = [], []
    for expert, load in enumerate(load_E):
        got, all_of = counts_EV[expert, list(names)], counts_EV[:, list(names)].sum(axis=0)
        z.append([float(load), *(got / all_of).tolist()])
        chance = [f"{load * n:,.1f} ± {np.sqrt(n * load * (1 - load)):.1f}" for n in all_of]
        said.append(
            [
                f"expert {expert}, all bytes: {100 * load:.1f} %",
                *(
                    f"expert {expert}, {byte_name(b)}: {100 * g / n:.0f} %, {g:,.0f} of {n:,.0f}<br>by chance {c}"
                    for b, g, n, c in zip(names, got, all_of, chance, strict=True)
                ),
            ]
        )
    return z, said


def top_bytes(share_V: np.ndarray, text_V: np.ndarray) -> str:
    """The commonest bytes of one expert, each with its share and that share over the text's."""
    best = [int(b) for b in np.argsort(-share_V, kind="stable")[:TOP] if share_V[b] > 0]
    return " · ".join(f"{byte_name(b)} {100 * share_V[b]:.0f} % (×{share_V[b] / text_V[b]:.1f})" for b in best)
