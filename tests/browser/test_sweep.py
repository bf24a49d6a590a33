"""A grid in the form: what it comes to stands there before launch, one press queues it, and its runs end as one group (F10)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from engine.runs.sweep_file import read_sweep, sweep_ids
from engine.scheduler.sweep_control import statuses
from tests.browser.conftest import Server
from tests.browser.test_jobs import TINY, press

pytestmark = pytest.mark.browser
LONG = 120_000  # milliseconds; four trainings


def test_a_grid_is_seen_before_it_is_launched_and_its_runs_stand_together(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/build?lab=moe&preset=collapse&knobs={quote(f'steps=3 device=cpu {TINY}')}")
    page.get_by_text("Sweep: vary knobs and seeds").click(timeout=LONG)
    page.get_by_role("combobox", name="Vary").fill("lr")
    page.get_by_role("option", name="lr", exact=True).click()
    page.keyboard.press("Escape")
    values = page.get_by_role("textbox", name="Values of lr")
    values.fill("1e-3,1e-2")
    values.press("Enter")
    seeds = page.get_by_role("spinbutton", name="× seeds")
    seeds.fill("2")
    seeds.press("Enter")
    expect(page.get_by_text(re.compile(r"^(timer)?\s*4 runs, .*at a time\."))).to_be_visible()
    expect(page.get_by_text("lr=1e-3,1e-2 seed=0..1")).to_be_visible()
    press(page, "Launch 4 runs")
    page.wait_for_url("**/runs?*sweep=*")
    expect(page.get_by_text("4 of 4 ended: 4 finished")).to_be_visible(timeout=LONG)
    (sweep,) = (read_sweep(lab.data, name) for name in sweep_ids(lab.data))
    assert sweep.id in page.url
    assert list(statuses(lab.data, sweep).values()) == ["finished"] * 4
