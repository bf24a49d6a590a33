"""The verb `map` of a lab whose cells are trained, with workers without a model: it grows on the boundary, and a kill loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.commands import _map_sweep
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder, all_runs
from engine.runs.sweep_file import SWEEP_ID, read_sweep, sweep_ids
from engine.scheduler import sweep_control
from engine.scheduler.control import Refused
from engine.scheduler.local import Local
from engine.scheduler.sweeps import create, end_growth
from engine.search.growth import Growth, decides
from engine.search.maps import map_request
from tests.support.toy import TOY, Answer, refused

Engine = Callable[..., Answer]
CLIFF = ("behave=cliff", "steps=4..64", "pace=0..1")  # diverges where steps / 64 > 1 - pace


def diverges(cell: dict[str, Any]) -> bool:
    return cell["x"] / 64 > 1 - cell["y"]


def shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `--cells 3 --refine 1`."""
    monkeypatch.setattr(_map_sweep, "REFINE", 1)
    monkeypatch.setattr(_map_sweep, "FIRST", 3)


def test_a_map_grows_on_its_boundary_and_every_cell_is_true(engine: Engine, toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrunk(monkeypatch)
    code, document, _ = engine("map", "toy", *CLIFF, "--json")
    assert code == 0
    assert SWEEP_ID.match(document["map"])
    assert document["axes"] == {
        "x": {"knob": "steps", "low": 4, "high": 64, "scale": "log"},
        "y": {"knob": "pace", "low": 0.0, "high": 1.0, "scale": "linear"},
    }
    cells = document["cells"]
    assert 9 < len(cells) < 25
    for cell in cells:
        assert set(cell) == {"x", "y", "n", "diverged", "final", "runs"}
        assert (cell["n"], cell["diverged"]) == (1, int(diverges(cell)))
        assert cell["final"] == ("NaN" if diverges(cell) else pytest.approx(1 / cell["x"]))
        (run,) = cell["runs"]
        knobs = RunFolder(toy_data / "runs" / run).spec()["knobs"]  # type: ignore[index]
        assert (knobs["steps"], knobs["pace"]) == (cell["x"], cell["y"])
    xs, ys = {cell["x"] for cell in cells}, {cell["y"] for cell in cells}
    assert xs == {4, 8, 16, 32, 64}
    assert ys == {0.0, 0.25, 0.5, 0.75, 1.0}
    sweep = read_sweep(toy_data, document["map"])
    assert not sweep.open
    assert sweep.map == {**sweep.map, "is": "map", "ended": "", "refine": 1}

    again = engine("map", "toy", *CLIFF, "--json")[1]
    assert again == document, "it is the same map, and nothing is trained"
    assert len(all_runs(toy_data)) == len(cells)
    text = engine("map", "toy", *CLIFF)[1]
    assert "#" in text.splitlines()[-2] + text.splitlines()[-3]
    assert "steps from 4 to 64, pace upwards" in text


def test_a_third_knob_gives_a_map_for_each_of_its_values(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    shrunk(monkeypatch)
    code, document, _ = engine("map", "toy", "behave=cliff", "pace=0,1", "steps=4..64", "code=1,2", "--refine", "0", "--json")
    assert code == 0
    assert [axis["knob"] for axis in document["axes"].values()] == ["steps", "pace", "code"]
    assert len(document["cells"]) == 3 * 2 * 2
    assert {cell["z"] for cell in document["cells"]} == {1, 2}
    assert all(cell["diverged"] == diverges(cell) for cell in document["cells"])


def test_a_dry_run_says_how_it_begins_and_how_far_it_may_grow(engine: Engine, toy_data: Path) -> None:
    code, document, _ = engine("map", "toy", *CLIFF, "seed=0..2", "--dry-run", "--json")
    assert code == 0
    assert document["map"] is None
    assert [one["new"] for one in document["declarations"]] == [True] * 75
    text = engine("map", "toy", *CLIFF, "seed=0..2", "--dry-run")[1]
    assert "75 runs" in text
    assert "where neighbours disagree it is refined, up to" in text
    assert not (toy_data / "sweeps").exists()


@pytest.mark.parametrize(("arguments", "part"), [
    (["steps=4..64"], "1 with a range and 0 with several values were given"),
    (["pace=0,1", "seed=0..2"], "0 with a range and 1 with several values"),
    (["steps=4..64", "pace=0..1", "code=1..9"], "3 with a range"),
    (["steps=64..4", "pace=0..1"], "does not go upwards"),
    (["steps=4..x", "pace=0..1"], "has the end 'x'"),
    (["steps=4..64", "pace=0..9"], "out of bounds"),
    (["stps=4..64", "pace=0..1"], 'did you mean "steps"?'),
    (["steps=4..64", "pace=0..1", "--cells", "1"], "give 2 to 17"),
    (["steps=4..64", "pace=0..1", "--refine", "9"], "give 0 to 5"),
    (["steps=4..64", "pace=0..1", "seed=0..10", "code=0..9", "--cells", "9"], "3 with a range"),
    (["steps=4..64", "pace=0..1", "seed=0..10", "--cells", "10"], "at most 1000 are allowed"),
    (["steps=4..64", "behave=a..b"], "1 with a range and 0 with several values"),
])  # fmt: skip
def test_what_is_no_map_is_refused_in_one_sentence(engine: Engine, toy_data: Path, arguments: list[str], part: str) -> None:
    refused(engine("map", "toy", *arguments), 2, part)
    assert not (toy_data / "sweeps").exists()


# -- growing, step by step -------------------------------------------------------------------------------


class Grown:
    """A map whose runs are ended by hand; each `Growth` is a process that may have been killed since."""

    def __init__(self, data: Path, owner: IndexOwner, **how: Any) -> None:
        self.data, self.owner = data, owner
        wanted = map_request(TOY, None, {"steps": "4..64", "pace": "0..1"}, first=2, refine=1, **how)
        self.id = create(data, TOY, wanted.plan, map=wanted.setting)[0].id

    def growth(self) -> Growth:
        return Growth(self.data, lambda: self.owner.store, lambda name: TOY if name == "toy" else None)

    def end(self, status: str = "finished", only: int | None = None) -> None:
        for folder in all_runs(self.data)[:only]:
            if folder.status() == "queued":
                spec = folder.spec() or {}
                far = status == "finished" and spec["knobs"]["steps"] / 64 > 1 - spec["knobs"]["pace"]
                folder.write_exit("diverged" if far else status)
        self.owner.catch_up()

    @property
    def sweep(self) -> Any:
        return read_sweep(self.data, self.id)


@pytest.fixture
def grown(data: Path, owner: IndexOwner) -> Grown:
    return Grown(data, owner)


def test_it_grows_once_all_have_ended_and_is_closed_when_nothing_follows(grown: Grown) -> None:
    growth = grown.growth()
    assert not growth.step()
    assert growth.open == {grown.id}
    grown.end(only=3)
    assert not growth.step(), "one corner is still out"
    grown.end()
    assert decides(grown.data, grown.id)
    assert growth.step()
    assert len(grown.sweep.members) == 9
    assert not grown.growth().step(), "another process sees the same, and that it is done"
    assert len(all_runs(grown.data)) == 9
    grown.end()
    assert not growth.step()
    assert not grown.sweep.open
    assert growth.open == frozenset()
    assert [axis.values for axis in grown.sweep.axes] == [(4, 64, 16), (0.0, 1.0, 0.5)]


def test_a_kill_between_the_file_and_its_runs_loses_and_doubles_none(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.scheduler import sweeps
    from engine.scheduler.completion import Completion

    grown.end()
    with monkeypatch.context() as patch:
        patch.setattr(sweeps, "complete", lambda data, sweep: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            grown.growth().step()
    assert len(grown.sweep.members) == 9
    assert not grown.sweep.complete
    assert len(all_runs(grown.data)) == 4
    assert not grown.growth().step(), "it waits for its runs to be made"
    Completion(grown.data).step()
    assert len(all_runs(grown.data)) == 9
    grown.end()
    grown.growth().step()
    assert not grown.sweep.open


def test_stopped_it_grows_no_more_and_resumed_it_goes_on(grown: Grown) -> None:
    sweep_control.stop(grown.data, grown.sweep, Local())
    assert not grown.sweep.open
    grown.owner.catch_up()
    assert not grown.growth().step()
    sweep_control.resume(grown.data, grown.sweep)
    assert grown.sweep.open
    grown.end()
    assert grown.growth().step()


def test_failed_runs_say_nothing_and_end_it_without_a_guess(grown: Grown) -> None:
    grown.end("failed")
    assert not grown.growth().step()
    assert not grown.sweep.open
    assert len(grown.sweep.members) == 4


@pytest.mark.parametrize(("spoilt", "part"), [
    ({"axes": []}, "no two or three axes"),
    ({"axes": [{"knob": "x"}, {"knob": "y"}]}, "odd axis"),
    ({"is": "nothing"}, "No strategy"),
    ({"first": "many"}, "how many values"),
])  # fmt: skip
def test_a_file_that_says_what_cannot_be_closes_that_map_and_stops_no_other(
    grown: Grown, data: Path, owner: IndexOwner, spoilt: dict[str, Any], part: str
) -> None:
    path = data / "sweeps" / f"{grown.id}.json"
    document = json.loads(path.read_text())
    document["map"] |= spoilt
    other = Grown(data, owner, metric="grad_norm@a")
    path.write_text(json.dumps(document))
    grown.end()
    assert grown.growth().step(), "the other one grows"
    assert len(other.sweep.members) == 9
    assert part in grown.sweep.map["ended"]


def test_a_map_of_another_edition_is_closed_and_says_why(grown: Grown, owner: IndexOwner) -> None:
    grown.end()
    newer = {**TOY, "edition": 7}
    assert not Growth(grown.data, lambda: owner.store, lambda name: newer).step()
    assert grown.sweep.map["ended"] == "It was made with edition 1 of toy; today's is 7."
    assert not Growth(grown.data, lambda: owner.store, lambda name: None).step()


def test_a_full_map_is_closed_and_says_why(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.search.growth.MOST", 6)
    grown.end()
    assert grown.growth().step(), "as many as there is room for"
    assert len(grown.sweep.members) == 6
    grown.end()
    assert not grown.growth().step()
    assert grown.sweep.map["ended"] == "It has 6 runs, and at most 6 are allowed."


def test_closing_is_refused_while_somebody_writes_sweeps(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.core import locks
    from engine.scheduler import sweeps

    monkeypatch.setattr(sweeps, "PATIENCE", 0.0)
    mine = locks.take(grown.data / "sweeps" / "lock")
    assert mine is not None
    try:
        with pytest.raises(Refused, match="Another sweep"):
            end_growth(grown.data, grown.sweep)
        grown.end()
        assert not grown.growth().step(), "later"
    finally:
        mine.release()
    assert grown.growth().step()
    assert sweep_ids(grown.data) == [grown.id]


def test_a_question_that_the_index_cannot_answer_now_is_put_again(grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that was made again while it was asked ended the growth of every open sweep, without a word in its file."""
    grown.end()
    growth = grown.growth()
    growth.scan()
    monkeypatch.setattr("engine.search.growth.settled", lambda changed: True)
    with monkeypatch.context() as patch:
        patch.setattr(grown.owner.store, "runs", lambda: (_ for _ in ()).throw(RuntimeError("the index is made again")))
        assert not growth.step()
    assert growth.open == {grown.id}
    assert growth.step()
    assert len(grown.sweep.members) == 9


@pytest.mark.parametrize(
    "spoilt", [{"level": "low"}, {"axes": [{"knob": "steps", "values": [4, 64]}, {"knob": "pace", "values": [0, []]}]}]
)
def test_a_file_that_breaks_its_strategy_is_closed_and_says_so(grown: Grown, data: Path, spoilt: dict[str, Any]) -> None:
    """`sweep` and `map` waited for ever for what no process would grow any more."""
    path = data / "sweeps" / f"{grown.id}.json"
    document = json.loads(path.read_text())
    document["map"] |= spoilt
    path.write_text(json.dumps(document))
    grown.end()
    assert not grown.growth().step()
    assert not grown.sweep.open
    assert grown.sweep.map["ended"]
