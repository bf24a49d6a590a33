"""Every kernel compiles for every architecture, spills nothing and keeps its register budget, and the committed table says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kernels import build as build_module
from kernels import check
from kernels.build import ARCHITECTURES, Built, CompileError, Entry, build, resources
from kernels.kernel import kernel, names


@pytest.mark.parametrize("name", names())
def test_every_entry_compiles_for_every_architecture_within_its_budget(name: str, cache: Path, nvrtc: tuple[int, int]) -> None:
    one = kernel(name)
    targets = check.compiled(one, cache)
    assert tuple(targets) == ARCHITECTURES == (75, 80, 86, 89, 90, 100, 120)
    assert not list(check.over_budget(one, targets))
    committed = json.loads(check.TARGETS.read_text())
    if list(nvrtc) == committed["nvrtc"]:
        assert check.as_table(targets) == committed["kernels"][name]["targets"], "remake it: python -m engine kernels --check --write"


def test_the_committed_table_knows_the_kernels_that_are_here_and_says_what_they_say() -> None:
    told = json.loads(check.TARGETS.read_text())["kernels"]
    assert sorted(told) == names()
    for name in names():
        assert told[name]["words"] == check.words(kernel(name))
        assert told[name]["samples"] == [sample.name for sample in kernel(name).samples()]
        assert told[name].get("balance") == check.balance(kernel(name)).get("balance"), (
            "remake it: python -m engine kernels --check --write"
        )


def torn(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(len(file.read_bytes())))


@pytest.mark.parametrize("suffix", [".json", ".cubin"])
@pytest.mark.parametrize("damage", [torn, zeroed, lambda file: file.write_bytes(b""), Path.unlink])
def test_a_second_build_comes_from_the_cache_and_a_damaged_file_is_made_again(
    damage: Callable[[Path], None], suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, made = kernel("tensor_stats"), []
    compiled = Built(bytes(range(256)) * 9, {name: Entry(f"_Z{name}", 70, 0, 392) for name in one.entries})
    monkeypatch.setattr(build_module, "compiler", lambda: ((13, 0), "include"))
    monkeypatch.setattr(build_module, "_compile", lambda *_: made.append(1) or compiled)
    assert build(one, 90, tmp_path) == build(one, 90, tmp_path) == compiled
    assert len(made) == 1
    (place,) = tmp_path.glob(f"tensor_stats-90-*{suffix}")
    whole = place.read_bytes()
    damage(place)
    assert build(one, 90, tmp_path) == compiled
    assert len(made) == 2
    assert place.read_bytes() == whole
    build(one, 90, tmp_path)
    assert len(made) == 2, "and is kept again"
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".cubin", ".json"]


def test_a_compiled_kernel_is_read_back_as_it_was(cache: Path, nvrtc: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    one = kernel("tensor_stats")
    first = build(one, 90, cache)
    monkeypatch.setattr(build_module, "_compile", lambda *_: pytest.fail("compiled again"))
    assert build(one, 90, cache) == first


def test_source_that_does_not_compile_says_so_with_the_log(tmp_path: Path, nvrtc: tuple[int, int]) -> None:
    bad = replace(kernel("tensor_stats"), entries={"no_such_entry": 10})
    with pytest.raises(CompileError, match="no_such_entry"):
        build(bad, 90, tmp_path)
    assert not list(tmp_path.iterdir())


def test_registers_and_spills_are_read_from_the_log_of_the_right_entry() -> None:
    log = """ptxas info    : Compiling entry function 'one' for 'sm_90'
ptxas info    : Function properties for one
    8 bytes stack frame, 12 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 444 bytes smem
ptxas info    : Compiling entry function 'two' for 'sm_90'
ptxas info    : Function properties for two
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 17 registers, used 0 barriers"""
    assert resources(log, "one") == (32, 16, 444)
    assert resources(log, "two") == (17, 0, 0)
    with pytest.raises(CompileError):
        resources(log, "three")
