"""One run: its declaration, how it ended, and the last value of every metric."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, tell
from engine.commands._document import lines
from engine.commands._index import check_run, index
from engine.core.paths import data_folder
from engine.runs.folder import run_folder


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="RUN")


def run(args: argparse.Namespace) -> int:
    check_run(args.id)
    with index() as owner:
        document = owner.store.show(args.id)
    told = run_folder(data_folder(), args.id).exit() or {}
    tell(args.json, document, lines(document, told.get("says", "")))
    return ANSWERED
