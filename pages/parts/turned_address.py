"""Back after the server turned the page leads to the page that was left, as it was left, at the first press."""

from __future__ import annotations

from pages.parts.own_component import own_component

_mount = own_component("turned_address", "turned_address.js")


def keep_left_address() -> None:
    """On every page, for as long as the browser shows this document."""
    _mount(key="turned_address")
