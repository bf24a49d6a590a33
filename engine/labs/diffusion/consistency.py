"""Lab `consistency`: models that jump from noise to data in one step, and the time derivative that makes their training run away.

Shapes: B points, D coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from engine.declare.knobs import knob, nest, question
from engine.declare.presets import override
from engine.labs.diffusion._consistency_presets import PRESETS
from engine.labs.diffusion.remedies.anchor import Anchor
from engine.labs.diffusion.remedies.loss_weight import LossWeight
from engine.labs.diffusion.remedies.modulation import Modulation
from engine.labs.diffusion.remedies.objective import Objective
from engine.labs.diffusion.remedies.tangent import Tangent
from engine.labs.lab import Lab

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.labs.diffusion.datasets.clouds import Digits, Plane
    from engine.labs.diffusion.datasets.images import Images
    from engine.labs.diffusion.models.flows import Velocity
    from engine.labs.probe import Step

QUESTIONS = {"objective", "tangent", "loss_weight", "anchor", "modulation", "optimizer"}
VALIDATION_BATCHES = 2


class Consistency(Lab):
    title = "Consistency models"
    icon = ":material/fast_forward:"
    papers = ("arXiv 2410.11081", "FACM (ICLR 2026)", "arXiv 2505.13447", "arXiv 2303.01469")
    edition = 5
    editions = {
        2: "SPAM resets, clips and adds eps where its authors do",
        3: "MeanFlow sums the squared error over the coordinates, its network hears the length of the jump, and no input starts at zero",
        4: "the tangent of sCM is in data units, so that c and the bound mean what they mean in the paper",
        5: "discrete EDM training has the gradient and the Huber constant of the papers, half as large as before",
    }
    concerns = {
        2: {"optimizer": "spam"},
        3: {"objective": "mean_flow"},
        4: {"objective": ["trigflow", "trigflow_discrete"]},
        5: {"objective": "edm_discrete"},
    }
    provides = frozenset({"consistency", "drawn_pictures", "stack"})
    headline = (
        *("energy_distance/one_step", "energy_distance/two_steps", "mode_coverage/one_step"),
        *("fd_small/one_step", "fd_small/two_steps", "tangent/raw"),
    )

    steps: int = knob(600, "optimizer steps", unit="steps", ge=1, le=1_000_000)
    lr: float = knob(2e-3, "peak learning rate", ge=0.0, le=1e4, group="stressor")
    fourier_scale: float = knob(
        0.0,
        "scale of the random frequencies of the time embedding; 0 is the positional embedding",
        source="sCM: positional, about as calm as 0.02; 16 in score SDE and NCSN++",
        group="stressor",
        ge=0.0,
        le=100.0,
    )
    objective: Objective = question(Objective, "trigflow", "What is the network trained to keep constant along the flow?")
    tangent: Tangent = question(Tangent, "normalise", "What is done to the tangent before the network follows it?")
    loss_weight: LossWeight = question(LossWeight, "adaptive", "How much does each time count in the loss?")
    anchor: Anchor = question(Anchor, "none", "What ties the network to the true velocity while it learns to jump?")
    modulation: Modulation = question(Modulation, "double_norm", "How does the time enter the blocks?")
    velocity: Literal["data", "exact", "teacher"] = knob(
        "data",
        "whose velocity the tangent follows: that of the pair of data and noise (training), the exact flow (in the plane) or a teacher's "
        "(distillation)",
        group="remedy",
    )
    pretrain: int = knob(0, "steps of plain velocity matching before the consistency loss begins", unit="steps", ge=0, le=1_000_000)
    data: Literal["ring", "checkerboard", "moons", "spirals", "digits"] = knob(
        "ring", "what is learned: a distribution in the plane, or handwritten digits of 8 × 8 pixels"
    )
    batch_size: int = knob(128, "pairs of data and noise per step", unit="pairs", group="size", ge=2, le=65_536)
    width: int = knob(64, "width of the network", unit="units", group="size", ge=4, le=8192)
    blocks: int = knob(2, "residual blocks", unit="blocks", group="size", ge=1, le=64)
    head_norm: bool = knob(False, "a LayerNorm before the last layer, so that what enters it has unit size", group="remedy")
    ema: float = knob(50.0, "half-life of the averaged weights that are sampled; 0 for none", unit="steps", ge=0.0, le=1e6)

    presets = PRESETS

    def cloud(self) -> Plane | Digits:
        """The distribution that is learned."""
        from engine.labs.diffusion.datasets.clouds import cloud

        return cloud(self.data)

    def images(self) -> Images | None:
        """The pictures that are learned; None in the plane."""
        return getattr(self.cloud(), "images", None)

    def drawn_pictures(self, step: Step, count: int) -> dict[str, Tensor]:
        """What is scored: (count, C, S, S) in the units of `images`, made with the averaged weights in one jump, in two, and in 40 steps of
        their own velocity where they learn one."""
        from engine.labs.diffusion._sampling import STEPS, against, drawn
        from engine.labs.diffusion.models.consistency import many_steps

        made, velocity = dict(drawn(step)), self.own_velocity(step.model)
        if velocity is not None:
            z_ND = against(self.data, str(next(step.model.parameters()).device)).z_ND[:count]
            made["own_flow"] = many_steps(step.model.flow, velocity, z_ND, STEPS)
        shape = self.cloud().images.train_NCHW.shape[1:]
        return {name: x_ND[:count].reshape(-1, *shape) for name, x_ND in made.items()}

    def network(self) -> nn.Module:
        """One network with the knobs of this declaration, not initialised."""
        from engine.labs.diffusion.models.time_network import TimeNetwork

        two_times = self.objective.two_times() or self.anchor.two_times()
        sizes = (self.cloud().d, self.width, self.blocks)
        quiet_end = not self.objective.two_times()  # of FACM's two time inputs the second starts at zero, of MeanFlow's none
        return TimeNetwork(
            *sizes, self.fourier_scale, self.modulation.double_norm(), two_times, self.head_norm, self.seed, quiet_end=quiet_end
        )

    def model(self) -> nn.Module:
        from engine.labs.common.models.initialise import initialise
        from engine.labs.diffusion.models.consistency import ConsistencyModel
        from engine.labs.diffusion.models.ema import Ema

        if self.anchor.mirrored() and not self.objective.mirrors():
            raise ValueError(
                "anchor=expanded_interval needs times beyond the data, of which this objective's logarithm of the noise knows nothing; "
                "choose anchor=auxiliary_condition or another objective."
            )
        self.reference()  # a missing teacher is told before anything is made
        log_variance = self.loss_weight.network(self.width, self.seed)
        model = ConsistencyModel(self.network(), self.objective, log_variance)
        initialise(model, self.seed)
        model.ema = Ema(model.network, self.ema)
        return model

    def batch(self, n: int) -> dict[str, Tensor]:
        """Data, noise, and the numbers from which the objective draws its times."""
        return self._draw(f"batch/{n}", held_out=False)

    def validation(self) -> Iterator[dict[str, Tensor]]:
        for n in range(VALIDATION_BATCHES):
            yield self._draw(f"validation/{n}", held_out=True)

    def _draw(self, name: str, *, held_out: bool) -> dict[str, Tensor]:
        import torch

        from engine.labs.common.models.initialise import named_generator

        generator = named_generator(0 if held_out else self.seed if self.data_seed is None else self.data_seed, name)
        cloud, n = self.cloud(), self.batch_size
        y_BD = cloud.unseen(n, generator) if held_out else cloud.sample(n, generator)
        normal = torch.randn(len(y_BD), y_BD.shape[1] + 2, generator=generator)
        return {
            "y": y_BD,
            "z": normal[:, 2:].contiguous(),
            "normal": normal[:, :2].contiguous(),
            "uniform": torch.rand(len(y_BD), generator=generator),
        }

    def loss(self, model: nn.Module, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """The consistency loss, and the anchor's; during `pretrain` the velocity loss alone."""
        from engine.labs.diffusion.models.tangent import TangentRecord, row_norms
        from engine.labs.diffusion.remedies.anchor import velocity_loss

        objective, flow = self.objective, self.objective.flow()
        velocity = self._velocity()
        if step < self.pretrain:
            t_B, y_BD, dy_BD = objective.point(batch, velocity)
            time_B, end_B = self.anchor.pretraining_label(flow, t_B)
            return {"train": velocity_loss(model.predict(y_BD, time_B, t_B if objective.two_times() else end_B), dy_BD)}
        progress = (step - self.pretrain) / max(1, self.steps - self.pretrain)
        found = objective.residual(model.predict, batch, velocity, progress)
        shaped_BD = self.tangent.transform(found.g_BD, found.noise_fraction_B)
        train = self.loss_weight.weigh(objective.error(found, shaped_BD), found.noise_fraction_B, model.log_variance)
        anchor = self.anchor.loss(model.predict, flow, found)
        if model.training:
            derivative_B = None if found.J_BD is None else row_norms(found.J_BD)
            model.record = TangentRecord(row_norms(found.g_BD), row_norms(shaped_BD), derivative_B, found.noise_fraction_B)
        return {"train": train} if anchor is None else {"train": train, "anchor": anchor}

    def stacked_loss(self, models: Any, leaves: Any, batches: Any, step: int) -> Any:
        """The same of many runs in one pass, by another path with the same numbers up to rounding."""
        from engine.labs.diffusion._stacked import stacked_loss

        return stacked_loss(self, models, leaves, batches, step)

    def after_step(self, model: nn.Module, step: int) -> None:
        """The average moves; a diffusion run that has come to its end becomes a teacher for others."""
        from engine.labs.diffusion import _teachers

        model.ema.update(model.network)
        if step == self.steps - 1 and self.objective.name == "diffusion":
            _teachers.save(self.flat(), model.ema.weights())

    def own_velocity(self, model: Any) -> Velocity | None:
        """The averaged network's answer to the question for the velocity, in its own flow; None where it never learns one."""
        F, flow, objective = model.averaged(), self.objective.flow(), self.objective
        if self.anchor.anchored():
            return lambda y_BD, t_B: F(y_BD, *self.anchor.velocity_label(flow, t_B))
        if objective.two_times():
            return lambda y_BD, t_B: F(y_BD, t_B, t_B)
        return F if objective.knows_velocity() else None

    def _velocity(self) -> Velocity | None:
        """In the convention of the objective; None where the pair's own is used."""
        field = self.reference() if self.velocity != "data" else None
        return None if field is None else self.objective.flow().velocity_of(field)

    def reference(self) -> Velocity | None:
        """The velocity of the true flow in TrigFlow: exact in the plane, a teacher's where one is asked for, None where there is none."""
        cloud = self.cloud()
        if self.velocity == "teacher":
            return self._teacher()
        if hasattr(cloud, "mixture"):
            return cloud.mixture.velocity
        if self.velocity == "exact":
            raise ValueError(f"velocity=exact needs a distribution in the plane, but data is {self.data}; choose velocity=teacher or data.")
        return None

    def teacher(self) -> Consistency:
        """The run that makes the teacher of this declaration: preset `teacher` with the same data and network."""
        same = ("data", "width", "blocks", "fourier_scale", "head_norm")
        knobs = override(self.presets["teacher"].knobs, {name: getattr(self, name) for name in same})
        return type(self).model_validate(nest(knobs, QUESTIONS))

    def _teacher(self) -> Velocity:
        from engine.labs.diffusion._teachers import velocity

        teacher = self.teacher()
        found = velocity(teacher)
        if found is None:
            given = " ".join(f"{name}={getattr(self, name)}" for name in ("data", "width", "blocks", "fourier_scale", "head_norm"))
            raise ValueError(
                f"velocity=teacher needs a teacher with this data and network, and none has been trained here; run the preset teacher "
                f"first: faultline run consistency --preset teacher {given}"
            )
        return found

    def provenance(self) -> dict[str, Any]:
        from engine.labs.diffusion import _teachers

        found = dict(self.cloud().provenance())
        if self.velocity == "teacher":
            found["teacher"] = _teachers.key(self.teacher().flat())
        return found
