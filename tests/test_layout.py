"""The house keeps its shape: fixed top level, one-way arrows, short files, no page that shadows a package."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.core import started
from engine.core.paths import data_folder
from tests.support.walls import directions, files, libraries, names
from tests.support.walls.tree import PACKAGES

Wall = Callable[[Path], Iterator[str]]

ROOT = Path(__file__).resolve().parent.parent
TOP = {
    *("app.py", "pages", "engine", "kernels", "tests", "data", "docs", "README.md", "pyproject.toml"),
    *("Makefile", "constraints.txt", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def test_the_top_level_is_the_one_of_the_design() -> None:
    strangers = {p.parts[0] for p in tracked() if not p.parts[0].startswith(".")} - TOP
    assert not strangers, f"unexpected at the top level: {sorted(strangers)}"


def test_no_page_shares_its_name_with_a_package_or_a_standard_library_module() -> None:
    taken = {"app", "pages", "engine", "kernels", "tests", "data"} | set(sys.stdlib_module_names)
    shadows = {p.stem for p in (ROOT / "pages").glob("*.py")} & taken
    assert not shadows, f"rename the page: {shadows}"


ROOMS = sorted(folder.name for folder in (ROOT / "engine").iterdir() if (folder / "__init__.py").exists())
STATIC = [
    *(directions.upward, directions.rings, directions.across_topics),
    *(files.flat_modules, files.long_files, files.same_names, files.doors_with_code, files.module_strings, files.long_texts),
    *(names.speaking_names, libraries.late_library),
]


@pytest.mark.parametrize("wall", STATIC, ids=lambda wall: wall.__name__)
def test_no_file_breaks_a_wall(wall: Wall) -> None:
    assert list(wall(ROOT)) == []


@pytest.mark.parametrize("group", libraries.ALLOWED)
def test_a_room_loads_no_heavier_library_than_its_own(group: str) -> None:
    assert list(libraries.too_heavy(ROOT, group)) == []


@pytest.mark.parametrize("room", ROOMS)
def test_ruff_bans_what_the_walls_ban(room: str) -> None:
    """Whoever writes an import is told at once; both lists are the same."""
    settings = tomllib.loads((ROOT / "engine" / room / "ruff.toml").read_text())
    banned = {name.removeprefix("engine.") for name in settings["lint"]["flake8-tidy-imports"]["banned-api"]}
    assert banned & {*ROOMS, "kernels"} == {*ROOMS, "kernels"} - directions.BELOW[room] - {room}


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_says_what_the_room_is_and_explains_its_words(room: str) -> None:
    first, _, words = (ast.get_docstring(ast.parse((ROOT / "engine" / room / "__init__.py").read_text())) or "").partition("\n\n")
    assert first.endswith(".")
    assert len(words.splitlines()) >= 3
    assert all("  " in line.strip() for line in words.splitlines()), "a word, two blanks, what it means"


def test_every_module_that_is_started_by_name_exists() -> None:
    names = {value for name, value in vars(started).items() if name.isupper()}
    assert names
    for name in names:
        module = importlib.import_module(name)
        assert not hasattr(module, "__path__") or importlib.util.find_spec(f"{name}.__main__"), f"{name} is a folder that cannot be started"


def test_the_data_lies_beside_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAULTLINE_DATA", raising=False)
    assert data_folder() == ROOT / "data"


# -- the proof: on a copy of the tree, one planted violation, and exactly one sentence ----------------

PLANTS = {  # rule -> what is written (file -> text), and the sentence that must come: file and rule
    "arrow up inside a function": (
        {"engine/core/planted.py": "def late():\n    from engine.index.store import Store\n    return Store\n"},
        "engine/core/planted.py: arrow up, core may not import index",
    ),
    "ring under TYPE_CHECKING": (
        {
            "engine/core/plant_a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from engine.core.plant_b import B\n",
            "engine/core/plant_b.py": "from engine.core import plant_a\nB = plant_a\n",
        },
        "engine/core/plant_a.py: ring of files, engine.core.plant_a -> engine.core.plant_b -> engine.core.plant_a",
    ),
    "topic to topic": (
        {"engine/labs/diffusion/models/planted.py": "from engine.labs.moe.models.routing import routed\n"},
        "engine/labs/diffusion/models/planted.py: topic imports topic, diffusion may not import moe",
    ),
    "common to topic": (
        {"engine/labs/common/models/planted.py": "import engine.labs.moe.models.routing\n"},
        "engine/labs/common/models/planted.py: arrow up inside labs, common may not import moe",
    ),
    "chart with torch": (
        {"engine/labs/moe/charts/planted.py": "import torch\n"},
        "engine/labs/moe/charts/planted.py: heavy library, figures may not load cuda, torch",
    ),
    "detector with numpy": (
        {"engine/labs/common/detectors/planted.py": "import numpy\n"},
        "engine/labs/common/detectors/planted.py: heavy library, detectors may not load numpy",
    ),
    "PyG in a function": (
        {"engine/labs/gnn/models/planted.py": "def late() -> None:\n    import torch_geometric.nn\n"},
        "engine/labs/gnn/models/planted.py: PyG in the wrong place, only the top of engine/labs/*/models/pyg_*.py may import it",
    ),
    "PyG in a probe": (
        {"engine/labs/gnn/probes/pyg_planted.py": "from torch_geometric.nn import GCNConv\n"},
        "engine/labs/gnn/probes/pyg_planted.py: PyG in the wrong place, only the top of engine/labs/*/models/pyg_*.py may import it",
    ),
    "one name twice": (
        {"engine/labs/moe/probes/lr.py": "X = 1\n"},
        "engine/labs/moe/probes/lr.py: name twice, engine/labs/common/probes/lr.py bears it too",
    ),
    "flat module": ({"engine/planted.py": "X = 1\n"}, "engine/planted.py: flat module"),
    "long file": ({"engine/core/planted.py": "X = 1\n" * 301}, "engine/core/planted.py: file too long, 301 lines"),
    "door with code": ({"engine/runs/__init__.py": '"""Door."""\nX = 1\n'}, "engine/runs/__init__.py: door with code"),
    "module in a string": (
        {"engine/index/planted.py": "X = 'engine.worker'\n"},
        "engine/index/planted.py: module named in a string, 'engine.worker'",
    ),
    "long text": (
        {"engine/core/planted.py": f"X = ({'w' * 101!r}\n    {'w' * 100!r})\n"},
        "engine/core/planted.py: long text in Python, 201 characters",
    ),
    "speaking name": (
        {"engine/core/planted.py": "def hear(_told: str) -> str:\n    found = _told\n    return found\n"},
        "engine/core/planted.py: speaking name, '_told'",
    ),
}


NEEDS_INTERPRETER = {"chart with torch": "figures", "detector with numpy": "detectors"}  # rule -> group of the planted file


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("house")
    for name in (*PACKAGES, "tests", "app.py"):
        if (ROOT / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__", "measured", "tests" if name != "tests" else "old_run")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("rule", PLANTS)
def test_a_planted_violation_is_named_by_file_and_rule_and_nothing_else_is(rule: str, copy: Path) -> None:
    plants, sentence = PLANTS[rule]
    before = {copy / name: (copy / name).read_text() if (copy / name).exists() else None for name in plants}
    try:
        for name, text in plants.items():
            (copy / name).write_text(text)
        found = [said for wall in STATIC for said in wall(copy)]
        if rule in NEEDS_INTERPRETER:
            found += libraries.too_heavy(copy, NEEDS_INTERPRETER[rule])
    finally:
        for file, text in before.items():
            file.unlink() if text is None else file.write_text(text)
    assert len(found) == 1, found
    assert found[0].startswith(sentence)


def test_kernels_is_our_package() -> None:
    import kernels

    assert Path(kernels.__file__).parent == ROOT / "kernels"


def test_tracked_files_name_no_path_of_this_machine() -> None:
    home = str(Path.home())
    tellers = [home + "/", str(ROOT.parent) + "/"]
    found = [
        str(p)
        for p in tracked()
        if p.suffix in {".py", ".md", ".toml", ".json", ".js", ".css", ".txt", ""}
        and any(len(t) > 2 and t in (ROOT / p).read_text(errors="replace") for t in tellers)
    ]
    assert not found
