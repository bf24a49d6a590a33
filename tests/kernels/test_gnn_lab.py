"""Lab `gnn` on its kernel, emulated: the network trains as on plain torch, and as on products with the whole matrix."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.labs.gnn._propagation import SUMS
from engine.labs.gnn.gnn import Gnn
from kernels.emulator.emulator import Emulator
from kernels.launch import KERNEL_PATH


def passed(layer: str, propagation: str) -> dict[str, Tensor]:
    """One training pass and its gradients."""
    lab = Gnn.model_validate(
        {"layer": layer, "propagation": propagation, "width": 6, "norm": "none", "graph": {"is": "barbell", "clique": 5, "path": 1}}
    )
    model = lab.model()
    loss = lab.loss(model, lab.batch(0), 0)["train"]
    loss.backward()
    return {"loss": loss.detach()} | {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("layer", SUMS)
def test_a_network_on_the_emulated_kernel_is_the_one_on_plain_torch(
    layer: str, cache: Path, host_compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, plain = passed(layer, "dense"), passed(layer, "csr")
    runner, launched = Emulator(folder=cache), []
    monkeypatch.setattr(KERNEL_PATH, "runner", lambda kernel, device: launched.append(kernel.name) or runner)
    kernel = passed(layer, "csr")
    assert set(launched) == {"csr_spmm"}
    for name, expected in dense.items():
        for way in (plain, kernel):
            torch.testing.assert_close(way[name], expected, rtol=1e-4, atol=1e-6, msg=lambda message, name=name: f"{name}: {message}")
