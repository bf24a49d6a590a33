"""What the page says of the kernel moe_route."""

from __future__ import annotations

from kernels.kernel import About

ABOUT = About(
    title="A router in one pass, and its stable sort",
    formula=(
        r"s=\mathrm{softmax}(l)\ \mathrm{or}\ \sigma(l)",
        r"C=\mathrm{top}_k(s+b)",
        r"w=s_C\ \mathrm{or}\ s_C/\textstyle\sum s_C",
        r"z=\log\sum_e e^{l_e}",
        r"H=-\sum_e p_e\log p_e",
        r"\Delta=(s+b)_{(1)}-(s+b)_{(2)}",
    ),
    legend="T tokens, E experts, k experts per token; one warp per token, experts across its lanes.",
    minimum_bytes="4 T E bytes of logits and as many of scores, 12 T k bytes of choices and weights, 12 T of statistics.",
    used_by="The routers of lab `moe` on CUDA: choice, weights, load and statistics, and the order in which the experts take their bytes.",
    targets={"against eager": "at least 5×"},
)
