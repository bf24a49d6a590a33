"""The presets of the lab `moe`: which knobs show what.  Their texts stand in the lab's Markdown."""

from __future__ import annotations

from engine.declare.presets import Deciding, Preset

SHORT = {"lr": 1e-3, "steps": 300}
UNBALANCED = {**SHORT, "router": "softmax_top_k", "router.balance_weight": 0.0}
BALANCED = {"router": "softmax_top_k", "router.balance_weight": 0.1}
LOSS_FREE = {"router": "loss_free", "router.gate": "softmax", "router.update_rate": 1e-2}
SINKHORN = {"router": "sinkhorn", "router.iterations": 20, "router.temperature": 0.1}
BURST = {**BALANCED, "lr": 3e-3, "steps": 400, "burst_factor": 30.0}
SPAM_LIKE = {"optimizer": "adamw", "optimizer.beta2": 0.999, "optimizer.weight_decay": 0.0}  # AdamW with the memory that SPAM has
PLAIN_DESCENT = {"optimizer": "sgd", "lr": 10.0, "clip": 0.0, "steps": 80, "on_divergence": "continue"}
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
DEAD = Deciding("dead_experts", "router/dead_experts@blocks.1.moe", message="{value} experts of the second layer get next to nothing to do")
VIOLATION = Deciding(
    "max_violation",
    "router/max_violation@blocks.1.moe",
    message="in the second layer the largest load over the mean, minus 1, is {value}",
)
GREEDY = Deciding(
    "greedy_overload",
    "router/greedy_share@blocks.1.moe",
    message="in the second layer greedy evaluation would send a share of {value} of the tokens to other experts",
)
LATE = Deciding(
    "drops_by_position",
    "router/drop_to_end@blocks.1.moe",
    message="in the second layer the last quarter of a sequence loses a share of its bytes that is larger by {value} than in the first",
)
LOSS = Deciding("losses", "loss/train", message="the loss of the training batch is {value}")

PRESETS = {
    "collapse": Preset(
        knobs=UNBALANCED,
        cure=LOSS_FREE,
        gpu=GPU,
        kind="breaks",
        deciding=DEAD,
        level=8.0,
        order=1,
        difficulty="introductory",
        phenomena=("expert collapse", "load imbalance"),
    ),
    "bias_softmax": Preset(
        knobs={**SHORT, **LOSS_FREE, "router.update_rate": 1e-3},
        grid={"router.update_rate": [1e-3, 3e-3, 1e-2]},
        deciding=VIOLATION,
        phenomena=("load imbalance",),
    ),
    "bias_sigmoid": Preset(
        knobs={**SHORT, **LOSS_FREE, "router.gate": "sigmoid", "router.update_rate": 1e-3},
        grid={"router.update_rate": [1e-3, 3e-3, 1e-2]},
        deciding=VIOLATION,
        phenomena=("load imbalance",),
    ),
    "flipped_bias": Preset(
        knobs={**SHORT, **LOSS_FREE, "router.gate": "sigmoid", "router.update_rate": 1e-3, "router.flipped": True},
        cure={"router.flipped": False},
        deciding=DEAD,
        phenomena=("expert collapse", "load imbalance"),
    ),
    "late_bytes": Preset(
        knobs={**BALANCED, **SHORT, "capacity": "position", "capacity.factor": 1.0},
        cure={"capacity": "random", "capacity.factor": 1.0},
        deciding=LATE,
        phenomena=("dropped tokens", "load imbalance"),
    ),
    "even_batches": Preset(
        knobs=UNBALANCED,
        cure=SINKHORN,
        gpu=GPU,
        kind="breaks",
        deciding=DEAD,
        level=8.0,
        phenomena=("expert collapse", "load imbalance"),
    ),
    "sharper_plan": Preset(
        knobs={"router": "sinkhorn", "router.iterations": 60, **SHORT},
        grid={"router.temperature": [1.0, 0.1, 0.03]},
        deciding=GREEDY,
        difficulty="advanced",
        phenomena=("load imbalance", "train-test mismatch of routing"),
    ),
    "healthy": Preset(
        knobs={**BALANCED, **SHORT},
        gpu=GPU,
        kind="control",
        deciding=DEAD,
        difficulty="introductory",
        phenomena=("load imbalance",),
    ),
    "light_balance": Preset(
        knobs={**BALANCED, "router.balance_weight": 0.01, **SHORT},
        deciding=DEAD,
        phenomena=("load imbalance",),
    ),
    "lr_burst": Preset(
        knobs=BURST,
        cure={"burst_factor": 1.0},
        gpu=GPU,
        kind="breaks",
        deciding=LOSS,
        order=2,
        difficulty="introductory",
        phenomena=("loss spike", "sensitivity to the learning rate"),
    ),
    "burst_spam": Preset(
        knobs={**BURST, **SPAM_LIKE},
        cure={"optimizer": "spam"},
        deciding=LOSS,
        difficulty="advanced",
        phenomena=("loss spike", "stale optimizer moments"),
    ),
    "burst_clip": Preset(
        knobs={**BURST, "clip": 0.1},
        grid={"clip": [0.1, 0.01]},
        deciding=LOSS,
        phenomena=("loss spike", "gradient clipping"),
    ),
    "non_finite": Preset(
        knobs={**UNBALANCED, **PLAIN_DESCENT},
        cure={"clip": 0.05},
        gpu=GPU,
        kind="breaks",
        deciding=LOSS,
        difficulty="introductory",
        phenomena=("non-finite values", "divergence", "sensitivity to the learning rate"),
    ),
    "loose_clip": Preset(
        knobs={**UNBALANCED, **PLAIN_DESCENT, "clip": 1.0},
        deciding=LOSS,
        phenomena=("gradient clipping", "sensitivity to the learning rate"),
    ),
}
