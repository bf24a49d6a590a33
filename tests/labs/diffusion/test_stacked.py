"""Many runs of `consistency` in one pass have the numbers of single ones: to 1e-12 in float64, which rounding does not drown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.declare.knobs import nest
from engine.labs.diffusion import _stacked
from engine.labs.diffusion.consistency import QUESTIONS, Consistency
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.diffusion.datasets.plane import plane
from engine.labs.diffusion.models import tangent
from engine.worker.fit import train
from tests.support.stacked_runs import folder_of, losses, train_together

SMALL = {"device": "cpu", "width": 8, "batch_size": 8, "blocks": 1, "probes": "free"}


def lab(preset: str, **knobs: Any) -> Consistency:
    return Consistency.model_validate(nest({**Consistency.presets[preset].knobs, **SMALL, **knobs}, QUESTIONS))


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All numbers of trainings in float64, those that are asked to be fp32 too."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    whole = Consistency.model
    monkeypatch.setattr(Consistency, "model", lambda self: whole(self).double())
    torch.set_default_dtype(torch.float64)
    for kept in (plane, cloud):  # what is kept of the data is in the other format
        kept.cache_clear()
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        for kept in (plane, cloud):
            kept.cache_clear()


@pytest.mark.parametrize("preset", ["mean_flow", "fourier", "baseline"])
def test_in_float64_every_member_is_its_single_run(preset: str, tmp_path: Path, doubles: None, monkeypatch: pytest.MonkeyPatch) -> None:
    labs = [lab(preset, steps=100, seed=0), lab(preset, steps=100, seed=5, lr=1e-3)]
    folders, code = train_together(tmp_path, labs, monkeypatch, "consistency")
    assert code == 0
    for n in (0, 1) if preset == "baseline" else (1,):  # forward mode is dear
        alone = folder_of(tmp_path, labs[n], "consistency")
        assert train(labs[n], alone) == "finished"
        for key in ("loss/train", "loss/validation"):
            apart = [abs(a - b) / max(1.0, abs(b)) for a, b in zip(losses(folders[n], key), losses(alone, key), strict=True)]
            assert max(apart) < 1e-12, key


def test_in_fp32_five_steps_agree_to_1e_5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labs = [lab("mean_flow", steps=5, seed=seed, probes="cheap") for seed in range(2)]
    folders, _ = train_together(tmp_path, labs, monkeypatch, "consistency")
    alone = folder_of(tmp_path, labs[1], "consistency")
    train(labs[1], alone)
    for key in ("loss/train", "grad_norm", "tangent/raw", "tangent/derivative", "update_ratio"):
        assert losses(folders[1], key) == pytest.approx(losses(alone, key), rel=1e-5), key


def test_both_ways_of_a_forward_derivative_agree(doubles: None) -> None:
    model, batch = lab("mean_flow").model(), lab("mean_flow").batch(0)
    given = (batch["y"], batch["uniform"], batch["z"], torch.ones_like(batch["uniform"]))
    for theirs, ours in zip(tangent.jvp(model.predict, *given), _stacked.jvp(model.predict, *given), strict=True):
        assert float((theirs - ours).abs().max()) <= 7e-16 * max(1.0, float(theirs.abs().max()))


@pytest.mark.slow
def test_over_sixteen_seeds_a_stack_differs_from_single_runs_by_no_more_than_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mean_flow is chaotic: after 200 steps a member is another draw than its single run, and the mean over seeds is the same."""
    labs = [lab("mean_flow", steps=200, width=16, batch_size=32, seed=seed) for seed in range(16)]
    folders, _ = train_together(tmp_path, labs, monkeypatch, "consistency")
    singles = [folder_of(tmp_path, one, "consistency") for one in labs]
    for one, alone in zip(labs, singles, strict=True):
        train(one, alone)
    stacked, single = ([losses(f, "loss/validation")[-1] for f in some] for some in (folders, singles))
    apart = statistics.fmean(a - b for a, b in zip(stacked, single, strict=True))
    floor = 1.753 * statistics.stdev(single) * 2**0.5 / 16**0.5  # t of 0.95 with 15 degrees of freedom
    print(f"stacked - single over 16 seeds {apart:.3g}, noise floor {floor:.3g}")
    assert abs(apart) <= floor
