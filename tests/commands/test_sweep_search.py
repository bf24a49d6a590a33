"""`sweep --search optuna` with workers without a model: it finds what is known, repeats nothing, and a kill loses nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from engine.core import started
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder, all_runs
from engine.runs.sweep_file import Sweep, read_sweep
from engine.scheduler import control, sweep_control
from engine.scheduler.sweeps import create
from engine.search.growth import Growth
from engine.search.searches import search_request
from tests.support.toy import TOY, Answer, refused

Engine = Callable[..., Answer]
SEARCH = ("--search", "optuna", "--metric", "loss/train")


def study(data: Path, sweep: str) -> optuna.Study:
    file = data / "sweeps" / sweep / "study.log"
    return optuna.load_study(study_name=sweep, storage=JournalStorage(JournalFileBackend(str(file))))


def test_it_finds_many_steps_and_asked_again_makes_nothing(engine: Engine, toy_data: Path) -> None:
    """The last loss is one over the steps, so the lowest is at the most steps."""
    code, document, _ = engine("sweep", "toy", "steps=1..64", *SEARCH, "--trials", "12", "--json")
    assert code == 0
    steps = {one["run"]: one["knobs"]["steps"] for one in document["declarations"]}
    assert len(steps) == len(document["statuses"]) == document["tried"] == 12
    assert len(set(steps.values())) == 12
    best = document["best"]
    assert best["knobs"] == {"steps": max(steps.values())}
    assert best["value"] == pytest.approx(1 / max(steps.values()))
    assert [steps[run] for run in best["runs"]] == [max(steps.values())]
    assert max(steps.values()) >= 56
    trials = study(toy_data, document["sweep"]).trials
    assert [trial.params["steps"] for trial in trials] == list(steps.values())
    assert [trial.value for trial in trials] == [pytest.approx(1 / count) for count in steps.values()]

    code, text, _ = engine("sweep", "toy", "steps=1..64", *SEARCH, "--trials", "12")
    assert code == 0
    assert "That is how it begins: the search tries 12 points, 4 at a time, for the lowest loss/train." in text
    most = max(steps.values())
    assert text.splitlines()[-2:] == [
        f"Lowest loss/train of 12 points: {1 / most:.4g} at steps={most}, one run.",
        "The best of 12 points flatters: train it with seeds that had no part in the search.",
    ]
    assert len(all_runs(toy_data)) == 12
    engine("delete", document["sweep"], "--yes")
    assert list((toy_data / "sweeps").glob("s*")) == []


def test_a_dry_run_says_how_it_begins(engine: Engine, toy_data: Path) -> None:
    code, document, _ = engine("sweep", "toy", "pace=0..1", "seed=0..1", *SEARCH, "--trials", "3", "--dry-run", "--json")
    assert code == 0
    assert document["sweep"] is None
    assert [one["knobs"]["seed"] for one in document["declarations"]] == [0, 1] * 3
    assert len({one["knobs"]["pace"] for one in document["declarations"]}) == 3
    assert not (toy_data / "sweeps").exists()


def test_a_metric_that_no_run_has_ends_it_after_the_first_points(engine: Engine, toy_data: Path) -> None:
    code, document, err = engine("sweep", "toy", "steps=1..9", "--search", "optuna", "--metric", "loss/tran", "--trials", "9", "--json")
    assert (code, document["best"], document["tried"]) == (3, None, 4)
    assert err == "No more runs follow: None of the 4 runs that ended has a value of loss/tran, so there is nothing to choose by.\n"
    assert len(all_runs(toy_data)) == 4


@pytest.mark.parametrize(("arguments", "part"), [
    (["steps=1..9", "--trials", "3"], "--trials belongs to a search"),
    (["steps=1..9", "--metric", "loss/train"], "--metric belongs to a search"),
    (["steps=1..9", "--search", "optun", "--metric", "loss/train", "--trials", "3"], 'did you mean "optuna"'),
    (["steps=1..9", "--search", "optuna", "--trials", "3"], "needs --metric M"),
    (["steps=1..9", *SEARCH], "and --trials N"),
    (["steps=1..9", *SEARCH, "--trials", "0"], "give a whole number from 1 to 1000"),
    (["steps=1..9", "seed=0..4", *SEARCH, "--trials", "201"], "from 1 to 200 with 5 seeds"),
    (["steps=1..9", *SEARCH, "--trials", "3", "--random", "3"], "does not go with --random"),
    (["steps=1..9", *SEARCH, "--trials", "3", "--edge", "pace=0..1"], "does not go with --edge"),
    (["steps=1..9", *SEARCH, "--trials", "3", "--fresh"], "does not go with --fresh"),
    (["steps=1..9", "--search", "optuna", "--metric", "grad_norm@a", "--trials", "3"], "add --better lower or higher"),
    (["steps=3", *SEARCH, "--trials", "3"], "needs a knob with a range or with several values"),
    (["steps=9..1", *SEARCH, "--trials", "3"], "the smaller end first"),
    (["pace=0..2", *SEARCH, "--trials", "3"], "out of bounds"),
    (["stps=1..9", *SEARCH, "--trials", "3"], 'did you mean "steps"'),
    (["--preset", "shrt", "steps=1..9", *SEARCH, "--trials", "3"], 'did you mean "short"'),
])  # fmt: skip
def test_what_is_no_search_is_refused_in_one_sentence(engine: Engine, toy_data: Path, arguments: list[str], part: str) -> None:
    refused(engine("sweep", "toy", *arguments), 2, part)
    assert not (toy_data / "sweeps").exists()


def test_without_optuna_it_is_refused_with_the_way_to_get_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    refused(engine("sweep", "toy", "steps=1..9", *SEARCH, "--trials", "3"), 2, "`pip install -e '.[search]'`")


# -- growing, step by step -----------------------------------------------------------------------------------


class Searched:
    """A search whose runs are ended by hand; each `Growth` is a process that may have been killed since."""

    def __init__(self, data: Path, owner: IndexOwner) -> None:
        self.data, self.owner = data, owner
        planned, setting = search_request(TOY, None, {"steps": "1..64"}, metric="grad_norm@a", direction="maximize", trials=8)
        self.id = create(data, TOY, planned, search=setting)[0].id
        self.end()

    def step(self) -> bool:
        return Growth(self.data, lambda: self.owner.store, lambda name: TOY).step()

    def end(self) -> None:
        from engine.runs.spool import Spool

        for folder in all_runs(self.data):
            if folder.status() == "queued":
                spool = Spool(folder.path / "spool.1.bin", folder.run)
                spool.log(0, {("grad_norm", "a"): float((folder.spec() or {})["knobs"]["steps"])})
                spool.close()
                folder.write_exit("finished")
        self.owner.catch_up()

    @property
    def sweep(self) -> Sweep:
        return read_sweep(self.data, self.id)

    def steps(self) -> list[int]:
        return [int(member.knobs["steps"]) for member in self.sweep.members]


@pytest.fixture
def searched(data: Path, owner: IndexOwner) -> Searched:
    return Searched(data, owner)


def test_what_was_chosen_when_the_process_was_killed_is_trained_and_nothing_twice(
    searched: Searched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engine.search.growth.extend", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            searched.step()
    chosen = [trial.params["steps"] for trial in study(searched.data, searched.id).trials]
    assert len(chosen) == 8
    assert chosen[:4] == searched.steps()
    assert searched.step(), "another process"
    assert searched.steps() == chosen
    assert len({RunFolder(folder.path).run for folder in all_runs(searched.data)}) == 8
    searched.end()
    assert not searched.step()
    assert not searched.sweep.open
    assert searched.sweep.search is not None
    assert searched.sweep.search["best"]["knobs"] == {"steps": max(chosen)}
    assert [trial.state.name for trial in study(searched.data, searched.id).trials] == ["COMPLETE"] * 8


def test_a_child_that_fails_closes_it_with_a_sentence_and_resumed_it_goes_on(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(started, "SAMPLER", "tests.support.fake.sampler")
        patch.setenv("FAKE_SAMPLER", "fail")
        assert not searched.step()
    assert not searched.sweep.open
    assert searched.sweep.search is not None
    assert searched.sweep.search["ended"] == "Optuna's process ended with code 3 (KeyError: 'x'); resume the sweep to try again."
    assert not searched.step()
    sweep_control.resume(searched.data, searched.sweep)
    assert searched.step()
    assert len(searched.steps()) == 8


def test_a_run_that_was_deleted_counts_as_tried_without_a_result_and_holds_up_nothing(searched: Searched) -> None:
    """The search waited for it for ever, and `sweep` with it."""
    control.delete(all_runs(searched.data)[0])
    searched.owner.catch_up()
    assert searched.step()
    assert len(searched.steps()) == 8
    searched.end()
    assert not searched.step()
    assert not searched.sweep.open
    assert searched.sweep.search is not None
    assert (searched.sweep.search["ended"], searched.sweep.search["tried"]) == ("", 8)
