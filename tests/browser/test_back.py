"""Back leads to the page before, at the first press."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.support.made_runs import finished_run

pytestmark = pytest.mark.browser

SEED, STEPS = "knobs=seed%3D5", "steps%3D77"


def change(page: Page, label: str, value: str) -> None:
    page.locator(".stApp[data-test-script-state='notRunning']").wait_for()
    field = page.get_by_role("textbox", name=re.compile(rf"\b{re.escape(label)}"))  # no other knob whose name ends so
    if not field.is_visible():  # folded: what the group holds stands in its name
        page.locator("summary").filter(has_text=re.compile(rf"knobs?.*: .*\b{label.partition(':')[0]}\b")).click()
    field.fill(value)
    field.press("Enter")


def test_one_press_of_back_leaves_build_however_much_was_changed_there(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(lab.address)
    expect(page.get_by_role("heading", name="Break a training")).to_be_visible()
    page.get_by_role("link", name="Build").first.click()
    expect(page.get_by_text("The same as the preset")).to_be_visible(timeout=120_000)
    entries = page.evaluate("() => history.length")
    change(page, "seed: seed of initialisation", "5")
    page.wait_for_url(f"**{SEED}*")
    change(page, "steps: ", "77")
    page.wait_for_url(f"**{STEPS}*")
    assert page.evaluate("() => history.length") == entries
    changed = page.url
    page.get_by_role("link", name="Machine").first.click()
    expect(page.get_by_role("heading", name="In the slots")).to_be_visible()
    page.go_back(wait_until="commit")
    expect(page.get_by_text("2 changed").first).to_be_visible()
    assert page.url == changed, "the link carries the changes"
    page.go_back(wait_until="commit")
    expect(page.get_by_role("heading", name="Break a training")).to_be_visible()


def test_back_after_a_launch_leads_to_the_form_as_it_was_left(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/build?lab=trainability&preset=trains")
    expect(page.get_by_text("The same as the preset")).to_be_visible(timeout=120_000)
    change(page, "steps: ", "7")
    page.wait_for_url("**steps%3D7*")
    left, entries = page.url, page.evaluate("() => history.length")
    page.get_by_role("button", name="Launch").first.click()
    page.wait_for_url("**/run?run=*")
    expect(page.get_by_text("finished").first).to_be_visible(timeout=120_000)
    run = page.url
    assert page.evaluate("() => history.length") == entries + 1
    page.go_back(wait_until="commit")
    expect(page.get_by_role("textbox", name="lr_in: ")).to_be_visible()
    assert page.url == left
    page.go_forward(wait_until="commit")
    expect(page.get_by_text("finished").first).to_be_visible()
    assert page.url == run


def test_back_after_duplicating_a_run_leads_to_the_run_at_the_first_press(lab: Server, visitor: Callable[..., Page]) -> None:
    made = finished_run(lab.data, steps=20)
    page = visitor(f"{lab.address}/run?run={made.run}")
    expect(page.get_by_text("finished").first).to_be_visible()
    left, entries = page.url, page.evaluate("() => history.length")
    page.get_by_role("button", name="More").first.click()
    page.get_by_role("button", name="Duplicate").first.click()
    page.wait_for_url("**/build?*")
    expect(page.get_by_role("textbox", name="lr: ").first).to_be_visible(timeout=120_000)
    assert page.evaluate("() => history.length") == entries + 1
    page.go_back(wait_until="commit")
    expect(page.get_by_text("finished").first).to_be_visible()
    assert page.url == left
