"""Custom CUDA kernels: what each compiles to, whether it agrees with float64, what runs here and why, and how fast it is."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, Refusal, table, tell
from engine.core.paths import data_folder
from engine.core.suggest import nearest
from kernels import recorded


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kernel", nargs="*", help="names of kernels; all of them by default")
    parser.add_argument(
        "--check", action="store_true", help="compile for seven architectures, compare with float64; exit 3 if a check fails"
    )
    parser.add_argument("--write", action="store_true", help="with --check: remake the committed table of registers")
    parser.add_argument("--bench", action="store_true", help="measure against the peers; needs a GPU, runs unattended for minutes")
    parser.add_argument("--out", type=Path, help="with --bench: also write the measurements to this file")


def run(args: argparse.Namespace) -> int:
    os.environ.setdefault("FAULTLINE_KERNELS", str(data_folder() / "cache" / "kernels"))
    from kernels.kernel import kernel, names

    for name in args.kernel:
        if name not in names():
            raise Refusal(BAD_USAGE, nearest("kernel", name, names()))
    if (args.write and (args.kernel or not args.check)) or (args.out and not args.bench):
        raise Refusal(BAD_USAGE, "--write goes with --check of all kernels, and --out with --bench.")
    chosen = [kernel(name) for name in args.kernel or names()]
    bench = _bench(chosen, args) if args.bench else None
    rows, failed = [], False
    reports = {}
    for one in chosen:
        row = recorded.committed(one.name)
        row["path"], row["why"] = _status(one)
        if args.check:
            from kernels import check

            _progress(args, f"checking {one.name}")
            report = reports[one.name] = check.examine(one)
            row["targets"], row["parity"] = recorded.worst(report.targets), report.parity
            row["problems"] = report.problems
            failed |= bool(report.problems)
        if bench is not None:
            row["bench"] = bench["kernels"][one.name]
            failed |= row["bench"]["parity"] == "failed"
        rows.append(row)
    if args.write and not failed:
        check.write_table(reports)
    tell(args.json, {"kernels": rows}, _lines(rows))
    return FAILED if failed else ANSWERED


def _status(one: Any) -> tuple[str, str]:
    from kernels.launch import status

    return status(one)


def _bench(chosen: list[Any], args: argparse.Namespace) -> dict[str, Any]:
    from kernels import bench

    try:
        document = bench.everything(chosen, lambda step: _progress(args, step))
    except bench.NoDevice as none:
        raise Refusal(BAD_USAGE, f"--bench {none}; --check works without one.") from none
    if args.out:
        args.out.write_text(json.dumps(document, indent=1) + "\n")
    return document


def _progress(args: argparse.Namespace, message: str) -> None:
    if not args.json:
        sys.stderr.write(f"… {message}\n")


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    out = table(
        ("kernel", "runs here as", "why", "architectures", "registers", "spills", "parity"),
        [
            (
                row["kernel"],
                row["path"],
                row["why"],
                len(row["targets"]),
                max((t["registers"] for t in row["targets"]), default=None),
                sum(t["spills"] for t in row["targets"]),
                row["parity"] or "not checked now",
            )
            for row in rows
        ],
    )
    out += [f"! {row['kernel']}: {message}" for row in rows for message in row.get("problems", ())]
    for row in rows:
        for size in (row["bench"] or {}).get("sizes", ()):
            ours = size["runs"]["ours"]["cold"]["median"]
            peers = ", ".join(f"{n} {r['cold']['median'] / ours:.2f}×" for n, r in size["runs"].items() if n != "ours")
            out.append(f"  {row['kernel']}, {size['size']}: {ours * 1e6:.1f} µs, {size['share_of_copy']:.0%} of a copy; {peers}")
    return out
