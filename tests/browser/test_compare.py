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
NO_WEBGL = """const canvas = HTMLCanvasElement.prototype, real = canvas.getContext;
  canvas.getContext = function (kind, ...rest) { return /webgl/.test(kind) ? null : real.call(this, kind, ...rest); };"""


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


def test_four_seeds_draw_their_median_and_range_and_the_share_that_diverged(lab: Server, visitor: Callable[..., Page]) -> None:
    """F19, with values that make both plain: seed s lies s above the first, and the last of them diverged at step 50."""
    course = [0.25 * step for step in range(60)]
    runs = [made(lab.data, seed, [5 + seed + one for one in course], preset="stable") for seed in range(3)]
    over = [8 + one if step < 50 else float("nan") for step, one in enumerate(course)]
    runs.append(made(lab.data, 3, over, status="diverged", preset="stable"))
    page = visitor(f"{lab.address}/compare?run={','.join(run.run for run in runs)}&axis=linear")
    drawn = chart(page, "Curves").evaluate(
        "node => node.data.map(t => ({fill: t.fill, width: t.line?.width, axis: t.yaxis, x: [...t.x ?? []], y: [...t.y ?? []]}))"
    )
    at = {step: [one["y"][one["x"].index(step)] for one in drawn if one["width"] == 2.6 and step in one["x"]] for step in (0, 20, 49)}
    assert at == {step: [6.5 + 0.25 * step] for step in at}, "the median of four"
    (shade,) = [one for one in drawn if one["fill"] == "toself"]
    for step in (0, 20, 49):
        ends = sorted(y for x, y in zip(shade["x"], shade["y"], strict=True) if x == step)
        assert ends == [5 + 0.25 * step, 8 + 0.25 * step], "smallest and largest of the four"
    (below,) = [one for one in drawn if one["axis"] == "y2"]
    share = dict(zip(below["x"], below["y"], strict=True))
    assert (share[49], share[50], share[59]) == (0, 0.25, 0.25)
    (mark,) = traces(chart(page, "Share diverged"))
    assert mark["x"] == [0.25]
    expect(page.get_by_text(re.compile("1 of 4 runs.* diverged")).first).to_be_visible()


def test_knobs_and_outcome_without_webgl_is_one_sentence(lab: Server, visitor: Callable[..., Page]) -> None:
    grid = [
        made(lab.data, 0, [3.0, lr + clip], lr=lr, clip=clip, warmup=warmup)
        for lr in (0.1, 0.2)
        for clip in (1.0, 2.0)
        for warmup in (5, 9)
    ]
    page = visitor(lab.address)
    page.add_init_script(NO_WEBGL)
    page.goto(f"{lab.address}/compare?run={','.join(run.run for run in grid)}")
    page.get_by_role("heading", name="Knobs and outcome").scroll_into_view_if_needed()
    expect(page.get_by_text("This picture needs WebGL, which this browser does not offer.")).to_be_visible()
    page.set_viewport_size({"width": 700, "height": 800})  # another width draws every chart again
    expect(page.get_by_text("This picture needs WebGL, which this browser does not offer.")).to_be_visible()
    expect(page.get_by_text("WebGL is not supported")).to_have_count(0)
