"""Recorded curves as one small picture: of each arm the first seed as a line, all seeds as a band, and what was not finite at the edge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

from engine.declare.records import print_one
from pages.parts.gallery.recorded import Arm, Point

WIDTH, HEIGHT = 320, 144
LEFT, RIGHT, TOP, BOTTOM = 44.0, 312.0, 24.0, 112.0
BUCKETS = 40  # of steps, over which the band goes from the lowest to the highest value
DECADES = 1.5  # more of them ask for a logarithmic axis
PAIR = {"light": ("#C2410C", "#0072B2"), "dark": ("#E8722A", "#56B4E9")}  # broken, cured: Okabe and Ito, at least 3:1
LADDER = {
    "light": ("#0072B2", "#C2410C", "#00805C", "#B5588C", "#8A6D00", "#555555"),
    "dark": ("#56B4E9", "#E8722A", "#2FBF97", "#CC79A7", "#E69F00", "#BBBBBB"),
}
INK = {"light": "#31333F", "dark": "#FAFAFA"}
DASHES = ("", "5 3", "2 2", "7 2 2 2", "1 3", "9 3")


def picture(arms: Sequence[Arm], title: str, theme: str, *, pair: bool) -> str:
    """-> an <img> with the curves; "" where there are none.  `pair`: the first arm is the broken or unchanged one of two."""
    svg = drawn(arms, title, theme, pair=pair)
    if not svg:
        return ""
    source = "data:image/svg+xml," + quote(svg, safe=" =:/,.-'()")
    return f'<img src="{source}" alt="{escape(spoken(arms, title))}" style="width:100%;height:auto;display:block">'


def spoken(arms: Sequence[Arm], title: str) -> str:
    """What the picture shows, in numbers."""
    parts = []
    for arm in arms:
        ends = sorted(value for value in arm.ends() if math.isfinite(value))
        odd = len(arm.ends()) - len(ends)
        name = f"{arm.name}: " if arm.name else ""
        span = [print_one(ends[0], 3), print_one(ends[-1], 3)] if ends else []
        said = [f"ends at {span[0] if span[0] == span[1] else f'{span[0]} to {span[1]}'}"] if span else []
        said += [f"{odd} of {len(arm.ends())} end at no finite number"] if odd else []
        parts.append(name + ", ".join(said))
    seeds = max((len(arm.seeds) for arm in arms), default=0)
    return f"{title}, recorded with {seeds} seeds. {'; '.join(parts)}."


def drawn(arms: Sequence[Arm], title: str, theme: str, *, pair: bool) -> str:
    """The picture as SVG; "" where no arm has a point."""
    points = [point for arm in arms for seed in arm.seeds for point in seed]
    if not points:
        return ""
    finite = [value for _, value in points if math.isfinite(value)]
    last = max(step for step, _ in points) or 1
    scale = _Scale(finite, last)
    theme = theme if theme in INK else "light"
    colours = PAIR[theme] if pair else LADDER[theme]
    ink = INK[theme]
    parts = [
        f'<path d="M{LEFT} {TOP} V{BOTTOM} H{RIGHT}" fill="none" stroke="{ink}" stroke-opacity=".35"/>',
        *_labels(scale, title, last, ink),
    ]
    for number, arm in enumerate(arms):
        colour, dash = colours[number % len(colours)], DASHES[number % len(DASHES)]
        parts.append(f'<path d="{_band(arm, scale)}" fill="{colour}" fill-opacity=".18"/>')
        stroke = f'fill="none" stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")
        parts.append(f'<path d="{_line(arm.seeds[0], scale)}" {stroke}/>')
        parts += _crosses(arm, scale, colour)
    parts += _legend(arms, colours, ink)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="10" fill="{ink}">'
        f"{''.join(parts)}</svg>"
    )


class _Scale:
    """From steps and values to the picture; logarithmic where the values span many powers of ten and none is 0 or less."""

    def __init__(self, finite: Sequence[float], last: int) -> None:
        self.last = last
        self.low, self.high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        self.log = self.low > 0 and math.log10(self.high / self.low) > DECADES
        if not self.log:
            self.low = min(self.low, 0.0) if self.low < 0.5 * self.high else self.low
        self._ends = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)

    def x(self, step: float) -> float:
        return LEFT + (RIGHT - LEFT) * step / self.last

    def y(self, value: float) -> float:
        """Values beyond the finite ones stand at the edge."""
        if math.isinf(value):
            return TOP if value > 0 else BOTTOM
        first, end = self._ends
        share = ((math.log10(value) if self.log else value) - first) / ((end - first) or 1.0)
        return BOTTOM - (BOTTOM - TOP) * share


def _band(arm: Arm, scale: _Scale) -> str:
    """Bucket by bucket from the lowest to the highest finite value of all seeds."""
    width = max(1.0, (scale.last + 1) / BUCKETS)
    ends: dict[int, list[float]] = {}
    for seed in arm.seeds:
        for step, value in seed:
            if math.isfinite(value):
                ends.setdefault(int(step / width), []).append(value)
    middle = [(min(scale.last, (bucket + 0.5) * width), min(values), max(values)) for bucket, values in sorted(ends.items())]
    upper = [f"{scale.x(at):.0f} {scale.y(high):.1f}" for at, _, high in middle]
    lower = [f"{scale.x(at):.0f} {scale.y(low):.1f}" for at, low, _ in reversed(middle)]
    return f"M{'L'.join([*upper, *lower])}z" if middle else ""


def _line(points: Sequence[Point], scale: _Scale) -> str:
    """Straight between recorded points, broken where one is not finite."""
    return "".join(f"M{'L'.join(f'{scale.x(s):.1f} {scale.y(v):.1f}' for s, v in stretch)}" for stretch in _stretches(points))


def _stretches(points: Sequence[Point]) -> Iterator[list[Point]]:
    stretch: list[Point] = []
    for point in points:
        if math.isfinite(point[1]):
            stretch.append(point)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch if len(stretch) > 1 else [stretch[0], stretch[0]]


def _crosses(arm: Arm, scale: _Scale, colour: str) -> list[str]:
    """One cross for each stretch of steps at which any seed was not finite."""
    steps = sorted({step for seed in arm.seeds for step, value in seed if not math.isfinite(value)})
    crosses: list[float] = []
    for step in steps:
        if not crosses or scale.x(step) - crosses[-1] > 8:
            crosses.append(scale.x(step))
    marks = "".join(f"M{x - 3:.1f} {TOP - 3}l6 6m0 -6l-6 6" for x in crosses)
    return [f'<path d="{marks}" stroke="{colour}" stroke-width="2" fill="none"/>'] if marks else []


def _labels(scale: _Scale, title: str, last: int, ink: str) -> list[str]:
    how = " (log)" if scale.log else ""
    return [
        f'<text x="{LEFT - 4}" y="{TOP + 4}" text-anchor="end">{print_one(scale.high)}</text>',
        f'<text x="{LEFT - 4}" y="{BOTTOM + 1}" text-anchor="end">{print_one(scale.low)}</text>',
        f'<text x="{LEFT}" y="{BOTTOM + 13}">step 0</text>',
        f'<text x="{RIGHT}" y="{BOTTOM + 13}" text-anchor="end">{last:,}</text>',
        f'<text x="{LEFT}" y="{BOTTOM + 27}" font-weight="bold">{escape(title)}{how}</text>',
    ]


def _legend(arms: Sequence[Arm], colours: Sequence[str], ink: str) -> list[str]:
    """Names in the colours of their lines, one after another above the picture."""
    out, x = [], LEFT
    knob = arms[0].name.removesuffix(arms[0].short).strip()
    if len(arms) > 1 and knob:
        out.append(f'<text x="4" y="13">{escape(knob)}</text>')
        x = max(x, 12 + 5.4 * len(knob))
    for number, arm in enumerate(arms):
        name = arm.short
        if not name:
            continue
        dash = DASHES[number % len(DASHES)]
        line = f'<path d="M{x:.0f} 10h14" stroke="{colours[number % len(colours)]}" stroke-width="2.5"' + (
            f' stroke-dasharray="{dash}"' if dash else ""
        )
        out.append(f'{line}/><text x="{x + 18:.0f}" y="13">{escape(name)}</text>')
        x += 26 + 5.4 * len(name)
    return out
