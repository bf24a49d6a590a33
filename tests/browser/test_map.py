"""On the page Map a person zooms, goes back, chooses a cell and trains it, and the run has the bits of its cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from engine.index.open_run import open_run
from engine.labs.panel import panel
from engine.runs.ending import ENDED
from engine.runs.folder import run_folder
from tests.browser.conftest import PATIENCE, Server

pytestmark = pytest.mark.browser

MAP = "document.querySelector('.fl-stage').map"
FINEST = f"{MAP}.tiles.filter((tile) => tile.of === {MAP}.viewKey && tile.side === 64)"
WHOLE = f"() => document.querySelector('.fl-stage') && !{MAP}.busy && {FINEST}.length"
BOUNDARY = f"""() => {{
  const cells = {FINEST}.flatMap((tile) => {{
    const n = tile.x.length, verdict = tile.value.map((value) => value > 1);
    const edge = verdict.flatMap((one, k) => (k % n && k >= n && (one !== verdict[k - 1] || one !== verdict[k - n]) ? [k] : []));
    return edge.map((k) => {MAP}.at(Math.log10(tile.x[k % n]), Math.log10(tile.y[Math.floor(k / n)])));
  }});
  const {{ left, top, width, height }} = {MAP}.inner, far = ([x, y]) => Math.hypot(x - left - width / 2, y - top - height / 2);
  return cells.sort((a, b) => far(a) - far(b))[0];
}}"""
VIEW = f"() => [{MAP}.view.x, {MAP}.view.y, {MAP}.view.decades]"


def computed(page: Page) -> None:
    page.wait_for_function(WHOLE, timeout=4 * PATIENCE)


def opened(visitor: Callable[..., Page], lab: Server, query: str = "", **settings: Any) -> Page:
    page = visitor(f"{lab.address}/map{query}", **settings)
    computed(page)
    return page


def boundary(page: Page) -> tuple[float, float]:
    """Where on the page the cell beside the boundary lies that is nearest to the middle."""
    box, (x, y) = page.locator(".fl-stage").bounding_box(), page.evaluate(BOUNDARY)
    return box["x"] + x, box["y"] + y


def test_three_zooms_a_choice_and_the_run_has_the_bits_of_its_cell(lab: Server, visitor: Callable[..., Page]) -> None:
    page = opened(visitor, lab, "?seed=2&steps=100")
    views = [page.evaluate(VIEW)]
    for _ in range(3):
        page.mouse.dblclick(*boundary(page))
        page.wait_for_function(f"(before) => {MAP}.view.decades < before", arg=views[-1][2])
        computed(page)
        views.append(page.evaluate(VIEW))
    assert [round(view[2], 9) for view in views] == [5.0, 0.5, 0.05, 0.005]
    assert f"centre_x={views[-1][0]!r}" in page.url, "all digits"
    page.wait_for_function("() => document.querySelector('.fl-stage')?.dataset.edge !== undefined")
    expect(page.locator(".fl-status")).to_contain_text("% diverged")

    for view in (views[2], views[1]):
        page.go_back()
        page.wait_for_function(f"(wanted) => {MAP}.view.decades === wanted", arg=view[2])
        assert page.evaluate(VIEW) == view
    page.go_forward()
    page.wait_for_function(f"(wanted) => {MAP}.view.decades === wanted", arg=views[2][2])
    computed(page)

    page.mouse.click(*boundary(page))
    page.wait_for_function(f"() => {MAP}.losses?.length === 100")
    cell = page.evaluate(f"() => ({{ ...{MAP}.picked, losses: {MAP}.losses }})")
    expect(page.locator(".fl-cell")).to_contain_text(str(page.evaluate("(x) => String(x)", cell["x"])))
    page.get_by_role("button", name="Train this cell").click()
    page.wait_for_url("**/run?run=*")
    folder = run_folder(lab.data, page.url.partition("run=")[2])
    while folder.status() not in ENDED:
        page.wait_for_timeout(100)
    knobs = folder.spec()["knobs"]
    assert (knobs["lr_in"], knobs["lr_out"], knobs["seed"]) == (cell["x"], cell["y"], 2)
    points = open_run(folder.path)
    values = points.filter(points["metric"] == "trainability/value")["value"].to_list()
    assert len(values) == 100
    assert values[-1] == cell["value"], "bit for bit"
    losses = points.filter(points["metric"] == "loss/train")["value"].to_list()
    assert [repr(loss) for loss in losses] == [repr(float(loss)) for loss in cell["losses"]]
    page.go_back()
    computed(page)
    assert page.evaluate(VIEW) == views[2], "Back leads to the view from which it was opened"


def test_touch_and_keyboard_do_what_the_mouse_does_and_a_stop_stops(lab: Server, visitor: Callable[..., Page]) -> None:
    page = opened(visitor, lab, "?steps=20&centre_x=100.0&centre_y=100.0&decades=4", has_touch=True)
    page.touchscreen.tap(*boundary(page))
    expect(page.locator(".fl-cell")).to_contain_text("verdict")
    before = page.evaluate(f"() => {MAP}.picked.x")
    page.locator(".fl-stage").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"(before) => {MAP}.picked.x > before", arg=before)
    expect(page.locator(".fl-status")).to_contain_text("lr_in")
    page.keyboard.press("+")
    page.wait_for_function(f"() => {MAP}.view.decades === 0.4")
    computed(page)
    assert page.evaluate(VIEW)[0] == pytest.approx(page.evaluate(f"() => {MAP}.picked.x"), rel=1e-12), "it zooms to the cross"
    page.keyboard.press("Home")
    page.wait_for_function(f"() => {MAP}.view.decades === 5")
    page.get_by_label("Cells on a side").select_option("256")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".fl-status")).to_contain_text("Stopped after")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()


def test_beyond_float64_the_zoom_ends_with_a_sentence(lab: Server, visitor: Callable[..., Page]) -> None:
    page = visitor(f"{lab.address}/map?steps=20&decades=1e-15")
    expect(page.locator(".fl-alert")).to_contain_text("roundings of a float64 apart")
    page.goto(f"{lab.address}/map?steps=20&decades=1e-12")
    computed(page)
    expect(page.get_by_role("button", name="Zoom in")).to_be_disabled()
    page.locator(".fl-stage").focus()
    page.keyboard.press("+")
    expect(page.locator(".fl-status")).to_contain_text("This is as close as float64 goes")


def test_an_address_of_somebody_else_is_plain_numbers_or_nothing(lab: Server, visitor: Callable[..., Page]) -> None:
    page = opened(visitor, lab, "?steps=20&centre_x=<img src=x onerror=alert(1)>&centre_y=-3&decades=Infinity")
    assert page.evaluate(VIEW) == [300, 100, 5]


def test_the_theory_line_lies_where_its_panel_says(lab: Server, visitor: Callable[..., Page]) -> None:
    page = opened(visitor, lab, "?width=8")
    page.wait_for_function("() => +document.querySelector('.fl-stage')?.dataset.edge > 0", timeout=4 * PATIENCE)
    drawn = page.evaluate(f"() => {MAP}.line.segments()")
    edge = panel("trainability_edge")(width=8).compute()["edge"]
    assert drawn == [list(segment) for segment in zip(*(edge[name] for name in ("x0", "y0", "x1", "y1")), strict=True)]
    expect(page.get_by_text("dashed: where the network linearised at its first weights stops training")).to_be_visible()
