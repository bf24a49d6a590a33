"""What the page says of the kernel csr_spmm."""

from __future__ import annotations

from kernels.kernel import About

ABOUT = About(
    title="Message passing with a choice of load balancing",
    formula=(
        r"y_i=\bigoplus_{e\in\mathrm{row}\,i} w_e\,x_{\mathrm{col}_e}",
        r"\bigoplus\in\{\textstyle\sum,\ \mathrm{mean},\ \max\}",
    ),
    legend="N rows, M columns, E edges in compressed rows, D features. A strategy (node, edge, split, merge, hierarchical) cuts the "
    "edges into tiles, one warp each; shared rows are added up in a second launch.",
    minimum_bytes="4 bytes per edge for its column, 4 more with weights; each row of x that is read, and each row of the result, once.",
    used_by="Lab `gnn`, `propagation=csr`: layers gcn, gin and sage. The transpose that their gradients need is kept.",
    targets={
        "cuSPARSE, regular graphs": "at least 0.9 times as fast",
        "cuSPARSE, power-law graphs": "at least 1.5 times as fast",
        "torch.sparse, with backward": "at least 5 times as fast",
    },
)
