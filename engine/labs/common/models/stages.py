"""The stages of a network: the modules between which its main signal passes."""

from __future__ import annotations

from torch import nn


def stages(model: nn.Module) -> dict[str, nn.Module]:
    """Dotted name -> module: the elements of every outermost list or sequence of modules (the blocks of a transformer),
    or the direct children of a model that has none."""
    out: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList | nn.Sequential) and not any(name.startswith(f"{inside}.") or name == inside for inside in out):
            out |= {f"{name}.{child}" if name else child: part for child, part in module.named_children()}
    return out or dict(model.named_children())
