"""Records of docs/measured/ as pages and texts need them: read once per change, and printed.

A number is printed as its median, the 90 % prediction interval for one more run, and n:  18 (14 to 21, n = 8).
"""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.core.files import read_json
from engine.core.nonfinite import number, word
from engine.core.paths import ROOT
from engine.declare.record_checked import sound

MEASURED = ROOT / "docs" / "measured"
FORMAT = 2
UNKNOWN = "not measured yet"
MILLION = " million"
NARROW = 1.05  # two ends nearer to each other than this need three digits to be told apart, others two

Record = dict[str, Any]

log = logging.getLogger("faultline")


def record(path: Path) -> Record | None:
    """What is measured of one preset; None where nothing is, only in an older format, or in a damaged file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _record(path, found.st_mtime_ns, found.st_size)


def same_runs(presets: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """The presets of a lab with the very same knobs as this one, itself first: what was measured of one was measured of all."""
    knobs = presets.get(name, {}).get("knobs")
    return [name, *(n for n, preset in presets.items() if n != name and knobs is not None and preset.get("knobs") == knobs)]


def recorded(lab: Mapping[str, Any], name: str, folder: Path = MEASURED) -> Record | None:
    """The record of a preset, or of another preset with the very same knobs that is decided by the same metric."""
    deciding = lab["presets"][name].get("deciding")
    for other in same_runs(lab["presets"], name):
        if (known := record(folder / lab["lab"] / f"{other}.json")) and lab["presets"][other].get("deciding") == deciding:
            return known
    return None


@functools.lru_cache(maxsize=512)
def _record(path: Path, _written: int, _size: int) -> Record | None:
    found = read_json(path)
    if not found or found.get("format") != FORMAT:
        return None
    if not sound(found):
        log.error("the record %s/%s is damaged, and counts as not measured", path.parent.name, path.name)
        return None
    return found


def values(document: Mapping[str, Any], key: str) -> list[float | None]:
    """The value of every seed under METRIC|STAT; None where it never came to that."""
    return [number(run["values"].get(key)) for run in document["runs"]]


def cures(lab: Mapping[str, Any], name: str, folder: Path = MEASURED) -> bool:
    """Whether the twin of a preset is called its cure: the preset breaks, and most of its twin's recorded seeds end within the level."""
    preset = lab["presets"].get(name) or {}
    if preset.get("kind") != "breaks" or not preset.get("twin"):
        return False
    level, known = preset.get("breaks_at"), recorded(lab, preset["twin"], folder)
    if level is None or known is None:
        return True
    up = (preset.get("decides") or {}).get("direction", "up") == "up"
    ends = [value for value in values(known, f"{preset['deciding']}|last") if value is not None]
    beyond = sum(not (value <= level if up else value >= level) for value in ends)
    return 2 * beyond <= len(ends)


def printed_band(document: Mapping[str, Any], key: str) -> str | None:
    """Median, interval and n of one number of a record; None where the record does not hold it."""
    band = document["summary"].get(key)
    if band is None:
        return None
    n, of = band["n"], band["of"]
    if not n:
        missing = [v for v in values(document, key) if v is not None]
        return f"not finite in {of} of {of}" if missing else f"never in {of}"
    middle, low, high = (number(band[name]) for name in ("median", "low", "high"))
    if band["scale"] == "equal" and n == of:
        return f"{print_one(middle)} in {n} of {of}"
    return f"{print_one(middle, _digits(low, high))} ({_inside(low, high)}{_count(n, of)})"


def printed_pair(document: Mapping[str, Any], other: str, key: str) -> str | None:
    """Ratio or difference to another preset, its interval, and on how many seeds it has this direction; None where it is not stored."""
    pair = document["paired"].get(other, {}).get(key)
    if pair is None or not pair["n"]:
        return None
    middle, low, high = _numbers(pair)
    missing = f"; {_missing(document, pair)}" if _missing(document, pair) else ""
    return f"{print_one(middle, _digits(low, high))} ({_inside(low, high)}on {pair['k']} of {pair['n']} seeds{missing})"


def printed_direction(document: Mapping[str, Any], other: str, key: str, least: int = 6, level: float = 0.05) -> str | None:
    """ "larger on 8 of 8 seeds", or that these runs do not tell: a direction needs six pairs and a sign-flip p of at most 0.05.

    p is said where not every seed agrees, and where they do not tell also the ratio and how far that of one more pair may lie from it.
    """
    pair = document["paired"].get(other, {}).get(key)
    if pair is None or not pair["n"]:
        return None
    (middle, low, high), p = _numbers(pair), number(pair["p"])
    neutral = 1.0 if pair["kind"] == "ratio" else 0.0
    behind = [_missing(document, pair)]
    if pair["n"] < least or p is None or p > level or middle is None:
        tested = "" if p is None else f"sign-flip p = {p:.2g}; "
        ends = "" if low is None or high is None else f", in 9 of 10 new pairs {_inside(low, high).removesuffix(', ')}"
        behind.append(f"{tested}the {pair['kind']} is {print_one(middle, _digits(low, high))}{ends}")
        what = f"not distinguishable on {pair['n']} seeds"
    else:
        behind.append("" if pair["k"] == pair["n"] else f"sign-flip p = {p:.2g}")
        what = f"{'larger' if middle > neutral else 'smaller'} on {pair['k']} of {pair['n']} seeds"
    return f"{what} ({'; '.join(filter(None, behind))})" if any(behind) else what


def _numbers(pair: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    middle, low, high = (number(pair[name]) for name in ("median", "low", "high"))
    return middle, low, high


def _missing(document: Mapping[str, Any], pair: Mapping[str, Any]) -> str:
    """How many seeds are in no pair, as one of its two numbers is not finite or was never reached."""
    of = len(document["runs"])
    return f"{of - pair['n']} of {of} have no number" if pair["n"] < of else ""


def _inside(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    first, last = _pair(low, high, _digits(low, high))
    return f"{first if first == last else f'{first} to {last}'}, "


def _digits(low: float | None, high: float | None) -> int:
    return 3 if low is not None and high is not None and 0 < low < high < NARROW * low else 2


def _count(n: int, of: int) -> str:
    return f"n = {n}" if n == of else f"on {n} of {of}"


# -- numbers as text ---------------------------------------------------------------------------------------


def print_one(value: float | None, digits: int = 2) -> str:
    """A number with two or three digits: "16", "0.0069", "84,000", "19 million", "4.0e12"."""
    if value is None:
        return UNKNOWN
    return word(value) or _printed(value, digits)


def _pair(low: float, high: float, digits: int) -> tuple[str, str]:
    """Both ends in one notation: "6.0e8", "4.0e12"; "4.9", "44 million"."""
    first, last = _printed(low, digits), _printed(high, digits)
    if first.endswith(MILLION) and "e" in last:
        return _power(low, digits), last
    if first.endswith(MILLION) and last.endswith(MILLION) and first != last:
        return first.removesuffix(MILLION), last
    return first, last


def _printed(value: float, digits: int) -> str:
    size = abs(value)
    if value == int(value) and size < 1e5:
        return f"{int(value):,}"
    if size >= 1e9 or size < 1e-4:
        return _power(value, digits)
    if size >= 1e6:
        return _rounded(value / 1e6, digits) + MILLION
    return _rounded(value, digits)


def _power(value: float, digits: int) -> str:
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(power)}"


def _rounded(value: float, digits: int) -> str:
    """So many significant digits, in plain notation with commas."""
    short = float(f"{value:.{digits - 1}e}")
    return f"{short:,.{max(0, digits - 1 - math.floor(math.log10(abs(short))))}f}"


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
