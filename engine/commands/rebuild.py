"""Make the index again from the files of the runs, which are the truth."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, FAILED, Refusal, tell
from engine.commands._progress import IndexProgress
from engine.core.disk import why
from engine.core.paths import data_folder
from engine.index.owner import IndexOwner


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    try:
        owner = IndexOwner(data_folder())
    except OSError as error:
        raise Refusal(FAILED, f"The data folder {data_folder()} cannot be used: {why(error)}.") from None
    line = IndexProgress()
    try:
        told = owner.rebuild(line.tell)
    except RuntimeError as error:
        raise Refusal(FAILED, str(error)) from None
    finally:
        line.close()
        owner.stop()
    tell(args.json, told, [f"{told['points']} points of {told['runs']} runs", *told["problems"]])
    return ANSWERED
