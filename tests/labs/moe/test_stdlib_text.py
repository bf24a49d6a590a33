"""The text of the language labs: which files, split how, and what happens where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.labs.moe.datasets.stdlib_text import EVERY, EXCLUDED, source_files, stdlib_text, windows


def library(root: Path, files: int) -> Path:
    """A made-up library: numbered modules, and folders that must be left out."""
    for i in range(files):
        place = root / f"package_{i % 3}" / f"module_{i:03d}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"# {i}\n")
    for name in EXCLUDED:
        for folder in (root / name, root / "package_1" / name):
            folder.mkdir(parents=True)
            (folder / "never.py").write_text("never")
    (root / "package_0" / "table.txt").write_text("never")
    return root


def test_excluded_folders_are_left_out_at_every_depth(tmp_path: Path) -> None:
    text = stdlib_text(library(tmp_path, 45))
    assert b"never" not in text.train.tobytes() + text.validation.tobytes()
    assert len(source_files(tmp_path)) == 45


def test_every_twentieth_file_in_sorted_order_is_validation_and_no_file_is_in_both(tmp_path: Path) -> None:
    text = stdlib_text(library(tmp_path, 45))
    names = source_files(tmp_path)
    assert names == sorted(names)
    assert text.validation_files == (names[EVERY - 1], names[2 * EVERY - 1])
    assert not set(text.validation_files) & set(text.train_files)
    assert set(text.validation_files) | set(text.train_files) == set(names)
    assert text.validation.tobytes() == b"".join((tmp_path / name).read_bytes() for name in text.validation_files)
    assert text.train.tobytes() == b"".join((tmp_path / name).read_bytes() for name in text.train_files)


def test_the_hash_follows_content_and_names(tmp_path: Path) -> None:
    one, two = library(tmp_path / "one", 40), library(tmp_path / "two", 40)
    before = stdlib_text(one).sha256
    assert stdlib_text(two).sha256 == before
    stdlib_text.cache_clear()
    (two / "package_0" / "module_000.py").write_text("# changed\n")
    assert stdlib_text(two).sha256 != before
    stdlib_text.cache_clear()
    (one / "package_0" / "module_000.py").rename(one / "package_0" / "module_0000.py")
    assert stdlib_text(one).sha256 != before


def test_a_machine_without_source_is_told_so_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        stdlib_text(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "0 .py files" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_this_machine_has_megabytes_of_it_and_the_provenance_says_which() -> None:
    text = stdlib_text()
    assert len(text.train) > 5_000_000
    assert 0.02 < len(text.validation) / len(text.train) < 0.12
    assert not {part for name in text.train_files + text.validation_files for part in name.split("/")} & EXCLUDED
    told = text.provenance()
    assert told["train_bytes"] == len(text.train)
    assert len(str(told["sha256"])) == 64


def test_targets_are_the_inputs_one_byte_later() -> None:
    text = np.arange(50, dtype=np.uint8)
    got = windows(text, np.array([0, 7, 39]), 10)
    assert got["inputs"][1].tolist() == list(range(7, 17))
    assert got["targets"][1].tolist() == list(range(8, 18))
    assert got["targets"][2, -1].item() == 49
    assert got["inputs"].shape == got["targets"].shape == (3, 10)
