"""What a training run promises: the declared arithmetic, the same curve every time, a graceful end whatever happens."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.core.catalog import Catalog
from engine.labs.common.detectors.loss_spike import LossSpike
from engine.labs.common.models.initialise import initialise
from engine.labs.common.probes.loss_train import LossTrain
from engine.labs.lab import Lab
from engine.labs.probe import Metric, Probe, Reading, Step
from engine.runs.folder import RunFolder
from engine.runs.spool import Spool
from engine.worker import checkpoint
from engine.worker.fit import train
from engine.worker.observer import Observer
from tests.support.tiny_lab import Recorded, Tiny, TinyModel, new_folder, run_tiny

# -- the arithmetic ------------------------------------------------------------------------------------


def plain_adamw(lab: Tiny) -> tuple[list[float], list[float]]:
    """An independent float64 loop: clip by the global norm, AdamW by its formula -> (losses, unclipped gradient norms)."""
    model = lab.model().double()
    weights = list(model.parameters())
    m, v = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights]
    losses, norms = [], []
    for n in range(lab.steps):
        batch = {name: tensor.double() for name, tensor in lab.batch(n).items()}
        terms = lab.loss(model, batch, n)
        gradients = torch.autograd.grad(terms["train"] + terms["size"], weights)
        norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
        losses.append(float(terms["train"].detach()))
        norms.append(norm)
        scale = min(1.0, lab.clip / (norm + 1e-6)) if lab.clip else 1.0
        lr = lab.lr * min(1.0, (n + 1) / lab.warmup)
        with torch.no_grad():
            for w, g, a, b in zip(weights, gradients, m, v, strict=True):
                a.mul_(0.9).add_(0.1 * scale * g)
                b.mul_(0.95).add_(0.05 * (scale * g) ** 2)
                w.mul_(1 - lr * 0.01)
                w.sub_(lr * (a / (1 - 0.9 ** (n + 1))) / ((b / (1 - 0.95 ** (n + 1))).sqrt() + 1e-8))
    return losses, norms


@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_the_worker_computes_what_a_plain_float64_loop_computes(tmp_path: Path, clip: float) -> None:
    lab = Tiny(steps=60, lr=1e-2, clip=clip, seed=3)
    losses, norms = plain_adamw(lab)
    folder = new_folder(tmp_path)
    assert train(lab, folder) == "finished"
    told = Recorded(folder)
    np.testing.assert_allclose(told.values("loss/train"), losses, rtol=2e-5)
    np.testing.assert_allclose(told.values("grad_norm"), norms, rtol=2e-4)
    np.testing.assert_allclose(told.values("lr"), [1e-2 * min(1, (n + 1) / 20) for n in range(60)])


def test_sgd_with_momentum_is_the_textbook_formula(tmp_path: Path) -> None:
    lab = Tiny(steps=40, lr=0.05, clip=0.0, optimizer={"is": "sgd", "momentum": 0.8, "weight_decay": 0.1}, warmup=0)
    model = lab.model().double()
    weights = list(model.parameters())
    momentum = [torch.zeros_like(w) for w in weights]
    expected = []
    for n in range(40):
        terms = lab.loss(model, {k: t.double() for k, t in lab.batch(n).items()}, n)
        expected.append(float(terms["train"].detach()))
        gradients = torch.autograd.grad(terms["train"] + terms["size"], weights)
        with torch.no_grad():
            for w, g, b in zip(weights, gradients, momentum, strict=True):
                b.mul_(0.8).add_(g + 0.1 * w)
                w.sub_(0.05 * b)
    folder = new_folder(tmp_path)
    train(lab, folder)
    np.testing.assert_allclose(Recorded(folder).values("loss/train"), expected, rtol=2e-5)


def test_every_step_is_told_once_and_the_first_is_step_zero(tmp_path: Path) -> None:
    _, told, folder = run_tiny(tmp_path, steps=137)
    assert sorted(told.points["loss/train"]) == list(range(137))
    assert sorted(told.points["loss/validation"]) == [0, 100, 136]
    state = folder.state()
    assert (state["step"], state["steps"], state["dropped"], state["attempt"]) == (137, 137, 0, 1)
    assert 0 < state["probe_share"] < 1
    assert state["step_seconds"] > 0


def test_what_is_read_at_every_step_is_told_before_rarer_probes_are_asked(tmp_path: Path) -> None:
    folder, seen, logged = new_folder(tmp_path), [], []

    class Slow(Probe):
        """Looks at what the spool holds when it is asked."""

        price = "cheap"
        every = 5
        metrics = (Metric("slow", "steps told so far"),)

        def after(self, step: Step) -> Iterable[Reading]:
            seen.append((step.number, sorted(Recorded(folder).points["loss/train"])))
            yield Reading("slow", float(step.number))

    class Silent(Probe):
        """Due at every step, like a probe that only watches, and nothing to say."""

        price = "cheap"
        every = 5
        metrics = ()

        def due(self, step: int, steps: int) -> bool:
            return True

    class Counted(Spool):
        def log(self, step: int, *more: Any, **named: Any) -> bool:
            logged.append(step)
            return super().log(step, *more, **named)

    lab = Tiny(steps=7)
    model, spool = lab.model(), Counted(folder.path / "spool.1.bin", folder.run)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    observer = Observer(lab, model, spool, torch.device("cpu"), {"slow": Slow, "silent": Silent, "loss_train": LossTrain}, {})
    for n in range(lab.steps):
        step = Step(n, lab.steps, lab, model, lab.batch(n), {"train": torch.tensor(float(n))}, optimizer, 0.1)
        observer.begin(step)
        observer.gradients(step)
        observer.after(step)
    assert seen == [(n, list(range(n + 1))) for n in (0, 5, 6)]
    assert list(Recorded(folder).points["slow"]) == [0, 5, 6]
    assert logged == [0, 0, 1, 2, 3, 4, 5, 5, 6, 6], "nothing to say is no log call"


def test_the_task_loss_stands_alone_and_auxiliary_terms_beside_it(tmp_path: Path) -> None:
    lab = Tiny(steps=1)
    terms = lab.loss(lab.model(), lab.batch(0), 0)
    folder = new_folder(tmp_path)
    train(lab, folder)
    told = Recorded(folder)
    assert told.points["loss/train"][0] == float(terms["train"].detach())
    assert told.points["loss/size"][0] == float(terms["size"].detach())


def test_the_final_validation_runs_whatever_the_dial_says(tmp_path: Path) -> None:
    free, cheap = (run_tiny(tmp_path, steps=31, probes=dial)[1] for dial in ("free", "cheap"))
    assert set(free.points["loss/validation"]) == {30}
    assert free.points["loss/validation"][30] == cheap.points["loss/validation"][30]


# -- the same curve every time -------------------------------------------------------------------------


def test_the_same_declaration_gives_the_same_bits(tmp_path: Path) -> None:
    first, second = (run_tiny(tmp_path, steps=80, noise=0.1)[1].timeless() for _ in range(2))
    assert first == second
    assert run_tiny(tmp_path, steps=80, noise=0.1, seed=1)[1].timeless() != first


def test_a_parameter_starts_the_same_whatever_stands_beside_it() -> None:
    class Larger(TinyModel):
        def __init__(self) -> None:
            super().__init__()
            self.aside = nn.Linear(9, 9)

    small, large = (dict(initialise(kind(), 5).named_parameters()) for kind in (TinyModel, Larger))
    assert all(torch.equal(value, large[name]) for name, value in small.items())
    assert not torch.equal(small["blocks.0.weight"], small["blocks.1.weight"])


@pytest.mark.parametrize("at", [1, 40, 77])
def test_a_stopped_run_resumes_on_the_same_curve(tmp_path: Path, at: int) -> None:
    lab = Tiny(steps=120, noise=0.1, lr=1e-2)
    whole, parted = new_folder(tmp_path), new_folder(tmp_path)
    train(lab, whole)
    saved = stopped_at(at, lab, parted)
    assert at <= saved["step"] < 120
    assert train(lab, parted) == "finished"
    told = Recorded(parted)
    assert told.steps_of[1][0] == saved["step"]
    ours = told.timeless()
    if saved["step"] % 50:  # the stopped attempt never thought that it was at its last step
        assert set(ours) == set(Recorded(whole).timeless())
    for key, values in Recorded(whole).timeless().items():
        assert {s: v for s, v in ours[key].items() if s in values} == values, key
    assert (saved["step"] - 1, "checkpoint") in told.kinds()


def stopped_at(at: int, lab: Tiny, folder: RunFolder) -> dict[str, Any]:
    """-> the checkpoint of a training that was asked to stop after `at` steps."""

    class Stopping(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            super().after_step(model, step)
            if step == at - 1:
                asked.set()

    asked = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.worker.loop.LONGEST_STRIDE", 8)  # steps between two looks at STOP: on a fast machine 64 would reach the end
        assert train(Stopping(**lab.model_dump(exclude={"optimizer"})), folder, asked) == "stopped"
    saved = checkpoint.load(folder.path / "ckpt" / "last.ckpt")
    assert saved is not None
    return saved


@pytest.mark.parametrize("theirs", [None, 1, 3])
def test_the_state_of_another_version_of_a_detector_is_dropped_with_an_event(tmp_path: Path, theirs: int | None) -> None:
    lab, folder = Tiny(steps=60), new_folder(tmp_path)
    saved = stopped_at(30, lab, folder)
    spikes = saved["observer"]["detectors"]["loss_spike"]
    assert spikes.pop("version") == LossSpike.version == 2
    spikes |= {} if theirs is None else {"version": theirs, "unheard_of": 1}
    checkpoint.save(folder.path / "ckpt" / "last.ckpt", {k: v for k, v in saved.items() if k != "version"})
    assert train(lab, folder) == "finished"
    told = [(e["step"], e["kind"], e["rule"], e["says"]) for e in Recorded(folder).events if "afresh" in e["says"]]
    message = f"The detector loss_spike begins afresh: its state is of version {theirs or 1} and today's rule is of version 2."
    assert told == [(saved["step"], "checkpoint", "loss_spike", message)], "without a version it is of the first"


def test_a_killed_run_goes_on_from_its_latest_checkpoint_on_the_same_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.callback.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("engine.worker.callback.SAVE_SHARE", 1e9)
    lab, whole, broken = Tiny(steps=200, noise=0.1), new_folder(tmp_path), new_folder(tmp_path)
    train(lab, whole)

    class Dying(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            super().after_step(model, step)
            if step == 150:
                kept.append(checkpoint.load(broken.path / "ckpt" / "last.ckpt"))
                raise KeyboardInterrupt  # as abrupt as a kill can be inside one process

    kept: list[Any] = []
    with contextlib.suppress(BaseException):
        train(Dying(steps=200, noise=0.1), broken)
    assert kept[0] is not None, "no checkpoint was written on the way"
    checkpoint.save(broken.path / "ckpt" / "last.ckpt", {k: v for k, v in kept[0].items() if k != "version"})
    assert train(lab, broken) == "finished"
    told = Recorded(broken)
    assert told.steps_of[1][0] == kept[0]["step"] > 0
    ours = told.timeless()
    for key, values in Recorded(whole).timeless().items():
        assert {s: v for s, v in ours[key].items() if s in values} == values, key


def test_a_full_disk_costs_the_checkpoints_and_not_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr("engine.worker.callback.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("torch.save", full)
    status, told, folder = run_tiny(tmp_path, steps=40)
    assert (status, len(told.points["loss/train"])) == ("finished", 40)
    assert not list((folder.path / "ckpt").iterdir())


@pytest.mark.parametrize("router", ["softmax_top_k", "loss_free", "hash"])
def test_a_resumed_moe_run_keeps_its_router_and_its_count_of_dead_experts(tmp_path: Path, router: str) -> None:
    moe = Catalog("", Lab)["moe"]
    small = {"layers": 2, "experts": 8, "d_model": 8, "heads": 2, "context": 8, "batch_size": 2, "expert_width": 4, "lr": 1e-2}
    knobs = {"device": "cpu", "steps": 30, "router": {"is": router}, **small}
    whole, parted = new_folder(tmp_path), new_folder(tmp_path)
    train(moe.model_validate(knobs), whole)

    class Stopping(moe):  # type: ignore[valid-type, misc]
        def after_step(self, model: nn.Module, step: int) -> None:
            super().after_step(model, step)
            if step == 12:
                asked.set()

    asked = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.worker.loop.LONGEST_STRIDE", 8)
        assert train(Stopping.model_validate(knobs), parted, asked) == "stopped"
    assert train(moe.model_validate(knobs), parted) == "finished"
    ours, theirs = Recorded(parted).timeless(), Recorded(whole).timeless()
    assert "router/dead_experts@blocks.0.moe" in theirs
    for key, values in theirs.items():
        assert {s: v for s, v in ours[key].items() if s in values} == values, key
