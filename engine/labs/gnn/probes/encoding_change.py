"""Probe `encoding_change`: how far the positional encoding moves when the Laplacian moves a little.

Shapes: N nodes, K eigenpairs, P channels of the encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from engine.labs.capabilities import GraphLab
from engine.labs.probe import Metric, Probe, Reading, Step

if TYPE_CHECKING:
    from engine.labs.gnn.datasets.eigenpairs import Matrix

NOISE = 1e-3  # Frobenius norm
OPENINGS = np.geomspace(1e-6, 1.0, 7)
MOST_NODES = 100


class Case(NamedTuple):
    """The eigenpairs that the encoding takes of a Laplacian, before and behind the noise, and the smallest gap between them before."""

    gap: float
    before: tuple[Tensor, Tensor]
    behind: tuple[Tensor, Tensor]


class EncodingChange(Probe):
    """|PE(L + εN) − PE(L)| / |PE(L)| in Frobenius norms, with N symmetric, normal, of norm 1, none between components, and ε = 0.001;
    N is the same in every run.  Each eigenvector of L + εN takes the sign that brings it nearer to the one of L, for it has none of its
    own.  Only where there is an encoding, on graphs of up to 100 nodes, and in evaluation mode.  `positional_encoding/spread` is
    |PE − mean over nodes| / |PE|: 0 for an encoding that says the same of every node, which is easily stable.

    The vectors hold the same for graphs whose edges weigh 1 + s·u instead of 1, with u drawn from (0, 1) for each edge and s from
    1e-6 to 1, so that eigenvalues which symmetry keeps together come apart: `positional_encoding/gaps` is the smallest gap between
    neighbouring eigenvalues that the encoding takes, and the one behind them, `positional_encoding/changes` the change.  Layers of the
    encoding keep the edges of the run's own graph.  (Huang et al. 2024, arXiv 2310.02579, section 3, bounds such changes.)"""

    price = "dear"
    every = 50
    needs = "graph"
    metrics = (
        Metric("positional_encoding/change", "change of the encoding over its size, for noise of 0.001 in the Laplacian", low=0.0),
        Metric("positional_encoding/answer_change", "change of the network's answers over their size, for the same noise", low=0.0),
        Metric("positional_encoding/spread", "how much of the encoding's size is difference between nodes", low=0.0, high=1.0),
        Metric("positional_encoding/gap", "smallest gap between neighbouring eigenvalues that the encoding takes", low=0.0),
        Metric("positional_encoding/changes", "change of the encoding, the further the gap opens", kind="vector"),
        Metric("positional_encoding/gaps", "smallest gap, on graphs with ever more unequal edges", kind="vector"),
    )

    def __init__(self, lab: GraphLab, model: nn.Module) -> None:
        self.cases: list[Case] = []

    @torch.no_grad()
    def after(self, step: Step[GraphLab]) -> Iterable[Reading]:
        encoding, graph = step.model.encoding, step.lab.graphs(rewired=True)[0]
        if encoding is None or graph.nodes > MOST_NODES:
            return
        self.cases = self.cases or list(cases(step.lab, encoding.values_K))
        modes = [(module, module.training) for module in step.model.modules()]
        step.model.eval()
        try:
            place_NP = encoding()
            moved = [relative(encoding.encode(*case.before), encoding.encode(*case.behind)) for case in self.cases]
            kept = encoding.values_K, encoding.vectors_NK
            with step.number_format():
                answers = [step.model(step.batch["x"]).float()]
                try:
                    encoding.values_K, encoding.vectors_NK = self.cases[0].behind
                    answers.append(step.model(step.batch["x"]).float())
                finally:
                    encoding.values_K, encoding.vectors_NK = kept
        finally:
            for module, mode in modes:
                module.training = mode
        yield Reading("positional_encoding/change", moved[0])
        yield Reading("positional_encoding/answer_change", relative(*answers))
        yield Reading("positional_encoding/spread", (place_NP - place_NP.mean(0)).norm() / place_NP.norm())
        yield Reading("positional_encoding/gap", self.cases[0].gap)
        yield Reading("positional_encoding/changes", torch.stack(moved[1:]))
        yield Reading("positional_encoding/gaps", [case.gap for case in self.cases[1:]])


def relative(before: Tensor, behind: Tensor) -> Tensor:
    """|behind − before| / |before|, Frobenius norms -> (); NaN for what is 0 everywhere and stays so."""
    return (behind - before).norm() / before.norm()


def cases(lab: GraphLab, like: Tensor) -> Iterator[Case]:
    """The graph that the layers see first, then the same with ever more unequal edges; tensors of the format and device of `like`."""
    from engine.labs.gnn.datasets.distances import components_N
    from engine.labs.gnn.datasets.draws import generator
    from engine.labs.gnn.datasets.eigenpairs import aligned, eigenpairs, laplacian_NN, noise_NN, opened, smallest_gap

    graph = lab.graphs(rewired=True)[0]
    component_N = components_N(graph)
    noise = NOISE * noise_NN(component_N, generator(0, "encoding_change/noise"))

    def tensors(*arrays: Matrix) -> tuple[Tensor, Tensor]:
        values_K, vectors_NK = (torch.from_numpy(array).to(like) for array in arrays)
        return values_K, vectors_NK

    own_NN = graph.adjacency_NN()
    for adjacency_NN in (own_NN, *opened(own_NN, OPENINGS, generator(0, "encoding_change/weights"))):
        matrix_NN = laplacian_NN(adjacency_NN)
        every = eigenpairs(matrix_NN, component_N)
        before = lab.positional_encoding.choose(every)
        behind = lab.positional_encoding.choose(eigenpairs(matrix_NN + noise, component_N))
        count = int((~before.first_K).sum())
        yield Case(
            smallest_gap(every.values_K[~every.first_K][: count + 1]),
            tensors(before.values_K, before.vectors_NK),
            tensors(behind.values_K, aligned(behind.vectors_NK, before.vectors_NK)),
        )
