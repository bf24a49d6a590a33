"""The Sinkhorn router: its plan against a float64 loop, what training and evaluation each do with it, and where it is uneven.

Shapes: T tokens, D width, E experts, k experts per token, K iterations.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.core.catalog import Catalog
from engine.labs.chart import RunStyle, charts
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.router_scores import top_k
from engine.labs.moe.models.routing import RouteContext, routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.sinkhorn import SinkhornRouter
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter
from engine.labs.probe import Probe, Step
from kernels.launch import KERNEL_PATH
from tests.support.routing import no_text


def router(D: int = 6, E: int = 5, k: int = 1, iterations: int = 20, temperature: float = 1.0) -> SinkhornRouter:
    made = SinkhornRouter(D, E, k, 1.0, iterations, temperature)
    nn.init.normal_(made.weight, generator=torch.Generator().manual_seed(0))
    return made


def tokens(T: int, D: int = 6, seed: int = 1) -> Tensor:
    return torch.randn(T, D, generator=torch.Generator().manual_seed(seed))


def ids(T: int) -> RouteContext:
    return no_text(T)


def skewed(T: int, E: int) -> Tensor:
    """Scores of which some experts get far more than their share."""
    seeded = torch.Generator().manual_seed(0)
    return 1.5 * torch.randn(T, E, generator=seeded) + torch.randn(E, generator=seeded)


def plain_plan(scores_TE: Tensor, iterations: int) -> tuple[np.ndarray, list[float]]:
    """Clark et al.'s iteration on the matrix itself, in fp64: rows to 1, columns to T / E."""
    P_TE = np.exp(scores_TE.double().numpy())
    errors, share = [], P_TE.shape[0] / P_TE.shape[1]
    for _ in range(iterations):
        P_TE = P_TE / P_TE.sum(axis=1, keepdims=True)
        errors.append(float(np.abs(P_TE.sum(axis=0) / share - 1).max()))
        P_TE = P_TE * (share / P_TE.sum(axis=0))
    return P_TE, errors


def overload(chosen_T: Tensor, E: int) -> float:
    return (torch.bincount(chosen_T.flatten(), minlength=E).max() * E / chosen_T.numel() - 1).item()


@pytest.mark.parametrize(("T", "E", "k", "temperature"), [(37, 5, 1, 1.0), (101, 7, 3, 0.5), (1, 3, 1, 1.0), (4, 11, 2, 2.0)])
def test_in_training_each_token_goes_to_the_largest_entries_of_its_row_of_the_plan(T: int, E: int, k: int, temperature: float) -> None:
    made, x_TD = router(6, E, k, 12, temperature), tokens(T)
    got = made(x_TD, ids(T))
    plan_TE, errors = plain_plan((x_TD @ made.weight.T).detach() / temperature, 12)
    assert torch.equal(got.experts_Tk, torch.from_numpy(np.argsort(-plan_TE, axis=1, kind="stable")[:, :k].copy()))
    np.testing.assert_allclose(got.column_errors_K.numpy(), errors, rtol=1e-3, atol=2e-6)
    torch.testing.assert_close(got.weights_Tk, (x_TD @ made.weight.T).softmax(-1).gather(1, got.experts_Tk))


def test_independent_tokens_are_shared_out_evenly_within_ten_iterations_and_sharp_scores_take_longer() -> None:
    scores_TE = skewed(4096, 16)
    even, errors_K = router(E=16, iterations=11).shared_out(scores_TE)
    assert errors_K[0] > 0.5
    assert errors_K[5] < 1e-3
    assert errors_K[10] < 1e-5
    assert overload(even, 16) < 0.1 < 0.5 < overload(top_k(scores_TE, 1), 16)
    assert router(E=16, iterations=11).shared_out(10 * scores_TE)[1][10] > 0.1
    hot, hot_errors_K = router(E=16, iterations=60).shared_out(10 * scores_TE)
    assert hot_errors_K[-1] < 0.02
    assert overload(hot, 16) < 0.1


def test_a_constant_added_to_the_scores_of_a_token_changes_nothing() -> None:
    scores_TE = skewed(64, 8).double()
    moved = scores_TE + torch.linspace(-50, 50, 64, dtype=torch.float64).unsqueeze(1)
    made = router(E=8, iterations=9)
    assert torch.equal(made.shared_out(scores_TE)[0], made.shared_out(moved)[0])


def test_an_even_plan_of_tokens_that_are_all_alike_still_sends_them_all_to_one_expert() -> None:
    got, errors_K = router(E=4, iterations=30).shared_out(torch.tensor([[0.3, 0.2, 0.1, 0.0]]).expand(50, 4))
    assert errors_K[-1] < 1e-6
    assert overload(got, 4) == 3.0


def test_of_nearly_equal_tokens_a_lower_temperature_spreads_more() -> None:
    scores_TE = skewed(4, 8).repeat_interleave(128, 0) + 0.02 * torch.randn(512, 8, generator=torch.Generator().manual_seed(3))
    warm, cold = (router(E=8, iterations=200, temperature=t).shared_out(scores_TE) for t in (1.0, 0.02))
    assert warm[1][-1] < 1e-4
    assert overload(warm[0], 8) >= 1.0
    assert overload(cold[0], 8) < 0.5


def test_no_gradient_passes_through_the_choice() -> None:
    made, x_TD = router(k=2), tokens(40)
    got = made(x_TD, ids(40))
    got.weights_Tk.square().sum().backward()
    free = made.weight.detach().clone().requires_grad_()
    (x_TD @ free.T).softmax(-1).gather(1, got.experts_Tk).square().sum().backward()
    torch.testing.assert_close(made.weight.grad, free.grad)
    assert got.losses == {}


def test_evaluation_is_greedy() -> None:
    made, x_TD = router(k=2), tokens(40)
    plain = SoftmaxTopKRouter(6, 5, 2, 1.0, 0.0, 0.0)
    plain.weight = made.weight
    trained, greedy, expected = made(x_TD, ids(40)), made.eval()(x_TD, ids(40)), plain.eval()(x_TD, ids(40))
    assert torch.equal(greedy.experts_Tk, expected.experts_Tk)
    assert torch.equal(greedy.weights_Tk, expected.weights_Tk)
    assert greedy.column_errors_K is None
    assert not torch.equal(trained.experts_Tk, greedy.experts_Tk)


def test_in_training_a_route_depends_on_later_tokens_and_in_evaluation_it_does_not() -> None:
    made, x_TD = router(), tokens(60)
    other_TD = torch.cat([x_TD[:30], 3.0 * x_TD[30:].flip(1)])
    leaks = made(x_TD, ids(60)).experts_Tk[:30] != made(other_TD, ids(60)).experts_Tk[:30]
    assert leaks.any()
    made.eval()
    assert torch.equal(made(x_TD, ids(60)).experts_Tk[:30], made(other_TD, ids(60)).experts_Tk[:30])


def test_a_nan_in_the_scores_is_not_hidden() -> None:
    made, x_TD = router(), tokens(20)
    x_TD[3, 1] = torch.nan
    got = made(x_TD, ids(20))
    assert got.weights_Tk[3].isnan().all()
    assert got.column_errors_K.isnan().all()


def test_the_probe_tells_the_iterations_and_what_greedy_routing_would_do() -> None:
    layer = MoELayer(6, 5, 4, router(k=2, iterations=7))
    for weight in (layer.weight_in, layer.weight_out):
        nn.init.normal_(weight)
    x_TD = tokens(50)
    layer(x_TD, ids(50))
    probe = Catalog("probes", Probe)["router_greedy"](None, nn.Module())  # type: ignore[arg-type]
    step = Step(0, 10, SimpleNamespace(), nn.ModuleDict({"a": layer}), {}, {}, None, 0.1)  # type: ignore[arg-type]
    told = {reading.metric: reading.value for reading in probe.after(step)}
    logits_TE = x_TD @ layer.router.weight.T
    greedy = [set(sorted(range(5), key=lambda e: -row[e])[:2]) for row in logits_TE.tolist()]
    chosen = [set(row) for row in layer.record.experts_Tk.tolist()]
    counts = [sum(e in one for one in greedy) for e in range(5)]
    assert len(told["router/column_error"]) == 7
    assert told["router/column_error_last"] == told["router/column_error"][-1]
    assert float(told["router/greedy_share"]) == pytest.approx(sum(a != b for a, b in zip(greedy, chosen, strict=True)) / 50)
    assert float(told["router/greedy_max_violation"]) == pytest.approx(max(counts) / 20 - 1)
    layer.router = SoftmaxTopKRouter(6, 5, 2, 1.0, 0.0, 0.0)
    nn.init.normal_(layer.router.weight)
    layer(x_TD, ids(50))
    assert not list(probe.after(step))


def test_the_chart_draws_the_iterations_on_a_logarithmic_axis_without_losing_a_zero() -> None:
    import polars as pl

    frame = pl.DataFrame(
        {"metric": ["router/column_error"] * 3, "layer": ["a"] * 3, "index": [0, 1, 2], "step": [10] * 3, "value": [0.5, math.nan, 0.0]}
    )
    info = SimpleNamespace(name="router/column_error", layer="a", shape=(3,))
    figure = charts()[0]["column_error"].figure([RunStyle("r", series=(info,))], {"r": frame}, {}, "a")  # type: ignore[arg-type]
    assert list(figure.data[0].y) == [0.5, None, 3e-8]
    assert [list(t.x) for t in figure.data if t.name == "NaN"] == [[2]]


def test_the_run_tells_which_path_the_kernel_took() -> None:
    KERNEL_PATH.prefer("auto")
    router()(tokens(9), ids(9))
    assert KERNEL_PATH.record["sinkhorn"] == "reference: the tensors are on the CPU"


def test_the_lab_trains_with_it_and_evaluates_without_it() -> None:
    lab = Moe.model_validate({"router": {"is": "sinkhorn", "iterations": 3}, "batch_size": 2})
    model = lab.model()
    lab.loss(model, lab.batch(0), 0)["train"].backward()
    assert all(len(layer.record.column_errors_K) == 3 for layer in routed(model).values())
    assert all(layer.router.weight.grad.abs().sum() > 0 for layer in routed(model).values())
