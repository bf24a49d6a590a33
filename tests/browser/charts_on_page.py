"""What the tests ask of the charts in a page: their traces, ranges and notes, read from Plotly itself."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page


def chart(page: Page, heading: str) -> Locator:
    """The Plotly node under a heading, once it has been drawn."""
    card = page.locator("div[data-testid='stVerticalBlock']").filter(has=page.get_by_role("heading", name=heading, exact=False)).last
    card.locator(".fl-chart").scroll_into_view_if_needed()  # a chart is drawn when somebody sees it
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


def at_step(node: Locator, step: float, height: float = 0.5) -> tuple[float, float]:
    """The point of the screen above `step`, at a share of the panel's height."""
    node.scroll_into_view_if_needed()
    x, y = node.evaluate(
        """(node, [step, height]) => { const box = node.getBoundingClientRect(), {l, t, h} = node._fullLayout._size;
             return [box.left + l + node._fullLayout.xaxis.d2p(step), box.top + t + h * height]; }""",
        [step, height],
    )
    return x, y


def zoom(node: Locator, low: float, high: float) -> None:
    """Drag over the plot as a hand would, from `low` to `high` on the x axis."""
    (left, y), (right, _) = at_step(node, low), at_step(node, high)
    mouse = node.page.mouse
    mouse.move(left, y)
    mouse.down()
    mouse.move((left + right) / 2, y + 2, steps=4)
    mouse.move(right, y + 2, steps=4)
    mouse.up()


def until(page: Page, condition: str, node: Locator | None = None, argument: Any = None) -> None:
    """Wait until a JavaScript condition `(node, argument) => …` holds."""
    handle = node.element_handle() if node else None
    page.wait_for_function(f"([node, argument]) => ({condition})(node, argument)", arg=[handle, argument])


def press_card(page: Page, what: str = "break", preset: str = "moe_collapse") -> Locator:
    """The button of one card of the gallery: "break" for one run, "cure" for the pair."""
    return page.locator(f".st-key-{what}_{preset}").get_by_role("button")
