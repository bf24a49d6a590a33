"""Every page as a person sees it, to be looked at: `python -m tests.browser.screenshots OUTDIR [PART …]`.

Once over an empty data folder and once over one with a pair of twins of the `moe` lab that really trained, a run with values that are
not finite, one with a spike and one that grows; in both themes, 1400 and 390 pixels wide.  PART chooses files by a part of their name.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page

from engine.declare.lab_catalog import labs_document
from engine.declare.resolve import resolve
from engine.runs.ending import ENDED
from engine.scheduler.submit import cure_of, find_lab, submit_twins
from tests.browser.conftest import PATIENCE, Server
from tests.browser.in_chromium import chromium, running
from tests.support.compared_runs import made
from tests.support.entering import let_in
from tests.support.made_runs import MadeRun, non_finite_run, readings, spiky_run

WIDTHS = {1400: 900, 390: 844}
LONGEST = 8000  # pixels
EMPTY = {
    "home": "",
    "build": "build",
    "runs": "runs",
    "machine": "machine",
    "lab": "lab?lab=moe",
    "run": "run",
    "cuda": "cuda",
    "topology": "topology?graph=barbell&edits=%2B0-21",
    "missing": "run?run=none",
    "compare": "compare",
}
SETTLED = """drawn => {
  const busy = '[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]';
  const still = document.querySelector('[data-test-script-state="notRunning"]') && !document.querySelector(busy);
  const charts = [...document.querySelectorAll('.fl-chart')];
  return still && document.querySelector('h1') && (!drawn || charts.every(box => box.querySelector('.main-svg')));
}"""


def values(lr: float, seed: int) -> list[float]:
    """The loss of a run of an arm: one falls faster, and each seed lies a little elsewhere."""
    return [2.4 + 0.03 * ((seed * 7) % 5) + 3 * math.exp(-step * (1 + 50 * lr) / 35) for step in range(120)]


def full(data: Path) -> dict[str, str]:
    """Fill the folder -> the addresses of its pages by name."""
    lab = find_lab(labs_document(data), "moe")
    pair = [resolve(lab, preset, {"steps": 150}) for preset in ("collapse", cure_of(lab, "collapse"))]
    broken, cured = submit_twins(data, *pair, who="a person")
    odd, spiky = non_finite_run(data), spiky_run(data)
    growing = MadeRun(data, preset="healthy", steps=400).declare()
    for step in range(90):
        scalars, load = readings(step, healthy=False)
        growing.log(scalars, load=load)
    growing.tick()
    until = time.monotonic() + 600
    while not {broken.status(), cured.status()} <= ENDED:
        if time.monotonic() > until:
            raise TimeoutError("The twins did not end.")
        time.sleep(0.5)
    run = {"twins": f"{broken.run},{cured.run}", "non_finite": odd.run, "spike": spiky.run, "growing": growing.run}
    pages = {name: path for name, path in EMPTY.items() if name not in ("run", "missing", "compare")}
    arms = [made(data, seed, values(lr, seed), lr=lr) for lr in (1e-3, 1e-2) for seed in range(8)]
    pages["compare"] = f"compare?run={','.join(one.run for one in arms)}"
    return pages | {f"run_{name}": f"run?run={runs}" for name, runs in run.items()} | {"duplicate": f"build?from={broken.run}"}


def shoot(browser: Browser, server: Server, pages: Mapping[str, str], prefix: str, out: Path, parts: Sequence[str]) -> None:
    for theme in ("light", "dark"):
        for width, height in WIDTHS.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            let_in(page.context, server.address)
            page.set_default_timeout(PATIENCE)
            for name, path in pages.items():
                file = out / f"{prefix}_{name}_{theme}_{width}.png"
                if not parts or any(part in file.name for part in parts):
                    page.set_viewport_size({"width": width, "height": height})
                    page.goto(f"{server.address}/{path}")
                    picture(page, width, height, file)
            page.close()


def picture(page: Page, width: int, height: int, file: Path) -> None:
    """The whole page: the window grows to what there is to scroll, so that every chart is in view and drawn."""
    tall, drawn = 0, False
    until = time.monotonic() + PATIENCE / 1000
    while not drawn or tall > page.viewport_size["height"]:  # charts come into view, take their room and are drawn
        if time.monotonic() > until:
            raise TimeoutError(f"{page.url} did not come to rest.")
        tall = min(LONGEST, page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight"))
        page.set_viewport_size({"width": width, "height": max(height, tall)})
        page.wait_for_timeout(400)
        drawn = page.evaluate(f"({SETTLED})(true)")
    page.screenshot(path=file)
    print(file)


def main(out: Path, parts: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        if not all(part.startswith("full") for part in parts or [""]):
            with running(Path(scratch) / "empty") as server:
                shoot(browser, server, EMPTY, "empty", out, parts)
        with running(Path(scratch) / "full") as server:
            shoot(browser, server, full(server.data), "full", out, parts)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("Usage: python -m tests.browser.screenshots OUTDIR [PART …]")
    main(Path(sys.argv[1]), sys.argv[2:])
