"""The charts of the lab `unet`: what a profile shows of a vector, and that nothing odd is hidden in it."""

from __future__ import annotations

import math

import polars as pl

from engine.labs.chart import RunStyle, charts
from engine.labs.common.profiles import first_reached, late_mean, newest

CATALOG, _ = charts()
LOOKS = [RunStyle("a", "broken", "#0072B2", "dot"), RunStyle("b", "cured", "#0072B2", "solid")]


def frame(metric: str, rows: dict[int, list[float]] | dict[int, float]) -> pl.DataFrame:
    """step -> value or vector, as the store gives it."""
    cells = [
        {"metric": metric, "layer": "", "index": i if isinstance(v, list) else None, "step": step, "t": 0.0, "value": float(x)}
        for step, v in rows.items()
        for i, x in enumerate(v if isinstance(v, list) else [v])
    ]
    return pl.DataFrame(cells, schema={"metric": str, "layer": str, "index": int, "step": int, "t": float, "value": float})


def curves(figure):
    return [t for t in figure.data if t.meta["kind"] == "profile"]


def test_newest_and_late_mean_take_the_elements_in_order() -> None:
    made = frame("v", {0: [1, 2, 3], 80: [4, 5, 6], 100: [8, 9, 10]})
    assert newest(made, "v") == [8, 9, 10]
    assert late_mean(made, "v") == [6, 7, 8]
    assert newest(made, "w") == late_mean(None, "v") == []


def test_a_level_is_reached_at_the_first_step_at_or_below_it() -> None:
    made = frame("loss/fixed", {0: 1.0, 10: 0.8, 20: 0.85, 30: 0.5})
    assert first_reached(made, "loss/fixed", [1.0, 0.8, 0.6, 0.4]) == [0, 10, 30, None]
    assert first_reached(None, "loss/fixed", [1.0]) == [None]


def test_features_are_drawn_block_by_block_and_what_is_no_number_is_marked() -> None:
    frames = {"a": frame("feature_norm/blocks", {0: [9, 9, 9], 5: [3, math.nan, math.inf]})}
    figure = CATALOG["feature_by_block"].figure(LOOKS, frames, {})
    first, second = curves(figure)
    assert (list(first.x), list(first.y)) == ([1, 2, 3], [3, None, None])
    assert not second.x
    marks = {t.name: list(t.x) for t in figure.data if t.meta["kind"] == "odd"}
    assert marks == {"NaN": [2], "+Inf": [3], "−Inf": []}
    assert figure.layout.xaxis.autorange == "reversed", "the deepest block stands at the left"


def test_gates_have_bars_from_the_smallest_to_the_largest() -> None:
    parts = {"mean": [0.5, 0.6], "min": [0.4, 0.1], "max": [0.9, 0.7]}
    one = pl.concat([*(frame(f"skip_gate/{n}", {10: v}) for n, v in parts.items()), frame("skip_share", {10: [2.0, 1.0]})])
    gate, share = curves(CATALOG["skip_gates"].figure(LOOKS[:1], {"a": one}, {}))
    assert list(gate.y) == [0.5, 0.6]
    assert [round(v, 6) for v in gate.error_y.array] == [0.4, 0.1]
    assert [round(v, 6) for v in gate.error_y.arrayminus] == [0.1, 0.5]
    assert list(share.y) == [2.0, 1.0]


def test_the_loss_of_each_level_carries_its_standard_error() -> None:
    one = pl.concat([frame("loss_by_level", {10: [0.5] * 8}), frame("loss_by_level/error", {10: [0.1] * 8})])
    (curve,) = curves(CATALOG["loss_by_level"].figure(LOOKS[:1], {"a": one}, {}))
    assert list(curve.error_y.array) == [0.1] * 8


def test_steps_to_a_loss_can_be_compared_at_the_same_levels() -> None:
    frames = {"a": frame("loss/fixed", {0: 1.0, 10: 0.7, 20: 0.4}), "b": frame("loss/fixed", {0: 1.0, 10: 0.4, 20: 0.3})}
    slow, fast = curves(CATALOG["time_to_loss"].figure(LOOKS, frames, {}))
    assert list(slow.x) == list(fast.x)
    assert (slow.x[0], slow.x[-1]) == (1.0, 0.3)
    assert slow.y[-1] is None, "it never got there"
    both = [(s, f) for s, f in zip(slow.y, fast.y, strict=True) if s]
    assert all(s >= f for s, f in both)
    assert both[-1] == (20, 10)
    assert not curves(CATALOG["time_to_loss"].figure(LOOKS, {"a": frame("loss/fixed", {0: math.nan})}, {}))[0].x
