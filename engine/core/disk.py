"""What a disk refuses, in words: it is full, a quota is used up, or it takes no writes at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

ROOM = 4 * 2**20  # bytes; with fewer free ones a disk counts as full
REFUSALS = {
    errno.ENOSPC: ("No space left on device", "the disk is full"),
    errno.EDQUOT: ("Disk quota exceeded", "the quota of this user is used up"),
    errno.EROFS: ("Read-only file system", "the disk is read-only"),
    errno.EACCES: ("Permission denied", "this user may not write there"),
}


def refused(error: BaseException) -> str:
    """Why a disk took no more, as half a sentence, or "" for an error of another kind.

    Libraries wrap what the system said into errors of their own, as a cause or in words.
    """
    seen: BaseException | None = error
    while seen is not None:
        for number, (words, message) in REFUSALS.items():
            if (isinstance(seen, OSError) and seen.errno == number) or words in str(seen):
                return message
        seen = seen.__cause__ or seen.__context__
    return ""


def why(error: OSError) -> str:
    """An error of the system as half a sentence."""
    return refused(error) or error.strerror or str(error)


def check_room(folder: Path, least: int = ROOM) -> None:
    """OSError, as a write would raise it, where the disk of `folder` has less than `least` bytes free."""
    if shutil.disk_usage(folder).free < least:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def has_room(folder: Path, least: int = ROOM) -> bool:
    """Whether the disk of `folder` has `least` bytes free; of a quota nobody knows before."""
    try:
        check_room(folder, least)
    except OSError:
        return False
    return True
