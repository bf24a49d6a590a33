"""What the page says of the kernel tensor_stats."""

from __future__ import annotations

from kernels.kernel import About

ABOUT = About(
    title="Statistics of every tensor in one pass",
    formula=(
        r"\sum_i x_i",
        r"\sum_i x_i^2",
        r"\max_i |x_i|",
        r"\#\{x_i\ \mathrm{not\ finite}\}",
        r"\#\{x_i=0\}",
        r"\#\{i: \lfloor\log_2|x_i|\rfloor = b\}",
    ),
    legend="P tensors of any size, cut into C chunks of 64 Ki numbers; one block per chunk, one row of results per tensor.",
    minimum_bytes="Every number read once: 4 bytes in fp32, 2 in fp16 and bf16.",
    used_by="The cheap probes of every lab, on CUDA: norms and non-finite counts of gradients, weights, steps, moments and activations.",
    targets={"share of copy bandwidth beyond the L2 cache": "at least 85 %"},
)
