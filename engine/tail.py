"""The tail: the reading side of a spool, which follows a file while it is written.

The format is told in engine/spool.py.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.detector import number
from engine.spool import CALL, EVENT, HEADER, LARGEST, MAGIC, OPEN, POINT_HEAD, POINTS, SCHEMA, VECTOR, SeriesInfo

NONSENSE = (KeyError, IndexError, TypeError, ValueError, OverflowError, struct.error)  # what decoding damage may raise


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
                    if kind in (SCHEMA, CALL):
                        list(self._decode(kind, file.read(length)))
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
            if zlib.crc32(body, kind) != crc:
                self.problem = f"{self.path.name} is damaged at byte {base + at}: checksum mismatch."
                return
            try:
                frames = list(self._decode(kind, body))
            except NONSENSE:
                self.problem = f"{self.path.name} is damaged at byte {base + at}: a frame of kind {kind} makes no sense."
                return
            at = end
            self.offset = base + at
            yield from frames
        if at < len(data) and (not grown or self.offset == base):
            self.problem = f"{self.path.name} ends in a torn frame of {len(data) - at} bytes at byte {base + at}."

    def _decode(self, kind: int, body: bytes) -> Iterator[Frame]:
        if kind == CALL:
            at = 0
            while at < len(body):
                inner, length, _ = HEADER.unpack_from(body, at)
                at += HEADER.size + length
                yield from self._decode(inner, body[at - length : at])
        elif kind == POINTS:
            schema, count, step, t = POINT_HEAD.unpack_from(body)
            series = self._schemas[schema]
            if len(series) != count or len(body) != POINT_HEAD.size + 8 * count:
                raise ValueError(f"{count} values for {len(series)} series")
            yield Frame(POINTS, step, t, series, struct.unpack_from(f"<{count}d", body, POINT_HEAD.size))
        elif kind == VECTOR:
            schema, _, step, t = POINT_HEAD.unpack_from(body)
            count = (len(body) - POINT_HEAD.size) // 4
            yield Frame(VECTOR, step, t, self._schemas[schema], struct.unpack_from(f"<{count}f", body, POINT_HEAD.size))
        elif kind in (OPEN, SCHEMA, EVENT):  # anything else is of a later version
            yield from self._decode_json(kind, json.loads(body))

    def _decode_json(self, kind: int, thing: Any) -> Iterator[Frame]:
        if kind == SCHEMA:
            described = ((*map(_text, texts), tuple(_whole(n, 32) for n in shape)) for *texts, shape in thing["metrics"])
            self._schemas[thing["id"]] = tuple(SeriesInfo(*one) for one in described)
        elif kind == OPEN:
            yield Frame(OPEN, data={**thing, "attempt": _whole(thing["attempt"], 32), "start": _whole(thing["start"], 64)})
        else:
            texts = {name: _text(thing[name]) for name in ("kind", "rule", "layer", "says")}
            numbers = {name: number(thing[name]) for name in ("value", "threshold")}
            step, t = _whole(thing["step"], 64), float(thing["t"])
            yield Frame(EVENT, step, t, data={"step": step, "t": t, **texts, **numbers})


def _text(thing: Any) -> str:
    """Text that any table can hold: half a surrogate pair becomes a question mark."""
    return str(thing).encode(errors="replace").decode()


def _whole(thing: Any, bits: int) -> int:
    if not isinstance(thing, int) or not -(2 ** (bits - 1)) <= thing < 2 ** (bits - 1):
        raise ValueError(f"{thing!r} is no whole number of {bits} bits")
    return thing
