"""Panel `skip_energy`: theorems 1 and 3 of ScaleLong on networks that are only initialised, never trained."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from engine.declare.knobs import knob
from engine.labs.panel import Frame, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go

SEEDS = 5
DEPTHS = 7  # numbers of skips that are measured
SOLID, DOTTED = {"width": 1.6}, {"width": 1.4, "dash": "dot"}
RULES = {"no scaling": "#D55E00", "1/√2": "#CC79A7", "constant (CS)": "#0072B2"}


def kappas(rule: str, kappa: float, skips: int) -> list[float]:
    """The factor of each skip, the outermost first."""
    return [{"no scaling": 1.0, "1/√2": 2**-0.5}.get(rule, kappa**i) for i in range(skips)]


def predicted_energy(factors: list[float]) -> float:
    """‖h_0‖²/‖x‖² of an infinitely wide network: e ← e + κ² + (2/π) κ √e from the deepest skip outwards, beginning at 1.

    Our derivation: a Kaiming ReLU layer keeps the energy, and two such outputs of independent layers have the cosine 1/π, because
    neither has a negative entry.  Without that last term it is 1 + Σκ², the theorem's growth.
    """
    energy = 1.0
    for factor in reversed(factors):
        energy += factor**2 + 2.0 / math.pi * factor * energy**0.5
    return energy


def theorem_energy(factors: list[float]) -> float:
    """c₁ Σκ² + c₂ with both constants 1: what theorem 1 says, and what the derivation gives for orthogonal outputs."""
    return 1.0 + sum(factor**2 for factor in factors)


def theorem_gain(factors: list[float]) -> float:
    """Σκ M₀ⁱ + c₀ with both constants 1, the bound of theorem 3: parts that all point the same way."""
    return 1.0 + sum(factors)


def predicted_gain(factors: list[float]) -> float:
    """‖f(x+δ) - f(x)‖/‖δ‖ of an infinitely wide network, √(1 + Σκ²): what δ becomes in independent layers is orthogonal.

    The root of a sum of squares, where theorem 3 has the sum: no bound, but what happens.
    """
    return (1.0 + sum(factor**2 for factor in factors)) ** 0.5


class SkipEnergy(Panel):
    """Why the formula is only our reading: theorem 3 is known here from a later paper that restates it, theorem 1 from memory; both
    agree with what the panel measures up to the constants."""

    title = "Every skip adds its energy"
    labs = ("unet",)
    formula = (
        r"\|h_0\|^2\sim c_1\|x\|^2\sum_{i=1}^{N}\kappa_i^2+c_2,\qquad "
        r"\|f(x+\delta)-f(x)\|\le\|\delta\|\Big[\sum_{i=1}^{N}\kappa_iM_0^i+c_0\Big]"
    )
    about = (
        "ReLU networks with N added skips, as they begin: how much larger the last features (above) and a small push (below) have become. "
        "Dotted is what the theorems say, solid what is to be expected."
    )
    paper = "ScaleLong (Huang, Zhou, Yan, Lin, NeurIPS 2023, arXiv 2310.13545), theorems 1 and 3"
    reading = "our reading of the abstract"
    order = 10

    skips: int = knob(16, "largest number of long skips", unit="skips", ge=2, le=24)
    kappa: float = knob(0.7, "constant scaling: factor from one skip to the next deeper one", ge=0.05, le=1.0)
    width: int = knob(96, "units of each layer; the wider, the closer to the lines", unit="units", ge=16, le=128)

    def compute(self) -> dict[str, Frame]:
        """`measured`: one row per rule, number of skips and seed.  `predicted`: one row per rule and number of skips,
        with what is expected and what the theorems say."""
        from engine.labs.diffusion.models.additive_unet import energies_and_gains

        measured: Frame = {name: [] for name in ("rule", "skips", "seed", "energy", "gain")}
        predicted: Frame = {name: [] for name in ("rule", "skips", "energy", "gain", "theorem_energy", "theorem_gain")}
        depths = sorted({max(1, round(self.skips * (i + 1) / DEPTHS)) for i in range(DEPTHS)})
        for rule in RULES:
            for skips in range(1, self.skips + 1):
                factors = kappas(rule, self.kappa, skips)
                _row(predicted, rule=rule, skips=skips, energy=predicted_energy(factors), gain=predicted_gain(factors))
                _row(predicted, theorem_energy=theorem_energy(factors), theorem_gain=theorem_gain(factors))
        for skips in depths:
            scalings = [kappas(rule, self.kappa, skips) for rule in RULES]
            for seed in range(SEEDS):
                for rule, (energy, gain) in zip(RULES, energies_and_gains(scalings, skips, self.width, seed), strict=True):
                    _row(measured, rule=rule, skips=skips, seed=seed, energy=energy, gain=gain)
        return {"measured": measured, "predicted": predicted}

    def figure(self, frames: dict[str, Frame]) -> go.Figure:
        import plotly.graph_objects as go

        from engine.labs.chart import blank

        figure = blank(y_title="‖h₀‖² / ‖x‖²", height=480)
        for rule, colour in RULES.items():
            line, marks = (_of(frames[name], rule) for name in ("predicted", "measured"))
            for value, axes in (("energy", {}), ("gain", {"yaxis": "y2"})):
                shared = {"legendgroup": rule, "name": rule, **axes}
                hover = "N = %{x}: %{y:.3~g}<extra>" + rule
                for column, drawn, said in ((value, SOLID, "expected"), (f"theorem_{value}", DOTTED, "theorem")):
                    figure.add_trace(
                        go.Scatter(
                            x=line["skips"],
                            y=line[column],
                            mode="lines",
                            line={"color": colour, **drawn},
                            showlegend=value == column == "energy",
                            hovertemplate=f"{hover}, {said}</extra>",
                            **shared,
                        )
                    )
                figure.add_trace(
                    go.Scatter(
                        x=marks["skips"],
                        y=marks[value],
                        mode="markers",
                        marker={"color": colour, "size": 6, "opacity": 0.55},
                        showlegend=False,
                        hovertemplate=hover + ", measured</extra>",
                        **shared,
                    )
                )
        figure.update_layout(
            hovermode="closest",
            xaxis={"title": {"text": "number of long skips"}, "anchor": "y2"},
            yaxis={"domain": [0.55, 1.0]},
            yaxis2={"domain": [0.0, 0.45], "title": {"text": "‖Δh₀‖ / ‖δ‖"}, "anchor": "x", "zeroline": False},
        )
        figure.update_yaxes(rangemode="tozero")
        return figure

    def sentence(self, frames: dict[str, Frame]) -> str:
        plain, scaled = (_means(_of(frames["measured"], rule)) for rule in ("no scaling", "constant (CS)"))
        factors = kappas("no scaling", self.kappa, self.skips)
        numbers = (
            f"With {self.skips} skips the features hold {plain['energy']:.3g} times the input's energy unscaled and "
            f"{scaled['energy']:.3g} times with κ = {self.kappa:g}; a push becomes {plain['gain']:.3g} times longer against "
            f"{scaled['gain']:.3g} times (means of {SEEDS} networks)."
        )
        energy = (
            f"Theorem 1 with constants of 1, 1 + Σκ², says {theorem_energy(factors):.3g} unscaled; the solid line, our derivation for wide "
            f"networks, says {predicted_energy(factors):.3g}."
        )
        reason = (
            "For ReLU outputs have no negative entry, so two of them are not orthogonal (their cosine is 1/π), and each skip adds "
            "(2/π) κ √e to the energy e beside κ²."
        )
        push = (
            f"For a push theorem 3 is a bound, here 1 + Σκ = {theorem_gain(factors):.3g}, reached if all parts pointed one way; they are "
            f"orthogonal, which gives √(1 + Σκ²) = {predicted_gain(factors):.3g} (solid)."
        )
        return " ".join((numbers, energy, reason, push))


def _row(frame: Frame, **cells: Any) -> None:
    for name, cell in cells.items():
        frame[name].append(cell)


def _of(frame: Frame, rule: str) -> Frame:
    """The rows of one rule."""
    kept = [i for i, name in enumerate(frame["rule"]) if name == rule]
    return {name: [column[i] for i in kept] for name, column in frame.items()}


def _means(frame: Frame) -> dict[str, float]:
    """Mean energy and gain at the largest number of skips."""
    kept = [i for i, skips in enumerate(frame["skips"]) if skips == max(frame["skips"])]
    return {name: sum(frame[name][i] for i in kept) / len(kept) for name in ("energy", "gain")}
