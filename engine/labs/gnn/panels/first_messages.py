"""Panel: what a node can hear before any training, against how far away the others are and how well they are connected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import knob, question
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_NODES = 400
COLOURS = {"distance": "#0072B2", "resistance": "#D55E00"}


class FirstMessages(Panel):
    title = "What a node can hear before any training"
    labs = ("gnn",)
    formula = r"J_{vu}=\Bigl\|\frac{\partial h_v^{(L)}}{\partial x_u}\Bigr\|_F,\qquad R_{uv}=L^+_{uu}+L^+_{vv}-2L^+_{uv}"
    about = (
        "One node is read by an untrained network. Each dot is another node: how strongly the read one hears it, against its distance in "
        "edges and against the effective resistance between the two."
    )
    paper = "Over-squashing and resistance: Di Giovanni et al. (ICML 2023, arXiv 2302.02941) and Black et al. (ICML 2023, arXiv 2302.06835)"
    reading = "definitions as in the papers"
    order = 5

    graph: GraphChoice = question(GraphChoice, "barbell", "Which graph does the message travel on?", group="stressor")
    layer: Literal["gcn", "gin", "sage"] = knob("gcn", "what a layer computes from a node and its neighbours", group="size")
    layers: int = knob(
        0, "layers; 0 is the distance between the node that is read and the one that knows", unit="layers", group="size", ge=0, le=64
    )
    width: int = knob(32, "width of the states", unit="channels", group="size", ge=1, le=256)
    seed: int = knob(0, "seed of the weights, and of the graph where it is random", ge=0, le=999)

    def compute(self) -> Frames:
        """-> "nodes": node, distance (inf without a path), resistance in ohm, jacobian; "facts": layers, read, rank correlations.

        The correlations are Spearman's, of −log J over the nodes that are heard at all; NaN where fewer than three are.
        """
        import torch

        from engine.labs.gnn.datasets.distances import distances_NN
        from engine.labs.gnn.datasets.ranks import rank_correlation
        from engine.labs.gnn.datasets.resistance import resistances_NN
        from engine.labs.gnn.gnn import Gnn
        from engine.labs.gnn.probes.jacobian import sensitivity

        lab = Gnn(graph=self.graph, layer=self.layer, layers=self.layers, width=self.width, seed=self.seed, norm="none", device="cpu")
        nodes = lab.given_graph.nodes
        if nodes > MOST_NODES:
            raise ValueError(f"the graph has {nodes} nodes and this panel draws at most {MOST_NODES}; choose a smaller one.")
        read, holds = lab.ends()
        x_ND = lab.batch(0)["x"][0]
        row_N = sensitivity(lab, lab.model(), torch.ones_like(x_ND), read).double().numpy()
        apart_N, resistance_N = distances_NN(lab.given_graph)[read], resistances_NN(lab.given_graph)[read]
        frame = {"node": list(range(nodes)), "distance": apart_N.tolist(), "resistance": resistance_N.tolist(), "jacobian": row_N.tolist()}
        facts = {
            "layers": [lab.depth()],
            "read": [read],
            "target": [holds],
            "of_distance": [rank_correlation(row_N, apart_N)],
            "of_resistance": [rank_correlation(row_N, resistance_N)],
            "silent": [int((row_N == 0).sum())],
        }
        return {"nodes": frame, "facts": facts}

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go

        from engine.labs.chart import blank

        nodes, facts = frames["nodes"], frames["facts"]
        figure = blank(height=360)
        figure.set_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
        titles = {"distance": "distance in edges", "resistance": "effective resistance in ohm"}
        for column, (name, title) in enumerate(titles.items(), start=1):
            heard = [i for i, j in enumerate(nodes["jacobian"]) if j > 0]
            size = [13 if i == facts["target"][0] else 7 for i in heard]
            figure.add_trace(
                go.Scatter(
                    x=[nodes[name][i] for i in heard],
                    y=[nodes["jacobian"][i] for i in heard],
                    customdata=[nodes["node"][i] for i in heard],
                    mode="markers",
                    marker={"color": COLOURS[name], "size": size, "opacity": 0.7},
                    name=name,
                    showlegend=False,
                    hovertemplate=f"node %{{customdata}}: {name} %{{x:.3~g}}, Jacobian %{{y:.3~g}}<extra></extra>",
                ),
                1,
                column,
            )
            figure.update_xaxes(title_text=title, row=1, col=column)
        figure.update_yaxes(type="log", exponentformat="power", dtick=2)
        figure.update_yaxes(title_text="Jacobian norm", row=1, col=1)
        figure.update_layout(hovermode="closest", margin={"l": 66, "r": 16, "t": 8, "b": 44})
        return figure

    def sentence(self, frames: Frames) -> str:
        facts, nodes = frames["facts"], frames["nodes"]
        target = facts["target"][0]
        heard = nodes["jacobian"][target]
        own = nodes["jacobian"][facts["read"][0]]
        silent = facts["silent"][0]
        away = f"With {facts['layers'][0]} layers the node that knows, {_edges(nodes['distance'][target])} away,"
        first = f"{away} counts {heard / own:.2g} times as much as the read node itself." if heard else f"{away} is not heard at all."
        ranks = f"Rank correlation of −log J with distance {facts['of_distance'][0]:.2f}, with resistance {facts['of_resistance'][0]:.2f}"
        return f"{first} {ranks}, over the {len(nodes['node']) - silent} of {len(nodes['node'])} nodes that are heard."


def _edges(distance: float) -> str:
    return f"{distance:.0f} edges" if math.isfinite(distance) else "without a path"
