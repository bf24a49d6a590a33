"""Print the link that opens the lab; with --new its token is replaced, and every browser must be let in again."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, BAD_USAGE, Refusal, tell
from engine.core.paths import data_folder
from engine.server import links
from engine.server.access_token import Token, Unsafe


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--new", action="store_true", help="make another token; links and cookies of the old one open nothing any more")


def run(args: argparse.Namespace) -> int:
    try:
        token = Token(data_folder())
        word = token.renew() if args.new else token.now()
    except Unsafe as unsafe:
        raise Refusal(BAD_USAGE, str(unsafe)) from None
    if not token.kept:
        raise Refusal(BAD_USAGE, f"{token.file} cannot be written, and no token is there; the running server printed its link.")
    urls = [links.link(url, word) for url in links.known(data_folder())]
    tell(args.json, {"url": urls[0]}, urls)
    return ANSWERED
