"""moe_route: scores, choice, weights and statistics of a router in one pass; and the stable sort of assignments by expert.

Shapes: T tokens, E experts (at most 256), k experts per token (at most 32), A = T k assignments.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import custom_op

from kernels.checked import checked, plain_name
from kernels.kernel import Kernel, Runner
from kernels.launch import KERNEL_PATH
from kernels.transforms import differentiable

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
    """Route logits, in float32 on the kernel.  `bias_E` takes part in choosing only and is of the logits' format.  `last_T`: each
    token's expert at its last visit, int64, -1 before the first.

    Under forward-mode differentiation and the transforms of torch.func plain torch runs, and all floats carry their derivatives.
    Raises ValueError on a `k`, a format, a device or a shape that does not fit.
    """
    given = (*_fitting(logits_TE, k, bias_E, last_T, logits_TE.dtype, logits_TE.device), sigmoid, renormalise)
    return Routed(*differentiable(KERNEL, torch.ops.faultline.moe_route, reference, *given))


def _fitting(
    logits_TE: Tensor, k: int, bias_E: Tensor | None, last_T: Tensor | None, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, int, Tensor | None, Tensor | None]:
    """The inputs, checked: the bias in the format of the logits, the visits as int64."""
    logits_TE = checked("moe_route", "logits_TE", logits_TE, dtype, device, (None, None))
    tokens, experts = logits_TE.shape
    if not 1 <= k <= experts:
        raise ValueError(f"k={k} experts of {experts} were asked for; give 1 to {experts}.")
    bias_E = None if bias_E is None else checked("moe_route", "bias_E", bias_E, dtype, device, (experts,))
    last_T = None if last_T is None else checked("moe_route", "last_T", last_T, torch.int64, device, (tokens,))
    return logits_TE, k, bias_E, last_T


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
    flat_A, none_E = chosen_Tk.flatten(), torch.zeros(experts, dtype=torch.int64, device=logits_TE.device)
    counts_E = none_E.index_add(0, flat_A, torch.ones_like(flat_A))
    moved = torch.zeros((), dtype=torch.int64, device=logits_TE.device)
    if last_T is not None:
        moved = ((last_T >= 0) & (last_T != chosen_Tk[:, 0])).sum()
    return scores_TE, chosen_Tk, weights_Tk, logits_TE.logsumexp(dim=1), torch.special.entr(p_TE).sum(dim=1), margin_T, counts_E, moved


def launch_route(
    runner: Runner, logits_TE: Tensor, k: int, bias_E: Tensor | None, last_T: Tensor | None, sigmoid: bool, renormalise: bool
) -> RouteTensors:
    """One launch.  Raises ValueError on what does not fit."""
    device = runner.device
    logits_TE, k, bias_E, last_T = _fitting(logits_TE, k, bias_E, last_T, torch.float32, device)
    tokens, experts = logits_TE.shape
    if why := _too_much(k, experts):
        raise ValueError(f"The kernel moe_route cannot take this: {why}.")
    scores_TE = torch.empty_like(logits_TE)
    chosen_Tk = torch.empty(tokens, k, dtype=torch.int64, device=device)
    weights_Tk = torch.empty(tokens, k, device=device)
    logsumexp_T, entropy_T, margin_T = (torch.empty(tokens, device=device) for _ in range(3))
    counts_E = torch.zeros(experts, dtype=torch.int64, device=device)
    changed = torch.zeros((), dtype=torch.int64, device=device)
    out = scores_TE, chosen_Tk, weights_Tk, logsumexp_T, entropy_T, margin_T, counts_E, changed
    if tokens:
        arguments = [logits_TE, bias_E, tokens, experts, k, int(sigmoid), int(renormalise), *out[:7], last_T, changed]
        runner.launch(KERNEL, f"route<{_per_lane(experts)}>", -(-tokens // WARPS), THREADS, arguments)
    return out


def _per_lane(experts: int) -> int:
    return next(n for n in (1, 2, 4, 8) if 32 * n >= experts)


def _too_much(k: int, experts: int) -> str:
    most = f"it takes at most {MOST_CHOSEN} of {MOST_EXPERTS} experts in float32, and was given {k} of {experts}"
    return "" if k <= MOST_CHOSEN and experts <= MOST_EXPERTS else most


def _why_not(logits_TE: Tensor, k: int) -> str:
    if logits_TE.dtype == torch.float32:
        return _too_much(k, logits_TE.shape[1])
    return f"it takes float32 logits, and was given {plain_name(logits_TE.dtype)}"


def runner_for(logits_TE: Tensor, k: int) -> Runner | None:
    """What would route these logits, or None where plain torch does."""
    return KERNEL_PATH.choose(KERNEL, logits_TE.device, _why_not(logits_TE, k))


@custom_op("faultline::moe_route", mutates_args=())
def _op(logits: Tensor, k: int, bias: Tensor | None, last: Tensor | None, sigmoid: bool, renormalise: bool) -> RouteTensors:
    given = logits, k, bias, last, sigmoid, renormalise
    return KERNEL_PATH.run(
        KERNEL, logits.device, _why_not(logits, k), lambda runner: launch_route(runner, *given), lambda: reference(*given)
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
    given, why = (logits, chosen, d_scores, d_weights, d_z, sigmoid, renormalise), _why_not(logits, chosen.shape[1])
    return KERNEL_PATH.run(KERNEL, logits.device, why, lambda runner: backward_on(runner, *given), lambda: backward_reference(*given))


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
    """One launch.  Raises ValueError on what does not fit."""
    (tokens, experts), k = _fitting(logits, 1, None, None, torch.float32, runner.device)[0].shape, chosen.shape[-1]
    if why := _too_much(k, experts):
        raise ValueError(f"The kernel moe_route cannot take this: {why}.")
    shapes = {
        "logits": (tokens, experts),
        "chosen": (tokens, k),
        "d_scores": (tokens, experts),
        "d_weights": (tokens, k),
        "d_lse": (tokens,),
    }
    given = [
        checked("moe_route", name, tensor, torch.int64 if name == "chosen" else torch.float32, runner.device, shapes[name])
        for name, tensor in zip(shapes, (logits, chosen, d_scores, d_weights, d_lse), strict=True)
    ]
    out = torch.empty_like(given[0])
    if tokens:
        arguments = [given[0], tokens, experts, k, int(sigmoid), int(renormalise), *given[1:], out]
        runner.launch(KERNEL, f"route_backward<{_per_lane(experts)}>", -(-tokens // WARPS), THREADS, arguments)
    return out


def _setup(ctx: Any, inputs: tuple, output: RouteTensors) -> None:
    logits, _, _, _, ctx.sigmoid, ctx.renormalise = inputs
    ctx.save_for_backward(logits, output[1])
    ctx.mark_non_differentiable(output[1], *output[4:])


def _backward(ctx: Any, d_scores: Tensor, _: Any, d_weights: Tensor, d_lse: Tensor, *__: Any) -> tuple:
    given = (*ctx.saved_tensors, d_scores, d_weights, d_lse, ctx.sigmoid, ctx.renormalise)
    return differentiable(KERNEL, torch.ops.faultline.moe_route_backward, backward_reference, *given), *[None] * 5


_op.register_autograd(_backward, setup_context=_setup)


PER_LANE = (1, 2, 4, 8)
KERNEL = Kernel(
    name="moe_route",
    entries={**{f"route<{n}>": 64 for n in PER_LANE}, **{f"route_backward<{n}>": 72 for n in PER_LANE}}
    | {"sort_count": 32, "sort_scan": 64, "sort_place": 48},
)
