"""What a person sees on the charts: every odd value, every spike, no flicker, and the same view behind a link."""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from urllib.parse import parse_qs, urljoin, urlparse

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import at_step, chart, kind, ranges, until, zoom
from tests.browser.conftest import PATIENCE, Server
from tests.support.made_runs import LAYER, MadeRun, finished_twins, non_finite_run, readings, spiky_run

pytestmark = pytest.mark.browser

FLICKER = """node => { const seen = {nodes: new Set(), least: 1, frames: 0, on: true};
  window.flicker = seen;
  const look = () => { if (!seen.on) return;
    for (const plot of document.querySelectorAll('.js-plotly-plot')) {
      seen.nodes.add(plot);
      let opacity = 1;
      for (let e = plot; e; e = e.parentElement) opacity *= +getComputedStyle(e).opacity;
      seen.least = Math.min(seen.least, opacity);
      if (!plot.querySelector('.main-svg')) seen.least = 0;
    }
    seen.frames += 1; requestAnimationFrame(look); };
  look(); }"""


BEHIND_TIME = """const Real = window.IntersectionObserver;
  window.IntersectionObserver = class extends Real {
    constructor(heard, options) {
      super((changes, self) => heard(changes.flatMap(c => [{target: c.target, isIntersecting: !c.isIntersecting}, c]), self), options);
    }
  };"""


def opened(visitor: Callable[..., Page], lab: Server, *runs: MadeRun, query: str = "") -> Page:
    return visitor(f"{lab.address}/run?run={','.join(made.run for made in runs)}{query}")


@contextmanager
def growing(made: MadeRun, *, every: float = 0.05):
    """Another thread writes a step each `every` seconds, as a worker would, until the block ends."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(every):
            scalars, load = readings(made.step, healthy=True)
            made.log(scalars, load=load)
            if made.step % 10 == 0:
                made.tick()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def test_a_browser_that_tells_late_what_is_in_view_still_shows_every_chart(lab: Server, visitor: Callable[..., Page]) -> None:
    """A busy browser tells several changes of what is in view at once: the newest counts, and it is the last."""
    page = visitor(f"{lab.address}/healthz")
    page.add_init_script(BEHIND_TIME)
    page.set_viewport_size({"width": 1280, "height": 4000})
    page.goto(f"{lab.address}/run?run={non_finite_run(lab.data).run}")
    boxes = page.locator(".fl-chart")
    expect(boxes.first).to_be_visible()
    until(page, "() => [...document.querySelectorAll('.fl-chart')].every(box => box.querySelector('.main-svg'))")
    assert boxes.count() > 3


def test_nan_and_infinity_are_marked_where_they_happened(lab: Server, visitor: Callable[..., Page]) -> None:
    made = non_finite_run(lab.data)
    page = opened(visitor, lab, made)
    node = chart(page, "Loss")
    until(page, "node => node.data.some(t => t.meta?.kind === 'nonfinite' && t.x.length)", node)
    marks = {t["meta"]["value"]: t for t in kind(node, "nonfinite")}
    assert marks["NaN"]["x"] == [37]
    assert marks["Infinity"]["x"] == [53]
    assert marks["NaN"]["symbol"] != marks["Infinity"]["symbol"]
    assert (marks["NaN"]["text"], marks["Infinity"]["text"]) == (["NaN"], ["+Inf"])
    assert marks["NaN"]["showlegend"]
    assert not marks["-Infinity"]["showlegend"]
    visible = ranges(node)
    assert visible["x"][0] <= 0
    assert visible["x"][1] >= 99
    assert all(-10 < end < 10 for end in visible["y"]), "the axis keeps to finite values"
    expect(page.get_by_text("2 non-finite values")).to_be_visible()


def test_a_value_without_finite_neighbours_is_a_dot(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=20).declare()
    for step in range(20):
        scalars, load = readings(step, healthy=True)
        made.log({**scalars, "loss/train": math.nan if step in (1, 9, 11) else scalars["loss/train"]}, load=load)
    made.end()
    node = chart(page := opened(visitor, lab, made), "Loss")
    until(page, "node => node.data.some(t => t.meta?.kind === 'nonfinite' && t.x.length)", node)
    assert node.evaluate(
        "node => { const t = node.data.find(t => t.meta?.kind === 'line'); return t.x.filter((x, i) => t.marker?.size?.[i] > 0); }"
    ) == [0, 10]


def test_a_growing_run_neither_flickers_nor_forgets_a_zoom(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=10_000, began=time.time()).declare()
    for _ in range(60):
        scalars, load = readings(made.step, healthy=True)
        made.log(scalars, load=load)
    with growing(made):
        page = opened(visitor, lab, made)
        page.set_viewport_size({"width": 1280, "height": 2400})  # every chart in view, so every chart draws
        node = chart(page, "Loss")
        until(page, "node => node.data[0].x.length > 60", node)
        page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length === 6")
        page.evaluate(FLICKER)
        zoom(node, 10, 40)
        until(page, "(node) => node._fullLayout.xaxis.range[0] > 5 && node._fullLayout.xaxis.range[1] < 45", node)
        page.wait_for_url("**zoom=*")
        kept = ranges(node)["x"]
        before = made.step
        while made.step < before + 100:  # five seconds of growth
            page.wait_for_timeout(100)
        assert ranges(node)["x"] == kept
        seen = page.evaluate(
            "() => { const s = window.flicker; s.on = false; return {nodes: s.nodes.size, least: s.least, frames: s.frames}; }"
        )
        assert seen["nodes"] == 6, "the same nodes from first to last"
        assert seen["least"] == 1, "nothing faded and nothing was empty"
        assert seen["frames"] > 20
        page.mouse.dblclick(*at_step(node, 25))
        until(page, "(node, step) => node.data[0].x.at(-1) >= step && node._fullLayout.xaxis.range[1] >= step", node, before)
    made.end("stopped")
    expect(page.get_by_text("stopped").first).to_be_visible()


def test_a_spike_of_one_step_in_200_000_is_never_lost(lab: Server, visitor: Callable[..., Page]) -> None:
    steps, at = 200_000, 123_457
    made = MadeRun(lab.data, steps=steps).declare()
    for step in range(steps):
        made.log({"loss/train": 9.0 if step == at else 2.0 + 0.001 * (step % 7)})
    made.end()
    page = opened(visitor, lab, made, query="&axis=linear")
    node = chart(page, "Loss")
    until(page, f"node => node.data[0].x.at(-1) === {steps - 1}", node)
    whole = kind(node, "line")[0]
    assert len(whole["x"]) < 3000
    assert (at, 9.0) in list(zip(whole["x"], whole["y"], strict=True))
    page.goto(f"{page.url}&zoom={at - 50},{at + 50}")
    node = chart(page, "Loss")
    until(page, f"node => node.data[0].x.includes({at - 49})", node)
    near = [(x, y) for x, y in zip(kind(node, "line")[0]["x"], kind(node, "line")[0]["y"], strict=True) if abs(x - at) <= 50]
    assert near == [(x, 9.0 if x == at else 2.0 + 0.001 * (x % 7)) for x in range(at - 50, at + 51)]
    page.get_by_role("tab", name="Download").click()
    for form, read in (("PARQUET", pl.read_parquet), ("CSV", pl.read_csv)):
        address = page.get_by_role("link", name=form, exact=True).get_attribute("href")
        frame = read(io.BytesIO(page.request.get(urljoin(page.url, address), timeout=4 * PATIENCE).body()))
        assert frame.height == steps, "every stored point, nothing thinned out"
        assert frame.filter(pl.col("value") == 9.0)["step"].to_list() == [at]


def test_a_link_shows_the_same_view_to_somebody_else_on_a_restarted_server(cold: Server, visitor: Callable[..., Page]) -> None:
    broken, cured = finished_twins(cold.data)
    page = opened(visitor, cold.start(), broken, cured)
    node = chart(page, "Loss")
    until(page, "node => node.data[0].x.length > 100", node)
    page.get_by_text("linear", exact=True).click()
    node.scroll_into_view_if_needed()  # a chart is drawn when somebody sees it
    until(page, "node => node._fullLayout.yaxis.type === 'linear'", node)
    zoom(node, 30, 60)
    page.wait_for_url("**zoom=*")
    kept, address = ranges(node), page.url
    assert parse_qs(urlparse(address).query)["axis"] == ["linear"]

    page.context.close()  # first: a page that still asks a server that is gone rightly complains
    cold.stop()
    other = visitor(address.replace(cold.address, cold.start().address))
    node = chart(other, "Loss")
    until(other, "node => node.data[0].x.length > 20", node)
    shown = ranges(node)
    assert shown["type"] == "linear"
    assert shown["x"] == pytest.approx(kept["x"])
    assert {t["meta"]["run"] for t in kind(node, "line")} == {broken.run, cured.run}
    load = kind(chart(other, "Who gets the tokens"), "stack")
    assert {t["meta"]["layer"] for t in load} == {LAYER}
    other.mouse.dblclick(*at_step(chart(other, "Loss"), 45))
    until(other, "() => !new URL(location.href).searchParams.has('zoom')")


def test_a_running_average_breaks_where_its_line_breaks_and_keeps_a_constant(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=60).declare()
    for step in range(60):
        made.log({"loss/train": 2.0 + 0.01 * step if step < 20 or step > 40 else math.nan, "grad_norm": 3e-4})
    made.end("diverged")
    page = opened(visitor, lab, made, query="&smoothing=0.95&axis=linear")
    page.set_viewport_size({"width": 1280, "height": 2000})
    node = chart(page, "Loss")
    until(page, "node => node.data[0].x.length === 60", node)
    raw, smooth = kind(node, "line")[0], kind(node, "smooth")[0]
    gap = [step for step, value in zip(raw["x"], raw["y"], strict=True) if value is None]
    assert gap == list(range(20, 41))
    assert [step for step, value in zip(smooth["x"], smooth["y"], strict=True) if value is None] == gap, "no line leads across what was NaN"

    other = chart(page, "Gradient norm")
    other.scroll_into_view_if_needed()
    until(page, "node => node.data[0].x.length === 60", other)
    assert set(kind(other, "smooth")[0]["y"]) == {3e-4}, "one rounding error would be all that the axis shows"
    low, high = ranges(other)["y"]
    assert high - low > 1e-5


def test_log_axis_smoothing_and_crosshair_hide_nothing(lab: Server, visitor: Callable[..., Page]) -> None:
    made = spiky_run(lab.data, low=[20, 21])
    page = opened(visitor, lab, made, query="&smoothing=0.9")
    page.set_viewport_size({"width": 1280, "height": 2000})  # the loss stands first and alone, the gradient further down
    node = chart(page, "Loss")
    until(page, "node => node.data[0].x.length === 100", node)
    assert ranges(node)["type"] == "log"
    assert kind(node, "below_zero")[0]["x"] == [20, 21]
    expect(page.get_by_text("2 points at or below 0")).to_be_visible()
    raw, smooth = kind(node, "line")[0], kind(node, "smooth")[0]
    assert raw["opacity"] < 0.5
    assert max(raw["y"]) == 40.0, "the raw line is untouched"
    assert smooth["visible"] is True
    assert max(smooth["y"]) < 20
    assert [(t["x"], t["y"]) for t in kind(node, "spike")] == [([60], [40.0])], "a spike's mark stays at its raw height"

    page.mouse.move(*at_step(node, 42))
    other = chart(page, "Gradient norm")
    until(page, "node => node.querySelector('.spikeline') && node.querySelector('.hoverlayer .legendtext, .hoverlayer text')", other)
    assert "42" in other.locator(".hoverlayer").text_content()
    assert "42" in node.locator(".hoverlayer").text_content()
