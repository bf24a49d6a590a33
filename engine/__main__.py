"""The command line: `python -m engine VERB …`, also installed as `faultline`.  A verb is one file in `engine/commands/`."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import io
import os
import pkgutil
import sys
from pathlib import Path
from typing import NoReturn

from engine import commands
from engine.commands._answer import BAD_USAGE, FAILED, STOPPED, Refusal
from engine.core.disk import refused
from engine.core.paths import ROOT
from engine.core.suggest import nearest

LATER = ("fork", "claims", "sql")  # designed, not built yet


class Parser(argparse.ArgumentParser):
    """Complains in one sentence and exits with 2."""

    def error(self, message: str) -> NoReturn:
        raise Refusal(BAD_USAGE, f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says what is allowed.")


def verbs() -> list[str]:
    """The verbs that exist, from the folder, without importing one."""
    return sorted(m.name for m in pkgutil.iter_modules(commands.__path__) if not m.name.startswith("_"))


def overview() -> str:
    """The text of `--help`: each verb with the first line of its file."""
    folder = Path(commands.__path__[0])
    first = {v: (ast.get_docstring(ast.parse((folder / f"{v}.py").read_text("utf-8"))) or "").splitlines()[0] for v in verbs()}
    lines = [f"  {verb:<10}{text}" for verb, text in first.items()]
    return "\n".join(["python -m engine VERB …", "", *lines, "", "`python -m engine VERB --help` says more of one verb."])


def main(argv: list[str] | None = None) -> int:
    """-> the exit code: 0 answered or finished, 2 bad usage, 3 failed, 4 diverged, 5 not found, 6 stopped."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the console cannot show is written as an escape
            stream.reconfigure(errors="backslashreplace")
    try:
        return answer(arguments)
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return refusal.code
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return STOPPED
    except BrokenPipeError:  # the reader of our output left, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if not refused(error):
            raise
        sys.stderr.write(f"`{arguments[0]}` could not write what it has to write: {refused(error)}.\n")
        return FAILED


def answer(arguments: list[str]) -> int:
    ours = ROOT / "kernels"
    found = importlib.util.find_spec("kernels")
    if found is None or found.origin is None or Path(found.origin).resolve().parent != ours:
        where = found.origin if found else "nowhere"
        raise Refusal(BAD_USAGE, f"The package kernels comes from {where} instead of {ours}; uninstall the other one.")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        (sys.stdout if arguments else sys.stderr).write(f"{overview()}\n")
        return 0 if arguments else BAD_USAGE
    verb, *rest = arguments
    if verb in LATER:
        raise Refusal(BAD_USAGE, f"`{verb}` is not built yet; {', '.join(verbs())} are.")
    if verb not in verbs():
        raise Refusal(BAD_USAGE, nearest("verb", verb, verbs()))
    command = importlib.import_module(f"{commands.__name__}.{verb}")
    parser = Parser(prog=f"python -m engine {verb}", description=command.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.arguments(parser)
    parser.add_argument("--json", action="store_true", help="print exactly one JSON document and nothing else")
    return int(command.run(parser.parse_intermixed_args(rest)))


if __name__ == "__main__":
    sys.exit(main())
