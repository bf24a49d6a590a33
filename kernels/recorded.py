"""What is recorded of the kernels, read from kernels/measured/ without torch: for the page and the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
MEASURED = FOLDER / "measured"


def recorded() -> dict[str, Any]:
    """The committed table of compiled entries: `nvrtc`, and for each kernel its words, samples and targets."""
    place = MEASURED / "targets.json"
    return json.loads(place.read_text("utf-8")) if place.exists() else {"nvrtc": None, "kernels": {}}


def benches() -> list[dict[str, Any]]:
    """Recorded measurements on GPUs, newest first; an empty list means that none was made yet."""
    found = [json.loads(p.read_text("utf-8")) for p in MEASURED.glob("*.json") if p.name != "targets.json"]
    return sorted(found, key=lambda one: one["date"], reverse=True)


def worst(targets: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, Any]]:
    """One row per architecture: the most registers and shared memory of any entry, all spills together, and the entries."""
    return [
        {
            "arch": arch,
            "registers": max(e["registers"] for e in entries.values()),
            "spills": sum(e["spills"] for e in entries.values()),
            "shared": max(e["shared"] for e in entries.values()),
            "entries": dict(entries),
        }
        for arch, entries in targets.items()
    ]


def committed(name: str) -> dict[str, Any]:
    """The row of one kernel in `kernels --json`, from what is recorded; `parity` is None until it is checked."""
    targets = recorded()["kernels"].get(name, {}).get("targets", {})
    bench = next((one["kernels"][name] for one in benches() if name in one["kernels"]), None)
    return {"kernel": name, "path": "", "why": "", "targets": worst(targets), "parity": None, "bench": bench}
