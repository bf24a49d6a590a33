"""On the page Topology a graph is edited by mouse, touch and keyboard, and its three numbers follow without a run of the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from engine.runs.ending import ENDED
from engine.runs.folder import run_folder
from tests.browser.conftest import PATIENCE, Server

pytestmark = pytest.mark.browser

ANSWERED = "() => document.querySelector('.fl-numbers b') && !document.querySelector('.fl-old')"


def numbers(page: Page) -> list[str]:
    """The three numbers after the edits, once they are those of the edits."""
    page.wait_for_function(ANSWERED, timeout=120_000)
    return page.locator(".fl-numbers b").all_inner_texts()


def spot(page: Page, *nodes: int) -> tuple[float, float]:
    """Where a node is drawn, or the middle of an edge."""
    box = page.locator(".fl-stage").bounding_box()
    places = [page.evaluate("node => document.querySelector('.fl-stage').graph.at.get(node)", node) for node in nodes]
    return tuple(box[side] + sum(place[i] for place in places) / len(nodes) for i, side in enumerate("xy"))


def join(page: Page, first: int, second: int) -> None:
    """Two clicks, each of which the page must have taken."""
    status = page.locator(".fl-status")
    page.mouse.click(*spot(page, first))
    expect(status).to_contain_text(f"Node {first} is marked.")
    page.mouse.click(*spot(page, second))
    expect(status).to_contain_text(f"Edge {first}-{second} is added.")


def opened(visitor: Callable[..., Page], lab: Server, query: str = "", **settings: object) -> tuple[Page, list[BackMsg]]:
    """-> the page with its first answer, and what its browser has sent to the script from then on."""
    page, sent = visitor(f"{lab.address}/healthz", **settings), []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(BackMsg.FromString(frame))))
    page.goto(f"{lab.address}/topology{query}")
    numbers(page)
    page.wait_for_function("() => document.querySelector('[data-test-script-state=notRunning]')")
    sent.clear()
    return page, sent


def test_mouse_touch_and_keyboard_edit_the_graph_without_a_run_of_the_page(lab: Server, visitor: Callable[..., Page]) -> None:
    page, sent = opened(visitor, lab, has_touch=True)
    seen = [numbers(page)]
    assert seen == [["882", "0.004752", "2.12e−6"]]

    def differs() -> None:
        seen.append(numbers(page))
        assert all(new != old for new, old in zip(*seen[-2:], strict=True)), seen

    page.mouse.click(*spot(page, 0))
    page.mouse.click(*spot(page, 21))
    differs()
    assert seen[-1][0] == "292.4"
    expect(page.locator(".fl-numbers")).to_contain_text("as many random edges")

    page.touchscreen.tap(*spot(page, 5))
    page.touchscreen.tap(*spot(page, 17))
    differs()
    page.touchscreen.tap(*spot(page, 5, 17))
    expect(page.locator(".fl-status")).to_contain_text("Edge 5-17: balanced Forman curvature")
    page.get_by_role("button", name="Remove").tap()
    differs()
    assert seen[-1] == seen[1]

    stood = spot(page, 3)
    page.mouse.move(*stood)
    page.mouse.down()
    page.mouse.move(stood[0] - 70, stood[1] - 30, steps=3)
    page.mouse.up()
    assert spot(page, 3) != stood
    assert numbers(page) == seen[-1], "dragging only moves"

    page.get_by_role("link", name="Tori et al. 2024").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".fl-status")).to_contain_text("Node 0, 8 neighbours, the node that is read.")
    for key in ("Tab", "Enter", "Tab", "Enter", "Delete"):  # nodes 1 and 2 are joined already: their edge is marked, and goes
        page.keyboard.press(key)
    differs()
    page.keyboard.press("Control+z")
    differs()
    page.keyboard.press("Delete")  # node 2, which has the focus
    differs()
    assert "edits=%2B0-21+%7E2" in page.url
    page.keyboard.press("Tab")
    expect(page.locator(".fl-status")).to_contain_text("Node 0")
    page.keyboard.press("Escape")
    page.locator("summary", has_text="Edges as a list").click()
    expect(page.locator(".fl-graph li").first).to_have_text(re.compile(r"^0-21: curvature −1\.\d+, resistance 0\.\d+ ohm, added by hand$"))
    assert [one for one in sent if not one.rerun_script.is_auto_rerun] == []


def test_what_the_lab_refuses_is_one_sentence_and_leaves_the_graph_as_it_was(lab: Server, visitor: Callable[..., Page]) -> None:
    page, _ = opened(visitor, lab, "?edits=%2B0-1")
    expect(page.locator(".fl-alert")).to_have_text(
        "+0-1 adds an edge that the graph has already, and each edge is there once; leave it out."
    )
    assert numbers(page)[0] == "882"
    assert "edits" not in page.url
    page.mouse.click(*spot(page, 15))
    page.keyboard.press("Delete")
    expect(page.locator(".fl-status")).to_have_text("Between nodes 0 and 15 the message travels, so both must stay.")


def test_an_edit_stays_where_the_machine_could_not_answer(lab: Server, visitor: Callable[..., Page]) -> None:
    page, _ = opened(visitor, lab, "?graph=ring&graph.distance=5")
    busy, asked = "The panel `topology` did not answer within 10 s: the machine is too busy. Try it again.", []

    def refuse(first: int) -> Callable[[Route], None]:
        def answer(route: Route) -> None:
            asked.append(route.request.post_data_json["knobs"]["edits"])
            route.fulfill(json={"says": busy, "unanswered": True}) if len(asked) <= first else route.continue_()

        return answer

    page.route("**/panel", refuse(1))
    join(page, 2, 7)
    expect(page.locator(".fl-alert")).to_have_text(busy)
    numbers(page)
    assert asked == ["+2-7", "+2-7"]
    expect(page.locator(".fl-alert")).to_have_text("")
    assert "edits=%2B2-7" in page.url

    page.unroute("**/panel")
    asked.clear()
    page.route("**/panel", refuse(3))
    page.mouse.click(*spot(page, 1))
    expect(page.locator(".fl-status")).to_contain_text("Node 1 is marked.")
    page.mouse.click(*spot(page, 8))
    expect(page.locator(".fl-numbers dt").first).to_have_text("Total resistance · old, not computed", timeout=2 * PATIENCE)
    expect(page.locator(".fl-alert")).to_have_text(busy)
    assert asked == ["+2-7 +1-8"] * 3, "and then it is left alone"
    assert "edits=%2B2-7+%2B1-8" in page.url
    page.get_by_role("button", name="Undo").click()  # whatever is done next asks again
    numbers(page)
    expect(page.locator(".fl-alert")).to_have_text("")


def test_what_the_rewiring_undoes_is_drawn_as_it_is_and_said(lab: Server, visitor: Callable[..., Page]) -> None:
    page, _ = opened(visitor, lab, "?rewiring=gdc")
    join(page, 2, 18)
    numbers(page)
    expect(page.locator(".fl-status")).to_contain_text("Edge 2-18 is added. The rewiring undoes one edit: +2-18. Now total resistance")
    page.locator("summary", has_text="Edges as a list (67)").click()
    listed = page.locator(".fl-graph li")
    expect(listed).to_have_count(67)
    assert [text for text in listed.all_inner_texts() if text.startswith("2-18:") or "being computed" in text] == []


def test_one_press_trains_both_graphs_as_twins(lab: Server, visitor: Callable[..., Page]) -> None:
    page, _ = opened(visitor, lab, "?graph=ring&graph.distance=5&edits=%2B0-5")
    join(page, 2, 7)
    after = numbers(page)
    page.get_by_role("button", name="Train both").click()
    page.wait_for_url("**/run?run=*")
    for word in ("unchanged", "changed"):
        expect(page.get_by_text(word, exact=True).first).to_be_visible()
    expect(page.get_by_text("only this differs:")).to_contain_text("edits nothing → +0-5 +2-7")
    runs = [run_folder(lab.data, run) for run in page.url.partition("run=")[2].replace("%2C", ",").split(",")]
    assert [folder.spec()["twin"] for folder in runs] == [folder.run for folder in reversed(runs)]
    page.wait_for_function("() => document.body.innerText.match(/step \\d+ of 300[^]*step \\d+ of 300/)", timeout=2 * PATIENCE)
    stop = page.get_by_role("button", name="Stop all")
    if stop.is_visible():
        stop.click()
    page.go_back()
    assert numbers(page) == after, "and back are graph and edits"
    for folder in runs:
        while folder.status() not in ENDED:
            page.wait_for_timeout(100)
