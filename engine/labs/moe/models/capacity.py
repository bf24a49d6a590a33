"""How many tokens an expert takes, and which of those that chose it are turned away.

Shapes: T tokens, E experts, k experts per token, A = T k assignments, G groups of tokens.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from engine.labs.moe.models.layer_info import LayerInfo
from engine.labs.moe.models.routing import RouteContext, RoutingRecord

Group = Literal["sequence", "batch", "microbatch"]


@dataclass(frozen=True)
class Limit:
    """How many places an expert has: `factor` times an even share of the assignments of a group, rounded up.

    `group`: the tokens that share an expert's places: one sequence, the batch, or `group_size` sequences.
    """

    factor: float
    factor_eval: float
    group: Group
    group_size: int

    def groups(self, tokens: int, length: int) -> Tensor:
        """The group of each token, (T,) int64 on the CPU, ascending; the last one may be smaller."""
        size = {"sequence": length, "batch": tokens, "microbatch": self.group_size * length}[self.group]
        return torch.arange(tokens) // size


class Capacity(nn.Module):
    """Base of every capacity: `forward` turns assignments away, in an order that `priority` gives."""

    def __init__(self, limit: Limit, info: LayerInfo) -> None:
        super().__init__()
        self.limit, self.info = limit, info

    @abstractmethod
    def priority(self, routing: RoutingRecord, context: RouteContext) -> Tensor:
        """What decides who comes first, (T,): of equal ones the earlier token of the batch.  The smallest is first."""

    def forward(self, routing: RoutingRecord, context: RouteContext) -> RoutingRecord:
        """-> the same with `kept_Tk`."""
        factor = self.limit.factor if self.training else self.limit.factor_eval
        group_T = self.limit.groups(len(routing.experts_Tk), context.length).to(routing.experts_Tk.device)
        return replace(
            routing, kept_Tk=kept(routing.experts_Tk, self.priority(routing, context), group_T, routing.probs_TE.shape[1], factor)
        )

    def generator(self, context: RouteContext) -> torch.Generator:
        """Of this layer and step, so that a resumed run draws the same."""
        mode = "training" if self.training else "evaluation"
        return self.info.generator(f"capacity/{mode}/{context.step}")


def kept(experts_Tk: Tensor, priority_T: Tensor, group_T: Tensor, experts: int, factor: float) -> Tensor:
    """Which assignments find a place, (T, k) bool.

    In each group an expert has ceil(factor n / E) places, n being the group's used columns (T_g k where all are used).  They are given
    to first choices before second choices, and among these by priority (GShard, Lepikhin et al. 2020, algorithm 1; Switch, section 2.2).
    """
    T, k = experts_Tk.shape
    order_T = priority_T.sort(stable=True).indices
    line_A = torch.cat([order_T * k + column for column in range(k)])  # assignments t k + column, in the order in which they are served
    wanted_A, group_A = experts_Tk.flatten()[line_A], group_T[line_A // k]
    used_A = wanted_A >= 0
    groups = int(group_T[-1]) + 1
    buckets = groups * experts
    bucket_A = torch.where(used_A, group_A * experts + wanted_A, buckets)  # the last one is of columns that nobody uses
    sorted_A, by_bucket_A = bucket_A.sort(stable=True)
    size_B = torch.bincount(bucket_A, minlength=buckets + 1)
    rank_A = torch.arange(T * k, device=sorted_A.device) - (size_B.cumsum(0) - size_B)[sorted_A]
    used_G = size_B[:buckets].view(groups, experts).sum(dim=1).tolist()
    room_G = torch.tensor([room(n, experts, factor) for n in used_G] + [0], device=sorted_A.device)
    kept_A = torch.zeros(T * k, dtype=torch.bool, device=sorted_A.device)
    kept_A[line_A[by_bucket_A]] = rank_A < room_G[sorted_A // experts]
    return kept_A.view(T, k)


def room(assignments: int, experts: int, factor: float) -> int:
    """ceil(factor n / E), without a place more for what rounding adds."""
    return math.ceil(factor * assignments / experts - 1e-9)
