"""Every budget measured with one command, and the table in README.md written from it.

    python -m tests.benchmarks [NAME …] [--quick] [--json FILE]

Without NAME everything but what is marked "on request".  Each benchmark runs in a process of its own; Ctrl-C stops
and keeps what is measured.  Figures of full runs go into docs/measured/benchmarks.json and the table of README.md;
--quick only shows that everything works, and writes nothing but FILE.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.core.suggest import nearest
from tests.benchmarks import table
from tests.benchmarks.benchmark import benchmarks, load
from tests.benchmarks.machine import machine

ROOT = Path(__file__).resolve().parent.parent.parent
STORED = ROOT / "docs" / "measured" / "benchmarks.json"

Measured = dict[str, dict[str, Any]]  # by name


def main(given: Sequence[str]) -> int:
    """0 when everything was measured, whether or not its budget was met; 3 when a benchmark failed; 130 when stopped."""
    known, broken = benchmarks().load()
    order = sorted(known, key=lambda name: (known[name].order, name))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure every budget.", epilog=", ".join(order))
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks; none means all but those on request")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; figures are not kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and what lies behind them to FILE as well")
    parser.add_argument("--table", action="store_true", help="measure nothing; write README.md's table again from the stored figures")
    arguments = parser.parse_args(given)
    for name in arguments.names:
        if name not in known:
            sys.exit(nearest("benchmark", name, known))
    for bad in broken:
        say(f"{bad.file}: {bad.message}")
    if arguments.table:
        table.write(ROOT / "README.md", json.loads(STORED.read_text()))
        return 0
    wanted = arguments.names or [name for name in order if not known[name].on_request]
    measured, code = measure(wanted, quick=arguments.quick)
    document = {"machine": machine(), "benchmarks": measured}
    if not arguments.quick and measured:
        document["benchmarks"] = ordered(kept(document["machine"]) | measured, order)
        STORED.write_text(json.dumps(document, indent=1) + "\n")
        table.write(ROOT / "README.md", document)
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if measured:
        print(table.text({**document, "benchmarks": ordered(measured, order)}))
    return 3 if broken and not code else code


def measure(names: Sequence[str], *, quick: bool) -> tuple[Measured, int]:
    """One process after the other -> what was measured, and the exit code."""
    measured: Measured = {}
    failed, began = 0, time.monotonic()
    for n, name in enumerate(names):
        say(f"[{n + 1}/{len(names)}, {time.monotonic() - began:.0f} s] {name}")
        with tempfile.TemporaryDirectory(prefix="faultline-benchmark-") as scratch:
            out = Path(scratch) / "figures.json"
            command = [sys.executable, "-m", "tests.benchmarks.one", name, str(out), *(["quick"] if quick else [])]
            child = subprocess.Popen(command, cwd=ROOT)
            try:
                code = child.wait()
            except KeyboardInterrupt:  # the child heard it too, and ends what it has started
                try:
                    child.wait(60)
                except subprocess.TimeoutExpired:
                    child.kill()
                say("stopped")
                return measured, 130
            if code or not out.exists():
                failed += 1
                say(f"{name} failed with code {code}")
            else:
                measured[name] = json.loads(out.read_text())
    say(f"[{time.monotonic() - began:.0f} s, load {load()}] done")
    return measured, 3 if failed else 0


def kept(machine: dict[str, Any]) -> Measured:
    """Stored figures that were not measured now; those of another machine name it, and so does the table."""
    if not STORED.exists():
        return {}
    stored = json.loads(STORED.read_text())
    of = {name: {"machine": stored["machine"], **one} for name, one in stored["benchmarks"].items()}
    return {name: {k: v for k, v in one.items() if k != "machine" or v != machine} for name, one in of.items()}


def ordered(measured: Measured, order: Sequence[str]) -> Measured:
    return {name: measured[name] for name in order if name in measured}


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
