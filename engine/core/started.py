"""The modules that are started as processes of their own, by name: the only place where a string names a module."""

from __future__ import annotations

COMMANDS = "engine"  # VERB …: the command line
WORKER = "engine.worker"  # RUN_FOLDER …: trains one run, or several together
STACKING = "engine.worker.stacking_cost"  # RUN_FOLDER …: measures whether these train faster together
DATA_TODAY = "engine.worker.data_today"  # RUN_FOLDER: what it would be trained on here; answer on stdout
FORK_SERVER = "engine.worker.fork_server"  # FD: forks workers and panels
DESCRIBE = "engine.labs.reading"  # FILE: writes the document of the labs
SAMPLER = "engine.search.sampler"  # chooses points through Optuna; question on stdin, answer on stdout
PANEL = "engine.labs.panel_frames"  # computes one panel; question on stdin, answer on stdout
