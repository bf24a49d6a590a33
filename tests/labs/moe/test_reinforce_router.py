"""The REINFORCE router: its gradient against the sum over all experts, its losses against loops, its draws, and whom the task teaches.

Shapes: T tokens, D width, E experts.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise, named_generator
from engine.labs.moe.models.byte_transformer import ByteTransformer
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.place import Place
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.reinforce import ReinforceRouter, drawn, policy_loss, standardised
from tests.support.routing import no_text


def router(D: int = 4, E: int = 5, balance: float = 0.3, entropy: float = 0.2, at: Place | None = None) -> ReinforceRouter:
    made = ReinforceRouter(D, E, 1.0, balance, entropy, at or Place(3, 1)).double()
    for number, parameter in enumerate(made.parameters()):
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(number))
    return made


def tokens(T: int, D: int = 4, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rewards(T: int, seed: int = 2) -> Tensor:
    return -torch.rand(T, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 5


def test_the_expected_gradient_is_that_of_the_expected_reward_whatever_the_baseline() -> None:
    """All E^T ways of routing T tokens, each weighted by its probability."""
    T, E = 3, 3
    logits_TE = tokens(T, E).requires_grad_()
    reward_TE, baseline_T = tokens(T, E, seed=5), tokens(T, 1, seed=6).squeeze(1)
    log_TE = logits_TE.log_softmax(-1)
    expected_TE = torch.zeros(T, E, dtype=torch.float64)
    for ways in itertools.product(range(E), repeat=T):
        chosen_T1 = torch.tensor(ways).unsqueeze(1)
        loss = policy_loss(log_TE.gather(1, chosen_T1).squeeze(1), reward_TE.gather(1, chosen_T1).squeeze(1), baseline_T)
        chance = math.prod(log_TE[t, e].exp().item() for t, e in enumerate(ways))
        expected_TE += chance * torch.autograd.grad(loss, logits_TE, retain_graph=True)[0]
    mean_reward = (log_TE.exp() * reward_TE).sum() / T
    torch.testing.assert_close(expected_TE, -torch.autograd.grad(mean_reward, logits_TE)[0], rtol=1e-10, atol=1e-14)


def test_the_route_and_all_losses_equal_a_loop() -> None:
    T, D, E = 23, 4, 5
    made, x_TD, r_T = router(D, E), tokens(T, D), rewards(T)
    got = made(x_TD, no_text(T, step=2))
    told = made.reward(r_T)
    u_T = torch.rand(T, generator=named_generator(3, "route/2/layer 1")).tolist()
    mean = sum(r_T.tolist()) / T
    spread = math.sqrt(sum((r - mean) ** 2 for r in r_T.tolist()) / T) + 1e-8
    policy = value = entropy = 0.0
    chosen, mean_p = [], [0.0] * E
    for t in range(T):
        s = [(made.weight[e] @ x_TD[t]).item() for e in range(E)]
        p = [math.exp(one) / sum(map(math.exp, s)) for one in s]
        a, end = 0, p[0]
        while u_T[t] >= end:
            a += 1
            end += p[a]
        chosen.append(a)
        b = (made.value.weight[0] @ x_TD[t] + made.value.bias[0]).item()
        r = (r_T[t].item() - mean) / spread
        policy += -(r - b) * math.log(p[a]) / T
        value += 0.5 * (b - r) ** 2 / T
        entropy += -0.2 * -sum(one * math.log(one) for one in p) / T
        mean_p = [m + one / T for m, one in zip(mean_p, p, strict=True)]
    assert got.experts_Tk.flatten().tolist() == chosen
    assert got.weights_Tk.eq(1).all()
    assert list(told) == ["policy", "value", "entropy"]
    assert told["policy"].item() == pytest.approx(policy, rel=1e-11)
    assert told["value"].item() == pytest.approx(value, rel=1e-11)
    assert told["entropy"].item() == pytest.approx(entropy, rel=1e-11)
    balance = 0.3 * E * sum(chosen.count(e) / T * mean_p[e] for e in range(E))
    assert got.losses["balance"].item() == pytest.approx(balance, rel=1e-6)  # the shares of the load are in fp32


def test_each_loss_moves_what_it_should_and_nothing_moves_the_tokens() -> None:
    made, x_TD = router(), tokens(20).requires_grad_()
    got = made(x_TD, no_text(20))
    losses = got.losses | made.reward(rewards(20))
    weights = [made.weight, made.value.weight, made.value.bias]
    moved = {
        name: [g is not None for g in torch.autograd.grad(loss, [*weights, x_TD], retain_graph=True, allow_unused=True)]
        for name, loss in losses.items()
    }
    scores, value = [True, False, False, False], [False, True, True, False]
    assert moved == {"balance": scores, "policy": scores, "value": value, "entropy": scores}
    b_T = (x_TD @ made.value.weight.T).squeeze(1) + made.value.bias
    r_T = (rewards(20) - rewards(20).mean()) / rewards(20).std(correction=0)
    chosen_T = (x_TD @ made.weight.T).log_softmax(-1).gather(1, got.experts_Tk).squeeze(1)
    expected = -((r_T - b_T).detach() * chosen_T).sum() / 20
    one, other = (torch.autograd.grad(loss, made.weight)[0] for loss in (losses["policy"], expected))
    torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


def test_the_sampled_routes_follow_the_policy() -> None:
    T, E = 10_000, 5
    made = router(E=E)
    got = made(tokens(1).expand(T, 4), no_text(T))
    p_E = got.probs_TE[0].tolist()
    for e, share in enumerate((torch.bincount(got.experts_Tk.flatten(), minlength=E) / T).tolist()):
        assert share == pytest.approx(p_E[e], abs=4 * math.sqrt(p_E[e] * (1 - p_E[e]) / T))


def test_an_expert_without_probability_is_never_drawn_and_the_ends_are_nobodys_trap() -> None:
    probs_TE = torch.tensor([[0.0, 0.5, 0.0, 0.5]]).expand(4, 4)
    assert drawn(probs_TE, torch.tensor([0.0, 0.49, 0.5, 1 - 2**-24])).tolist() == [1, 1, 3, 3]
    thirds_TE = torch.full((1000, 7), 1 / 7)
    assert drawn(thirds_TE, torch.full((1000,), 1 - 2**-24)).eq(6).all()
    assert drawn(torch.tensor([[1.0, 0.0]]), torch.tensor([0.7])).tolist() == [0]


def test_the_draws_follow_from_seed_layer_and_step_alone() -> None:
    x_TD = tokens(50)
    torch.manual_seed(1)
    first = router()(x_TD, no_text(50, step=5)).experts_Tk
    torch.manual_seed(2)
    assert torch.equal(router()(x_TD, no_text(50, step=5)).experts_Tk, first)
    for step, place in ((6, Place(3, 1)), (5, Place(3, 0)), (5, Place(4, 1))):
        assert not torch.equal(router(at=place)(x_TD, no_text(50, step=step)).experts_Tk, first)


def test_evaluation_is_greedy_and_wants_no_reward() -> None:
    made, x_TD = router().eval(), tokens(50)
    got = made(x_TD, no_text(50))
    assert torch.equal(got.experts_Tk.squeeze(1), (x_TD @ made.weight.T).argmax(-1))
    assert got.weights_Tk.eq(1).all()
    assert got.losses == {}
    assert made.gamble is None
    assert not torch.equal(made.train()(x_TD, no_text(50)).experts_Tk, got.experts_Tk)


def test_a_reward_is_used_once_and_nothing_of_the_pass_is_kept() -> None:
    made = router()
    made(tokens(9), no_text(9))
    made.reward(rewards(9))
    assert made.gamble is None
    with pytest.raises(AssertionError, match="each pass has one"):
        made.reward(rewards(9))


def test_rewards_are_standardised_and_a_nan_among_them_is_seen() -> None:
    r_T = standardised(rewards(40))
    assert r_T.mean().item() == pytest.approx(0, abs=1e-12)
    assert r_T.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert standardised(torch.full((5,), -2.0)).eq(0).all()
    assert standardised(torch.tensor([1.0, math.nan])).isnan().all()


def test_the_task_teaches_the_experts_and_not_the_router() -> None:
    layer = initialise(MoELayer(4, 5, 6, router(at=Place(0, 0))), 0).double()
    x_TD = tokens(30).requires_grad_()
    y_TD, _ = layer(x_TD, no_text(30))
    y_TD.square().sum().backward()
    assert all(p.grad is None for p in layer.router.parameters())
    assert layer.weight_in.grad.abs().sum() > 0
    assert x_TD.grad.abs().sum() > 0


def test_it_learns_which_expert_is_rewarded_for_which_token() -> None:
    T, E = 256, 4
    made = initialise(ReinforceRouter(E, E, 1.0, 0.01, 1e-3, Place()), 0)
    steps = torch.optim.Adam(made.parameters(), 0.05)
    for n in range(150):
        kinds_T = torch.randint(E, (T,), generator=torch.Generator().manual_seed(n))
        got = made(torch.nn.functional.one_hot(kinds_T, E).float(), no_text(T, step=n))
        reward_T = (got.experts_Tk.squeeze(1) == (kinds_T + 1) % E).float()
        steps.zero_grad()
        sum({**got.losses, **made.reward(reward_T)}.values()).backward()
        steps.step()
    assert made.eval()(torch.eye(E), no_text(E)).experts_Tk.flatten().tolist() == [1, 2, 3, 0]


def test_no_result_depends_on_a_later_byte_or_on_another_sequence() -> None:
    made = initialise(ByteTransformer(16, 2, 2, 12, 6, 8, lambda n: ReinforceRouter(16, 6, 4.0, 0.01, 1e-3, Place(0, n))), 3).double()
    ids_BL = torch.randint(256, (3, 12), generator=torch.Generator().manual_seed(0))
    later_BL, other_BL = ids_BL.clone(), ids_BL.clone()
    later_BL[:, 6:] = (later_BL[:, 6:] + 77) % 256
    other_BL[1:] = (other_BL[1:] + 77) % 256
    before, after, beside = (made(one)[0] for one in (ids_BL, later_BL, other_BL))
    # Which rows share a matrix product changes with the bytes, so a last bit may; anything that leaks is far larger.
    torch.testing.assert_close(before[:, :6], after[:, :6], rtol=0, atol=1e-13)
    torch.testing.assert_close(before[0], beside[0], rtol=0, atol=1e-13)


def test_both_layers_of_the_lab_are_rewarded_and_only_in_training() -> None:
    lab = Moe.model_validate({"router": {"is": "reinforce"}, "batch_size": 2})
    made, batch = lab.model(), lab.batch(0)
    routers = [layer.router for layer in routed(made).values()]
    assert all(one.value.weight.eq(0).all() for one in routers)
    assert all(one.value.bias.eq(0).all() for one in routers)
    seen: list[Tensor] = []
    for one in routers:
        one.reward = lambda reward_T, own=one: seen.append(reward_T) or type(own).reward(own, reward_T)
    losses = lab.loss(made, batch, 0)
    assert set(losses) == {"train", "balance", "policy", "value", "entropy"}
    assert len(seen) == 2
    assert -seen[0].mean().item() == pytest.approx(losses["train"].item(), rel=1e-6)
    assert not seen[0].requires_grad
    sum(losses.values()).backward()
    assert all(p.grad.abs().sum() > 0 for one in routers for p in (one.weight, one.value.weight))
    assert losses["value"].item() == pytest.approx(1.0, rel=1e-4), "half of a variance of 1, in each of two layers"
    with torch.no_grad():
        assert set(lab.loss(made.eval(), batch, 0)) == {"train"}
    assert len(seen) == 2
