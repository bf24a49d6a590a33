"""The index for one command: this process owns it for its lifetime, or reads beside the process that does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from engine.commands._answer import FAILED, NOT_FOUND, Refusal
from engine.commands._progress import IndexProgress
from engine.core.disk import why
from engine.core.paths import data_folder
from engine.index.owner import IndexOwner
from engine.runs.folder import run_folder


@contextmanager
def index(*, caught_up: bool = True) -> Iterator[IndexOwner]:
    """The index, with everything that the runs have told so far unless that can wait."""
    try:
        owner = IndexOwner(data_folder())
    except OSError as error:
        raise Refusal(FAILED, f"The data folder {data_folder()} cannot be used: {why(error)}.") from None
    try:
        if caught_up:
            line = IndexProgress()
            try:
                owner.catch_up(line.tell)
            finally:
                line.close()
        yield owner
    finally:
        if owner.problem:  # the command answers all the same
            sys.stderr.write(f"{owner.problem}\n")
        owner.stop()


def check_run(run: str) -> None:
    """A refusal, in one sentence, for a run that does not exist."""
    try:
        run_folder(data_folder(), run)
    except KeyError as error:
        raise Refusal(NOT_FOUND, error.args[0]) from None
