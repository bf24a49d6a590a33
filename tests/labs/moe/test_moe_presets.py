"""What the presets of `moe` claim, in small: one seed and fewer steps here, the whole of it over the seeds when marked slow."""

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
from torch import nn

from engine.core.catalog import Catalog
from engine.declare.knobs import Flat
from engine.declare.resolve import resolve
from engine.labs.common.norms import clip
from engine.labs.describe import entry
from engine.labs.moe.moe import Moe
from engine.labs.probe import Probe, Step

MOE = entry("moe", Moe)
DEAD = Catalog("probes", Probe)["router_dead_experts"]


@dataclass
class Trained:
    """What a plain loop saw."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    dead: list[dict[str, int]] = field(default_factory=list)


def train(preset: str, **given: Any) -> Trained:
    """A preset in the plainest of loops: no Lightning, no spool, one thread."""
    torch.set_num_threads(1)
    lab = Moe.model_validate(resolve(MOE, preset, {"device": "cpu"} | given).nested)
    model, seen = lab.model().train(), Trained()
    optimizer, probe = lab.optimizer.build(model.named_parameters(), lab.lr), DEAD(lab, nn.Module())
    for number in range(lab.steps):
        for group in optimizer.param_groups:
            group["lr"] = lab.learning_rate(number)
        losses = lab.loss(model, lab.batch(number), number)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        if lab.clip:
            clip(model, norm, lab.clip)
        optimizer.step()
        lab.after_step(model, number)
        step = Step(number, lab.steps, lab, model, {}, losses, optimizer, lab.lr)
        seen.losses.append(losses["train"].item())
        seen.norms.append(norm.item())
        seen.dead.append({reading.layer: int(reading.value) for reading in probe.after(step)})
    return seen


def knobs(preset: str) -> Flat:
    return dict(resolve(MOE, preset, {"device": "cpu"}).flat)


def test_without_balancing_experts_die_within_sixty_steps_and_with_the_cure_none_does() -> None:
    broken, cured = train("collapse", steps=60), train("collapse_cured", steps=60)
    assert list(broken.dead[-1]) == ["blocks.0.moe", "blocks.1.moe"]
    assert max(broken.dead[-1].values()) >= 8
    assert max(cured.dead[-1].values()) <= 1
    assert abs(broken.losses[0] - cured.losses[0]) <= 1e-6
    assert broken.dead[0] == cured.dead[0], "the arms start as one model on one batch"


def test_a_router_that_shares_out_its_batches_keeps_its_experts_from_the_first_step() -> None:
    cured = train("even_batches_cured", steps=30)
    assert all(max(dead.values()) == 0 for dead in cured.dead)


def test_the_healthy_preset_keeps_its_experts() -> None:
    healthy = train("healthy", steps=50)
    assert max(healthy.dead[-1].values()) <= 1
    assert healthy.losses[-1] < 0.6 * healthy.losses[0]


def test_a_burst_raises_the_loss_where_the_run_without_it_goes_on_falling() -> None:
    burst = train("lr_burst", steps=50, burst_start=40)
    assert max(burst.losses[41:46]) > 1.25 * min(burst.losses[35:41])
    assert all(math.isfinite(loss) for loss in burst.losses)
    lab = Moe.model_validate(resolve(MOE, "lr_burst", {"device": "cpu"}).nested)
    rates = [lab.learning_rate(step) for step in range(lab.steps)]
    assert [step for step, rate in enumerate(rates) if rate > lab.lr] == list(range(150, 155))
    assert max(rates) == pytest.approx(30 * lab.lr)


def test_plain_gradient_descent_with_a_huge_step_reaches_numbers_that_are_none_and_the_cure_trains() -> None:
    broken, cured = train("non_finite", steps=20), train("non_finite_cured", steps=40)
    first = next(n for n, pair in enumerate(zip(broken.losses, broken.norms, strict=True)) if not all(map(math.isfinite, pair)))
    assert 5 <= first < 20
    assert math.isnan(broken.losses[-1])
    assert abs(broken.losses[0] - cured.losses[0]) <= 1e-6
    assert max(cured.losses[1:]) <= 1.1 * cured.losses[0]
    assert cured.losses[-1] < 0.8 * cured.losses[0]


@pytest.mark.parametrize("preset", [name for name, p in MOE["presets"].items() if name.endswith("_gpu")])
def test_a_gpu_variant_is_larger_and_its_text_says_that_nobody_measured_it(preset: str) -> None:
    large, small = knobs(preset), knobs(MOE["presets"][preset]["small"])
    assert large["precision"] == "bf16"
    assert large["context"] > small["context"]
    assert large["experts"] > small["experts"]
    assert "not measured" in MOE["story"]


def run(preset: str, seed: int, data: Path) -> dict[str, Any]:
    """The preset in full, as a person runs it."""
    command = [sys.executable, "-m", "engine", "run", "moe", "--preset", preset, f"seed={seed}", "--json"]
    done = subprocess.run(command, env={**os.environ, "FAULTLINE_DATA": str(data)}, capture_output=True, text=True)
    assert done.returncode in (0, 4), done.stderr
    return json.loads(done.stdout)


def last(figures: dict[str, Any], name: str) -> list[float]:
    return [float(metric["last"]) for key, metric in figures["metrics"].items() if key.partition("@")[0] == name]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_full_the_unbalanced_router_ends_with_eight_dead_experts_or_more_and_the_cured_one_with_one_at_most(
    seed: int, tmp_path: Path
) -> None:
    broken, cured = run("collapse", seed, tmp_path), run("collapse_cured", seed, tmp_path)
    assert max(last(broken, "router/dead_experts")) >= 8
    assert max(last(cured, "router/dead_experts")) <= 1
    assert broken["metrics"]["loss/train"]["points"] == broken["steps"] == knobs("collapse")["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["healthy", "collapse", "collapse_cured", "non_finite_cured"])
def test_in_full_no_detector_fires_where_nothing_diverges(preset: str, tmp_path: Path) -> None:
    figures = run(preset, 0, tmp_path)
    assert figures["status"] == "finished"
    assert [event for event in figures["events"] if event["kind"] in ("spike", "divergence", "nonfinite")] == []


@pytest.mark.slow
def test_in_full_the_burst_is_detected_as_a_spike_and_the_non_finite_run_as_diverged(tmp_path: Path) -> None:
    burst, broken = run("lr_burst", 0, tmp_path), run("non_finite", 0, tmp_path)
    assert any(event["kind"] == "spike" and 150 <= event["step"] <= 156 for event in burst["events"])
    assert broken["status"] == "diverged"
    assert any(event["kind"] == "nonfinite" for event in broken["events"])
    assert broken["metrics"]["loss/train"]["nonfinite"] > 0
