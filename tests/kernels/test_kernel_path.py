"""Which path runs is decided once, told once, and told truly."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest
import torch

from engine.core.catalog import Catalog
from engine.labs.common.norms import norms
from engine.labs.lab import Lab
from engine.labs.moe.remedies.router import RouterChoice
from engine.worker.fit import train
from kernels import launch
from kernels.launch import KERNEL_PATH, KernelPath
from kernels.tensor_stats.tensor_stats import KERNEL, reference, tensor_stats
from tests.support.small_labs import SMALL
from tests.support.tiny_lab import Recorded, Tiny, new_folder


def test_a_cpu_takes_the_reference_and_tells_why() -> None:
    choice, told = KernelPath(), []
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
    choice = KernelPath()
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


def curves(lab: Lab, mode: str, data: Path) -> dict[str, dict[int, str]]:
    """Everything that a run tells, as its bits."""
    KERNEL_PATH.prefer(mode)
    folder = new_folder(data)
    try:
        train(lab, folder)
    finally:
        KERNEL_PATH.prefer("auto")
    return Recorded(folder).timeless()


def test_auto_and_reference_give_the_same_bytes_on_a_cpu(tmp_path: Path) -> None:
    auto, reference = (curves(Tiny(steps=25, clip=0.5, kernels=mode, nan_at=20), mode, tmp_path) for mode in ("auto", "reference"))
    assert {"grad_norm", "weight_norm", "nonfinite", "update_ratio", "loss/train"} <= set(auto)
    assert auto == reference


LABS = Catalog("", Lab)
TRAINED = [name for name, lab in LABS.load()[0].items() if "play" not in lab.provides]  # a lab that plays has no kernel and no optimizer


@pytest.mark.parametrize(("name", "optimizer"), list(zip(TRAINED, cycle(("adamw", "spam")), strict=False)))
@pytest.mark.usefixtures("networks")
def test_auto_and_reference_give_the_same_bytes_in_every_lab_on_a_cpu(name: str, optimizer: str, tmp_path: Path) -> None:
    knobs = {"device": "cpu", "steps": 4, **SMALL.get(name, {}), "optimizer": optimizer}
    auto, reference = (curves(LABS[name].model_validate({**knobs, "kernels": mode}), mode, tmp_path) for mode in ("auto", "reference"))
    assert len(auto["loss/train"]) == 4
    assert auto == reference


@pytest.mark.parametrize("answer", RouterChoice.answers())
def test_auto_and_reference_give_the_same_bytes_with_every_router_on_a_cpu(answer: str, tmp_path: Path) -> None:
    knobs = {"device": "cpu", "steps": 4, **SMALL["moe"], "router": answer}
    auto, reference = (curves(LABS["moe"].model_validate({**knobs, "kernels": mode}), mode, tmp_path) for mode in ("auto", "reference"))
    assert {"router/load@blocks.0.moe", "router/entropy@blocks.1.moe"} <= set(auto)
    assert auto == reference
