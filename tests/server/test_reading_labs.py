"""The server gets its labs, whatever happens to the process that was asked for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.core.files import write_json
from engine.scheduler.forking import ForkingExecutor
from engine.server import service


class Dying(ForkingExecutor):
    """A fork server that is warm, and ends when it is asked for the labs."""

    def __init__(self, data: Path, error: Exception) -> None:
        super().__init__(data)
        self.error = error
        self._warm.set()

    @property
    def warm(self) -> bool:
        return True

    def current(self) -> bool:
        return True

    def labs(self, seconds: float = 300.0) -> dict[str, Any]:
        raise self.error


@pytest.mark.parametrize("error", [ConnectionError("the fork server has gone"), TimeoutError()], ids=lambda error: type(error).__name__)
def test_labs_come_from_a_process_of_their_own_where_the_fork_server_is_killed_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    document = {"labs": [], "probes": [], "detectors": [], "errors": [], "left_out": {}}
    monkeypatch.setattr(service, "compute_in_child", lambda file, progress, root: write_json(file, document))
    catalog = service._Catalog(tmp_path, Dying(tmp_path, error))
    catalog.refresh()
    assert catalog.wait(60)["labs"] == []
    assert catalog.now()["state"] == "ready"
