"""What pages ask of sweeps: a preview before anything starts, the launch, and orders to all runs of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.declare.lab_catalog import Document
from engine.declare.resolve import declaration
from engine.declare.sweep import MOST, Plan, more_seeds, plan
from engine.runs.ending import ENDED
from engine.runs.sweep_file import SweepUnreadable, read_sweep, reused_by_others
from engine.scheduler import estimate, sweep_control
from engine.scheduler.control import Refused
from engine.scheduler.executor import Executor
from engine.scheduler.preview import sentences
from engine.scheduler.submit import find_lab
from engine.scheduler.supervisor import Supervisor
from engine.scheduler.sweeps import Arm, arms, create, extend
from engine.search.maps import MapRequest, map_request
from engine.search.maps import preview as preview_of_map


@dataclass(frozen=True)
class Preview:
    """What a sweep comes to: its plan, its arms with the runs that exist, and in plain words how many and how long."""

    plan: Plan
    arms: list[Arm]
    estimate: estimate.Estimate
    sentences: list[str]

    @property
    def new(self) -> int:
        return sum(arm.run is None for arm in self.arms)


@dataclass(frozen=True)
class Lost:
    """`own`: runs that go with a sweep where that is wanted.  `kept`: those that were there before, or that other sweeps use.  `living`:
    runs that go on, for which nothing can be deleted yet."""

    own: list[str]
    kept: list[str]
    living: list[str]


@dataclass(frozen=True)
class MapPreview:
    """What a map comes to: what it begins with, with the runs that exist, and in plain words how many and how long."""

    request: MapRequest
    arms: list[Arm]
    sentences: list[str]

    @property
    def new(self) -> int:
        return sum(arm.run is None for arm in self.arms)


class Sweeps:
    """`labs` waits for the labs document; `has_room` refuses more runs than a person may have waiting."""

    def __init__(
        self,
        data: Path,
        supervisor: Supervisor,
        executor: Executor,
        labs: Callable[[], Document],
        has_room: Callable[[str | None, int], None],
    ) -> None:
        self.data, self._supervisor, self._executor, self._labs, self._has_room = data, supervisor, executor, labs, has_room

    def preview(
        self, lab: str, preset: str | None, given: Mapping[str, Any], *, drawn: int | None = None, leave_out: bool = False
    ) -> Preview:
        """KnobError, in one sentence, for what cannot be swept (RuleBroken where a rule of the lab refuses a combination)."""
        entry = find_lab(self._labs(), lab)
        planned = plan(entry, preset, given, drawn=drawn, leave_out=leave_out)
        return self._seen(planned, arms(self.data, entry, planned.declarations))

    def preview_of_presets(self, lab: str, preset: str, compared: Sequence[str], seeds: Sequence[int]) -> Preview:
        """The presets that the card of `preset` compares, each with these seeds, as one sweep of it.  KnobError, in one sentence."""
        entry = find_lab(self._labs(), lab)
        declared = tuple(declaration(entry, name, {"seed": seed}) for name in compared for seed in seeds)
        return self._seen(Plan(lab, preset, {}, {}, tuple(seeds), declared), arms(self.data, entry, declared))

    def launch(self, preview: Preview, who: str | None = None, drawn: int | None = None) -> str:
        """Queue what is new of it -> the sweep's id.  Errors as `preview`; Refused for more runs than `who` may have waiting; OSError."""
        self._has_room(who, preview.new)
        search = None if drawn is None else {"random": drawn}
        sweep, _ = create(self.data, find_lab(self._labs(), preview.plan.lab), preview.plan, who=who, search=search)
        self._supervisor.wake()
        return sweep.id

    def preview_map(self, lab: str, preset: str | None, given: Mapping[str, Any], **how: Any) -> MapPreview:
        """KnobError, in one sentence, for what makes no map; `how` as `map_request`."""
        entry = find_lab(self._labs(), lab)
        request = map_request(entry, preset, given, **how)
        begun = arms(self.data, entry, request.plan.declarations)
        return MapPreview(request, begun, preview_of_map(self.data, request, begun))

    def launch_map(self, preview: MapPreview, who: str | None = None) -> str:
        """Queue what it begins with -> the sweep's id; it grows by itself.  Errors as `launch`."""
        self._has_room(who, preview.new)
        entry = find_lab(self._labs(), preview.request.plan.lab)
        sweep, _ = create(self.data, entry, preview.request.plan, who=who, map=preview.request.setting)
        self._supervisor.wake()
        return sweep.id

    def add_seeds(self, sweep: str, count: int, who: str | None = None) -> int:
        """Every arm of it with so many seeds more -> how many runs are new.  Errors as `launch`; KeyError; SweepUnreadable."""
        found = read_sweep(self.data, sweep)
        entry = find_lab(self._labs(), found.lab)
        if entry.get("edition", 1) != found.edition:
            raise Refused(f"{sweep} was made with edition {found.edition} of {found.lab}; today's is {entry['edition']}: make a new sweep.")
        last = max(found.seeds, default=-1)
        planned = more_seeds(entry, found.preset, [member.knobs for member in found.members], range(last + 1, last + 1 + count))
        if len(found.members) + len(planned.declarations) > MOST:
            raise Refused(f"{sweep} would have {len(found.members) + len(planned.declarations):,} runs; at most {MOST} are allowed.")
        self._has_room(who, sum(arm.run is None for arm in arms(self.data, entry, planned.declarations)))
        _, added = extend(self.data, entry, found, planned)
        self._supervisor.wake()
        return sum(arm.run is None for arm in added)

    def stop(self, sweep: str) -> None:
        """Ask every run that it made to stop.  KeyError, SweepUnreadable or Refused, in one sentence, as all orders here."""
        sweep_control.stop(self.data, read_sweep(self.data, sweep), self._executor)
        self._supervisor.wake()

    def hold(self, sweep: str) -> None:
        """Hold what trains, pause what waits."""
        sweep_control.hold(self.data, read_sweep(self.data, sweep))

    def go_on(self, sweep: str) -> None:
        """Let what is held or paused go on."""
        sweep_control.go_on(self.data, read_sweep(self.data, sweep))
        self._supervisor.wake()

    def resume(self, sweep: str) -> list[str]:
        """Let all go on, and try again what failed or is missing -> why some runs cannot go on."""
        _, against = sweep_control.resume(self.data, read_sweep(self.data, sweep), self._executor)
        self._supervisor.wake()
        return against

    def lost_with(self, sweep: str) -> Lost:
        """What deleting it would take, before anything is deleted; of one that cannot be read no runs."""
        try:
            found = read_sweep(self.data, sweep)
        except SweepUnreadable:
            return Lost([], [], [])
        standing = sweep_control.statuses(self.data, found)
        kept = {*found.reused.values(), *reused_by_others(self.data, sweep)}
        living = [run for run, status in standing.items() if status not in (*ENDED, "queued")]
        return Lost([run for run in standing if run not in kept], [run for run in standing if run in kept], living)

    def delete(self, sweep: str, *, runs: bool) -> list[str]:
        """Forget it, and with `runs` the runs that it alone made -> the runs that are gone."""
        gone, _ = sweep_control.delete(self.data, sweep, runs=runs)
        return gone

    def _seen(self, planned: Plan, members: list[Arm]) -> Preview:
        estimated = estimate.of_many(self.data, [arm.declared for arm in members if arm.run is None])
        return Preview(planned, members, estimated, sentences(members, estimated, planned.left_out))
