"""What the presets of `unet` claim, in small: one seed and fewer steps here, the whole of it over the seeds when marked slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.core.catalog import Catalog
from engine.declare.knobs import Flat
from engine.declare.records import MEASURED
from engine.declare.resolve import resolve
from engine.docs.measure import record
from engine.labs.common.norms import clip
from engine.labs.describe import entry
from engine.labs.detector import Detector
from engine.labs.diffusion.unet import Unet
from engine.runs.event import Event
from engine.statistics.pairs import pair

UNET = entry("unet", Unet)
REMEDIES = ("skips_cured", "remedies_inverse_sqrt2", "remedies_learnable", "remedies_learnable_channels")
SMALL = {"device": "cpu", "width": 16, "batch_size": 8}


@dataclass
class Trained:
    """What a plain loop saw."""

    losses: list[float] = field(default_factory=list)
    features: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def late(self) -> float:
        kept = self.features[len(self.features) // 4 :]
        return sum(kept) / len(kept)


def train(preset: str, **given: Any) -> Trained:
    """A preset in the plainest of loops: no Lightning, no spool, one thread."""
    torch.set_num_threads(1)
    lab = Unet.model_validate(resolve(UNET, preset, SMALL | given).nested)
    model, seen, rule = lab.model().train(), Trained(), Catalog("detectors", Detector)["feature_growth"]()
    model.decoder[0].register_forward_hook(
        lambda module, inputs, output: seen.features.append(output.detach().flatten(1).square().sum(1).mean().item())
    )
    optimizer = lab.optimizer.build(model.named_parameters(), lab.lr)
    for number in range(lab.steps):
        for group in optimizer.param_groups:
            group["lr"] = lab.learning_rate(number)
        loss = lab.loss(model, lab.batch(number), number)["train"]
        optimizer.zero_grad()
        loss.backward()
        if lab.clip:
            clip(model, torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]), lab.clip)
        optimizer.step()
        lab.after_step(model, number)
        seen.losses.append(loss.item())
        seen.events += rule.update(number, {"feature_norm/train": seen.features[-1]})
    return seen


def test_unscaled_skips_give_larger_features_than_any_remedy_after_a_few_steps() -> None:
    broken = train("skips", steps=32)
    for preset in REMEDIES:
        cured = train(preset, steps=32)
        assert broken.late > 1.1 * cured.late, preset
        assert abs(broken.losses[0] - cured.losses[0]) < 1e-6, "the arms start with one answer, nothing, to one batch"
    assert broken.features[-1] > broken.features[0]


def test_the_features_leave_their_scale_unseen_and_the_cure_holds_them() -> None:
    full_size = {"seed": 1, "steps": 55, "width": 24, "batch_size": 16}
    broken, cured = train("silent", **full_size), train("silent_cured", **full_size)
    assert [event.kind for event in broken.events] == ["growth"]
    assert cured.events == []
    assert broken.features[-1] > 1e4 * cured.features[-1]
    assert max(broken.losses[20:]) < 2.0, "the loss does not tell"


def test_the_healthy_preset_learns() -> None:
    healthy = train("healthy", steps=60)
    assert sum(healthy.losses[-10:]) < 0.85 * sum(healthy.losses[:10])


def knobs(preset: str) -> Flat:
    return dict(resolve(UNET, preset, {"device": "cpu"}).flat)


@pytest.mark.parametrize("preset", [name for name in UNET["presets"] if name.endswith("_gpu")])
def test_a_gpu_variant_is_large_and_its_text_says_that_nobody_measured_it(preset: str) -> None:
    large = knobs(preset)
    assert (large["precision"], large["data"]) == ("bf16", "patches_32")
    assert UNET["presets"][preset]["see"].startswith("Not measured on a GPU yet")
    lab = Unet.model_validate(resolve(UNET, preset, {"device": "cpu"}).nested)
    with torch.device("meta"):
        network = lab.backbone.build(3, 32, lab.width, lab.skips, lab.skip_scaling, lab.residual_scaling)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    assert 5 < millions < 30 if large["backbone"] == "unet" else 30 < millions < 80


def late_of(preset: str) -> dict[int, float]:
    """Seed -> feature_norm/late, as measured; nothing of a preset that stands in docs/measured/UNMEASURED."""
    found = record.read(MEASURED, "unet", preset)
    return {} if found is None else {run["seed"]: float(run["values"]["feature_norm/late|last"]) for run in found["runs"]}


def run(preset: str, seed: int, data: Path) -> dict[str, Any]:
    """The preset in full, as a person runs it."""
    command = [sys.executable, "-m", "engine", "run", "unet", "--preset", preset, f"seed={seed}", "--json"]
    done = subprocess.run(command, env={**os.environ, "FAULTLINE_DATA": str(data)}, capture_output=True, text=True)
    assert done.returncode in (0, 4), done.stderr
    return json.loads(done.stdout)


LARGER = [("high_rate", "skips"), ("small_batch", "skips"), ("perturbed_input", "skips"), ("perturbed_input", "perturbed_input_cured")]
LARGER += [("silent", "no_warmup_cured"), ("depth_16", "skips"), ("skips", "depth_8"), ("depth_8", "depth_4"), ("skips", "skips_cured")]


@pytest.mark.parametrize(("broken", "calm"), LARGER)
def test_as_measured_each_stressor_makes_the_features_larger(broken: str, calm: str) -> None:
    first, second = late_of(broken), late_of(calm)
    unmeasured = (MEASURED / "UNMEASURED").read_text().split() if (MEASURED / "UNMEASURED").exists() else []
    if first and second:
        assert pair(first, second).direction == 1
    else:
        assert {f"unet/{broken}", f"unet/{calm}"} & set(unmeasured)


def test_the_twins_that_were_measured_under_another_name_have_its_knobs() -> None:
    knobs = {name: preset["knobs"] for name, preset in UNET["presets"].items()}
    assert knobs["high_rate_cured"] == knobs["small_batch_cured"] == knobs["skips"]
    assert knobs["no_warmup"] == knobs["silent"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_full_unscaled_skips_give_larger_features_than_the_twin(seed: int, tmp_path: Path) -> None:
    broken, cured = (run(preset, seed, tmp_path)["metrics"]["feature_norm/late"]["last"] for preset in ("skips", "skips_cured"))
    assert broken > 2.0 * cured


@pytest.mark.slow
def test_in_full_the_silent_run_is_told_by_its_level_and_its_pictures_are_there(tmp_path: Path) -> None:
    told = run("silent", 0, tmp_path)
    kinds = [event["kind"] for event in told["events"]]
    assert "growth" in kinds
    assert "image" in kinds
    assert "spike" not in kinds
