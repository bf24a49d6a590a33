"""What a lab promises with each word in its `provides`, as Protocols: a probe's `needs` names one of the words and reads only this.

A promise concerns the lab itself, its model, or a layer: some module of the model.  `tests/labs/test_capabilities.py` asks every lab for
the members.  A new word is a Protocol here and a line in WORDS.

Shapes: B pictures, points or examples, D coordinates, T tokens, E experts; (N, C, S, S) pictures; on graphs N nodes, L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from engine.labs.play import PlayContext, Played
from engine.labs.probe import Step
from engine.labs.stacking import PlaysStacked, Stacks

Batch = dict[str, Tensor]
Field = Callable[[Tensor, Tensor], Tensor]  # (y (B, D), t (B,)) -> (B, D)


# -- routing, byte_routing, attention: layers of the model ------------------------------------------


class Routing(Protocol):
    """A layer that shares out tokens; `record`: what it did with the last training batch, detached, None before the first."""

    record: object
    router: nn.Module


class ByteRouter(Protocol):
    """Called with (x (T, D), a context with the bytes of the text, `ids_T`); its answer has `experts_Tk`."""

    experts: int

    def register_forward_hook(self, hook: Callable[..., None]) -> object: ...


class ByteRouting(Protocol):
    """A layer whose router sees the bytes of the text, in training and in validation."""

    router: ByteRouter


class Attention(Protocol):
    """A layer that calls `tap` with queries and keys, (B, heads, T, d_head) each."""

    tap: Callable[[Tensor, Tensor], None]


# -- long_skips -----------------------------------------------------------------------------------


class SkipFusion(Protocol):
    """Where a long skip joins the main path: `main(h) + skip(gate(s) s)`."""

    main: nn.Module
    skip: nn.Module
    gate: nn.Module

    def parts(self, h: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """The two summands: of the main path, of the long skip."""
        ...


class SkipBlock(Protocol):
    fusion: SkipFusion


class Average(Protocol):
    """Averaged weights of a model."""

    def call(self, model: nn.Module, *inputs: Tensor) -> Tensor: ...


class LongSkipModel(Protocol):
    """`encoder` and `decoder`: blocks joined in pairs by a long skip, the outermost first."""

    encoder: Sequence[nn.Module]
    decoder: Sequence[SkipBlock]
    ema: Average


class Noising(Protocol):
    def training_pair(self, clean: Tensor, noise: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> what the network sees, the noise level as it reads it, and what it must answer."""
        ...


class LongSkips(Protocol):
    """A lab whose model has long skips and that can be asked the same thing again and again."""

    diffusion: Noising

    def fixed_batch(self) -> Batch:
        """`clean`, `noise`, `sigma`: the same for every seed and step."""
        ...

    def loss_of_each(self, model: Callable[..., Tensor], batch: Batch) -> Tensor:
        """Task loss of each picture -> (B,)."""
        ...


# -- pictures, drawn_pictures ---------------------------------------------------------------------


class PictureSet(Protocol):
    """Training pictures of mean 0 and standard deviation 1, and the way back to brightness."""

    train_NCHW: Tensor

    def pixels(self, x: Tensor) -> Tensor: ...


class Denoising(Protocol):
    def denoise(self, network: Callable[..., Tensor], x: Tensor, sigma: Tensor) -> Tensor: ...


class Walk(Protocol):
    def sample(self, denoise: Field, x: Tensor, sigmas: Tensor) -> Tensor: ...

    def levels(self) -> Tensor: ...


class Pictures(Protocol):
    """A lab that draws pictures by walking from noise with its sampler."""

    diffusion: Denoising
    sampler: Walk

    def images(self) -> PictureSet: ...


class DrawnPictures(Protocol):
    """A lab whose pictures can be scored against real ones, in whatever way it makes them."""

    def images(self) -> PictureSet | None:
        """What is learned; None where it is no picture."""
        ...

    def drawn_pictures(self, step: Step[DrawnPictures], count: int) -> Mapping[str, Tensor]:
        """By way of making them: (count, C, S, S) in the units of `images`."""
        ...


# -- consistency ----------------------------------------------------------------------------------


class ConsistencyModel(Protocol):
    """A network that jumps along a flow.  `record`: what the last training step did with its tangents; None without."""

    flow: object
    record: object

    def predict(self, y_BD: Tensor, t_B: Tensor) -> Tensor: ...

    def averaged(self) -> Field:
        """The network with the averaged weights."""
        ...

    def parameters(self) -> Iterator[Tensor]: ...


class Consistency(Protocol):
    """A lab that learns to jump from noise to the distribution named `data`."""

    data: str

    def own_velocity(self, model: ConsistencyModel) -> Field | None:
        """The averaged network's own velocity; None where it never learns one."""
        ...

    def reference(self) -> Field | None:
        """The velocity that counts as true; None where there is none."""
        ...


# -- graph ----------------------------------------------------------------------------------------


class Graph(Protocol):
    """An undirected graph (engine/labs/gnn/datasets/graph.py)."""

    nodes: int
    edges_E2: Any
    added_E: Any

    @property
    def pairs(self) -> list[tuple[int, int]]: ...

    def adjacency_NN(self) -> Any:
        """(N, N) symmetric, with the weights."""
        ...


class MessagePassing(Protocol):
    """`states`: h⁰ to hᴸ, (B, N, D) each."""

    def states(self, x_BND: Tensor) -> list[Tensor]: ...


class EncodingChoice(Protocol):
    def choose(self, given: Any) -> Any:
        """Of all eigenpairs of a Laplacian, those that the positional encoding takes."""
        ...


class GraphModel(Protocol):
    """`encoding`: what is set beside the features of each node (engine/labs/gnn/models/encodings.py), None for nothing.

    `answer_BC`: what the last forward pass in training said of every node that is read; `kept`: its states while `keep` is set, with
    their gradients.
    """

    encoding: Any
    passing: MessagePassing
    answer_BC: Tensor | None
    keep: bool
    kept: list[Tensor]

    def encoded(self, x_BND: Tensor) -> Tensor:
        """The features, and beside them the positional encoding if there is one."""
        ...


class GraphLab(Protocol):
    """A lab whose examples live on graphs."""

    positional_encoding: EncodingChoice

    def graphs(self, rewired: bool) -> Sequence[Graph]:
        """The graph of each example, before or after the rewiring."""
        ...

    def layer_graphs(self, graph: Any) -> Sequence[Graph]:
        """What each layer sees of one rewired graph."""
        ...

    def pairs(self) -> list[tuple[int, int, int]]:
        """(example, node that is read, node that knows), at most 64."""
        ...

    def depth(self) -> int:
        """Layers of the network."""
        ...

    def states(self, model: nn.Module, x_ND: Tensor) -> list[Tensor]:
        """h⁰ to hᴸ (N, D) of one example in evaluation mode, differentiable in its features."""
        ...

    def scores(self, said: Tensor, answer: Tensor) -> Mapping[str, Tensor]:
        """How good answers are, by the name of the task's metric: accuracy of classes, rmse of numbers."""
        ...

    def validation(self) -> Iterator[Batch]: ...


# -- play, trainability ---------------------------------------------------------------------------


class Plays(Protocol):
    """A lab that is no training of a module: engine/worker/play.py runs it (engine/labs/play.py)."""

    def play(self, ctx: PlayContext) -> Iterator[Played]: ...


class Trainability(Protocol):
    """A lab that plays, whose steps have `value` in their batch: the mean so far of the loss in units of the first, capped."""

    def rates(self) -> Mapping[str, Any]: ...


class Capability(NamedTuple):
    """Who has the members: the lab, its model, at least one layer of the model; None promises nothing."""

    lab: type | None = None
    model: type | None = None
    layer: type | None = None


WORDS: Mapping[str, Capability] = {
    "routing": Capability(layer=Routing),
    "byte_routing": Capability(layer=ByteRouting),
    "attention": Capability(layer=Attention),
    "long_skips": Capability(lab=LongSkips, model=LongSkipModel),
    "pictures": Capability(lab=Pictures),
    "drawn_pictures": Capability(lab=DrawnPictures),
    "graph": Capability(lab=GraphLab, model=GraphModel),
    "consistency": Capability(lab=Consistency, model=ConsistencyModel),
    "play": Capability(lab=Plays),
    "trainability": Capability(lab=Trainability),
    "stack": Capability(lab=Stacks),
    "stacked_play": Capability(lab=PlaysStacked),
}
