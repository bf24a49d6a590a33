"""The benchmark's bookkeeping without a GPU: turns, quartiles, a peer that cannot run; and the folder works when copied alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.commands.kernels import _lines
from kernels import bench
from kernels.kernel import HERE, Case, names
from pages.parts.kernels import against, roofline


def counted(run: Callable[[], Any]) -> float:
    """A timer that reads a run's own answer, so that the test has no clock."""
    return float(run())


def test_runs_take_turns_and_the_order_moves_on() -> None:
    seen: list[str] = []
    runs = {name: (lambda name=name: seen.append(name) or len(seen)) for name in "abc"}
    told = bench.interleaved(runs, counted, 3, lambda: None)
    assert "".join(seen) == "abcbcacab"
    assert told["a"] == bench.quartiles([1.0, 6.0, 8.0]) == {"median": 6.0, "lower": 3.5, "upper": 7.0}


def test_one_size_is_told_in_the_form_that_page_and_command_line_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ImportError("No module named triton")

    for name, stand_in in (("on_device", counted), ("on_host", lambda run, n: 1e-6), ("launches", lambda run: 1)):
        monkeypatch.setattr(bench, name, stand_in)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    case = Case("made up", 1000, lambda: 2.0, {"eager": lambda: 6.0, "compiled": broken})
    told = bench.one_size(case, lambda: None, 1000.0)
    assert told["share_of_copy"] == 0.5
    assert told["not_run"] == {"compiled": "ImportError: No module named triton"}
    assert set(told["runs"]) == {"ours", "eager"}
    (row,) = against([told])
    assert (row["peer takes"], row["share of a copy"]) == ("3.00×", "50%")
    assert {trace.name: trace.y[0] for trace in roofline([told]).data} == {"ours": 0.5, "eager": pytest.approx(1 / 6)}
    line = {"kernel": "x", "path": "kernel", "why": "", "targets": [], "parity": None, "bench": {"sizes": [told]}}
    assert "eager 3.00×" in _lines([line])[-1]


def test_a_kernel_that_breaks_leaves_the_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(kernel: Any, *_: Any) -> dict[str, Any]:
        if kernel.name == "first":
            raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS")
        return {"parity": "passed", "problems": [], "sizes": []}

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    monkeypatch.setattr(bench, "measured", measured)
    told = dict(bench._each([Named("first"), Named("second")], torch.device("cpu"), 1.0, lambda message: None))
    assert told["first"]["problems"] == ["RuntimeError: CUDA_ERROR_ILLEGAL_ADDRESS"]
    assert told["second"]["parity"] == "passed"


def test_the_folder_works_when_it_is_copied_alone(tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    ask = (
        "import sys; from pathlib import Path; from kernels.kernel import kernel, names, HERE; import torch\n"
        "assert HERE == Path.cwd().resolve() / 'kernels'; [list(kernel(n).samples()) for n in names()]\n"
        "from kernels.tensor_stats.tensor_stats import tensor_stats; assert tensor_stats([torch.ones(4)]).norms_P[0] == 2\n"
        "print(*names(), *({m.partition('.')[0] for m in sys.modules} & {'engine', 'pages', 'streamlit', 'lightning'}))"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == names()
