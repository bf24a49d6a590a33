"""Runs that one worker trains together are ordinary runs: their numbers, their files, and each with an end of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.core.files import read_json
from engine.declare import stacks
from engine.labs.common.stacked import stacked_loss
from engine.labs.stacking import Stacked
from engine.runs.folder import RunFolder
from engine.runs.tell_end import tell_end
from engine.worker import callback, checkpoint, main, stack, stacking_cost
from engine.worker.fit import train
from engine.worker.observer import Observer
from tests.support.stacked_runs import Stackable, folder_of, losses, train_together
from tests.support.tiny_lab import Recorded

CLOSE: dict[str, Any] = {"rel": 1e-4, "abs": 1e-6}  # rounding, over a few steps of fp32

Hook = Callable[[Any, int], None]


@pytest.fixture(autouse=True)
def _look_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "LOOK_SECONDS", 0.0)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Hook], None]:
    """Have something happen while the batch of a step is drawn."""

    def set_hook(hook: Hook) -> None:
        drawn = Stackable.batch

        def batch(self: Stackable, n: int) -> dict[str, torch.Tensor]:
            if n < 10**5:  # not a batch of the validation
                hook(self, n)
            return drawn(self, n)

        monkeypatch.setattr(Stackable, "batch", batch)

    return set_hook


def labs(count: int = 3, **knobs: Any) -> list[Stackable]:
    return [Stackable(**{"steps": 12, "probes": "cheap", **knobs, "seed": seed}) for seed in range(count)]


def folders_in(data: Path) -> list[RunFolder]:
    """In the order of their seeds."""
    found = [RunFolder(path) for path in (data / "runs").iterdir() if (path / "spec.json").exists()]
    return sorted(found, key=lambda folder: (folder.spec() or {})["knobs"]["seed"])


def alone(lab: Stackable, data: Path) -> Recorded:
    folder = folder_of(data, lab)
    assert train(lab, folder) == "finished"
    return Recorded(folder)


def assert_goes_on_alone(lab: Stackable, folder: RunFolder, data: Path) -> None:
    """Resumed as a run of its own, it has the numbers of one that was never disturbed."""
    saved = checkpoint.load(folder.path / "ckpt" / "last.ckpt")
    assert saved is not None
    assert 0 < saved["step"] < lab.steps
    for name in ("STOP", "HOLD"):
        (folder.path / name).unlink(missing_ok=True)
    assert train(lab, folder) == "finished"
    assert losses(folder) == pytest.approx(alone(lab, data).values("loss/train"), **CLOSE)


def test_a_member_records_what_it_records_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a member's learning rate, decay and clipping are its own, and where a probe watches the modules."""
    mixed = [
        *labs(2),
        Stackable(steps=12, seed=7, lr=1e-2, clip=0.0, optimizer={"is": "adamw", "weight_decay": 0.5}),
    ]
    folders, code = train_together(tmp_path / "data", mixed, monkeypatch)
    assert (code, [folder.status() for folder in folders]) == (0, ["finished"] * 3)
    for n, (lab, folder) in enumerate(zip(mixed, folders, strict=True)):
        single, member = alone(lab, tmp_path / "alone"), Recorded(folder)
        assert member.points.keys() == single.points.keys()
        assert any(key.startswith("activation_rms") for key in member.points)
        for key, points in single.points.items():
            if not key.startswith("time/"):
                assert member.points[key] == pytest.approx(points, nan_ok=True, **CLOSE), key
        told = read_json(folder.path / "provenance.json") or {}
        assert told["stack"] == {"members": [f.run for f in folders], "place": n, "why": "They were started together by hand."}


@pytest.mark.parametrize("optimizer", ["sgd", "spam"])
def test_every_optimizer_moves_a_member_as_it_moves_one_model(optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = labs(2, steps=6, probes="free", optimizer={"is": optimizer})
    folders, _ = train_together(tmp_path / "data", some, monkeypatch)
    for lab, folder in zip(some, folders, strict=True):
        assert losses(folder) == pytest.approx(alone(lab, tmp_path / "alone").values("loss/train"), **CLOSE)


def test_one_that_is_stopped_leaves_and_goes_on_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    meanwhile(lambda lab, n: (folders_in(tmp_path)[1].path / "STOP").touch() if (lab.seed, n) == (0, 5) else None)
    some = labs()
    folders, _ = train_together(tmp_path, some, monkeypatch)
    assert [folder.status() for folder in folders] == ["finished", "stopped", "finished"]
    assert [(folder.exit() or {})["step"] for folder in folders] == [12, 6, 12]
    for n in (0, 2):
        assert losses(folders[n]) == pytest.approx(alone(some[n], tmp_path / "alone").values("loss/train"), **CLOSE)
    assert_goes_on_alone(some[1], folders[1], tmp_path / "alone")


def test_sigterm_stops_all_with_checkpoints_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    stop = threading.Event()
    meanwhile(lambda lab, n: stop.set() if n == 4 else None)
    some = labs(2)
    folders, code = train_together(tmp_path, some, monkeypatch, stop=stop)
    assert [folder.status() for folder in folders] == ["stopped", "stopped"]
    assert code == 0, "every end is written"
    sizes = [(folder.path / "ckpt" / "last.ckpt").stat().st_size for folder in folders]
    assert_goes_on_alone(some[1], folders[1], tmp_path / "alone")
    assert max(sizes) < 1.5 * min(sizes)


def test_one_that_diverges_ends_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = labs(2, steps=120, probes="free", clip=0.0, optimizer={"is": "sgd"})
    some.append(Stackable(**{**some[0].model_dump(), "optimizer": {"is": "sgd"}, "seed": 9, "lr": 1e4}))
    folders, _ = train_together(tmp_path, some, monkeypatch)
    assert [folder.status() for folder in folders] == ["finished", "finished", "diverged"]
    assert 0 < (folders[2].exit() or {})["step"] < 120
    assert all(len(losses(folder)) == 120 for folder in folders[:2])


def test_one_whose_probe_fails_ends_alone_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after = Observer.after

    def broken(self: Observer, step: Any) -> None:
        if (step.lab.seed, step.number) == (1, 3):
            raise RuntimeError("the probe broke")
        after(self, step)

    monkeypatch.setattr(Observer, "after", broken)
    folders, code = train_together(tmp_path, labs(), monkeypatch)
    assert [folder.status() for folder in folders] == ["finished", "failed", "finished"]
    assert code == 0, "every end is written"
    assert (folders[1].exit() or {})["says"] == "RuntimeError: the probe broke"
    assert "the probe broke" in "\n".join(folders[1].log())
    assert "the probe broke" not in "\n".join(folders[2].log())


def test_what_breaks_in_the_pass_of_all_ends_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, _ = train_together(tmp_path, labs(2, break_at=4), monkeypatch)
    assert [(folder.exit() or {})["says"] for folder in folders] == ["RuntimeError: the lab broke on purpose"] * 2
    assert checkpoint.load(folders[1].path / "ckpt" / "last.ckpt")["step"] == 4  # type: ignore[index]


def test_hold_of_one_holds_all_and_one_may_be_stopped_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    meanwhile(lambda lab, n: (folders_in(tmp_path)[0].path / "HOLD").touch() if (lab.seed, n) == (0, 3) else None)
    seen: list[Any] = []

    def somebody() -> None:
        limit = time.monotonic() + 240

        def until(true: Callable[[], Any]) -> None:
            while not true():
                assert time.monotonic() < limit
                time.sleep(0.01)

        until(lambda: len(list(tmp_path.glob("runs/*/HOLD"))) == 3)
        (folders_in(tmp_path)[2].path / "STOP").touch()
        until(lambda: folders_in(tmp_path)[2].exit())
        seen.extend(folder.state()["step"] for folder in folders_in(tmp_path))
        for folder in folders_in(tmp_path):
            (folder.path / "HOLD").unlink()

    person = threading.Thread(target=somebody)
    person.start()
    folders, _ = train_together(tmp_path, labs(), monkeypatch)
    person.join()
    assert [folder.status() for folder in folders] == ["finished", "finished", "stopped"]
    assert seen[2] == 4, "it was stopped where all were held"


def test_a_kill_leaves_runs_that_go_on_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: Any) -> None:
    monkeypatch.setattr(callback, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(callback, "SAVE_SHARE", 1e9)
    some = labs(2)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            meanwhile(lambda lab, n: os.kill(os.getpid(), signal.SIGKILL) if n == 8 else None)
            train_together(tmp_path, some, monkeypatch)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    folders = folders_in(tmp_path)
    for folder in folders:
        tell_end(folder, code)
        assert folder.status() == "killed"
        (folder.path / "exit.json").unlink()
    assert_goes_on_alone(some[1], folders[1], tmp_path / "alone")


def test_the_worker_takes_several_folders_and_each_names_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [folder_of(tmp_path, lab) for lab in labs(2, steps=3)]
    monkeypatch.setattr(stack, "load_lab", lambda spec: Stackable.model_validate(spec["knobs"]))
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda number: None)
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            code = main.main([str(folder.path) for folder in folders])
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    told = [read_json(folder.path / "proc.json") or {} for folder in folders]
    assert [one["pid"] for one in told] == [child, child]
    assert [one["stack"] for one in told] == [[folder.run for folder in folders]] * 2
    assert [folder.status() for folder in folders] == ["finished", "finished"]
    assert folders[0].run in folders[1].log()[0]


def test_measuring_leaves_the_runs_as_they_are_and_says_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = labs(3)
    folders = [folder_of(tmp_path, lab) for lab in some]
    monkeypatch.setattr(stacking_cost, "load_lab", lambda spec: Stackable.model_validate(spec["knobs"]))
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda number: None)
    before = [sorted(os.listdir(folder.path)) for folder in folders]
    stacking_cost.note(folders)
    assert [sorted(os.listdir(folder.path)) for folder in folders] == before
    found = stacks.cost(tmp_path, folders[0].spec() or {}, 3)
    assert found is not None
    assert (found.members, found.single_ms > 0, found.stacked_ms > 0) == (2, True, True)


def test_what_cannot_be_computed_together_is_noted_and_a_single_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [folder_of(tmp_path, lab) for lab in labs(2, noise=1.0)]  # of the global generator
    monkeypatch.setattr(stacking_cost, "load_lab", lambda spec: Stackable.model_validate(spec["knobs"]))
    monkeypatch.setattr(torch, "set_num_interop_threads", lambda number: None)
    stacking_cost.note(folders)
    assert stacks.cost(tmp_path, folders[0].spec() or {}, 2) == stacks.Cost(2, 0.0, 0.0)
    assert main.train_lab(labs(1, steps=2, noise=1.0)[0], folders[0], threading.Event()) == "finished"
    told = read_json(folders[0].path / "provenance.json") or {}
    assert (told["stack"], told["stacking"]) == (None, "Not trained together with others: its speed could not be measured.")


def test_a_loss_that_leaves_a_tensor_of_all_on_the_model_is_refused() -> None:
    class Leaky(Stackable):
        def loss(self, model: nn.Module, batch: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
            model.last = model(batch["x"])
            return super().loss(model, batch, step)

        def stacked_loss(self, models: Any, leaves: Any, batches: Any, step: int) -> Stacked:
            return stacked_loss(self, models, leaves, batches, step)

    lab = Leaky()
    models = [lab.model(), lab.model()]
    leaves = {name: torch.stack([t, t]) for name, t in models[0].state_dict().items()}
    batches = {name: torch.stack([t, t]) for name, t in lab.batch(0).items()}
    with pytest.raises(RuntimeError, match="leaves last on the model"):
        lab.stacked_loss(models, leaves, batches, 0)


def test_runs_that_differ_in_more_than_seeds_are_not_trained_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, _ = train_together(tmp_path, [*labs(1), *labs(1, steps=13)], monkeypatch)
    assert all("cannot be trained together" in (folder.exit() or {})["says"] for folder in folders)
