"""What a run would be trained on here today: the data's provenance as its lab computes it, as one JSON document.

    {"data": {…}}  or  {"problem": "one sentence without its full stop"}

`python -m engine.worker.data_today RUN_FOLDER` writes it to stdout; a fork server writes it from a fork.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from engine.core.paths import data_folder
from engine.declare.lab_catalog import leave_out_known
from engine.runs.folder import RunFolder
from engine.worker.life import load_lab, sentence


def answer(folder: RunFolder) -> dict[str, Any]:
    try:
        return {"data": load_lab(folder.spec()).provenance()}
    except Exception as error:  # a newcomer's lab may raise anything
        return {"problem": sentence(error).rstrip(".")}


if __name__ == "__main__":
    leave_out_known(data_folder())
    sys.stdout.write(f"\n{json.dumps(answer(RunFolder(Path(sys.argv[1]))))}\n")
