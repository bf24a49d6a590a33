"""REINFORCE: the route is a gamble, and whoever predicted the next byte well is told to gamble alike the next time.

Shapes: T tokens, D width, E experts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.declare.knobs import knob
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.router_scores import LinearRouter, route
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.remedies.router import RouterChoice
from engine.labs.moe.remedies.router.softmax_top_k import balance_loss


class Reinforce(RouterChoice):
    """Differs: one expert per token, drawn from the whole softmax; the paper's nucleus sampling is not built. The result has weight 1, so
    that the task's gradient reaches no score. All losses of the router are cut off from the tokens: they move its own weights
    alone. The weights of the losses and the linear baseline are ours.

    Why: of the paper no more than the abstract was at hand, and no code of its authors is public. That RL-R is a policy with a learned
    baseline, a balance loss and an entropy bonus is recalled and not read.
    """

    idea = (
        "In training a token's expert is drawn at random from the softmax of its scores. How likely the model then makes the next byte is "
        "the reward: against what a linear baseline expects of the token, it raises or lowers the probability of the expert drawn. "
        "In evaluation each token goes to its likeliest expert."
    )
    formula = (
        r"a_t\sim p_t=\mathrm{softmax}(Wx_t),\quad y_t=\mathrm{FFN}_{a_t}(x_t),\quad "
        r"r_t=\log q(\mathrm{byte}_{t+1})\ \text{standardised},\quad "
        r"L=\overline{-(r_t-b_t)\log p_{t,a_t}}+\tfrac12\overline{(r_t-b_t)^2}+\beta_{bal}E\sum_ef_eP_e-\beta_H\overline{H(p_t)}"
    )
    paper = "RL-R in Unified Scaling Laws for Routed Language Models (Clark et al. 2022, arXiv 2202.01169)"
    cost = "A random number per token, a column of the matrix product for the baseline, and the logarithms of the softmax."
    fails = (
        "By its formula every layer has the same reward for a byte, whichever of them made it likely, and what a route does for later "
        "bytes is not rewarded. By its formula evaluation routes otherwise than training. As with the hash, its result has weight 1, so a "
        "difference in loss to a softmax router is no comparison of routing alone. "
        "How well it trains is not tested here."
    )
    reading = "our reading of the abstract"
    source = "REINFORCE with a baseline (Williams 1992); the balance loss is that of softmax_top_k.py"

    balance_weight: float = knob(
        0.01, "weight of the balance loss, per layer; 0 turns balancing off", source="our choice", group="remedy", ge=0.0, le=10.0
    )
    entropy_weight: float = knob(
        1e-3,
        "weight of the bonus for a policy that is undecided, per layer; 0 leaves it out",
        source="our choice",
        group="remedy",
        ge=0.0,
        le=10.0,
    )

    def build(self, d: int, experts: int, init_factor: float, info: LayerInfo) -> ReinforceRouter:
        return ReinforceRouter(d, experts, init_factor, self.balance_weight, self.entropy_weight, info)


class Gamble(NamedTuple):
    """What a training pass leaves for its reward."""

    chosen_T: Tensor  # log-probability of the expert drawn
    baseline_T: Tensor  # reward that was expected of the token
    entropy_T: Tensor  # of the policy, in nats


class ReinforceRouter(LinearRouter):
    """`gamble` is of the last training pass; `reward` uses it up."""

    rewarded = True

    def __init__(self, d: int, experts: int, init_factor: float, balance_weight: float, entropy_weight: float, info: LayerInfo) -> None:
        super().__init__(d, experts, 1, init_factor)
        self.value = nn.Linear(d, 1)
        self.value.init_std = {"weight": 0.0}
        self.balance_weight, self.entropy_weight, self.info = balance_weight, entropy_weight, info
        self.gamble: Gamble | None = None

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        x_TD = x_TD.detach()
        logits_TE = self.logits(x_TD)
        if not self.training:
            greedy = route(logits_TE, 1)
            return replace(greedy, weights_Tk=torch.ones_like(greedy.weights_Tk))
        log_TE = logits_TE.log_softmax(dim=-1)
        probs_TE = log_TE.exp()
        draws_T = torch.rand(len(x_TD), generator=self.info.generator(f"route/{context.step}"))
        experts_T1 = drawn(probs_TE.detach(), draws_T.to(probs_TE)).unsqueeze(1)
        self.gamble = Gamble(log_TE.gather(1, experts_T1).squeeze(1), self.baseline(x_TD), -(probs_TE * log_TE).sum(dim=-1))
        losses = {"balance": self.balance_weight * balance_loss(probs_TE, experts_T1)} if self.balance_weight else {}
        weights_T1 = torch.ones_like(experts_T1, dtype=probs_TE.dtype)
        return RoutingRecord(experts_T1, weights_T1, probs_TE, logits_TE, "softmax", losses)

    def baseline(self, x_TD: Tensor) -> Tensor:
        """The standardised reward that is expected of each token, never in less than fp32 -> (T,)."""
        with torch.autocast(x_TD.device.type, enabled=False):
            wide = torch.promote_types(x_TD.dtype, torch.float32)
            return nn.functional.linear(x_TD.to(wide), self.value.weight.to(wide), self.value.bias.to(wide)).squeeze(1)

    def reward(self, reward_T: Tensor) -> dict[str, Tensor]:
        assert self.gamble is not None, "a reward belongs to a training pass, and each pass has one"
        gamble, self.gamble = self.gamble, None
        reward_T = standardised(reward_T.to(gamble.baseline_T.dtype))
        losses = {
            "policy": policy_loss(gamble.chosen_T, reward_T, gamble.baseline_T),
            "value": 0.5 * (gamble.baseline_T - reward_T).square().mean(),
        }
        if self.entropy_weight:
            losses["entropy"] = -self.entropy_weight * gamble.entropy_T.mean()
        return losses


def drawn(probs_TE: Tensor, draws_T: Tensor) -> Tensor:
    """The expert in whose stretch of [0, 1) the draw falls, stretches being as long as the probabilities -> (T,) int64."""
    ends_TE = probs_TE.cumsum(dim=-1)
    draws_T1 = draws_T.unsqueeze(1) * ends_TE[:, -1:]  # the last end is 1 but for rounding
    return torch.searchsorted(ends_TE, draws_T1, right=True).squeeze(1).clamp(max=probs_TE.shape[1] - 1)


def policy_loss(chosen_T: Tensor, reward_T: Tensor, baseline_T: Tensor) -> Tensor:
    """Its expected gradient is that of minus the mean expected reward, whatever the baseline (Williams 1992)."""
    return -((reward_T - baseline_T).detach() * chosen_T).mean()


def standardised(reward_T: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the batch; equal rewards become 0."""
    return (reward_T - reward_T.mean()) / (reward_T.std(correction=0) + 1e-8)
