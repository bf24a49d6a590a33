"""How false alarms and warning times of the detectors are measured: the damage, the replay, the rates, and what the reference shows."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from engine.core.catalog import Catalog
from engine.core.files import write_json
from engine.docs import alarms, reference
from engine.docs.alarm_origin import why_stale
from engine.docs.alarm_plan import PLAN, Planned
from engine.docs.alarms import Replayed, most, one_run, rates, replay
from engine.docs.damage import damaged_at
from engine.labs.detector import Detector
from engine.runs.spool import Spool

DETECTORS, _ = Catalog("detectors", Detector).load()


def noisy(values: list[float], size: float, seed: int = 0) -> list[tuple[int, float]]:
    dice = random.Random(seed)
    return [(step, value + size * dice.gauss(0, 1)) for step, value in enumerate(values)]


FALL = [2.0 + 3.0 * math.exp(-n / 20) for n in range(200)]


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_falls_or_stays_is_not_damaged_whatever_its_noise(seed: int) -> None:
    assert damaged_at(noisy(FALL, 0.1, seed)) is None
    assert damaged_at(noisy([1.0] * 200, 0.2, seed)) is None
    assert damaged_at(noisy([-3.0 - value for value in FALL[::-1]], 0.1, seed)) is None


def test_damage_is_where_the_smoothed_loss_is_half_way_back() -> None:
    """Without noise by hand: the average must come from 2 to above 3.5, the middle between there and the first loss, 5."""
    losses = [5.0] + [2.0] * 99 + [4.0] * 50

    def average(count: int) -> float:
        weights = [0.9 ** (count - 1 - n) for n in range(count)]
        return sum(w * v for w, v in zip(weights, losses[:count], strict=True)) / sum(weights)

    expected = next(n for n in range(100, 150) if average(n + 1) >= (5.0 + average(100)) / 2)
    assert damaged_at(list(enumerate(losses))) == expected
    assert damaged_at(list(enumerate([5.0] + [2.0] * 99 + [3.0] * 50))) is None, "a third of the way"


def test_what_is_not_finite_or_explodes_at_once_is_damage() -> None:
    assert damaged_at([(0, 1.0), (1, 1.0), (2, math.nan)]) == 2
    assert damaged_at([(0, math.inf)]) == 0
    assert damaged_at([(n, 1.0 if n < 3 else 1e4) for n in range(9)]) == 3
    assert damaged_at([]) is None


@pytest.mark.parametrize("alarms_seen", [0, 1, 5, 40])
def test_a_bound_is_the_rate_at_which_so_few_alarms_come_once_in_twenty_times(alarms_seen: int) -> None:
    from scipy.stats import chi2

    assert most(alarms_seen) == pytest.approx(chi2.ppf(0.95, 2 * alarms_seen + 2) / 2)
    assert 1e4 * most(0) / 12_000 == pytest.approx(2.5, abs=0.01)


def run(kind: str, damage: int | None, events: list[int], read: int = 300) -> Replayed:
    return Replayed(kind, "moe", "p", 0, "finished", 1.0, read, damage, {"loss_spike": read}, {"loss_spike": events})


def test_a_rate_counts_stable_runs_and_a_lead_damaged_ones() -> None:
    runs = [
        run("stable", None, []),
        run("stable", None, [7, 9]),
        run("stable", 50, [40]),  # damaged, so not stable after all
        run("breaking", 100, [90, 120]),
        run("breaking", 100, [130]),
        run("breaking", 100, []),
        run("breaking", None, [80]),
        Replayed("stable", "unet", "p", 0, "finished", 1.0, 300, None, {"loss_spike": 0}, {"loss_spike": []}),  # watches nothing there
    ]
    told = rates(runs, "loss_spike")
    assert told["stable"] == {
        "runs": 2,
        "set_aside": 1,
        "steps": 600,
        "alarms": 2,
        "per_10000": 33.33,
        "at_most_per_10000": round(1e4 * most(2) / 600, 2),
    }
    assert told["breaking"] == {"runs": 3, "before": 1, "fired": 2, "lead": {"median": -10.0, "low": -30, "high": 10}}
    assert told["loss_unharmed"] == {"runs": 1, "fired": 1}


PLANNED = Planned("breaking", "moe", "healthy", 0, {"steps": 120})
DOCUMENT: dict[str, Any] = {"run": "a", "status": "diverged", "steps": 120, "knobs": {"warmup": 0}, "provenance": {}}


def stored(scratch: Path) -> None:
    """A run of 120 steps that lies in the folder already: NaN from step 60 on."""
    folder = scratch / PLANNED.key / "runs" / "a"
    folder.mkdir(parents=True)
    spool = Spool(folder / "spool.1.bin", "a")
    spool.describe("loss/train")
    for step in range(120):
        spool.log(step, {("loss/train", ""): 1.0 if step < 60 else math.nan}, {}, [], float(step))
    spool.close()
    write_json(scratch / PLANNED.key / "document.json", DOCUMENT)


def test_a_run_that_is_there_is_not_trained_again_and_is_replayed_as_it_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(tmp_path)
    monkeypatch.setattr(alarms, "train", lambda *_, **__: pytest.fail("it lies there"))
    folder, document = one_run(PLANNED, tmp_path)
    seen = replay(PLANNED, folder, document, DETECTORS)
    assert seen.damage == 60
    assert seen.read["divergence"] == 120
    assert seen.read["tangent_level"] == 0
    assert {rule: steps for rule, steps in seen.events.items() if steps} == {"nonfinite": [60], "divergence": [109]}


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    """What a whole measurement of today would write, as it is read from its file."""
    runs = [Replayed(one.kind, one.lab, one.preset, one.seed, "finished", 1.0, 10, None, {}, {}) for one in PLAN]
    return json.loads(json.dumps(alarms.record(runs, DETECTORS, [{"provenance": {}}]) | {"dirty": False}))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"format": 1}, "an older format"),
        ({"dirty": True}, "a tree with changes"),
        ({"runs": []}, "differ in breaking-consistency-smooth_drift-0-"),
        ({"rules": {"loss_spike": {}, "old_rule": {}}}, "old_rule"),
    ],
)
def test_a_record_of_other_runs_or_rules_is_stale(committed: dict[str, Any], change: dict[str, Any], named: str) -> None:
    assert why_stale(committed, DETECTORS) == ""
    told = why_stale(committed | change, DETECTORS)
    assert named in told
    assert told.endswith("measure it again: python -m engine.docs.alarms --data FOLDER.")


@pytest.mark.parametrize("file", ["engine/labs/detector.py", "engine/docs/damage.py", "engine/docs/alarm_plan.py"])
def test_a_record_from_before_a_change_names_what_changed(committed: dict[str, Any], file: str) -> None:
    sources = {"hash": "0", "files": {**committed["sources"]["files"], file: "0", "engine/labs/common/detectors/gone.py": "1"}}
    told = why_stale(committed | {"sources": sources}, DETECTORS)
    assert told.startswith(
        f"detectors.json was measured before {', '.join(sorted([file, 'engine/labs/common/detectors/gone.py']))} changed;"
    )


def test_the_plan_holds_twenty_of_each_kind_with_keys_and_seeds_that_differ() -> None:
    for kind in ("stable", "breaking"):
        assert sum(planned.kind == kind for planned in PLAN) >= 20
        assert {planned.lab for planned in PLAN if planned.kind == kind} == {"moe", "unet", "consistency", "gnn"}
    assert len({planned.key for planned in PLAN}) == len(PLAN)


def test_the_reference_shows_the_rates_with_the_numbers_behind_them(tmp_path: Path) -> None:
    told = rates([run("stable", None, []), run("breaking", 100, [90])], "loss_spike")
    (tmp_path / "detectors.json").write_text(json.dumps({"date": "2026-11-26", "damage": "D.", "rules": {"loss_spike": told}}))
    page = reference.pages(tmp_path)["detectors.md"]
    assert "| `loss_spike` | 0, at most 99.86 (0 in 300 steps of 1 runs) | 1 of 1 runs | 10 (10 to 10, n = 1) |" in page
    assert "| `divergence` | not measured yet |" in page
    assert "not measured yet (`python -m engine.docs.alarms`)" in reference.pages(tmp_path / "nothing")["detectors.md"]
