"""SPAM is the published rule: spikes are cut before they reach the moments, and the moments are forgotten in time."""

from __future__ import annotations

from math import cos, pi, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.labs.optimizer._spike_aware_adam import SpikeAwareAdam, warmed_up
from engine.labs.optimizer.spam import Spam
from engine.worker.fit import train
from kernels.emulator.emulator import Emulator
from kernels.launch import KERNEL_PATH
from tests.support.tiny_lab import Recorded, Tiny, new_folder

N = 11


def gradients(steps: int, spikes: dict[int, float]) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(3)
    return [torch.randn(N, generator=made, dtype=torch.float64) * spikes.get(t, 1.0) for t in range(steps)]


def run(optimizer: Any, parameter: torch.nn.Parameter, given: list[torch.Tensor]) -> list[int]:
    counts = []
    for g in given:
        parameter.grad = g.to(parameter.dtype).clone()
        optimizer.step()
        counts.append(int(optimizer.clipped) if getattr(optimizer, "clipped", None) is not None else 0)
    return counts


def textbook(
    given: list[torch.Tensor], lr: float, theta: float, interval: int, warmup: int, quiet: int, restart: bool
) -> tuple[list[float], int]:
    """Number by number, from the paper and the authors' code; b1 = 0.9, b2 = 0.999, eps = 1e-6, no decay."""
    w, m, v, clipped = [1.0] * N, [0.0] * N, [0.0] * N, 0
    for t, g_t in enumerate(given, start=1):
        k, after_reset = t % interval, t >= interval
        if k == 0:
            m, v = [0.0] * N, [0.0] * N
        s = 1 - 0.99 * (1 + cos(pi * k / (warmup + 1))) / 2 if after_reset and k < warmup else 1.0
        count = k + 1 if restart and after_reset else t
        for i in range(N):
            g = float(g_t[i])
            if k >= quiet and g * g > theta * v[i]:
                g = (1 if g > 0 else -1) * sqrt(theta * v[i])
                clipped += 1
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            w[i] -= lr * s * sqrt(1 - 0.999**count) / (1 - 0.9**count) * m[i] / (sqrt(v[i]) + 1e-6)
    return w, clipped


@pytest.mark.parametrize("restart", [False, True])
def test_every_step_is_the_one_of_the_paper(restart: bool) -> None:
    given = gradients(40, {12: 1000.0, 29: 300.0})
    p = torch.nn.Parameter(torch.ones(N, dtype=torch.float64))
    knobs = Spam(theta=50.0, interval=15, reset_warmup=6, quiet=4, restart_bias=restart)
    counts = run(knobs.build([("p", p)], 1e-2), p, given)
    expected, clipped = textbook(given, 1e-2, 50.0, 15, 6, 4, restart)
    torch.testing.assert_close(p.detach(), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)
    assert sum(counts) == clipped > 0
    assert counts[12] == N, "all coordinates of the spike"


def test_without_its_spike_answers_it_is_adamw() -> None:
    given = gradients(30, {})
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, N)) for _ in range(2))
    run(SpikeAwareAdam([("p", ours)], 1e-2, (0.9, 0.95), 1e-8, 0.1), ours, given)
    run(torch.optim.AdamW([theirs], lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1), theirs, given)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_after_a_spike_of_a_thousand_the_denominator_grows_2_4_fold_instead_of_32_fold() -> None:
    given = [torch.full((N,), (-1.0) ** t, dtype=torch.float64) for t in range(8000)]
    given[-1] = given[-1] * 1000
    grown = {}
    for theta in (0.0, 5000.0):
        p = torch.nn.Parameter(torch.ones(N, dtype=torch.float64))
        optimizer = Spam(theta=theta, interval=0).build([("p", p)], 1e-3)
        run(optimizer, p, given[:-1])
        before = optimizer.state[p]["exp_avg_sq"].clone()
        run(optimizer, p, given[-1:])
        grown[theta] = float((optimizer.state[p]["exp_avg_sq"] / before).sqrt()[0])
    assert grown[0.0] == pytest.approx(31.6, rel=0.01)
    assert grown[5000.0] == pytest.approx(2.45, rel=0.01)


def test_the_warm_up_after_a_reset_begins_at_a_hundredth_and_ends_at_one() -> None:
    assert warmed_up(0, 150) == pytest.approx(0.01)
    factors = [warmed_up(k, 150) for k in range(160)]
    assert factors == sorted(factors)
    assert factors[150:] == [1.0] * 10


def test_it_takes_up_a_checkpoint_and_one_of_adamw() -> None:
    given = gradients(20, {11: 50.0})
    whole, first, second = (torch.nn.Parameter(torch.ones(N)) for _ in range(3))
    spam = Spam(theta=20.0, interval=7, reset_warmup=3, quiet=1)
    run(spam.build([("p", whole)], 1e-2), whole, given)
    before = spam.build([("p", first)], 1e-2)
    run(before, first, given[:10])
    second.data.copy_(first.data)
    after = spam.build([("p", second)], 1e-2)
    after.load_state_dict(before.state_dict())
    run(after, second, given[10:])
    assert torch.equal(second, whole)
    adam = torch.optim.AdamW([("p", first)], lr=1e-2)
    run(adam, first, given[:3])
    after.load_state_dict(adam.state_dict())
    run(after, second, given[:1])
    assert int(after.state[second]["step"]) == 4


def test_a_lab_trains_with_it_and_tells_the_clipped_coordinates(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    lab = Tiny.model_validate({"steps": 40, "optimizer": {"is": "spam", "quiet": 5, "theta": 3.0}, "probes": "free"})
    train(lab, folder)
    told = Recorded(folder).values("optimizer/clipped")
    assert len(told) == 40
    assert told[:4] == [0.0] * 4
    assert max(told) > 0


def test_probes_and_optimizer_tell_the_same_through_the_kernels(
    tmp_path: Path, cache: Path, host_compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a GPU, with the emulator in its place."""
    knobs = {"steps": 12, "clip": 0.5, "nan_at": 11, "optimizer": {"is": "spam", "quiet": 5, "theta": 3.0}}
    curves = []
    for runner in (None, Emulator(folder=cache)):
        monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device, runner=runner: runner)
        folder = new_folder(tmp_path)
        train(Tiny.model_validate(knobs), folder)
        told = Recorded(folder)
        curves.append({key: torch.tensor(told.values(key)) for key in told.points if not key.startswith("time/")})
    assert curves[0].keys() == curves[1].keys()
    assert {"weight_norm", "grad_norm", "nonfinite/gradient", "update_ratio", "optimizer/clipped"} <= curves[0].keys()
    for key, expected in curves[0].items():
        torch.testing.assert_close(
            curves[1][key], expected, rtol=2e-3, atol=1e-5, equal_nan=True, msg=lambda message, key=key: f"{key}: {message}"
        )
