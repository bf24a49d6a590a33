"""Panel: one graph under the hands of a person, with what can be said of it before any training."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from engine.declare.knobs import knob, question
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.labs.gnn._edits import Edits
    from engine.labs.gnn.datasets.graph import Graph

DRAWS = 99  # random graphs beside one to which edges were added
MOST_NODES = 300  # of a graph for which they are drawn
MOST_EDGES = 60_000  # of a graph that can be shown


class Topology(Panel):
    title = "Touch the graph"
    labs = ("gnn",)
    page = "topology"
    formula = r"R_{\mathrm{tot}}=n\,\mathrm{tr}\,L^{+},\quad \lambda_2\text{ of }I-D^{-1/2}AD^{-1/2},\quad (S^{r})_{vu}"
    about = (
        "Add and remove edges and nodes, or let a rewiring add edges, and see at once what it does to three numbers of the graph: total "
        "effective resistance, spectral gap, and how much of a message arrives."
    )
    paper = "Effective resistance: Black et al. 2023 (arXiv 2302.06835); walks: Di Giovanni et al. 2023 (arXiv 2302.02941, theorem 3.2)"
    reading = "paper"

    graph: GraphChoice = question(GraphChoice, "barbell", "Which graph does the message travel on?", group="stressor")
    rewiring: Rewiring = question(Rewiring, "none", "Which edges are added or taken away before the training?")
    seed: int = knob(0, "seed of random graphs and random edges", ge=0, le=2**31 - 1)
    edits: str = knob("", "changes by hand: +3-17 adds an edge, -4-5 removes one, ~12 removes a node")
    marked: str = knob("", "an edge such as 3-17 whose Ollivier curvature is wanted")

    def compute(self) -> Frames:
        """Of the graph after edits and rewiring; nodes bear the numbers of the graph before, which alone decides where they are drawn.

        -> "graph": one row.  `edits` in canonical form; `reads` and `knows`, the two nodes between which a message travels; `layers`, r,
        their distance before any edit; `nodes`, `edges`, `added`, those of them that edits and rewiring put in; `resistance` in ohm,
        infinite for several components; `gap`; `walk`, (Sʳ)_vu with GCN's operator; `random_low`, `random_high`, `random_below`,
        `random_draws`: the resistance of graphs with as many random edges instead, and how many of them are below; `random_none`: why
        there is none of them.
        "nodes": `node`, `x`, `y` from 0 to 1.  "edges": `a`, `b`, balanced Forman `curvature`, `resistance`, `added` by the rewiring.
        "marked": `a`, `b` and Ollivier curvature (α = 0) of that edge, without a row where none is marked or it is no edge now.
        """
        import numpy as np

        from engine.labs.gnn._edits import apply, kept_nodes, parse
        from engine.labs.gnn.datasets.curvature import balanced_forman_E
        from engine.labs.gnn.datasets.draws import generator
        from engine.labs.gnn.datasets.layout import places_N2
        from engine.labs.gnn.datasets.resistance import edge_resistances

        made, edits = self.graph.build(generator(self.seed, "graph")), parse(self.edits)
        if len(made.edges_E2) > MOST_EDGES:
            raise ValueError(
                f"the graph has {len(made.edges_E2):,} edges and at most {MOST_EDGES:,} are shown; choose fewer nodes or edges."
            )
        given, number_M = apply(made, edits), kept_nodes(made, edits)
        graph = self.rewiring.rewire(given, generator(self.seed, "rewiring"))
        number_M = np.append(number_M, np.arange(made.nodes, made.nodes + graph.nodes - given.nodes))  # a rewiring may bring nodes along
        total, resistance_E = edge_resistances(graph, given.nodes)
        a_E, b_E = number_M[graph.edges_E2].T
        curvature_E = balanced_forman_E(graph).round(12) + 0.0  # what is 0 but for rounding is 0, and not -0
        place_M2 = _places(places_N2(made), number_M)
        return {
            "graph": {name: [value] for name, value in {"edits": str(edits), **self._numbers(made, graph, number_M, total, edits)}.items()},
            "nodes": {"node": number_M, "x": place_M2[:, 0].round(4), "y": place_M2[:, 1].round(4)},
            "edges": {"a": a_E, "b": b_E, "curvature": curvature_E, "resistance": resistance_E, "added": graph.added_E},
            "marked": self._marked(graph, number_M),
        }

    def _numbers(self, made: Graph, graph: Graph, number_M: NDArray[np.int64], total: float, edits: Edits) -> dict[str, Any]:
        """The row of "graph", without the edits."""
        from dataclasses import replace

        from engine.labs.gnn._edits import apply
        from engine.labs.gnn.datasets.control import new_E
        from engine.labs.gnn.datasets.distances import hops
        from engine.labs.gnn.datasets.ends import remaining_ends
        from engine.labs.gnn.datasets.spectrum import spectral_gap
        from engine.labs.gnn.datasets.walks import walk

        reads, knows = self.graph.ends(made)
        read, holds = remaining_ends((reads, knows), number_M)
        apart = hops(made, reads, knows)
        layers = int(apart) if math.isfinite(apart) else 0
        cut_down = apply(made, replace(edits, added=()))
        added = int(new_E(cut_down, graph).sum())
        return {
            "reads": reads,
            "knows": knows,
            "layers": layers,
            "nodes": graph.nodes,
            "edges": len(graph.edges_E2),
            "added": added,
            "resistance": total,
            "gap": spectral_gap(graph),
            "walk": walk(graph, holds, read, layers, last=self.rewiring.last_layer(graph)),
            **self._random(cut_down, graph, added, total),
        }

    def _random(self, cut_down: Graph, graph: Graph, added: int, total: float) -> dict[str, Any]:
        """The control of every rewiring, and of every edit that adds: as many edges at random, in the graph as edits cut it down."""
        from engine.labs.gnn.datasets.control import control_totals
        from engine.labs.gnn.datasets.draws import generator
        from engine.labs.gnn.datasets.resistance import below

        none: dict[str, Any] = {"random_low": None, "random_high": None, "random_below": None, "random_draws": 0}
        if not added:
            return none | {"random_none": "nothing was added"}
        if cut_down.nodes > MOST_NODES:
            return none | {"random_none": f"there are more than {MOST_NODES} nodes"}
        totals = control_totals(cut_down, graph, DRAWS, generator(self.seed, "control"))
        if not len(totals):
            return none | {"random_none": "without them the graph is in pieces, or has no room for as many"}
        return {
            "random_low": totals[0],
            "random_high": totals[-1],
            "random_below": below(totals, total),
            "random_draws": DRAWS,
            "random_none": "",
        }

    def _marked(self, graph: Graph, number_M: NDArray[np.int64]) -> dict[str, Any]:
        """ValueError, in one sentence, for what is no pair of nodes; a pair that is no edge of this graph has no row."""
        from engine.labs.gnn.datasets.curvature import ollivier_E

        pair = re.fullmatch(r"([0-9]{1,6})-([0-9]{1,6})", self.marked)
        if self.marked and pair is None:
            raise ValueError(f"marked={self.marked!r:.30} is no edge; give its two nodes, such as 3-17, or nothing.")
        place = {int(number): m for m, number in enumerate(number_M)}
        ends = sorted(place.get(int(node), -1) for node in pair.groups()) if pair else []
        pairs = [(a, b) for a, b in graph.pairs if [a, b] == ends]
        a_E, b_E = (number_M[[one[end] for one in pairs]].tolist() for end in (0, 1))
        return {"a": a_E, "b": b_E, "ollivier": ollivier_E(graph, pairs) if pairs else []}


def _places(place_N2: NDArray[np.float64], number_M: NDArray[np.int64]) -> NDArray[np.float64]:
    """(M, 2) of the nodes that remain; one that a rewiring brought along stands in the middle of all."""
    import numpy as np

    more = np.tile(place_N2.mean(axis=0), (max(0, int(number_M.max()) + 1 - len(place_N2)), 1))
    return np.concatenate([place_N2, more])[number_M]
