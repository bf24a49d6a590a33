"""How a training ends: finished, stopped, failed, diverged, and what the worker's process says of it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from engine.core.files import write_json
from engine.runs.folder import RunFolder, new_run
from engine.worker import checkpoint, memory
from engine.worker.callback import FolderGone
from engine.worker.fit import train
from engine.worker.life import sentence
from engine.worker.main import work
from tests.support.tiny_lab import Recorded, Tiny, new_folder, run_tiny
from tests.support.toy import until

# -- the end -------------------------------------------------------------------------------------------


def test_a_stop_file_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    class Stopping(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            if step == 10:
                (folder.path / "STOP").touch()

    folder = new_folder(tmp_path)
    assert train(Stopping(steps=100_000), folder) == "stopped"
    assert (folder.path / "ckpt" / "last.ckpt").is_file()
    assert folder.state()["step"] == len(Recorded(folder).points["loss/train"]) < 100_000


def test_a_run_that_is_asked_to_stop_before_it_begins_trains_nothing(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "STOP").touch()
    assert train(Tiny(), folder) == "stopped"
    assert not list(folder.path.glob("spool*"))


def test_a_held_run_waits_and_goes_on(tmp_path: Path) -> None:
    class Holding(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            if step == 5:
                hold.touch()
                threading.Timer(0.3, hold.unlink).start()

    folder = new_folder(tmp_path)
    hold = folder.path / "HOLD"
    assert train(Holding(steps=200), folder) == "finished"
    assert not hold.exists()
    plain = run_tiny(tmp_path, steps=200)[1]
    assert Recorded(folder).points["loss/train"] == plain.points["loss/train"]


def test_a_failing_lab_ends_failed_with_one_sentence_and_a_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_folder(tmp_path)
    monkeypatch.setattr("engine.worker.main.load_lab", lambda spec: Tiny(steps=50, break_at=20))
    monkeypatch.setattr("torch.set_num_interop_threads", lambda n: None)
    assert work(folder, threading.Event()) == ("failed", "RuntimeError: the lab broke on purpose")
    assert "Traceback" in capsys.readouterr().err
    saved = checkpoint.load(folder.path / "ckpt" / "last.ckpt")
    assert saved is not None
    assert saved["step"] == 20
    assert sorted(Recorded(folder).points["loss/train"]) == list(range(20))
    assert sentence(KeyError("no such thing")) == "KeyError: no such thing"


def test_a_run_whose_folder_is_deleted_ends_within_a_few_steps_and_writes_nothing(tmp_path: Path) -> None:
    taken: list[int] = []

    class Deleting(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            taken.append(step)
            if step == 5:
                shutil.rmtree(folder.path)

    folder = new_folder(tmp_path)
    with pytest.raises(FolderGone, match="is gone, so the run ends"):
        train(Deleting(steps=100_000), folder)
    assert len(taken) < 1000
    assert not folder.path.exists()


def test_a_run_whose_folder_was_replaced_by_another_leaves_that_alone(tmp_path: Path) -> None:
    class Moving(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            if step == 5:
                folder.path.rename(tmp_path / "elsewhere")
                folder.path.mkdir()

    folder = new_folder(tmp_path)
    with pytest.raises(FolderGone):
        train(Moving(steps=100_000), folder)
    assert not (folder.path / "ckpt").exists()


def test_a_run_that_wants_more_memory_than_there_was_when_it_began_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy(Tiny):
        def after_step(self, model: nn.Module, step: int) -> None:
            if step == 3:
                torch.empty(psutil.Process().memory_info().vms + 2**27, dtype=torch.uint8)

    folder = new_folder(tmp_path)
    monkeypatch.setattr("engine.worker.main.load_lab", lambda spec: Greedy(steps=50))
    monkeypatch.setattr("torch.set_num_interop_threads", lambda n: None)
    monkeypatch.setattr(memory, "available", lambda: 2**26)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    status, message = work(folder, threading.Event())
    assert status == "failed"
    assert message.startswith("Memory ran out: the run asked for more than there was.")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert sorted(Recorded(folder).points["loss/train"]) == [0, 1, 2]


def test_the_divergence_rule_ends_the_run_and_the_last_word_is_a_validation(tmp_path: Path) -> None:
    status, told, folder = run_tiny(tmp_path, steps=400, explode_at=60)
    assert status == "diverged"
    fired = next(step for step, kind in told.kinds() if kind == "divergence")
    assert 60 + 49 <= fired < 60 + 80
    assert max(told.points["loss/train"]) == fired
    assert fired in told.points["loss/validation"]
    assert (folder.path / "ckpt" / "last.ckpt").is_file()


def test_a_diverged_run_that_goes_on_reaches_its_last_step_and_stays_diverged(tmp_path: Path) -> None:
    status, told, folder = run_tiny(tmp_path, steps=200, nan_at=20, on_divergence="continue")
    assert status == "diverged"
    assert len(told.points["loss/train"]) == 200
    assert told.points["loss/validation"][199] == math.inf
    assert [(step, kind) for step, kind in told.kinds() if kind == "divergence"] == [(69, "divergence")] * 2
    assert [(step, kind) for step, kind in told.kinds() if kind == "nonfinite"] == [(20, "nonfinite")] * 2
    assert math.isnan(told.points["loss/train"][20])
    assert folder.state()["step"] == 200


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_and_probes_still_see_true_gradients(tmp_path: Path, precision: str) -> None:
    _, half, _ = run_tiny(tmp_path, steps=40, precision=precision)
    _, full, _ = run_tiny(tmp_path, steps=40)
    assert half.values("loss/train") != full.values("loss/train")
    np.testing.assert_allclose(half.values("loss/train"), full.values("loss/train"), rtol=0.1)
    np.testing.assert_allclose(half.values("grad_norm")[:5], full.values("grad_norm")[:5], rtol=0.1)


# -- the process ---------------------------------------------------------------------------------------


def moe_folder(data: Path, **over: Any) -> RunFolder:
    small = {"layers": 1, "experts": 4, "d_model": 8, "heads": 2, "context": 8, "batch_size": 2, "expert_width": 4, "device": "cpu"}
    spec = {"preset": None, "who": "test", "parent": None, "twin": None, "sweep": None}
    return new_run(data, "moe", {**spec, "knobs": {**small, **over}})


@contextlib.contextmanager
def worker(folder: RunFolder, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process, which is gone at the end whatever the test does."""
    command = [sys.executable, "-m", "engine.worker", str(folder.path)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with subprocess.Popen(command, env={**os.environ, **environment}, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_the_first_point(folder: RunFolder, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not (folder.path / "spool.1.bin").exists() or not Recorded(folder).points:
        assert process.poll() is None
        assert time.monotonic() < deadline, "no point after four minutes"
        time.sleep(0.05)


def test_the_worker_process_tells_its_end_and_says_nothing_else(tmp_path: Path) -> None:
    folder = moe_folder(tmp_path, steps=5)
    with worker(folder, MKL_CBWR="COMPATIBLE") as process:
        said, _ = process.communicate()
    assert (process.returncode, said) == (0, "")
    told = folder.exit()
    assert told is not None
    assert (told["status"], told["code"], told["says"]) == ("finished", 0, "")
    provenance = json.loads((folder.path / "provenance.json").read_text())
    assert list(provenance) == ["commit", "dirty", "python", "packages", "environment", "device", "kernels", "data", "stack"]
    assert provenance["stack"] is None, "it was trained alone"
    assert provenance["packages"]["torch"] == torch.__version__
    assert provenance["device"].startswith("cpu: ")
    assert provenance["environment"]["MKL_CBWR"] == "COMPATIBLE", "started by hand, so nobody had cleared it"
    assert provenance["environment"]["OMP_NUM_THREADS"] == "1"


def test_sigterm_ends_a_worker_that_is_still_importing_at_once(tmp_path: Path) -> None:
    folder = moe_folder(tmp_path, steps=1_000_000)
    with worker(folder) as process:
        until(lambda: folder.state().get("phase") == "starting")
        process.terminate()
        said, _ = process.communicate()
    assert (process.returncode, said) == (6, "")
    told = folder.exit()
    assert told is not None
    assert (told["status"], told["says"]) == ("stopped", "Stopped while it was starting; nothing was trained.")
    assert not list(folder.path.glob("spool*"))


def test_sigterm_ends_the_worker_gracefully(tmp_path: Path) -> None:
    folder = moe_folder(tmp_path, steps=1_000_000)
    with worker(folder) as process:
        wait_for_the_first_point(folder, process)
        os.kill(process.pid, signal.SIGTERM)
        said, _ = process.communicate()
    assert (process.returncode, said) == (6, "")
    assert folder.status() == "stopped"
    saved = checkpoint.load(folder.path / "ckpt" / "last.ckpt")
    assert saved is not None
    assert saved["step"] == len(Recorded(folder).points["loss/train"]) == folder.state()["step"]


def test_a_worker_with_a_declaration_that_does_not_hold_fails_in_one_sentence(tmp_path: Path) -> None:
    folder = new_run(tmp_path, "moe", {"knobs": {}})
    write_json(folder.path / "spec.json", {"run": folder.run, "lab": "mo", "knobs": {}})
    with worker(folder) as process:
        process.communicate()
    assert process.returncode == 3
    told = folder.exit()
    assert told is not None
    assert told["status"] == "failed"
    assert 'did you mean "moe"?' in told["says"]
