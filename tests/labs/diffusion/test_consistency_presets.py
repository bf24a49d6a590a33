"""What the presets of `consistency` claim, in small: one seed and fewer steps here, the whole of it over the seeds when marked slow."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.declare.resolve import resolve
from engine.labs.common.norms import clip, total
from engine.labs.describe import entry
from engine.labs.diffusion import _teachers
from engine.labs.diffusion.consistency import Consistency
from engine.labs.diffusion.models.consistency import one_step
from engine.labs.diffusion.models.energy_distance import energy_distance
from engine.labs.diffusion.panels.diagnosis import Diagnosis
from engine.labs.diffusion.probes.energy_distance import EnergyDistance
from engine.labs.diffusion.probes.gradient_tail import GradientTail
from engine.labs.diffusion.probes.jumps import Jumps
from engine.labs.diffusion.probes.mode_coverage import ModeCoverage
from engine.labs.diffusion.probes.samples import Samples
from engine.labs.diffusion.probes.tangent import Tangent
from engine.labs.probe import Step

LAB = entry("consistency", Consistency)
SMALL = {"device": "cpu", "width": 8, "blocks": 1, "batch_size": 8, "steps": 3}


def lab(preset: str | None = None, **given: Any) -> Consistency:
    return Consistency.model_validate(resolve(LAB, preset, {"device": "cpu"} | given).nested)


@dataclass
class Trained:
    """What a plain loop saw."""

    lab: Consistency
    model: Any = None
    losses: list[dict[str, float]] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    derivatives: list[float] = field(default_factory=list)

    def distance(self) -> float:
        """Energy distance of one-step samples from the averaged weights."""
        generator, cloud = torch.Generator().manual_seed(1), self.lab.cloud()
        z = torch.randn(800, cloud.d, generator=generator)
        made = one_step(self.model.flow, self.model.averaged(), z)
        return 0.5 * energy_distance(made, cloud.sample(800, generator)).item()


def train(preset: str | None = None, **given: Any) -> Trained:
    """A preset in the plainest of loops: no Lightning, no spool, one thread."""
    torch.set_num_threads(1)
    seen = Trained(lab(preset, **given))
    model = seen.model = seen.lab.model().train()
    optimizer = seen.lab.optimizer.build(model.named_parameters(), seen.lab.lr)
    for n in range(seen.lab.steps):
        for group in optimizer.param_groups:
            group["lr"] = seen.lab.learning_rate(n)
        losses = seen.lab.loss(model, seen.lab.batch(n), n)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        norm = total(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]))
        clip(model, norm, seen.lab.clip)
        optimizer.step()
        seen.lab.after_step(model, n)
        seen.losses.append({name: value.item() for name, value in losses.items()})
        seen.norms.append(norm.item())
        if model.record is not None and model.record.derivative_B is not None:
            seen.derivatives.append(model.record.derivative_B.mean().item())
    return seen


# -- the presets, in small ---------------------------------------------------------------------------


def test_without_an_anchor_the_derivative_runs_away_and_with_one_it_stays_while_the_losses_look_alike() -> None:
    broken, cured = train("unanchored", steps=260), train("unanchored_cured", steps=260)
    assert broken.losses[0]["train"] == pytest.approx(cured.losses[0]["train"], rel=0.2)
    assert broken.derivatives[-1] > 100 * cured.derivatives[-1]
    assert broken.distance() > 10 * cured.distance()
    assert cured.distance() < 1
    last = [sum(run.losses[n]["train"] for n in range(-50, 0)) / 50 for run in (broken, cured)]
    assert last[0] == pytest.approx(last[1], rel=0.25), "the loss does not tell them apart"


def test_the_ladder_of_embeddings_rises() -> None:
    arms = [train(f"fourier_{scale}", steps=200) for scale in (0, 4, 16)]
    distances = [arm.distance() for arm in arms]
    assert distances == sorted(distances)
    assert distances[2] > 10 * distances[0]
    assert arms[2].derivatives[-1] > 30 * arms[0].derivatives[-1]


def last(figures: dict[str, Any], name: str) -> float:
    return float(figures["metrics"][name]["last"])


def in_full(preset: str, seed: int, data: Path) -> dict[str, Any]:
    """The preset as a person runs it."""
    command = [sys.executable, "-m", "engine", "run", "consistency", "--preset", preset, f"seed={seed}", "device=cpu", "--json"]
    done = subprocess.run(command, env={**os.environ, "FAULTLINE_DATA": str(data)}, capture_output=True, text=True)
    assert done.returncode in (0, 4), done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_full_the_unanchored_run_ends_a_hundred_times_farther_from_the_data_than_its_twin(seed: int, tmp_path: Path) -> None:
    broken, cured = in_full("unanchored", seed, tmp_path), in_full("unanchored_cured", seed, tmp_path)
    name = "energy_distance/one_step"
    assert last(cured, name) < 1
    assert last(broken, name) > 100 * last(cured, name)
    assert (broken["status"], cured["status"]) == ("diverged", "finished")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_full_the_ladder_rises(seed: int, tmp_path: Path) -> None:
    distances = [last(in_full(f"fourier_{scale}", seed, tmp_path), "energy_distance/one_step") for scale in (0, 4, 16)]
    assert distances == sorted(distances)


# -- every method is one path ------------------------------------------------------------------------

OBJECTIVES = ["trigflow", "trigflow_discrete", "edm_discrete", "shortcut", "mean_flow", "diffusion"]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("anchor", ["none", "expanded_interval", "auxiliary_condition"])
def test_every_objective_trains_with_every_anchor(objective: str, anchor: str) -> None:
    if (objective, anchor) == ("edm_discrete", "expanded_interval"):
        with pytest.raises(ValueError, match=r"choose anchor=auxiliary_condition") as refused:
            lab(None, **SMALL, objective=objective, anchor=anchor).model()
        assert "\n" not in str(refused.value)
        return
    seen = train(None, **SMALL, objective=objective, anchor=anchor, pretrain=1)
    assert all(math.isfinite(value) for losses in seen.losses for value in losses.values())
    assert ("anchor" in seen.losses[-1]) == (anchor != "none")
    assert list(seen.losses[0]) == ["train"], "before the consistency loss begins there is the velocity alone"


@pytest.mark.parametrize("tangent", ["raw", "clip", "normalise", "relaxed"])
@pytest.mark.parametrize("weight", ["constant", "adaptive", "scaled_norm"])
def test_every_shape_of_the_tangent_goes_with_every_weight(tangent: str, weight: str) -> None:
    seen = train(None, **SMALL, tangent=tangent, loss_weight=weight)
    assert all(math.isfinite(norm) and norm > 0 for norm in seen.norms)


def test_shaping_does_what_its_formula_says() -> None:
    g, share = torch.tensor([[3.0, -4.0], [0.03, 0.04]]), torch.tensor([1.0, 0.25])
    shapes = {name: lab(None, tangent=name).tangent.transform(g, share) for name in ("raw", "clip", "normalise", "relaxed")}
    assert torch.equal(shapes["raw"], g)
    assert shapes["clip"].tolist() == [[1.0, -1.0], [pytest.approx(0.03), pytest.approx(0.04)]]
    assert torch.allclose(shapes["normalise"], torch.stack([g[0] / 5.1, g[1] / 0.15]))
    assert torch.allclose(shapes["relaxed"][1], (1 - 0.75**0.5) * g[1]), "1 - t^p with t = 1 - share"
    assert shapes["relaxed"][0].tolist() == [1.0, -1.0], "whole at the noise"
    rms = lab(None, tangent="normalise", **{"tangent.length": "rms"}).tangent.transform(g, share)
    assert torch.allclose(rms[0], g[0] / (5 / math.sqrt(2) + 0.1))


def test_the_adaptive_weight_is_best_where_the_weighted_error_is_one() -> None:
    weight = lab(None, loss_weight="adaptive").loss_weight
    error = torch.full((4,), 0.2)
    losses = [weight.weigh(error, torch.rand(4), lambda share, w=w: torch.full_like(share, w)).item() for w in (1.0, -math.log(0.2), 2.5)]
    assert min(losses) == losses[1] == pytest.approx(1 + math.log(0.2))


# -- numbers that are none ---------------------------------------------------------------------------


def test_numbers_that_are_not_finite_reach_the_readings_and_a_distance_of_them_is_infinite() -> None:
    broken = train(None, **SMALL)
    with torch.no_grad():
        for parameter in broken.model.network.parameters():
            parameter.fill_(math.nan)
    broken.lab.loss(broken.model, broken.lab.batch(0), 3)
    broken.model.ema.update(broken.model.network)
    step = Step(3, 4, broken.lab, broken.model, {}, {}, None, 0.1)  # type: ignore[arg-type]
    found = {
        r.metric: torch.as_tensor(r.value)
        for kind in (EnergyDistance, Samples, Tangent)
        for r in kind(broken.lab, broken.model).after(step)
    }
    assert math.isinf(found["energy_distance/one_step"])
    assert found["samples/one_step"].isnan().all()
    assert math.isnan(found["tangent/raw"])
    assert found["energy_distance/floor"] > 0
    coverage = {r.metric: float(r.value) for r in ModeCoverage(broken.lab, broken.model).after(step)}
    assert coverage == {"mode_coverage/one_step": 0.0, "mode_coverage/two_steps": 0.0, "mode_coverage/data": 1.0}


def test_jumps_begin_at_the_noise_of_the_samples_and_end_where_these_lie() -> None:
    trained = train(None, **SMALL)
    step = Step(2, 3, trained.lab, trained.model, {}, {}, None, 0.1)  # type: ignore[arg-type]
    (jumps,) = Jumps(trained.lab, trained.model).after(step)
    samples = {r.metric: torch.as_tensor(r.value) for r in Samples(trained.lab, trained.model).after(step)}
    jumps_N4 = torch.as_tensor(jumps.value)
    assert jumps_N4.shape == (64, 4)
    torch.testing.assert_close(jumps_N4[:, 2:], samples["samples/one_step"][:64])
    (again,) = Jumps(trained.lab, trained.model).after(step)
    assert torch.equal(jumps_N4[:, :2], torch.as_tensor(again.value)[:, :2]), "the same noise every time"
    assert 0.3 < float(jumps_N4[:, :2].std()) < 0.7, "as spread out as the data"


def test_where_the_data_do_not_lie_in_the_plane_no_jump_is_read() -> None:
    trained = train(None, **SMALL, data="digits")
    step = Step(2, 3, trained.lab, trained.model, {}, {}, None, 0.1)  # type: ignore[arg-type]
    assert list(Jumps(trained.lab, trained.model).after(step)) == []


def test_the_tail_of_the_gradient_goes_on_from_a_checkpoint() -> None:
    model = torch.nn.Linear(1, 1, bias=False)

    def steps(first: int, until: int, probe: GradientTail) -> list[float]:
        out = []
        for n in range(first, until):
            model.weight.grad = torch.full((1, 1), 1.0 + (n % 7))
            out += [float(r.value) for r in probe.gradients(Step(n, 300, None, model, {}, {}, None, 0.1))]  # type: ignore[arg-type]
        return out

    whole, first, second = (GradientTail(None, model) for _ in range(3))  # type: ignore[arg-type]
    expected = steps(0, 260, whole)
    got = steps(0, 133, first)
    second.load(first.state())
    assert got + steps(133, 260, second) == expected
    assert expected[-2:] == [4.0, pytest.approx(7 / 4)]


# -- teachers ----------------------------------------------------------------------------------------


def test_a_diffusion_run_leaves_a_teacher_that_other_runs_and_the_panel_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    small = {"data": "ring", "width": 8, "blocks": 1}
    student = lab(None, **SMALL, velocity="teacher")
    with pytest.raises(ValueError, match="faultline run consistency --preset teacher data=ring width=8") as refused:
        student.model()
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="faultline run consistency --preset diagnosis fourier_scale=16"):
        Diagnosis(network="trained").compute()

    short = student.teacher().model_copy(update={"steps": 3})
    monkeypatch.setattr(Consistency, "teacher", lambda self: short)
    trained = train("teacher", **small, steps=3)
    assert _teachers.key(trained.lab.flat()) == _teachers.key(short.flat())
    field = student.reference()
    y, t = torch.randn(5, 2), torch.rand(5)
    assert torch.allclose(field(y, t), trained.model.averaged()(y, t), atol=1e-6)
    assert student.provenance()["teacher"] == _teachers.key(short.flat())
    assert math.isfinite(train(None, **SMALL, velocity="teacher").losses[-1]["train"])

    diagnosed = Diagnosis(network="trained", embedding="positional")
    _teachers.save(diagnosed.teacher().flat(), dict(diagnosed.teacher().model().network.named_parameters()))
    trained_frames, fresh_frames = diagnosed.compute(), Diagnosis(embedding="positional").compute()
    assert trained_frames["norms"]["time"] == pytest.approx(fresh_frames["norms"]["time"], rel=1e-5), "these are the initial weights"


def test_the_diagnosis_sees_the_embedding_and_the_logarithm_of_the_noise() -> None:
    def time(**knobs: Any) -> list[float]:
        return Diagnosis(**knobs).compute()["norms"]["time"]

    calm, violent = time(embedding="positional"), time(embedding="fourier_16")
    assert sorted(violent)[32] > 30 * sorted(calm)[32]
    log = time(embedding="positional", c_noise="log")
    assert log[-1] > 10 * sorted(log)[32], "it explodes at the noise end"
    assert calm[-1] < 4 * sorted(calm)[32]


def test_digits_become_a_sheet_of_pictures() -> None:
    seen = train(None, **SMALL, data="digits")
    step = Step(2, 3, seen.lab, seen.model, {}, {}, None, 0.1)  # type: ignore[arg-type]
    pictures = list(Samples(seen.lab, seen.model).after(step))
    assert [picture.name for picture in pictures] == ["digits_one_step", "digits_two_steps"]
    assert pictures[0].pixels.shape == ((8 * 9 - 1) * 4, (8 * 9 - 1) * 4)
    assert 0 <= pictures[0].pixels.min() <= pictures[0].pixels.max() <= 1
    assert not list(ModeCoverage(seen.lab, seen.model).after(step))
