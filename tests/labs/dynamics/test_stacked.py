"""Many runs of `trainability` in one go are the single runs, bit for bit, whatever rates and seeds they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.labs.dynamics.trainability import Trainability
from engine.worker import callback, checkpoint, stack
from engine.worker.play import play
from tests.support.stacked_runs import folder_of, train_together
from tests.support.tiny_lab import Recorded

SOME: list[dict[str, Any]] = [
    {"seed": 0},
    {"seed": 3, "lr_in": 300.0, "lr_out": 0.5},
    {"seed": 0, "data_seed": 7, "init_in": 2.0, "lr": 0.3},
    {"seed": 1, "lr_in": 1e9},  # its numbers leave the finite ones
]


@pytest.mark.parametrize("depth", [1, 3])
def test_every_member_is_its_single_run_bit_for_bit(depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labs = [Trainability(steps=40, depth=depth, warmup=10, probes="dear", **knobs) for knobs in SOME]
    folders, code = train_together(tmp_path, labs, monkeypatch, "trainability")
    assert code == 0
    for lab, folder in zip(labs, folders, strict=True):
        alone = folder_of(tmp_path, lab, "trainability")
        assert play(lab, alone) == "finished"
        assert Recorded(folder).timeless() == Recorded(alone).timeless()
        assert "trainability/value" in Recorded(folder).points


def test_a_member_that_stops_goes_on_alone_and_the_others_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "LOOK_SECONDS", 0.0)
    labs = [Trainability(steps=30, **knobs) for knobs in SOME[:3]]
    drawn = callback.Control.between_steps

    def between(self: callback.Control, training: Any) -> None:
        if self.progress.done == 11 and training.lab.seed == 3:
            (self.folder.path / "STOP").touch()
        drawn(self, training)

    monkeypatch.setattr(callback.Control, "between_steps", between)
    folders, _ = train_together(tmp_path, labs, monkeypatch, "trainability")
    assert [folder.status() for folder in folders] == ["finished", "stopped", "finished"]
    saved = checkpoint.load(folders[1].path / "ckpt" / "last.ckpt") or {}
    assert (saved["step"], saved["played"]["weight.0"].untyped_storage().nbytes()) == (11, 8 * 16 * 16)
    monkeypatch.setattr(callback.Control, "between_steps", drawn)
    (folders[1].path / "STOP").unlink()
    assert play(labs[1], folders[1]) == "finished"
    for lab, folder in zip(labs, folders, strict=True):
        alone = folder_of(tmp_path, lab, "trainability")
        assert play(lab, alone) == "finished"
        assert Recorded(folder).timeless() == Recorded(alone).timeless()
