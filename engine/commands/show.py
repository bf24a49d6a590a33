"""One run: its declaration, how it ended, and the last value of every metric."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, FAILED, tell
from engine.commands._document import lines
from engine.commands._index import check_run, index


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="RUN")


def run(args: argparse.Namespace) -> int:
    check_run(args.id)
    with index() as owner:
        document = owner.store.show(args.id)
    tell(args.json, document, lines(document))
    return FAILED if document["status"] == "unreadable" else ANSWERED
