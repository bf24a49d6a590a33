"""A lab that plays is stopped, held, killed and resumed as every training: each lab that plays, and one made for this."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.declare.knobs import knob
from engine.labs.lab import Lab
from engine.labs.play import PlayContext, Played
from engine.labs.probe import PRICES, Probe, Reading
from engine.runs.event import Event
from engine.worker import play as player
from engine.worker.play import play, without_a_model
from tests.support.small_labs import SMALL
from tests.support.tiny_lab import Recorded, new_folder

LABS = {name: lab for name, lab in Catalog("", Lab).load()[0].items() if "play" in lab.provides}


class Dice(Lab):
    """Adds up what it throws, from a generator of its own; a picture and an event now and then."""

    title = "Dice"
    presets = {}
    provides = frozenset({"play"})

    device: str = knob("cpu", "where to play")
    ends_at: int = knob(10**6, "step before which it has nothing more to do", ge=0, le=10**6)
    breaks_at: int = knob(10**6, "step that raises", ge=0, le=10**6)
    nan_at: int = knob(10**6, "step from which the loss is no number", ge=0, le=10**6)

    def play(self, ctx: PlayContext) -> Iterator[Played]:
        ctx.state = ctx.state or {"sum": torch.zeros(()), "throws": 0}
        for step in range(ctx.done, min(ctx.steps, self.ends_at)):
            if step == self.breaks_at:
                raise RuntimeError("the die is lost")
            ctx.state["sum"] += torch.randint(1, 7, (), generator=ctx.generator("die")) + torch.rand(())
            ctx.state["throws"] += 1
            loss = float("nan") if step >= self.nan_at else 1.0 / (1.0 + step)
            if step % 20 == 0:
                ctx.picture("die", torch.rand((4, 4), generator=ctx.generator("pixels")), "One throw.")
            events = [Event(step, "intervention", "dice", message="Thrown again.")] if step % 30 == 7 else []
            yield Played([Reading("loss/train", loss), Reading("dice/sum", ctx.state["sum"]), Reading("dice/faces", [1.0, step])], events)


class Stopping(threading.Event):
    """Asks to stop once it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def whole(lab: Lab, data: Path) -> tuple[str, Recorded]:
    folder = new_folder(data)
    return play(lab, folder), Recorded(folder)


def assert_resumed(lab: Lab, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped again and again, it goes the way that it goes undisturbed."""
    monkeypatch.setattr(player, "LOOK_SECONDS", 0.0)
    status, undisturbed = whole(lab, data)
    folder = new_folder(data)
    for _ in range(4):
        assert play(lab, folder, Stopping(lab.steps // 5)) == "stopped"
    assert play(lab, folder) == status
    again = Recorded(folder)
    assert again.timeless() == undisturbed.timeless()
    assert len([steps for steps in again.steps_of if steps]) >= 4
    assert events(again) == events(undisturbed)


def events(recorded: Recorded) -> list[dict[str, Any]]:
    """What happened, without the time at which it did, and without checkpoints."""
    return [{k: v for k, v in event.items() if k != "t"} for event in recorded.events if event["kind"] != "checkpoint"]


KILLED = """
import os, signal, sys, threading
from pathlib import Path
from engine.core.catalog import Catalog
from engine.labs.lab import Lab
from engine.runs.folder import RunFolder
from engine.worker import callback, play

class Killing(threading.Event):
    looks = 0
    def is_set(self):
        self.looks += 1
        if self.looks > 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

callback.SAVE_SECONDS = callback.STATE_SECONDS = play.LOOK_SECONDS = 0.0
callback.SAVE_SHARE = 1e9
lab = Catalog("", Lab)[sys.argv[1]].model_validate_json(sys.argv[2])
play.play(lab, RunFolder(Path(sys.argv[3])), Killing())
"""


@pytest.mark.parametrize("name", LABS)
def test_a_lab_that_plays_is_resumed_bit_for_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = LABS[name].model_validate({**SMALL.get(name, {}), "device": "cpu", "steps": 60})
    assert_resumed(lab, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", LABS)
def test_a_lab_that_plays_outlives_a_kill_bit_for_bit(name: str, tmp_path: Path) -> None:
    knobs = {**SMALL.get(name, {}), "device": "cpu", "steps": 60}
    folder = new_folder(tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, name, json.dumps(knobs), str(folder.path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    before = len(Recorded(folder).points["loss/train"])
    assert 0 < before < 60
    lab = LABS[name].model_validate(knobs)
    assert play(lab, folder) == whole(lab, tmp_path)[0]
    again = Recorded(folder)
    assert again.timeless() == whole(lab, tmp_path)[1].timeless()
    assert len(again.steps_of[-1]) < 60, "it began from a checkpoint"


def test_streams_state_events_and_pictures_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_resumed(Dice(steps=80), tmp_path, monkeypatch)
    _, told = whole(Dice(steps=80), tmp_path)
    assert (7, "intervention") in told.kinds()
    assert (20, "image") in told.kinds()
    assert told.vectors["dice/faces"][79] == (1.0, 79.0)


@pytest.mark.parametrize("name", LABS)
def test_the_same_is_read_whatever_else_is_measured(name: str, tmp_path: Path) -> None:
    told = [whole(LABS[name].model_validate({**SMALL.get(name, {}), "device": "cpu", "steps": 25, "probes": p}), tmp_path) for p in PRICES]
    free = told[0][1].timeless()
    assert len(free["loss/train"]) == 25
    assert [{key: found.timeless()[key] for key in free} for _, found in told] == [free] * len(PRICES)


def test_a_probe_that_asks_for_a_module_an_optimizer_or_its_rate_is_left_out() -> None:
    lab, probes = Dice(), Catalog("probes", Probe).load()[0]
    taken = {name for name, kind in without_a_model(lab, probes).items() if not kind.needs}
    assert {"loss_train", "step_time", player.OWN} <= taken
    assert not taken & {"grad_norm", "weight_norm", "update_ratio", "activation_rms", "adam_moments", "nonfinite", "loss_validation", "lr"}


def test_one_that_has_nothing_more_to_do_has_finished(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    assert play(Dice(steps=50, ends_at=12), folder) == "finished"
    assert len(Recorded(folder).points["loss/train"]) == 12
    assert folder.state()["step"] == folder.state()["steps"] == 12


def test_a_failure_keeps_what_was_and_says_why(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    with pytest.raises(RuntimeError, match="the die is lost"):
        play(Dice(breaks_at=9), folder)
    assert len(Recorded(folder).points["loss/train"]) == 9


@pytest.mark.parametrize(("rule", "steps"), [("stop", 60), ("continue", 90)])
def test_the_divergence_rule_ends_it_or_lets_it_go_on(rule: str, steps: int, tmp_path: Path) -> None:
    status, told = whole(Dice(steps=90, nan_at=10, on_divergence=rule), tmp_path)
    assert status == "diverged"
    assert len(told.points["loss/train"]) == steps


def test_a_held_one_waits_and_a_stop_ends_the_waiting(tmp_path: Path) -> None:
    folder, stop = new_folder(tmp_path), threading.Event()
    (folder.path / "HOLD").touch()
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(play(Dice(steps=10), folder, stop)))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    stop.set()
    thread.join(60)
    assert ended == ["stopped"]
