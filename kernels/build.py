"""Compile a `.cu` file to machine code for one architecture, with NVRTC, and remember it by content.

NVRTC comes with every CUDA build of torch (and alone from a package index), needs neither driver nor GPU nor toolkit
nor host compiler, and tells registers and spills in its log.  We keep cubins, never PTX: a cubin of a 13.x
compiler loads on every 13.x driver.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from kernels.kernel import HERE, Kernel

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)  # Turing is the oldest that CUDA 13 compiles for
OPTIONS = ("--std=c++17", "--ptxas-options=-v")


class CompileError(RuntimeError):
    """The source does not compile; the message is NVRTC's log."""


class NoCompiler(RuntimeError):
    """NVRTC or its headers are not installed; the message is one sentence."""


@dataclass(frozen=True)
class Entry:
    """One compiled entry: its mangled symbol, registers per thread, bytes spilled, bytes of static shared memory."""

    symbol: str
    registers: int
    spills: int
    shared: int


@dataclass(frozen=True)
class Built:
    cubin: bytes
    entries: dict[str, Entry]


def cache_folder() -> Path:
    """$FAULTLINE_KERNELS where it is set, else a folder in the user's cache."""
    named = os.environ.get("FAULTLINE_KERNELS")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faultline-kernels"


@cache
def compiler() -> tuple[tuple[int, int], str]:
    """-> NVRTC's version and the folder of cuda_fp16.h; raises NoCompiler."""
    try:
        from cuda import pathfinder
        from cuda.bindings import nvrtc

        status, major, minor = nvrtc.nvrtcVersion()
        include = pathfinder.find_nvidia_header_directory("cudart")
    except Exception as error:  # a missing package, or a missing library behind it
        raise NoCompiler(f"NVRTC cannot be used here ({type(error).__name__}: {str(error).splitlines()[0]}).") from error
    if status != 0 or include is None:
        raise NoCompiler("NVRTC is here, but its header cuda_fp16.h is not; install nvidia-cuda-runtime.")
    return (major, minor), str(include)


def build(kernel: Kernel, architecture: int, folder: Path | None = None) -> Built:
    """All entries of a kernel for one architecture (90 is sm_90), from the cache or compiled now.  Raises CompileError, NoCompiler."""
    version, include = compiler()
    names, folder = list(kernel.entries), folder or cache_folder()
    content = [kernel.source, (HERE / "common.cuh").read_text("utf-8"), names, architecture, OPTIONS, version]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]
    place = folder / f"{kernel.name}-{architecture}-{key}"
    if kept := _kept(place, names):
        return kept
    built = _compile(kernel, architecture, include)
    folder.mkdir(parents=True, exist_ok=True)
    _write(place.with_suffix(".cubin"), built.cubin)
    entries = {name: asdict(entry) for name, entry in built.entries.items()}
    _write(place.with_suffix(".json"), json.dumps({**_digest(built.cubin), "entries": entries}).encode())
    return built


def _kept(stem: Path, names: list[str]) -> Built | None:
    """What was remembered, or None where it is not there yet, or torn by a crash of the machine: then it is made again."""
    try:
        document = json.loads(stem.with_suffix(".json").read_text("utf-8"))
        cubin = stem.with_suffix(".cubin").read_bytes()
        built = Built(cubin, {name: Entry(**entry) for name, entry in document.pop("entries").items()})
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return built if document == _digest(cubin) and list(built.entries) == names else None


def _digest(cubin: bytes) -> dict[str, int | str]:
    return {"length": len(cubin), "sha256": hashlib.sha256(cubin).hexdigest()}


def _compile(kernel: Kernel, architecture: int, include: str) -> Built:
    from cuda.bindings import nvrtc

    program = _ok(nvrtc.nvrtcCreateProgram(kernel.source.encode(), kernel.path.name.encode(), 0, [], []))
    try:
        for name in kernel.entries:
            _ok(nvrtc.nvrtcAddNameExpression(program, name.encode()))
        options = [f"--gpu-architecture=sm_{architecture}", *OPTIONS, f"-I{HERE}", f"-I{include}"]
        (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
        log = b" " * _ok(nvrtc.nvrtcGetProgramLogSize(program))
        _ok(nvrtc.nvrtcGetProgramLog(program, log))
        text = log.decode(errors="replace").strip("\0 \n")
        if status != 0:
            raise CompileError(f"{kernel.path.name} does not compile for sm_{architecture}:\n{text}")
        cubin = b" " * _ok(nvrtc.nvrtcGetCUBINSize(program))
        _ok(nvrtc.nvrtcGetCUBIN(program, cubin))
        symbols = {name: _ok(nvrtc.nvrtcGetLoweredName(program, name.encode())).decode() for name in kernel.entries}
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return Built(cubin, {name: Entry(symbol, *resources(text, symbol)) for name, symbol in symbols.items()})


def resources(log: str, symbol: str) -> tuple[int, int, int]:
    """Registers, spilled bytes (stores and loads) and static shared bytes of one entry, from the log of ptxas."""
    part = re.search(rf"Compiling entry function '{re.escape(symbol)}'(.*?)(?=Compiling entry function|\Z)", log, re.S)
    used = re.search(r"Used (\d+) registers", part[1]) if part else None
    if part is None or used is None:
        raise CompileError(f"The compiler's log tells nothing of {symbol}.")
    spilled = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", part[1])
    shared = re.search(r"(\d+) bytes smem", part[1])
    return int(used[1]), sum(map(int, spilled.groups())) if spilled else 0, int(shared[1]) if shared else 0


def _ok(answer: tuple) -> object:
    """The one result of a call of cuda-bindings; RuntimeError with the name of its error."""
    status, *results = answer
    if status != 0:
        raise RuntimeError(f"{type(status).__name__} {status.name}")
    return results[0] if results else None


def _write(path: Path, content: bytes) -> None:
    """Beside the place and on the disk, then renamed: there is all of it or nothing, also after the power went."""
    beside, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(beside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
