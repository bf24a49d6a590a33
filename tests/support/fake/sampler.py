"""In the place of the process in which Optuna chooses points: fails, hangs or answers nonsense, as FAKE_SAMPLER says."""

from __future__ import annotations

import os
import signal
import sys
import threading

behave = os.environ["FAKE_SAMPLER"]
if behave == "fail":
    print("Traceback …\nKeyError: 'x'", file=sys.stderr)
    sys.exit(3)
if behave == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if behave == "hang":
    threading.Event().wait()
print({"nonsense": "no JSON", "nothing": "{}", "odd": '{"points": [{}]}'}[behave])
