"""The part of the verb `sweep` that searches: which flags it takes, and what they come to."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from engine.core.suggest import nearest
from engine.declare.resolve import KnobError, LabJson
from engine.declare.sweep import Plan
from engine.search.searches import outlook, search_request

SEARCHES = ("optuna",)
DIRECTION = {"lower": "minimize", "higher": "maximize"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--search", metavar="NAME", help="optuna: points chosen from what the others came to; a knob may then be a range")
    parser.add_argument("--metric", metavar="M", help="what the search goes by, the last value of each run")
    parser.add_argument("--trials", type=int, metavar="N", help="how many points the search tries")
    parser.add_argument("--better", choices=tuple(DIRECTION), help="which way of the metric is better, where its name does not say it")


def searched(lab: LabJson, args: argparse.Namespace, given: Mapping[str, Any]) -> tuple[Plan, dict[str, Any]] | None:
    """-> (the runs from which the search begins, how it was asked for as the sweep's file holds it), or None for no search.  KnobError."""
    from engine.compare.kinds import better  # brings scipy

    flags = {"--metric": args.metric, "--trials": args.trials, "--better": args.better}
    if args.search is None:
        if idle := [flag for flag, value in flags.items() if value is not None]:
            raise KnobError(f"{idle[0]} belongs to a search; add --search optuna, or leave it out.")
        return None
    if args.search not in SEARCHES:
        raise KnobError(nearest("search", args.search, SEARCHES))
    others = {"--random": args.random is not None, "--edge": args.edge is not None, "--fresh": args.fresh}
    if other := next((flag for flag, on in others.items() if on), None):
        raise KnobError(
            f"--search chooses the runs itself and uses those that exist, so it does not go with {other}; leave one of them out."
        )
    if args.metric is None or args.trials is None:
        raise KnobError("--search optuna needs --metric M, what it goes by, and --trials N, how many points it tries.")
    way = args.better or better(args.metric)
    if way is None:
        raise KnobError(
            f'Whether less or more of "{args.metric:.60}" is better does not follow from its name; add --better lower or higher.'
        )
    return search_request(lab, args.preset, given, metric=args.metric, direction=DIRECTION[way], trials=args.trials)


def beginning(search: Mapping[str, Any] | None, planned: Plan) -> Iterator[str]:
    """What a preview says beside the runs from which it begins."""
    if search is not None and search.get("is") in SEARCHES:
        yield outlook(search, planned.seeds)
        yield ""
