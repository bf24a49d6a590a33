"""What carrying and watching cost: Lightning against a plain loop, the cheap probes against the step that they watch.

Ratios, the best of several rounds, so that a busy machine delays the answer and does not change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.benchmarks.measures.overhead import SMALLEST, moe, of_preset, our_loop, plain_loop, probe_share

ROUNDS = 10  # at most
STEPS = 100


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As a worker runs; threads that wait for each other burn CPU time that is nobody's work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_lightning_costs_at_most_thirty_percent_of_a_plain_loop(tmp_path: Path) -> None:
    lab = moe(steps=STEPS, **SMALLEST)
    plain, ours = [], []
    while len(ours) < 2 or (len(ours) < ROUNDS and min(ours) > 1.3 * min(plain)):
        plain.append(plain_loop(lab))
        ours.append(our_loop(lab, tmp_path))
    assert min(ours) <= 1.3 * min(plain), f"{min(ours):.3f} s against {min(plain):.3f} s for {lab.steps} steps"


def test_the_cheap_probes_add_at_most_a_fifth_to_a_step(tmp_path: Path) -> None:
    """The budget is 15 percent, and the table of benchmarks says where it is missed: 13 percent on one machine and 16 on another, whose
    products of matrices are faster.  Here a probe that became dearer is found on both."""
    shares: list[float] = []
    while len(shares) < 3 and min(shares, default=1.0) > 0.2:
        shares.append(probe_share(moe(steps=150), tmp_path))
    assert min(shares) <= 0.2, f"added to the rest of the step: {shares}"


@pytest.mark.slow
@pytest.mark.parametrize(("lab", "preset"), [("unet", "skips"), ("unet", "healthy"), ("consistency", "unanchored")])
def test_the_cheap_probes_of_a_whole_preset_add_at_most_fifteen_percent(lab: str, preset: str, tmp_path: Path) -> None:
    shares: list[float] = []
    while len(shares) < 4 and min(shares, default=1.0) > 0.15:
        shares.append(probe_share(of_preset(lab, preset), tmp_path))
    assert min(shares) <= 0.15, f"added to the rest of the step: {shares}"
