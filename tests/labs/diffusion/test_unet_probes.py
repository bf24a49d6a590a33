"""The probes of long skips against independent computations, and the detector of features that leave their scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.core.catalog import Catalog
from engine.labs.detector import Detector
from engine.labs.diffusion.unet import Unet
from engine.labs.probe import Probe, Reading, Step, attached
from engine.runs.pictures import Picture

PROBES = Catalog("probes", Probe)
SMALL = {"device": "cpu", "skips": 3, "width": 8, "batch_size": 5, "steps": 40}
MINE = ("block_gradients", "feature_norm", "feature_norm_fixed", "input_gain", "loss_by_level", "loss_ema", "picture_samples", "skip_share")


def scene(**knobs: Any) -> tuple[Unet, nn.Module, Callable[[int], Step]]:
    """A lab, its model shaken out of its zeros, and its steps."""
    lab = Unet.model_validate({**SMALL, **knobs})
    model = lab.model()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
    model.ema.update(model)

    def step(n: int) -> Step:
        return Step(n, lab.steps, lab, model, lab.batch(n), {}, None, 0.1)  # type: ignore[arg-type]

    return lab, model, step


def dump(readings: Any) -> dict[str, Any]:
    return {r.metric: torch.as_tensor(r.value).tolist() for r in readings if isinstance(r, Reading)}


def train_once(probe: Probe, step: Step) -> dict[str, Any]:
    """A forward and a backward pass under the probe's eyes."""
    probe.prepare(step)
    step.model.zero_grad()
    step.lab.loss(step.model, step.batch, step.number)["train"].backward()
    return dump(probe.gradients(step))


def blocks_of(lab: Unet, model: nn.Module, batch: dict[str, torch.Tensor]) -> list[np.ndarray]:
    """Squared norms of every decoder block's output for each picture, with hooks of this test's own."""
    seen: dict[int, np.ndarray] = {}
    hooks = [
        block.register_forward_hook(
            lambda module, inputs, output, i=i: seen.update({i: (output.detach().double().numpy() ** 2).sum((1, 2, 3))})
        )
        for i, block in enumerate(model.decoder)
    ]
    lab.loss_of_each(model, batch)
    for hook in hooks:
        hook.remove()
    return [seen[i] for i in range(len(seen))]


def test_the_feature_norm_is_the_mean_square_length_of_what_the_decoder_blocks_put_out() -> None:
    lab, model, step = scene()
    probe = PROBES["feature_norm"](lab, model)
    got = train_once(probe, step(0))
    expected = [block.mean() for block in blocks_of(lab, model, lab.batch(0))]
    assert got["feature_norm/blocks"] == pytest.approx(expected, rel=1e-4)
    assert got["feature_norm/train"] == pytest.approx(expected[0], rel=1e-4)
    assert "feature_norm/late" not in got, "it begins after a quarter of the run"


def test_the_swing_and_its_chance_value_follow_a_plain_loop_and_a_resumed_probe_goes_on() -> None:
    lab, model, step = scene()
    whole, first, second = (PROBES["feature_norm"](lab, model) for _ in range(3))
    got, change, level, chance, late, before = [], 0.0, 0.0, 0.0, [], None
    for n in range(14):
        got = [train_once(probe, step(n)) for probe in ((whole, first) if n < 7 else (whole, second))]
        if n == 6:
            second.load(first.state())
        block = blocks_of(lab, model, lab.batch(n))[0]
        if n >= 10:
            late.append(block.mean())
        if before is not None:
            change, level = (0.98 * a + 0.02 * v for a, v in ((change, abs(block.mean() - before)), (level, block.mean())))
            chance = 0.98 * chance + 0.02 * 2 / math.sqrt(math.pi) * block.std(ddof=1) / math.sqrt(5)
        before = block.mean()
    assert got[0]["oscillation/train"] == pytest.approx(change / level, rel=1e-3)
    assert got[0]["oscillation/chance"] == pytest.approx(chance / level, rel=1e-3)
    assert got[0]["feature_norm/late"] == pytest.approx(sum(late) / 4, rel=1e-4)
    assert got[0] == got[1]


def test_a_model_at_rest_swings_as_much_as_chance_says() -> None:
    lab, model, step = scene(batch_size=32, steps=4)
    probe, got = PROBES["feature_norm"](lab, model), {}
    for n in range(60):
        got = train_once(probe, step(n))
    assert 0.6 < got["oscillation/train"] / got["oscillation/chance"] < 1.6


def test_a_nan_in_the_features_is_told_and_stays() -> None:
    lab, model, step = scene()
    probe = PROBES["feature_norm"](lab, model)
    train_once(probe, step(0))
    weight = model.decoder[0].fusion.main.weight
    kept = weight[0, 0].item()
    with torch.no_grad():
        weight[0, 0] = math.nan
    assert math.isnan(train_once(probe, step(1))["feature_norm/train"])
    with torch.no_grad():
        weight[0, 0] = kept
    got = train_once(probe, step(2))
    assert math.isfinite(got["feature_norm/train"])
    assert math.isnan(got["oscillation/train"])


def test_what_is_read_on_the_fixed_batch_moves_with_the_weights_alone() -> None:
    lab, model, step = scene()
    probe = PROBES["feature_norm_fixed"](lab, model)
    first, second = (dump(probe.after(step(n))) for n in (0, 10))
    expected = [block.mean() for block in blocks_of(lab, model, lab.fixed_batch())]
    assert first["feature_norm/fixed_blocks"] == pytest.approx(expected, rel=1e-4)
    assert second["feature_norm/fixed"] == first["feature_norm/fixed"]
    assert second["oscillation/fixed"] == 0.0


def test_shares_and_gates_are_those_of_the_fusion() -> None:
    lab, model, step = scene(skip_scaling={"is": "constant", "kappa": 0.5})
    seen: dict[int, float] = {}
    for i, block in enumerate(model.decoder):

        def see(fusion: Any, inputs: Any, output: Any, i: int = i) -> None:
            h, s = (x.detach().double().numpy() for x in inputs)
            main = h @ fusion.main.weight.detach().double().numpy().T + fusion.main.bias.detach().double().numpy()
            seen[i] = np.linalg.norm(0.5**i * s @ fusion.skip.weight.detach().double().numpy().T) / np.linalg.norm(main)

        block.fusion.register_forward_hook(see)
    got = dump(PROBES["skip_share"](lab, model).after(step(0)))
    assert got["skip_share"] == pytest.approx([seen[i] for i in range(3)], rel=1e-4)
    assert got["skip_gate/mean"] == got["skip_gate/min"] == got["skip_gate/max"] == [1.0, 0.5, 0.25]
    learned = scene(skip_scaling="learnable")
    gates = dump(PROBES["skip_share"](learned[0], learned[1]).after(learned[2](0)))
    for low, mean, high in zip(gates["skip_gate/min"], gates["skip_gate/mean"], gates["skip_gate/max"], strict=True):
        assert 0.2 < low < mean < high < 0.8, "it begins near one half"


def test_the_loss_by_level_is_the_loss_of_its_pictures_and_its_mean_is_the_whole() -> None:
    lab, model, step = scene()
    got = dump(PROBES["loss_by_level"](lab, model).after(step(0)))
    batch = lab.fixed_batch()
    each = lab.loss_of_each(model, batch).detach().double().numpy()[np.argsort(batch["sigma"].numpy())]
    assert got["loss_by_level"] == pytest.approx(each.reshape(8, -1).mean(1), rel=1e-4)
    assert got["loss_by_level/error"] == pytest.approx(each.reshape(8, -1).std(1, ddof=1) / 2, rel=1e-3)
    assert got["loss/fixed"] == pytest.approx(each.mean(), rel=1e-5)
    assert dump(PROBES["loss_ema"](lab, model).after(step(0)))["loss/ema"] == pytest.approx(each.mean(), rel=1e-4)


def test_the_gain_of_a_network_that_doubles_its_input_is_two() -> None:
    lab, _, step = scene()
    model = nn.Module()
    model.decoder = nn.ModuleList([nn.Identity()])
    model.weight = nn.Parameter(torch.zeros(()))
    model.forward = lambda x, label: 2.0 * model.decoder[0](3.0 * x)  # type: ignore[method-assign]
    one = step(0)
    one.model = model
    got = dump(PROBES["input_gain"](lab, model).after(one))
    assert got["gain/output"] == pytest.approx(6.0, rel=1e-3)
    assert got["gain/feature"] == pytest.approx(3.0, rel=1e-3)
    assert got["gain/rounding"] < 1e-4


def test_gradients_are_those_of_the_blocks() -> None:
    lab, model, step = scene()
    got = train_once(PROBES["block_gradients"](lab, model), step(0))
    for side in ("encoder", "decoder"):
        blocks = getattr(model, side)
        expected = [math.sqrt(sum(p.grad.double().square().sum().item() for p in block.parameters())) for block in blocks]
        assert got[f"block_gradients/{side}"] == pytest.approx(expected, rel=1e-4)


def test_pictures_are_drawn_from_the_same_noise_and_lie_between_black_and_white() -> None:
    lab, model, step = scene()
    probe = PROBES["picture_samples"](lab, model)
    first, second = (list(probe.after(step(n))) for n in (0, 5))
    pictures = [r for r in first if isinstance(r, Picture)]
    assert len(pictures) == 1
    assert pictures[0].pixels.ndim == 2
    assert 0.0 <= pictures[0].pixels.min() <= pictures[0].pixels.max() <= 1.0
    assert torch.equal(pictures[0].pixels, next(r for r in second if isinstance(r, Picture)).pixels)
    assert pictures[0].message.endswith(".")
    colour = scene(data="patches_16", sampler={"is": "ddim", "steps": 2})
    sheet = next(r for r in PROBES["picture_samples"](*colour[:2]).after(colour[2](0)) if isinstance(r, Picture))
    assert sheet.pixels.shape == (2 * 36, 8 * 36, 3)


def test_no_probe_leaves_a_hook_or_changes_a_weight() -> None:
    lab, model, step = scene(skip_scaling="learnable")
    probes = [PROBES[name](lab, model) for name in MINE]
    hooks = [len(m._forward_hooks) for m in model.modules()]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one = step(0)
    for probe in probes:
        probe.prepare(one)
    lab.loss(model, one.batch, 0)["train"].backward()
    state = torch.get_rng_state()
    for probe in probes:
        list(probe.gradients(one))
    for probe in probes:
        list(probe.after(one))
    assert torch.equal(torch.get_rng_state(), state)
    assert hooks == [len(m._forward_hooks) for m in model.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_they_attach_only_where_there_are_long_skips() -> None:
    kinds = {name: PROBES[name] for name in MINE}
    assert attached(kinds, "cheap", frozenset()) == {}
    assert attached(kinds, "cheap", Unet.provides) == kinds


def test_features_that_leave_quietly_are_told_once_and_ordinary_growth_is_not() -> None:
    rule = Catalog("detectors", Detector)["feature_growth"]()
    values = [100.0] * 5 + [5e5] * 30 + [2e6] * 40 + [math.nan] * 5
    events = [event for n, v in enumerate(values) for event in rule.update(n, {"feature_norm/train": v})]
    assert [(event.step, event.kind) for event in events] == [(54, "growth")]
    assert not rule.update(99, {"loss/train": 1.0})
    broken = Catalog("detectors", Detector)["feature_growth"]()
    odd = [event for n in range(40) for event in broken.update(n, {"feature_norm/train": 100.0 if n < 10 else math.nan})]
    assert [event.step for event in odd] == [29], "what is no number counts as above"
