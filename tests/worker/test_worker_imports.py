"""What a worker loads: it starts fast and fits on a cluster image that has no database and no page."""

from __future__ import annotations

import json
import subprocess
import sys

from engine.core.catalog import Catalog
from engine.labs.lab import Lab

FORBIDDEN = {"duckdb", "polars", "plotly", "streamlit", "pyarrow", "pandas", "pages", "starlette", "torch_geometric"}
PYG = {"torch_geometric", "pandas", "pyarrow"}  # the one exception: pandas comes with torch_geometric, and pyarrow with pandas
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
    trained = [name for name, lab in Catalog("", Lab).load()[0].items() if "play" not in lab.provides]
    build = f"for lab in {trained!r}: Catalog('', Lab)[lab].model_validate({{}}).model()"
    build += "\nCatalog('', Lab)['trainability'].model_validate({}).network().weights()"
    attach = "Catalog('probes', Probe).load(), Catalog('detectors', Detector).load()"
    forked = "from engine.labs.reading import import_all; import_all()"
    worker = "import engine.worker.main, engine.worker.fit, engine.worker.play, engine.worker.provenance"
    modules = loaded("\n".join([worker, CATALOGS, build, attach, forked]))
    assert {"torch", "lightning", "numpy"} <= modules
    assert not modules & FORBIDDEN


WATCHED = """
import json, os, socket, sys
import lightning, scipy.sparse.csgraph
from engine.labs.gnn.gnn import Gnn

seen = []

def watch(event, args):
    writes = event == "open" and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and args[0] != os.devnull
    changes = event in ("os.mkdir", "os.rename", "os.remove", "os.symlink", "tempfile.mkstemp", "subprocess.Popen")
    reaches = event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")
    if writes or changes or reaches or (event == "socket.bind" and args[1][0] not in ("::1", "127.0.0.1")):
        seen.append([event, str(args)])

sys.addaudithook(watch)
sys.dont_write_bytecode = True
for layer in ("gcn", "gin", "sage", "gat", "gated_gcn"):
    lab = Gnn(propagation="pyg", layer=layer, width=8, layers=2)
    model, batch = lab.model(), lab.batch(0)
    lab.loss(model, batch, 0)["train"].backward()
print(json.dumps([seen, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_a_worker_that_computes_with_pyg_loads_pandas_for_it_and_neither_writes_a_file_nor_asks_the_network() -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    seen, modules = json.loads(done.stdout)
    assert seen == []
    assert {*modules} & FORBIDDEN == PYG


def test_the_worker_module_itself_is_light() -> None:
    assert not loaded("import engine.worker.main") & {"torch", "lightning", "numpy", *FORBIDDEN}


def test_detectors_are_pure_python() -> None:
    load = "assert not Catalog('detectors', Detector).load()[1]"
    assert not loaded(f"{CATALOGS}\n{load}") & {"torch", "lightning", "numpy", *FORBIDDEN}
