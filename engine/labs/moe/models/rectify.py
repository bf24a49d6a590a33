"""What becomes of the tokens that an expert with a limit turns away, and of the places that nobody took.

Shapes: T tokens, E experts, k columns, G groups of experts that stand for devices, B (group of tokens, expert).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.labs.moe.models.capacity import Capacity, Limit, room
from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext, RoutingRecord
from engine.labs.moe.models.virtual_groups import group_of_experts, home_of_tokens


class RectifiedCapacity(Capacity):
    """A limit in the order of the batch; then what is asked for of `local` (`groups` says among which experts) and `fill`."""

    def __init__(self, limit: Limit, info: LayerInfo, groups: int | None = None, fill: bool = False) -> None:
        super().__init__(limit, info)
        self.groups, self.fill = groups, fill

    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        return torch.arange(len(routing.experts_Tk), device=routing.experts_Tk.device)

    def forward(self, routing: RoutingRecord, context: RouteContext) -> RoutingRecord:
        k, device = routing.experts_Tk.shape[1], routing.experts_Tk.device
        T, E = routing.probs_TE.shape
        rectified = super().forward(routing, context)
        if self.groups is not None:
            home_T = home_of_tokens(T, context.length, self.groups)
            at_home_TE = group_of_experts(E, self.groups) == home_T.unsqueeze(1)
            rectified = local(rectified, at_home_TE.to(device), k)
        if self.fill:
            group_T = self.limit.groups(T, context.length)
            factor = self.limit.factor if self.training else self.limit.factor_eval
            used_T = (routing.experts_Tk >= 0).sum(dim=1).cpu()
            used_G = torch.bincount(group_T, weights=used_T.double()).tolist()
            room_G = torch.tensor([room(int(n), E, factor) for n in used_G], device=device)
            rectified = fill(rectified, group_T.to(device), room_G)
        return rectified


def local(routing: RoutingRecord, at_home_TE: Tensor, k: int) -> RoutingRecord:
    """Tokens without a kept route go to the best of the experts that are at home, however many go there: one column more.

    The combine rule of the rectify router is (p y m + n Y) / (p m + n), its divisor a constant: y and p are result and score of that
    expert, Y the weighted mean of the kept routes, n the sum of their weights and m how many of the k are missing.  Without a kept
    route n is 0 and m is k, which leaves y p / p: 1 with a gradient.  For k = 1 the gradient is that of p itself.
    """
    assert routing.kept_Tk is not None
    lost_T1 = ~routing.kept_Tk.any(dim=1, keepdim=True)
    best_T1 = routing.probs_TE.detach().masked_fill(~at_home_TE, -torch.inf).argmax(dim=1, keepdim=True)
    p_T1 = routing.probs_TE.gather(1, best_T1)
    constant_T1 = p_T1.detach()
    straight_T1 = 1 + (p_T1 - constant_T1) if k == 1 else p_T1 / constant_T1.clamp(min=torch.finfo(p_T1.dtype).eps)
    return one_more(routing, best_T1, straight_T1, lost_T1)


@torch.no_grad()
def wanted_next(routing: RoutingRecord) -> Tensor:
    """For each token the best expert that it has not chosen and that does not serve it yet -> (T, 1); -1 where none is left."""
    unused_T1 = routing.experts_Tk.new_full((1, 1), routing.probs_TE.shape[1])
    named_Tk = torch.where(routing.experts_Tk >= 0, routing.experts_Tk, unused_T1)
    wider_TF = torch.nn.functional.pad(routing.probs_TE, (0, 1)).scatter(1, named_Tk, -torch.inf)[:, :-1]
    best_T1 = wider_TF.argmax(dim=1, keepdim=True)
    return best_T1.masked_fill(wider_TF.gather(1, best_T1).isneginf(), -1)


def fill(routing: RoutingRecord, group_T: Tensor, room_G: Tensor) -> RoutingRecord:
    """Places that are left go to tokens whose next choice the expert is, in the order of their scores for it: one column more.

    `room_G`: the places of each expert among the tokens of a group; `group_T` is ascending.
    """
    assert routing.kept_Tk is not None
    T, E = routing.probs_TE.shape
    buckets = len(room_G) * E
    taken_Tk = torch.where(routing.kept_Tk, group_T.unsqueeze(1) * E + routing.experts_Tk, buckets)
    taken_B = torch.bincount(taken_Tk.flatten(), minlength=buckets + 1)[:-1]
    left_B = (room_G.repeat_interleave(E) - taken_B).clamp(min=0)
    next_T1 = wanted_next(routing)
    p_T1 = routing.probs_TE.gather(1, next_T1.clamp(min=0))
    order_T = (-p_T1.detach().squeeze(1)).sort(stable=True).indices
    bucket_T = torch.where(next_T1 >= 0, group_T.unsqueeze(1) * E + next_T1, buckets).squeeze(1)[order_T]
    sorted_T, by_bucket_T = bucket_T.sort(stable=True)
    size_B = torch.bincount(bucket_T, minlength=buckets + 1)
    rank_T = torch.arange(T, device=sorted_T.device) - (size_B.cumsum(0) - size_B)[sorted_T]
    served_T = torch.zeros(T, dtype=torch.bool, device=sorted_T.device)
    served_T[order_T[by_bucket_T]] = rank_T < torch.nn.functional.pad(left_B, (0, 1))[sorted_T]
    return one_more(routing, next_T1.clamp(min=0), p_T1, served_T.unsqueeze(1))


def one_more(routing: RoutingRecord, experts_T1: Tensor, weights_T1: Tensor, used_T1: Tensor) -> RoutingRecord:
    """With a column more, which only some tokens use."""
    weights_T1 = torch.where(used_T1, weights_T1, 0.0).to(routing.weights_Tk.dtype)
    return replace(
        routing,
        experts_Tk=torch.cat([routing.experts_Tk, experts_T1.masked_fill(~used_T1, -1)], dim=1),
        weights_Tk=torch.cat([routing.weights_Tk, weights_T1], dim=1),
        kept_Tk=torch.cat([routing.kept_Tk, used_T1], dim=1),
    )
