"""moe_route: scores, choice, weights and statistics of a router in one pass; and the stable sort of assignments by expert.

Shapes: T tokens, E experts (at most 256), k experts per token (at most 32), A = T k assignments.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import custom_op

from kernels.kernel import Kernel, Runner
from kernels.launch import KERNEL_PATH

THREADS, WARPS, TILE, MOST_EXPERTS, MOST_CHOSEN = 256, 8, 1024, 256, 32
RouteTensors = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


class Routed(NamedTuple):
    """`scores_TE`, `weights_Tk` and `logsumexp_T` carry gradients.  `margin_T`: best minus second of score plus bias (the best
    itself where there is one expert).  `changed`: tokens that chose another first expert than at their last visit."""

    scores_TE: Tensor
    chosen_Tk: Tensor
    weights_Tk: Tensor
    logsumexp_T: Tensor
    entropy_T: Tensor
    margin_T: Tensor
    counts_E: Tensor
    changed: Tensor


def moe_route(
    logits_TE: Tensor,
    k: int,
    *,
    bias_E: Tensor | None = None,
    last_T: Tensor | None = None,
    sigmoid: bool = False,
    renormalise: bool = False,
) -> Routed:
    """Route fp32 logits.  `bias_E` takes part in choosing only.  `last_T`: each token's expert at its last visit, -1 before the first."""
    if not 1 <= k <= logits_TE.shape[1]:
        raise ValueError(f"k={k} experts of {logits_TE.shape[1]} were asked for; give 1 to {logits_TE.shape[1]}.")
    return Routed(*torch.ops.faultline.moe_route(logits_TE, k, bias_E, last_T, sigmoid, renormalise))


def reference(logits_TE: Tensor, k: int, bias_E: Tensor | None, last_T: Tensor | None, sigmoid: bool, renormalise: bool) -> RouteTensors:
    """The specification, in the format of the logits."""
    experts = logits_TE.shape[1]
    p_TE = logits_TE.softmax(dim=1)
    scores_TE = logits_TE.sigmoid() if sigmoid else p_TE.clone()
    ranked_TE = scores_TE if bias_E is None else scores_TE + bias_E
    order_TE = ranked_TE.sort(dim=1, descending=True, stable=True).indices
    chosen_Tk = order_TE[:, :k].contiguous()
    weights_Tk = scores_TE.gather(1, chosen_Tk)
    if renormalise:
        weights_Tk = weights_Tk / weights_Tk.sum(dim=1, keepdim=True)
    best_T2 = ranked_TE.gather(1, order_TE[:, :2])
    margin_T = best_T2[:, 0] - best_T2[:, 1] if experts > 1 else best_T2[:, 0].clone()
    counts_E = torch.zeros(experts, dtype=torch.int64, device=logits_TE.device)
    counts_E.index_add_(0, chosen_Tk.flatten(), torch.ones_like(chosen_Tk.flatten()))
    moved = torch.zeros((), dtype=torch.int64, device=logits_TE.device)
    if last_T is not None:
        moved = ((last_T >= 0) & (last_T != chosen_Tk[:, 0])).sum()
    return scores_TE, chosen_Tk, weights_Tk, logits_TE.logsumexp(dim=1), torch.special.entr(p_TE).sum(dim=1), margin_T, counts_E, moved


def launch_route(
    runner: Runner, logits_TE: Tensor, k: int, bias_E: Tensor | None, last_T: Tensor | None, sigmoid: bool, renormalise: bool
) -> RouteTensors:
    """One launch."""
    (tokens, experts), device = logits_TE.shape, logits_TE.device
    scores_TE = torch.empty_like(logits_TE, memory_format=torch.contiguous_format)
    chosen_Tk = torch.empty(tokens, k, dtype=torch.int64, device=device)
    weights_Tk = torch.empty(tokens, k, device=device)
    logsumexp_T, entropy_T, margin_T = (torch.empty(tokens, device=device) for _ in range(3))
    counts_E = torch.zeros(experts, dtype=torch.int64, device=device)
    changed = torch.zeros((), dtype=torch.int64, device=device)
    out = scores_TE, chosen_Tk, weights_Tk, logsumexp_T, entropy_T, margin_T, counts_E, changed
    if tokens:
        last_T = None if last_T is None else last_T.contiguous()
        bias_E = None if bias_E is None else bias_E.contiguous()
        arguments = [logits_TE.contiguous(), bias_E, tokens, experts, k, int(sigmoid), int(renormalise), *out[:7], last_T, changed]
        runner.launch(KERNEL, f"route<{_per_lane(experts)}>", -(-tokens // WARPS), THREADS, arguments)
    return out


def _per_lane(experts: int) -> int:
    return next(n for n in (1, 2, 4, 8) if 32 * n >= experts)


def runner_for(logits_TE: Tensor, k: int) -> Runner | None:
    """What would route these logits, or None where plain torch does."""
    if logits_TE.dtype == torch.float32 and logits_TE.shape[1] <= MOST_EXPERTS and k <= MOST_CHOSEN:
        return KERNEL_PATH.runner(KERNEL, logits_TE.device)
    form = f"{k} of {logits_TE.shape[1]} experts in {str(logits_TE.dtype).removeprefix('torch.')}"
    KERNEL_PATH.refuse(
        KERNEL, logits_TE.device, f"it takes at most {MOST_CHOSEN} of {MOST_EXPERTS} experts in float32, and was given {form}"
    )
    return None


@custom_op("faultline::moe_route", mutates_args=())
def _op(logits: Tensor, k: int, bias: Tensor | None, last: Tensor | None, sigmoid: bool, renormalise: bool) -> RouteTensors:
    runner = runner_for(logits, k)
    return (
        launch_route(runner, logits, k, bias, last, sigmoid, renormalise)
        if runner
        else reference(logits, k, bias, last, sigmoid, renormalise)
    )


@_op.register_fake
def _(logits: Tensor, k: int, bias: Tensor | None, last: Tensor | None, sigmoid: bool, renormalise: bool) -> RouteTensors:
    tokens, experts = logits.shape
    whole = logits.new_empty
    some = [whole(tokens) for _ in range(3)]
    integers = [whole(experts, dtype=torch.int64), whole((), dtype=torch.int64)]
    return whole(tokens, experts), whole(tokens, k, dtype=torch.int64), whole(tokens, k), *some, *integers


@custom_op("faultline::moe_route_backward", mutates_args=())
def _backward_op(
    logits: Tensor, chosen: Tensor, d_scores: Tensor, d_weights: Tensor, d_z: Tensor, sigmoid: bool, renormalise: bool
) -> Tensor:
    runner, given = runner_for(logits, chosen.shape[1]), (logits, chosen, d_scores, d_weights, d_z, sigmoid, renormalise)
    return backward_on(runner, *given) if runner else backward_reference(*given)


@_backward_op.register_fake
def _(logits: Tensor, *_: Any) -> Tensor:
    return logits.new_empty(logits.shape)


def backward_reference(
    logits: Tensor, chosen: Tensor, d_scores: Tensor, d_weights: Tensor, d_lse: Tensor, sigmoid: bool, renormalise: bool
) -> Tensor:
    """Closed form.  With w = s_i / sum s: ds_i += (dw_i - sum_j w_j dw_j) / sum s; dl = p (ds - sum p ds), or s (1 - s) ds; and p dz."""
    p = logits.softmax(dim=1)
    scores = logits.sigmoid() if sigmoid else p
    if renormalise:
        picked = scores.gather(1, chosen)
        total = picked.sum(dim=1, keepdim=True)
        d_weights = (d_weights - (picked / total * d_weights).sum(dim=1, keepdim=True)) / total
    d = d_scores.scatter_add(1, chosen, d_weights)
    through = scores * (1 - scores) * d if sigmoid else p * (d - (p * d).sum(dim=1, keepdim=True))
    return through + p * d_lse.unsqueeze(1)


def backward_on(
    runner: Runner, logits: Tensor, chosen: Tensor, d_scores: Tensor, d_weights: Tensor, d_lse: Tensor, sigmoid: bool, renormalise: bool
) -> Tensor:
    (tokens, experts), k = logits.shape, chosen.shape[1]
    out = torch.empty_like(logits, memory_format=torch.contiguous_format)
    if tokens:
        given = [t.contiguous() for t in (logits, chosen, d_scores, d_weights, d_lse)]
        arguments = [given[0], tokens, experts, k, int(sigmoid), int(renormalise), *given[1:], out]
        runner.launch(KERNEL, f"route_backward<{_per_lane(experts)}>", -(-tokens // WARPS), THREADS, arguments)
    return out


def _setup(ctx: Any, inputs: tuple, output: RouteTensors) -> None:
    logits, _, _, _, ctx.sigmoid, ctx.renormalise = inputs
    ctx.save_for_backward(logits, output[1])
    ctx.mark_non_differentiable(output[1], *output[4:])


def _backward(ctx: Any, d_scores: Tensor, _: Any, d_weights: Tensor, d_lse: Tensor, *__: Any) -> tuple:
    logits, chosen = ctx.saved_tensors
    return torch.ops.faultline.moe_route_backward(logits, chosen, d_scores, d_weights, d_lse, ctx.sigmoid, ctx.renormalise), *[None] * 5


_op.register_autograd(_backward, setup_context=_setup)


PER_LANE = (1, 2, 4, 8)
KERNEL = Kernel(
    name="moe_route",
    entries={**{f"route<{n}>": 64 for n in PER_LANE}, **{f"route_backward<{n}>": 72 for n in PER_LANE}}
    | {"sort_count": 32, "sort_scan": 64, "sort_place": 48},
)
