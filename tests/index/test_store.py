"""The store answers with what was measured: no spike lost at any zoom, nothing that is not finite hidden, names as people say them."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.files import write_json
from engine.core.nonfinite import jsonable
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder
from tests.support.indexed_runs import LAYER, begin, measured, points_in, points_of, spool_of, told_step


@pytest.fixture
def run(owner: IndexOwner) -> RunFolder:
    return measured(owner)


# -- series against an oracle ------------------------------------------------------------------------


def oracle(steps: np.ndarray, values: np.ndarray, lo: int | None, hi: int | None) -> tuple[np.ndarray, np.ndarray]:
    seen = np.ones(len(steps), bool)
    seen &= steps >= lo if lo is not None else True
    seen &= steps <= hi if hi is not None else True
    return steps[seen], values[seen]


def fill(owner: IndexOwner, columns: list[tuple[np.ndarray, np.ndarray]]) -> list[tuple[str, str, str]]:
    """A run whose metrics `m0`, `m1`, … hold these steps and values, put into the table in one go."""
    folder = begin(owner.data, living=False)
    spool_of(folder).log(0, {(f"m{i}", ""): 0.0 for i in range(len(columns))})
    owner.catch_up()
    directory, cursor = owner._indexer.directory, owner._indexer.connection.cursor()
    cursor.execute(f"DELETE FROM store.metric_point WHERE run_id = {directory.runs[folder.run]}")
    for i, (steps, values) in enumerate(columns):
        size = len(steps)
        ids = {
            "run_id": np.full(size, directory.runs[folder.run], np.int32),
            "metric_id": np.full(size, directory.ids[f"m{i}", ""][0], np.int32),
        }
        cursor.register("made", pa.table({**ids, "step": steps.astype(np.int64), "t": steps * 0.5, "value": values}))
        cursor.execute("INSERT INTO store.metric_point SELECT * FROM made")
        cursor.unregister("made")
    return [(folder.run, f"m{i}", "") for i in range(len(columns))]


def check(answer: dict, steps: np.ndarray, values: np.ndarray, points: int) -> None:
    finite = np.isfinite(values)
    truth = set(zip(steps[finite].tolist(), values[finite].tolist(), strict=True))
    drawn = list(zip(answer["steps"], answer["values"], strict=True))
    assert answer["count"] == len(steps)
    assert answer["nonfinite_count"] == int((~finite).sum())
    assert set(drawn) <= truth, "every drawn point was measured, at its own step"
    assert answer["t"] == [step * 0.5 for step in answer["steps"]]
    assert answer["steps"] == sorted(answer["steps"])
    assert answer["exact"] == (len(steps) <= points)
    marks = {(step, what) for step, _, what in answer["nonfinite"]}
    assert marks <= {(s, jsonable(v)) for s, v in zip(steps[~finite].tolist(), values[~finite].tolist(), strict=True)}
    if answer["exact"]:
        assert len(drawn) == finite.sum()
        assert len(marks) == len({(s, repr(v)) for s, v in zip(steps[~finite].tolist(), values[~finite].tolist(), strict=True)})
        return
    assert len(drawn) <= points + 2
    if truth:
        ends = (int(steps[finite].min()), int(steps[finite].max()))
        assert ends[0] in answer["steps"]
        assert ends[1] in answer["steps"]
    width = -(-(steps.max() - steps.min() + 1) // (points // 2))
    at, drawn_at = ((np.asarray(a, np.int64) - steps.min()) // width for a in (steps[finite], answer["steps"]))
    for extreme, start in ((np.minimum, math.inf), (np.maximum, -math.inf)):
        expected, got = np.full(points, start), np.full(points, start)
        extreme.at(expected, at, values[finite])
        extreme.at(got, drawn_at, answer["values"])
        assert (expected == got).all(), "every bucket keeps its extremes"
    if not finite.all():
        assert {what for _, what in marks} == {jsonable(v) for v in values[~finite].tolist()}, "each kind is marked somewhere"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spike_of_one_step_survives_every_zoom(owner: IndexOwner, data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    columns = []
    for _ in range(2):
        size = int(random.integers(1, 3000))
        steps = np.cumsum(random.integers(1, int(random.integers(2, 50)), size)) - 1
        values = random.normal(size=size)
        values[random.integers(size)] = random.choice([1e6, -1e6])
        values[random.random(size) < random.choice([0, 0.01, 0.9])] = random.choice([math.nan, math.inf, -math.inf])
        columns.append((steps, values))
    names = fill(owner, columns)
    last = int(max(steps.max() for steps, _ in columns))
    for _ in range(3):
        lo, hi = sorted(random.integers(-5, last + 5, 2).tolist())
        view = data.draw(st.sampled_from([(None, None), (lo, None), (None, hi), (lo, hi)]))
        points = data.draw(st.sampled_from([2, 10, 300, 5000]))
        for (run, name, layer), (steps, values) in zip(names, columns, strict=True):
            answer = owner.store.series(run, name, layer, lo=view[0], hi=view[1], points=points)
            check(answer, *oracle(steps, values, *view), points)
        together = owner.store.many(names, lo=view[0], hi=view[1], points=points)
        for answer, (steps, values) in zip(together, columns, strict=True):
            kept_steps, kept_values = oracle(steps, values, *view)
            finite = kept_values[np.isfinite(kept_values)]
            assert answer["count"] == len(kept_steps)
            if len(finite):
                assert (min(answer["values"]), max(answer["values"])) == (finite.min(), finite.max())


def test_the_one_spike_of_a_million_steps_is_drawn(owner: IndexOwner) -> None:
    values = np.zeros(1_000_000)
    values[654_321], values[123_456], values[777_777] = 1e9, -1e9, math.nan
    [names] = fill(owner, [(np.arange(1_000_000), values)])
    for lo, hi in ((None, None), (600_000, 700_000), (654_300, 654_400)):
        answer = owner.store.series(*names, lo=lo, hi=hi, points=500)
        assert (654_321, 1e9) in zip(answer["steps"], answer["values"], strict=True)
    whole = owner.store.series(*names, points=500)
    assert (123_456, -1e9) in zip(whole["steps"], whole["values"], strict=True)
    assert whole["nonfinite"] == [[777_777, 777_777 * 0.5, "NaN"]]


def test_of_very_many_values_that_are_not_finite_each_kind_stays_marked_in_every_piece(owner: IndexOwner) -> None:
    steps = np.arange(10_000)
    values = np.full(10_000, math.nan)
    values[5_000:5_010] = math.inf
    values[7_000] = -math.inf
    [names] = fill(owner, [(steps, values)])
    answer = owner.store.series(*names, points=100)
    assert answer["nonfinite_count"] == 10_000
    assert len(answer["nonfinite"]) <= 200
    assert [5_000, 2_500.0, "Infinity"] in answer["nonfinite"]
    assert [7_000, 3_500.0, "-Infinity"] in answer["nonfinite"]
    assert answer["steps"] == []


def test_what_was_never_measured_is_an_empty_series(owner: IndexOwner, run: RunFolder) -> None:
    assert owner.store.series(run.run, "no/such")["steps"] == []
    assert owner.store.vectors(run.run, "no/such") == {"steps": [], "t": [], "v": []}
    assert owner.store.series(run.run, "loss/train", lo=1000)["count"] == 0


# -- documents ---------------------------------------------------------------------------------------


def test_show_is_the_document_of_the_design(owner: IndexOwner, run: RunFolder) -> None:
    write_json(run.path / "provenance.json", {"commit": "0123abc", "python": "3.11", "device": "cpu", "more": "is left out"})
    shown = owner.store.show(run.run)
    json.dumps(shown, allow_nan=False)
    head = ["run", "lab", "preset", "status", "says", "steps"]
    assert list(shown) == [*head, "knobs", "metrics", "events", "provenance", "parent", "twin"]
    assert (shown["run"], shown["lab"], shown["preset"], shown["status"], shown["steps"]) == (run.run, "moe", "collapse", "running", 100)
    assert shown["knobs"] == {"seed": 3, "steps": 100, "router": "hash", "router.k": 2}
    assert shown["metrics"]["loss/train"] == {
        **{"unit": "nats", "kind": "scalar", "points": 100, "last": 4.01, "min": 4.01, "max": 5.0, "nonfinite": 3}
    }
    assert shown["metrics"][f"grad_norm@{LAYER}"]["last"] == 99.0
    load = shown["metrics"][f"router/load@{LAYER}"]
    assert (load["kind"], load["size"], load["points"], load["nonfinite"], load["min"], load["max"]) == ("vector", 3, 35, 1, 0.0, 9.0)
    assert load["last"] == [pytest.approx(0.99), 0.5, 0.0]
    assert [(e["step"], e["kind"], e["value"]) for e in shown["events"]] == [(5, "checkpoint", None), (21, "spike", "Infinity")]
    assert set(shown["events"][0]) == {"step", "kind", "rule", "layer", "value", "threshold", "says"}
    assert shown["provenance"]["commit"] == "0123abc"
    known = {"commit", "dirty", "python", "packages", "device", "kernels", "data", "environment", "stack", "stacking"}
    assert set(shown["provenance"]) == known
    assert shown["provenance"]["stack"] is None, "a run that was not trained together with others"
    assert (shown["parent"], shown["twin"]) == (None, None)


def test_the_last_value_is_shown_also_when_it_is_not_finite(owner: IndexOwner) -> None:
    folder = begin(owner.data)
    spool_of(folder).log(0, {("loss/train", ""): math.nan}, {("v", ""): [math.nan, -math.inf]})
    owner.catch_up()
    metrics = owner.store.show(folder.run)["metrics"]
    assert metrics["loss/train"] == {"unit": "", "kind": "scalar", "points": 1, "last": "NaN", "min": None, "max": None, "nonfinite": 1}
    assert metrics["v"]["last"] == ["NaN", "-Infinity"]
    assert (metrics["v"]["min"], metrics["v"]["nonfinite"]) == (None, 2)
    assert owner.store.runs()[0]["last"] == {"loss/train": "NaN"}


def test_runs_are_listed_oldest_first_with_their_last_losses(owner: IndexOwner, run: RunFolder) -> None:
    young = begin(owner.data, living=False, preset=None, twin=run.run, knobs={"steps": 7, "seed": 1})
    owner.catch_up()
    rows = {row["run"]: row for row in owner.store.runs()}
    assert list(rows) == [run.run, young.run]
    assert rows[run.run]["last"] == {"loss/train": 4.01, "loss/validation": 4.25}
    assert rows[young.run] == {
        **{"run": young.run, "lab": "moe", "preset": None, "status": "queued", "steps": 0, "created": young.spec()["created"]},
        **{"seed": 1, "who": "a test", "sweep": None, "last": {}, "target": 7, "twin": run.run},
    }


def test_state_says_what_moves(owner: IndexOwner, run: RunFolder) -> None:
    told_step(run, 60, step_seconds=0.25, dropped=2)
    owner.step()
    state = owner.store.state(run.run)
    assert {k: state[k] for k in ("status", "step", "steps", "phase", "step_seconds", "dropped", "problem")} == {
        **{"status": "running", "step": 60, "steps": 100, "phase": "training", "step_seconds": 0.25, "dropped": 2, "problem": ""}
    }
    assert owner.store.upto(run.run) == 99


def test_names_say_every_series_once(owner: IndexOwner, run: RunFolder) -> None:
    assert [(n["key"], n["unit"], n["kind"], n["shape"]) for n in owner.store.names(run.run)] == [
        ("grad_norm", "", "scalar", []),
        (f"grad_norm@{LAYER}", "", "scalar", []),
        ("loss/train", "nats", "scalar", []),
        ("loss/validation", "", "scalar", []),
        (f"router/load@{LAYER}", "", "vector", [3]),
    ]


def test_vectors_keep_the_largest_element_of_every_bucket_and_both_ends(owner: IndexOwner, run: RunFolder) -> None:
    everything = owner.store.vectors(run.run, "router/load", LAYER)
    assert everything["steps"] == sorted({*range(0, 100, 3), 77})
    assert everything["v"][everything["steps"].index(77)][2] == "Infinity"
    few = owner.store.vectors(run.run, "router/load", LAYER, rows=4)
    assert len(few["steps"]) <= 6
    assert {0, 33, 77, 99} <= set(few["steps"])
    assert owner.store.vectors(run.run, "router/load", LAYER, lo=30, hi=36)["steps"] == [30, 33, 36]


def test_a_frame_holds_every_stored_point_in_a_fixed_order(owner: IndexOwner, run: RunFolder) -> None:
    frame = owner.store.frame(run.run)
    assert frame.columns == ["metric", "layer", "index", "step", "t", "value"]
    assert points_in(owner.store, run.run) == points_of(run)
    vectors = frame.filter(frame["metric"] == "router/load")
    assert vectors["index"].to_list() == [0, 1, 2] * 35
    assert frame.equals(frame.sort("metric", "layer", "step", "t", "index"), null_equal=True)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["loss/train"], {"loss/train"}),
        (["grad_norm"], {"grad_norm", f"grad_norm@{LAYER}"}),
        ([f"grad_norm@{LAYER}"], {f"grad_norm@{LAYER}"}),
        (["loss", "router"], {"loss/train", "loss/validation", f"router/load@{LAYER}"}),
    ],
)
def test_a_frame_is_asked_for_by_name_by_layer_or_by_family(
    owner: IndexOwner, run: RunFolder, names: list[str], expected: set[str]
) -> None:
    frame = owner.store.frame(run.run, names)
    assert {f"{m}@{layer}" if layer else m for m, layer in frame.select("metric", "layer").unique().iter_rows()} == expected


def test_a_wrong_name_is_answered_with_the_nearest_one(owner: IndexOwner, run: RunFolder) -> None:
    with pytest.raises(KeyError, match='did you mean "loss/train"'):
        owner.store.frame(run.run, ["loss/trian"])
    with pytest.raises(KeyError, match='No run "20250101-000000-moe-0000"'):
        owner.store.show("20250101-000000-moe-0000")
    with pytest.raises(KeyError, match="No run"):
        owner.store.series("../../etc", "loss/train")


def test_an_old_metric_with_the_separator_in_its_name_is_found(owner: IndexOwner, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin(owner.data)
    with monkeypatch.context() as earlier:
        earlier.setattr("engine.runs.spool.check_name", lambda name: None)  # as a Faultline did that did not refuse it yet
        spool_of(folder).log(3, {("at@home", ""): 1.5, ("at", "home"): 2.5})
    owner.catch_up()
    store = owner.store
    assert store.split("at@home") == ("at", "home"), "NAME@LAYER stands"
    lonely = begin(owner.data)
    with monkeypatch.context() as earlier:
        earlier.setattr("engine.runs.spool.check_name", lambda name: None)
        spool_of(lonely).log(3, {("lonely@home", ""): 7.0})
    owner.catch_up()
    assert store.split("lonely@home") == ("lonely@home", "")
    assert store.series(lonely.run, *store.split("lonely@home"))["values"] == [7.0]
    assert store.frame(lonely.run, ["lonely@home"])["value"].to_list() == [7.0]
    assert store.split("never@measured") == ("never", "measured")
