"""Pictures on their way from a probe to the disk: what is refused, what a full disk does, what a resumed run does."""

from __future__ import annotations

import logging
import math
import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.core.catalog import Catalog
from engine.labs.probe import Metric, Probe, Reading, Step
from engine.runs.pictures import MANY, ODD, Picture, Pictures, picture_file, readable
from engine.worker import begin
from engine.worker.fit import train
from tests.support.tiny_lab import Recorded, Tiny, new_folder

GREY = torch.linspace(0, 1, 12).reshape(3, 4)


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


class Drawing(Probe):
    """Draws the weights of the head, and tells the same weights as points in the plane."""

    price = "free"
    every = 10
    metrics = (Metric("cloud", "pairs of weights", kind="vector"),)

    def after(self, step: Step) -> Iterable[Reading | Picture]:
        weights = step.model.head.weight.view(3, 2)
        yield Picture("head", torch.sigmoid(weights), f"The head after step {step.number}.")
        yield Reading("cloud", weights)


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe above beside those of the catalog."""

    class WithDrawing(Catalog):
        def load(self) -> Any:
            good, bad = super().load()
            return (good | {"drawing": Drawing} if self.folder == "probes" else good), bad

    monkeypatch.setattr(begin, "Catalog", WithDrawing)


# -- one picture -----------------------------------------------------------------------------------


def test_grey_and_colour_floats_and_bytes_arrive_as_they_were(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    colour = torch.rand(5, 7, 3, generator=torch.Generator().manual_seed(0))
    whole = torch.arange(60, dtype=torch.uint8).reshape(4, 5, 3)
    clear = torch.arange(80, dtype=torch.uint8).reshape(4, 5, 4)
    given = {"grey": GREY, "colour": colour, "whole": whole, "clear": clear}
    given |= {"half": GREY.to(torch.bfloat16), "numpy": GREY.double().numpy()}
    for name, pixels in given.items():
        event = pictures.take(7, Picture(name, pixels, "What one sees."))
        assert (event.step, event.kind, event.rule, event.message) == (7, "image", name, "What one sees.")
    for name, pixels in given.items():
        raw = np.asarray(pixels.float() if isinstance(pixels, torch.Tensor) else pixels, np.float64)
        expected = raw if name in ("whole", "clear") else np.round(255 * raw)
        assert np.array_equal(opened(tmp_path / "images" / f"{name}-7.png"), expected)
    assert sorted(os.listdir(tmp_path / "images")) == sorted(f"{name}-7.png" for name in given), "nothing else lies there"


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("../up", GREY, "'../up' is no name of a picture"),
        ("a/b", GREY, "is no name"),
        ("Upper", GREY, "is no name"),
        ("a\n", GREY, "is no name"),
        ("a" * 61, GREY, "is no name"),
        ("", GREY, "is no name"),
        (None, GREY, "is no name"),
        ("flat", GREY[0], "the shape (4,); give (H, W), (H, W, 3) or (H, W, 4)"),
        ("deep", torch.zeros(2, 3, 5), "the shape (2, 3, 5)"),
        ("none", GREY[:0], "the shape (0, 4)"),
        ("wide", torch.zeros(1, 5000), "sides of 1 to 4096"),
        ("counts", torch.ones(2, 2, dtype=torch.int64), "its pixels are int64"),
        ("list", [[0.0, 1.0]], "of type list"),
    ],
)
def test_what_is_no_picture_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: Any, pixels: Any, message: str
) -> None:
    pictures = Pictures(tmp_path)
    assert [pictures.take(step, Picture(name, pixels)) for step in range(3)] == [None] * 3
    assert [message in record.message for record in caplog.records] == [True], "told once"
    assert pictures.dropped == 0, "the disk had nothing to do with it"
    assert not list(tmp_path.rglob("*.png"))


def test_what_a_pixel_cannot_show_is_said() -> None:
    pixels = torch.tensor([[0.0, 1.0005, 2.0], [math.nan, -math.inf, -5.0]])
    shown, notes = readable(pixels)
    assert shown.tolist() == [[[0] * 3, [255] * 3, [255] * 3], [list(ODD), list(ODD), [0] * 3]]
    assert notes == [
        "2 values lie outside [0, 1] and are drawn as the nearer end.",
        "2 values are not finite and are drawn in magenta.",
    ]


def test_a_reader_sees_the_old_picture_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures(tmp_path)
    path = picture_file(tmp_path, "a", 0)
    assert pictures.take(0, Picture("a", torch.zeros(2, 2)))
    seen = []
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (seen.append((opened(path), opened(source))), rename(source, target)))
    assert pictures.take(0, Picture("a", torch.ones(2, 2)))
    ((before, beside),) = seen
    assert (before.max(), beside.min(), opened(path).min()) == (0, 255, 255)


def test_many_pictures_are_thinned_and_the_last_one_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    pictures = Pictures(tmp_path)
    steps = [*range(0, 20_000, 10), 20_005]
    kept = [step for step in steps if pictures.take(step, Picture("a", GREY), last=step == steps[-1])]
    assert kept[:MANY] == steps[:MANY]
    assert kept[-1] == steps[-1]
    assert MANY + 200 < len(kept) < 2 * len(steps) / 3
    gaps = np.diff(kept[MANY:-1])
    assert (np.diff(gaps) >= 0).all()
    assert gaps.max() <= 20_000 / MANY
    assert len(caplog.records) == 1
    assert "pictures a; from step" in caplog.text
    again = Pictures(tmp_path)
    again.load(pictures.state())
    assert again.take(20_010, Picture("a", GREY)) is None, "a resumed run goes on counting"


# -- in a training -----------------------------------------------------------------------------------


def test_a_picture_of_a_training_is_announced_once_it_lies_there(tmp_path: Path, drawing: None) -> None:
    folder = new_folder(tmp_path)
    assert train(Tiny(steps=25), folder) == "finished"
    told = Recorded(folder)
    images = [(e["step"], e["rule"], e["says"]) for e in told.events if e["kind"] == "image"]
    assert images == [(step, "head", f"The head after step {step}.") for step in (0, 10, 20, 24)]
    for step, name, _ in images:
        cloud = np.array(told.vectors["cloud"][step], np.float64).reshape(3, 2)
        assert np.abs(opened(picture_file(folder.path, name, step)) - 255 / (1 + np.exp(-cloud))).max() <= 0.51


def test_a_resumed_run_draws_its_steps_anew(tmp_path: Path, drawing: None) -> None:
    whole, parted = new_folder(tmp_path), new_folder(tmp_path)
    train(Tiny(steps=35), whole)
    with pytest.raises(RuntimeError, match="on purpose"):
        train(Tiny(steps=35, break_at=15), parted)
    stale = picture_file(parted.path, "head", 20)
    stale.write_bytes(b"of an attempt that was killed")
    assert train(Tiny(steps=35), parted) == "finished"
    for step in (0, 10, 20, 30, 34):
        assert np.array_equal(*(opened(picture_file(folder.path, "head", step)) for folder in (whole, parted)))


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np, torch
from engine.runs.pictures import Pictures
from engine.runs.pictures import Picture
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
pictures = Pictures(Path(sys.argv[1]))
noise = torch.rand(200, 200, generator=torch.Generator().manual_seed(0))
assert pictures.take(0, Picture("a", noise))
limit(1000)
assert [pictures.take(step, Picture("a", noise)) for step in (0, 1, 2)] == [None] * 3
limit(resource.RLIM_INFINITY)
assert pictures.take(3, Picture("a", noise))
print(pictures.dropped)
"""


def test_a_full_disk_costs_pictures_and_nothing_else(tmp_path: Path) -> None:
    assert resource.RLIM_INFINITY  # the limit is set in a process of its own
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"
    assert done.stderr.count("could not be written") == 1, "told once"
    assert sorted(os.listdir(tmp_path / "images")) == ["a-0.png", "a-3.png"], "no half of a picture"
    assert opened(tmp_path / "images" / "a-0.png").shape == (200, 200), "the old one is whole"


def test_a_training_goes_on_over_a_full_disk_and_counts_it(tmp_path: Path, drawing: None) -> None:
    folder = new_folder(tmp_path)
    (folder.path / "images").write_text("in the way")
    assert train(Tiny(steps=25), folder) == "finished"
    assert folder.state()["dropped"] == 4
    assert not [e for e in Recorded(folder).events if e["kind"] == "image"]
