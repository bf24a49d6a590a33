"""Lab `moe`: a byte-level language model with Mixture-of-Experts layers on real text, whose router collapses unless something prevents it.

Shapes: B sequences, L bytes each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.declare.knobs import knob, question
from engine.declare.presets import Preset
from engine.declare.rules import AtMost, Divides
from engine.labs.lab import Lab
from engine.labs.moe.remedies.router import Router

if TYPE_CHECKING:
    from torch import Tensor, nn

VALIDATION_BATCHES = 2
VALIDATION_FACTOR = 8  # a validation batch is so many training batches: without gradients, larger is faster

UNBALANCED = {"router": "softmax_top_k", "router.balance_weight": 0.0}
BALANCED = {"router": "softmax_top_k", "router.balance_weight": 0.1}
LOSS_FREE = {"router": "loss_free", "router.gate": "softmax", "router.update_rate": 1e-2}
SINKHORN = {"router": "sinkhorn", "router.iterations": 20, "router.temperature": 0.1}
GPU = {
    "device": "cuda",
    "precision": "bf16",
    "experts": 64,
    "expert_width": 256,
    "d_model": 512,
    "layers": 8,
    "heads": 8,
    "context": 512,
    "batch_size": 64,
}


class Moe(Lab):
    title = "Mixture of Experts"
    icon = ":material/account_tree:"
    papers = ("arXiv 2101.03961", "arXiv 2006.16668", "arXiv 2408.15664", "arXiv 2106.04426", "arXiv 2202.01169")
    story = (
        "A small language model reads the source of Python's standard library byte by byte. In each of its two layers a router sends "
        "every byte to one of 32 small networks, the experts, and unless something keeps the load even, most experts soon get next to "
        "no work. Three things these runs do not show. Collapse costs hardly any loss at this size: watch the experts, not the loss. "
        "It is not all the router's own doing: a router frozen at its random start ends with 12 to 21 dead experts of 32 per layer, for "
        "training makes the tokens themselves alike (their mean cosine rises from 0.1 to between 0.5 and 0.9 in 50 steps). And it does "
        "not begin at zero: an untrained model already leaves 4 to 9 of 32 experts (nearly) idle on its first batch. All numbers are "
        "from the CPU presets; the GPU variants are larger and not measured yet."
    )
    provides = frozenset({"routing", "byte_routing", "attention"})
    headline = ("loss/validation", "router/dead_experts", "router/max_violation")

    rules = (
        Divides("heads", "d_model", "each head gets an equal share of the width."),
        AtMost("router.k", "experts", "a token goes to experts that differ."),
    )

    router: Router = question(Router, "softmax_top_k", "Which expert does a token go to, and what keeps the experts busy?")
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

    presets = {
        "collapse": Preset(
            story="Nothing balances the router: within 100 steps most experts of each layer get next to no bytes.",
            see=(
                "Dead experts. After 300 steps 16 to 21 of 32 in the first layer and 25 to 29 in the second (five seeds); with the "
                "loss-free bias of the twin, none in either. The bias evens out the average, not every batch: MaxVio averages 3 to 7 at "
                "the end, where chance alone gives 0.5, and on fixed validation text up to 4 experts of a layer are still dead. The "
                "loss hardly tells: 2.32 nats per byte on validation against 2.31 with the bias, lower on each seed by less than 1 %."
            ),
            knobs={**UNBALANCED, "lr": 1e-3, "steps": 300},
            cure=LOSS_FREE,
            gpu=GPU,
        ),
        "even_batches": Preset(
            story="The same collapse, against a router that shares out every batch evenly instead of correcting an average.",
            see=(
                "Without balancing 16 to 20 of 32 experts are dead in the first layer and 25 to 29 in the second (three seeds); with "
                "Sinkhorn none is, at any step. Every batch is even, not only the average: over the last 50 steps MaxVio averages 0.4 to "
                "0.7 and 0.3, where chance alone gives 0.5. Evaluation gives part of it back, for it routes greedily: on fixed validation "
                "text MaxVio is 2.5 to 6.6, up to 3 experts of the first layer and 3 to 6 of the second are dead, and 28 to 53 % of a "
                "batch's bytes would go elsewhere than in training. Validation: 2.30 to 2.31 nats per byte against 2.32 to 2.33."
            ),
            knobs={**UNBALANCED, "lr": 1e-3, "steps": 300},
            cure=SINKHORN,
            gpu=GPU,
        ),
        "sharper_plan": Preset(
            story="Sinkhorn's plan is even at every temperature; whether the experts chosen from it are depends on how sharp it is.",
            see=(
                "At temperature 1 the plan is even to six digits and the choice is not: over the last 50 steps MaxVio averages 2.7 to "
                "5.4, and 2 to 6 experts of a layer are dead at some step (three seeds). At 0.1 no expert is ever dead and MaxVio averages "
                "0.3, below the 0.5 of chance. At 0.03 sixty iterations are too few: the plan itself is off by 15 to 58 % in the end, and "
                "MaxVio averages 0.3 to 0.9. Little of it outlives training: greedy on fixed validation text, 7 to 9 experts of the second "
                "layer are dead at 1, 5 or 6 at 0.1 and 4 to 8 at 0.03; and the loss does not mind: 2.30 to 2.32 nats per byte in all "
                "nine runs, on each seed a little lower at 1 than at 0.1."
            ),
            knobs={"router": "sinkhorn", "router.iterations": 60, "lr": 1e-3, "steps": 300},
            grid={"router.temperature": [1.0, 0.1, 0.03]},
        ),
        "healthy": Preset(
            story="A balance loss keeps every expert of every layer at work: what a training without trouble looks like.",
            see=(
                "Nothing happens, and that is what to compare the others with: no expert is dead from step 50 on (five seeds), the "
                "load ends with an entropy of 0.94 or more, MaxVio at 1.1 to 1.4, and no detector fires. With the published weight of "
                "the balance loss, 0.01, it takes longer: up to 7 dead at step 100, none at 300. The weight 0.1 costs no visible loss: "
                "2.31 nats per byte on validation."
            ),
            knobs={**BALANCED, "lr": 1e-3, "steps": 300},
            gpu=GPU,
        ),
        "lr_burst": Preset(
            story="For five steps the learning rate is thirty times too large, and the training pays for it long afterwards.",
            see=(
                "The training loss jumps at step 150 from about 2.35 to between 3.7 and 4.4 nats and is back where it was only at step "
                "280 to 326 (five seeds; the spike detector fires on four of them). Clipping is on and does not prevent it: Adam divides "
                "by the gradient's size anyway. No remedy here cures it; the twin is the yardstick, the same run without the burst, and "
                "after 400 steps it is 0.14 to 0.23 nats per byte ahead on validation."
            ),
            knobs={**BALANCED, "lr": 3e-3, "steps": 400, "burst_factor": 30.0},
            cure={"burst_factor": 1.0},
            gpu=GPU,
        ),
        "non_finite": Preset(
            story="Plain gradient descent with a learning rate of 10 and no clipping leaves the finite numbers within a dozen steps.",
            see=(
                "The first number that is not finite comes at step 10 or 11 (five seeds), in the loss or in the gradient; the run never "
                "comes back and ends as diverged. The twin clips the gradient to a norm of 0.05 and learns: 2.88 to 2.94 nats per byte "
                "on validation. Clipping to a norm of 1 also keeps every number finite, but its loss climbs to between 62 and 89: "
                "finite is not the same as cured."
            ),
            knobs={**UNBALANCED, "optimizer": "sgd", "lr": 10.0, "clip": 0.0, "steps": 80, "on_divergence": "continue"},
            cure={"clip": 0.05},
            gpu=GPU,
        ),
    }

    def model(self) -> nn.Module:
        from engine.labs.common.models.initialise import initialise
        from engine.labs.moe.models.byte_transformer import ByteTransformer

        def make_router() -> nn.Module:
            return self.router.build(self.d_model, self.experts, self.router_init)

        model = ByteTransformer(self.d_model, self.layers, self.heads, self.context, self.experts, self.expert_width, make_router)
        return initialise(model, self.seed)

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

        logits_BLV, extra = model(batch["inputs"])
        train = cross_entropy(logits_BLV.flatten(0, 1).float(), batch["targets"].flatten())
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
