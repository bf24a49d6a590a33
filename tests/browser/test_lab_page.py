"""On the page of a lab a slider moves its figure in place, at once and without a run."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.runs.folder import all_runs
from tests.browser.charts_on_page import chart, traces, until
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

NOISE = "What chance alone does to a balanced router"


def test_a_slider_moves_the_figure_in_place_and_makes_no_run(lab: Server, visitor: Callable[..., Page]) -> None:
    before = {folder.run for folder in all_runs(lab.data)}
    page = visitor(lab.address)
    page.get_by_role("link", name="Story, panels, remedies and papers of this lab").first.click(timeout=120_000)
    page.wait_for_url("**/lab?lab=*")
    page.goto(f"{lab.address}/lab?lab=moe")
    node = chart(page, NOISE)
    expect(page.get_by_text("With 1,024 tokens, 32 experts and k = 1")).to_be_visible()
    node.evaluate("node => { node.dataset.marked = 'the same node' }")
    other = chart(page, "What a capacity limit drops")
    drawn = other.evaluate("node => JSON.stringify(node.data.map(t => Array.from(t.y ?? [])))")
    mean = next(t for t in traces(node) if t["name"] == "mean")["y"]

    slider = page.get_by_role("slider", name=re.compile("^experts: experts of the layer")).first
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    expect(page.get_by_text(re.compile("With 1,024 tokens, 96 experts"))).to_be_visible()
    changed = "(node, first) => node.data.find(t => t.name === 'mean')?.y[0] !== first"
    until(page, changed, node, mean[0])
    assert next(t for t in traces(node) if t["name"] == "mean")["y"][0] > mean[0], "more experts, fewer tokens for each, more noise"
    assert node.get_attribute("data-marked") == "the same node", "moved, not rebuilt"
    assert other.evaluate("node => JSON.stringify(node.data.map(t => Array.from(t.y ?? [])))") == drawn
    assert {folder.run for folder in all_runs(lab.data)} == before, "no run was made"


def test_a_deep_link_to_a_lab_that_does_not_exist_is_one_sentence(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/lab?lab=mo")
    expect(page.get_by_role("alert").filter(has_text='No lab "mo": did you mean "moe"?')).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="Go to the gallery").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Break a training, watch it, cure it")
