"""`python -m engine.worker RUN_FOLDER …`."""

import sys

from engine.core.paths import data_folder
from engine.declare.lab_catalog import leave_out_known
from engine.worker.main import main

if __name__ == "__main__":
    leave_out_known(data_folder())
    sys.exit(main(sys.argv[1:]))
