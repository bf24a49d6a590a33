"""What this machine has and lacks for the lab."""

from __future__ import annotations

import argparse

from engine.commands._answer import ANSWERED, tell
from engine.server.doctor import examine


def arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    checks = list(examine())
    document = {"checks": [{"name": name, "ok": ok, "says": message} for name, ok, message in checks]}
    tell(args.json, document, [f"{'ok ' if ok else 'no '} {name:<12}{message}" for name, ok, message in checks])
    return ANSWERED
