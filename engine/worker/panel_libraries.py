"""What panels compute with, loaded once by the fork server, so that no child has to and each computes with one thread."""

from __future__ import annotations

import functools
import importlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

NAMES = (
    *("networkx", "scipy.linalg.lapack", "scipy.optimize"),
    *("scipy.sparse.csgraph", "scipy.sparse.linalg", "scipy.spatial"),
)


def load() -> None:
    """A third of a second, which otherwise every child would take."""
    for name in NAMES:
        importlib.import_module(name)
    _algebra()


def one_thread() -> AbstractContextManager[Any]:
    """What is forked meanwhile does its linear algebra in one thread.

    A child that asked for that by itself would first start all threads again, and they spin for longer than a panel computes.
    """
    return _algebra().limit(limits=1)


@functools.cache
def _algebra() -> ThreadpoolController:
    """The libraries of linear algebra that this process has loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
