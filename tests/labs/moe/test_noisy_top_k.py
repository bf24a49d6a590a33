"""The noisy top-k router: gates, importance and load against loops in float64, where its noise comes from, and what evaluation leaves out.

Shapes: T tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor

from engine.labs.common.models.initialise import initialise, named_generator
from engine.labs.moe.models.byte_transformer import ByteTransformer
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.place import Place
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.noisy_top_k import NoisyTopK, NoisyTopKRouter, chances, variation
from tests.support.routing import no_text

SIZES = [(13, 6, 5, 2), (29, 4, 7, 3), (3, 5, 4, 3)]


def router(D: int, E: int, k: int, importance: float = 1.0, load: float = 1.0, at: Place | None = None) -> NoisyTopKRouter:
    made = NoisyTopKRouter(D, E, k, 1.0, importance, load, at or Place(3, 1)).double()
    for number, weight in enumerate((made.weight, made.noise_weight)):
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(number))
    return made


def tokens(T: int, D: int, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def noise(T: int, E: int, step: int = 0, at: Place | None = None) -> Tensor:
    place = at or Place(3, 1)
    return torch.randn(T, E, generator=named_generator(place.seed, f"noise/{step}/layer {place.layer}")).double()


def plain(made: NoisyTopKRouter, x_TD: Tensor, draws_TE: Tensor) -> tuple[list[dict[int, float]], list[float], list[float]]:
    """One token and one expert at a time, in numpy -> gates by expert, importance and load."""
    E, k = made.experts, made.k
    W_g, W_n = made.weight.detach().numpy(), made.noise_weight.detach().numpy()
    gates, importance, load = [], [0.0] * E, [0.0] * E
    for x, z in zip(x_TD.detach().numpy(), draws_TE.numpy(), strict=True):
        clean = [float(W_g[e] @ x) for e in range(E)]
        sizes = [math.log1p(math.exp(float(W_n[e] @ x))) for e in range(E)]
        H = [clean[e] + z[e] * sizes[e] for e in range(E)]
        chosen = sorted(range(E), key=lambda e: -H[e])[:k]
        total = sum(math.exp(H[e]) for e in chosen)
        gates.append({e: math.exp(H[e]) / total for e in chosen})
        for e in range(E):
            importance[e] += gates[-1].get(e, 0.0)
            kth_of_the_others = sorted((H[o] for o in range(E) if o != e), reverse=True)[k - 1]
            load[e] += norm.cdf((clean[e] - kth_of_the_others) / sizes[e])
    return gates, importance, load


@pytest.mark.parametrize(("T", "D", "E", "k"), SIZES)
def test_gates_importance_and_load_equal_a_loop(T: int, D: int, E: int, k: int) -> None:
    made, x_TD = router(D, E, k), tokens(T, D)
    got = made(x_TD, no_text(T))
    gates, importance, load = plain(made, x_TD, noise(T, E))
    assert got.experts_Tk.tolist() == [list(row) for row in gates]
    np.testing.assert_allclose(got.weights_Tk.detach().numpy(), [list(row.values()) for row in gates], rtol=1e-12)
    assert got.losses["importance"].item() == pytest.approx((np.std(importance) / np.mean(importance)) ** 2, rel=1e-10)
    assert got.losses["load"].item() == pytest.approx((np.std(load) / np.mean(load)) ** 2, rel=1e-10)
    torch.testing.assert_close(got.logits_TE, x_TD @ made.weight.T)
    torch.testing.assert_close(got.probs_TE, got.logits_TE.softmax(-1))


@pytest.mark.parametrize("name", ["importance", "load", "weights"])
@pytest.mark.parametrize(("T", "D", "E", "k"), SIZES)
def test_the_gradients_are_those_of_the_loop_written_out(T: int, D: int, E: int, k: int, name: str) -> None:
    made, x_TD = router(D, E, k), tokens(T, D).requires_grad_()
    got, z_TE = made(x_TD, no_text(T)), noise(T, E)
    importance, load, squares = [0.0] * E, [0.0] * E, 0.0
    for t in range(T):
        clean = [made.weight[e] @ x_TD[t] for e in range(E)]
        size = [torch.log1p(torch.exp(made.noise_weight[e] @ x_TD[t])) for e in range(E)]
        H = [clean[e] + z_TE[t, e] * size[e] for e in range(E)]
        chosen = sorted(range(E), key=lambda e: -H[e].item())[:k]
        total = sum(H[e].exp() for e in chosen)
        squares = squares + sum((H[e].exp() / total) ** 2 for e in chosen)
        for e in range(E):
            importance[e] = importance[e] + (H[e].exp() / total if e in chosen else 0.0)
            threshold = sorted((H[o] for o in range(E) if o != e), key=lambda h: -h.item())[k - 1]
            load[e] = load[e] + 0.5 * (1 + torch.erf((clean[e] - threshold) / size[e] / math.sqrt(2)))

    def squared_variation(amounts: list[Tensor]) -> Tensor:
        mean = sum(amounts) / E
        return sum((a - mean) ** 2 for a in amounts) / E / mean**2

    expected = {"importance": squared_variation(importance), "load": squared_variation(load), "weights": squares}[name]
    value = got.weights_Tk.square().sum() if name == "weights" else got.losses[name]
    inputs = [x_TD, made.weight, made.noise_weight]
    for one, other in zip(torch.autograd.grad(value, inputs), torch.autograd.grad(expected, inputs), strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_the_chance_of_an_expert_is_how_often_its_own_noise_drawn_again_puts_it_among_the_chosen() -> None:
    made, x_TD, z_TE = router(4, 5, 2), tokens(1, 4), noise(1, 5)
    clean_TE, sizes_TE = x_TD @ made.weight.T, made.noise_sizes(x_TD)
    noisy_TE = clean_TE + z_TE * sizes_TE
    got_TE = chances(clean_TE, noisy_TE, sizes_TE, noisy_TE.argsort(descending=True)[:, :3]).detach()
    for e in range(5):
        again_N = clean_TE[0, e] + sizes_TE[0, e] * torch.randn(40_000, generator=torch.Generator().manual_seed(e))
        others_N5 = noisy_TE.expand(40_000, 5).clone()
        others_N5[:, e] = again_N
        chosen = (others_N5.topk(2).indices == e).any(dim=1).double().mean()
        assert got_TE[0, e].item() == pytest.approx(chosen.item(), abs=0.01)


def test_at_perfect_balance_both_losses_are_zero_and_no_gradient_is_nan() -> None:
    amount_E = torch.full((6,), 3.0, requires_grad=True)
    variation(amount_E).backward()
    assert variation(amount_E).item() == 0.0
    assert amount_E.grad.eq(0).all()
    made = router(4, 4, 2)
    torch.nn.init.zeros_(made.weight)
    torch.nn.init.zeros_(made.noise_weight)
    got = made(torch.zeros(8, 4, dtype=torch.float64), no_text(8))
    sum(got.losses.values()).backward()
    assert made.weight.grad.isfinite().all()
    assert made.noise_weight.grad.isfinite().all()
    assert variation(torch.tensor([4.0, 0.0, 0.0, 0.0])).item() == pytest.approx(3.0), "E - 1 where one expert has everything"


def test_the_noise_follows_from_seed_layer_and_step_alone() -> None:
    made, x_TD = router(4, 6, 2), tokens(40, 4)
    torch.manual_seed(1)
    first = made(x_TD, no_text(40, step=5))
    torch.manual_seed(2)
    again = made(x_TD, no_text(40, step=5))
    assert torch.equal(first.experts_Tk, again.experts_Tk)
    assert torch.equal(first.weights_Tk, again.weights_Tk)
    for step, place in ((6, Place(3, 1)), (5, Place(3, 0)), (5, Place(4, 1))):
        other = router(4, 6, 2, at=place)
        assert not torch.equal(other(x_TD, no_text(40, step=step)).experts_Tk, first.experts_Tk)


def test_evaluation_has_no_noise_and_no_losses() -> None:
    made, x_TD = router(4, 6, 2).eval(), tokens(40, 4)
    got = made(x_TD, no_text(40))
    best = (x_TD @ made.weight.T).topk(2)
    assert torch.equal(got.experts_Tk, best.indices)
    torch.testing.assert_close(got.weights_Tk, best.values.softmax(-1))
    assert got.losses == {}
    assert not torch.equal(made.train()(x_TD, no_text(40)).experts_Tk, got.experts_Tk)


def test_the_noise_starts_alike_for_all_tokens_and_a_start_of_zero_is_the_papers() -> None:
    choice = NoisyTopK()
    layer = initialise(MoELayer(8, 4, 5, choice.build(8, 4, 0.0, Place())), 0)
    assert layer.router.weight.eq(0).all()
    assert layer.router.noise_weight.eq(0).all()
    torch.testing.assert_close(layer.router.noise_sizes(torch.randn(3, 8)), torch.full((3, 4), math.log(2)))
    usual = initialise(MoELayer(64, 32, 5, choice.build(64, 32, 1.0, Place())), 0).router
    assert usual.weight.std().item() == pytest.approx((3 * 64) ** -0.5, rel=0.05)
    assert usual.noise_weight.eq(0).all()


def test_weights_of_zero_leave_the_losses_out_and_all_experts_have_no_load_to_even_out() -> None:
    x_TD = tokens(12, 4)
    assert router(4, 5, 2, 0.0, 0.0)(x_TD, no_text(12)).losses == {}
    half, whole = (router(4, 5, 2, w, w)(x_TD, no_text(12)).losses for w in (0.5, 1.0))
    assert all(2 * half[name].item() == pytest.approx(whole[name].item()) for name in ("importance", "load"))
    every = router(4, 5, 5)(x_TD, no_text(12))
    assert list(every.losses) == ["importance"], "each token has all experts whatever the noise"
    torch.testing.assert_close(every.weights_Tk.sum(dim=1), torch.ones(12, dtype=torch.float64))


def model() -> ByteTransformer:
    def make(layer: int) -> NoisyTopKRouter:
        return NoisyTopKRouter(16, 6, 2, 4.0, 0.1, 0.1, Place(0, layer))

    return initialise(ByteTransformer(16, 2, 2, 12, 6, 8, make), 3).double()


def test_with_its_noise_no_result_depends_on_a_later_byte_or_on_another_sequence() -> None:
    made = model()
    ids_BL = torch.randint(256, (3, 12), generator=torch.Generator().manual_seed(0))
    later_BL, other_BL = ids_BL.clone(), ids_BL.clone()
    later_BL[:, 6:] = (later_BL[:, 6:] + 77) % 256
    other_BL[1:] = (other_BL[1:] + 77) % 256
    before, after, beside = (made(one)[0] for one in (ids_BL, later_BL, other_BL))
    # Which rows share a matrix product changes with the bytes, so a last bit may; anything that leaks is far larger.
    torch.testing.assert_close(before[:, :6], after[:, :6], rtol=0, atol=1e-13)
    torch.testing.assert_close(before[0], beside[0], rtol=0, atol=1e-13)
    assert not torch.allclose(before[:, 6:], after[:, 6:])


def test_the_lab_trains_with_it_and_both_matrices_get_gradients() -> None:
    lab = Moe.model_validate({"router": {"is": "noisy_top_k"}, "batch_size": 2})
    made = lab.model()
    losses = lab.loss(made, lab.batch(0), 0)
    assert {"train", "importance", "load"} <= losses.keys()
    losses["train"].backward()
    for layer in routed(made).values():
        assert layer.router.weight.grad.abs().sum() > 0
        assert layer.router.noise_weight.grad.abs().sum() > 0
        assert layer.record.experts_Tk.shape[1] == 2
