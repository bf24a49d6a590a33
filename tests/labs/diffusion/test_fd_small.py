"""FD-small: the distances against closed forms, the frozen network bit for bit, the floor, and what damaged pictures score."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor
from torch.nn import functional

from engine.core.files import read_json
from engine.labs.diffusion import _feature_networks
from engine.labs.diffusion.consistency import Consistency
from engine.labs.diffusion.datasets.digits import digits
from engine.labs.diffusion.datasets.photo_patches import photo_patches
from engine.labs.diffusion.models.frechet import Moments, by_chance, frechet_distance, kernel_distance, moments
from engine.labs.diffusion.probes._real_pictures import SAMPLES, real_pictures, scores
from engine.labs.diffusion.probes.fd_small import FdSmall
from engine.labs.diffusion.unet import Unet
from engine.worker.fit import train
from engine.worker.main import train_lab
from tests.support.tiny_lab import Recorded, new_folder

pytestmark = pytest.mark.usefixtures("networks")


def generator(n: int) -> torch.Generator:
    return torch.Generator().manual_seed(n)


def gaussian(n: int, D: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A mean and a covariance."""
    rng = np.random.default_rng(n)
    root = rng.normal(size=(D, D))
    return rng.normal(size=D), root @ root.T / D


def as_moments(mean: np.ndarray, covariance: np.ndarray) -> Moments:
    return Moments(torch.from_numpy(mean), torch.from_numpy(covariance))


def apart(n: int, draws: int) -> float:
    """Mean distance of two sets of n points of one distribution, in eight dimensions."""
    values = [frechet_distance(*(moments(torch.randn(n, 8, generator=generator(2 * d + side))) for side in (0, 1))) for d in range(draws)]
    return float(torch.stack(values).mean())


# -- the distances -------------------------------------------------------------------------------------


def test_the_distance_of_gaussians_with_the_same_axes_is_that_of_their_widths() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    (m, a), (n, b) = ((rng.normal(size=8), rng.uniform(0.01, 4.0, size=8)) for _ in range(2))
    expected = ((m - n) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    got = frechet_distance(as_moments(m, axes * a @ axes.T), as_moments(n, axes * b @ axes.T))
    assert float(got) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_agrees_with_a_matrix_root_by_scipy(seed: int) -> None:
    (m, C), (n, E) = gaussian(seed), gaussian(seed + 100)
    expected = ((m - n) ** 2).sum() + np.trace(C + E - 2 * linalg.sqrtm(C @ E).real)
    got = frechet_distance(as_moments(m, C), as_moments(n, E))
    assert got.dtype == torch.float64
    assert float(got) == pytest.approx(expected, rel=1e-9)
    assert float(frechet_distance(as_moments(n, E), as_moments(m, C))) == pytest.approx(expected, rel=1e-9)


def test_identical_sets_are_not_apart_and_no_number_is_infinitely_far() -> None:
    x_ND = torch.randn(100, 8, generator=generator(0))
    assert float(frechet_distance(moments(x_ND), moments(x_ND))) < 1e-12
    flat_ND = torch.cat([x_ND[:, :4], torch.zeros(100, 4)], dim=1)  # half of the directions are empty
    assert float(frechet_distance(moments(flat_ND), moments(flat_ND))) < 1e-6
    broken_ND = x_ND.clone()
    broken_ND[3, 3] = math.nan
    assert float(frechet_distance(moments(broken_ND), moments(x_ND))) == math.inf
    assert float(kernel_distance(broken_ND, x_ND)) == math.inf
    with pytest.raises(ValueError, match="at least 2 rows"):
        moments(x_ND[:1])


def test_the_floor_shrinks_as_one_over_the_number_of_samples() -> None:
    floors = [apart(n, draws=40) for n in (200, 400, 800)]
    assert floors[0] / floors[1] == pytest.approx(2.0, rel=0.15)
    assert floors[1] / floors[2] == pytest.approx(2.0, rel=0.15)


def test_the_kernel_distance_is_the_plain_sum_and_has_no_bias() -> None:
    x_ND, y_MD = (torch.randn(n, 3, generator=generator(n)).double() for n in (5, 7))

    def k(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 3 + 1) ** 3)

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) / (len(z) * (len(z) - 1)) for z in (x_ND, y_MD)]
    expected = sum(within) - 2 * sum(k(a, b) for a in x_ND for b in y_MD) / 35
    assert float(kernel_distance(x_ND, y_MD)) == pytest.approx(expected, rel=1e-9)
    draws = torch.stack([kernel_distance(*torch.randn(2, 20, 3, generator=generator(n))) for n in range(600)])
    assert abs(float(draws.mean())) < 3.0 * float(draws.std()) / math.sqrt(len(draws))
    assert 0.3 < float((draws < 0).double().mean()) < 0.8


# -- the network ---------------------------------------------------------------------------------------


def test_the_network_has_the_same_bits_when_trained_again_and_touches_no_global_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _feature_networks.network(digits())
    kept = _feature_networks.provenance(digits())
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    threads, phases = torch.get_num_threads(), []
    torch.manual_seed(7)
    before = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            again = _feature_networks.network(digits(), phases.append)
    finally:
        torch.set_num_threads(threads)
    assert again is not first
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert _feature_networks.provenance(digits()) == kept
    assert phases[:2] == ["training the feature network, 0%", "training the feature network, 5%"]
    assert not any(p.requires_grad for p in again.parameters())
    (file,) = (tmp_path / "cache" / kept["features"]).glob("*.pt")
    provenance = json.loads(file.with_name("declaration.json").read_text())
    assert provenance["weights"] == kept["features_sha256"]
    assert provenance["accuracy"]["class"] > 0.85
    assert provenance["accuracy"]["change"] > 0.6, "of five changes"


def test_a_kept_network_is_read_and_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _feature_networks.network(digits())
    monkeypatch.setattr(_feature_networks, "_made", {})
    monkeypatch.setattr(_feature_networks, "train", lambda *_: pytest.fail("it lies in the cache"))
    pictures = digits().validation_NCHW
    assert torch.equal(_feature_networks.network(digits())(pictures), first(pictures))


def test_its_features_have_no_unit() -> None:
    features_ND = _feature_networks.network(digits())(digits().train_NCHW)
    assert float(features_ND.mean(dim=0).abs().max()) < 1e-3
    variance_D = torch.linalg.eigvalsh(torch.cov(features_ND.T))
    assert 0.1 < float(variance_D[0]) <= float(variance_D[-1]) < 1.01


# -- what is scored ------------------------------------------------------------------------------------


def fid(a: np.ndarray, b: np.ndarray) -> float:
    C, E = np.cov(a.T), np.cov(b.T)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(C + E - 2 * linalg.sqrtm(C @ E).real)


def test_the_floor_is_what_disjoint_sets_of_real_pictures_score() -> None:
    """Numpy and scipy on this test's own splits: mean, 95 % point, and the difference of two sets held against what both leave over."""
    features = real_pictures(digits()).network(digits().train_NCHW).double().numpy()
    rng, values, apart = np.random.default_rng(5), [], []
    for _ in range(60):
        order = features[rng.permutation(len(features))]
        values.append(fid(order[:SAMPLES], order[SAMPLES:]))
        rest = order[2 * SAMPLES :]
        apart.append(abs(fid(order[:SAMPLES], rest) - fid(order[SAMPLES : 2 * SAMPLES], rest)))
    chance = real_pictures(digits()).chance
    assert float(chance.mean) == pytest.approx(np.mean(values), rel=0.05)
    assert float(chance.high) == pytest.approx(np.quantile(values, 0.95), rel=0.1)
    assert float(chance.difference) == pytest.approx(np.quantile(apart, 0.95), rel=0.35)
    assert chance.mean < chance.high
    assert 0.0 < float(real_pictures(digits()).kernel_floor) < 0.1


def test_the_bias_of_the_distance_is_that_of_its_sample_size() -> None:
    """Two sets of one Gaussian in 32 dimensions: to first order in 1/N and 1/M, D (1/N + 1/M) from the means and
    D (D + 1) (1/N + 1/M) / 4 from the covariances, by the delta method."""
    normal = torch.randn(1600, 32, generator=generator(3), dtype=torch.float64)
    for count in (200, 400):
        share = 1 / count + 1 / (1600 - count)
        expected = 32 * share + 32 * 33 / 4 * share
        assert float(by_chance(normal, count, 40, generator(4)).mean) == pytest.approx(expected, rel=0.1)
    with pytest.raises(ValueError, match="need 1200 rows of features, but there are 900"):
        by_chance(normal[:900], 400, 1, generator(4))


def test_damage_scores_far_above_the_floor_and_in_its_order() -> None:
    data = digits()
    real = data.train_NCHW[torch.randperm(len(data.train_NCHW), generator=generator(1))[:SAMPLES]]
    noise = torch.randn(real.shape, generator=generator(2))
    floor, kernel_floor = real_pictures(data).chance.mean, real_pictures(data).kernel_floor

    def classes(most: int) -> Tensor:
        left = data.train_NCHW[data.train_labels_N < most]
        return left[torch.randint(len(left), (SAMPLES,), generator=generator(3))]

    noisy = [scores(data, real + level * noise) for level in (0.3, 0.6, 1.2)]
    dropped = [scores(data, classes(most)) for most in (8, 5, 1)]
    for found in (noisy, dropped):
        frechet, kernel = ([float(pair[i]) for pair in found] for i in (0, 1))
        assert frechet == sorted(frechet)
        assert kernel == sorted(kernel)
    assert float(scores(data, real)[0]) < 1.3 * floor
    assert min(float(noisy[1][0]), float(dropped[1][0])) > 3 * floor
    assert min(float(noisy[1][1]), float(dropped[1][1])) > 3 * kernel_floor
    for hopeless in (noise, torch.zeros_like(real), real.flip(3).transpose(2, 3)):
        assert float(scores(data, hopeless)[0]) > 10 * floor
    broken = real.clone()
    broken[0, 0, 0, 0] = math.inf
    assert [float(score) for score in scores(data, broken)] == [math.inf, math.inf]


def test_the_score_is_that_of_the_pictures_as_a_person_sees_them() -> None:
    data = digits()
    real = data.train_NCHW[:SAMPLES]
    shown = (data.pixels(3.0 * real) - data.mean) / data.deviation
    assert not torch.equal(shown, 3.0 * real)
    assert scores(data, 3.0 * real) == scores(data, shown)


# -- in a run ------------------------------------------------------------------------------------------

DIGITS: dict[str, Any] = {"device": "cpu", "data": "digits", "width": 16, "batch_size": 16, "steps": 3, "probes": "dear"}


def test_a_run_scores_its_pictures_beside_the_floor_and_names_the_network(tmp_path: Path) -> None:
    folder = new_folder(tmp_path)
    assert train_lab(Consistency.model_validate(DIGITS), folder, threading.Event()) == "finished"
    recorded, provenance = Recorded(folder), read_json(folder.path / "provenance.json") or {}
    assert provenance["data"]["features"] == _feature_networks.provenance(digits())["features"]
    assert provenance["data"]["images"] == "scikit-learn digits"
    for family in ("fd_small", "kernel_mmd"):
        assert list(recorded.points[f"{family}/one_step"]) == list(recorded.points[f"{family}/two_steps"]) == [0, 2]
        assert len(set(recorded.values(f"{family}/floor"))) == 1
    for name, value in zip(("floor", "floor_high", "difference"), real_pictures(digits()).chance, strict=True):
        assert set(recorded.values(f"fd_small/{name}")) == {float(value)}
    assert min(recorded.values("fd_small/one_step")) > 5 * recorded.values("fd_small/floor")[0], "it has hardly learnt"
    assert recorded.values("fd_small/floor")[0] == pytest.approx(float(real_pictures(digits()).chance.mean))


def test_what_a_sampler_draws_is_scored_and_data_in_the_plane_is_not(tmp_path: Path) -> None:
    lab = Unet.model_validate({"device": "cpu", "skips": 2, "width": 8, "batch_size": 4, "steps": 2, "probes": "dear"})
    folder = new_folder(tmp_path)
    assert train(lab, folder) == "finished"
    recorded = Recorded(folder)
    assert recorded.values("fd_small/samples")[-1] > 10 * recorded.values("fd_small/floor")[-1]
    plane = Consistency.model_validate({**DIGITS, "data": "ring"})
    folder = new_folder(tmp_path)
    assert train(plane, folder) == "finished"
    assert not [key for key in Recorded(folder).points if key.startswith(("fd_small", "kernel_mmd"))]


def test_a_run_that_is_asked_to_stop_while_the_network_trains_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    folder, asked, phases = new_folder(tmp_path), threading.Event(), []

    def spread(*_: Any) -> Any:
        return pytest.fail("the training of the network went on to its end")

    class Asking(FdSmall):
        @classmethod
        def make_ready(cls, lab: Any, report: Any) -> dict[str, Any]:
            def stopping(phase: str) -> None:
                phases.append(phase)
                if len(phases) == 2:
                    (folder.path / "STOP").touch()
                report(phase)

            return FdSmall.make_ready(lab, stopping)

    monkeypatch.setattr(_feature_networks, "evenly_spaced", spread)
    monkeypatch.setattr("engine.worker.begin.attached", lambda *_: {"fd_small": Asking})
    assert train(Consistency.model_validate(DIGITS), folder, asked) == "stopped"
    assert len(phases) == 2
    assert not list(tmp_path.glob("cache/*/*.pt"))
    assert not list(folder.path.glob("spool.*"))


def test_patches_of_photographs_have_a_network_of_their_own() -> None:
    data = photo_patches(16)
    network = _feature_networks.network(data)
    assert _feature_networks.provenance(data)["features"] != _feature_networks.provenance(digits())["features"]
    real = data.train_NCHW[torch.randperm(len(data.train_NCHW), generator=generator(1))[:SAMPLES]]
    floor = float(real_pictures(data).chance.mean)
    assert network(real).shape == (SAMPLES, 32)
    noise = torch.randn(real.shape, generator=generator(2))
    found = [float(scores(data, real + level * noise)[0]) for level in (0.0, 0.2, 0.4, 0.8)]
    assert found == sorted(found)
    assert found[0] < 1.5 * floor < 10 * floor < found[-1]
    one_photo = data.train_NCHW[data.train_labels_N == 0]
    assert float(scores(data, one_photo[torch.randint(len(one_photo), (SAMPLES,), generator=generator(4))])[0]) > 3 * floor
    blurred = functional.avg_pool2d(functional.pad(real, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    assert float(scores(data, blurred)[0]) > 2 * floor
