"""An input that a kernel cannot take runs its reference and is told: never a silent reference, in any kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.labs.common.norms import norms, statistics
from kernels.csr_spmm.csr_spmm import csr_spmm
from kernels.csr_spmm.samples import power_law_tiny
from kernels.emulator.emulator import Emulator
from kernels.kernel import names
from kernels.launch import KERNEL_PATH
from kernels.moe_route.moe_route import moe_route
from kernels.moe_route.sort import moe_sort
from kernels.sinkhorn.sinkhorn import sinkhorn
from kernels.spam_adam.spam_adam import Hyper, spam_adam
from kernels.tensor_stats.tensor_stats import tensor_stats

GRAPH = power_law_tiny()
FORMATS = (torch.float64, torch.float16, torch.bfloat16)


def update(weight: Tensor, gradient: Tensor) -> Tensor:
    return spam_adam([weight], [gradient], [torch.zeros_like(weight)], [torch.zeros_like(weight)], [], Hyper(lr=0.1))


def laid_out(shape: tuple[int, ...], layout: str) -> Tensor:
    plain = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return {"channels last": lambda: plain.to(memory_format=torch.channels_last), "transposed": lambda: plain.mT.contiguous().mT}[layout]()


# kernel -> what a user may hand it: by number format, and by order in memory
BY_FORMAT: dict[str, list[Callable[[torch.dtype], Any]]] = {
    "csr_spmm": [
        lambda f: csr_spmm(GRAPH, torch.ones(29, 4, dtype=f)),
        lambda f: csr_spmm(GRAPH, torch.ones(29, 4, dtype=f), reduce="max"),
    ],
    "moe_route": [lambda f: moe_route(torch.ones(5, 4, dtype=f), 2), lambda f: moe_route(torch.ones(5, 300, dtype=f), 2)],
    "sinkhorn": [lambda f: sinkhorn(torch.ones(5, 4, dtype=f), 2)],
    "spam_adam": [
        lambda f: update(torch.ones(5, dtype=f), torch.ones(5, dtype=f)),
        lambda f: update(torch.ones(5), torch.ones(5, dtype=f)),
    ],
    "tensor_stats": [
        lambda f: tensor_stats([torch.ones(5, dtype=f), torch.ones(3)]),
        lambda f: statistics([torch.ones(5, dtype=f)]),
        lambda f: norms([torch.ones(5, dtype=f)]),
    ],
}
BY_LAYOUT: dict[str, Callable[[Tensor], Any]] = {
    "csr_spmm": lambda x: csr_spmm(GRAPH, x.flatten(1)),
    "moe_route": lambda x: moe_route(x.flatten(1), 2),
    "sinkhorn": lambda x: sinkhorn(x.flatten(1), 2),
    "spam_adam": lambda x: update(x, torch.ones_like(x)),
    "tensor_stats": lambda x: tensor_stats([x]),
}


@pytest.fixture
def tally(monkeypatch: pytest.MonkeyPatch, cache: Path, host_compiler: str) -> dict[str, list[str]]:
    """What was launched, and what was refused and why, on the emulated kernels."""
    counted: dict[str, list[str]] = {"launched": [], "refused": []}
    emulator = Emulator(folder=cache)

    class Counting:
        device = emulator.device

        def launch(self, kernel: Any, *given: Any, **more: Any) -> None:
            counted["launched"].append(kernel.name)
            emulator.launch(kernel, *given, **more)

    runner = Counting()
    monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device: runner)
    monkeypatch.setattr(KERNEL_PATH, "refuse", lambda kernel, device, why: counted["refused"].append(f"{kernel.name}: {why}"))
    return counted


def test_every_kernel_is_among_them() -> None:
    assert set(BY_FORMAT) == set(BY_LAYOUT) == set(names())


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", BY_FORMAT)
def test_a_format_is_taken_or_refused_with_a_reason(name: str, dtype: torch.dtype, tally: dict[str, list[str]]) -> None:
    for call in BY_FORMAT[name]:
        tally["launched"].clear()
        tally["refused"].clear()
        call(dtype)
        assert tally["launched"] or tally["refused"], "the reference ran and nobody was told"
        for why in tally["refused"]:
            assert why.startswith(f"{name}: it takes")
            assert str(dtype).removeprefix("torch.") in why


@pytest.mark.parametrize("layout", ["channels last", "transposed"])
@pytest.mark.parametrize("name", BY_LAYOUT)
def test_an_order_in_memory_is_taken_or_refused_with_a_reason(name: str, layout: str, tally: dict[str, list[str]]) -> None:
    BY_LAYOUT[name](laid_out((29, 3, 2, 5), layout))
    assert tally["launched"] or tally["refused"]
    if name == "spam_adam":
        assert "side by side" in tally["refused"][0]


def test_too_many_experts_are_refused(tally: dict[str, list[str]]) -> None:
    moe_route(torch.ones(5, 300), 2)
    moe_sort(torch.zeros(5, 2, dtype=torch.int64), 300)
    assert len(tally["refused"]) == 2
    assert not tally["launched"]
