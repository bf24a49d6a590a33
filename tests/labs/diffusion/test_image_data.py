"""The pictures that the image labs train on: which, split how, and how they come back as pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.labs.diffusion.datasets.digits import digits
from engine.labs.diffusion.datasets.images import bundled, held_out
from engine.labs.diffusion.datasets.photo_patches import halved, patches, photo_patches


def rows(x: torch.Tensor) -> set[bytes]:
    return {picture.numpy().tobytes() for picture in x}


def test_the_digits_are_all_there_and_no_picture_is_in_both_splits() -> None:
    data = digits()
    assert data.train_NCHW.shape[1:] == (1, 8, 8)
    assert len(data.train_NCHW) + len(data.validation_NCHW) == 1797
    assert 0.08 < len(data.validation_NCHW) / 1797 < 0.17
    assert not rows(data.train_NCHW) & rows(data.validation_NCHW)
    assert set(data.train_labels_N.tolist()) == set(data.validation_labels_N.tolist()) == set(range(10))


@pytest.mark.parametrize("data", [digits(), photo_patches(16), photo_patches(32)], ids=["digits", "patches of 16", "patches of 32"])
def test_the_training_split_has_mean_zero_and_deviation_one_and_comes_back_as_pixels(data) -> None:
    x = data.train_NCHW.double()
    assert abs(x.mean().item()) < 1e-4
    assert x.std().item() == pytest.approx(1.0, abs=1e-4)
    shown = data.pixels(data.train_NCHW[:50])
    assert 0.0 <= shown.min() < shown.max() <= 1.0
    assert torch.allclose((shown - data.mean) / data.deviation, data.train_NCHW[:50], atol=1e-5)
    told = data.provenance()
    assert told["train"] == len(x)
    assert len(told["sha256"]) == 64


def test_pixels_outside_are_cut_off_and_a_nan_is_not_hidden() -> None:
    got = digits().pixels(torch.tensor([-100.0, 100.0, float("nan")]))
    assert got[:2].tolist() == [0.0, 1.0]
    assert torch.isnan(got[2])


def test_the_split_depends_on_the_picture_alone() -> None:
    pictures = np.random.default_rng(0).random((400, 1, 4, 4), dtype=np.float32)
    order = np.random.default_rng(1).permutation(400)
    aside = held_out(pictures)
    assert (held_out(pictures[order]) == aside[order]).all()
    assert 20 < aside.sum() < 85


def test_halving_is_the_mean_of_squares_of_four() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    got = halved(photo)
    assert got.shape == (3, 4, 3)
    for i, j, c in np.ndindex(got.shape):
        assert got[i, j, c] == pytest.approx(photo[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].astype(float).mean() / 255, abs=1e-6)


def test_patches_are_cut_where_the_stride_says() -> None:
    photo = np.arange(10 * 12 * 3, dtype=np.float32).reshape(10, 12, 3)
    got = patches(photo, 4, 3)
    places = [(i, j) for i in range(0, 7, 3) for j in range(0, 9, 3)]
    assert len(got) == len(places)
    for patch, (i, j) in zip(got, places, strict=True):
        assert (patch == photo[i : i + 4, j : j + 4].transpose(2, 0, 1)).all()


def test_no_pixel_of_a_photograph_is_in_both_splits() -> None:
    data = photo_patches(16)
    train, validation = (rows(part[:, 0, ::5, ::5].contiguous()) for part in (data.train_NCHW, data.validation_NCHW))
    assert len(data.validation_NCHW) > 50
    assert not train & validation


def test_a_size_that_is_not_offered_is_answered_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="Patches of 7 pixels are not offered; give one of 8, 16, 32"):
        photo_patches(7)


def test_the_files_are_read_as_scikit_learn_reads_them() -> None:
    from PIL import Image
    from sklearn.datasets import load_digits, load_sample_images

    found, data = load_digits(), digits()
    shown = torch.cat([data.pixels(data.train_NCHW), data.pixels(data.validation_NCHW)]).double().sum().item()
    assert shown == pytest.approx(found.images.sum() / 16, rel=1e-5)
    assert sorted([*data.train_labels_N.tolist(), *data.validation_labels_N.tolist()]) == sorted(found.target.tolist())
    for name, photo in zip(("china.jpg", "flower.jpg"), load_sample_images().images, strict=True):
        assert (np.asarray(Image.open(bundled("images", name))) == photo).all()
    with pytest.raises(FileNotFoundError, match=r"lion\.jpg comes with scikit-learn"):
        bundled("images", "lion.jpg")
