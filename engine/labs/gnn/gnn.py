"""Lab `gnn`: graph networks in which a message from far away must squeeze through too few edges, or never arrives.

Shapes: B examples, N nodes, D features or width, L layers, C classes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from engine.declare.knobs import knob, question
from engine.declare.rules import MultipleWith, OnlyWith
from engine.labs.gnn._gnn_presets import PRESETS
from engine.labs.gnn._propagation import DELAYED, SUMS, layers, way
from engine.labs.gnn.remedies.graph import GraphChoice
from engine.labs.gnn.remedies.initialisation import Initialisation
from engine.labs.gnn.remedies.message_passing import MessagePassing
from engine.labs.gnn.remedies.positional_encoding import PositionalEncoding
from engine.labs.gnn.remedies.rewiring import Rewiring
from engine.labs.gnn.remedies.task import Task
from engine.labs.lab import Lab

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from engine.labs.gnn.datasets.examples import Examples
    from engine.labs.gnn.datasets.graph import Graph

MOST_PAIRS = 64
MOST_LAYERS, MOST_DELAYED = 128, 64  # the latter of DELAYED, whose weights and edges grow with the square of their layers


class Gnn(Lab):
    title = "Graph networks"
    icon = ":material/hub:"
    papers = ("arXiv 2302.02941", "arXiv 2111.14522", "arXiv 2305.08018", "arXiv 2302.06835", "arXiv 2210.11790")
    provides = frozenset({"graph"})
    headline = ("accuracy/validation", "accuracy/train", "rmse/validation", "resistance/total", "jacobian/ratio")
    rules = (
        OnlyWith(
            "message_passing",
            "layer",
            "its layers are graph convolutions over exact distances.",
            values=DELAYED,
            allowed=("gcn",),
        ),
        OnlyWith(
            "message_passing",
            "propagation",
            "its layers are products with matrices of exact distances.",
            values=DELAYED,
            allowed=("auto", "dense"),
        ),
        OnlyWith(
            "propagation",
            "layer",
            "csr_spmm adds up rows with weights that are known beforehand, and this layer makes them of the states.",
            values=("csr",),
            allowed=SUMS,
        ),
        OnlyWith("task", "graph", "the equation is solved on the triangles of a mesh.", values=("poisson",), allowed=("mesh",)),
        OnlyWith("task", "graph", "keys and values stand on the leaves of a tree.", values=("neighbors_match",), allowed=("tree",)),
        OnlyWith("task", "graph", "only its nodes belong to blocks.", values=("node_labels",), allowed=("sbm",)),
        OnlyWith("task", "graph", "only a stored set has labels of its own.", values=("stored_labels",), allowed=("stored",)),
        OnlyWith(
            "task",
            "norm",
            "its nodes without features have states of length 0, and nothing can be divided by that.",
            values=("commute_time", "neighbors_match"),
            allowed=("none", "batch"),
        ),
        OnlyWith(
            "rewiring",
            "graph",
            "it joins nodes by the velocities that only a mesh has.",
            values=("piorf", "piorf_degree"),
            allowed=("mesh",),
        ),
        OnlyWith(
            "rewiring",
            "message_passing",
            "delayed message passing makes its layers of distances, and has no last one that could see every pair.",
            values=("fully_adjacent",),
            allowed=("plain", "residual"),
        ),
        OnlyWith(
            "initialisation",
            "layer",
            "its variances are derived for messages S h W, one matrix of weights a layer.",
            values=("virgo",),
            allowed=("gcn",),
        ),
        OnlyWith(
            "initialisation",
            "message_passing",
            "its variances are derived for layers one after the other, without a shortcut.",
            values=("virgo",),
            allowed=("plain",),
        ),
        OnlyWith(
            "initialisation",
            "positional_encoding",
            "its variances are those of the features alone.",
            values=("virgo",),
            allowed=("none",),
        ),
        MultipleWith("layer", "width", "four heads share the width.", values=("gat",), of=4),
    )
    thresholds = {"error/train": (0.0,)}

    data_seed: int | None = knob(
        None, "seed of random graphs, of the rewiring and of random examples; empty means the same as seed", ge=0, le=2**31 - 1
    )
    graph: GraphChoice = question(GraphChoice, "ring", "Which graph does the message travel on?", group="stressor")
    task: Task = question(Task, "transfer", "What must the network say about the graph?", group="stressor")
    rewiring: Rewiring = question(Rewiring, "none", "Which edges are added or taken away before the training?")
    message_passing: MessagePassing = question(MessagePassing, "plain", "How do the layers hand a message on?")
    positional_encoding: PositionalEncoding = question(PositionalEncoding, "none", "How does a node know where in the graph it is?")
    initialisation: Initialisation = question(Initialisation, "xavier", "How large are the first weights?", group="training")
    layer: Literal["gcn", "gin", "sage", "gat", "gated_gcn"] = knob(
        "gcn", "what a layer computes from a node and its neighbours", group="size"
    )
    propagation: Literal["auto", "dense", "pyg", "csr"] = knob(
        "auto",
        "how it is computed: with the graph's whole matrix, by PyTorch Geometric, or over the edges by the kernel csr_spmm; auto is "
        "dense, and csr beyond 512 nodes for gcn, gin and sage",
        group="size",
    )
    norm: Literal["none", "batch", "l2"] = knob("batch", "what is done to the states behind every layer", group="training")
    width: int = knob(64, "width of the states", unit="channels", group="size", ge=1, le=4096)
    layers: int = knob(
        0,
        "layers; 0 is the distance between the nodes that must hear of each other",
        unit="layers",
        group="size",
        ge=0,
        le=MOST_LAYERS,
    )
    edits: str = knob(
        "",
        "changes to the graph by hand: +3-17 adds an edge, -4-5 removes one, ~12 removes a node",
        pattern=r"(?a)(?!.{5001})(?= *(?:(?:[+-]\d{1,6}-\d{1,6}|~\d{1,6}) *(?: |$)){0,200}$)"
        r"(?!.*[+-]0*+(\d*)-0*+\1(?!\d))"  # joins a node with itself
        r"(?!.*([+-])0*+(\d*)-0*+(\d*) (?:.* )?(?!\2)[+-]0*+(?:\3-0*+\4|\4-0*+\3)(?!\d)).*",  # adds an edge and removes it
        form="up to 200 words such as +3-17, -4-5 or ~12, which join no node with itself and never both add and remove one edge",
    )

    presets = PRESETS

    @field_validator("edits")
    @classmethod
    def _canonical(cls, edits: str) -> str:
        """The canonical form; a contradiction, or what is no edit, is refused in one sentence."""
        from engine.labs.gnn._edits import canonical

        return canonical(edits)

    # -- graphs ------------------------------------------------------------------------------------

    @functools.cached_property
    def made_graph(self) -> Graph:
        """The graph as generated."""
        return self.graph.build(self._draws("graph"))

    @functools.cached_property
    def given_graph(self) -> Graph:
        """The graph as generated and edited, before any rewiring."""
        from engine.labs.gnn._edits import apply, parse

        return apply(self.made_graph, parse(self.edits))

    def ends(self) -> tuple[int, int]:
        """(node that is read, node that knows) of the edited graph.  ValueError, in one sentence, where an edit took one of them away, and
        for a graph without edges."""
        from engine.labs.gnn._edits import kept_nodes, parse

        return self.task.ends(self.given_graph, self.graph.ends(self.made_graph), kept_nodes(self.made_graph, parse(self.edits)))

    @functools.cached_property
    def rewired_graph(self) -> Graph:
        return self.rewiring.rewire(self.given_graph, self._draws("rewiring"))

    def layer_graphs(self, graph: Graph) -> list[Graph]:
        """What each layer sees of one rewired graph; one object where layers share it."""
        return [graph] * (self.depth() - 1) + [self.rewiring.last_layer(graph)]

    def _draws(self, name: str) -> np.random.Generator:
        """What random graphs and rewirings draw from: (`data_seed`, name) alone."""
        from engine.labs.gnn.datasets.draws import generator

        return generator(self.seed if self.data_seed is None else self.data_seed, name)

    def graphs(self, rewired: bool) -> list[Graph]:
        """The graph of each example; one object where examples share it."""
        return [self.rewired_graph if rewired else self.given_graph] * len(self.all_examples.x_BND)

    @functools.cached_property
    def all_examples(self) -> Examples:
        """Features are those of all nodes that the layers see, also of such as a rewiring brought along."""
        return self.task.examples(self.given_graph, *self.ends(), self._draws("task")).with_nodes(self.rewired_graph.nodes)

    def pairs(self) -> list[tuple[int, int, int]]:
        """(example, node that is read, node that knows), at most 64, each pair of nodes of one graph once."""
        seen: dict[tuple[int, int, int], tuple[int, int, int]] = {}
        graphs = self.graphs(rewired=False)
        for b, read, holds in self.all_examples.pairs:
            seen.setdefault((id(graphs[b]), read, holds), (b, read, holds))
        return list(seen.values())[:MOST_PAIRS]

    def depth(self) -> int:
        """`layers`, or the longest distance between nodes that must hear of each other on the graph before any rewiring.

        ValueError, in one sentence, for more than 128, and for more than 64 of DRew and νDRew.
        """
        import math

        from engine.labs.gnn.datasets.distances import distances_NN

        hops_NN = distances_NN(self.given_graph)
        apart = [float(hops_NN[read, holds]) for _, read, holds in self.pairs()]
        depth = self.layers or max(1, *(int(hops) for hops in apart if math.isfinite(hops)), 1)
        name = self.message_passing.name
        most = MOST_DELAYED if name in DELAYED else MOST_LAYERS
        if depth > most:
            raise ValueError(
                f"the network would have {depth:,} layers, and at most {most} are allowed with message_passing={name}; "
                "give fewer layers or a graph of a smaller distance."
            )
        return depth

    def way(self) -> str:
        """How messages are computed: dense, pyg or csr."""
        return way(self.propagation, self.layer, self.message_passing.name, self.rewired_graph.nodes)

    def states(self, model: nn.Module, x_ND: Tensor) -> list[Tensor]:
        """h⁰ to hᴸ (N, D) in evaluation mode, differentiable in `x_ND`; h⁰ are the features with their positional encoding."""
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            return [h_BND[0] for h_BND in model.passing.states(model.encoded(x_ND[None]))]
        finally:
            for module, mode in modes:
                module.training = mode

    # -- what a lab defines ------------------------------------------------------------------------

    def model(self) -> nn.Module:
        import torch

        from engine.labs.gnn.datasets.distances import distances_NN
        from engine.labs.gnn.models.networks import GraphNetwork
        from engine.labs.gnn.models.norms import NORMS
        from engine.labs.gnn.remedies.initialisation import Setting
        from engine.labs.gnn.remedies.message_passing import Plan

        examples, graph = self.all_examples, self.rewired_graph
        graphs = self.layer_graphs(graph)
        matrices = {id(one): torch.from_numpy(one.adjacency_NN()).to(torch.get_default_dtype()) for one in graphs}
        hops_NN = torch.from_numpy(distances_NN(graph))
        of_way = layers(self.way())
        layer, norm = of_way[self.layer], NORMS[self.norm]
        encoding = self.positional_encoding.build(graph, of_way["gin"])
        d_in = examples.x_BND.shape[-1] + (encoding.channels if encoding else 0)
        plan = Plan(d_in, self.width, [matrices[id(one)] for one in graphs], hops_NN, layer, norm)
        model = GraphNetwork(self.message_passing.build(plan), examples.answers, examples.read, encoding)
        return self.initialisation.initialise(model, self.seed, Setting(self.batch(0)["x"], graphs, examples.answers))

    def batch(self, n: int) -> dict[str, Tensor]:
        """All examples for training, in every step: `x` (B, N, D) and `answer`, (B,) or of several nodes (B, R)."""
        return self.all_examples.batch(validation=False)

    def validation(self) -> Iterator[dict[str, Tensor]]:
        """The examples that are held out, or the same as in training where the task has no others; in evaluation mode."""
        yield self.all_examples.batch(validation=True)

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Of the task: mean cross-entropy in nats of the class that is read, or mean square error of a number."""
        sign_K = self.positional_encoding.signs(self.seed, step) if model.training else None
        return {"train": self.task.loss(model(batch["x"], sign_K).float(), batch["answer"])}

    def scores(self, said: Tensor, answer: Tensor) -> dict[str, Tensor]:
        """How good answers are, by the name of the task's metric."""
        return self.task.scores(said, answer)

    def provenance(self) -> dict[str, Any]:
        """The graph in figures, a hash of its edges before and after the rewiring, and how messages are computed."""
        given, rewired = self.given_graph, self.rewired_graph
        keys = {"given": given.digest(), "rewired": rewired.digest()}
        return {"graph": {"nodes": given.nodes, "edges": len(given.edges_E2), **keys}, "propagation": self.way()}
