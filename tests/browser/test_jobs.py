"""What a person does with runs: hold, stop and resume them, see one die, run one again, duplicate one, find one in the table."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, quote, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from engine.declare.knobs import unnest
from engine.index.open_run import open_run
from engine.runs.ending import ENDED
from engine.runs.folder import RunFolder, all_runs, run_folder
from engine.runs.spool import OPEN, spools
from engine.runs.spool_reader import SpoolReader
from tests.browser.charts_on_page import chart, until
from tests.browser.conftest import Server
from tests.support.made_runs import MadeRun, finished_run
from tests.support.toy import until as soon

pytestmark = pytest.mark.browser

TINY = "experts=4 expert_width=8 d_model=16 layers=1 heads=2 context=16 batch_size=2"
ENDLESS = f"steps=100000 {TINY}"


@pytest.fixture(autouse=True)
def nothing_left_running(lab: Server) -> Iterator[None]:
    """No test leaves a worker to the next one."""
    yield
    for folder in all_runs(lab.data):
        process = folder.process()
        if folder.status() not in ENDED and process is not None and process.pid != os.getpid():
            os.kill(process.pid, signal.SIGKILL)


def press(page: Page, name: str) -> None:
    """A button by its words; a shortcut may be told behind them."""
    named = page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}( Shortcut .*)?$"))
    named.and_(page.locator("[data-testid^=stBaseButton], [data-testid^=stPopoverButton]")).click()


def launched(visitor: Callable[..., Page], lab: Server, knobs: str) -> tuple[Page, RunFolder]:
    """A run from the form, filled by a link and launched by its button."""
    page = visitor(f"{lab.address}/build?lab=moe&preset=collapse&knobs={quote(knobs)}")
    page.get_by_role("button", name="Launch", exact=True).click(timeout=120_000)
    page.wait_for_url("**/run?run=*")
    return page, shown(page, lab)[0]


def shown(page: Page, lab: Server) -> list[RunFolder]:
    """The runs that the address names."""
    return [run_folder(lab.data, run) for run in parse_qs(urlparse(page.url).query)["run"][0].split(",")]


def badge(page: Page, word: str) -> None:
    expect(page.get_by_role("paragraph").filter(has=page.get_by_role("img"), has_text=word).first).to_be_visible()


def points(node: Locator) -> int:
    return node.evaluate("node => (node.data.find(t => t.meta?.kind === 'line')?.x ?? []).length")


def moving(page: Page) -> Locator:
    """The chart of the loss, once it has gained points under our eyes."""
    node = chart(page, "Loss")
    longer = "(node, before) => (node.data.find(t => t.meta?.kind === 'line')?.x ?? []).length > before"
    until(page, longer, node, 3)
    until(page, longer, node, points(node))
    return node


def losses(folder: RunFolder) -> dict[int, float]:
    frame = open_run(folder.path)
    rows = frame.filter(frame["metric"] == "loss/train")
    return dict(zip(rows["step"].to_list(), rows["value"].to_list(), strict=True))


def test_a_run_is_held_continued_stopped_and_resumed_from_its_page(lab: Server, visitor: Callable[..., Page]) -> None:
    page, folder = launched(visitor, lab, ENDLESS)
    moving(page)
    page.keyboard.press("h")
    badge(page, "held")
    process = folder.process()
    assert process is not None
    assert process.alive(), "a held run keeps its process"
    press(page, "Continue")
    badge(page, "running")
    moving(page)
    press(page, "Stop")
    badge(page, "stopped")
    soon(lambda: not process.alive())

    before = losses(folder)
    assert list(before) == list(range(len(before)))
    press(page, "Resume")
    badge(page, "running")
    soon(lambda: len(losses(folder)) > len(before) + 5)
    moving(page)
    page.keyboard.press("s")
    badge(page, "stopped")
    after = losses(folder)
    assert list(after) == list(range(len(after))), "no step is missing and none is there twice"
    assert {step: after[step] for step in before} == before
    second = next(frame for frame in SpoolReader(spools(folder.path)[1]).read() if frame.kind == OPEN)
    assert second.data is not None
    assert second.data["start"] == len(before), "it went on at the next step"


def test_a_killed_worker_is_told_with_its_signal_and_its_last_lines(lab: Server, visitor: Callable[..., Page]) -> None:
    page, folder = launched(visitor, lab, ENDLESS)
    moving(page)
    with open(folder.path / "out.log", "a") as log:
        log.write("the last thing it said\n")
    process = folder.process()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    badge(page, "killed")
    expect(page.get_by_role("alert").filter(has_text="SIGKILL")).to_be_visible()
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_text("the last thing it said")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_run_again_repeats_every_loss_bit_for_bit(lab: Server, visitor: Callable[..., Page]) -> None:
    page, first = launched(visitor, lab, f"steps=60 {TINY}")
    badge(page, "finished")
    page.get_by_role("tab", name="Provenance").click()
    for what in ("commit", "packages torch", "device", "dirty"):
        expect(page.get_by_role("cell", name=what, exact=True)).to_be_visible()
    press(page, "More")
    press(page, "Run again")
    page.wait_for_url(f"**/run?run={first.run}*20*")
    again = shown(page, lab)[1]
    expect(page.get_by_role("paragraph").filter(has=page.get_by_role("img"), has_text="finished")).to_have_count(2)
    assert losses(again) == losses(first)
    assert len(losses(first)) == 60


def test_duplicate_fills_the_form_marks_what_changes_and_launches_it(lab: Server, visitor: Callable[..., Page]) -> None:
    page, first = launched(visitor, lab, f"steps=20 {TINY}")
    badge(page, "finished")
    press(page, "More")
    press(page, "Duplicate")
    page.wait_for_url("**/build?*from=*")
    field = page.get_by_role("textbox", name="lr: peak learning rate")
    expect(field).to_have_value("0.001")
    field.fill("0.02")
    field.press("Enter")
    expect(page.get_by_text("was 0.001")).to_be_visible()
    expect(page.get_by_text("1 changed")).to_be_visible()
    field.fill("much")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="lr=much is not a number")).to_be_visible()
    expect(page.get_by_role("button", name="Launch", exact=True)).to_be_disabled()
    field.fill("0.02")
    field.press("Enter")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/run?run=*")
    second = shown(page, lab)[0]
    flats = [unnest((folder.spec() or {})["knobs"]) for folder in (first, second)]
    assert {name: (flats[0].get(name), flats[1].get(name)) for name in flats[1] if flats[0].get(name) != flats[1].get(name)} == {
        "lr": (0.001, 0.02)
    }
    page.goto(f"{lab.address}/runs?differing=true&text=collapse")
    expect(page.get_by_role("switch", name="Only columns that differ")).to_be_checked()


def test_a_head_that_is_pressed_orders_all_runs_by_the_numbers_and_ticks_go_along(lab: Server, visitor: Callable[..., Page]) -> None:
    runs = []
    for last in (9.5, 123456.0, 12.25):
        made = MadeRun(lab.data, preset="lr_burst", steps=1, began=1e9).declare()
        made.log({"loss/train": last})
        runs.append(made.end())
    page = visitor(f"{lab.address}/runs?text=lr_burst")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()

    def order() -> list[str]:
        shown = table.get_by_role("gridcell", include_hidden=True).all_text_contents()
        return [cell for cell in shown if cell in ("9.5", "12.25", "123.5 k")]

    table.click(position={"x": 18, "y": 52})
    expect(page.get_by_text("1 ticked")).to_be_visible()
    for head, numbers in (("↑ Training", ["9.5", "12.25", "123.5 k"]), ("↓ Training", ["123.5 k", "12.25", "9.5"])):
        table.click(position={"x": 33 + 92 + 128 + 122 + 75 + 20, "y": 18})
        expect(table.get_by_role("columnheader", name=head, include_hidden=True)).to_have_count(1)
        soon(lambda numbers=numbers: order() == numbers)
        expect(page.get_by_text("1 ticked")).to_be_visible()


def test_a_row_is_ticked_opened_and_deleted(lab: Server, visitor: Callable[..., Page]) -> None:
    made = finished_run(lab.data, preset="non_finite", steps=20)
    page = visitor(f"{lab.address}/runs?text={made.run}")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()

    def tick() -> None:
        table.click(position={"x": 18, "y": 52})
        expect(page.get_by_text("1 ticked")).to_be_visible()

    tick()
    press(page, "Open")
    page.wait_for_url(f"**/run?run={made.run}")
    page.goto(f"{lab.address}/runs?text={made.run}")
    tick()
    press(page, "Delete")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(made.run)
    assert made.folder.path.exists()
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("No run fits")).to_be_visible()
    soon(lambda: not made.folder.path.exists())
    expect(dialog).to_have_count(0)
