"""A graph along whose edges messages run to the node that is read, as strongly as it depends on who sends them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from engine.labs.schematic import HEIGHT, WIDTH, Readings, Schematic, framed, moving

HEARD, PLACE, ENDS, ADDED, ROLES = "jacobian/by_node", "graph/place", "graph/ends", "graph/added", "graph/roles"
READ, KNOWS = 1.0, 2.0  # roles, as the probe graph_drawing gives them
MARGIN = 22.0
FAINT, STRONG = 1e-6, 1e2  # norms of the Jacobian
DOTS = 3.0  # a second, along an edge of the strongest
MOST_NODES = 120


class Messages(Schematic):
    """Each node is as large as the norm of the Jacobian of the read node's state with respect to its features, on a logarithmic scale; dots
    run along each edge from the end that is farther from the read node, as often as that end is heard."""

    labs = ("gnn",)
    title = "Who is heard"
    about = "Dots run to the node that is read (square); a node is as large as the read node depends on it. It must hear of the diamond."
    needs = (HEARD,)
    made_from = (PLACE, ROLES, ENDS, ADDED)

    def svg(self, knobs: Mapping[str, Any], layer: str = "", first: Readings | None = None) -> str:
        places, roles, ends, added = (_vector(first, name) for name in self.made_from)
        nodes = len(roles)
        if not nodes or nodes > MOST_NODES or len(places) != 2 * nodes:
            return ""
        at = _scaled([(places[2 * i], places[2 * i + 1]) for i in range(nodes)])
        edges = [(int(a), int(b)) for a, b in zip(ends[::2], ends[1::2], strict=True)]
        hops = _hops(nodes, edges, next((i for i, role in enumerate(roles) if role == READ), 0))
        size = min(9.0, max(2.0, 0.42 * _nearest(at)))
        parts = [
            _edge(at, a, b, hops, (DOTS if len(edges) <= 100 else 0.0), flag != 0.0)
            for (a, b), flag in zip(edges, [*added, *[0.0] * len(edges)], strict=False)
        ]
        parts += [_node(i, at[i], roles[i], size) for i in range(nodes)]
        return framed(parts, f"A graph of {nodes} nodes and {len(edges)} edges; messages run to the node that is read")

    def sentence(self, knobs: Mapping[str, Any], readings: Readings, layer: str = "") -> str:
        heard, roles = _vector(readings, HEARD), _vector(readings, ROLES)
        if not heard:
            return ""
        silent = sum(value == 0 for value in heard)
        odd = sum(math.isnan(value) for value in heard)
        counts = f"{silent} of {len(heard)} nodes are not heard at all" if silent else f"all {len(heard)} nodes are heard"
        counts += f", {odd} give no number" if odd else ""
        theirs = [value for value, role in zip(heard, roles, strict=False) if role == KNOWS]
        known = f"; the node that must be heard has a Jacobian norm of {theirs[0]:.3g}" if theirs else ""
        return f"{counts[:1].upper()}{counts[1:]}{known}."


def _vector(readings: Readings | None, name: str) -> Sequence[float]:
    value = (readings or {}).get(name)
    return value if isinstance(value, Sequence) else ()


def _scaled(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places in the unit square, over the whole drawing, the ratio of their sides kept."""
    xs, ys = [x for x, _ in places], [y for _, y in places]
    wide, high = max(xs) - min(xs) or 1e-9, max(ys) - min(ys) or 1e-9
    scale = min((WIDTH - 2 * MARGIN) / wide, (HEIGHT - 2 * MARGIN) / high)
    left, low = WIDTH / 2 - scale * wide / 2, HEIGHT / 2 + scale * high / 2
    return [(left + scale * (x - min(xs)), low - scale * (y - min(ys))) for x, y in places]


def _nearest(at: Sequence[tuple[float, float]]) -> float:
    """The smallest distance of two nodes."""
    return min((math.dist(a, b) for i, a in enumerate(at) for b in at[:i]), default=20.0)


def _hops(nodes: int, edges: Sequence[tuple[int, int]], start: int) -> list[float]:
    """Edges from `start` to each node; infinity where no way leads."""
    beside: list[list[int]] = [[] for _ in range(nodes)]
    for a, b in edges:
        beside[a].append(b)
        beside[b].append(a)
    out, waiting = [math.inf] * nodes, deque([start])
    out[start] = 0.0
    while waiting:
        node = waiting.popleft()
        for other in beside[node]:
            if out[other] == math.inf:
                out[other] = out[node] + 1
                waiting.append(other)
    return out


def _edge(at: Sequence[tuple[float, float]], a: int, b: int, hops: Sequence[float], dots: float, added: bool) -> str:
    sender, other = (a, b) if hops[a] > hops[b] else (b, a)
    path = f"M{at[sender][0]:.1f} {at[sender][1]:.1f} L{at[other][0]:.1f} {at[other][1]:.1f}"
    line = f'<path class="fl-way{" fl-added" if added else ""}" d="{path}"/>'
    if not dots or hops[a] == hops[b]:
        return line
    return line + f'<path class="fl-flow" d="{path}" {moving(HEARD, "", [("flow", sender, (0.0, dots), f"log:{FAINT:g}:{STRONG:g}")])}/>'


def _node(node: int, at: tuple[float, float], role: float, size: float) -> str:
    x, y = at
    drives = [("radius", node, (1.2, size), f"log:{FAINT:g}:{STRONG:g}"), ("opacity", node, (0.25, 1.0), f"log:{FAINT:g}:{FAINT * 100:g}")]
    circle = f'<circle class="fl-node" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {moving(HEARD, "", drives)}/>'
    half = size + 3
    if role == READ:
        return f'<rect class="fl-mark" x="{x - half:.1f}" y="{y - half:.1f}" width="{2 * half:.1f}" height="{2 * half:.1f}"/>' + circle
    if role == KNOWS:
        half *= 1.35
        return (
            f'<path class="fl-mark" d="M{x - half:.1f} {y:.1f} l{half:.1f} {-half:.1f} l{half:.1f} {half:.1f} l{-half:.1f} {half:.1f} z"/>'
            + circle
        )
    return circle
