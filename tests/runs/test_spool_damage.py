"""Damage in the middle of a spool: skipped up to the next whole frame, counted to the byte, and never read as data."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from engine.runs.event import Event
from engine.runs.spool import EVENT, POINTS, Spool
from engine.runs.spool_reader import Frame, SpoolReader
from tests.runs.test_spool import RUN, calls_of, read, recorded


@pytest.fixture
def few_calls(tmp_path: Path) -> tuple[Path, list[int]]:
    return calls_of(tmp_path)


def gaps(frames: list[Frame]) -> int:
    """Bytes that were told as damaged."""
    return int(sum(f.data["value"] for f in frames if f.kind == EVENT and f.data["kind"] == "damage"))


def undamaged(frames: list[Frame]) -> list[Frame]:
    return [f for f in frames if not (f.kind == EVENT and f.data["kind"] == "damage")]


def in_order(part: list[tuple], whole: list[tuple]) -> bool:
    rest = iter(whole)
    return all(any(one == other for other in rest) for one in part)


def test_a_changed_byte_anywhere_is_told_costs_its_own_call_and_is_never_read_as_data(
    few_calls: tuple[Path, list[int]], tmp_path: Path
) -> None:
    path, ends = few_calls
    whole, everything = path.read_bytes(), recorded(read(path)[0])
    by_call = [
        recorded(list(SpoolReader(path, start).read()))[: -len(recorded(list(SpoolReader(path, end).read()))) or None]
        for start, end in pairwise(ends)
    ]
    changed = tmp_path / "changed.bin"
    for at in range(len(whole)):
        changed.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        frames, tail = read(changed)
        assert tail.problem or gaps(frames), f"byte {at}"
        good = recorded(undamaged(frames))
        assert in_order(good, everything), "nothing is invented"
        if at < ends[0]:
            assert good == [], "without its opening a file is not read"
            continue
        hit = next(n for n, end in enumerate(ends[1:]) if at < end)
        assert all(one in good for call in by_call[:hit] for one in call)
        if hit < 3:
            assert not tail.problem
            assert tail.offset == len(whole)
        names_lost = b'"id"' in whole[ends[hit] : ends[hit + 1]]
        assert names_lost or all(one in good for call in by_call[hit + 1 :] for one in call)
        again = SpoolReader(changed, tail.offset)  # a restarted reader accepts what was read
        assert list(again.read()) == []


@pytest.mark.parametrize(
    "what", [bytes(4096), bytes(range(256)) * 16, b"\x05\x00\x00\x00\x40\x00\x00\x00" * 512], ids=["zeros", "noise", "headers"]
)
def test_a_lost_block_in_the_middle_is_counted_to_the_byte_and_everything_else_is_read_once(tmp_path: Path, what: bytes) -> None:
    path = tmp_path / "spool.1.bin"
    spool, ends = Spool(path, RUN), []
    for step in range(400):
        assert spool.log(step, {("loss", ""): float(step), ("b", "x"): 0.0}, {("v", ""): [0.0, 1.0, step]} if step % 3 == 0 else None)
        ends.append(path.stat().st_size)
    whole, begin = path.read_bytes(), ends[100] + 7
    hurt = whole[:begin] + what + whole[begin + len(what) :]
    assert len(hurt) == len(whole)
    path.write_bytes(hurt)
    offset, steps, skipped = 0, [], 0
    while offset < len(whole):  # with a new reader after every portion, as after a restart
        tail = SpoolReader(path, offset)
        frames = list(tail.read(most=3000))
        assert not tail.problem
        assert tail.offset > offset
        offset = tail.offset
        steps += [f.step for f in frames if f.kind == POINTS]
        skipped += gaps(frames)
    first = next(n for n, end in enumerate(ends) if end >= begin + len(what)) + 1
    assert steps[:101] == list(range(101))
    assert steps[-(400 - first) :] == list(range(first, 400))
    assert len(steps) == len(set(steps))
    assert set(steps) - set(range(101)) - set(range(first, 400)) <= {first - 1}, "at most what is whole inside the call that was hit"
    assert len(what) <= skipped <= len(what) + 2 * (ends[3] - ends[0])


def test_a_call_that_is_still_being_written_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "spool.1.bin"
    spool = Spool(path, RUN)
    spool.log(0, {("a", ""): 0.0})
    begin = path.stat().st_size
    spool.log(1, {("a", ""): 1.0}, {("v", ""): [1.0, 2.0]}, [Event(1, "spike")])
    whole = path.read_bytes()
    for length in range(begin, len(whole)):
        path.write_bytes(whole[:length])
        frames, tail = read(path)
        assert gaps(frames) == 0
        assert tail.offset == begin


def test_values_whose_names_are_lost_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "spool.1.bin"
    spool = Spool(path, RUN)
    begin = path.stat().st_size
    for step in range(5):
        spool.log(step, {("a", ""): float(step)})
    before = path.stat().st_size
    spool.log(5, {("b", ""): 5.0})
    whole = bytearray(path.read_bytes())
    whole[begin + 40] ^= 1  # in the description of "a"
    path.write_bytes(whole)
    frames, tail = read(path)
    assert tail.problem == ""
    assert [(f.step, f.series[0].name) for f in frames if f.kind == POINTS] == [(5, "b")]
    assert gaps(frames) == before - begin
