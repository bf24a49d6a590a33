"""The lock of the data folder, and its index file: made when missing, moved aside and made again when it cannot be used."""

from __future__ import annotations

import os
import time
from pathlib import Path

import duckdb

from engine.core.disk import refused
from engine.core.locks import locked, sign
from engine.index.schema import WrongVersion, prepare

KEPT = 2  # damaged files that stay for whoever wants to look
CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}  # a closed classroom downloads nothing


def take_lock(path: Path) -> int | None:
    """The lock of the data folder, or None while another process has it; the file says who."""
    fd = locked(path)
    if fd is not None:
        sign(fd, str(os.getpid()))
    return fd


def holder(lock: Path) -> str:
    """The process that holds that lock, as the file names it; empty where it cannot be read."""
    try:
        return lock.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class Unusable(Exception):
    """The index file cannot be opened now, and is not damaged: another program has it open, the disk is full, no permission."""


def in_memory() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=CLOSED)
    prepare(connection)
    return connection


def open_index(path: Path, *, examine: bool = False) -> tuple[duckdb.DuckDBPyConnection, str]:
    """-> the connection and, when the old file had to go, a sentence about it.  `examine` reads the whole file.  Raises Unusable."""
    new = not path.exists()
    try:
        return _open(path, examine), ""
    except (duckdb.Error, WrongVersion) as error:
        reason = str(error).splitlines()[0]
        if isinstance(error, duckdb.Error) and not looks_damaged(error):
            if new:  # half of a new file would look damaged later
                for half in (path, path.with_name(f"{path.name}.wal")):
                    half.unlink(missing_ok=True)
            why = "is open in another program" if "lock" in reason.lower() else f"cannot be opened ({refused(error) or reason})"
            raise Unusable(f"{path.name} {why}.") from error
    moved = move_aside(path)
    return _open(path), f"{path.name} could not be used ({reason}); it was moved aside as {moved.name} and is made again from the runs."


def check(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every column of every table; raises duckdb.Error where the file is damaged."""
    cursor = connection.cursor()
    for (table,) in cursor.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'").fetchall():
        cursor.execute(f"SELECT bit_xor(hash(t)) FROM store.{table} t").fetchall()


def looks_damaged(error: Exception) -> bool:
    """True for errors that a damaged file causes; a wrong question and a full disk are none.  (DuckDB has no class for a bad checksum.)"""
    if refused(error):
        return False
    text = str(error)
    if isinstance(error, duckdb.IOException):
        return any(words in text for words in ("orrupt", "not a valid DuckDB", "Could not read enough bytes"))
    return type(error) is duckdb.Error or isinstance(
        error, duckdb.FatalException | duckdb.InternalException | duckdb.SerializationException
    )


def move_aside(path: Path) -> Path:
    """Rename the index file and its log.  The KEPT newest stay; what is in them is made again from the runs."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    moved = path.with_name(f"{path.name}.damaged-{stamp}")
    count = 1
    while moved.exists():
        count, moved = count + 1, path.with_name(f"{path.name}.damaged-{stamp}-{count}")
    for tail in (".wal", ""):
        if (found := path.with_name(path.name + tail)).exists():
            os.replace(found, moved.with_name(moved.name + tail))
    aside = sorted(path.parent.glob(f"{path.name}.damaged-*"), key=lambda one: one.stat().st_mtime_ns)
    for old in [one for one in aside if one.suffix != ".wal"][:-KEPT]:
        old.unlink(missing_ok=True)
        old.with_name(f"{old.name}.wal").unlink(missing_ok=True)
    return moved


def examined(path: Path) -> str:
    """Why an index file that nobody has open cannot be used, in one sentence; "" where it can, or there is none.  Changes nothing."""
    if not path.exists():
        return ""
    try:
        connection = duckdb.connect(str(path), read_only=True, config=CLOSED)
        try:
            check(connection)
        finally:
            connection.close()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        again = "; the next start moves it aside and makes it again from the runs" if looks_damaged(error) else ""
        return f"{path.name} {'is damaged' if again else 'cannot be opened'} ({reason}){again}"
    return ""


def _open(path: Path, examine: bool = False) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), config=CLOSED)
    try:
        prepare(connection)
        if examine:
            check(connection)
        if not path.exists():  # DuckDB shares a file among the connections of a process, also one that was moved aside
            raise duckdb.IOException(f"the old {path.name} is still being read")
    except BaseException:
        connection.close()
        raise
    return connection
