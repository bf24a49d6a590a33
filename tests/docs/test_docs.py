"""What is not documented fails here: the committed reference equals what the catalogs say, and nobody is silent."""

from __future__ import annotations

import re

import pytest

from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.declare.knobs import describe
from engine.docs import reference
from engine.labs.detector import Detector
from engine.labs.lab import Lab
from engine.labs.probe import Probe

DOCS = ROOT / "docs"
PAGES = reference.pages(DOCS / "measured")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_reference_page_is_the_one_the_catalogs_give(name: str) -> None:
    page = DOCS / "reference" / name
    assert page.is_file(), f"run `make docs` and commit {page.name}"
    assert page.read_text() == PAGES[name], f"run `make docs` and commit {page.name}"


def test_a_preset_with_the_knobs_of_a_measured_one_is_not_called_unmeasured() -> None:
    for lab in Catalog("", Lab).names():
        page = PAGES[f"lab_{lab}.md"]
        parts = dict(re.findall(r"^### `(\w[\w.]*)`\n(.*?)(?=^##|\Z)", page, re.M | re.S))
        for path in (DOCS / "measured" / lab).glob("*.json"):
            knobs = next(line for line in parts[path.stem].splitlines() if re.match(r"`(\w[\w.]*=|defaults`)", line))
            assert not [name for name, text in parts.items() if knobs in text and "Not measured yet." in text]
    assert "The same knobs as `collapse`, so" in PAGES["lab_moe.md"]


def test_no_reference_page_is_left_over() -> None:
    assert {p.name for p in (DOCS / "reference").glob("*.md")} == set(PAGES)


def test_every_table_and_column_of_the_store_says_what_it_is() -> None:
    empty = re.findall(r"^\| `(\w+)` \| [^|]+ \|  \|$", PAGES["store.md"], re.M)
    assert not empty, f"columns without a comment: {empty}"
    assert not re.findall(r"^## .*\n\n\n", PAGES["store.md"], re.M)


@pytest.mark.parametrize("name", Catalog("probes", Probe).names())
def test_every_probe_describes_itself_and_each_of_its_metrics(name: str) -> None:
    probe = Catalog("probes", Probe)[name]
    assert probe.__doc__
    assert len(probe.__doc__) > 30
    assert probe.metrics
    for metric in probe.metrics:
        assert metric.about, metric.name


@pytest.mark.parametrize("name", Catalog("detectors", Detector).names())
def test_every_detector_describes_itself(name: str) -> None:
    detector = Catalog("detectors", Detector)[name]
    assert detector.__doc__
    assert detector.watches


@pytest.mark.parametrize("name", Catalog("", Lab).names())
def test_every_knob_has_a_sentence_and_every_remedy_its_text(name: str) -> None:
    for spec in describe(Catalog("", Lab)[name]):
        assert spec["about"], spec["name"]
        for choice in spec["choices"]:
            if spec["kind"] == "question":
                for key in ("idea", "formula", "paper", "cost", "fails", "source"):
                    assert choice[key], f"{spec['name']}={choice['name']} says nothing of its {key}"
                assert choice["reading"] in ("paper", "our reading of the abstract", "authors' code", "public code"), choice["name"]
                assert all(inner["about"] for inner in choice["knobs"])
