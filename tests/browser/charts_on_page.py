"""What the tests ask of the charts in a page: their traces, ranges and notes, read from Plotly itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page


def chart(page: Page, heading: str) -> Locator:
    """The Plotly node under a heading, once it has been drawn."""
    card = page.locator("div[data-testid='stVerticalBlock']").filter(has=page.get_by_role("heading", name=heading, exact=False)).last
    node = card.locator(".js-plotly-plot")
    node.wait_for()
    node.scroll_into_view_if_needed()
    return node


def traces(node: Locator) -> list[dict[str, Any]]:
    """Every trace with its points as plain lists (Plotly may hold typed arrays)."""
    return node.evaluate(
        """node => node.data.map(t => ({name: t.name, meta: t.meta, visible: t.visible, opacity: t.opacity ?? 1, showlegend: t.showlegend,
             symbol: t.marker?.symbol, x: Array.from(t.x ?? []), y: Array.from(t.y ?? []), text: t.text, said: t.customdata,
             dash: t.line?.dash, colour: t.line?.color}))"""
    )


def kind(node: Locator, name: str) -> list[dict[str, Any]]:
    return [t for t in traces(node) if (t["meta"] or {}).get("kind") == name]


def ranges(node: Locator) -> dict[str, Any]:
    return node.evaluate(
        """node => ({x: node._fullLayout.xaxis.range, y: node._fullLayout.yaxis.range, type: node._fullLayout.yaxis.type})"""
    )


def zoom(node: Locator, low: float, high: float) -> None:
    """Drag over the plot as a hand would, from `low` to `high` on the x axis."""
    node.scroll_into_view_if_needed()
    at = node.evaluate(
        """(node, ends) => { const box = node.querySelector('.nsewdrag').getBoundingClientRect();
             return {x: ends.map(e => box.left + node._fullLayout.xaxis.d2p(e)), y: box.top + box.height / 2}; }""",
        [low, high],
    )
    mouse = node.page.mouse
    mouse.move(at["x"][0], at["y"])
    mouse.down()
    mouse.move(sum(at["x"]) / 2, at["y"] + 2, steps=4)
    mouse.move(at["x"][1], at["y"] + 2, steps=4)
    mouse.up()


def until(page: Page, condition: str, node: Locator | None = None, argument: Any = None) -> None:
    """Wait until a JavaScript condition `(node, argument) => …` holds."""
    handle = node.element_handle() if node else None
    page.wait_for_function(f"([node, argument]) => ({condition})(node, argument)", arg=[handle, argument])
