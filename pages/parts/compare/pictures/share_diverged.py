"""How many runs of each arm diverged, and what that says of the probability."""

from __future__ import annotations

import plotly.graph_objects as go

from engine.labs.chart import blank
from pages.parts.compare.picture import ComparisonPicture, Shown

ROW = 34  # pixels of an arm


class ShareDiverged(ComparisonPicture):
    """One row an arm: the share with its Wilson interval."""

    title = "Share diverged"
    about = "The share of runs that diverged, with the 95 % interval (Wilson) of the probability behind it."
    order = 40

    def fits(self, shown: Shown) -> bool:
        return any(arm.diverged.n for arm in self._arms(shown))

    def figure(self, shown: Shown) -> go.Figure:
        arms = [arm for arm in self._arms(shown) if arm.diverged.n]
        figure = blank(height=max(200, 100 + ROW * len(arms)))
        figure.layout.update(hovermode="closest", showlegend=False)
        figure.layout.margin.update(l=20)
        for n, arm in enumerate(arms):
            share, style = arm.diverged, shown.style(arm.name)
            assert share.low is not None
            assert share.high is not None
            part = share.k / share.n
            ends = {"type": "data", "symmetric": False, "array": [share.high - part], "arrayminus": [part - share.low]}
            figure.add_trace(
                go.Scatter(
                    x=[part],
                    y=[n],
                    error_x={**ends, "color": style.colour, "thickness": 2.4, "width": 6},
                    mode="markers",
                    marker={"color": style.colour, "size": 10, "symbol": style.marker},
                    name=style.label,
                    hovertemplate=f"{share.k} of {share.n}, {share.low:.0%} to {share.high:.0%}<extra>{style.label}</extra>",
                )
            )
        names = [shown.style(arm.name).label for arm in arms]
        figure.layout.yaxis.update(tickvals=list(range(len(arms))), ticktext=names, range=[len(arms) - 0.4, -0.6], automargin=True)
        figure.layout.yaxis.update(showgrid=False, title=None)
        figure.layout.xaxis.update(title="share of runs", tickformat=".0%", range=[-0.04, 1.04])
        return figure

    def _arms(self, shown: Shown):
        of = {arm.name: arm for part in (shown.overview.compared, *shown.overview.others) for arm in part.arms}
        return [of[arm.name] for arm in shown.arms.arms]
