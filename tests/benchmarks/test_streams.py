"""Many browsers on one run cost what their bytes cost, and leave nothing behind."""

from __future__ import annotations

from tests.benchmarks.benchmark import benchmarks
from tests.benchmarks.measures.streams import FEW, MANY, least, over_bare, waves

TRIES, STEPS = 3, 20  # a busy machine delays the answer and does not change it


def test_three_times_as_many_streams_cost_three_times_as_much_and_at_most_twice_what_bare_ones_do() -> None:
    cpu: dict[str, float] = {}
    for _ in range(TRIES):
        cpu = {name: min(seconds, cpu.get(name, seconds)) for name, seconds in least(STEPS).items()}
        if cpu["many"] <= 3.3 * cpu["few"] and over_bare(cpu) <= 2:
            return
    raise AssertionError(f"CPU seconds with one, {FEW} and {MANY} streams, and of {MANY} bare ones: {cpu}")


def test_waves_of_clients_are_forgotten() -> None:
    """1,500 clients in waves of 300, twice: memory and descriptors as after the first time, and the server still answers."""
    first, second = waves()
    assert second["memory"] <= 1.05 * first["memory"]
    assert second["descriptors"] == first["descriptors"]


def test_the_register_knows_every_benchmark() -> None:
    known, broken = benchmarks().load()
    assert "streams" in known
    assert not broken
