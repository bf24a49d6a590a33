"""Edits of a graph as text: `+3-17` adds an edge, `-4-5` removes one, `~12` removes a node.

All numbers are those of the graph before any edit.  The text has one canonical form: each edit once, added edges first, then removed
ones, then nodes, each in order, and no edit of an edge whose end is removed.  It is a knob of the lab, so it stands in addresses and
in spec.json.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.labs.gnn.datasets.graph import Graph

MOST = 200  # edits
GRAMMAR = "edits are words such as +3-17 (adds an edge), -4-5 (removes one) and ~12 (removes a node)"
WORD = re.compile(r"([+-])([0-9]{1,6})-([0-9]{1,6})|~([0-9]{1,6})")
SHOWN = 24  # characters of a wrong word that the message repeats

Pair = tuple[int, int]


@dataclass(frozen=True)
class Edits:
    """Sorted and without repetition; the smaller node of a pair comes first."""

    added: tuple[Pair, ...] = ()
    removed: tuple[Pair, ...] = ()
    nodes: tuple[int, ...] = ()

    def __str__(self) -> str:
        """The canonical text."""
        words = [f"+{a}-{b}" for a, b in self.added] + [f"-{a}-{b}" for a, b in self.removed] + [f"~{node}" for node in self.nodes]
        return " ".join(words)


def parse(text: str) -> Edits:
    """The edits that a text means, "" meaning none.  ValueError in one sentence: a word that is no edit, more than MOST of them, an edge
    from a node to itself, an edge that is both added and removed."""
    words = text.split()
    if len(words) > MOST:
        raise ValueError(f"there are {len(words)} edits and at most {MOST} are allowed; take some away.")
    pairs: dict[str, set[Pair]] = {"+": set(), "-": set()}
    nodes: set[int] = set()
    for word in words:
        match = WORD.fullmatch(word)
        if match is None:
            raise ValueError(f"{_shown(word)} is no edit; {GRAMMAR}, so write it like one of these.")
        sign, first, second, node = match.groups()
        if node is not None:
            nodes.add(int(node))
        elif int(first) == int(second):
            raise ValueError(f"{_shown(word)} names node {int(first)} twice and no edge joins a node with itself; name two nodes.")
        else:
            pairs[sign].add((min(int(first), int(second)), max(int(first), int(second))))
    added, removed = ({pair for pair in pairs[sign] if nodes.isdisjoint(pair)} for sign in "+-")
    both = sorted(added & removed)
    if both:
        a, b = both[0]
        raise ValueError(f"+{a}-{b} and -{a}-{b} contradict each other and one edit of an edge is allowed; leave one of them out.")
    return Edits(tuple(sorted(added)), tuple(sorted(removed)), tuple(sorted(nodes)))


def canonical(text: str) -> str:
    """The canonical form of a text; ValueError as `parse`."""
    return str(parse(text))


def kept_nodes(graph: Graph, edits: Edits) -> NDArray[np.int64]:
    """(M,) the nodes that remain, under their old numbers; their places in this list are the new ones."""
    return np.setdiff1d(np.arange(graph.nodes), np.array(edits.nodes, dtype=np.int64))


def apply(graph: Graph, edits: Edits) -> Graph:
    """The edited graph: new edges weigh 1 and are not marked as added, for no rewiring put them in; the remaining nodes are numbered anew.

    ValueError in one sentence for a node or an edge that the graph has not, for an edge that it has already, and where fewer than two
    nodes would remain.
    """
    _check(graph, edits)
    edited = graph.plus(edits.added).minus(edits.removed)
    edited = replace(edited, added_E=np.isin(_keys(edited), _keys(graph)[graph.added_E]))
    if not edits.nodes:
        return edited
    kept_M = kept_nodes(graph, edits)
    number_N = np.full(graph.nodes, -1, dtype=np.int64)
    number_N[kept_M] = np.arange(len(kept_M))
    edges_E2 = number_N[edited.edges_E2]
    stay_E = (edges_E2 >= 0).all(axis=1)
    of_nodes = (None if of_N is None else of_N[kept_M] for of_N in (graph.position_N2, graph.velocity_N2, graph.label_N))
    return Graph(len(kept_M), edges_E2[stay_E], edited.added_E[stay_E], edited.weight_E[stay_E], *of_nodes)


def _check(graph: Graph, edits: Edits) -> None:
    last, here = graph.nodes - 1, set(graph.pairs)
    named = max([*(node for pair in (*edits.added, *edits.removed) for node in pair), *edits.nodes], default=0)
    if named > last:
        raise ValueError(f"the edits name node {named} and the graph has nodes 0 to {last}; name one of these.")
    for a, b in edits.added:
        if (a, b) in here:
            raise ValueError(f"+{a}-{b} adds an edge that the graph has already, and each edge is there once; leave it out.")
    for a, b in edits.removed:
        if (a, b) not in here:
            raise ValueError(f"-{a}-{b} removes an edge that the graph has not, and only edges can be removed; leave it out.")
    if graph.nodes - len(edits.nodes) < 2:
        raise ValueError(f"the edits remove {len(edits.nodes)} of {graph.nodes} nodes and two must remain; keep more of them.")


def _keys(graph: Graph) -> NDArray[np.int64]:
    """(E,) one number for each edge."""
    return graph.edges_E2[:, 0] * graph.nodes + graph.edges_E2[:, 1]


def _shown(word: str) -> str:
    return repr(word if len(word) <= SHOWN else word[:SHOWN] + "…")
