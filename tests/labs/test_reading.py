"""A file that does harm when it is imported is named on its own entry, and every other lab works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.planted_labs import document_of, plant, small_engine

HARMFUL = {  # file of the topic -> its text, and what its entry says
    "loops.py": ("while True: pass\n", "took more than 1 s of processor time"),
    "models/loops_in_c.py": ("pow(3, 10**9)\n", "took more than 1 s of processor time"),
    "leaves.py": ("import os\nos._exit(0)\n", "ended Python with exit code 0"),
    "detectors/crashes.py": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "crashed Python with Segmentation fault"),
    "probes/exits.py": ("raise SystemExit('enough')\n", "ends Python by sys.exit('enough')"),
    "panels/greedy.py": ("kept = []\nwhile True: kept.append(bytes(2**24))\n", "more memory than a file may have"),
    "noisy.py": ("import os\nfor fd in (1, 2): os.write(fd, b'[\"answer\", {}]\\n')\nprint('{' * 10**6)\n", "defines 0 Lab classes"),
    "charts/draws_for_ever.py": ("import os\nos.abort()\n", "crashed Python with Aborted"),
}
VICTIM = "import engine.labs.planted.models.loops_in_c\n"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("planted")
    topic = small_engine(root)
    plant(topic, {name: text for name, (text, _) in HARMFUL.items()} | {"victim.py": VICTIM})
    hopeless = {f"leaves_{n}.py": "import os\nos._exit(7)\n" for n in range(7)}
    plant(topic.parent / "hopeless", {"__init__.py": "", **hopeless})
    return document_of(root)


@pytest.mark.parametrize("file", HARMFUL)
def test_a_file_that_does_harm_is_named_with_what_it_did(document: dict[str, Any], file: str) -> None:
    entries = [error for error in document["errors"] if error["file"] == f"engine/labs/planted/{file}"]
    assert len(entries) == 1
    assert HARMFUL[file][1] in entries[0]["says"]
    assert "\n" not in entries[0]["says"]
    folder = Path(file).parent.name
    assert (entries[0]["kind"], entries[0]["name"]) == (folder.removesuffix("s") or "lab", Path(file).stem)


def test_every_other_lab_works(document: dict[str, Any]) -> None:
    assert [lab["lab"] for lab in document["labs"]] == ["healthy"]


def test_a_lab_that_imports_such_a_file_says_which(document: dict[str, Any]) -> None:
    (error,) = [error for error in document["errors"] if error["name"] == "victim"]
    assert "engine/labs/planted/models/loops_in_c.py is left out" in error["says"]
    assert error["file"] not in document["left_out"]


def test_a_topic_with_too_many_such_files_is_left_out_as_a_whole_and_each_is_named(document: dict[str, Any]) -> None:
    says = [error["says"] for error in document["errors"] if error["file"].startswith("engine/labs/hopeless/leaves_")]
    assert len(says) == 7
    assert sum("exit code 7" in sentence for sentence in says) == 6
    assert sum("all of it is left out" in sentence for sentence in says) == 1


def test_a_document_without_such_files_leaves_nothing_out(tmp_path: Path) -> None:
    small_engine(tmp_path)
    document = document_of(tmp_path)
    assert document["errors"] == []
    assert document["left_out"] == {}
