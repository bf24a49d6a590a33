"""CPU seconds that a forked child takes for one edit of a graph: `python -m tests.benchmarks.edit_child KNOBS_AS_JSON TRIES`.

As the fork server does it: what the panel imports is loaded before, and the child is new, so that it meets every page of memory anew.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from typing import Any

from engine.core.catalog import LABS, module_of
from engine.labs.panel import panel
from engine.labs.panel_frames import answer
from engine.worker import panel_libraries

SECONDS = 60.0


def child(knobs: dict[str, Any]) -> float:
    """CPU seconds from the question to the answer as JSON."""
    gc.collect()
    gc.freeze()
    reading, writing = os.pipe()
    with panel_libraries.one_thread():
        pid = os.fork()
        if not pid:
            began = time.process_time()
            told = json.dumps(answer("topology", knobs, SECONDS), allow_nan=False)
            spent = time.process_time() - began if told.startswith('{"frames"') else told
            os.write(writing, json.dumps(spent).encode())
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as file:
        return json.loads(file.read())


if __name__ == "__main__":
    panel_libraries.load()
    panel("topology")
    for folder in ("datasets", "remedies/graph", "remedies/rewiring"):
        for file in sorted((LABS / "gnn" / folder).glob("*.py")):
            if file.stem != "examples":  # needs torch
                importlib.import_module(module_of(file).removesuffix(".__init__"))
    json.dump([child(json.loads(sys.argv[1])) for _ in range(int(sys.argv[2]))], sys.stdout)
