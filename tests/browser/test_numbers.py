"""The browser writes a number as Python does, and no axis or hover box puts a suffix below 1."""

from __future__ import annotations

import math
import re

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import ROOT
from tests.pages.test_words import WRITTEN

pytestmark = pytest.mark.browser

CHARTS = ROOT / "pages" / "parts" / "charts"


def test_the_browser_writes_numbers_as_python_does(browser: Browser) -> None:
    source = re.search(r"^function neat\(.*?^}", (CHARTS / "live_fill.js").read_text(), re.DOTALL | re.MULTILINE)
    assert source is not None
    numbers = [(v, w) for v, w in WRITTEN if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    page = browser.new_page()
    write = "([source, values]) => values.map(new Function(`${source}; return neat;`)())"
    written = page.evaluate(write, [source[0], [value for value, _ in numbers]])
    page.close()
    assert written == [w for _, w in numbers]
