"""Checks of a kernel that need no GPU: it compiles for every architecture within its budgets, and agrees with float64 when emulated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kernels.build import ARCHITECTURES, CompileError, Entry, NoCompiler, build, compiler
from kernels.emulator.emulator import ORDERS, EmulationError, Emulator, NoHostCompiler
from kernels.gpu import Gpu
from kernels.kernel import HERE, Kernel, Runner, Sample, Tensors
from kernels.kernel import kernel as load

TARGETS = HERE / "measured" / "targets.json"  # the committed table of registers, spills and shared memory
MOST_SHARED = 48 * 1024


def compiled(kernel: Kernel, folder: Path | None = None, architectures: Iterable[int] = ARCHITECTURES) -> dict[int, dict[str, Entry]]:
    """Every entry on every architecture.  Raises CompileError, NoCompiler."""
    return {a: build(kernel, a, folder).entries for a in architectures}


def over_budget(kernel: Kernel, targets: dict[int, dict[str, Entry]]) -> Iterator[str]:
    """What is wrong with the compiled entries, one sentence each."""
    for architecture, entries in targets.items():
        for name, entry in entries.items():
            where = f"{name} on sm_{architecture}"
            if entry.spills:
                yield f"{where} spills {entry.spills} bytes."
            if entry.registers > kernel.entries[name]:
                yield f"{where} takes {entry.registers} registers; its budget is {kernel.entries[name]}."
            if entry.shared > MOST_SHARED:
                yield f"{where} takes {entry.shared} bytes of static shared memory; at most {MOST_SHARED} are there."


def disagreements(kernel: Kernel, runners: Iterable[Runner], chosen: Iterable[Sample] | None = None) -> Iterator[str]:
    """Runs every sample on every runner and compares: with float64 closely, runner with runner bit for bit.  One sentence each."""
    runners = list(runners)
    for sample in kernel.samples() if chosen is None else chosen:
        told = sample.reference()
        before: Tensors | None = None
        for runner in runners:
            try:
                found = sample.run(runner)
            except EmulationError as error:
                yield f"{sample.name}: {error}"
                break
            wrong = list(_differences(sample, found, told))
            yield from wrong
            if before is not None:
                for name in found:
                    if not same_bits(found[name], before[name]):
                        yield f"{sample.name}: {name} depends on the order in which threads run."
            before = found
            if wrong:
                break


def emulated(kernel: Kernel, folder: Path | None = None, source: str | None = None) -> Iterator[str]:
    """Disagreements of the kernel in the emulator, in all orders of its threads.  Raises NoHostCompiler."""
    return disagreements(kernel, [Emulator(source=source, folder=folder, order=order) for order in ORDERS])


def _differences(sample: Sample, results: Tensors, answers: Tensors) -> Iterator[str]:
    for name, expected in answers.items():
        got = results[name]
        if got.shape != expected.shape:
            yield f"{sample.name}: {name} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}."
            continue
        if not expected.numel():
            continue
        left, right = got.double(), expected.double()
        if name in sample.exact:
            wrong = ~((left == right) | (left.isnan() & right.isnan()))
        else:
            wrong = ~torch.isclose(left, right, rtol=sample.rtol, atol=sample.atol, equal_nan=True)
        if wrong.any():
            at = int(wrong.flatten().nonzero()[0])
            yield (
                f"{sample.name}: {int(wrong.sum())} of {wrong.numel()} values of {name} are wrong; "
                f"number {at} is {left.flatten()[at]:.9g}, expected {right.flatten()[at]:.9g}."
            )


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Equal bit for bit; any NaN equals any NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.is_floating_point():
        both = one.isnan() & other.isnan()
        one, other = one.masked_fill(both, 0.0), other.masked_fill(both, 0.0)
        return torch.equal(one, other) and torch.equal(torch.signbit(one), torch.signbit(other))
    return torch.equal(one, other)


def as_table(targets: dict[int, dict[str, Entry]]) -> dict[str, dict[str, Any]]:
    """The committed form: architecture -> entry -> registers, spills, shared."""
    return {
        f"sm_{a}": {name: {"registers": e.registers, "spills": e.spills, "shared": e.shared} for name, e in entries.items()}
        for a, entries in targets.items()
    }


def words(kernel: Kernel) -> dict[str, Any]:
    """What the page says of a kernel, so that it needs no torch to say it."""
    about = kernel.about()
    plain = {name: getattr(about, name) for name in ("title", "legend", "minimum_bytes", "used_by")}
    return plain | {"formula": r",\quad ".join(about.formula), "budgets": dict(kernel.entries), "aims": dict(about.targets)}


def balance(kernel: Kernel) -> dict[str, Any]:
    """How evenly its strategies cut the work, for those that have strategies."""
    rows = kernel.balance()
    return {} if rows is None else {"balance": rows}


@dataclass
class Report:
    """What `examine` found of one kernel: `problems` is empty when every check passed."""

    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    parity: str = ""
    problems: list[str] = field(default_factory=list)


def examine(kernel: Kernel, folder: Path | None = None) -> Report:
    """All checks of one kernel that need no GPU, and parity on the GPU where there is one.  A check that cannot run is a problem."""
    report = Report()
    try:
        targets = compiled(kernel, folder)
        report.targets = as_table(targets)
        report.problems += over_budget(kernel, targets)
    except (CompileError, NoCompiler) as error:
        report.problems.append(str(error))
    wrong: list[str] = []
    try:
        wrong += emulated(kernel, folder)
        if torch.cuda.is_available():
            gpu = Gpu(torch.device("cuda"), folder)
            wrong += [f"on the GPU: {message}" for message in disagreements(kernel, [gpu, gpu])]
    except (NoHostCompiler, NoCompiler, CompileError, RuntimeError) as error:
        wrong.append(str(error))
    report.parity = "failed" if wrong else "passed"
    report.problems += wrong
    return report


def write_table(reports: Mapping[str, Report]) -> None:
    """Remake the committed table from reports of all kernels without a problem."""
    found = {}
    for name, report in sorted(reports.items()):
        if report.problems:
            raise ValueError(f"{name} has problems; the table is not written.")
        one = load(name)
        samples = [sample.name for sample in one.samples()]
        found[name] = {"words": words(one), "samples": samples, **balance(one), "targets": report.targets}
    document = {"nvrtc": list(compiler()[0]), "kernels": found}
    TARGETS.parent.mkdir(exist_ok=True)
    TARGETS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
