"""The film of a run page: one step for everything on it, moved by hand, by keys and by itself."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Request, expect

from engine.labs.schematic import schematics, still
from tests.browser.charts_on_page import at_step, chart, until
from tests.browser.conftest import Server
from tests.support.made_runs import DRAWN, EXPERTS, KNOBS, LAYER, MadeRun, finished_twins, readings

pytestmark = pytest.mark.browser

MOVED = ("r", "opacity", "stroke-dasharray", "visibility")
STANDS = "([node, step]) => node.dataset.step === String(step)"
READ = """node => [...node.querySelectorAll('[data-drive]')].map(e => Object.fromEntries(
  ['r', 'opacity', 'stroke-dasharray', 'visibility'].map(name => [name, e.getAttribute(name)])))"""


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Step that the whole page shows")


def pane(page: Page, number: int = 0) -> Locator:
    return page.locator(".fl-schematics figure").nth(number)


def move(page: Page, step: int) -> None:
    """As a hand would leave the slider there."""
    slider(page).evaluate("(node, step) => { node.value = step; node.dispatchEvent(new Event('input', {bubbles: true})); }", step)


def stands_at(page: Page, step: int, number: int = 0) -> None:
    page.wait_for_function(STANDS, arg=[pane(page, number).element_handle(), step])


def numbers(attributes: dict[str, str | None]) -> list[Any]:
    """Every attribute that moves, numbers as numbers."""
    out: list[Any] = []
    for name in MOVED:
        text = attributes[name]
        out += [text] if text is None or name == "visibility" else [float(part) for part in text.split()]
    return out


def by_python(step: int, *, healthy: bool, router: str) -> list[list[Any]]:
    svg = schematics()[0]["experts"].svg({**DRAWN, "router": router}, LAYER)
    drawn = ET.fromstring(still(svg, {f"router/load@{LAYER}": readings(step, healthy=healthy)[1]}))
    return [numbers({name: element.get(name) for name in MOVED}) for element in drawn.iter() if element.get("data-drive")]


def test_browser_and_python_draw_the_same_at_every_step(lab: Server, visitor: Callable[..., Page]) -> None:
    broken, cured = finished_twins(lab.data, steps=60, more=DRAWN)
    page = visitor(f"{lab.address}/run?run={broken.run},{cured.run}")
    expect(page.locator(".fl-schematics figure")).to_have_count(2)
    for number in (0, 1):
        stands_at(page, 59, number)
    shown = []
    for step in (0, 21, 44):
        move(page, step)
        for number, (healthy, router) in enumerate(((False, "softmax_top_k"), (True, "loss_free"))):
            stands_at(page, step, number)
            seen = [numbers(one) for one in pane(page, number).evaluate(READ)]
            expected = by_python(step, healthy=healthy, router=router)
            assert len(seen) == len(expected) == 2 * EXPERTS
            for mine, theirs in zip(seen, expected, strict=True):
                assert mine == pytest.approx(theirs, abs=1e-3) if all(isinstance(v, float) for v in theirs) else mine == theirs
            shown.append(seen)
    assert shown[0] != shown[2], "it moves"
    assert shown[2] != shown[3], "broken and cured differ"


def test_one_hand_moves_everything_and_asks_the_server_nothing_until_it_rests(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=80, knobs={**KNOBS, **DRAWN}).declare()
    for step in range(80):
        scalars, load = readings(step, healthy=False)
        made.log(scalars, load=load)
        if step % 20 == 10:
            made.draw("cells", np.full((8, 12), step / 100), "A grey.", step=step)
    made.end()
    page = visitor(f"{lab.address}/run?run={made.run}")
    loss = chart(page, "Loss")
    stands_at(page, 79)
    expect(page.locator(".fl-scrubber output")).to_have_text("step 79, the newest")
    requests: list[str] = []

    def note(request: Request) -> None:
        if "/snapshot" in request.url:
            requests.append(request.url)

    page.on("request", note)
    slider(page).evaluate(
        """async node => { for (let step = 5; step <= 35; step++) { node.value = step;
             node.dispatchEvent(new Event('input', {bubbles: true})); await new Promise(requestAnimationFrame); } }"""
    )
    assert requests == [], "nothing is asked while the hand moves"
    stands_at(page, 35)
    expect(page.locator(".fl-scrubber output")).to_have_text("step 35 of 79")
    until(page, "() => new URL(location.href).searchParams.get('step') === '35'")
    exact = [parse_qs(urlparse(url).query) for url in requests]
    assert [(one["lo"], one["hi"]) for one in exact if "lo" in one] == [(["0"], ["95"])]
    line = loss.locator("xpath=../*[contains(@class, 'fl-stand')]")
    until(page, "node => !node.hidden && node.style.left !== ''", line)
    left = line.evaluate("node => node.getBoundingClientRect().left")
    assert left == pytest.approx(at_step(loss, 35)[0], abs=2.5)
    expect(page.locator(".fl-pictures figcaption").first).to_contain_text("step 30")
    expect(page.get_by_text("step 35:").first).to_be_visible()

    again = visitor(page.url)
    stands_at(again, 35)
    expect(again.locator(".fl-scrubber output")).to_have_text("step 35 of 79")
    again.get_by_role("button", name="Go to the newest step").click()
    stands_at(again, 79)
    until(again, "() => !new URL(location.href).searchParams.has('step')")


def test_keys_and_buttons_move_the_film_and_it_plays_to_its_end(lab: Server, visitor: Callable[..., Page]) -> None:
    broken, _ = finished_twins(lab.data, steps=30, more=DRAWN)
    page = visitor(f"{lab.address}/run?run={broken.run}&step=12", reduced_motion="reduce")
    stands_at(page, 12)
    slider(page).focus()
    page.keyboard.press("ArrowRight")
    stands_at(page, 13)
    page.keyboard.press("Home")
    stands_at(page, 0)
    expect(page.get_by_role("button", name="One step back")).to_be_disabled()
    page.get_by_role("button", name="One step on").focus()
    page.keyboard.press("Enter")
    stands_at(page, 1)
    assert pane(page).locator("svg").evaluate("node => node.style.getPropertyValue('--t')") == "", (
        "no dot flows for who asked for less motion"
    )
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    stands_at(page, 29)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator(".fl-scrubber output")).to_have_text("step 29, the newest")


def test_a_living_run_is_followed_until_somebody_touches_the_film(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=500, knobs={**KNOBS, **DRAWN}, began=time.time()).declare()

    def train(upto: int) -> None:
        while made.step < upto:
            scalars, load = readings(made.step, healthy=False)
            made.log(scalars, load=load)
        made.tick()

    train(20)
    page = visitor(f"{lab.address}/run?run={made.run}")
    stands_at(page, 19)
    flows = "node => node.style.getPropertyValue('--t') !== ''"
    until(page, flows, pane(page).locator("svg"))
    train(40)
    stands_at(page, 39)
    move(page, 10)
    stands_at(page, 10)
    train(60)
    until(page, "() => globalThis.faultlineHub.film.last() === 59")
    stands_at(page, 10)
    expect(page.locator(".fl-scrubber output")).to_have_text("step 10 of 59")
    page.get_by_role("button", name="Go to the newest step").click()
    stands_at(page, 59)
    made.end()


def test_a_drawing_that_a_table_moves_follows_a_living_run(lab: Server, visitor: Callable[..., Page]) -> None:
    """64 jumps of four numbers: the drawing of the consistency lab once stood still at the step of the first look."""
    made = MadeRun(
        lab.data, lab="consistency", preset="unanchored", steps=500, knobs={"seed": 0, "steps": 500}, began=time.time()
    ).declare()
    made.spool.describe("jumps", shape=(64, 4))
    made.spool.describe("samples/data", shape=(20, 2))

    def jump(step: int, reach: float) -> None:
        ends = [reach * np.cos(0.7 * i) for i in range(256)]
        assert made.spool.log(step, {("loss/train", ""): 1.0}, {("jumps", ""): ends, ("samples/data", ""): [0.05 * i for i in range(40)]})
        made.step = step + 1
        made.tick()

    jump(0, 0.2)
    page = visitor(f"{lab.address}/run?run={made.run}")
    stands_at(page, 0)
    ends = "node => [...node.querySelectorAll('circle.fl-node')].map(dot => dot.getAttribute('cx')).join()"
    before = pane(page).evaluate(ends)
    jump(10, 0.9)
    stands_at(page, 10)
    assert pane(page).evaluate(ends) != before
    made.end()
