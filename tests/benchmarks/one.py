"""One benchmark in a process of its own: `python -m tests.benchmarks.one NAME FILE [quick]`, which `python -m tests.benchmarks` starts."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.benchmarks.benchmark import benchmarks, load


def say(sentence: str) -> None:
    sys.stderr.write(f"    {sentence}\n")
    sys.stderr.flush()


def main(name: str, out: Path, *, quick: bool) -> None:
    kind = benchmarks()[name]
    benchmark = kind(say, quick=quick)
    before, began = load(), time.monotonic()
    figures = benchmark.measure()
    told = {
        "title": kind.title,
        "how": " ".join((kind.__doc__ or "").split()),
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - began, 1),
        "load": {"before": before, "after": load()},
        "figures": [figure.json() for figure in figures],
        "raw": benchmark.raw,
    }
    out.write_text(json.dumps(told))


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]), quick="quick" in sys.argv[3:])
    except KeyboardInterrupt:
        sys.exit(130)
