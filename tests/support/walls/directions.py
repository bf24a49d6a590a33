"""Which way an import may point: between rooms, in a ring, and between topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.walls.tree import arrows, room, topic, topic_folders

_FILES = {"core"}
_RUNS = _FILES | {"runs", "declare"}
_MIDDLE = _RUNS | {"kernels", "index", "scheduler", "labs", "statistics"}
_UPPER = _MIDDLE | {"search", "server", "docs", "compare"}
BELOW: Mapping[str, set[str]] = {  # room -> the rooms it may import
    "kernels": set(),
    "core": set(),
    "runs": _FILES,
    "declare": _FILES,
    "statistics": _FILES,
    "index": _RUNS,
    "scheduler": _RUNS,
    "search": _RUNS | {"scheduler"},
    "labs": _RUNS | {"kernels"},
    "compare": _RUNS | {"index", "statistics"},
    "worker": _RUNS | {"kernels", "labs"},  # neither index nor scheduler: a run on disk is all that they share
    "docs": _MIDDLE,
    "server": _MIDDLE - {"kernels"} | {"search"},
    "commands": _UPPER,
    "pages": _UPPER,
    "engine": _UPPER | {"commands"},
    "app": _UPPER | {"pages"},
}
INSIDE_LABS: Mapping[str, set[str]] = {"door": set(), "common": {"door"}}  # every topic: common and door


def upward(root: Path) -> Iterator[str]:
    """Imports from one room into another that does not lie below it."""
    for arrow in arrows(root):
        here, there = room(arrow.source), room(arrow.target)
        if here not in BELOW:
            yield f"{arrow.file}: no such room; the rooms are {', '.join(BELOW)}"
        elif here != there and there not in BELOW[here]:
            yield f"{arrow.file}: arrow up, {here} may not import {there} (line {arrow.line}: {arrow.target})"


def rings(root: Path) -> Iterator[str]:
    """Files that import each other in a circle, imports inside functions and under TYPE_CHECKING included; one sentence a ring."""
    files: dict[str, str] = {}
    to: dict[str, set[str]] = {}
    for arrow in arrows(root):
        files[arrow.source] = arrow.file
        to.setdefault(arrow.source, set()).add(arrow.target)
    for ring in _circles(to):
        yield f"{files[ring[0]]}: ring of files, {' -> '.join([*ring, ring[0]])}"


def across_topics(root: Path) -> Iterator[str]:
    """Imports inside the labs that do not go topic -> common -> door."""
    folders = topic_folders(root)
    for arrow in arrows(root):
        here, there = topic(arrow.source, folders), topic(arrow.target, folders)
        if here and there and here != there and there not in INSIDE_LABS.get(here, {"common", "door"}):
            rule = "topic imports topic" if {here, there}.isdisjoint(("common", "door")) else "arrow up inside labs"
            yield f"{arrow.file}: {rule}, {here} may not import {there} (line {arrow.line}: {arrow.target})"


def _circles(to: Mapping[str, set[str]]) -> list[list[str]]:
    """For each group of nodes that all reach each other one shortest circle through its first node."""
    left, found = set(to), []
    while left:
        start = min(left)
        way = _shortest_way_back(start, to)
        left.discard(start)
        if way:
            found.append(way)
            left -= set(way)
    return found


def _shortest_way_back(start: str, to: Mapping[str, set[str]]) -> list[str]:
    """The nodes of a shortest circle through `start`, beginning there; [] where there is none."""
    came_from: dict[str, str] = {}
    edge = [start]
    while edge:
        after = []
        for node in edge:
            for target in sorted(to.get(node, ())):
                if target == start:
                    way = [node]
                    while way[-1] != start:
                        way.append(came_from[way[-1]])
                    return way[::-1]
                if target not in came_from:
                    came_from[target] = node
                    after.append(target)
        edge = after
    return []
