"""A map whose cells are trained, from its form to the runs behind a cell, with the mouse and with the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.runs.sweep_file import member_runs, read_sweep, sweep_ids
from tests.browser.conftest import Server
from tests.browser.test_jobs import TINY, press

pytestmark = pytest.mark.browser
LONG = 180_000  # milliseconds; four trainings
CELL = ".fl-spot[data-cell='{}']"


def typed(page: Page, label: str, text: str, role: str = "textbox") -> None:
    field = page.get_by_role(role, name=label, exact=True)  # type: ignore[arg-type]
    field.fill(text)
    field.press("Enter")


def chosen(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label, exact=False).first.fill(option)
    page.get_by_role("option", name=option, exact=True).click()


def test_a_map_is_made_fills_itself_and_its_cells_open_as_runs(lab: Server, visitor: Callable[..., Page]) -> None:
    before = set(sweep_ids(lab.data))
    page = visitor(f"{lab.address}/map?lab=moe")
    expect(page.get_by_text("Every cell is trained with every seed")).to_be_visible(timeout=LONG)
    typed(page, "Range of lr", "1e-3..1e-2")
    chosen(page, "Upwards", "clip")
    typed(page, "Values of clip", "0,1")
    typed(page, "× seeds", "1", "spinbutton")
    page.get_by_text("Metric and fineness").click()
    typed(page, "Values of a range at first", "2", "spinbutton")
    typed(page, "Refinements", "0", "spinbutton")
    typed(page, "Other knobs", f"steps=3 device=cpu {TINY}")
    expect(page.get_by_text(re.compile(r"4 runs, .*at a time\."))).to_be_visible()
    press(page, "Train 4 runs")
    page.wait_for_url("**/map?*sweep=*")
    expect(page.get_by_text("4 of 4 runs have ended. Nothing more follows.")).to_be_visible(timeout=LONG)
    (name,) = set(sweep_ids(lab.data)) - before
    sweep = read_sweep(lab.data, name)
    runs = member_runs(lab.data, sweep)
    of = {(m.knobs["lr"], m.knobs["clip"]): runs[m.identity] for m in sweep.members}

    first = page.locator(CELL.format("0 0"))
    first.hover()
    expect(page.locator(".fl-says")).to_contain_text("lr=0.001 clip=0: 0 of 1 run diverged; loss/train")
    first.click()
    link = page.get_by_role("link", name=re.compile("^(show_chart)?\\s*seed 0: finished, loss.train"))
    expect(link).to_have_attribute("href", re.compile(f"run={of[0.001, 0.0]}"))
    assert "cell=0-0" in page.url

    page.locator(CELL.format("0 0")).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".fl-says")).to_contain_text("lr=0.01 clip=0:")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".fl-says")).to_contain_text("lr=0.01 clip=1:")
    page.keyboard.press("Enter")
    expect(link).to_have_attribute("href", re.compile(f"run={of[0.01, 1.0]}"))
    expect(page.locator(".fl-mark")).to_have_count(1)

    other = visitor(page.url)
    expect(other.get_by_role("link", name=re.compile("seed 0: finished"))).to_have_attribute("href", re.compile(f"{of[0.01, 1.0]}"))
    other.get_by_role("link", name=re.compile("seed 0: finished")).click()
    other.wait_for_url(f"**/run?*{of[0.01, 1.0]}*")
