"""Panel: how the kernel csr_spmm shares out the edges of a graph among warps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import knob
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from torch import Tensor


class EdgeWork(Panel):
    title = "Who does how much: edges per warp"
    labs = ("gnn",)
    formula = r"\text{evenness}=\frac{\sum_t w_t}{T\,\max_t w_t},\quad w_t=\text{edges of warp }t"
    about = (
        "A row of the figure is one way of cutting a graph's edges into pieces, one warp a piece. Warps finish together only when their "
        "pieces are alike. Work is counted, not time."
    )
    paper = (
        "Strategies after Raval et al. (arXiv 1711.00231); merge path after Merrill and Garland, Merge-Based Parallel Sparse "
        "Matrix-Vector Multiplication (SC 2016)"
    )
    reading = "our reading: the tiles are those of the kernel csr_spmm"
    order = 30

    graph: Literal["regular", "power_law", "star"] = knob(
        "power_law", "every node alike, a Barabási-Albert graph with its hubs, or one hub that everybody reads", group="stressor"
    )
    nodes: int = knob(5000, "nodes", unit="nodes", group="size", ge=100, le=20_000)
    links: int = knob(4, "edges of a node; of the power law: that each new node brings", unit="edges", group="size", ge=1, le=16)
    seed: int = knob(0, "seed of the power-law graph", ge=0, le=999)

    def compute(self) -> Frames:
        """-> "warps": strategy, least and most edges of the bin, warps in it; "facts", a row for each strategy: strategy, tiles, longest,
        mean (edges of a warp), evenness, slots (rows that several warps share leave a part each); "graph": nodes, edges, longest row."""
        import torch

        from kernels.csr_spmm.graph import STRATEGIES, Graph, histogram

        target_E, source_E = self._edges()
        rows = Graph.from_edges(target_E, source_E, self.nodes, self.nodes).rows
        warps: dict[str, list[float | str]] = {"strategy": [], "least": [], "most": [], "warps": []}
        facts: dict[str, list[float | str]] = {name: [] for name in ("strategy", "tiles", "longest", "mean", "evenness", "slots")}
        for name in STRATEGIES:
            plan = rows.plan(name)
            work_T = plan.work_T.long()
            for bin_, count in enumerate(histogram(work_T).tolist()):
                least, most = (0, 0) if bin_ == 0 else (2 ** (bin_ - 1), 2**bin_ - 1)
                for column, value in zip(warps.values(), (name, least, most, count), strict=True):
                    column.append(value)
            longest, mean = int(work_T.max()), float(work_T.double().mean())
            for column, value in zip(facts.values(), (name, len(work_T), longest, mean, mean / longest, plan.slots), strict=True):
                column.append(value)
        whole = {"nodes": [self.nodes], "edges": [len(target_E)], "longest": [int(torch.bincount(target_E).max())]}
        return {"warps": warps, "facts": facts, "graph": whole}

    def _edges(self) -> tuple[Tensor, Tensor]:
        """-> (E,) who reads, (E,) who is read; each undirected edge in both directions.

        regular: a circle in which every node is joined to `links` nodes on either side; star: `links` is no matter."""
        import networkx as nx
        import torch

        node_N = torch.arange(self.nodes)
        if self.graph == "regular":
            a = node_N.repeat(self.links)
            b = torch.cat([(node_N + k) % self.nodes for k in range(1, self.links + 1)])
        elif self.graph == "star":
            a, b = torch.zeros(self.nodes - 1, dtype=torch.long), node_N[1:]
        else:
            made = nx.barabasi_albert_graph(self.nodes, self.links, seed=self.seed)
            a, b = torch.tensor(list(made.edges)).T
        return torch.cat([a, b]), torch.cat([b, a])

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        warps, names = frames["warps"], frames["facts"]["strategy"]
        figure = make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.035)
        shown = [i for i, count in enumerate(warps["warps"]) if count]
        bins = sorted({(warps["least"][i], warps["most"][i]) for i in shown})
        label = {least: f"{least:,}" if least == most else f"{least:,}–{most:,}" for least, most in bins}
        decades = math.log10(max(warps["warps"])) + 0.3
        for row, name in enumerate(names, start=1):
            mine = [i for i in shown if warps["strategy"][i] == name]
            figure.add_trace(
                go.Bar(
                    x=[label[warps["least"][i]] for i in mine],
                    y=[warps["warps"][i] for i in mine],
                    marker={"color": "#0072B2"},
                    showlegend=False,
                    hovertemplate=f"{name}: %{{y:,}} warps with %{{x}} edges<extra></extra>",
                ),
                row,
                1,
            )
            figure.update_yaxes(type="log", range=[-0.3, decades], dtick=2, title_text=name, row=row, col=1)
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(label.values()))
        figure.update_xaxes(title_text="edges of a warp; upwards: warps", row=len(names), col=1)
        figure.update_layout(height=110 * len(names), margin={"l": 66, "r": 36, "t": 8, "b": 60}, bargap=0.1, hovermode="closest")
        return figure

    def sentence(self, frames: Frames) -> str:
        facts, graph = frames["facts"], {name: column[0] for name, column in frames["graph"].items()}
        longest = dict(zip(facts["strategy"], facts["longest"], strict=True))
        mean = dict(zip(facts["strategy"], facts["mean"], strict=True))
        told = ", ".join(f"{name} {longest[name]:,} ({mean[name]:.3g})" for name in longest)
        return (
            f"{graph['nodes']:,} nodes, {graph['edges']:,} directed edges, the longest row has {graph['longest']:,}. "
            f"Edges of the busiest warp, and in brackets of the average one: {told}."
        )
