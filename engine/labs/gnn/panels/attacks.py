"""Panel: which nodes a graph can lose, and which it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.declare.knobs import knob, question
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_NODES = 200
POINTS = 12  # numbers of removed nodes that are looked at, none among them
DRAWS = 5  # random orders
COLOURS = {"random": "#777777", "degree": "#D55E00", "betweenness": "#0072B2", "pagerank": "#009E73"}
SAYS = {"random": "at random", "degree": "by degree", "betweenness": "by betweenness", "pagerank": "by PageRank"}


class Attacks(Panel):
    title = "Which nodes a graph can lose"
    labs = ("gnn",)
    formula = (
        r"E=\frac{1}{n(n-1)}\sum_{u\ne v}\frac{1}{d_{uv}},\qquad \bar\lambda=\ln\Bigl(\frac1n\sum_i e^{\lambda_i}\Bigr),"
        r"\qquad R=\frac1K\sum_{k}\frac{\text{largest component after }k}{n}"
    )
    about = (
        "Nodes are taken away, at random or the most central first. Read of what is left: the largest component, as a share of all nodes, "
        "and the efficiency, the mean of one over the distance."
    )
    paper = (
        "Albert, Jeong and Barabási 2000 (cond-mat/0008064); efficiency: Latora and Marchiori 2001 (cond-mat/0101396); "
        "natural connectivity: Wu et al. 2010 (arXiv 1009.3430); R: Schneider et al. 2011"
    )
    reading = "definitions as in the papers, R over the points that are drawn; centralities are those of the whole graph"
    order = 20

    graph: GraphChoice = question(GraphChoice, "ba", "Which graph is attacked?", group="stressor")
    most: float = knob(0.4, "largest share of the nodes that is taken away", group="size", ge=0.05, le=0.9)
    seed: int = knob(0, "seed of random graphs and of the random orders", ge=0, le=999)

    def compute(self) -> Frames:
        """-> "points": strategy, removed (share of the nodes), largest and efficiency; of "random" the mean over five orders, with
        `low` and `high` the least and the largest of the first number.  "facts": nodes, edges, natural_connectivity of the whole
        graph, and R of each strategy."""
        import numpy as np

        from engine.labs.gnn.datasets.draws import generator
        from engine.labs.gnn.datasets.robustness import CENTRALITIES, natural_connectivity, order_N, remains

        graph = self.graph.build(generator(self.seed, "graph"))
        if graph.nodes > MOST_NODES:
            raise ValueError(f"the graph has {graph.nodes} nodes and this panel attacks at most {MOST_NODES}; choose a smaller one.")
        removed_K = sorted({round(share * graph.nodes) for share in np.linspace(0.0, self.most, POINTS)})
        draws = generator(self.seed, "attack")
        random = np.array([remains(graph, draws.permutation(graph.nodes).tolist(), removed_K) for _ in range(DRAWS)])
        curves = {"random": random.mean(0), **{name: remains(graph, order_N(graph, name), removed_K) for name in CENTRALITIES}}
        bands = {name: (curve[0], curve[0]) for name, curve in curves.items()} | {"random": (random[:, 0].min(0), random[:, 0].max(0))}
        share_K = [count / graph.nodes for count in removed_K]
        points = {
            "strategy": [name for name in curves for _ in removed_K],
            "removed": share_K * len(curves),
            "largest": np.concatenate([curve[0] for curve in curves.values()]).tolist(),
            "efficiency": np.concatenate([curve[1] for curve in curves.values()]).tolist(),
            "low": np.concatenate([bands[name][0] for name in curves]).tolist(),
            "high": np.concatenate([bands[name][1] for name in curves]).tolist(),
        }
        facts = {"nodes": [graph.nodes], "edges": [len(graph.edges_E2)], "natural_connectivity": [natural_connectivity(graph)]}
        return {"points": points, "facts": facts | {f"R_{name}": [float(curve[0].mean())] for name, curve in curves.items()}}

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots

        points = frames["points"]
        figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
        for row, (name, title) in enumerate({"largest": "largest component, share", "efficiency": "efficiency"}.items(), start=1):
            for strategy, colour in COLOURS.items():
                mine = [i for i, one in enumerate(points["strategy"]) if one == strategy]
                line = {"x": [points["removed"][i] for i in mine], "mode": "lines+markers", "legendgroup": strategy}
                error = None
                if strategy == "random" and name == "largest":
                    up, down = ([abs(points[end][i] - points[name][i]) for i in mine] for end in ("high", "low"))
                    error = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1, "width": 3}
                figure.add_trace(
                    go.Scatter(
                        **line,
                        y=[points[name][i] for i in mine],
                        error_y=error,
                        line={"color": colour},
                        marker={"size": 5},
                        name=SAYS[strategy],
                        showlegend=row == 1,
                        hovertemplate=f"{SAYS[strategy]}: %{{x:.0%}} removed, {title} %{{y:.3f}}<extra></extra>",
                    ),
                    row,
                    1,
                )
            figure.update_xaxes(tickformat=".0%", row=row, col=1)
            figure.update_yaxes(title_text=title, rangemode="tozero", row=row, col=1)
        figure.update_xaxes(title_text="share of the nodes removed", row=2, col=1)
        figure.update_layout(
            height=460,
            hovermode="closest",
            margin={"l": 62, "r": 16, "t": 8, "b": 44},
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        )
        return figure

    def sentence(self, frames: Frames) -> str:
        facts = {name: column[0] for name, column in frames["facts"].items()}
        names = [name for name in COLOURS if name != "random"]
        worst = min(names, key=lambda name: facts[f"R_{name}"])
        said = (
            f"Taken {SAYS[worst]}, the worst of the three orders here, the largest component holds {facts[f'R_{worst}']:.0%} of the nodes"
        )
        rest = f"on average over the points drawn; taken at random, {facts['R_random']:.0%} (mean of {DRAWS} orders)."
        whole = f"The whole graph has {facts['nodes']} nodes, {facts['edges']} edges and natural connectivity"
        return f"{said} {rest} {whole} {facts['natural_connectivity']:.2f}."
