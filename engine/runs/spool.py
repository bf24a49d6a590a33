"""The spool: the append-only file through which a worker tells everything it measures.

One `os.write` and one outermost frame per log call; frames carry length and CRC, so a reader sees a
call as a whole or not at all, stops before a torn tail, and a kill -9 loses nothing that `log`
acknowledged.  What a disk damages later is skipped up to the next whole frame (engine/runs/spool_repair.py).
The reading side is engine/runs/spool_reader.py.
Each attempt of a run writes its own file.

    file   = MAGIC frame*
    frame  = kind u32 | length u32 | crc32 u32 | body                  little-endian throughout; the checksum begins at `kind`
    OPEN   = JSON {"version", "run", "attempt", "start"}               first frame
    SCHEMA = JSON {"id", "metrics": [[name, layer, unit, kind, shape], …]}
    POINTS = id u16 | count u16 | step i64 | t f64 | count x f64       one value per metric of the schema
    VECTOR = id u16 | 0 u16     | step i64 | t f64 | n x f32           the schema has one metric and its shape, values row by row
    EVENT  = JSON {"step", "t", "kind", "rule", "layer", "value", "threshold", "says"}
    CALL   = frame frame*                                              what one call wrote, when it is several frames

`t` is unix time in seconds.  NaN and infinities are ordinary values.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.runs.event import Event
from engine.runs.series import Series, check_name

MAGIC = b"FLSPOOL1"
VERSION = 1
OPEN, SCHEMA, POINTS, VECTOR, EVENT, CALL = 0, 1, 2, 3, 4, 5
HEADER = struct.Struct("<III")
POINT_HEAD = struct.Struct("<HHqd")
NOTHING_YET: tuple[Any, tuple[int, struct.Struct]] = ((), (0, struct.Struct("")))
LARGEST = 64 * 2**20  # a longer call is refused, a longer frame is damage


class Spool:
    """The writing side.  `log` returns True once the kernel has the whole call, False when the disk refused it.

    After a refusal the file is cut back to its last whole frame, `dropped` is counted up, and the
    training goes on.
    """

    def __init__(self, path: Path, run: str, *, attempt: int = 1, start: int = 0) -> None:
        self.path, self.dropped = Path(path), 0
        self._units: dict[Series, tuple[str, tuple[int, ...]]] = {}
        self._schemas: dict[Any, tuple[int, struct.Struct]] = {}
        self._latest = NOTHING_YET
        self._refusal = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what a short write leaves unsaid
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0
        opening = {"version": VERSION, "run": run, "attempt": attempt, "start": start}
        if not self._write(MAGIC + _json_frame(OPEN, opening)):
            self.close()
            self.path.unlink()
            raise OSError(f"{self.path} could not be begun.") from self._refusal

    def describe(self, name: str, *, unit: str = "", layer: str = "", shape: Sequence[int] = ()) -> None:
        """State the unit and shape of a series before its first value, or the new shape of its next ones; without it they are empty.

        ValueError for a name with "@", which separates name and layer wherever a series is written as one word.
        """
        check_name(name)
        self._units[name, layer] = (unit, tuple(shape))

    def log(
        self,
        step: int,
        scalars: Mapping[Series, float] | None = None,
        vectors: Mapping[Series, Sequence[float]] | None = None,
        events: Sequence[Event] = (),
        t: float | None = None,
    ) -> bool:
        """Write everything known of one step in one call: acknowledged as a whole or not at all."""
        t = time.time() if t is None else t
        parts: list[bytes] = []
        fresh: list[Any] = []
        written = False
        try:
            if scalars:
                key = tuple(scalars)
                if key != self._latest[0]:  # to compare a hundred names is cheap, to hash them costs as much as to write them
                    if key not in self._schemas:
                        parts.append(self._schema(key, "scalar", f"{len(key)}d"))
                        fresh.append(key)
                    self._latest = (key, self._schemas[key])
                schema, values = self._latest[1]
                body = POINT_HEAD.pack(schema, len(key), step, t) + values.pack(*scalars.values())
                parts.append(_frame(POINTS, body))
            for series, vector in (vectors or {}).items():
                unit, shape = self._units.get(series, ("", ()))
                if math.prod(shape) != len(vector) or not shape:
                    shape = (len(vector),)
                shaped = (series, shape)
                if shaped not in self._schemas:
                    self._units[series] = (unit, shape)
                    parts.append(self._schema((series,), "vector", f"{len(vector)}f", shaped))
                    fresh.append(shaped)
                schema, values = self._schemas[shaped]
                body = POINT_HEAD.pack(schema, 0, step, t) + _floats(values, vector)
                parts.append(_frame(VECTOR, body))
            parts += [_json_frame(EVENT, {"t": t, **event.json()}) for event in events]
            call = b"".join(parts)
            written = not parts or self._write(call if len(parts) == 1 else _frame(CALL, call))
            return written
        finally:
            if not written:
                for key in fresh:  # the schema frame was cut off, or never written, with the rest
                    del self._schemas[key]
                self._latest = NOTHING_YET

    def sync(self) -> None:
        """Ask the kernel to put everything on the disk (at checkpoints and at the end)."""
        os.fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _schema(self, keys: tuple[Series, ...], kind: str, layout: str, slot: Any = None) -> bytes:
        schema = max((n for n, _ in self._schemas.values()), default=-1) + 1
        if schema > 0xFFFF or len(keys) > 0xFFFF:
            raise ValueError(f"a spool holds at most 65,536 schemas of 65,535 metrics; received schema {schema} of {len(keys)}.")
        metrics = [[n, layer, *_listed(self._units.get((n, layer), ("", ())), kind)] for n, layer in keys]
        frame = _json_frame(SCHEMA, {"id": schema, "metrics": metrics})
        self._schemas[keys if slot is None else slot] = (schema, struct.Struct("<" + layout))
        return frame

    def _write(self, data: bytes) -> bool:
        try:
            done = os.write(self._fd, data) if len(data) < LARGEST else -1
        except OSError as error:
            done, self._refusal = -1, error
        if done == len(data):
            self._size += done
            return True
        self.dropped += 1
        with contextlib.suppress(OSError):  # a disk gone read-only
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        return False


def _floats(layout: struct.Struct, vector: Sequence[float]) -> bytes:
    """float32; what is finite as a double and too large for a float becomes an infinity, as a cast would make it."""
    try:
        return layout.pack(*vector)
    except OverflowError:
        largest = 3.4028235677973366e38  # halfway from the largest float to the next
        return layout.pack(*(math.copysign(math.inf, v) if abs(v) >= largest else v for v in vector))


def _listed(unit_shape: tuple[str, tuple[int, ...]], kind: str) -> list[Any]:
    unit, shape = unit_shape
    return [unit, kind, list(shape)]


def _json_frame(kind: int, thing: Mapping[str, Any]) -> bytes:
    return _frame(kind, json.dumps(thing, allow_nan=False, separators=(",", ":")).encode())


def _frame(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, len(body), zlib.crc32(body, kind)) + body


def spools(folder: Path) -> list[Path]:
    """The spool files of a run folder, by attempt."""
    return sorted(folder.glob("spool.*.bin"), key=lambda p: int(p.name.split(".")[1]))
