"""Panel: what a fixed capacity per expert drops, leaves empty and costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from engine.declare.knobs import knob
from engine.labs.panel import Frame, Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.typing import NDArray

FACTORS = [round(0.25 + 0.05 * i, 2) for i in range(76)]  # capacity factors of the curve, 0.25 to 4
MATRICES = 2  # of one expert: in and out, as in this lab; a gated expert has three
BYTES = {"fp32": 4, "bf16": 2}
KEPT, DROPPED, EMPTY = "#0072B2", "#D55E00", "#8A8A8A"


class ExpertCapacity(Panel):
    title = "What a capacity limit drops, and what it costs"
    labs = ("moe",)
    formula = (
        r"C=\lceil\phi\,Tk/E\rceil,\quad \text{dropped}=\frac{1}{Tk}\sum_e\mathbb{E}\,(c_e-C)^+,"
        r"\quad c_e\sim\mathrm{Bin}(T,\pi_e),\quad \pi_e\propto e^{-s},\quad \text{empty}=1-\frac{\text{kept}}{EC}"
    )
    about = (
        "On accelerators an expert often gets a buffer of fixed size: C slots, the capacity factor φ times the fair share. "
        "Tokens that find it full skip the layer, empty slots are computed all the same."
    )
    paper = "Switch Transformers (Fedus et al. 2021, arXiv 2101.03961), eq. 3; GShard (Lepikhin et al. 2020, arXiv 2006.16668), section 2.2"
    reading = "capacity as in the papers; drops, FLOPs and bytes derived here from the shapes of the tensors"
    order = 20

    tokens: int = knob(1024, "tokens that share the buffers (GShard's group)", unit="tokens", group="size", ge=16, le=65_536)
    experts: int = knob(32, "experts of the layer", unit="experts", group="size", ge=2, le=256)
    k: int = knob(1, "experts per token", unit="experts", group="size", ge=1, le=8)
    capacity_factor: float = knob(
        1.25, "slots of an expert over its fair share of tokens", source="Switch Transformers: 1.0 to 2.0", group="remedy", ge=0.25, le=4.0
    )
    skew: float = knob(0.5, "imbalance s: the load of an expert falls as rank to the power of -s", group="stressor", ge=0.0, le=3.0)
    d_model: int = knob(64, "width of the model", unit="units", group="size", ge=16, le=8192)
    expert_width: int = knob(32, "hidden units of one expert", unit="units", group="size", ge=16, le=32_768)
    number_format: Literal["bf16", "fp32"] = knob("bf16", "format of weights and activations", group="size")

    def capacity(self, factor: float) -> int:
        """Slots of one expert: Switch Transformers eq. 3, for k choices, rounded up."""
        return math.ceil(round(factor * self.tokens * self.k / self.experts, 9))

    def compute(self) -> Frames:
        """-> "experts": tokens kept, dropped and slots left empty by rank; "factors": shares by capacity factor; "cost"; "here"."""
        import numpy as np

        from engine.labs.moe.panels._binomial import binomial, log_factorials

        if self.k > self.experts:
            raise ValueError(f"k={self.k} is more than the {self.experts} experts there are; choose k at most {self.experts}.")
        T, E, k = self.tokens, self.experts, self.k
        log_factorial = log_factorials(T)
        slots = self.capacity(self.capacity_factor)
        chosen_E = self.chosen()
        capacities = np.array([slots, *(self.capacity(factor) for factor in FACTORS)])
        over_EC = np.array([_overflow(*binomial(T, p, log_factorial), capacities) for p in chosen_E.tolist()])  # tokens
        fair_C = E * _overflow(*binomial(T, k / E, log_factorial), capacities)
        dropped_C = over_EC.sum(axis=0) / (T * k)
        empty_C = 1.0 - (1.0 - dropped_C) * T * k / (E * capacities)
        experts: Frame = {
            "rank": list(range(1, E + 1)),
            "kept": (T * chosen_E - over_EC[:, 0]).tolist(),
            "dropped": over_EC[:, 0].tolist(),
        }
        experts["empty"] = [slots - kept for kept in experts["kept"]]
        factors: Frame = {
            "factor": list(FACTORS),
            "dropped": dropped_C[1:].tolist(),
            "dropped_balanced": (fair_C[1:] / (T * k)).tolist(),
            "empty": empty_C[1:].tolist(),
        }
        chosen: Frame = {
            "capacity": [slots],
            "dropped": [float(dropped_C[0])],
            "dropped_balanced": [float(fair_C[0]) / (T * k)],
            "empty": [float(empty_C[0])],
            "max_violation": [float(chosen_E.max()) * E / k - 1.0],
        }
        return {"experts": experts, "factors": factors, "cost": self.cost(slots, float(dropped_C[0])), "here": chosen}

    def chosen(self) -> NDArray:
        """Probability that a token has expert e among its k, by rank -> (E,), summing to k.

        Proportional to rank ** -s, but never above 1: what an expert cannot take goes to the others in proportion.
        """
        import numpy as np

        weight_E = np.arange(1, self.experts + 1, dtype=np.float64) ** -self.skew
        full = 0  # experts that every token chooses; the first ranks fill up first
        while full < self.k and (self.k - full) * weight_E[full] / weight_E[full:].sum() > 1.0:
            full += 1
        rest_E = (self.k - full) * weight_E / max(weight_E[full:].sum(), np.finfo(float).tiny)
        return np.where(np.arange(self.experts) < full, 1.0, np.minimum(rest_E, 1.0))

    def cost(self, slots: int, dropped: float) -> Frame:
        """Forward FLOPs of one layer per token (a multiply-add is two), and bytes of one layer for the whole group."""
        T, E, k, d, n = self.tokens, self.experts, self.k, self.d_model, self.expert_width
        size = BYTES[self.number_format]
        per_slot = 2.0 * MATRICES * d * n
        kept = k * (1.0 - dropped)
        return {
            "part": ["router", "experts, useful", "experts, empty slots", "one-hot dispatch"],  # the last with its inverse, combine
            "flops": [2.0 * d * E, kept * per_slot, (E * slots / T - kept) * per_slot, 2.0 * 2.0 * E * slots * d],
            "bytes_of": ["expert weights", "buffers in and out", "one-hot mask", ""],
            "bytes": [float(E * MATRICES * d * n * size), 2.0 * E * slots * d * size, float(T * E * slots * size), None],
        }

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go

        from engine.labs.chart import blank

        experts, factors, chosen, cost = (frames[name] for name in ("experts", "factors", "here", "cost"))
        figure = blank(height=720)
        figure.set_subplots(rows=3, cols=1, vertical_spacing=0.12, row_heights=[0.36, 0.36, 0.28])
        for name, colour in (("kept", KEPT), ("dropped", DROPPED), ("empty", EMPTY)):
            shade = {"color": colour, "opacity": 0.35 if name == "empty" else 1.0, "line": {"width": 0}}
            message = f"{name} %{{y:.4~g}}<extra></extra>"
            bars = go.Bar(x=experts["rank"], y=experts[name], name=name, legendgroup=name, marker=shade, hovertemplate=message)
            figure.add_trace(bars, 1, 1)
        for name, shown, colour, dash in (
            ("dropped", "dropped", DROPPED, "solid"),
            ("dropped_balanced", "dropped by chance alone", DROPPED, "dot"),
            ("empty", "empty", EMPTY, "solid"),
        ):
            drawn = {"color": colour, "width": 2, "dash": dash}
            curve = go.Scatter(x=factors["factor"], y=factors[name], name=shown, legendgroup=name, line=drawn, showlegend=dash == "dot")
            curve.update(hovertemplate=f"{shown} %{{y:.1%}}<extra></extra>")
            figure.add_trace(curve, 2, 1)
        for name, colour in (("dropped", DROPPED), ("empty", EMPTY)):
            mark = {"color": colour, "size": 10, "line": {"width": 1, "color": "white"}}
            dot = go.Scatter(x=[self.capacity_factor], y=chosen[name], mode="markers", marker=mark, showlegend=False, hoverinfo="skip")
            figure.add_trace(dot, 2, 1)
        parts = [part.replace(", ", ",<br>").replace("one-hot ", "one-hot<br>") for part in cost["part"]]
        flops = go.Bar(x=cost["flops"], y=parts, orientation="h", marker={"color": KEPT}, showlegend=False)
        flops.update(texttemplate="%{x:.3~s}", hovertemplate="%{y}: %{x:.4~s}FLOP<extra></extra>")
        figure.add_trace(flops, 3, 1)
        figure.update_xaxes(title_text="expert, by rank", row=1, col=1)
        figure.update_xaxes(title_text="capacity factor φ", unifiedhovertitle={"text": "φ = %{x}"}, row=2, col=1)
        figure.update_xaxes(title_text="FLOP per token, forward", type="log", dtick=1, exponentformat="SI", row=3, col=1)
        figure.update_yaxes(title_text="tokens", row=1, col=1)
        figure.update_yaxes(title_text="share of choices, of slots", tickformat=".0%", range=[-0.02, 1.02], row=2, col=1)
        figure.update_yaxes(autorange="reversed", automargin=True, row=3, col=1)
        figure.update_layout(barmode="stack", bargap=0.15, margin={"l": 64, "r": 16, "t": 8, "b": 44})
        return figure

    def sentence(self, frames: Frames) -> str:
        chosen = {name: values[0] for name, values in frames["here"].items()}
        weights, buffers, mask, _ = frames["cost"]["bytes"]
        load = (
            f"{chosen['capacity']:,} slots per expert. The busiest expert wants {chosen['max_violation'] + 1:.3g} times its fair share, "
            f"{chosen['dropped']:.1%} of all choices are dropped (chance alone would drop {chosen['dropped_balanced']:.1%}) and "
            f"{chosen['empty']:.1%} of the slots stay empty."
        )
        memory = (
            f"One layer keeps {_bytes(weights)} of expert weights and {_bytes(buffers)} of buffers; "
            f"the one-hot mask that Switch and GShard dispatch with would be {_bytes(mask)}."
        )
        return f"{load} {memory}"


def _overflow(counts: NDArray, chance: NDArray, capacities: NDArray) -> NDArray:
    """Expected number of tokens beyond each capacity, E (c - C)+, exactly -> like `capacities`."""
    import numpy as np

    above = np.append(np.cumsum(chance[::-1])[::-1], 0.0)  # P(c >= counts[i]), and 0 beyond the last
    weighted = np.append(np.cumsum((chance * counts)[::-1])[::-1], 0.0)
    first = np.searchsorted(counts, capacities, side="right")
    return np.maximum(0.0, weighted[first] - capacities * above[first])


def _bytes(size: float) -> str:
    """In powers of 1000."""
    power = min(4, max(0, int(math.log10(max(size, 1.0)) // 3)))
    return f"{size / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
