"""Each probe of every lab against an independent computation, and what all probes promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.core.catalog import Catalog
from engine.labs.common.models.attention_tap import AttentionTap
from engine.labs.common.models.stages import stages
from engine.labs.common.norms import MOST_LAYERS, Layers, clip, norms, total
from engine.labs.common.probes.activation_rms import ActivationRms
from engine.labs.common.probes.attention_logit_max import AttentionLogitMax
from engine.labs.common.probes.grad_norm import GradNorm
from engine.labs.common.probes.nonfinite import NonFinite
from engine.labs.common.probes.step_time import StepTime
from engine.labs.common.probes.update_ratio import UpdateRatio
from engine.labs.common.probes.weight_norm import WeightNorm
from engine.labs.probe import PRICES, Metric, Probe, Step, attached
from tests.support.tiny_lab import Tiny, TinyModel

PROBES, BROKEN = Catalog("probes", Probe).load()


class Bench:
    """One step of the tiny lab with one probe attached, taken apart so that a test can look in between."""

    def __init__(self, kind: type[Probe], seed: int = 2) -> None:
        self.lab = Tiny(seed=seed)
        self.model = self.lab.model()
        self.probe = kind(self.lab, self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.readings: dict[str, Any] = {}

    def step(self, number: int = 0, spoil: Any = None) -> Step:
        batch = self.lab.batch(number)
        step = Step(number, 100, self.lab, self.model, batch, {}, self.optimizer, 0.1)
        self.probe.prepare(step)
        step.losses = self.lab.loss(self.model, batch, number)
        self.optimizer.zero_grad()
        sum(step.losses.values()).backward()
        if spoil is not None:
            spoil(self.model)
        with torch.no_grad():
            self.take(self.probe.gradients(step))
            self.optimizer.step()
            self.take(self.probe.after(step))
        return step

    def take(self, readings: Any) -> None:
        for metric, value, layer in readings:
            self.readings[f"{metric}@{layer}" if layer else metric] = float(value)


def norm64(tensors: list[Tensor]) -> float:
    return math.sqrt(sum(float((t.detach().double() ** 2).sum()) for t in tensors))


LAYERS = {
    "blocks.0": ["blocks.0.weight", "blocks.0.bias"],
    "blocks.1": ["blocks.1.weight", "blocks.1.bias"],
    "head": ["head.weight", "head.bias"],
}


def test_every_file_in_the_folder_is_a_probe() -> None:
    assert not BROKEN
    general = {"loss_train", "loss_validation", "lr", "grad_norm", "weight_norm", "update_ratio", "activation_rms", "nonfinite"}
    assert set(PROBES) >= general | {"attention_logit_max", "step_time"}


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_says_what_it_measures_and_at_what_price(name: str) -> None:
    kind = PROBES[name]
    assert kind.price in PRICES
    assert kind.every >= 1
    assert len(kind.__doc__ or "") > 40
    assert kind.metrics
    for metric in kind.metrics:
        assert isinstance(metric, Metric)
        assert metric.about
        assert metric.kind in ("scalar", "vector")


def test_the_dial_and_the_need_decide_what_attaches() -> None:
    class Dear(Probe):
        price = "dear"
        needs = "routing"

    class Free(Probe):
        price = "free"

    kinds: dict[str, type[Probe]] = {"dear": Dear, "free": Free}
    assert set(attached(kinds, "free", frozenset({"routing"}))) == {"free"}
    assert set(attached(kinds, "dear", frozenset())) == {"free"}
    assert set(attached(kinds, "dear", frozenset({"routing"}))) == {"dear", "free"}


def test_first_and_last_step_are_always_due() -> None:
    lab = Tiny()
    for name, kind in attached(PROBES, "dear", lab.provides).items():
        probe = kind(lab, lab.model())
        due = [step for step in range(103) if probe.due(step, 103)]
        assert due[0] == 0, name
        assert due[-1] == 102, name
        assert set(range(0, 103, kind.every)) <= set(due)


# -- norms ---------------------------------------------------------------------------------------------


def test_grad_norm_is_the_euclidean_norm_in_all_and_by_layer() -> None:
    bench = Bench(GradNorm)
    bench.step()
    gradients = {name: p.grad for name, p in bench.model.named_parameters()}
    assert bench.readings["grad_norm"] == pytest.approx(norm64(list(gradients.values())), rel=1e-5)
    for layer, names in LAYERS.items():
        assert bench.readings[f"grad_norm@{layer}"] == pytest.approx(norm64([gradients[n] for n in names]), rel=1e-5)
    assert len(bench.readings) == 4


def test_grad_norm_counts_a_parameter_without_gradient_as_zero() -> None:
    def spoil(model: nn.Module) -> None:
        model.head.weight.grad = None
        model.head.bias.grad = None

    bench = Bench(GradNorm)
    bench.step(spoil=spoil)
    assert bench.readings["grad_norm@head"] == 0.0
    assert bench.readings["grad_norm"] > 0.0


def test_weight_norm_is_that_of_the_weights_after_the_step() -> None:
    bench = Bench(WeightNorm)
    bench.step()
    weights = dict(bench.model.named_parameters())
    assert bench.readings["weight_norm"] == pytest.approx(norm64(list(weights.values())), rel=1e-5)
    for layer, names in LAYERS.items():
        assert bench.readings[f"weight_norm@{layer}"] == pytest.approx(norm64([weights[n] for n in names]), rel=1e-5)


def test_update_ratio_is_the_step_over_the_weights_before_it() -> None:
    bench = Bench(UpdateRatio)
    bench.step(0)
    before = {name: p.detach().clone() for name, p in bench.model.named_parameters()}
    bench.step(10)
    moved = {name: p.detach().double() - before[name].double() for name, p in bench.model.named_parameters()}
    expected = norm64(list(moved.values())) / norm64(list(before.values()))
    assert bench.readings["update_ratio"] == pytest.approx(expected, rel=1e-4)
    for layer, names in LAYERS.items():
        expected = norm64([moved[n] for n in names]) / norm64([before[n] for n in names])
        assert bench.readings[f"update_ratio@{layer}"] == pytest.approx(expected, rel=1e-4)


def test_layers_are_merged_until_there_are_few_enough() -> None:
    names = [f"blocks.{b}.experts.{e}.weight" for b in range(2) for e in range(40)] + ["position", "head.weight", "head.bias"]
    layers = Layers(names)
    assert layers.names == ("blocks.0.experts", "blocks.1.experts", "position", "head")
    assert len(layers.names) <= MOST_LAYERS
    values = torch.arange(83.0)
    found = {name: float(value) for name, value in layers.norms(values)}
    assert found["blocks.1.experts"] == pytest.approx(math.sqrt(sum(i * i for i in range(40, 80))))
    assert found["head"] == pytest.approx(math.hypot(81, 82))
    assert found["position"] == 80.0


@pytest.mark.parametrize("largest", [0.01, 1.0, 1e6])
def test_clipping_is_that_of_torch(largest: float) -> None:
    models = [TinyModel(), TinyModel()]
    for model in models:
        for at, p in enumerate(model.parameters()):
            p.grad = torch.full_like(p, 0.1 * (at + 1))
    models[0].head.bias.grad = models[1].head.bias.grad = None
    expected = torch.nn.utils.clip_grad_norm_(models[0].parameters(), largest)
    norm = total(norms([p.grad for p in models[1].parameters()]))
    clip(models[1], norm, largest)
    assert float(norm) == pytest.approx(float(expected), rel=1e-6)
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad)


# -- hooks ---------------------------------------------------------------------------------------------


def forward_by_hand(model: nn.Module, x: Tensor) -> list[np.ndarray[Any, Any]]:
    """-> outputs of the two blocks before the nonlinearity, then the two signals that the tap saw, in float64."""
    out, seen, x = [], [], x.double().numpy()
    for block in model.blocks:
        x = x @ block.weight.detach().double().numpy().T + block.bias.detach().double().numpy()
        out.append(x)
        x = np.tanh(x)
        seen.append(x)
    return out + seen


def test_activation_rms_is_that_of_each_block() -> None:
    bench = Bench(ActivationRms)
    blocks = forward_by_hand(bench.model, bench.lab.batch(0)["x"])[:2]
    bench.step()
    assert set(bench.readings) == {"activation_rms@blocks.0", "activation_rms@blocks.1"}
    for at, block in enumerate(blocks):
        assert bench.readings[f"activation_rms@blocks.{at}"] == pytest.approx(math.sqrt((block**2).mean()), rel=1e-5)


def test_a_hook_sleeps_between_readings() -> None:
    bench = Bench(ActivationRms)
    bench.step()
    bench.model(bench.lab.batch(5)["x"])
    assert bench.probe.seen == {}


def test_stages_are_the_outermost_lists_or_the_children() -> None:
    def expert() -> nn.Module:
        return nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(1, 1)])})

    nested = nn.ModuleDict({"blocks": nn.ModuleList([expert(), expert()]), "head": nn.Linear(1, 1)})
    assert list(stages(nested)) == ["blocks.0", "blocks.1"]
    assert list(stages(nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Tanh())))) == ["0", "1"]
    assert list(stages(nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Tanh()}))) == ["a", "b"]


@pytest.mark.parametrize("memory", [1, 2**24])
def test_attention_logit_max_looks_at_the_causal_part_alone(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr("engine.labs.common.probes.attention_logit_max.AT_ONCE", memory)
    dice = torch.Generator().manual_seed(0)
    q, k = (torch.randn(3, 2, 7, 5, generator=dice) for _ in range(2))
    q[1, 0, 2] = 100.0
    k[1, 0, 6] = 100.0  # a later position, which position 2 must not see
    expected = max(
        abs(float(q[b, h, i].double() @ k[b, h, j].double())) / math.sqrt(5)
        for b in range(3)
        for h in range(2)
        for i in range(7)
        for j in range(i + 1)
    )
    model = nn.ModuleDict({"attention": nn.ModuleDict({"tap": AttentionTap()})})
    probe = AttentionLogitMax(Tiny(), model)
    step = Step(0, 1, Tiny(), model, {}, {}, torch.optim.SGD([torch.zeros(1)]), 0.1)
    probe.prepare(step)
    model["attention"]["tap"](q, k)
    (reading,) = probe.gradients(step)
    assert (reading.metric, reading.layer) == ("attention_logit_max", "attention")
    assert float(reading.value) == pytest.approx(expected, rel=1e-5)
    q[0, 0, 0, 0] = math.nan
    probe.prepare(step)
    model["attention"]["tap"](q, k)
    (reading,) = probe.gradients(step)
    assert math.isnan(float(reading.value))


def test_nonfinite_counts_gradients_weights_and_activations() -> None:
    def spoil(model: nn.Module) -> None:
        model.head.weight.grad[0, :3] = math.inf
        model.blocks[0].bias.grad[0] = math.nan

    bench = Bench(NonFinite)
    bench.step()
    assert set(bench.readings.values()) == {0.0}
    bench.step(1, spoil)
    assert bench.readings == {"nonfinite": 8.0, "nonfinite/gradient": 4.0, "nonfinite/weight": 4.0, "nonfinite/activation": 0.0}
    bench.step(2)
    assert bench.readings["nonfinite/activation"] == 32 * (1 + 6)  # one unit of the first block, then all of the second


def test_a_norm_that_overflows_is_no_non_finite_value() -> None:
    def spoil(model: nn.Module) -> None:
        model.head.weight.grad.fill_(1e30)

    bench = Bench(NonFinite)
    bench.step(0, spoil)
    assert bench.readings["nonfinite/gradient"] == 0.0


def test_step_time_tells_the_whole_and_the_part_that_went_into_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.5, 13.0])
    monkeypatch.setattr("engine.labs.common.probes.step_time.perf_counter", lambda: next(clock))
    probe = StepTime(Tiny(), TinyModel())
    told = []
    for observing in (0.5, 0.6):
        step = Step(0, 2, Tiny(), TinyModel(), {}, {}, torch.optim.SGD([torch.zeros(1)]), 0.1, {"observing_seconds": observing})
        told.append([(r.metric, pytest.approx(r.value)) for r in probe.after(step)])
    assert told == [[("time/step", 2.5), ("time/probes", 0.5)], [("time/step", 0.5), ("time/probes", 0.1)]]
