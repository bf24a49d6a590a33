"""What decides a record's numbers: the hash moves with it and with nothing else, and a stale record names what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.core import sources
from engine.core.catalog import Catalog
from engine.core.paths import ROOT
from engine.docs.measure import plan, record
from engine.labs.describe import entry
from engine.labs.lab import Lab

ENTRIES = {name: entry(name, lab) for name, lab in Catalog("", Lab).load()[0].items()}

LAB = '''"""A lab."""
from engine.labs.moe import helper

class Toy(Lab):
    title = "Toy"
    presets = {}
    rules = ()
    provides = frozenset({"pictures", "stack"})

    def stacked_loss(self):
        from engine.labs.moe.stacked import many
        return many(self)

    def loss(self):
        """What is minimised."""
        from engine.labs.moe.late import late
        return late(helper.factor) + 1
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "engine/labs/moe/toy.py": LAB,
        "engine/labs/moe/helper.py": "factor = 2.0\nabout = 'a sentence with blanks'\n"
        "metric = Metric('x', low=0.0)\nother = Other(low=0.0)\n",
        "engine/labs/moe/late.py": "from engine.core import paths\n\ndef late(x):\n    return x\n",
        "engine/core/paths.py": "ROOT = 1\n",
        "engine/labs/moe/stranger.py": "x = 1\n",
        "engine/labs/moe/stacked.py": "def many(x):\n    return x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def hashed(tree: Path) -> str:
    sources._imports.cache_clear()
    sources._of_file.cache_clear()
    return sources.digest(sources.hashes(["engine/labs/moe/toy.py"], tree))


def test_the_closure_follows_imports_inside_functions_and_leaves_core_out(tree: Path) -> None:
    assert sources.closure(["engine/labs/moe/toy.py"], tree) == [f"engine/labs/moe/{name}.py" for name in ("helper", "late", "toy")]


@pytest.mark.parametrize(
    ("file", "old", "new", "moves"),
    [
        ("helper", "2.0", "2.5", True),
        ("late", "return x", "return x + 0", True),
        ("toy", "+ 1", "+ 2", True),
        ("toy", "    return late", "    # why\n        return late", False),
        ("toy", "What is minimised.", "Another sentence.", False),
        ("toy", 'title = "Toy"', 'title = "Tay"', False),
        ("toy", "presets = {}", "presets = {1: 2}", False),
        ("toy", "rules = ()", "rules = (1,)", False),
        ("toy", 'frozenset({"pictures", "stack"})', 'frozenset({"pictures"})', False),
        ("toy", 'frozenset({"pictures", "stack"})', 'frozenset({"pictures", "play"})', True),
        ("toy", "return many(self)", "return many(self) + 1", False),
        ("toy", "def stacked_loss(self)", "def loss_of_each(self)", True),
        ("stacked", "return x", "return x + 1", False),
        ("helper", "a sentence with blanks", "another one of them", False),
        ("helper", "('x', low=0.0)", "('x', whole=True)", False),
        ("helper", "Metric('x'", "Metric('y'", True),
        ("helper", "Other(low=0.0)", "Other(low=1.0)", True),
        ("stranger", "x = 1", "x = 2", False),
        ("../../core/paths", "1", "2", False),
    ],
)
def test_the_hash_moves_with_what_decides_and_with_nothing_else(tree: Path, file: str, old: str, new: str, moves: bool) -> None:
    before, path = hashed(tree), tree / "engine/labs/moe" / f"{file}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert (hashed(tree) != before) is moves


def test_what_is_left_out_for_stacks_is_asked_for_by_no_single_run() -> None:
    """The methods whose code does not count are called by what trains many runs together, and by nothing that trains one."""
    callers = {path.stem for path in (ROOT / "engine" / "worker").glob("*.py") if ".stacked_" in path.read_text()}
    assert callers == {"stack_training", "stack_playing", "stack_trial"}
    assert not {f"engine/worker/{name}.py" for name in callers} & set(sources.closure([sources.LOOP, sources.PLAY]))
    assert not {f"engine/worker/{name}.py" for name in callers} & set(sources.closure(["engine/worker/fit.py"]))
    labs = [path for path in (ROOT / "engine" / "labs").rglob("*.py") if ".stacked_" in path.read_text()]
    assert [path.stem for path in labs if "stacked" not in path.stem] == []


@pytest.mark.parametrize(("lab", "preset"), [("moe", "even_batches_cured"), ("consistency", "mean_flow"), ("unet", "vit")])
def test_a_preset_rests_on_its_own_answers_and_on_no_other(lab: str, preset: str) -> None:
    knobs, files, deciding = plan.state(ENTRIES, lab, preset, record.metrics())
    answers = {"moe": ("router/sinkhorn.py", "router/hash.py"), "consistency": ("objective/mean_flow.py", "objective/trigflow.py")}
    own, other = answers.get(lab, ("backbone/u_vit.py", "backbone/unet.py"))
    assert any(file.endswith(own) for file in files)
    assert not any(file.endswith(other) for file in files)
    assert "engine/worker/loop.py" in files
    assert not any(file.endswith("_presets.py") or file.startswith(("engine/core/", "engine/runs/")) for file in files)
    assert "seed" not in knobs
    assert deciding


def test_a_stale_record_names_what_has_changed() -> None:
    knobs, files, _ = plan.state(ENTRIES, "moe", "collapse", ["loss/train"])
    hashed = {"hash": sources.digest(files), "files": files}
    fresh: dict[str, Any] = {"lab": "moe", "preset": "collapse", "knobs": knobs, "sources": hashed, "summary": {"loss/train|last": {}}}
    assert plan.why_stale(ENTRIES, fresh) == ""
    assert "another lr; measure moe collapse again" in plan.why_stale(ENTRIES, {**fresh, "knobs": {**knobs, "lr": 0.5}})
    moved = {"hash": "0", "files": {**files, "engine/labs/moe/moe.py": "0"}}
    assert "before engine/labs/moe/moe.py changed" in plan.why_stale(ENTRIES, {**fresh, "sources": moved})
    assert "record of no preset" in plan.why_stale(ENTRIES, {**fresh, "preset": "gone"})
