"""The address of a page as part of its form: what is written into it replaces it, so that one press of Back leaves the page."""

from __future__ import annotations

from pages.parts.own_component import own_component

_mount = own_component("own_address", "own_address.js")


def replace_own_address() -> None:
    """From now on, while this page is open.  What the very first script of a page writes comes too early to be replaced."""
    _mount(key="own_address")
