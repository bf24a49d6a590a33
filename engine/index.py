"""The lock of the data folder, and its index file: made when missing, moved aside and made again when it cannot be used."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import duckdb

from engine.schema import WrongVersion, prepare

CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}  # a closed classroom downloads nothing


def take_lock(path: Path) -> int | None:
    """The lock of the data folder, or None while another process has it; the file says who."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.truncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd


class InUse(Exception):
    """Another program (a notebook, the DuckDB shell) has the index file open."""


def in_memory() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=CLOSED)
    prepare(connection)
    return connection


def open_index(path: Path) -> tuple[duckdb.DuckDBPyConnection, str]:
    """-> the connection and, when the old file had to go, a sentence about it.  Raises InUse."""
    try:
        return _open(path), ""
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise InUse(f"{path.name} is open in another program: {error}") from error
        reason = str(error)
    except (duckdb.Error, WrongVersion) as error:
        reason = str(error)
    moved = move_aside(path)
    first = reason.splitlines()[0]
    return _open(path), f"{path.name} could not be used ({first}); it is now {moved.name}, and the index is made again from the runs."


def check(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every column of every table; raises duckdb.Error where the file is damaged."""
    cursor = connection.cursor()
    for (table,) in cursor.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'store'").fetchall():
        cursor.execute(f"SELECT bit_xor(hash(t)) FROM store.{table} t").fetchall()


def looks_damaged(error: Exception) -> bool:
    """True for errors that a damaged file may cause; a wrong question is not one of them."""
    return type(error) is duckdb.Error or isinstance(error, duckdb.FatalException | duckdb.InternalException | duckdb.IOException)


def move_aside(path: Path) -> Path:
    """Rename the index file and its log; nothing of a person is ever deleted."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    moved = path.with_name(f"{path.name}.damaged-{stamp}")
    count = 1
    while moved.exists():
        count, moved = count + 1, path.with_name(f"{path.name}.damaged-{stamp}-{count}")
    for tail in (".wal", ""):
        if (found := path.with_name(path.name + tail)).exists():
            os.replace(found, moved.with_name(moved.name + tail))
    return moved


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), config=CLOSED)
    try:
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection
