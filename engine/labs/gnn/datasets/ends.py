"""The two nodes between which a message travels, in a graph from which edits have taken nodes away.

Shapes: M nodes that remain.
"""

from __future__ import annotations

from collections.abc import Iterable


def remaining_ends(ends: tuple[int, int], kept_M: Iterable[int]) -> tuple[int, int]:
    """(node that is read, node that knows) of the graph before any edit -> their numbers among those that remain.

    ValueError, in one sentence, where both are one node, as in a graph without edges, or where an edit took one of them away.
    """
    if ends[0] == ends[1]:
        raise ValueError(
            f"node {ends[0]} would be read and hold the class itself, for no two nodes of the graph are joined, and a message needs two "
            "that have a path between them; choose a graph with edges."
        )
    number = {int(node): m for m, node in enumerate(kept_M)}
    for node, part in zip(ends, ("is read", "holds the class"), strict=True):
        if node not in number:
            raise ValueError(f"~{node} removes the node that {part}, without which there is no task; keep it.")
    return number[ends[0]], number[ends[1]]
