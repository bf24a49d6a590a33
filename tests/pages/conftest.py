"""What all tests of pages share: installed packages are searched for components once, not again by every page that a test opens."""

from __future__ import annotations

from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner


@pytest.fixture(scope="session", autouse=True)
def packages_searched_once() -> None:
    """Streamlit's AppTest reads the metadata of every installed package each time it starts (half a second here); they do not change."""
    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
