"""An animated picture of two recorded runs side by side: the schematic of their lab, and the metric that decides, step by step.

    python -m engine.docs.animation BROKEN CURED --out FILE.svg        folders of two runs of one lab

One SVG file without a script: every frame is a recorded reading, nothing lies between two of them, and who asked for less motion sees the
last one.
"""

from __future__ import annotations

import argparse
import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from engine.core.catalog import Catalog
from engine.core.files import read_json, replace
from engine.declare.knobs import differing, unnest
from engine.index.open_run import open_run
from engine.labs.lab import Lab
from engine.labs.schematic import DRIVES, NS, SPEED, STYLE, Readings, Schematic, schematics, still
from engine.runs.series import series_key, split_key

FRAMES, SECONDS, REST = 90, 10.0, 0.12  # frames, length of the film, share of it that the last frame stays
COLOURS = ("#D55E00", "#0072B2")  # broken, cured: legible on white and on near-black
WIDTH, HEAD, PANE, CHART = 680, 24, 200, 110
CSS_ALONE = frozenset({"r", "opacity", "stroke-dasharray", "visibility", "stroke-width", "cx", "cy", "height"})


@dataclass(frozen=True)
class Recorded:
    """One run: what it is called, its flat knobs, its drawing, and its readings at every step at which something was read."""

    label: str
    knobs: Mapping[str, Any]
    svg: str
    steps: Sequence[int]
    readings: Sequence[Readings]
    decides: Sequence[tuple[int, float]]


def recorded(points: pl.DataFrame, label: str, knobs: Mapping[str, Any], drawing: Schematic, deciding: str) -> Recorded:
    """Out of the points of a run (`engine.open_run`); ValueError where it has none of what the drawing needs."""
    metric, layer = split_key(deciding)
    vectors: dict[int, dict[str, Any]] = {}
    for name in drawing.needs:
        mine = points.filter((pl.col("metric") == name) & (pl.col("layer") == (layer if drawing.layered else "")))
        for (step,), rows in mine.partition_by("step", as_dict=True, maintain_order=True).items():
            scalar = rows["index"].null_count() == rows.height
            value = rows["value"][0] if scalar else rows.sort("index")["value"].to_list()
            vectors.setdefault(int(step), {})[series_key(name, layer if drawing.layered else "")] = value
    if not vectors:
        raise ValueError(f"{label} holds no reading of {', '.join(drawing.needs)}; give a run whose probes read them.")
    chosen = points.filter((pl.col("metric") == metric) & (pl.col("layer") == layer) & pl.col("index").is_null()).sort("step")
    steps = sorted(vectors)
    svg = drawing.svg(knobs, layer, vectors[steps[0]])
    return Recorded(label, knobs, svg, steps, [vectors[step] for step in steps], list(zip(chosen["step"], chosen["value"], strict=True)))


def animated(runs: Sequence[Recorded], title: str, metric: str) -> str:
    """The whole picture."""
    last = max(run.steps[-1] for run in runs)
    moments = [round(last * i / (FRAMES - 1)) for i in range(FRAMES)]
    parts, rules = [], [_style()]
    for number, run in enumerate(runs):
        pane, moves = _pane(number, run, moments)
        parts.append(pane)
        rules += moves
    parts.append(_chart(runs, last, metric))
    rules.append(_keyframes("now", [f"transform:translateX({_across(step, last) - _across(0, last):.1f}px)" for step in moments]))
    rules.append(f".now{{{_running('now')}}}")
    height = HEAD + PANE + CHART
    calm = " @media (prefers-reduced-motion: reduce){*{animation:none!important}}"
    head = f'<svg xmlns="{NS}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label={quoteattr(title)}>'
    return f"{head}<title>{escape(title)}</title><style>{''.join(rules)}{calm}</style>{''.join(parts)}</svg>\n"


def _pane(side: int, run: Recorded, moments: Sequence[int]) -> tuple[str, list[str]]:
    """One drawing as it stands at the last moment, and the rules that move it through all of them.

    ValueError for a drawing whose parts move by what a style sheet cannot set: its film would stand still where the page moves.
    """
    frames = [ET.fromstring(still(run.svg, run.readings[_at(run.steps, step)])) for step in moments]
    elements = [[element for element in frame.iter() if element.get("data-drive")] for frame in frames]
    driven = {DRIVES[drive] for element in elements[-1] for drive in element.get("data-drive", "").split()}
    if driven - CSS_ALONE:
        raise ValueError(
            f"This drawing moves {', '.join(sorted(driven - CSS_ALONE))}, which no style sheet can; it has no film without a script."
        )
    rules = []
    for number, element in enumerate(elements[-1]):
        states = [{name: one[number].get(name) for name in CSS_ALONE if one[number].get(name) is not None} for one in elements]
        changing = sorted(name for name in CSS_ALONE if len({state.get(name) for state in states}) > 1)
        if changing:
            name = f"m{side}-{number}"
            element.set("class", f"{element.get('class', '')} {name}")
            rules.append(_keyframes(name, [";".join(f"{one}:{state.get(one)}" for one in changing) for state in states]))
            rules.append(f".{name}{{{_running(name)}{_flowing(element)}}}")
        for attribute in [one for one in element.attrib if one.startswith("data-")]:
            del element.attrib[attribute]
    root = frames[-1]
    ET.register_namespace("", NS)
    x = side * WIDTH / 2
    root.attrib |= {"x": f"{x:g}", "y": str(HEAD), "width": f"{WIDTH / 2:g}", "height": str(PANE), "style": f"--run:{COLOURS[side % 2]}"}
    label = f'<text class="head" x="{x + 12:g}" y="16" style="fill:{COLOURS[side % 2]}">{escape(run.label)}</text>'
    return label + ET.tostring(root, encoding="unicode"), rules


def _flowing(element: ET.Element) -> str:
    """Dots move on while the film goes: one rule beside that of the readings."""
    return f",flow {SECONDS * 10:g}s linear infinite" if "fl-flow" in element.get("class", "") else ""


def _running(name: str) -> str:
    return f"animation:{name} {SECONDS:g}s steps(1,end) infinite"


def _keyframes(name: str, states: Sequence[str]) -> str:
    """One state a frame, none of them where nothing changes; the last one stays for a while."""
    share = 100 * (1 - REST) / (len(states) - 1)
    kept = [(i, state) for i, state in enumerate(states) if i == 0 or state != states[i - 1]]
    return f" @keyframes {name}{{{''.join(f'{i * share:.4g}%{{{state}}}' for i, state in kept)}}}"


def _style() -> str:
    """The colours of the drawings, in both themes, and of what stands around them."""
    flow = f" @keyframes flow{{to{{stroke-dashoffset:{-SPEED * SECONDS * 10:g}}}}}"
    around = "text{font:11px sans-serif;fill:var(--page-ink)}.head{font-weight:bold;font-size:13px}"
    around += ".axis{stroke:var(--page-ink);stroke-opacity:.4}"
    theme = "svg{--page-ink:#222}@media (prefers-color-scheme: dark){svg{--page-ink:#ddd}}"
    return theme + around + flow + STYLE.read_text("utf-8").replace("\n", "").replace("width: 100%; height: auto; display: block;", "")


def _across(step: float, last: int) -> float:
    return 44 + (WIDTH - 60) * step / max(1, last)


def _chart(runs: Sequence[Recorded], last: int, metric: str) -> str:
    """The curves of the deciding metric, a cross at the upper edge where it was not finite, and the line that stands at the film's step."""
    top, bottom = HEAD + PANE + 14, HEAD + PANE + CHART - 22
    finite = [value for run in runs for _, value in run.decides if math.isfinite(value)]
    high = max(finite, default=1.0) or 1.0
    parts = [f'<path class="axis" fill="none" d="M44 {top} V{bottom} H{WIDTH - 16}"/>']
    parts += [f'<text x="38" y="{y + 4}" text-anchor="end">{text}</text>' for y, text in ((top, f"{high:.3g}"), (bottom, "0"))]
    parts += [f'<text x="44" y="{bottom + 15}">step 0</text>', f'<text x="{WIDTH - 16}" y="{bottom + 15}" text-anchor="end">{last}</text>']
    parts.append(f'<text x="{WIDTH / 2:g}" y="{bottom + 15}" text-anchor="middle">{escape(metric)}</text>')
    for number, run in enumerate(runs):
        points = [(_across(s, last), bottom - (bottom - top) * max(0.0, v) / high) for s, v in run.decides if math.isfinite(v)]
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="6 3"' if number else ""
        parts.append(f'<path fill="none" stroke="{COLOURS[number % 2]}" stroke-width="2"{dash} d="M{path}"/>' if points else "")
        odd = "".join(f"M{_across(s, last) - 3:.1f} {top - 3} l6 6 m-6 0 l6 -6" for s, v in run.decides if not math.isfinite(v))
        parts.append(f'<path fill="none" stroke="{COLOURS[number % 2]}" stroke-width="1.5" d="{odd}"/>' if odd else "")
    parts.append(f'<path class="axis now" stroke-width="2" d="M{_across(0, last):.1f} {top - 8} V{bottom}"/>')
    return "".join(parts)


def _at(steps: Sequence[int], step: int) -> int:
    """The number of the last reading at or before a step, the first one before there is any."""
    return max(0, sum(one <= step for one in steps) - 1)


def words(metric: str) -> str:
    """A metric as one reads it: "dead experts in blocks.1.moe"."""
    name, layer = split_key(metric)
    return name.rpartition("/")[2].replace("_", " ") + (f" in {layer}" if layer else "")


def labels(knobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs between the two runs, of the whole questions and numbers."""
    names = [name for name in differing(knobs) if "." not in name]
    return [", ".join(f"{name} {str(one.get(name)).replace('_', ' ')}" for name in names) for one in knobs]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.docs.animation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="folders of the broken and of the cured run")
    parser.add_argument("--out", type=Path, required=True, help="the SVG file to write")
    args = parser.parse_args(argv)
    specs = [read_json(folder / "spec.json") or {} for folder in args.runs]
    lab = specs[0].get("lab")
    drawing = next((one for one in schematics()[0].values() if lab in one.labs), None)
    deciding = Catalog("", Lab)[str(lab)].presets[str(specs[0].get("preset"))].deciding if drawing else None
    if drawing is None or deciding is None or specs[1].get("lab") != lab:
        raise SystemExit("The two folders must be runs of one lab with a schematic, the first of them of a preset with a deciding metric.")
    knobs = [unnest(spec["knobs"]) for spec in specs]
    runs = [
        recorded(open_run(folder), label, one, drawing, deciding.metric)
        for folder, label, one in zip(args.runs, labels(knobs), knobs, strict=True)
    ]
    title = f"{drawing.title}: {runs[0].label} beside {runs[1].label}, step by step"
    try:
        picture = animated(runs, title, words(deciding.metric))
    except ValueError as error:
        raise SystemExit(str(error)) from None
    replace(args.out, lambda file: file.write_text(picture, "utf-8"))


if __name__ == "__main__":
    main()
