"""Keep the index and work through the queue without a page, until Ctrl-C."""

from __future__ import annotations

import argparse

from engine.commands import ANSWERED, FAILED, Refusal, tell
from engine.commands.run import asked_to_leave
from engine.folder import data_folder
from engine.service import Service


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    try:
        here = Service()
        here.start()
    except OSError as error:
        raise Refusal(FAILED, f"The data folder {data_folder()} cannot be used: {error.strerror}.") from None
    role = "keeps the index and the queue" if here.owner.role == "owner" else "reads beside another process, and takes over when it leaves"
    tell(args.json, {"data": str(here.data), "role": here.owner.role}, [f"Serving {here.data}: this process {role}. Ctrl-C ends it."])
    try:
        with asked_to_leave() as asked:
            asked.wait()
    finally:
        here.close()
    return ANSWERED
