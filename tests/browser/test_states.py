"""What stands in the place of a chart is true at that time: while its points are on their way, when they do not come, and after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from engine.runs.event import Event
from tests.browser.charts_on_page import chart, until
from tests.browser.conftest import PATIENCE, ROOT, Server
from tests.support.entering import let_in
from tests.support.made_runs import MadeRun, readings

pytestmark = pytest.mark.browser

SOURCE = (ROOT / "pages" / "parts" / "charts" / "states.js").read_text()
TABLE: dict[str, dict[str, list[str]]] = json.loads(re.search(r"const STATES = (\{.*?\n\});", SOURCE, re.DOTALL)[1])
TROUBLE = re.compile(r"The server does not answer|The address /snapshot answered with")
STEPS = 30
OTHER = "blocks.0.moe"

# every text that was on screen in the place of a chart, with the heading of its card and what the test did at that time
WATCH = """
  window.kept = [];
  window.phase = 'held';
  const look = () => {
    for (const box of document.querySelectorAll('.fl-chart')) {
      let card = box;
      while (card && !card.querySelector('h5')) card = card.parentElement;
      const words = [...box.querySelectorAll('.fl-waits:not([hidden]), .fl-note')].map(e => e.textContent).filter(Boolean);
      for (const text of words) {
        const line = JSON.stringify([window.phase, card?.querySelector('h5').textContent.trim() ?? '', text]);
        if (!window.kept.includes(line)) window.kept.push(line);
      }
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
"""
ALL = "document.querySelectorAll('.fl-chart').length"


class Gate:
    """Stands before /snapshot: holds every question back until it is opened, or refuses it."""

    def __init__(self, page: Page) -> None:
        self.page, self.how, self.held = page, "held", list[Route]()
        page.route("**/snapshot?**", self._answer)
        page.route("**/live?**", lambda _: None)  # never answered, and never refused

    def _answer(self, route: Route) -> None:
        if self.how == "held":
            self.held.append(route)
        elif self.how == "broken":
            route.fulfill(status=500, content_type="text/html", body="<h1>no</h1>")
        elif self.how == "gone":
            route.abort()
        else:
            route.continue_()

    def turn(self, how: str) -> None:
        self.page.evaluate("how => { window.phase = how; }", how)
        self.how = how
        held, self.held = self.held, []
        for route in held:
            self._answer(route)


def made(lab: Server, status: str, *, of: str = "moe") -> MadeRun:
    """A run with a loss and no gradient norm, which it said it would measure; one that diverged has the event of it."""
    run = MadeRun(lab.data, lab=of, steps=STEPS).declare()
    run.spool.describe("grad_norm")
    for step in range(STEPS):
        scalars, load = readings(step, healthy=False)
        last = status == "diverged" and step == STEPS - 1
        over = Event(step, "divergence", "divergence", value=9.0, message="The loss left every range.")
        if of == "moe":
            run.log({"loss/train": scalars["loss/train"]}, load=load, events=[over] if last else [])
        else:
            run.log({"loss/train": scalars["loss/train"]}, events=[over] if last else [])
    run.tick()
    return run if status == "running" else run.end(status)


@pytest.fixture
def context(browser: Browser, lab: Server) -> Iterator[BrowserContext]:
    """A browser whose console may rightly complain: the test refuses its questions."""
    context = browser.new_context(viewport={"width": 1280, "height": 5000})  # every chart in view
    context.set_default_timeout(PATIENCE)
    let_in(context, lab.address)
    yield context
    context.close()


def visited(context: BrowserContext, lab: Server, runs: Sequence[MadeRun]) -> tuple[Page, Gate]:
    page = context.new_page()
    page.add_init_script(WATCH)
    gate = Gate(page)
    page.goto(f"{lab.address}/run?run={','.join(run.run for run in runs)}")
    return page, gate


def kept(page: Page) -> list[tuple[str, str, str]]:
    """-> (phase, heading, text), in the order in which they came on screen."""
    return [tuple(json.loads(line)) for line in page.evaluate("() => window.kept")]


UNREAD = ("Gradient", "Dead experts")  # of these runs: what they said they would measure, and what decides their preset


def allowed(phase: str, heading: str, statuses: Sequence[str]) -> set[str]:
    """What the table allows a chart of these runs to say."""
    events = heading.startswith("Events")
    table = TABLE["events" if events else "chart"]
    if phase == "held":
        return {*table["unknown"], *table["fetching"]}
    has_points = "diverged" in statuses if events else not heading.startswith(UNREAD)
    state = "points" if has_points else "living-empty" if "running" in statuses else "ended-empty"
    texts = set(table[state]) if state != "points" else set()  # all of them are in range, so nothing is to be said, before or after
    if not events and state == "living-empty":
        texts -= {"Waiting for the first point"}  # of a run that has points
    return texts


FINALLY = {  # statuses of the runs of a page -> what is said of them once their points are there
    ("running",): ["No reading of this so far", "No rule has fired so far"],
    ("finished",): ["No rule fired"],
    ("diverged",): [],
    ("stopped",): ["No rule fired"],
    ("running", "finished"): ["No rule has fired so far"],
}


@pytest.mark.parametrize("statuses", FINALLY, ids="-".join)
def test_no_chart_says_anything_false_while_its_points_are_on_their_way(
    lab: Server, context: BrowserContext, statuses: tuple[str, ...]
) -> None:
    runs = [made(lab, status, of=of) for status, of in zip(statuses, ("moe", "unet"), strict=False)]
    page, gate = visited(context, lab, runs)
    page.wait_for_function("() => document.querySelectorAll('.fl-chart').length > 2")
    page.wait_for_function(f"() => document.querySelectorAll('.fl-chart .fl-skeleton').length === {ALL}")
    assert {text for phase, _, text in kept(page) if phase == "held"} == set(), "a shimmer, and no sentence that may be false"
    for how in ("broken", "gone"):
        gate.turn(how)
        sentence = "answered with" if how == "broken" else "does not answer"
        expect(page.locator(".fl-waits").filter(has_text=sentence).first).to_be_visible()
    gate.turn("open")
    until(page, "() => document.querySelector('.js-plotly-plot')?.data?.some(t => t.x?.length >= 30)")
    page.wait_for_function("() => !document.querySelector('.fl-skeleton')")
    settled = (
        "[...document.querySelectorAll('.fl-chart')].every(box => box.querySelector('.main-svg, .fl-waits:not([hidden]):not(:empty)'))"
    )
    page.wait_for_function(f"() => {settled}")
    page.wait_for_function(
        "texts => texts.every(text => [...document.querySelectorAll('.fl-waits')].some(e => e.textContent === text))", arg=FINALLY[statuses]
    )
    seen = kept(page)
    assert any(phase == "open" for phase, _, _ in seen) == bool(FINALLY[statuses])
    for phase, heading, text in seen:
        if TROUBLE.search(text):
            assert phase != "held", f"{heading} complains before anything failed"
        else:
            assert text in allowed(phase, heading, statuses), f"{phase}: {heading} said {text!r}"
    for run, status in zip(runs, statuses, strict=False):
        if status == "running":
            run.end("stopped")


def test_a_series_that_is_fetched_only_when_its_layer_is_chosen_is_on_its_way_and_not_unmeasured(
    lab: Server, context: BrowserContext
) -> None:
    run = MadeRun(lab.data, steps=STEPS).declare()
    for step in range(STEPS):
        scalars, load = readings(step, healthy=False)
        run.log(scalars | {f"router/dead_experts@{OTHER}": 1.0}, load=load)
    run.end()
    page, gate = visited(context, lab, [run])
    gate.turn("open")
    node = chart(page, "Dead experts")
    until(page, "node => node.data[0].x.length === 30", node)
    gate.turn("held")
    page.get_by_role("combobox", name="Layer").click()
    page.get_by_role("option", name=OTHER).click()
    skeleton = page.locator(".fl-chart").filter(has=page.locator(".fl-skeleton:visible"))
    expect(skeleton.first).to_be_visible()
    assert not [text for phase, heading, text in kept(page) if phase == "held" and heading.startswith("Dead experts")]
    gate.turn("open")
    until(page, "(node, key) => node.data[0].meta.key === key && node.data[0].x.length === 30", node, f"router/dead_experts@{OTHER}")
    expect(skeleton).to_have_count(0)
