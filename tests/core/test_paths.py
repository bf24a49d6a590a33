"""Where the data folder is."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.paths import ROOT, data_folder


@pytest.mark.parametrize(("named", "folder"), [("", ROOT / "data"), ("~/lab", Path.home() / "lab"), ("/srv/~lab", Path("/srv/~lab"))])
def test_the_data_folder_may_be_named_from_home(monkeypatch: pytest.MonkeyPatch, named: str, folder: Path) -> None:
    monkeypatch.setenv("FAULTLINE_DATA", named)
    assert data_folder() == folder
