"""The presets of the lab `gnn`: which knobs show what.  Their texts stand in the lab's Markdown."""

from __future__ import annotations

from engine.declare.presets import Deciding, Preset

ADAM = {"optimizer": "adamw", "optimizer.beta2": 0.999, "optimizer.weight_decay": 5e-4}
TRANSFER = {"task": "transfer", "norm": "batch", "lr": 1e-3, "warmup": 0, "clip": 0.0, "probes": "dear", **ADAM}
RING = {**TRANSFER, "graph": "ring", "graph.distance": 14, "steps": 1000}
SHORT_RING = {**RING, "graph.distance": 10, "lr": 3e-3, "steps": 300}
WAYS = {"message_passing": ["plain", "residual", "drew", "nu_drew"]}
GRID = {"graph": "grid", "graph.rows": 5, "graph.columns": 5}
ENCODED = {**TRANSFER, **GRID, "positional_encoding": "laplacian", "steps": 300}
BARBELL = {**TRANSFER, "graph": "barbell", "rewiring": "none", "steps": 300}
MESH = {
    "graph": "mesh",
    "task": "poisson",
    "rewiring": "none",
    "message_passing": "residual",
    "norm": "none",
    "layers": 4,
    "width": 32,
    "lr": 3e-3,
    "warmup": 0,
    "clip": 0.0,
    "steps": 600,
    "probes": "dear",
    **ADAM,
}
GOES_ON = {"on_divergence": "continue"}  # the rule on the gradient takes a plateau's end for a divergence
DEEP = {**TRANSFER, **GOES_ON, "graph": "ring", "graph.distance": 4, "layers": 16, "norm": "none", "steps": 300}
VARIANCE = Deciding("variance_by_layer", "variance/ratio", message="states of the last layer vary {value} times as much as of the first")
ACCURACY = Deciding("accuracy", "accuracy/train", "down", "a share of {value} of the training examples is answered rightly")
RATIO = Deciding(
    "jacobian_by_distance",
    "jacobian/ratio",
    "down",
    "the read node depends on the far message {value} times as on its own features",
)
ENERGY = Deciding("energy_by_layer", "dirichlet_energy/ratio", "down", "the last layer keeps {value} of the first layer's Dirichlet energy")
RESISTANCE = Deciding("rewiring", "resistance/total", message="the effective resistances of all pairs of nodes add up to {value} ohm")
ERROR = Deciding("rmse", "rmse/validation", message="the error on the validation examples is {value} (root mean square)")
RANK = Deciding(
    "jacobian_by_distance",
    "jacobian/rank_resistance",
    "down",
    "effective resistance orders the dependence with a rank correlation of {value}",
)
CHANGE = Deciding(
    "encoding_change",
    "positional_encoding/change",
    message="noise of 0.001 in the Laplacian changes the encoding by {value} of its size",
)

PRESETS = {
    "ring": Preset(
        knobs=RING,
        cure={"message_passing": "nu_drew"},
        deciding=ACCURACY,
        difficulty="introductory",
        phenomena=("over-squashing",),
    ),
    "untrained": Preset(
        knobs={**TRANSFER, "norm": "none", "graph": "barbell", "width": 32, "lr": 1e-6, "steps": 1},
        grid={"graph": ["barbell", "tree", "ba", "sbm"]},
        deciding=RANK,
        difficulty="advanced",
        phenomena=("over-squashing",),
    ),
    "ring_rates": Preset(
        knobs={**RING, "lr": 3e-3},
        grid={"lr": [3e-3, 1e-2]},
        deciding=ACCURACY,
        phenomena=("over-squashing", "sensitivity to the learning rate"),
    ),
    "ring_batch_norm": Preset(
        knobs=SHORT_RING,
        grid=WAYS,
        deciding=ACCURACY,
        phenomena=("over-squashing", "normalisation"),
    ),
    "ring_l2_norm": Preset(
        knobs={**SHORT_RING, "norm": "l2"},
        grid=WAYS,
        deciding=ACCURACY,
        phenomena=("over-squashing", "normalisation"),
    ),
    "ring_no_norm": Preset(
        knobs={**SHORT_RING, "norm": "none"},
        grid=WAYS,
        deciding=ACCURACY,
        phenomena=("over-squashing", "normalisation"),
    ),
    "clique_path": Preset(
        knobs={**TRANSFER, **GOES_ON, "graph": "clique_path", "graph.distance": 5, "steps": 1200},
        grid={"graph.distance": [5, 8, 11]},
        deciding=ACCURACY,
        phenomena=("over-squashing",),
    ),
    "barbell": Preset(
        knobs=BARBELL,
        cure={"rewiring": "gtr"},
        deciding=RATIO,
        difficulty="introductory",
        phenomena=("over-squashing", "graph rewiring"),
    ),
    "rewirings": Preset(
        knobs={**BARBELL, "rewiring": "random"},
        grid={"rewiring": ["none", "random", "fosr", "sdrf", "borf", "gtr"]},
        deciding=RESISTANCE,
        phenomena=("over-squashing", "graph rewiring"),
    ),
    "under_reach": Preset(
        knobs={**TRANSFER, "graph": "ring", "graph.distance": 10, "layers": 8, "steps": 400},
        cure={"layers": 10},
        deciding=RATIO,
        difficulty="introductory",
        phenomena=("under-reaching",),
    ),
    "over_smoothing": Preset(
        knobs={**TRANSFER, **GOES_ON, "graph": "ring", "graph.distance": 4, "layers": 32, "norm": "none", "steps": 300},
        cure={"message_passing": "residual"},
        deciding=ENERGY,
        difficulty="introductory",
        phenomena=("over-smoothing",),
    ),
    "eigengap": Preset(
        knobs=ENCODED,
        cure={"positional_encoding": "spe"},
        deciding=CHANGE,
        difficulty="advanced",
        phenomena=("unstable positional encodings",),
    ),
    "encodings": Preset(
        knobs=ENCODED,
        grid={"positional_encoding": ["none", "laplacian", "signnet", "spe"]},
        deciding=ACCURACY,
        phenomena=("unstable positional encodings",),
    ),
    "fixed_signs": Preset(
        knobs={**ENCODED, "positional_encoding.flip_signs": False},
        deciding=ACCURACY,
        difficulty="advanced",
        phenomena=("unstable positional encodings",),
    ),
    "width": Preset(
        knobs={**TRANSFER, **GOES_ON, "graph": "ring", "graph.distance": 6, "width": 2, "steps": 600},
        grid={"width": [2, 4, 8, 32]},
        deciding=ACCURACY,
        phenomena=("over-squashing",),
    ),
    "commute_time": Preset(
        knobs={
            **MESH,
            "graph": "molecules",
            "task": "commute_time",
            "task.quantile": 0.0,
            "message_passing": "plain",
            "layers": 6,
            "steps": 300,
        },
        grid={"task.quantile": [0.0, 0.5, 1.0]},
        deciding=ERROR,
        difficulty="advanced",
        phenomena=("over-squashing",),
    ),
    "mesh": Preset(
        knobs=MESH,
        cure={"rewiring": "piorf"},
        deciding=ERROR,
        phenomena=("over-squashing", "graph rewiring"),
    ),
    "mesh_controls": Preset(
        knobs={**MESH, "rewiring": "random"},
        grid={"rewiring": ["none", "random", "piorf", "piorf_degree", "piorf_random_partner"]},
        deciding=ERROR,
        difficulty="advanced",
        phenomena=("over-squashing", "graph rewiring"),
    ),
    "deep_init": Preset(
        knobs={**DEEP, "initialisation": "xavier"},
        cure={"initialisation": "virgo"},
        deciding=VARIANCE,
        phenomena=("initialisation", "signal propagation"),
    ),
    "initialisations": Preset(
        knobs={**DEEP, "initialisation": "kaiming"},
        grid={"initialisation": ["xavier", "kaiming", "virgo"]},
        deciding=VARIANCE,
        phenomena=("initialisation", "signal propagation"),
    ),
}
