"""Make the runs of a grid of knobs and seeds, wait for the last one and say how each ended.

KNOB takes several values: `a,b,c`, `a..b` (whole numbers, both ends), `a..b/n` (n values, by their ratio when both ends are positive
and the larger is ten times the smaller).  A preset that is a ladder brings its values.  A knob of one answer goes with that answer only.
Runs that exist already, finished or diverged or still going on, are not made again.  Ctrl-C stops the new runs with a checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.commands import _sweep_search
from engine.commands._answer import ANSWERED, BAD_USAGE, FAILED, STOPPED, Refusal, table, tell
from engine.commands._index import index
from engine.commands._progress import SweepProgress
from engine.commands._sweeps import work_on_the_queue
from engine.commands.labs import catalog
from engine.commands.run import EVERY, LEAVING, asked_to_leave, not_started, pass_of
from engine.core.paths import data_folder
from engine.declare.knobs import unnest
from engine.declare.lab_catalog import Document
from engine.declare.resolve import KnobError, LabJson, RuleBroken, read_knobs
from engine.declare.revise import written
from engine.declare.sweep import Plan, plan
from engine.index.owner import IndexOwner
from engine.runs.ending import CODE_OF_STATUS, ENDED
from engine.runs.sweep_file import Sweep, SweepUnreadable, member_runs, read_sweep
from engine.scheduler import estimate
from engine.scheduler.control import Refused
from engine.scheduler.executor import Executor
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.preview import sentences
from engine.scheduler.submit import find_lab
from engine.scheduler.supervisor import Supervisor
from engine.scheduler.sweep_control import folders, statuses, stop
from engine.scheduler.sweeps import Arm, arms, create
from engine.search.edges import edge_request
from engine.search.growth import Growth, results_of

PASS = 0.2  # seconds between two looks at all runs
GROWS = 1.0  # seconds between two looks whether more runs follow
DELETED = "deleted"  # of a run that somebody removed while this command waited for it
HINT = " (`--leave-out` leaves them out.)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB")
    parser.add_argument("given", nargs="*", metavar="KNOB=VALUES")
    parser.add_argument("--preset", metavar="P")
    parser.add_argument("--random", type=int, metavar="N", help="N points drawn from the values; a knob may then be a range, lr=1e-4..1")
    parser.add_argument("--edge", metavar="KNOB=a..b", help="the largest value that still trains, by halving; seed=0..4 asks all of them")
    _sweep_search.arguments(parser)
    parser.add_argument("--leave-out", action="store_true", help="leave out combinations that a rule of the lab refuses")
    parser.add_argument("--fresh", action="store_true", help="make every run anew, whatever exists")
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and write nothing")
    parser.add_argument("--detach", action="store_true", help="start it and leave; it goes on by itself")


def run(args: argparse.Namespace) -> int:
    data = data_folder()
    try:
        labs = catalog()
        lab = find_lab(labs, args.lab)
        planned, search = _wanted(lab, args)
        found = arms(data, lab, planned.declarations, fresh=args.fresh)
        estimated = estimate.of_many(data, [arm.declared for arm in found if arm.run is None])
        if not args.json:
            tell(False, None, [*_preview(planned, found, estimated), *_sweep_search.beginning(search, planned)])
        if args.dry_run:
            if args.json:
                tell(True, _document(None, found, {}, estimated), ())
            return ANSWERED
        sweep, found = create(data, lab, planned, fresh=args.fresh, search=search)
    except KnobError as error:
        hint = HINT if isinstance(error, RuleBroken) and not args.leave_out else ""
        raise Refusal(BAD_USAGE, f"{error}{hint}") from None
    except Refused as error:
        raise Refusal(BAD_USAGE, str(error)) from None
    except (OSError, SweepUnreadable) as error:
        raise Refusal(FAILED, str(error)) from None
    if args.detach:
        work_on_the_queue()
    else:
        with index(caught_up=False) as owner:
            sweep = wait(data, sweep, owner, executor(), labs)
            owner.catch_up()
    now = statuses(data, sweep)
    results, concluded = results_of(data, sweep)
    document = {**_document(sweep, found, member_runs(data, sweep), estimated), "statuses": now, **results}
    tell(args.json, document, [*_ended(sweep, document, now), *concluded])
    if broke := str((sweep.growing or {}).get("ended") or ""):
        raise Refusal(FAILED, f"No more runs follow: {broke}")
    return ANSWERED if args.detach else code_of(list(now.values()), missing=len(now) < len(sweep.members))


def _wanted(lab: LabJson, args: argparse.Namespace) -> tuple[Plan, dict[str, Any] | None]:
    """-> (the runs from which it begins, how it was asked for as the sweep's file holds it).  KnobError."""
    given = read_knobs(args.given)
    if (search := _sweep_search.searched(lab, args, given)) is not None:
        return search
    if args.edge is not None:
        if args.random is not None:
            raise KnobError("--edge and --random are two ways of choosing runs; give one of them.")
        return edge_request(lab, args.preset, given, args.edge)
    planned = plan(lab, args.preset, given, drawn=args.random, leave_out=args.leave_out)
    return planned, None if args.random is None else {"random": args.random}


def executor() -> Executor:
    """What starts the runs when nobody else does: torch is imported once for all of them."""
    return ForkingExecutor(data_folder())


def code_of(ends: Sequence[str], *, missing: bool = False) -> int:
    """A diverged arm is a result; a failed one is told before a stopped one."""
    codes = {CODE_OF_STATUS.get(status, ANSWERED) for status in ends}
    return FAILED if FAILED in codes else STOPPED if missing or STOPPED in codes else ANSWERED


def wait(data: Path, sweep: Sweep, owner: IndexOwner, starts: Executor, labs: Document) -> Sweep:
    """Until every run of the sweep has ended and none follows; as their supervisor, or beside the one that is on duty -> the sweep."""
    supervisor, progress, ready = Supervisor(data, starts), SweepProgress(sweep), False
    growth = Growth(data, lambda: owner.store, lambda name: next((lab for lab in labs["labs"] if lab["lab"] == name), None))
    now = statuses(data, sweep)
    left = [folder for folder in folders(data, sweep) if now[folder.run] not in ENDED]
    try:
        with asked_to_leave() as asked:
            told, grown = False, 0.0
            while left or sweep.open:
                if not ready and supervisor.acquire_duty():
                    ready = True
                    starts.start()
                if asked.is_set() and not told:
                    told = True
                    progress.say("stopping")
                    stop(data, sweep, starts)
                if reason := pass_of(supervisor):
                    progress.say(f"waits, for {reason}")
                    for folder in left:
                        not_started(folder, reason)
                owner.step()
                now |= {folder.run: folder.status() if folder.declared() else DELETED for folder in left}
                left = [folder for folder in left if now[folder.run] not in (*ENDED, DELETED)]
                if sweep.open and time.monotonic() >= grown:
                    grown = time.monotonic() + GROWS
                    if supervisor.acquire_duty():
                        growth.step()
                    if (newer := _reread(data, sweep)) != sweep:
                        sweep = newer
                        now |= statuses(data, sweep)
                        left = [folder for folder in folders(data, sweep) if now.get(folder.run) not in (*ENDED, DELETED)]
                progress.show(now)
                (threading.Event() if told else asked).wait(PASS)
            pass_of(supervisor)
            return sweep
    except KeyboardInterrupt:
        _end_what_has_not_begun(data, sweep, supervisor)
        raise
    finally:
        progress.close()
        supervisor.close()


def _reread(data: Path, sweep: Sweep) -> Sweep:
    """As its file says it now; of one that somebody deleted or spoilt what was known, closed."""
    try:
        return read_sweep(data, sweep.id)
    except (KeyError, SweepUnreadable):
        return sweep.opened(False)


def _end_what_has_not_begun(data: Path, sweep: Sweep, supervisor: Supervisor) -> None:
    """Workers that still import have nothing to save; those that train save and end by themselves."""
    new = [folder for folder in folders(data, sweep, own=True) if folder.status() not in ENDED]
    for folder in new:
        if not folder.state().get("step"):
            supervisor.executor.stop(folder, "terminate")
    until = time.monotonic() + LEAVING
    while any(supervisor.executor.status(f) not in ENDED for f in new if not f.state().get("step")) and time.monotonic() < until:
        time.sleep(EVERY)


def _document(sweep: Sweep | None, members: Sequence[Arm], runs: Mapping[str, str | None], estimated: estimate.Estimate) -> dict[str, Any]:
    declared = [
        {
            "run": runs.get(arm.identity) or arm.run,
            "knobs": dict(arm.declared.on_this_machine().flat),
            "new": arm.run is None,
            "code": arm.code,
        }
        for arm in members
    ]
    known = {arm.identity for arm in members}
    declared += [  # those that have followed since
        {"run": runs.get(one.identity), "knobs": unnest(dict(one.knobs)), "new": one.identity not in sweep.reused, "code": None}
        for one in (sweep.members if sweep else ())
        if one.identity not in known
    ]
    return {"sweep": sweep.id if sweep else None, "declarations": declared, "estimate": estimated.json()}


def _preview(planned: Plan, members: Sequence[Arm], estimated: estimate.Estimate) -> Iterator[str]:
    preset = f" --preset {planned.preset}" if planned.preset else ""
    fixed = "".join(f" {name}={written(value)}" for name, value in planned.base.items())
    several = "".join(f" {name}={','.join(map(written, values))}" for name, values in planned.axes.items())
    yield f"{planned.lab}{preset}{fixed}:{several} seed={','.join(map(str, planned.seeds))}"
    for sentence in sentences(members, estimated, planned.left_out):
        yield f"  {sentence}"
    yield ""
    names = [*planned.axes, "seed"]
    rows = [[*(written(arm.declared.flat.get(name)) for name in names), arm.run or "new", arm.code or ""] for arm in members]
    yield from table([*names, "run", "code"], rows)
    yield ""
    sys.stdout.flush()


def _ended(sweep: Sweep, document: Mapping[str, Any], now: Mapping[str, str]) -> Iterator[str]:
    names = [*(axis.knob for axis in sweep.axes), "seed"]
    rows = [
        [*(written(one["knobs"].get(name)) for name in names), now.get(str(one["run"]), "no run"), one["run"]]
        for one in document["declarations"]
    ]
    yield f"{sweep.id}:"
    yield from table([*names, "status", "run"], rows)
