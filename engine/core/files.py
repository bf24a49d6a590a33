"""Small files as a whole: written beside their place and renamed, or into room that was kept for them; read as JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHARED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO}
LARGEST = 16 * 2**20  # bytes of a JSON file that is read, where nobody allows less


def replace(path: Path, write: Callable[[Path], object], *, alone: bool = False) -> None:
    """`write` fills a file beside `path`, which then takes its place: a reader sees the old file or the new one, never half of one.

    When anything fails, the old file stays and the new one is removed; the error passes through, an OSError of a full disk too.
    `alone`: only one process at a time writes this file, so that what a kill left behind is overwritten instead of piling up.
    """
    beside = path.with_name(f".{path.name}.part" if alone else f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        write(beside)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def keep_room(path: Path, size: int) -> None:
    """Make a file of `size` bytes, so that `use_room` can write as many later, whatever the disk takes then.  OSError."""
    if not path.exists():
        replace(path, lambda beside: beside.write_bytes(b" " * size))


def use_room(room: Path, path: Path, content: bytes) -> None:
    """Write `content` over the file `room`, which then takes the place of `path`: that needs no block that the disk has not given yet.

    FileNotFoundError where there is no such file, or another process is using it.  When the disk refuses even this, the room is kept.
    """
    mine = room.with_name(f".{room.name}.{os.getpid()}.{secrets.token_hex(3)}")
    os.rename(room, mine)
    try:
        with open(mine, "r+b") as file:
            file.write(content)
            file.truncate()
        os.replace(mine, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.rename(mine, room)
        raise


def write_json(path: Path, thing: Any) -> None:
    """ValueError for what is no JSON; OSError where the disk refuses it, and then the old file stays."""
    content = as_json(thing)
    replace(path, lambda beside: beside.write_bytes(content))


def as_json(thing: Any) -> bytes:
    return (json.dumps(thing, indent=1, allow_nan=False) + "\n").encode()


def read_json(path: Path, most: int = LARGEST) -> dict[str, Any] | None:
    """The JSON object at `path`, or None where there is none that can be read.

    Only a regular file of at most `most` bytes is read: a link is not followed, a FIFO not waited for.  Text that is no valid
    Unicode (half of a surrogate pair) or nested beyond Python's patience counts as unreadable too.
    """
    try:
        with open(path, "rb", opener=regular) as file:
            content = file.read(most + 1)
        text = content.decode()
        thing = json.loads(text) if len(content) <= most else None
        if "\\ud" in text or "\\uD" in text:
            json.dumps(thing, ensure_ascii=False).encode()
    except (OSError, ValueError, RecursionError):  # of ValueError: JSONDecodeError, UnicodeError
        return None
    return thing if isinstance(thing, dict) else None


def regular(path: str, flags: int) -> int:
    """An `opener` for `open`: of regular files only.  OSError for anything else; a link is not followed, a FIFO not waited for."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(f"{path} is no regular file.")


def of_the_machine(error: Exception) -> bool:
    """Whether an error would meet every run alike: no space, no memory, no more files to open, a disk that takes no writes."""
    return isinstance(error, OSError) and error.errno in SHARED
