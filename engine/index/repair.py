"""A question that the index file cannot answer is put again: the file was made again, or is left alone while the disk is full."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import duckdb

from engine.core.disk import refused
from engine.index.connection import looks_damaged

C = TypeVar("C", bound=type)


def repaired(store: C) -> C:
    """Class decorator: every public method is put once more to what `self._suspect(self, error)` returns where the first answer met damage
    or a full disk.

    Where that is the same object, the file was read in full and is whole: then the error was no damage, and is raised.
    """
    for name, question in list(vars(store).items()):
        if callable(question) and not name.startswith("_"):
            setattr(store, name, _twice(question))
    return store


def _twice(question: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(question)
    def put(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return question(self, *args, **named)
        except duckdb.Error as error:
            closed = isinstance(error, duckdb.ConnectionException)  # this store was replaced while it was asked
            other = self._suspect(self, error) if closed or looks_damaged(error) or refused(error) else self
            if other is self:
                raise
        return question(other, *args, **named)

    return put
