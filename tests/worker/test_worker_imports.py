"""What a worker loads: it starts fast and fits on a cluster image that has no database and no page."""

from __future__ import annotations

import subprocess
import sys

from engine.core.catalog import Catalog
from engine.labs.lab import Lab

FORBIDDEN = {"duckdb", "polars", "plotly", "streamlit", "pyarrow", "pandas", "pages", "starlette"}
ASK = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def loaded(code: str) -> set[str]:
    """Top-level modules after `code` in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", f"{code}\n{ASK}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


CATALOGS = """
from engine.core.catalog import Catalog
from engine.labs.lab import Lab
from engine.labs.probe import Probe
from engine.labs.detector import Detector
"""


def test_a_worker_with_its_lab_loads_no_database_and_no_page() -> None:
    """All labs one after the other in one interpreter: if none of them loads it there, a worker of one does not."""
    build = f"for lab in {Catalog('', Lab).names()!r}: Catalog('', Lab)[lab].model_validate({{}}).model()"
    attach = "Catalog('probes', Probe).load(), Catalog('detectors', Detector).load()"
    modules = loaded(f"import engine.worker.main, engine.worker.fit, engine.worker.provenance\n{CATALOGS}\n{build}\n{attach}")
    assert {"torch", "lightning", "numpy"} <= modules
    assert not modules & FORBIDDEN


def test_the_worker_module_itself_is_light() -> None:
    assert not loaded("import engine.worker.main") & {"torch", "lightning", "numpy", *FORBIDDEN}


def test_detectors_are_pure_python() -> None:
    load = "assert not Catalog('detectors', Detector).load()[1]"
    assert not loaded(f"{CATALOGS}\n{load}") & {"torch", "lightning", "numpy", *FORBIDDEN}
