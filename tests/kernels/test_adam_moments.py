"""The probe of Adam's moments against Adam written out in float64, and what a spike of the gradient does to it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.core.catalog import Catalog
from engine.labs.common.probes import adam_moments
from engine.labs.common.probes.adam_moments import moment_statistics
from engine.labs.optimizer.adamw import AdamW
from engine.labs.optimizer.sgd import SGD
from engine.labs.optimizer.spam import Spam
from engine.labs.probe import Probe, Step
from kernels.emulator.emulator import Emulator
from kernels.tensor_stats import tensor_stats
from tests.support.tiny_lab import Tiny, run_tiny

KIND = Catalog("probes", Probe)["adam_moments"]


class Watched:
    """The tiny model under an optimizer, with gradients that a test makes up."""

    def __init__(self, optimizer: Any) -> None:
        self.lab, self.draw = Tiny(), np.random.default_rng(0)
        self.model = self.lab.model()
        self.optimizer = optimizer.build(self.model.named_parameters(), 1e-3)
        self.probe = KIND(self.lab, self.model)

    def step(self, number: int, factor: float = 1.0, *, full: bool = True) -> tuple[dict[str, float], list[np.ndarray]]:
        """`full`: the probe takes it for a step in which it reads everything."""
        gradients = []
        for p in self.model.parameters():
            gradients.append(factor * self.draw.standard_normal(p.shape))
            p.grad = torch.tensor(gradients[-1], dtype=torch.float32)
        place = adam_moments.FULL * number if full else adam_moments.FULL * number + 1
        with torch.no_grad():
            step = Step(place, 10_000, self.lab, self.model, {}, {}, self.optimizer, 1e-3)
            assert not list(self.probe.gradients(step))
            self.optimizer.step()
            told = {f"{r.metric}@{r.layer}" if r.layer else r.metric: float(r.value) for r in self.probe.after(step)}
        return told, gradients


@pytest.mark.parametrize(("beta2", "eps"), [(0.95, 1e-8), (0.999, 0.3)])
def test_the_readings_are_those_of_adam_written_out_in_float64(beta2: float, eps: float) -> None:
    watched = Watched(AdamW(beta2=beta2, eps=eps))
    m = [np.zeros(p.shape) for p in watched.model.parameters()]
    v = [np.zeros(p.shape) for p in watched.model.parameters()]
    for t in range(1, 8):
        told, gradients = watched.step(t - 1, factor=0.2 * t)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [beta2 * b + (1 - beta2) * g**2 for b, g in zip(v, gradients, strict=True)]
    root = [np.sqrt(b / (1 - beta2**7)) for b in v]
    squares = [g**2 / np.maximum(r, eps) ** 2 for g, r in zip(gradients, root, strict=True)]
    numbers = sum(g.size for g in gradients)
    assert told["adam/staleness"] == pytest.approx(math.sqrt(sum(s.sum() for s in squares) / numbers), rel=1e-4)
    assert told["adam/staleness@blocks.0"] == pytest.approx(math.sqrt((squares[0].sum() + squares[1].sum()) / 42), rel=1e-4)
    assert told["adam/largest_update"] == pytest.approx(
        max(np.max(np.abs(a) / (1 - 0.9**7) / (r + eps)) for a, r in zip(m, root, strict=True)), rel=1e-4
    )
    assert told["adam/tiny_share"] == pytest.approx(sum((r <= eps).sum() for r in root) / numbers)
    assert (told["adam/tiny_share"] > 0) == (eps == 0.3)
    assert told["adam/ceiling"] == pytest.approx(math.sqrt(sum(beta2**k for k in range(7))))
    assert told["adam/nonfinite"] == 0


def test_a_spike_reaches_the_ceiling_and_then_holds_the_weights_still() -> None:
    watched = Watched(AdamW(beta2=0.95))
    calm = [watched.step(n)[0] for n in range(60)]
    spike = watched.step(60, factor=1000.0)[0]
    after = [watched.step(n)[0]["adam/staleness"] for n in range(61, 81)]
    assert all(0.6 < one["adam/staleness"] < 1.6 for one in calm[40:])
    assert 0.99 * spike["adam/ceiling"] < spike["adam/staleness"] <= spike["adam/ceiling"] * (1 + 1e-5)
    assert spike["adam/ceiling"] == pytest.approx(math.sqrt(20), rel=0.03)
    assert max(after) < 0.2, "v remembers"
    assert calm[0]["adam/staleness"] == pytest.approx(1.0, rel=1e-4), "in the first step v is the square of the gradient"


def test_what_is_not_finite_in_the_moments_is_counted() -> None:
    watched = Watched(AdamW())
    watched.step(0)
    state = watched.optimizer.state[next(watched.model.parameters())]
    state["exp_avg"][0, 0], state["exp_avg_sq"][0, :2] = torch.nan, torch.inf
    assert watched.step(1)[0]["adam/nonfinite"] == 3


def test_only_optimizers_with_two_moments_are_read_and_a_reset_is_followed() -> None:
    assert Watched(SGD()).step(0)[0] == {}
    watched = Watched(Spam(interval=5, restart_bias=True))
    told = [watched.step(n)[0] for n in range(7)]
    assert told[4]["adam/staleness"] == pytest.approx(1.0, rel=1e-3), "the first step after a reset"
    assert told[4]["adam/ceiling"] == pytest.approx(1.0)


def test_one_launch_of_the_emulated_kernel_tells_what_torch_tells(monkeypatch: pytest.MonkeyPatch, cache: Path, host_compiler: str) -> None:
    emulator = Emulator(folder=cache)
    draw = torch.Generator().manual_seed(0)
    g, m, v = ([torch.randn(n, generator=draw) for n in (7, 33, 129)] for _ in range(3))
    v = [x.square() * 1e-3 for x in v]
    v[1][3], m[2][0] = 0.0, torch.inf
    plain = moment_statistics(g, m, v, (0.5, 0.2, 1e-2))
    monkeypatch.setattr(adam_moments, "statistics", lambda tensors: tensor_stats.launch_statistics(emulator, tensors))
    ours = moment_statistics(g, m, v, (0.5, 0.2, 1e-2))
    for name in ("ratio_P", "largest", "tiny", "nonfinite"):
        torch.testing.assert_close(getattr(ours, name).double(), getattr(plain, name).double(), rtol=1e-5, atol=0)
    assert int(plain.tiny) > 1
    assert int(plain.nonfinite) == 1


@pytest.mark.parametrize(("beta2", "eps"), [(0.95, 1e-8), (0.999, 0.3)])
def test_a_gradient_that_outgrows_its_past_is_looked_at_in_any_step_and_reads_as_in_a_full_look(beta2: float, eps: float) -> None:
    seldom, always = Watched(AdamW(beta2=beta2, eps=eps)), Watched(AdamW(beta2=beta2, eps=eps))
    looked = []
    for n, factor in enumerate([1.0] * 30 + [3.0, 1.0, 300.0, 1.0, 1e-3, 1.0]):
        whole, alone = seldom.step(n, factor)[0], always.step(n, factor, full=False)[0]
        if alone:
            assert alone == {"adam/staleness": pytest.approx(whole["adam/staleness"], rel=1e-5)}
            looked.append(n)
    assert looked == [30, 32]
    for watched in (seldom, always):
        watched.step(40, math.nan)
    assert math.isnan(seldom.step(41)[0]["adam/staleness"])
    assert math.isnan(always.step(41, full=False)[0]["adam/staleness"]), "a NaN is not hidden"


def test_a_resumed_probe_remembers_the_gradient() -> None:
    whole, half = Watched(AdamW()), Watched(AdamW())
    for n in range(20):
        whole.step(n, full=False)
        half.step(n, full=False)
    fresh = KIND(half.lab, half.model)
    fresh.load(half.probe.state())
    half.probe = fresh
    assert whole.step(20, 2.5, full=False)[0] == half.step(20, 2.5, full=False)[0] != {}


def test_a_run_reads_everything_now_and_then_and_at_its_end_and_a_spike_wherever_it_is(tmp_path: Path) -> None:
    _, told, _ = run_tiny(tmp_path, steps=23)
    assert {0, 20, 22} <= set(told.points["adam/staleness"])
    assert sorted(told.points["adam/ceiling"]) == sorted(told.points["adam/staleness@blocks.0"]) == [0, 20, 22]
    assert "adam/tiny_share" in told.points
