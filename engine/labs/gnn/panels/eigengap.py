"""Panel: how far a positional encoding moves when the Laplacian moves a little, and what the distance of eigenvalues has to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import knob, question
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from engine.labs.gnn.datasets.eigenpairs import Eigenpairs, Matrix

    Encodings = dict[str, Matrix]

MOST_NODES = 150
FUNCTIONS = 8  # of the smooth encoding
ROUNDING = 1e-12
FLIPS = 16  # edges added or taken away, one at a time
SIZES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
OPENINGS = tuple(10.0**power for power in (-7, -6, -5, -4, -3, -2, -1, 0))
COLOURS = {"eigenvectors": "#D55E00", "projectors": "#CC79A7", "smooth": "#0072B2"}
NAMES = {"eigenvectors": "eigenvectors without sign", "projectors": "projectors, equal or not", "smooth": "SPE, smooth functions"}
SYMBOLS = {"eigenvectors": "circle", "projectors": "diamond", "smooth": "square"}


class Eigengap(Panel):
    title = "Encodings that jump where eigenvalues meet"
    labs = ("gnn",)
    formula = (
        r"s(\varepsilon)=\|\mathrm{PE}(L+\varepsilon N)-\mathrm{PE}(L)\|_F/\varepsilon,\ \|N\|_F=1;\quad "
        r"\mathrm{PE}=|V|,\ V_\lambda V_\lambda^{\top},\ V\,\mathrm{diag}(e^{-(\lambda-c_m)^2/2\sigma^2})V^{\top}"
    )
    about = (
        "A little noise moves the Laplacian. Left: how far three encodings move, by the size of the noise; stars: one edge more or less. "
        "Right: the same noise, against the smallest gap of eigenvalues."
    )
    paper = "SPE: Huang et al. (ICLR 2024, arXiv 2310.02579); signs and bases: Lim et al. (ICLR 2023, arXiv 2202.13013)"
    reading = "definitions as in the papers, with Gaussians for the functions that SPE learns"
    order = 7

    graph: GraphChoice = question(GraphChoice, "ring", "Which graph are the nodes of?", group="stressor")
    laplacian: Literal["normalised", "combinatorial"] = knob(
        "normalised", "I − D^-1/2 A D^-1/2, which the encodings of a run use, or D − A", group="stressor"
    )
    eigenvectors: int = knob(
        8, "eigenvectors of the first two encodings, without the first of each component", unit="eigenvectors", group="size", ge=1, le=32
    )
    smoothness: float = knob(0.1, "width σ of the functions of the eigenvalue", group="remedy", ge=0.01, le=1.0)
    tolerance: float = knob(1e-4, "eigenvalues that differ by less count as equal for the projectors", group="remedy", ge=1e-12, le=0.1)
    noise: float = knob(1e-4, "size of the noise in the right picture", group="stressor", ge=1e-6, le=0.1)
    seed: int = knob(0, "seed of noise, weights and flipped edges, and of the graph where it is random", ge=0, le=999)

    def compute(self) -> Frames:
        """Every frame holds, under the name of each encoding, the Frobenius norm of its change.

        -> "noise": `size`; "edges": `a`, `b`, and `size`, by how much the Laplacian changed; "gaps": `gap`; "facts": `gap`, the smallest
        between neighbouring eigenvalues used and the one behind them, and of each encoding `whole`, the Frobenius norm of itself.
        """
        import numpy as np

        from engine.labs.gnn.datasets.distances import components_N
        from engine.labs.gnn.datasets.draws import generator
        from engine.labs.gnn.datasets.eigenpairs import eigenpairs, noise_NN, opened

        graph = self.graph.build(generator(self.seed, "graph"))
        if graph.nodes > MOST_NODES:
            raise ValueError(f"the graph has {graph.nodes} nodes and this panel takes at most {MOST_NODES}; choose a smaller one.")
        adjacency_NN, component_N = graph.adjacency_NN(), components_N(graph)
        noise = noise_NN(component_N, generator(self.seed, "noise"))

        def around(matrix_NN: Matrix) -> tuple[Eigenpairs, Encodings]:
            pairs = eigenpairs(matrix_NN, component_N)
            return pairs, self._encodings(pairs, adjacency_NN)

        matrix_NN = self._laplacian(adjacency_NN)
        own, before = around(matrix_NN)
        by_size = [{"size": size, **_moved(before, around(matrix_NN + size * noise)[1])} for size in SIZES]
        by_gap = []
        for weighted_NN in opened(adjacency_NN, np.array(OPENINGS), generator(self.seed, "weights")):
            open_NN = self._laplacian(weighted_NN)
            pairs, apart = around(open_NN)
            by_gap.append({"gap": self._gap(pairs), **_moved(apart, around(open_NN + self.noise * noise)[1])})
        return {
            "noise": _columns(by_size, ("size", *COLOURS)),
            "edges": _columns(self._by_edge(adjacency_NN, matrix_NN, before), ("a", "b", "size", *COLOURS)),
            "gaps": _columns(by_gap, ("gap", *COLOURS)),
            "facts": {"gap": [self._gap(own)], **{f"whole_{name}": [float(np.linalg.norm(array))] for name, array in before.items()}},
        }

    def _by_edge(self, adjacency_NN: Matrix, matrix_NN: Matrix, before: Encodings) -> list[dict[str, float]]:
        """Of single edges added or taken away; one that leaves too few eigenvectors is left out."""
        import numpy as np

        from engine.labs.gnn.datasets.distances import components_N
        from engine.labs.gnn.datasets.draws import generator
        from engine.labs.gnn.datasets.eigenpairs import eigenpairs
        from engine.labs.gnn.datasets.graph import Graph
        from engine.labs.gnn.datasets.stability import flipped, flips

        out: list[dict[str, float]] = []
        for a, b in flips(adjacency_NN, FLIPS, generator(self.seed, "flips")):
            other_NN = flipped(adjacency_NN, (a, b))
            after_NN = self._laplacian(other_NN)
            pairs = eigenpairs(after_NN, components_N(Graph.of(len(other_NN), np.argwhere(other_NN).tolist())))
            if (~pairs.first_K).sum() >= self.eigenvectors:
                size = float(np.linalg.norm(after_NN - matrix_NN))
                out.append({"a": a, "b": b, "size": size, **_moved(before, self._encodings(pairs, adjacency_NN))})
        return out

    def _laplacian(self, adjacency_NN: Matrix) -> Matrix:
        from engine.labs.gnn.datasets.eigenpairs import laplacian_NN

        return laplacian_NN(adjacency_NN, self.laplacian == "normalised")

    def _encodings(self, pairs: Eigenpairs, adjacency_NN: Matrix) -> Encodings:
        """The centres of the smooth functions lie evenly between 0 and what no eigenvalue of the graph's own Laplacian exceeds."""
        import numpy as np

        from engine.labs.gnn.datasets.stability import projectors, smooth, without_sign

        top = 2.0 if self.laplacian == "normalised" else 2.0 * float(adjacency_NN.sum(axis=1).max())
        return {
            "eigenvectors": without_sign(pairs, self.eigenvectors),
            "projectors": projectors(pairs, self.eigenvectors, self.tolerance),
            "smooth": smooth(pairs, np.linspace(0.0, top, FUNCTIONS), self.smoothness),
        }

    def _gap(self, pairs: Eigenpairs) -> float:
        from engine.labs.gnn.datasets.eigenpairs import smallest_gap

        return smallest_gap(pairs.values_K[~pairs.first_K][: self.eigenvectors + 1])

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go

        from engine.labs.chart import blank

        figure = blank(height=400)
        figure.set_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
        for name, colour in COLOURS.items():
            shared = {"name": NAMES[name], "legendgroup": name}
            for column, (frame, x, what) in enumerate((("noise", "size", "noise"), ("gaps", "gap", "gap")), start=1):
                figure.add_trace(
                    go.Scatter(
                        x=_positive(frames[frame][x]),
                        y=_positive(frames[frame][name]),
                        mode="lines+markers",
                        line={"color": colour},
                        marker={"symbol": SYMBOLS[name]},
                        showlegend=column == 1,
                        hovertemplate=f"{what} %{{x:.2~g}}: moves by %{{y:.3~g}}<extra>{NAMES[name]}</extra>",
                        **shared,
                    ),
                    1,
                    column,
                )
            edges = frames["edges"]
            figure.add_trace(
                go.Scatter(
                    x=_positive(edges["size"]),
                    y=_positive(edges[name]),
                    customdata=[f"{a}-{b}" for a, b in zip(edges["a"], edges["b"], strict=True)],
                    mode="markers",
                    marker={"color": colour, "symbol": "star", "size": 9, "opacity": 0.6},
                    showlegend=False,
                    hovertemplate=f"edge %{{customdata}}: moves by %{{y:.3~g}}<extra>{NAMES[name]}</extra>",
                    **shared,
                ),
                1,
                1,
            )
        for column, title in enumerate(("change of the Laplacian (★ one edge)", "smallest gap of the eigenvalues used"), start=1):
            figure.update_xaxes(title_text=title, type="log", exponentformat="power", row=1, col=column)
        figure.update_yaxes(type="log", exponentformat="power")
        figure.update_yaxes(title_text="change of the encoding", row=1, col=1)
        figure.update_layout(hovermode="closest", margin={"l": 66, "r": 16, "t": 8, "b": 44})
        return figure

    def sentence(self, frames: Frames) -> str:
        noise, edges = frames["noise"], frames["edges"]
        facts = {name: column[0] for name, column in frames["facts"].items()}

        def three(row: int) -> str:
            return f"{noise['eigenvectors'][row]:.2g}, {noise['projectors'][row]:.2g} and {noise['smooth'][row]:.2g}"

        steady = [noise["smooth"][row] / noise["size"][row] for row in (0, -1)]
        out = [
            f"Noise of {noise['size'][0]:.0e} moves eigenvectors, projectors and SPE by {three(0)}, noise of {noise['size'][-1]:g} by "
            f"{three(-1)}; for each unit of noise SPE moves by {steady[0]:.2f} and {steady[1]:.2f}."
        ]
        gap = f"{facts['gap']:.1e}" if facts["gap"] >= ROUNDING else "0 up to rounding"
        jumps = noise["eigenvectors"][0] > 0.1 * noise["eigenvectors"][-1]
        out.append(f"The smallest gap of the eigenvalues used is {gap}, and the eigenvectors {'jump' if jumps else 'follow the noise'}.")
        if edges["size"]:
            shares = [sum(edges[name]) / len(edges[name]) / facts[f"whole_{name}"] for name in COLOURS]
            out.append("One edge more or less moves the three by {:.0%}, {:.0%} and {:.0%} of what they measure.".format(*shares))
        return " ".join(out)


def _moved(before: Encodings, after: Encodings) -> dict[str, float]:
    """The Frobenius norm of each encoding's change."""
    import numpy as np

    return {name: float(np.linalg.norm(after[name] - array)) for name, array in before.items()}


def _columns(rows: list[dict[str, float]], names: tuple[str, ...]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in names}


def _positive(values: list[float]) -> list[float | None]:
    """A logarithmic axis has no place for 0; NaN and infinities stay."""
    return [None if value == 0 else value for value in values]
