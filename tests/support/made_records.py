"""A record of docs/measured with every part that a reader may ask for; a test puts its own in their places."""

from __future__ import annotations

from typing import Any

RUN: dict[str, Any] = {"seed": 0, "status": "finished", "steps": 10, "cpu_seconds": 1.0, "values": {}}
RECORD: dict[str, Any] = {
    "format": 2,
    "lab": "toy",
    "preset": "calm",
    "knobs": {},
    "seeds": [0],
    "commit": "",
    "environment": {"device": "cpu: a processor", "versions": {"torch": "2"}},
    "date": "2026-01-01",
    "runs": [RUN],
    "summary": {},
    "paired": {},
    "film": {"curves": {}, "vectors": {}},
}
