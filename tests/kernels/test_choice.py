"""Which path runs is decided once, told once, and told truly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.norms import norms
from engine.training import train
from kernels import launch
from kernels.launch import CHOICE, Choice
from kernels.tensor_stats import KERNEL, reference, tensor_stats
from tests.tiny_lab import Tiny, Told, new_folder


def test_a_cpu_takes_the_reference_and_tells_why() -> None:
    choice, told = Choice(), []
    choice.listeners.append(told.append)
    for _ in range(3):
        assert choice.runner(KERNEL, torch.device("cpu")) is None
    assert told == [{"tensor_stats": "reference: the tensors are on the CPU"}]
    choice.prefer("reference")
    choice.runner(KERNEL, torch.device("cpu"))
    assert choice.record == {"tensor_stats": "reference: the knob kernels asks for it"}
    with pytest.raises(ValueError, match="fast"):
        choice.prefer("fast")


def test_a_fallback_on_a_machine_with_a_gpu_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(device: torch.device) -> None:
        raise RuntimeError("CUDA_ERROR_NO_BINARY_FOR_GPU")

    monkeypatch.setattr(launch, "Gpu", broken)
    choice = Choice()
    with pytest.warns(RuntimeWarning, match="falls back to plain torch: RuntimeError: CUDA_ERROR_NO_BINARY"):
        assert choice.runner(KERNEL, torch.device("cuda", 0)) is None
    assert choice.runner(KERNEL, torch.device("cuda", 0)) is None, "and is silent from then on"
    assert choice.record["tensor_stats"].startswith("reference: RuntimeError")


def test_norms_on_a_cpu_are_those_of_torch_bit_for_bit() -> None:
    tensors = [torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in (1, 17, 1000)]
    assert torch.equal(norms([tensors[0], None, *tensors[1:]])[[0, 2, 3]], torch.stack(torch._foreach_norm(tensors)))


def test_statistics_agree_with_norms_on_a_cpu() -> None:
    tensors = [torch.randn(n, generator=torch.Generator().manual_seed(n)) for n in (1, 17, 1000)]
    torch.testing.assert_close(tensor_stats(tensors).norms_P, norms(tensors))
    assert reference([]).values_P5.shape == (0, 5)


def test_auto_and_reference_give_the_same_bytes_on_a_cpu(tmp_path: Path) -> None:
    found = []
    for mode in ("auto", "reference"):
        CHOICE.prefer(mode)
        folder = new_folder(tmp_path)
        train(Tiny(steps=25, clip=0.5, kernels=mode, nan_at=20), folder)
        points = Told(folder).points
        found.append({key: repr(points[key]) for key in points if not key.startswith("time/")})
    CHOICE.prefer("auto")
    assert {"grad_norm", "weight_norm", "nonfinite", "update_ratio", "loss/train"} <= set(found[0])
    assert found[0] == found[1]
