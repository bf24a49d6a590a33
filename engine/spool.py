"""The spool: the append-only file through which a worker tells everything it measures.

One `os.write` per log call; frames carry length and CRC, so a reader stops before a torn tail and a
kill -9 loses nothing that `log` acknowledged.  Each attempt of a run writes its own file.

    file   = MAGIC frame*
    frame  = kind u32 | length u32 | crc32(body) u32 | body            little-endian throughout
    OPEN   = JSON {"version", "run", "attempt", "start"}               first frame
    SCHEMA = JSON {"id", "metrics": [[name, layer, unit, kind, shape], …]}
    POINTS = id u16 | count u16 | step i64 | t f64 | count x f64       one value per metric of the schema
    VECTOR = id u16 | 0 u16     | step i64 | t f64 | n x f32           the schema has one metric
    EVENT  = JSON {"step", "t", "kind", "rule", "layer", "value", "threshold", "says"}

`t` is unix time in seconds.  NaN and infinities are ordinary values.
"""

from __future__ import annotations

import json
import math
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.detector import Event, number

MAGIC = b"FLSPOOL1"
VERSION = 1
OPEN, SCHEMA, POINTS, VECTOR, EVENT = 0, 1, 2, 3, 4
HEADER = struct.Struct("<III")
POINT_HEAD = struct.Struct("<HHqd")
NONSENSE = (KeyError, IndexError, TypeError, ValueError, OverflowError, struct.error)  # what decoding damage may raise
LARGEST = 64 * 2**20  # a length beyond this is damage, not data

Series = tuple[str, str]  # (metric name, layer)


@dataclass(frozen=True)
class SeriesInfo:
    """What a spool says of one series once, before its first value."""

    name: str
    layer: str = ""
    unit: str = ""
    kind: str = "scalar"
    shape: tuple[int, ...] = ()


class Spool:
    """The writing side.  `log` returns True once the kernel has the whole call, False when the disk refused it.

    After a refusal the file is cut back to its last whole frame, `dropped` is counted up, and the
    training goes on.
    """

    def __init__(self, path: Path, run: str, *, attempt: int = 1, start: int = 0) -> None:
        self.path, self.dropped = Path(path), 0
        self._units: dict[Series, tuple[str, tuple[int, ...]]] = {}
        self._schemas: dict[Any, tuple[int, struct.Struct]] = {}
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0
        opening = {"version": VERSION, "run": run, "attempt": attempt, "start": start}
        if not self._write(MAGIC + _json_frame(OPEN, opening)):
            raise OSError(f"{self.path} could not be begun: the disk is full or read-only.")

    def describe(self, name: str, *, unit: str = "", layer: str = "", shape: Sequence[int] = ()) -> None:
        """State the unit and shape of a series before its first value; without it they are empty."""
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
                if key not in self._schemas:
                    parts.append(self._schema(key, "scalar", f"{len(key)}d"))
                    fresh.append(key)
                schema, values = self._schemas[key]
                body = POINT_HEAD.pack(schema, len(key), step, t) + values.pack(*scalars.values())
                parts.append(HEADER.pack(POINTS, len(body), zlib.crc32(body)) + body)
            for series, vector in (vectors or {}).items():
                shaped = (series, len(vector))
                if shaped not in self._schemas:
                    self._units.setdefault(series, ("", (len(vector),)))
                    parts.append(self._schema((series,), "vector", f"{len(vector)}f", shaped))
                    fresh.append(shaped)
                schema, values = self._schemas[shaped]
                body = POINT_HEAD.pack(schema, 0, step, t) + _floats(values, vector)
                parts.append(HEADER.pack(VECTOR, len(body), zlib.crc32(body)) + body)
            parts += [_json_frame(EVENT, {"t": t, **event.json()}) for event in events]
            written = self._write(b"".join(parts))
            return written
        finally:
            if not written:
                for key in fresh:  # the schema frame was cut off, or never written, with the rest
                    del self._schemas[key]

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
        self._schemas[keys if slot is None else slot] = (schema, struct.Struct("<" + layout))
        metrics = [[n, layer, *_listed(self._units.get((n, layer), ("", ())), kind)] for n, layer in keys]
        return _json_frame(SCHEMA, {"id": schema, "metrics": metrics})

    def _write(self, data: bytes) -> bool:
        try:
            done = os.write(self._fd, data)
        except OSError:
            done = -1
        if done == len(data):
            self._size += done
            return True
        self.dropped += 1
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
    body = json.dumps(thing, allow_nan=False, separators=(",", ":")).encode()
    return HEADER.pack(kind, len(body), zlib.crc32(body)) + body


class Frame(NamedTuple):
    """One decoded frame.  POINTS: `values` f64, one per series.  VECTOR: `values` f32, one series.  EVENT and OPEN: `data`."""

    kind: int
    step: int = 0
    t: float = 0.0
    series: tuple[SeriesInfo, ...] = ()
    values: tuple[float, ...] = ()
    data: Mapping[str, Any] | None = None


class Tail:
    """The reading side: decodes whole frames from an offset on, and stops before a torn one.

    `offset` is where the next read begins.  `problem` is a sentence while the tail of the file does
    not decode; a torn tail of a living run is simply retried at the next pass.  Schemas live in the
    part already read, so a reader that starts at an offset first collects them (ValueError when the
    file is not the one that was read).
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset, self.problem = Path(path), 0, ""
        self._schemas: dict[int, tuple[SeriesInfo, ...]] = {}
        if offset:
            self._schemas_until(offset)

    def _schemas_until(self, offset: int) -> None:
        """Hop from header to header over what was read before, and take only the schemas."""
        with open(self.path, "rb") as file:
            at = len(MAGIC)
            while at < offset:
                file.seek(at)
                try:
                    kind, length, _ = HEADER.unpack(file.read(HEADER.size))
                    if kind == SCHEMA:
                        self._decode(kind, file.read(length))
                except NONSENSE as error:
                    raise ValueError(f"{self.path.name} is not the file that was read up to byte {offset}.") from error
                at += HEADER.size + length
        if at != offset:
            raise ValueError(f"{self.path.name} is not the file that was read up to byte {offset}.")
        self.offset = offset

    def read(self, most: int = 16 * 2**20) -> Iterator[Frame]:
        """Yield the whole frames now in the file, about `most` bytes at a call; `offset` moves with each."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            data = file.read(most)
            grown = len(data) == most
            first = len(MAGIC) if self.offset == 0 else 0
            if grown and len(data) >= first + HEADER.size:  # one frame may be larger than `most`
                _, length, _ = HEADER.unpack_from(data, first)
                if length <= LARGEST:
                    data += file.read(max(0, first + HEADER.size + length - len(data)))
        at = 0
        if self.offset == 0:
            if len(data) < len(MAGIC) and MAGIC.startswith(data):
                self.problem = f"{self.path.name} is only {len(data)} bytes long." if data else ""
                return
            if not data.startswith(MAGIC):
                self.problem = f"{self.path.name} does not begin like a spool; nothing of it was read."
                return
            at = len(MAGIC)
        base, self.problem = self.offset, ""
        while at + HEADER.size <= len(data):
            kind, length, crc = HEADER.unpack_from(data, at)
            end = at + HEADER.size + length
            if length > LARGEST:
                self.problem = f"{self.path.name} is damaged at byte {base + at}: impossible frame length {length}."
                return
            if end > len(data):
                break
            body = data[at + HEADER.size : end]
            if zlib.crc32(body) != crc:
                self.problem = f"{self.path.name} is damaged at byte {base + at}: checksum mismatch."
                return
            try:
                frame = self._decode(kind, body)
            except NONSENSE:
                self.problem = f"{self.path.name} is damaged at byte {base + at}: a frame of kind {kind} makes no sense."
                return
            at = end
            self.offset = base + at
            if frame is not None:
                yield frame
        if at < len(data) and (not grown or self.offset == base):
            self.problem = f"{self.path.name} ends in a torn frame of {len(data) - at} bytes at byte {base + at}."

    def _decode(self, kind: int, body: bytes) -> Frame | None:
        if kind == POINTS:
            schema, count, step, t = POINT_HEAD.unpack_from(body)
            series = self._schemas[schema]
            if len(series) != count or len(body) != POINT_HEAD.size + 8 * count:
                raise ValueError(f"{count} values for {len(series)} series")
            return Frame(POINTS, step, t, series, struct.unpack_from(f"<{count}d", body, POINT_HEAD.size))
        if kind == VECTOR:
            schema, _, step, t = POINT_HEAD.unpack_from(body)
            count = (len(body) - POINT_HEAD.size) // 4
            return Frame(VECTOR, step, t, self._schemas[schema], struct.unpack_from(f"<{count}f", body, POINT_HEAD.size))
        if kind not in (OPEN, SCHEMA, EVENT):
            return None  # a kind of a later version
        thing = json.loads(body)
        if kind == SCHEMA:
            metrics = ((str(n), str(layer), str(u), str(k), tuple(map(int, s))) for n, layer, u, k, s in thing["metrics"])
            self._schemas[thing["id"]] = tuple(SeriesInfo(*described) for described in metrics)
            return None
        if kind == OPEN:
            return Frame(OPEN, data={**thing, "attempt": int(thing["attempt"]), "start": int(thing["start"])})
        texts = {name: str(thing[name]) for name in ("kind", "rule", "layer", "says")}
        numbers = {name: number(thing[name]) for name in ("value", "threshold")}
        step, t = int(thing["step"]), float(thing["t"])
        return Frame(EVENT, step, t, data={"step": step, "t": t, **texts, **numbers})


def spools(folder: Path) -> list[Path]:
    """The spool files of a run folder, by attempt."""
    return sorted(folder.glob("spool.*.bin"), key=lambda p: int(p.name.split(".")[1]))
