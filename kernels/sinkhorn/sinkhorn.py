"""sinkhorn: log-domain potentials that balance a score matrix, with the column error of every iteration and a closed-form backward.

Shapes: T rows (tokens), E columns (experts, codes), K iterations.
"""

from __future__ import annotations

from math import log
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.library import custom_op

from kernels.checked import checked, plain_name
from kernels.kernel import Kernel, Runner
from kernels.launch import KERNEL_PATH
from kernels.transforms import differentiable

THREADS, WARPS, ROWS = 256, 8, 32
ON_CHIP = 48 * 1024  # bytes of shared memory that every GPU gives without being asked
Three = tuple[Tensor, Tensor, Tensor]


class Balanced(NamedTuple):
    """`f_KT`, `g_KE`: potentials after each iteration; only the last ones carry gradients.  `errors_K`: largest relative error of a
    column's sum before its potential moved."""

    f_KT: Tensor
    g_KE: Tensor
    errors_K: Tensor


def sinkhorn(scores_TE: Tensor, iterations: int) -> Balanced:
    """Potentials with which exp(S + f + g) has rows of sum 1 (nearly, after the last column step) and columns of sum T / E.

    Under forward-mode differentiation and the transforms of torch.func plain torch runs, and all results carry their derivatives.
    """
    if iterations < 1 or scores_TE.ndim != 2 or not scores_TE.numel():
        shape = tuple(scores_TE.shape)
        raise ValueError(f"sinkhorn got {iterations} iterations of a {shape} matrix; give at least one, of a matrix with rows and columns.")
    return Balanced(*differentiable(KERNEL, torch.ops.faultline.sinkhorn, reference, scores_TE, iterations))


def plan(scores_TE: Tensor, balanced: Balanced) -> Tensor:
    """The balanced matrix exp(S + f + g) -> (T, E)."""
    return (scores_TE + balanced.f_KT[-1].unsqueeze(1) + balanced.g_KE[-1]).exp()


def reference(scores_TE: Tensor, iterations: int) -> Three:
    """The specification, in the format of the scores."""
    log_c = log(scores_TE.shape[0] / scores_TE.shape[1])
    g_E = scores_TE.new_zeros(scores_TE.shape[1])
    fs, gs, errors = [], [], []
    for _ in range(iterations):
        f_T = -(scores_TE + g_E).logsumexp(dim=1)
        total_E = (scores_TE + f_T.unsqueeze(1)).logsumexp(dim=0)
        errors.append(((total_E + g_E - log_c).exp() - 1).abs().max())
        g_E = log_c - total_E
        fs.append(f_T)
        gs.append(g_E)
    return torch.stack(fs), torch.stack(gs), torch.stack(errors)


def launch_sinkhorn(runner: Runner, scores_TE: Tensor, iterations: int) -> Three:
    """One launch where the matrix fits into shared memory, two per iteration where it does not.  Raises ValueError on what does not fit."""
    scores = checked("sinkhorn", "scores_TE", scores_TE, torch.float32, runner.device, (None, None))
    (T, E), log_c = scores.shape, log(scores.shape[0] / scores.shape[1])
    room = 4 * (T * E + T + E + WARPS)
    f, g, errors = scores.new_empty(iterations, T), scores.new_empty(iterations + 1, E), scores.new_empty(iterations)
    if room <= ON_CHIP:
        runner.launch(KERNEL, "sinkhorn_small", 1, THREADS, [scores, T, E, iterations, log_c, f, g, errors], shared=room)
        return f, g[1:].clone(), errors
    g[0] = 0.0
    tiles = -(-T // ROWS)
    parts, column_errors = scores.new_empty(tiles, E, 2), scores.new_empty(iterations, E)
    for k in range(iterations):
        runner.launch(KERNEL, "sinkhorn_rows", tiles, THREADS, [scores, T, E, g[k], f[k], parts])
        arguments = [parts, tiles, E, log_c, g[k], g[k + 1], column_errors[k]]
        runner.launch(KERNEL, "sinkhorn_columns", -(-E // WARPS), THREADS, arguments)
    return f, g[1:].clone(), column_errors.amax(dim=1)


def backward_reference(scores: Tensor, f_KT: Tensor, g_KE: Tensor, d_f: Tensor, d_g: Tensor) -> Tensor:
    """dS from the gradients of all potentials, iterations in reverse; A and B as in the head of sinkhorn.cu."""
    log_c = log(scores.shape[0] / scores.shape[1])
    out, d_g_E = torch.zeros_like(scores), torch.zeros_like(g_KE[0])
    for k in reversed(range(len(f_KT))):
        base = scores + f_KT[k].unsqueeze(1)
        before = g_KE[k - 1] if k else torch.zeros_like(g_KE[0])
        b = (base + g_KE[k] - log_c).exp() * (d_g[k] + d_g_E)
        d_f_T = d_f[k] - b.sum(dim=1)
        a = (base + before).exp() * d_f_T.unsqueeze(1)
        out = out - (a + b)
        d_g_E = -a.sum(dim=0)
    return out


def backward_on(runner: Runner, scores: Tensor, f_KT: Tensor, g_KE: Tensor, d_f: Tensor, d_g: Tensor) -> Tensor:
    """Two launches per iteration.  Raises ValueError on what does not fit."""
    scores = checked("sinkhorn", "scores", scores, torch.float32, runner.device, (None, None))
    (T, E), log_c, K = scores.shape, log(scores.shape[0] / scores.shape[1]), len(f_KT)
    f_KT, g_KE, d_f, d_g = (
        checked("sinkhorn", name, tensor, torch.float32, runner.device, (K, size))
        for name, tensor, size in (("f_KT", f_KT, T), ("g_KE", g_KE, E), ("d_f", d_f, T), ("d_g", d_g, E))
    )
    tiles = -(-T // ROWS)
    out, parts, zeros = torch.zeros_like(scores), scores.new_empty(tiles, E), torch.zeros_like(g_KE[0])
    carried = zeros
    for k in reversed(range(len(f_KT))):
        d_g_E = d_g[k] + carried
        arguments = [scores, T, E, log_c, f_KT[k], g_KE[k], g_KE[k - 1] if k else zeros, d_f[k], d_g_E, out, parts]
        runner.launch(KERNEL, "sinkhorn_backward", tiles, THREADS, arguments)
        carried = torch.empty_like(zeros)
        runner.launch(KERNEL, "sinkhorn_backward_columns", -(-E // WARPS), THREADS, [parts, tiles, E, carried])
    return out


def _why_not(scores: Tensor) -> str:
    return "" if scores.dtype == torch.float32 else f"it takes float32, and was given {plain_name(scores.dtype)}"


@custom_op("faultline::sinkhorn", mutates_args=())
def _op(scores: Tensor, iterations: int) -> Three:
    given = scores, iterations
    return KERNEL_PATH.run(
        KERNEL, scores.device, _why_not(scores), lambda runner: launch_sinkhorn(runner, *given), lambda: reference(*given)
    )


@_op.register_fake
def _(scores: Tensor, iterations: int) -> Three:
    T, E = scores.shape
    return scores.new_empty(iterations, T), scores.new_empty(iterations, E), scores.new_empty(iterations)


@custom_op("faultline::sinkhorn_backward", mutates_args=())
def _backward_op(scores: Tensor, f: Tensor, g: Tensor, d_f: Tensor, d_g: Tensor) -> Tensor:
    given = scores, f, g, d_f, d_g
    return KERNEL_PATH.run(
        KERNEL, scores.device, _why_not(scores), lambda runner: backward_on(runner, *given), lambda: backward_reference(*given)
    )


@_backward_op.register_fake
def _(scores: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(scores, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple, output: Three) -> None:
    ctx.save_for_backward(inputs[0], output[0], output[1])
    ctx.mark_non_differentiable(output[2])


def _backward(ctx: Any, d_f: Tensor, d_g: Tensor, _: Any) -> tuple:
    return differentiable(KERNEL, torch.ops.faultline.sinkhorn_backward, backward_reference, *ctx.saved_tensors, d_f, d_g), None


_op.register_autograd(_backward, setup_context=_setup)


KERNEL = Kernel(
    name="sinkhorn",
    entries={
        "sinkhorn_small": 64,
        "sinkhorn_rows": 64,
        "sinkhorn_columns": 48,
        "sinkhorn_backward": 64,
        "sinkhorn_backward_columns": 48,
    },
)
