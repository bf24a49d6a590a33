"""What real data scores, beside every number that has such a floor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.labs.chart import RunStyle, charts
from engine.labs.common.models.initialise import named_generator
from engine.labs.common.noise_floors import with_floors
from engine.labs.diffusion._sampling import SAMPLES, against
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.diffusion.models.energy_distance import energy_distance, scaled_split
from engine.runs.series import SeriesInfo

CATALOG, _ = charts()
FLOORS = {  # chart -> the dashed and dotted lines that its metrics are read against
    "consistency_error": ("consistency_error/floor",),
    "energy_distance": tuple(f"energy_distance/{name}" for name in ("floor", "floor_high", "training", "teacher")),
    "fd_small": ("fd_small/floor", "fd_small/floor_high", "fd_small/difference"),
    "kernel_mmd": ("kernel_mmd/floor",),
    "mode_coverage": ("mode_coverage/data",),
}


@pytest.mark.parametrize("name", ["ring", "checkerboard", "moons", "spirals"])
def test_the_floor_of_the_energy_distance_is_what_its_formula_says(name: str) -> None:
    """(1/N + 1/M) E|X - Y| for two sets of one distribution, in numpy on points of this test's own; a target may be off by chance."""
    fixed, points = against(name, "cpu"), cloud(name).sample(2000, named_generator(1, name)).double().numpy()
    apart = np.linalg.norm(points[:1000, None] - points[None, 1000:], axis=2).mean()
    expected = SIGMA_DATA * 2 / SAMPLES * apart
    assert 0.4 * expected < float(fixed.floor) < 2.5 * expected
    assert float(fixed.floor) < float(fixed.floor_high) < 10 * expected


def test_the_floor_of_digits_knows_held_out_pictures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mean is (1/N + 1/M) E|X - Y| of the held-out ones, whatever the training pictures are."""
    source, expected = cloud("digits"), against("digits", "cpu")
    monkeypatch.setattr(type(source), "sample", lambda self, n, generator: torch.full((n, 64), 9.0))
    fixed = against.__wrapped__("digits", "cpu")
    assert (fixed.floor, fixed.floor_high) == (expected.floor, expected.floor_high)
    assert fixed.training > 10 * expected.training > 5 * expected.floor
    points = fixed.target_MD.double().numpy()
    apart = np.linalg.norm(points[:, None] - points[None], axis=2).sum() / (len(points) * (len(points) - 1))
    assert float(fixed.floor) == pytest.approx(SIGMA_DATA * (1 / SAMPLES + 1 / len(points)) * apart, rel=0.1)
    assert float(fixed.floor) < float(fixed.floor_high) < 2 * float(fixed.floor)
    assert against("ring", "cpu").training is None, "every point is new there"


def test_halves_brought_to_other_numbers_score_what_sets_of_these_numbers_score() -> None:
    """In the plane, where there is no end of data: mean and 90 % point of both over 300 draws."""
    generator, ring = named_generator(2, "halves"), cloud("ring")
    halves = [float(scaled_split(ring.unseen(60, generator), 200, generator)) for _ in range(300)]
    drawn = [float(energy_distance(ring.unseen(200, generator), ring.unseen(60, generator))) for _ in range(300)]
    assert np.mean(halves) == pytest.approx(np.mean(drawn), rel=0.15)
    assert np.quantile(halves, 0.9) == pytest.approx(np.quantile(drawn, 0.9), rel=0.2)


def test_the_coverage_stands_beside_the_energy_distance() -> None:
    """A model that misses whole parts of the distribution can score a low energy distance: whoever sees the one sees the other."""
    known = tuple(SeriesInfo(metric, "", "", "scalar") for name in ("energy_distance", "mode_coverage") for metric in CATALOG[name].needs)
    shown = [name for name, chart in CATALOG.items() if chart.fits([RunStyle("a", series=known)])]
    assert shown.index("mode_coverage") == shown.index("energy_distance") + 1
    assert "coverage" in CATALOG["energy_distance"].about


@pytest.mark.parametrize("name", FLOORS)
def test_a_chart_draws_the_floors_of_its_metrics_once_for_all_runs(name: str) -> None:
    known = tuple(SeriesInfo(metric, "", "", "scalar") for metric in {*FLOORS[name], *CATALOG[name].needs, "fd_small/samples"})
    looks = [RunStyle("a", "broken", "#0072B2", "dot", known), RunStyle("b", "cured", "#0072B2", "solid", known)]
    drawn = [t for t in CATALOG[name].figure(looks, {}, {}).data if t.meta["kind"] == "line"]
    floors = [t for t in drawn if t.meta["metric"] in FLOORS[name]]
    assert [t.meta["metric"] for t in floors] == list(FLOORS[name])
    assert len({t.line.dash for t in floors}) == len(floors)
    assert not {t.line.color for t in floors} & {look.colour for look in looks}


@pytest.mark.parametrize("name", ["fd_small", "kernel_mmd"])
def test_the_image_score_is_drawn_for_whatever_a_run_has(name: str) -> None:
    sampler = RunStyle("a", series=(SeriesInfo(f"{name}/floor", "", "", "scalar"), SeriesInfo(f"{name}/samples", "", "", "scalar")))
    jumps = RunStyle(
        "b", series=tuple(SeriesInfo(f"{name}/{way}", "", "", "scalar") for way in ("floor", "one_step", "two_steps", "own_flow"))
    )
    assert CATALOG[name].fits([sampler])
    assert CATALOG[name].fits([jumps])
    assert not CATALOG[name].fits([RunStyle("c")])
    drawn = [t.meta["metric"] for t in CATALOG[name].figure([sampler, jumps], {}, {}).data if t.meta["kind"] == "line"]
    assert drawn == [f"{name}/{way}" for way in ("floor", "samples", "one_step", "two_steps", "own_flow")]


def test_floors_are_found_by_their_family() -> None:
    found = with_floors(["gain/feature", "oscillation/train", "grad_norm"])
    assert {"gain/feature", "grad_norm", "gain/rounding", "oscillation/chance"} <= found
    assert not any(name.startswith("grad_norm/") for name in found)
