"""Lab `moe`: a byte-level language model with Mixture-of-Experts layers on real text, whose router collapses unless something prevents it.

Shapes: B sequences, L bytes each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.declare.knobs import knob, question
from engine.declare.rules import AtMost, Divides
from engine.labs.lab import Lab
from engine.labs.moe._moe_presets import PRESETS
from engine.labs.moe.remedies.capacity import CapacityChoice
from engine.labs.moe.remedies.router import RouterChoice

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.moe.models.layer_info import LayerInfo
    from engine.labs.moe.models.router_scores import RouterModule

VALIDATION_BATCHES = 2
VALIDATION_FACTOR = 8  # a validation batch is so many training batches: without gradients, larger is faster


class Moe(Lab):
    title = "Mixture of Experts"
    icon = ":material/account_tree:"
    papers = ("arXiv 2101.03961", "arXiv 2006.16668", "arXiv 2408.15664", "arXiv 2106.04426", "arXiv 2202.01169")
    edition = 3
    editions = {
        2: "SPAM resets, clips and adds eps where its authors do",
        3: "the Sinkhorn router weighs a single expert by the sigmoid of its score",
    }
    concerns = {2: {"optimizer": "spam"}, 3: {"router": "sinkhorn"}}
    provides = frozenset({"routing", "byte_routing", "attention"})
    headline = ("loss/validation", "router/dead_experts", "router/max_violation")

    rules = (
        Divides("heads", "d_model", "each head gets an equal share of the width."),
        AtMost("router.k", "experts", "a token goes to experts that differ."),
        AtMost("router.k_max", "experts", "a token goes to experts that differ."),
        AtMost("router.k_min", "router.k_max", "the number of experts grows."),
        AtMost("router.keep_top_k", "experts", "a token goes to experts that differ."),
        AtMost("capacity.groups", "experts", "a group holds an expert at least."),
    )

    router: RouterChoice = question(RouterChoice, "softmax_top_k", "Which expert does a token go to, and what keeps the experts busy?")
    capacity: CapacityChoice = question(CapacityChoice, "none", "How many tokens may an expert take, and which ones are turned away?")
    router_init: float = knob(
        1.0, "starting size of the router's weights, as a multiple of torch's default", group="stressor", ge=0.0, le=100.0
    )
    burst_factor: float = knob(1.0, "the learning rate is multiplied by this during the burst", group="stressor", ge=0.0, le=1e4)
    burst_start: int = knob(150, "first step of the burst", unit="steps", group="stressor", ge=0, le=1_000_000)
    burst_steps: int = knob(5, "length of the burst", unit="steps", group="stressor", ge=0, le=1_000_000)
    experts: int = knob(32, "experts per layer", unit="experts", group="size", ge=2, le=256)
    expert_width: int = knob(32, "hidden units of one expert", unit="units", group="size", ge=1, le=8192)
    d_model: int = knob(64, "width of the model", unit="units", group="size", ge=8, le=4096)
    layers: int = knob(2, "blocks, each with one Mixture-of-Experts layer", unit="layers", group="size", ge=1, le=48)
    heads: int = knob(4, "attention heads; they divide the width", unit="heads", group="size", ge=1, le=64)
    context: int = knob(64, "bytes that the model sees at once", unit="bytes", group="size", ge=8, le=8192)
    batch_size: int = knob(16, "sequences per step", unit="sequences", group="size", ge=1, le=4096)

    presets = PRESETS

    def model(self) -> nn.Module:
        from engine.labs.common.models.initialise import initialise
        from engine.labs.moe.models.byte_transformer import ByteTransformer

        def make_router(layer: int) -> RouterModule:
            return self.router.build(self.d_model, self.experts, self.router_init, self._info(layer))

        sizes = (self.d_model, self.layers, self.heads, self.context, self.experts, self.expert_width)
        model = ByteTransformer(*sizes, make_router, lambda layer: self.capacity.build(self._info(layer)))
        return initialise(model, self.seed)

    def _info(self, layer: int) -> LayerInfo:
        from engine.labs.moe.models.layer_info import LayerInfo

        return LayerInfo(self.seed, layer, self.steps)

    def batch(self, n: int) -> dict[str, Tensor]:
        """`batch_size` windows of the training text, each starting anywhere; a window may run from one file into the next."""
        import torch

        from engine.labs.common.models.initialise import named_generator
        from engine.labs.moe.datasets.stdlib_text import stdlib_text, windows

        text = stdlib_text().train
        order = named_generator(self.seed if self.data_seed is None else self.data_seed, f"batch/{n}")
        starts = torch.randint(len(text) - self.context, (self.batch_size,), generator=order)
        return windows(text, starts.numpy(), self.context)

    def validation(self) -> Iterator[dict[str, Tensor]]:
        """Windows spread evenly over the validation files, the same for every seed."""
        import numpy as np

        from engine.labs.moe.datasets.stdlib_text import stdlib_text, windows

        text = stdlib_text().validation
        rows_each = VALIDATION_FACTOR * self.batch_size
        starts = np.linspace(0, len(text) - self.context - 1, VALIDATION_BATCHES * rows_each).astype(np.int64)
        for rows in starts.reshape(VALIDATION_BATCHES, rows_each):
            yield windows(text, rows, self.context)

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Mean cross-entropy in nats per byte, and the auxiliary losses of the router's answer."""
        from torch.nn.functional import cross_entropy

        from engine.labs.moe.models.routing import routed

        logits_BLV, extra = model(batch["inputs"], step)
        logits_TV, targets_T = logits_BLV.flatten(0, 1).float(), batch["targets"].flatten()
        train = cross_entropy(logits_TV, targets_T)
        rewarded = [layer.router for layer in routed(model).values() if layer.router.rewarded] if model.training else []
        if rewarded:
            reward_T = -cross_entropy(logits_TV.detach(), targets_T, reduction="none")
            for name, value in (pair for router in rewarded for pair in router.reward(reward_T).items()):
                extra[name] = extra.get(name, 0.0) + value
        return {"train": train, **extra}

    def after_step(self, model: nn.Module, step: int) -> None:
        from engine.labs.moe.models.routing import routed

        for layer in routed(model).values():
            layer.router.after_step()

    def learning_rate(self, step: int) -> float:
        """Warm-up, then constant, times the burst factor during the burst."""
        in_burst = self.burst_start <= step < self.burst_start + self.burst_steps
        return super().learning_rate(step) * (self.burst_factor if in_burst else 1.0)

    def provenance(self) -> dict[str, Any]:
        from engine.labs.moe.datasets.stdlib_text import stdlib_text

        return stdlib_text().provenance()
