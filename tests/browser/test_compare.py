"""What a person does with a comparison: tick runs, open it, look, read the verdict, hand the link on."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import chart, traces, until, zoom
from tests.browser.conftest import Server
from tests.support.compared_runs import made
from tests.support.made_runs import MadeRun

pytestmark = pytest.mark.browser

SEEDS = 8


def arms(lab: Server) -> list[MadeRun]:
    """Eight seeds of two learning rates, of which the second ends lower on all of them; a spike of one step, and a run that diverged."""
    random, runs = np.random.default_rng(0), []
    for lr, shift in ((1e-3, 0.0), (1e-2, -1.0)):
        for seed in range(SEEDS):
            values = (5 + shift + 0.1 * seed + random.normal(0, 0.02, 60)).tolist()
            values[30] = 40.0 if (lr, seed) == (1e-3, 2) else values[30]
            over = (lr, seed) == (1e-3, 5)
            if over:
                values[50:] = [float("nan")]
            runs.append(made(lab.data, seed, values, status="diverged" if over else "finished", preset="healthy", lr=lr))
    return runs


def test_runs_are_ticked_compared_and_the_verdict_is_read(lab: Server, visitor: Callable[..., Page]) -> None:
    runs = arms(lab)
    page = visitor(f"{lab.address}/runs?text=healthy")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    table.click(position={"x": 18, "y": 18})  # all rows
    expect(page.get_by_text(f"{len(runs)} ticked")).to_be_visible()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare?run=*")

    expect(page.get_by_text(f"{len(runs)} runs")).to_be_visible()
    expect(page.get_by_role("cell", name="8 of 8").first).to_be_visible()
    drawn = traces(chart(page, "Curves"))
    assert max(y for one in drawn for y in one["y"] if isinstance(y, int | float)) >= 40, "the spike of one step"
    assert any(one["name"] == "NaN" and one["x"] == [50] for one in drawn), "the run that diverged is marked where it did"
    said = page.get_by_text(re.compile(r"^lr=0\.01 was lower than lr=0\.001 in 8 of 8 pairs")).first
    expect(said).to_contain_text("lr=0.01 is lower than lr=0.001 in more pairs than the other way round: p = 0.00781")
    expect(page.get_by_text("1 of 8 runs of lr=0.001 diverged").first).to_be_visible()

    zoom(chart(page, "Curves"), 20, 40)
    page.wait_for_url("**zoom=*")
    inside = "(node) => node.data.every(t => !t.name?.includes('seed') || t.x.every(x => x === null || (x >= 18 && x <= 42)))"
    until(page, inside, chart(page, "Curves"))

    page.get_by_role("combobox", name=re.compile("Baseline")).click()
    page.get_by_role("option", name="lr=0.01", exact=True).click()
    expect(page.get_by_text(re.compile(r"^lr=0\.001 was lower than lr=0\.01 in 0 of 8 pairs")).first).to_be_visible()
    again = visitor(page.url)
    expect(again.get_by_text(re.compile(r"^lr=0\.001 was lower than lr=0\.01 in 0 of 8 pairs")).first).to_be_visible()
