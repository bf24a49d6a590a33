"""`python -m engine kernels`: one document, exit 3 when a check fails, and words for what is not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine import __main__ as command_line
from kernels import check, recorded
from kernels.kernel import names


@pytest.fixture
def ask(cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("FAULTLINE_KERNELS", str(cache))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = command_line.main(["kernels", *arguments])
        return code, *capfd.readouterr()

    return call


def test_the_list_tells_each_kernel_with_seven_architectures_and_why_it_does_not_run_here(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, _ = ask("--json")
    rows = json.loads(out)["kernels"]
    assert code == 0
    assert [row["kernel"] for row in rows] == names()
    for row in rows:
        assert row["path"] == "reference"
        assert "CUDA device" in row["why"]
        assert [t["arch"] for t in row["targets"]] == ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
        assert all(t["spills"] == 0 and t["registers"] > 0 for t in row["targets"])
        assert row["parity"] is None


def test_a_check_compiles_and_compares(ask, nvrtc: tuple[int, int], host_compiler: str) -> None:
    code, out, err = ask("tensor_stats", "--check", "--json")
    (row,) = json.loads(out)["kernels"]
    assert (code, row["problems"], row["parity"], len(row["targets"])) == (0, [], "passed", 7)
    assert not err


def test_a_failed_check_is_exit_3_and_says_what_failed(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = check.Report({"sm_90": {"tensor_stats<true>": {"registers": 99, "spills": 8, "shared": 0}}}, "failed", ["It spills 8 bytes."])
    monkeypatch.setattr(check, "examine", lambda kernel: bad)
    code, out, _ = ask("tensor_stats", "--check")
    assert code == 3
    assert "! tensor_stats: It spills 8 bytes." in out


def test_what_cannot_be_done_is_one_sentence(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = ask("tensor_stat")
    assert code == 2
    assert 'did you mean "tensor_stats"' in err
    code, _, err = ask("--bench")
    assert code == 2
    assert "no CUDA device" in err
    assert ask("--write")[0] == 2


def test_every_recorded_measurement_names_its_device_versions_and_date() -> None:
    for one in recorded.benches():
        assert {"device", "versions", "date", "copy_bytes_per_second", "kernels"} <= set(one)
