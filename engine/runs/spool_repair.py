"""Resynchronising: where a damaged spool can be read again.

A frame counts as found when its header makes sense, its checksum is right and its body decodes, so nothing is
ever read that was not written.  The bytes before it are counted, and told as an event of kind "damage".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

from engine.runs.spool import CALL, EVENT, HEADER, LARGEST, POINT_HEAD, POINTS, SCHEMA, VECTOR

START = re.compile(rb"(?=[\x01-\x05]\x00\x00\x00(?!\x00\x00\x00\x00))")  # a kind and a length that is not 0: runs of zeros are passed fast


def find_frame(data: bytes, at: int, decodes: Callable[[int, bytes], bool], *, calls_only: bool = False) -> int | None:
    """Where the first whole frame at or after `at` begins, or None.

    `calls_only`: what looks torn is a CALL, which may still be on its way; the frames inside it are no proof of damage, the next CALL is.
    """
    for match in START.finditer(data, at):
        start = match.start()
        if start + HEADER.size > len(data):
            return None
        kind, length, crc = HEADER.unpack_from(data, start)
        end = start + HEADER.size + length
        if end > len(data) or length > LARGEST or (calls_only and kind != CALL):
            continue
        body = memoryview(data)[start + HEADER.size : end]
        if _plausible(kind, body) and zlib.crc32(body, kind) == crc and decodes(kind, bytes(body)):
            return start
    return None


def damage(file: str, at: int, size: int, step: int, t: float) -> dict[str, Any]:
    """The event that tells of a gap of `size` bytes, at the step that was read next."""
    message = f"{size:,} bytes of {file} at byte {at:,} are damaged and were skipped; what was measured there is lost, the rest was read."
    return {"step": step, "t": t, "kind": "damage", "rule": "", "layer": "", "value": float(size), "threshold": None, "says": message}


def nameless(file: str, size: int, step: int, t: float) -> dict[str, Any]:
    """The event that tells of whole frames whose series were described in a part that is damaged."""
    message = f"{size:,} bytes of {file} hold values whose names were lost in damage before them; they were skipped."
    return {**damage(file, 0, size, step, t), "says": message}


def _plausible(kind: int, body: memoryview) -> bool:
    """Cheap, before the checksum of what may be 64 MiB of chance."""
    if kind in (SCHEMA, EVENT):
        return body[:1] == b"{"
    if kind == CALL:
        return len(body) >= HEADER.size and (inner := HEADER.unpack_from(body))[0] < CALL and inner[1] <= len(body) - HEADER.size
    if len(body) < POINT_HEAD.size:
        return False
    count = POINT_HEAD.unpack_from(body)[1]
    return (kind == POINTS and len(body) == POINT_HEAD.size + 8 * count) or (kind == VECTOR and count == 0 and len(body) % 4 == 0)
