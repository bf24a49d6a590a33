"""A map of a lab over two knobs: which trainings diverge, and what they come to.

X=a..b and Y=c..d are its two axes; Y may also be chosen values, router=hash,loss_free, and a third knob with chosen values gives a map for
each.  seed=0..2 trains every cell with three seeds.  KNOB=VALUE holds another knob where you want it.

Most labs train each cell: a coarse map first, then finer cells where neighbours disagree; what exists is not trained again.  The lab
trainability computes its cells at once, as medians over the seeds, on logarithmic axes.
"""

from __future__ import annotations

import argparse

from engine.commands import _map_sweep, _map_tiles
from engine.commands._answer import ANSWERED, BAD_USAGE, NOT_FOUND, Refusal, tell
from engine.commands._map_picture import write_picture
from engine.commands.labs import catalog
from engine.declare.lab_catalog import Document
from engine.declare.resolve import KnobError, LabJson
from engine.scheduler.submit import find_lab
from engine.search.computed_figure import tiles_svg
from engine.search.lattice import FIRST, REFINE

PANELS = {"trainability": "trainability_map"}  # lab -> the panel that computes its cells
CELLS = 16  # on each side of a map that is computed


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", metavar="LAB")
    parser.add_argument("given", nargs="*", metavar="KNOB=VALUE", help="X=a..b Y=c..d, seed=a or a..b, and other knobs")
    parser.add_argument("--preset", metavar="P", help="of a map that is trained")
    parser.add_argument(
        "--cells",
        type=int,
        metavar="N",
        help=f"of trainability: cells on each side, a power of two from 4 to 256 ({CELLS}); else values of a range at first ({FIRST})",
    )
    parser.add_argument("--refine", type=int, metavar="N", help=f"how often cells on the boundary are cut in half ({REFINE})")
    parser.add_argument("--metric", metavar="M", help="NAME or NAME@LAYER that each run comes to (loss/train)")
    parser.add_argument("--level", type=float, metavar="L", help="refine also where the metric crosses this level")
    parser.add_argument("--picture", metavar="FILE.svg", help="write the map as a picture")
    parser.add_argument("--dry-run", action="store_true", help="say what a trained map would begin with, and write nothing")
    parser.add_argument("--detach", action="store_true", help="start a trained map and leave; it goes on by itself")


def run(args: argparse.Namespace) -> int:
    if args.picture is not None and not args.picture.endswith(".svg"):
        raise Refusal(BAD_USAGE, f"--picture {args.picture} is no SVG file; give a name that ends in .svg.")
    document = catalog()
    try:
        lab = find_lab(document, args.lab)
    except KnobError as error:
        raise Refusal(NOT_FOUND, str(error)) from None
    if args.lab in PANELS:
        return _computed(args, document, lab)
    return _map_sweep.run(args, document, lab)


def _computed(args: argparse.Namespace, document: Document, lab: LabJson) -> int:
    trained = {name: getattr(args, name) for name in ("preset", "refine", "metric", "level") if getattr(args, name) is not None}
    trained |= {name.replace("_", "-"): True for name in ("dry_run", "detach") if getattr(args, name)}
    if trained:
        raise Refusal(BAD_USAGE, f"--{next(iter(trained))} is of a map whose cells are trained; those of {args.lab} are computed at once.")
    cells = CELLS if args.cells is None else args.cells
    if cells not in (4, 8, 16, 32, 64, 128, 256):
        raise Refusal(BAD_USAGE, f"--cells={cells} is not a power of two from 4 to 256; give 16 for example.")
    try:
        axes, seeds, others = _map_tiles.read(lab, args.given)
        knobs = {**_map_tiles.of_axes(axes), "cells": cells}
        parts = [_map_tiles.tiles(document, PANELS[args.lab], {**others, **knobs, "seed": seed}) for seed in seeds]
    except KnobError as error:
        raise Refusal(BAD_USAGE, str(error)) from None
    together = [_map_tiles.together(same) for same in zip(*parts, strict=True)]
    if args.picture is not None:
        write_picture(args.picture, tiles_svg(together, cells, axes["x"], axes["y"]))
    shown = {name: {"knob": knob, "low": low, "high": high, "scale": "log"} for name, (knob, low, high) in axes.items()}
    tell(args.json, {"map": None, "axes": shown, "cells": together}, _map_tiles.drawn(together, cells, axes))
    return ANSWERED
