"""The spool gives back exactly what it acknowledged, whatever happens to the file."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.paths import ROOT
from engine.runs.event import Event
from engine.runs.series import Series
from engine.runs.spool import EVENT, MAGIC, OPEN, POINTS, VECTOR, Spool, spools
from engine.runs.spool_reader import Frame, SpoolReader

RUN = "20250101-120000-moe-0001"

names = st.sampled_from(["loss/train", "grad_norm", "router/load", "é\u2028"])
series = st.tuples(names, st.sampled_from(["", "blocks.0.moe", "blocks.1"]))
floats = st.floats(allow_nan=True, allow_infinity=True)
events = st.builds(Event, st.integers(0, 9), st.sampled_from(["spike", "nonfinite"]), value=st.none() | floats, message=st.text(max_size=9))
calls = st.lists(
    st.tuples(
        st.dictionaries(series, floats, max_size=4),
        st.dictionaries(series, st.lists(st.floats(width=32), max_size=5), max_size=2),
        st.lists(events, max_size=2),
    ),
    max_size=12,
)


def bits(values: tuple[float, ...] | list[float]) -> bytes:
    """NaN equals NaN here, and -0.0 does not equal 0.0."""
    return struct.pack(f"<{len(values)}d", *values)


def read(path: Path) -> tuple[list[Frame], SpoolReader]:
    tail = SpoolReader(path)
    return list(tail.read()), tail


def recorded(frames: list[Frame]) -> list[tuple]:
    """What frames say, in a form that compares."""
    out = []
    for f in frames:
        out.append((f.kind, f.step, f.t, f.series, bits(f.values), repr(f.data)))
    return out


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=calls, cut=st.integers(0, 10_000))
def test_what_is_logged_is_read_back_exactly_in_one_go_or_from_anywhere(tmp_path: Path, calls: list, cut: int) -> None:
    path = tmp_path / "spool.1.bin"
    path.unlink(missing_ok=True)
    spool = Spool(path, RUN, attempt=2, start=7)
    ends = [path.stat().st_size]
    for step, (scalars, vectors, happened) in enumerate(calls):
        assert spool.log(step, scalars, vectors, happened, t=step + 0.5)
        ends.append(path.stat().st_size)
    spool.close()

    frames, tail = read(path)
    assert (tail.problem, tail.offset) == ("", path.stat().st_size)
    assert frames[0].kind == OPEN
    assert (frames[0].data["run"], frames[0].data["attempt"], frames[0].data["start"]) == (RUN, 2, 7)
    rest = iter(frames[1:])
    for step, (scalars, vectors, happened) in enumerate(calls):
        if scalars:
            frame = next(rest)
            assert (frame.kind, frame.step, frame.t) == (POINTS, step, step + 0.5)
            assert [(s.name, s.layer) for s in frame.series] == list(scalars)
            assert bits(frame.values) == bits(list(scalars.values()))
        for at, vector in vectors.items():
            frame = next(rest)
            assert (frame.kind, frame.step) == (VECTOR, step)
            assert (frame.series[0].name, frame.series[0].layer, frame.series[0].kind) == (*at, "vector")
            assert bits(frame.values) == bits(vector)
        for event in happened:
            frame = next(rest)
            assert (frame.kind, frame.step) == (EVENT, event.step)
            assert frame.data["says"] == event.message.encode(errors="replace").decode()
            assert repr(frame.data["value"]) == repr(event.value)
    assert next(rest, None) is None

    offset = ends[cut % len(ends)]  # a reader that comes back later knows the schemas of what it read before
    until, after = SpoolReader(path), SpoolReader(path, offset)
    before = []
    for frame in until.read():
        if until.offset > offset:
            break
        before.append(frame)
    assert recorded(before) + recorded(list(after.read())) == recorded(frames)


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, list[int]]:
    return calls_of(tmp_path)


def calls_of(tmp_path: Path) -> tuple[Path, list[int]]:
    """A spool of a few calls, and where each of its outermost frames ends."""
    path = tmp_path / "spool.1.bin"
    spool, ends = Spool(path, RUN), []
    ends.append(path.stat().st_size)
    for step in range(4):
        scalars: dict[Series, float] = {("loss/train", ""): float(step)} | ({("lr", ""): 0.1} if step > 1 else {})
        assert spool.log(
            step, scalars, {("router/load", "a"): [step, 1.0]} if step % 2 else None, [Event(step, "spike")] if step == 3 else []
        )
        ends.append(path.stat().st_size)
    spool.close()
    return path, ends


def test_a_file_torn_at_any_byte_reads_up_to_the_last_whole_call_and_goes_on_when_the_rest_arrives(
    small: tuple[Path, list[int]], tmp_path: Path
) -> None:
    path, ends = small
    whole, everything = path.read_bytes(), recorded(read(path)[0])
    torn = tmp_path / "torn.bin"
    for length in range(len(whole) + 1):
        torn.write_bytes(whole[:length])
        tail = SpoolReader(torn)
        first = list(tail.read())
        safe = max((end for end in ends if end <= length), default=0)
        assert tail.offset == safe
        assert bool(tail.problem) == (length not in (0, len(MAGIC), *ends)), f"at byte {length}: {tail.problem!r}"
        torn.write_bytes(whole)
        assert recorded(first) + recorded(list(tail.read())) == everything
        assert tail.problem == ""


def test_a_file_that_is_something_else_is_reported(tmp_path: Path) -> None:
    (tmp_path / "spool.1.bin").write_text("this was never a spool")
    frames, tail = read(tmp_path / "spool.1.bin")
    assert frames == []
    assert "does not begin like a spool" in tail.problem


def test_a_reader_that_comes_back_to_another_file_says_so(small: tuple[Path, list[int]]) -> None:
    path, ends = small
    with pytest.raises(ValueError, match="is not the file that was read"):
        SpoolReader(path, ends[2] + 1)
    with pytest.raises(ValueError, match="is not the file that was read"):
        SpoolReader(path, path.stat().st_size + 100)


def test_a_long_file_is_read_in_portions(tmp_path: Path) -> None:
    path = tmp_path / "spool.1.bin"
    spool = Spool(path, RUN)
    for step in range(50):
        spool.log(step, {("a", ""): float(step)}, {("v", ""): [0.0] * (1000 if step == 20 else 1)})
    tail, steps, portions = SpoolReader(path), [], 0
    while tail.offset < path.stat().st_size:
        steps += [f.step for f in tail.read(most=500) if f.kind == POINTS]
        assert tail.problem == ""
        portions += 1
    assert steps == list(range(50))
    assert portions > 5


FULL_DISK = """
import json, resource, signal, sys
from engine.runs.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = Spool(sys.argv[1], "20250101-120000-moe-0001")
limit = lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
acknowledged = []
for step in range(200):
    if step == 50:
        limit(3000)      # from here on the disk is nearly full
    if step == 150:
        limit(resource.RLIM_INFINITY)  # somebody made room
    scalars = {("loss", ""): float(step)} | ({("new", ""): -float(step)} if step >= 100 else {})
    if spool.log(step, scalars, {("v", ""): [step]}, t=1.0):
        acknowledged.append(step)
spool.close()
print(json.dumps([acknowledged, spool.dropped]))
"""


def test_a_full_disk_costs_the_refused_calls_and_nothing_else(tmp_path: Path) -> None:
    """The limit on file size makes the kernel write short, as a full disk does."""
    path = tmp_path / "spool.1.bin"
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    acknowledged, dropped = json.loads(done.stdout)
    frames, tail = read(path)
    assert tail.problem == ""
    assert [f.step for f in frames if f.kind == POINTS] == acknowledged
    assert [f.step for f in frames if f.kind == VECTOR] == acknowledged
    assert dropped == 200 - len(acknowledged)
    assert 0 < dropped <= 100
    assert set(range(150, 200)) <= set(acknowledged), "after room was made everything is taken again, new schemas included"
    assert {s.name for f in frames if f.step == 199 and f.kind == POINTS for s in f.series} == {"loss", "new"}


def test_a_call_that_cannot_be_encoded_leaves_the_spool_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "spool.1.bin"
    spool = Spool(path, RUN)
    size = path.stat().st_size
    with pytest.raises(struct.error):
        spool.log(0, {("a", ""): "no number"})  # type: ignore[dict-item]
    assert path.stat().st_size == size
    assert spool.log(1, {("a", ""): 2.0})
    frames, tail = read(path)
    assert tail.problem == ""
    assert [f.values for f in frames if f.kind == POINTS] == [(2.0,)]


def test_a_vector_element_beyond_float32_is_an_infinity_as_a_cast_would_make_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.1.bin", RUN)
    largest = 3.4028234663852886e38
    assert spool.log(0, vectors={("v", ""): [1e39, -1e300, 1.0, largest, largest * (1 + 2**-26)]})
    frames, _ = read(tmp_path / "spool.1.bin")
    assert frames[-1].values == (math.inf, -math.inf, 1.0, largest, largest)


def test_a_call_too_long_to_be_read_again_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runs.spool.LARGEST", 4000)
    spool = Spool(tmp_path / "spool.1.bin", RUN)
    assert not spool.log(0, vectors={("v", ""): [0.0] * 1000})
    assert spool.dropped == 1
    assert spool.log(1, {("a", ""): 1.0})
    assert read(tmp_path / "spool.1.bin")[1].problem == ""


def test_an_attempt_never_writes_into_the_file_of_another(tmp_path: Path) -> None:
    Spool(tmp_path / "spool.1.bin", RUN)
    with pytest.raises(FileExistsError):
        Spool(tmp_path / "spool.1.bin", RUN)
    Spool(tmp_path / "spool.10.bin", RUN, attempt=10)
    Spool(tmp_path / "spool.2.bin", RUN, attempt=2)
    assert [p.name for p in spools(tmp_path)] == ["spool.1.bin", "spool.2.bin", "spool.10.bin"]


def test_a_spool_that_cannot_be_begun_says_so() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError):  # noqa: PT011 - either of the two calls may fail first
        Spool(Path("/dev/full"), RUN)


def test_a_new_metric_may_not_look_like_a_name_with_its_layer(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.1.bin", RUN)
    with pytest.raises(ValueError, match='The metric "loss@head" has an "@" in its name'):
        spool.describe("loss@head")
    spool.describe("loss", layer="a@b")  # a layer is split off at the first one
    spool.close()
