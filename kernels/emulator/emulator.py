"""Runs a kernel's `.cu` on the CPU: g++ compiles it against emulator.h, ctypes hands it the arguments of cuLaunchKernel."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import torch

from kernels.build import cache_folder
from kernels.kernel import HERE, Argument, Dimensions, Kernel, packed, three

FLAGS = (
    *("-std=c++17", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-ffp-contract=off"),
    *("-fno-strict-aliasing", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE"),
)
INCLUDES = (f"-I{HERE}", f"-I{HERE / 'emulator'}")
EXPORTED = 'extern "C" __attribute__((visibility("default")))'
PARAMETERS = "const unsigned* grid, const unsigned* block, unsigned shared, void** arguments, int order, char* message, size_t room"
ONE_AT_A_TIME = threading.Lock()  # threadIdx and its like are globals there


class EmulationError(RuntimeError):
    """The kernel broke a rule of the machine: a divergent barrier, a shuffle without its lanes."""


class NoHostCompiler(RuntimeError):
    """g++ is not installed; the message is one sentence."""


@cache
def host_compiler() -> str:
    found = shutil.which("g++")
    if found is None:
        raise NoHostCompiler("The emulator needs g++, which is not installed here.")
    return found


def library(kernel: Kernel, source: str | None = None, *, sanitized: bool = False, folder: Path | None = None) -> Path:
    """The shared library of a kernel's entries, from the cache or compiled now.  `source`: another text in place of the file's."""
    text = kernel.source if source is None else source
    entries = "".join(
        f"{EXPORTED} int entry_{i}({PARAMETERS}) {{\n"
        f"    return emulator::launch({name}, grid, block, shared, arguments, order, message, room);\n}}\n"
        for i, name in enumerate(kernel.entries)
    )
    delete = f"{EXPORTED} void delete_barrier(int line) {{ emulator::deleted = line; }}\n"
    whole = f'#include "emulator.h"\n#line 1 "{kernel.path.name}"\n{text}\n{entries}{delete}'
    flags = [*FLAGS, *(("-fsanitize=address", "-g1", "-fno-omit-frame-pointer") if sanitized else ())]
    key = _key([whole, (HERE / "common.cuh").read_text("utf-8"), *_headers()], flags)
    folder = folder or cache_folder()
    place = folder / f"{kernel.name}-emulated-{key}.so"
    if place.exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        file, out = Path(scratch, f"{kernel.name}.cpp"), Path(scratch, "out.so")
        file.write_text(whole, "utf-8")
        command = [host_compiler(), *flags, f"-I{prepared(flags, folder)}", *INCLUDES, str(file), "-o", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise EmulationError(f"{kernel.path.name} does not compile for the emulator:\n{done.stderr}")
        os.replace(out, place)
    return place


def prepared(flags: Sequence[str], folder: Path) -> Path:
    """A folder with emulator.h compiled ahead, which is most of what a small kernel takes.  Without it g++ finds the header itself."""
    place = folder / f"emulator-{_key(_headers(), flags)}"
    if not (place / "emulator.h.gch").exists():
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            out = Path(scratch, "emulator.h.gch")
            command = [host_compiler(), *flags, *INCLUDES, "-x", "c++-header", str(HERE / "emulator" / "emulator.h"), "-o", str(out)]
            if not subprocess.run(command, capture_output=True).returncode:
                os.replace(out, place / "emulator.h.gch")
    return place


def _headers() -> list[str]:
    return [p.read_text("utf-8") for p in sorted((HERE / "emulator").glob("*.h"))]


def _key(texts: Sequence[str], flags: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([host_compiler(), *texts, *flags]).encode()).hexdigest()[:24]


Order = Literal["forward", "reverse", "warps"]
ORDERS: tuple[Order, ...] = ("forward", "reverse", "warps")  # as `enum Order` of emulator.h, which says what they are


class Emulator:
    """A runner on the CPU.  `order`: in which order threads and blocks run.  `deleted`: the line of a barrier that is left out, for
    which the process may crash, since values that others have not written yet become addresses."""

    device = torch.device("cpu")

    def __init__(
        self,
        *,
        order: Order = "forward",
        source: str | None = None,
        sanitized: bool = False,
        folder: Path | None = None,
        deleted: int = -1,
    ) -> None:
        self.order, self.source, self.sanitized, self.folder, self.deleted = order, source, sanitized, folder, deleted
        self.loaded: dict[str, ctypes.CDLL] = {}

    def launch(self, kernel: Kernel, entry: str, grid: Dimensions, block: int, arguments: Sequence[Argument], shared: int = 0) -> None:
        if kernel.name not in self.loaded:
            file = library(kernel, self.source, sanitized=self.sanitized, folder=self.folder)
            self.loaded[kernel.name] = ctypes.CDLL(str(file))
        code = self.loaded[kernel.name]
        function = code[f"entry_{list(kernel.entries).index(entry)}"]
        function.argtypes = [*[ctypes.c_void_p] * 2, ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
        pointers, alive = packed(arguments)
        message = ctypes.create_string_buffer(400)
        sizes = [(ctypes.c_uint * 3)(*three(d)) for d in (grid, block)]
        with ONE_AT_A_TIME:
            code.delete_barrier(self.deleted)
            broken = function(*sizes, shared, pointers, ORDERS.index(self.order), message, len(message))
        del alive
        if broken:
            raise EmulationError(f"{kernel.name}, {entry}: {message.value.decode()}")
