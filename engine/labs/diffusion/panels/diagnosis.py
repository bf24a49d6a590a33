"""Panel: Figure 4 of sCM, which predicts from a diffusion model alone whether a consistency model made of it will train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from engine.declare.knobs import knob, nest
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

SCALES = {"positional": 0.0, "fourier_4": 4.0, "fourier_16": 16.0}
NAMES = {"positional": "positional", "fourier_4": "Fourier 4", "fourier_16": "Fourier 16"}
SHARES = 64
COLOURS = {"time": "#D55E00", "space": "#0072B2"}


class Diagnosis(Panel):
    title = "Diagnosis before training"
    labs = ("consistency",)
    formula = (
        r"\frac{dF}{dt}=\nabla_x F\cdot\frac{dx_t}{dt}+\partial_t F,\quad "
        r"\partial_t F=\frac{\partial c}{\partial t}\;\frac{\partial\,\mathrm{emb}}{\partial c}\;\frac{\partial F}{\partial\,\mathrm{emb}}"
    )
    about = (
        "Both parts of a network's time derivative, from the data (0) to pure noise (1): as it is initialised, or once it has "
        "been trained as a plain diffusion model, which is no consistency model yet."
    )
    paper = "sCM (Lu and Song 2025, arXiv 2410.11081), eq. 7 and Figure 4"
    reading = "paper"
    order = 10

    network: Literal["initialised", "trained"] = knob("initialised", "before any training, or after training as a diffusion model")
    embedding: Literal["positional", "fourier_4", "fourier_16"] = knob("fourier_16", "time embedding of the diffusion model")
    c_noise: Literal["t", "log"] = knob("t", "what it hears of the time: t itself, or EDM's logarithm of the noise")
    data: Literal["ring", "checkerboard", "moons", "spirals"] = knob("ring", "distribution that it has learned")

    def teacher(self) -> Any:
        """The diffusion run that this panel looks at: preset `diagnosis` with three of its knobs set."""
        from engine.declare.presets import override
        from engine.labs.diffusion.consistency import QUESTIONS, Consistency

        knobs = override(Consistency.presets["diagnosis"].knobs, self._knobs())
        return Consistency.model_validate(nest(knobs, QUESTIONS))

    def _knobs(self) -> dict[str, Any]:
        return {"fourier_scale": SCALES[self.embedding], "objective.c_noise": self.c_noise, "data": self.data}

    def compute(self) -> Frames:
        """-> "norms": 64 shares of noise with the mean length of each part over 48 pairs.  ValueError where the teacher is missing."""
        from engine.labs.diffusion import _teachers
        from engine.labs.diffusion.models.consistency import derivative_norms
        from engine.labs.diffusion.models.flows import TrigFlow
        from engine.labs.diffusion.probes.derivative_norms import pairs, shares

        lab = self.teacher()
        network = lab.model().network if self.network == "initialised" else _teachers.network(lab)
        if network is None:
            given = " ".join(f"{name}={value}" for name, value in self._knobs().items())
            raise ValueError(
                f"No such diffusion model has been trained here yet: run `faultline run consistency --preset diagnosis {given}`, or the "
                f"preset diagnosis with these knobs from the page Build, which takes some ten seconds."
            )

        def F(y_BD: Any, t_B: Any) -> Any:
            return network(y_BD, lab.objective.time_input(t_B))

        at = shares(SHARES)
        space, time = (norm.reshape(SHARES, -1).mean(dim=1) for norm in derivative_norms(TrigFlow(), F, *pairs(self.data, TrigFlow(), at)))
        return {"norms": {"share": at.tolist(), "space": space.tolist(), "time": time.tolist()}}

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go

        from engine.labs.chart import blank

        figure = blank(y_title="length of the derivative", height=340)
        norms = frames.get("norms", {"share": [], "space": [], "time": []})
        for part, name in (("time", "∂F/∂t, in time"), ("space", "∇F·dx/dt, in space")):
            line = {"color": COLOURS[part], "width": 2}
            figure.add_trace(go.Scatter(x=norms["share"], y=norms[part], name=name, mode="lines", line=line))
        figure.update_xaxes(title={"text": "share of noise"}, range=[0, 1])
        figure.update_yaxes(type="log", exponentformat="power", minorloglabels="none")
        return figure

    def sentence(self, frames: Frames) -> str:
        from statistics import median

        time, space = frames["norms"]["time"], frames["norms"]["space"]
        return (
            f"{NAMES[self.embedding]} embedding, {self.network}: the derivative in time has a median of {median(time):.3g} and a largest "
            f"value of {max(time):.3g}, {max(time) / median(time):.3g} times that; the median of the part in space is {median(space):.3g}."
        )
