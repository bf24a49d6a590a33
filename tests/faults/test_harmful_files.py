"""With files in the catalog that end or crash whoever imports them, labs are shown and runs are trained, forked or not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from engine.core.code_key import key
from engine.core.paths import ROOT
from engine.declare.resolve import resolve
from engine.runs.ending import ENDED
from engine.runs.folder import new_run
from engine.scheduler.forking import ForkingExecutor
from engine.scheduler.submit import find_lab
from engine.scheduler.supervisor import Supervisor
from tests.support.planted_labs import plant, small_engine
from tests.support.small_labs import SMALL
from tests.support.toy import PATIENCE, until

IN_THE_COPY = """
import os, sys
os.chdir({root!r})
sys.path.insert(0, {root!r})
from engine.worker.fork_server import main
main(sys.argv[1:])
"""
LOAD = """
import sys
from pathlib import Path
from engine.core.catalog import Catalog
from engine.declare.lab_catalog import leave_out_known
from engine.labs.lab import Lab
leave_out_known(Path(sys.argv[1]))
good, bad = Catalog("", Lab).load()
print(sorted(good), [(one.name, one.message) for one in bad])
"""


def keep(data: Path, code: Path, left_out: dict[str, str]) -> None:
    """The document of the labs as somebody has read it before."""
    file = data / "cache" / f"labs-{key(code)}.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"labs": [], "left_out": left_out}))


def test_a_fork_server_names_them_and_trains_the_other_labs(tmp_path: Path) -> None:
    code, data = tmp_path / "code", tmp_path / "data"
    for folder in ("engine", "kernels"):
        shutil.copytree(ROOT / folder, code / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (code / "engine" / "labs" / "moe" / "leaves.py").write_text("import os\nos._exit(5)\n")
    (code / "engine" / "labs" / "common" / "probes" / "crashes.py").write_text("import os\nos.abort()\n")
    (code / "engine" / "labs" / "diffusion" / "loops.py").write_text("while True: pass\n")
    keep(data, code, {"engine/labs/diffusion/loops.py": "It is known to loop."})  # so nobody tries it again
    executor = ForkingExecutor(data, [sys.executable, "-c", IN_THE_COPY.format(root=str(code))], code=lambda: "the copy")
    executor.start()
    assert executor.wait(PATIENCE)
    assert executor.warm, executor.problem
    document = executor.labs()
    assert {error["name"]: error["says"].removeprefix("Reading it ") for error in document["errors"]} == {
        "leaves": "ended Python with exit code 5.",
        "crashes": f"crashed Python with Aborted (signal {signal.SIGABRT.value}).",
        "loops": "It is known to loop.",
    }
    knobs = resolve(find_lab(document, "moe"), "collapse", {**SMALL["moe"], "steps": 2, "device": "cpu"}).nested
    run = new_run(data, "moe", {"preset": "collapse", "knobs": knobs, "who": "test", "parent": None, "twin": None})
    supervisor = Supervisor(data, executor, cores=1, gpus=[])
    until(lambda: (supervisor.step(), run.status() in ENDED)[1])
    supervisor.close()
    assert run.status() == "finished", run.log()
    assert any("crashes.py is left out: Reading it crashed Python with Aborted" in line for line in run.log())


def test_a_plain_worker_knows_them_from_the_document_of_the_labs(tmp_path: Path) -> None:
    code, data = tmp_path / "code", tmp_path / "data"
    topic = small_engine(code)
    plant(topic, {"leaves.py": "import os\nos._exit(5)\n"})
    keep(data, code, {"engine/labs/planted/leaves.py": "It leaves."})
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", LOAD, str(data)], cwd=code, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "['healthy'] [('leaves', 'It leaves.')]", done.stderr
