"""From a cold server to a moving curve, and the pair of twins that one press starts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from engine.declare.knobs import unnest
from engine.runs.folder import run_folder
from tests.browser.charts_on_page import chart, kind, press_card, until
from tests.browser.conftest import Server
from tests.support.made_runs import finished_twins

pytestmark = pytest.mark.browser


def test_one_press_on_a_cold_server_shows_a_moving_loss_curve(cold: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(cold.start().address)
    press_card(page).click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    node = chart(page, "Loss")
    long_enough = "(node, least) => (node.data.find(t => t.meta?.kind === 'line')?.x ?? []).length >= least"
    until(page, long_enough, node, 20)
    seen = len(kind(node, "line")[0]["x"])
    until(page, long_enough, node, seen + 5)
    expect(page.get_by_text("running").first).to_be_visible()
    page.get_by_role("button", name="Stop").first.click()
    expect(page.get_by_text("stopped").first).to_be_visible()


def test_one_press_starts_twins_that_differ_in_the_cure_alone(cold: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(cold.start().address)
    press_card(page, "cure").click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    runs = page.url.partition("run=")[2].partition("&")[0].replace("%2C", ",").split(",")
    assert len(runs) == 2

    specs = [run_folder(cold.data, run).spec() or {} for run in runs]
    assert re.fullmatch("guest-[0-9a-f]{4}", specs[0]["who"]), "the gate tells the page which browser presses"
    assert specs[0]["who"] == specs[1]["who"]
    flats = [unnest(spec["knobs"]) for spec in specs]
    differing = {name for flat in flats for name in flat if flats[0].get(name) != flats[1].get(name)}
    assert {name.partition(".")[0] for name in differing} == {"router"}, "only the cure's question and its answers' knobs"

    node = chart(page, "Loss")
    both = """node => { const t = node.data.filter(t => t.meta?.kind === 'line' && t.meta.metric === 'loss/train');
                        return t.length === 2 && t.every(one => one.x.length >= 3); }"""
    until(page, both, node)
    lines = [t for t in kind(node, "line") if t["meta"]["metric"] == "loss/train"]
    assert {t["meta"]["run"] for t in lines} == set(runs)
    assert {t["dash"] for t in lines} == {"dot", "solid"}
    assert [t["x"][0] for t in lines] == [0, 0]
    assert abs(lines[0]["y"][0] - lines[1]["y"][0]) <= 1e-6, "the first step knows nothing of the cure"
    page.get_by_role("button", name="Stop all").click()


def test_a_deep_link_on_a_cold_server_goes_through_the_frame(cold: Server, visitor: Callable[..., Page]) -> None:
    broken, cured = finished_twins(cold.data, steps=30)
    page = visitor(f"{cold.start().address}/run?run={broken.run},{cured.run}")
    expect(page.get_by_role("link", name="Gallery")).to_be_visible()
    assert len(kind(chart(page, "Loss"), "line")) == 4
