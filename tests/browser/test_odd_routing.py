"""In the browser as in Python: what a router without finite scores names is a gap with a cross, and the chart's note says so."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts_on_page import chart, kind, until
from tests.browser.conftest import Server
from tests.support.made_runs import EXPERTS, LAYER, MadeRun, readings

pytestmark = pytest.mark.browser

STEPS, FROM = 30, 20


def test_the_steps_routed_by_nan_are_empty_and_marked(lab: Server, visitor: Callable[..., Page]) -> None:
    made = MadeRun(lab.data, steps=STEPS).declare()
    for step in range(STEPS):
        scalars, load = readings(step, healthy=True)
        broken = step >= FROM
        scores = {f"router/logit_max@{LAYER}": math.nan if broken else 2.0}
        made.log(scalars | scores, load=[1.0] + [0.0] * (EXPERTS - 1) if broken else load)
    made.end()
    page = visitor(f"{lab.address}/run?run={made.run}")
    node = chart(page, "Who gets the tokens")
    until(page, "node => node.data.some(t => t.meta?.kind === 'stack' && t.z?.[0]?.length === 30)", node)
    columns = node.evaluate(
        "node => { const t = node.data.find(t => t.meta?.kind === 'stack');"
        " return t.z[0].map((_, i) => t.z.some(row => row[i] !== null && row[i] !== undefined)); }"
    )
    assert columns == [True] * FROM + [False] * (STEPS - FROM)
    (crosses,) = kind(node, "odd_routing")
    assert crosses["x"] == list(range(FROM, STEPS))
    (hover,) = kind(node, "busiest")
    assert hover["said"][FROM] == "no finite scores: nothing was chosen"
    assert "expert" in hover["said"][FROM - 1]
    sentence = f"{STEPS - FROM} steps without finite router scores, the first at step {FROM}"
    expect(page.locator(".fl-note").filter(has_text=f"{sentence}: no expert was chosen there")).to_be_visible()
    chart(page, "Dead experts")
    expect(page.locator(".fl-note").filter(has_text=f"{sentence}: a count of dead experts there says nothing")).to_be_visible()
