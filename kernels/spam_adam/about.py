"""What the page says of the kernel spam_adam."""

from __future__ import annotations

from kernels.kernel import About

ABOUT = About(
    title="Spike-aware Adam and its averages in one pass",
    formula=(
        r"g\leftarrow\mathrm{sign}(g)\sqrt{\theta v}\ \mathrm{where}\ g^2>\theta v",
        r"m\leftarrow\beta_1m+(1-\beta_1)g",
        r"v\leftarrow\beta_2v+(1-\beta_2)g^2",
        r"w\leftarrow w(1-\eta\lambda)-\eta s\,\frac{m/c_1}{\sqrt{v/c_2}+\epsilon}",
        r"a_j\leftarrow a_j+r_j(w-a_j)",
    ),
    legend="P parameters of any size, in chunks of 16 Ki numbers; w weights, g gradients, m and v moments, a averages of the weights.",
    minimum_bytes="28 bytes per fp32 parameter (read w, g, m, v; write w, m, v), 8 more for each average.",
    used_by="The answers adamw and spam of the question optimizer, on CUDA.",
    targets={"share of the byte floor beyond the L2 cache": "at least 85 %", "against eager foreach": "at least 3×"},
)
