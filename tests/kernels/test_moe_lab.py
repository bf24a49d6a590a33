"""Lab `moe` on its kernel, emulated: the layer gives what plain torch gives; on a CPU plain torch gives the bits it always gave.

Shapes: T tokens, D width, E experts, n hidden units, k experts per token.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from engine.core.catalog import Catalog
from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.router_scores import RouterModule, top_k
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.loss_free import LossFreeRouter
from engine.labs.moe.remedies.router.sinkhorn import SinkhornRouter
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter, balance_loss
from engine.labs.probe import Probe, Step
from kernels.emulator.emulator import Emulator
from kernels.launch import KERNEL_PATH, KernelPath
from kernels.moe_route.moe_route import KERNEL
from kernels.moe_route.sort import moe_sort, permute, restore
from tests.support.routing import no_text

ROUTERS: dict[str, Callable[[], RouterModule]] = {
    "balanced and calmed softmax": lambda: SoftmaxTopKRouter(12, 7, 2, 3.0, 0.1, 0.01),
    "softmax, one of 37": lambda: SoftmaxTopKRouter(12, 37, 1, 3.0, 0.1, 0.0),
    "sigmoid with a bias": lambda: LossFreeRouter(12, 7, 3, 3.0, "sigmoid", 0.1),
    "softmax with a bias": lambda: LossFreeRouter(12, 7, 1, 3.0, "softmax", 0.1),
    "shared out": lambda: SinkhornRouter(12, 7, 2, 3.0, 6, 1.0),
}


@pytest.fixture
def emulated(cache: Path, host_compiler: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on kernels run in the emulator."""
    runner = Emulator(folder=cache)
    return lambda: monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device: runner)


def layer(name: str) -> MoELayer:
    router = ROUTERS[name]()
    made = initialise(MoELayer(12, router.experts, 5, router), 4)
    if isinstance(router, LossFreeRouter):
        router.bias_E.copy_(torch.linspace(-0.3, 0.3, router.experts))
    return made


def tokens(T: int = 90, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(T, 12, generator=torch.Generator().manual_seed(2)).to(dtype).requires_grad_()


def passed(made: MoELayer) -> dict[str, Tensor]:
    """One training pass and its gradients."""
    x_TD = tokens()
    y_TD, losses = made(x_TD, no_text(len(x_TD)))
    made.zero_grad()
    (y_TD * torch.linspace(-1, 1, y_TD.numel()).view_as(y_TD)).sum().add(sum(losses.values(), torch.zeros(()))).backward()
    record = made.record
    out = {"y": y_TD, "x.grad": x_TD.grad, "probs": record.probs_TE, "weights": record.weights_Tk, "counts": record.counts_E}
    out |= {"chosen": record.experts_Tk, **losses} | {f"{name}.grad": p.grad for name, p in made.named_parameters()}
    return {name: value.detach().clone() for name, value in out.items()}


@pytest.mark.parametrize("name", ROUTERS)
def test_the_layer_on_the_emulated_kernel_gives_the_values_and_gradients_of_plain_torch(name: str, emulated: Callable[[], None]) -> None:
    plain, ours = layer(name), layer(name)
    expected = passed(plain)
    told = readings(plain)
    emulated()
    got = passed(ours)
    assert torch.equal(got["chosen"], expected["chosen"])
    assert torch.equal(got["counts"], expected["counts"])
    for one in expected:
        torch.testing.assert_close(got[one], expected[one], rtol=2e-5, atol=2e-6, msg=lambda message, one=one: f"{one}: {message}")
    assert (ours.record.margin_T is not None) == (name != "shared out"), "the kernel chose"
    assert readings(ours) == pytest.approx(told, rel=1e-4, abs=1e-6)


def readings(made: MoELayer) -> dict[str, float]:
    """What the probes of routing say of the record, each vector by its sum."""
    step = Step(0, 10, SimpleNamespace(), nn.ModuleDict({"a": made}), {}, {}, None, 0.1)  # type: ignore[arg-type]
    probes = Catalog("probes", Probe)
    kinds = [probes[name] for name in probes.names() if probes[name].needs == "routing"]
    return {r.metric: float(torch.as_tensor(r.value).sum()) for kind in kinds for r in kind(None, nn.Module()).after(step)}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in ROUTERS if name != "shared out"])
def test_on_a_cpu_the_layer_gives_the_bits_of_the_plain_formula(name: str) -> None:
    made = layer(name)
    router, x_TD = made.router, tokens()
    got = passed(made)
    made.zero_grad()
    logits_TE = linear(x_TD, router.weight)
    sigmoid, bias_E = getattr(router, "gate", "") == "sigmoid", getattr(router, "bias_E", torch.zeros(()))
    scores_TE = logits_TE.sigmoid() if sigmoid else logits_TE.softmax(dim=-1)
    chosen_Tk = top_k(scores_TE.detach() + bias_E, router.k)
    order_A = chosen_Tk.flatten().argsort(stable=True)
    x_AD = x_TD.unsqueeze(1).expand(-1, router.k, -1).reshape(-1, 12)[order_A]
    rows = x_AD.split(torch.bincount(chosen_Tk.flatten(), minlength=router.experts).tolist())
    y_AD = torch.cat([linear(gelu(linear(x, a)), b) for x, a, b in zip(rows, made.weight_in, made.weight_out, strict=True)])
    y_TkD = y_AD[order_A.argsort()].view(-1, router.k, 12)
    y_TD = (y_TkD * scores_TE.gather(1, chosen_Tk).unsqueeze(-1)).sum(dim=1)
    extra = torch.zeros(())
    if isinstance(router, SoftmaxTopKRouter):
        extra = extra + router.balance_weight * balance_loss(scores_TE, chosen_Tk)
        if router.z_weight:
            extra = extra + router.z_weight * logits_TE.logsumexp(dim=-1).square().mean()
    (y_TD * torch.linspace(-1, 1, y_TD.numel()).view_as(y_TD)).sum().add(extra).backward()
    assert torch.equal(got["y"], y_TD)
    assert torch.equal(got["x.grad"], x_TD.grad)
    for name_, p in made.named_parameters():
        assert torch.equal(got[f"{name_}.grad"], p.grad), name_


@pytest.mark.parametrize(
    "router", [{"is": "softmax_top_k", "k": 2, "z_weight": 0.01}, {"is": "loss_free"}, {"is": "sinkhorn", "iterations": 3}]
)
def test_the_whole_lab_trains_on_the_emulated_kernel_as_on_plain_torch(router: dict[str, Any], emulated: Callable[[], None]) -> None:
    sizes = {"experts": 6, "d_model": 16, "heads": 2, "context": 12, "batch_size": 3, "expert_width": 8}
    lab = Moe.model_validate({"router": router, "device": "cpu", "router_init": 3.0, **sizes})
    found = []
    for path in ("plain torch", "kernel"):
        if path == "kernel":
            emulated()
        model = lab.model()
        losses = lab.loss(model, lab.batch(0), 0)
        sum(losses.values()).backward()
        lab.after_step(model, 0)
        biases = {name: buffer for name, buffer in model.named_buffers() if "bias" in name}
        found.append({name: p.grad for name, p in model.named_parameters()} | biases | losses)
        assert all((m.record.entropy_T is None) == (path == "plain torch" or router["is"] == "sinkhorn") for m in routed(model).values())
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, rtol=1e-4, atol=1e-6, msg=lambda message, name=name: f"{name}: {message}")


def test_rows_go_to_their_experts_and_back_and_their_gradients_with_them() -> None:
    chosen_Tk = torch.tensor([[2, 0], [0, 1], [2, 1], [2, 3]])
    order = moe_sort(chosen_Tk, 5)
    x_TD = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    rows_AD = permute(x_TD, order, 2)
    assert torch.equal(rows_AD, x_TD[[0, 1, 1, 2, 0, 2, 3, 3]]), "expert by expert, tokens in their order"
    assert torch.equal(restore(rows_AD, order), x_TD.repeat_interleave(2, 0))
    assert torch.autograd.gradcheck(lambda x: restore(permute(x, order, 2).square(), order), (x_TD,))


def test_more_experts_than_the_kernel_takes_is_told_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = KernelPath()
    with pytest.warns(RuntimeWarning, match="moe_route falls back to plain torch: too many"):
        choice.refuse(KERNEL, torch.device("cuda", 0), "too many")
    assert choice.record == {"moe_route": "reference: too many"}
    choice.refuse(KERNEL, torch.device("cuda", 0), "too many")
    choice.refuse(KERNEL, torch.device("cpu"), "too many")
    told = "reference: too many; reference: the tensors are on the CPU"
    assert choice.record == {"moe_route": told}, "the plainer reason, and what ran before"
