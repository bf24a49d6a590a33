"""The tail: the reading side of a spool, which follows a file while it is written.

The format stands in engine/runs/spool.py; engine/index/follower.py keeps a reader for every run that has not ended.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine.core.files import regular
from engine.core.nonfinite import number
from engine.runs.series import SeriesInfo
from engine.runs.spool import CALL, EVENT, HEADER, LARGEST, MAGIC, OPEN, POINT_HEAD, POINTS, SCHEMA, VECTOR
from engine.runs.spool_repair import damage, find_frame, nameless

NAMELESS = -1  # a whole frame whose schema was lost; `values` is its size
FAR = 4 * LARGEST  # bytes after damage in which a whole frame is looked for
NONSENSE = (KeyError, IndexError, TypeError, ValueError, OverflowError, struct.error)  # what decoding damage may raise


class Frame(NamedTuple):
    """One decoded frame.  POINTS: `values` f64, one per series.  VECTOR: `values` f32, one series.  EVENT and OPEN: `data`."""

    kind: int
    step: int = 0
    t: float = 0.0
    series: tuple[SeriesInfo, ...] = ()
    values: tuple[float, ...] = ()
    data: Mapping[str, Any] | None = None


class SpoolReader:
    """The reading side: decodes whole frames from an offset on, and stops before a torn one.

    `offset` is where the next read begins.  `problem` is a sentence while the tail of the file does
    not decode; a torn tail of a living run is simply retried at the next pass.  Damage in the middle is
    skipped once a whole frame follows it.  Schemas live in the
    part already read, so a reader that starts at an offset first collects them (ValueError when the
    file is not the one that was read).
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path, self.offset, self.problem = Path(path), 0, ""
        self._schemas: dict[int, tuple[SeriesInfo, ...]] = {}
        self._searched = (-1, -1)  # (where damage begins, bytes after it) in which nothing was found
        if offset:
            self._schemas_until(offset)

    def _schemas_until(self, offset: int) -> None:
        """Hop from header to header over what was read before, and take only the schemas; over damage, read it again."""
        if not self._hop(offset):
            self._schemas.clear()
            before = -1
            while before < self.offset < offset:
                before = self.offset
                for _ in self.read():
                    if self.offset >= offset:
                        break
            if self.offset != offset:
                raise ValueError(f"{self.path.name} is not the file that was read up to byte {offset}.")
        self.offset, self.problem = offset, ""

    def _hop(self, offset: int) -> bool:
        with open(self.path, "rb", opener=regular) as file:
            at = len(MAGIC)
            while at < offset:
                file.seek(at)
                try:
                    kind, length, crc = HEADER.unpack(file.read(HEADER.size))
                    if kind in (SCHEMA, CALL):
                        body = file.read(length)
                        if zlib.crc32(body, kind) != crc:
                            return False
                        list(self._decode(kind, body))
                except NONSENSE:
                    return False
                at += HEADER.size + length
        return at == offset

    def read(self, most: int = 16 * 2**20) -> Iterator[Frame]:
        """Yield the whole frames now in the file, about `most` bytes at a call; `offset` moves with each.

        Damage between whole frames is skipped, and told by frames of its own (engine/runs/spool_repair.py).
        """
        lost: list[Frame] = []
        for frame in self._read(most):
            if frame.kind == NAMELESS:
                lost.append(frame)
            else:
                yield frame
        if lost:
            size, first = int(sum(frame.values[0] for frame in lost)), lost[0]
            yield Frame(EVENT, first.step, first.t, data=nameless(self.path.name, size, first.step, first.t))

    def _read(self, most: int) -> Iterator[Frame]:
        data, grown = self._take(most)
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
            torn = length <= LARGEST and end > len(data)
            if torn and grown:
                break
            frames, why = ([], "") if torn or length > LARGEST else self._frames(kind, data[at + HEADER.size : end], crc)
            if not torn and not why and length <= LARGEST:
                at = end
                self.offset = base + at
                yield from frames
                continue
            why = why or f"impossible frame length {length}"
            gap = None if base + at == len(MAGIC) else self._gap(base + at, at, data, grown, calls_only=torn and kind == CALL)
            if gap is None:
                if torn:
                    break
                left = "nothing of it" if base + at == len(MAGIC) else "nothing after it"
                self.problem = f"{self.path.name} is damaged at byte {base + at}: {why}; {left} could be read."
                return
            self.offset, told = gap
            yield told
            at = self.offset - base
        if at < len(data) and (not grown or self.offset == base):
            self.problem = f"{self.path.name} ends in a torn frame of {len(data) - at} bytes at byte {base + at}."

    def _take(self, most: int) -> tuple[bytes, bool]:
        """-> (about `most` bytes from `offset` on, whether there may be more); one frame may be larger than `most`."""
        with open(self.path, "rb", opener=regular) as file:
            file.seek(self.offset)
            data = file.read(most)
            grown = len(data) == most
            first = len(MAGIC) if self.offset == 0 else 0
            if grown and len(data) >= first + HEADER.size:
                _, length, _ = HEADER.unpack_from(data, first)
                if length <= LARGEST:
                    data += file.read(max(0, first + HEADER.size + length - len(data)))
        return data, grown

    def _frames(self, kind: int, body: bytes, crc: int) -> tuple[list[Frame], str]:
        """-> (what a frame holds, or why it cannot be read)."""
        if zlib.crc32(body, kind) != crc:
            return [], "checksum mismatch"
        try:
            return list(self._decode(kind, body)), ""
        except NONSENSE:
            return [], f"a frame of kind {kind} makes no sense"

    def _gap(self, begins: int, at: int, data: bytes, grown: bool, *, calls_only: bool) -> tuple[int, Frame] | None:
        """-> (the byte at which reading goes on after damage that begins at `begins`, the frame that tells of it), if it does."""
        if grown:
            with open(self.path, "rb", opener=regular) as file:
                file.seek(begins)
                data, at = file.read(FAR), 0
        if self._searched == (begins, len(data)):
            return None
        found: list[Frame] = []

        def decodes(kind: int, body: bytes) -> bool:
            try:
                found[:] = self._decode(kind, body)
            except NONSENSE:
                return False
            return kind == SCHEMA or bool(found)

        start = find_frame(data, at + 1, decodes, calls_only=calls_only)
        if start is None:
            self._searched = (begins, len(data))
            return None
        nearest = next((frame for frame in found if frame.kind in (POINTS, VECTOR, EVENT, NAMELESS)), Frame(EVENT))
        event = damage(self.path.name, begins, start - at, nearest.step, nearest.t)
        return begins + start - at, Frame(EVENT, nearest.step, nearest.t, data=event)

    def _decode(self, kind: int, body: bytes) -> Iterator[Frame]:
        if kind == CALL:
            at = 0
            while at < len(body):
                inner, length, _ = HEADER.unpack_from(body, at)
                at += HEADER.size + length
                yield from self._decode(inner, body[at - length : at])
        elif kind == POINTS:
            schema, count, step, t = POINT_HEAD.unpack_from(body)
            if schema not in self._schemas:
                yield Frame(NAMELESS, step, t, values=(HEADER.size + len(body),))
                return
            series = self._schemas[schema]
            if len(series) != count or len(body) != POINT_HEAD.size + 8 * count:
                raise ValueError(f"{count} values for {len(series)} series")
            yield Frame(POINTS, step, t, series, struct.unpack_from(f"<{count}d", body, POINT_HEAD.size))
        elif kind == VECTOR:
            schema, _, step, t = POINT_HEAD.unpack_from(body)
            if schema not in self._schemas:
                yield Frame(NAMELESS, step, t, values=(HEADER.size + len(body),))
                return
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
