"""The labs as JSON: computed by a child that may import torch, cached by the content of the code, whole in spite of broken files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.core import started
from engine.core.code_key import key
from engine.core.paths import ROOT
from engine.declare import lab_catalog
from engine.declare.lab_catalog import LabsUnreadable, cached, labs_document
from tests.support.made_records import RECORD

CHILD = """
import json, pathlib, sys
log = pathlib.Path.cwd().parent / "computed.log"
log.open("a").write("once\\n")
print("… reading the lab toy", flush=True)
pathlib.Path(sys.argv[1]).write_text(json.dumps({"labs": [{"lab": "toy"}], "probes": [], "detectors": [], "errors": []}))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A small tree of code with a child that needs no torch."""
    for folder in ("engine", "kernels"):
        (tmp_path / "code" / folder).mkdir(parents=True)
        (tmp_path / "code" / folder / "__init__.py").touch()
    module_file(tmp_path / "code", started.DESCRIBE).write_text(CHILD)
    return tmp_path / "code"


def module_file(code: Path, module: str) -> Path:
    """The file of a module in a copy of the code, with its folders."""
    path = code.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def computed(code: Path) -> int:
    log = code.parent / "computed.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_the_document_is_computed_once_and_then_read(code: Path, tmp_path: Path) -> None:
    said: list[str] = []
    first = labs_document(tmp_path / "data", root=code, progress=said.append)
    assert first["labs"] == [{"lab": "toy"}]
    assert "reading the lab toy" in said
    assert labs_document(tmp_path / "data", root=code) == first == cached(tmp_path / "data", code)
    assert computed(code) == 1


def test_a_console_that_is_not_utf_8_is_no_matter(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    assert labs_document(tmp_path / "data", root=code)["labs"] == [{"lab": "toy"}], "the child writes a character that ASCII has not"


def test_a_full_disk_costs_the_cache_only(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.declare.lab_catalog.check_room", full)
    for times in (1, 2):
        assert labs_document(tmp_path / "data", root=code)["labs"] == [{"lab": "toy"}]
        assert computed(code) == times


def test_the_cache_keeps_placeholders_and_the_numbers_are_those_at_the_time_of_reading(code: Path, tmp_path: Path) -> None:
    story = "It ends at {band calm loss}."
    module_file(code, started.DESCRIBE).write_text(CHILD.replace('{"lab": "toy"}', json.dumps({"lab": "toy", "story": story})))
    data, record = tmp_path / "data", code / "docs" / "measured" / "toy" / "calm.json"
    record.parent.mkdir(parents=True)
    for value, printed in ((3, "3 in 8 of 8"), (17, "17 in 8 of 8")):
        band = {"n": 8, "of": 8, "median": value, "low": value, "high": value, "scale": "equal"}
        record.write_text(json.dumps(RECORD | {"summary": {"loss|last": band}}))
        for read in (labs_document(data, root=code), cached(data, code)):
            assert read is not None
            assert read["labs"][0]["story"] == f"It ends at {printed}."
    assert computed(code) == 1
    assert lab_catalog.raw_document(data, root=code)["labs"][0]["story"] == story


def test_any_change_of_the_code_computes_it_again(code: Path, tmp_path: Path) -> None:
    before = key(code)
    labs_document(tmp_path / "data", root=code)
    (code / "kernels" / "new.cu").write_text("// a kernel\n")
    assert key(code) != before
    assert cached(tmp_path / "data", code) is None
    labs_document(tmp_path / "data", root=code)
    assert computed(code) == 2
    (code / "kernels" / "new.cu").unlink()
    assert key(code) == before, "the content decides, not the time"
    labs_document(tmp_path / "data", root=code)
    assert computed(code) == 2


def test_a_file_written_again_counts_by_its_content(code: Path) -> None:
    file = code / "kernels" / "new.cu"
    keys = []
    for time, text in ((1, "// one\n"), (2, "// two\n"), (3, "// one\n")):
        file.write_text(text)
        os.utime(file, (time, time))
        keys.append(key(code))
    assert keys[0] == keys[2] != keys[1]


def test_caches_of_the_interpreter_and_hidden_files_change_nothing(code: Path) -> None:
    before = key(code)
    (code / "engine" / "__pycache__").mkdir()
    (code / "engine" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (code / "engine" / ".ruff_cache").mkdir()
    (code / "engine" / ".ruff_cache" / "x").write_bytes(b"x")
    assert key(code) == before


def test_many_who_ask_at_once_wait_for_one_computation(code: Path, tmp_path: Path) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(labs_document(tmp_path / "data", root=code))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert computed(code) == 1


def test_a_child_that_fails_is_told_in_one_sentence(code: Path, tmp_path: Path) -> None:
    module_file(code, started.DESCRIBE).write_text("raise RuntimeError('no torch here')\n")
    with pytest.raises(LabsUnreadable, match="The labs could not be read: RuntimeError: no torch here") as caught:
        labs_document(tmp_path / "data", root=code)
    assert "\n" not in str(caught.value)


def test_old_documents_are_forgotten(code: Path, tmp_path: Path) -> None:
    for n in range(6):
        (code / "engine" / "change.py").write_text(f"n = {n}\n")
        labs_document(tmp_path / "data", root=code)
    assert len(list((tmp_path / "data" / "cache").glob("labs-*.json"))) == lab_catalog.KEEP + 1


@pytest.fixture(scope="module")
def with_broken_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of the real code with four files that cannot be read: a lab, a probe, an answer and a panel."""
    code = tmp_path_factory.mktemp("code")
    for folder in ("engine", "kernels"):
        shutil.copytree(ROOT / folder, code / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (code / "engine" / "labs" / "moe" / "broken_lab.py").write_text("class Lab(:\n")
    (code / "engine" / "labs" / "common" / "probes" / "broken_probe.py").write_text("raise ValueError('not today')\n")
    panels = code / "engine" / "labs" / "diffusion" / "panels"
    (panels / "broken_panel.py").write_text("from engine.labs.panel import Panel\nclass Nothing(Panel): ...\n")
    (code / "engine" / "labs" / "moe" / "remedies" / "router" / "broken_answer.py").write_text("import a_library_that_is_not_installed\n")
    return labs_document(tmp_path_factory.mktemp("data"), root=code)


def test_a_broken_file_appears_in_errors_and_hides_nothing_else(with_broken_files: dict[str, Any]) -> None:
    told = {error["file"]: error["says"] for error in with_broken_files["errors"]}
    assert set(told) == {
        "engine/labs/moe/broken_lab.py",
        "engine/labs/common/probes/broken_probe.py",
        "engine/labs/moe/remedies/router/broken_answer.py",
        "engine/labs/diffusion/panels/broken_panel.py",
    }
    assert told["engine/labs/moe/broken_lab.py"].startswith("SyntaxError")
    assert "not today" in told["engine/labs/common/probes/broken_probe.py"]
    assert all("\n" not in message for message in told.values())
    assert "moe" in {lab["lab"] for lab in with_broken_files["labs"]}
    moe = next(lab for lab in with_broken_files["labs"] if lab["lab"] == "moe")
    router = next(spec for spec in moe["knobs"] if spec["name"] == "router")
    assert {"softmax_top_k", "loss_free", "hash"} <= {choice["name"] for choice in router["choices"]}


def test_the_document_has_the_shape_of_the_design(with_broken_files: dict[str, Any]) -> None:
    assert {"labs", "probes", "errors"} <= set(with_broken_files)
    for lab in with_broken_files["labs"]:
        assert {"lab", "title", "papers", "story", "presets", "knobs", "panels"} <= set(lab)
        for preset in lab["presets"].values():
            assert {"story", "see", "twin", "gpu", "grid", "knobs"} <= set(preset)
        for spec in lab["knobs"]:
            assert {"name", "kind", "default", "min", "max", "choices", "unit", "source", "about", "group"} == set(spec) - {
                "pattern",
                "form",
            }
            for choice in spec["choices"] if spec["kind"] == "question" else ():
                assert {"name", "idea", "formula", "paper", "cost", "fails", "reading", "source", "differs", "why", "knobs"} == set(choice)
        for panel in lab["panels"]:
            assert {"name", "title", "formula", "about", "paper", "reading", "page", "knobs"} == set(panel)
            assert all({"name", "kind", "default", "min", "max"} <= set(spec) for spec in panel["knobs"])
    moe = next(lab for lab in with_broken_files["labs"] if lab["lab"] == "moe")
    assert [panel["name"] for panel in moe["panels"]][:2] == ["router_noise", "expert_capacity"], "in the order of the page"
    for probe in with_broken_files["probes"]:
        assert {"name", "price", "about"} <= set(probe)
        assert probe["about"]
    json.dumps(with_broken_files, allow_nan=False)


def test_reading_the_cache_imports_no_torch(code: Path, tmp_path: Path) -> None:
    labs_document(tmp_path / "data", root=code)
    asked = (
        "import sys; from pathlib import Path; from engine.declare.lab_catalog import labs_document;"
        f"labs_document(Path({str(tmp_path / 'data')!r}), root=Path({str(code)!r}));"
        "print(sorted({'torch', 'lightning', 'duckdb', 'polars'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", asked], cwd=ROOT, text=True).strip() == "[]"
