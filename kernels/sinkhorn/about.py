"""What the page says of the kernel sinkhorn."""

from __future__ import annotations

from kernels.kernel import About

ABOUT = About(
    title="Sinkhorn balancing in the log domain",
    formula=(
        r"f_t\leftarrow-\log\sum_e e^{S_{te}+g_e}",
        r"g_e\leftarrow\log\tfrac TE-\log\sum_t e^{S_{te}+f_t}",
        r"P=e^{S+f+g}",
    ),
    legend="T rows, E columns; f and g are the potentials of rows and columns.  On chip where S fits into 48 KB, else streamed.",
    minimum_bytes="On chip: 4 T E bytes once.  Streamed: 4 T E bytes per iteration.",
    used_by="Lab `moe`, `router=sinkhorn`, in training: which expert each byte of a batch goes to.",
    targets={"small, against eager": "at least 5×", "small, against compiled with CUDA graphs": "at least 2×"},
)
