"""Panel: what a perfectly balanced router looks like by chance alone, so that noise is not taken for imbalance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.declare.knobs import knob
from engine.labs.panel import Frames, Panel

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from numpy.random import Generator
    from numpy.typing import NDArray

FEWEST, MOST = 16, 2**20  # tokens
GRID = 21  # numbers of tokens at which the bands are drawn
WORK = 4_000_000  # binomial draws, which bounds the time of every slider position
DEAD = 0.1  # of the fair share, as in the probe router/dead_experts
MEMORY = 39  # batches: an average with decay 0.95 is as noisy as the mean of (1 + 0.95) / (1 - 0.95)
MEASURES = {"max_violation": "MaxVio", "entropy": "entropy of the load", "dead": "dead experts"}
COLOUR = "#0072B2"


class RouterNoise(Panel):
    title = "What chance alone does to a balanced router"
    labs = ("moe",)
    formula = (
        r"c_e\sim\mathrm{Bin}(T,\,k/E),\quad \bar c=\frac{Tk}{E},"
        r"\quad \mathrm{MaxVio}=\max_e\frac{c_e}{\bar c}-1\approx\sqrt{2\ln E/\bar c},"
        r"\quad H=-\frac{1}{\ln E}\sum_e\frac{c_e}{Tk}\ln\frac{c_e}{Tk}"
    )
    about = (
        "Every token goes to k different experts drawn by lot: no router is fairer, and still their loads differ. What a run "
        "shows inside the band differs from perfect balance by nothing but luck."
    )
    paper = "MaxVio: Auxiliary-Loss-Free Load Balancing (Wang et al. 2024, arXiv 2408.15664); the rest is balls thrown into bins"
    reading = "definitions as in the paper, probabilities derived here"
    order = 10

    tokens: int = knob(1024, "tokens routed in one batch", unit="tokens", group="size", ge=FEWEST, le=MOST)
    experts: int = knob(32, "experts of the layer", unit="experts", group="size", ge=2, le=256)
    k: int = knob(1, "experts per token", unit="experts", group="size", ge=1, le=8)

    def compute(self) -> Frames:
        """-> "bands": one row per number of tokens (mean, 5 % and 95 % of each measure), "here": the row of `tokens`.

        The means of entropy and of dead experts are exact, for they need one expert's count alone; MaxVio and the
        bands are those of a seeded simulation of the whole draw.
        """
        import numpy as np

        from engine.labs.moe.panels._binomial import log_factorials

        self._check()
        grid = sorted({self.tokens, *(round(float(t)) for t in np.geomspace(FEWEST, MOST, GRID))})
        draws = int(np.clip(WORK / (self.experts * self.k * len(grid)), 120, 2000))
        generator = np.random.default_rng([self.experts, self.k])
        drawn = self.simulate(np.repeat(grid, draws), generator)
        bands: dict[str, list[float]] = {"tokens": list(grid)}
        for measure, values in drawn.items():
            each = values.reshape(len(grid), draws)
            low, high = np.quantile(each, (0.05, 0.95), axis=1)
            bands |= {f"{measure}_mean": each.mean(axis=1).tolist(), f"{measure}_low": low.tolist(), f"{measure}_high": high.tolist()}
        log_factorial = log_factorials(MOST)
        exact = [self.expected(t, log_factorial) for t in grid]
        bands["entropy_mean"], bands["dead_mean"] = ([row[i] for row in exact] for i in (0, 1))
        bands["rule"] = [math.sqrt(2.0 * math.log(self.experts) * self.experts / (t * self.k)) for t in grid]
        at = grid.index(self.tokens)
        here = {name: [values[at]] for name, values in bands.items()}
        here["dead_averaged"] = [self.expected(min(MOST, MEMORY * self.tokens), log_factorial)[1]]
        return {"bands": bands, "here": here}

    def simulate(self, tokens_N: NDArray, generator: Generator) -> dict[str, NDArray]:
        """Draw the loads of N independent batches and measure each: {"max_violation", "entropy", "dead"} -> (N,).

        Expert by expert: of the tokens that still need r of the remaining m experts, each takes this one with probability r / m,
        which is a uniform draw of k different experts for every token.
        """
        import numpy as np

        E, k = self.experts, self.k
        still_rN = np.zeros((k + 1, len(tokens_N)), dtype=np.int64)  # tokens that need r more experts
        still_rN[k] = tokens_N
        total_N = tokens_N * k
        most_N, dead_N = np.zeros(len(tokens_N)), np.zeros(len(tokens_N))
        entropy_N = np.zeros(len(tokens_N))
        for e in range(E):
            count_N = np.zeros(len(tokens_N), dtype=np.int64)
            for r in range(1, k + 1):  # upwards: a token that moves down to r - 1 is not drawn a second time
                taken_N = generator.binomial(still_rN[r], min(1.0, r / (E - e)))
                still_rN[r] -= taken_N
                still_rN[r - 1] += taken_N
                count_N += taken_N
            share_N = count_N / total_N
            most_N = np.maximum(most_N, share_N)
            dead_N += share_N < DEAD / E
            entropy_N -= share_N * np.log(np.where(share_N > 0.0, share_N, 1.0))
        return {"max_violation": most_N * E - 1.0, "entropy": entropy_N / math.log(E), "dead": dead_N}

    def expected(self, tokens: int, log_factorial: NDArray) -> tuple[float, float]:
        """-> exact means of (entropy, dead experts) of one batch, by linearity over the experts."""
        import numpy as np

        from engine.labs.moe.panels._binomial import binomial

        counts, chance = binomial(tokens, self.k / self.experts, log_factorial)
        share = counts / (tokens * self.k)
        entropy = -float(chance @ (share * np.log(np.where(share > 0.0, share, 1.0))))
        dead = float(chance @ (share < DEAD / self.experts))
        return self.experts * entropy / math.log(self.experts), self.experts * dead

    def _check(self) -> None:
        if self.k > self.experts:
            raise ValueError(f"k={self.k} is more than the {self.experts} experts there are; choose k at most {self.experts}.")

    def figure(self, frames: Frames) -> go.Figure:
        import plotly.graph_objects as go

        from engine.labs.chart import blank

        bands, here = frames["bands"], frames["here"]
        figure = blank(height=560)
        figure.set_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05)
        for row, (measure, name) in enumerate(MEASURES.items(), start=1):
            first = row == 1
            edge = {"x": bands["tokens"], "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": "band"}
            figure.add_trace(go.Scatter(y=bands[f"{measure}_low"], showlegend=False, **edge), row, 1)
            over = {"fill": "tonexty", "fillcolor": "rgba(0,114,178,0.25)", "name": "nine batches of ten", "showlegend": first}
            figure.add_trace(go.Scatter(y=bands[f"{measure}_high"], **edge, **over), row, 1)
            mean = {"mode": "lines", "line": {"color": COLOUR, "width": 2}, "name": "mean", "legendgroup": "mean", "showlegend": first}
            message = f"{name} %{{y:.4~g}}<extra></extra>"
            figure.add_trace(go.Scatter(x=bands["tokens"], y=bands[f"{measure}_mean"], hovertemplate=message, **mean), row, 1)
            dot = {"color": "#D55E00", "size": 9}
            chosen = {
                "mode": "markers",
                "marker": dot,
                "name": "your batch",
                "legendgroup": "here",
                "showlegend": first,
                "hoverinfo": "skip",
            }
            figure.add_trace(go.Scatter(x=here["tokens"], y=here[f"{measure}_mean"], **chosen), row, 1)
            figure.update_yaxes(title_text=name, row=row, col=1, zeroline=False)
        rule = {"mode": "lines", "line": {"color": "#8A8A8A", "width": 1.5, "dash": "dash"}, "name": "√(2 ln E / mean count)"}
        rule["hovertemplate"] = "rule of thumb %{y:.4~g}<extra></extra>"
        figure.add_trace(go.Scatter(x=bands["tokens"], y=bands["rule"], **rule), 1, 1)
        figure.update_xaxes(type="log", dtick=1, exponentformat="SI", zeroline=False, title_text="")
        figure.update_xaxes(title_text="tokens in the batch", unifiedhovertitle={"text": "%{x:,d} tokens"}, row=3, col=1)
        figure.update_yaxes(type="log", dtick=1, tickformat="~g", row=1, col=1)
        figure.update_layout(margin={"l": 64, "r": 16, "t": 8, "b": 44})
        return figure

    def sentence(self, frames: Frames) -> str:
        here = {name: values[0] for name, values in frames["here"].items()}
        if self.k == self.experts:
            return "With as many choices as experts every expert gets every token: nothing is left to chance."
        span = f"{here['max_violation_low']:.2g} to {here['max_violation_high']:.2g}"
        batch = (
            f"With {self.tokens:,} tokens, {self.experts} experts and k = {self.k}, chance alone gives a MaxVio of "
            f"{here['max_violation_mean']:.2g} ({span} in nine batches of ten), an entropy of {here['entropy_mean']:.4f} and "
            f"{_few(here['dead_mean'])} in a single batch."
        )
        averaged = _few(here["dead_averaged"])
        page = f"The run page averages dead experts over about {MEMORY} batches (decay 0.95): there chance gives {averaged}."
        return f"{batch} {page}"


def _few(dead: float) -> str:
    return "no dead expert" if dead < 0.005 else f"{dead:.2g} dead experts"
