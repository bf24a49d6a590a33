"""What several tests share: the command line over one toy lab with workers without a model, and owners of a folder."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engine import __main__ as command_line
from engine.commands import labs as labs_command
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder
from engine.scheduler.local import Local
from engine.server import service as service_module
from engine.server.service import Service
from tests.support.indexed_runs import Owners, begin, log, spool_of, told_step
from tests.support.stored_sets import write_text_set
from tests.support.toy import DOCUMENT, WORKER, Answer

settings.register_profile("suite", deadline=None)  # an example on a busy machine may take a second, which is no failure
settings.load_profile("suite")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose workers do not outlive the test."""
    yield tmp_path
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def kept_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for the feature networks of all tests, so that each is trained once."""
    return tmp_path_factory.mktemp("networks")


@pytest.fixture
def networks(kept_networks: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, for one test."""
    monkeypatch.setenv("FAULTLINE_DATA", str(kept_networks))
    return kept_networks


@pytest.fixture(scope="session")
def folder_of_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the set that `graph=stored` takes by default: a few graphs of ours in the form of a TUDataset."""
    data = tmp_path_factory.mktemp("sets")
    write_text_set(data / "sets" / "MUTAG")
    return data


@pytest.fixture
def stored_set(folder_of_sets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, for one test."""
    monkeypatch.setenv("FAULTLINE_DATA", str(folder_of_sets))
    return folder_of_sets


@pytest.fixture
def toy_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder, a catalog with one toy lab, and workers without a model."""
    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    monkeypatch.setattr(labs_command, "labs_document", lambda *_, **__: DOCUMENT)
    monkeypatch.setattr("engine.scheduler.supervisor.Local", lambda: Local(WORKER))
    monkeypatch.setattr("engine.commands.sweep.executor", lambda: Local(WORKER))
    yield tmp_path
    for folder in (RunFolder(p) for p in (tmp_path / "runs").glob("*")):
        process = folder.process()
        if process is not None and process.alive():
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def engine(toy_data: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """`engine("run", "toy")` -> exit code, what stdout said (parsed with --json), stderr."""

    def call(*arguments: str) -> Answer:
        code = command_line.main(list(arguments))
        out, err = capfd.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


@pytest.fixture
def owners(tmp_path: Path) -> Iterator[Owners]:
    """Makes owners of one data folder; the first owns it, others read."""
    made = Owners(tmp_path)
    yield made
    for one in made.made:
        one.stop()


@pytest.fixture
def owner(owners: Owners) -> IndexOwner:
    return owners()


@pytest.fixture
def lived(owner: IndexOwner) -> list[RunFolder]:
    """A finished run, one with two attempts and a torn tail, a living one and a queued one, all in the index."""
    finished, torn, living, queued = (begin(owner.data, living=i < 3) for i in range(4))
    log(spool_of(finished), range(100))
    finished.write_exit("finished", code=0)
    log(spool_of(torn), range(40))
    log(spool_of(torn, 2, start=25), range(25, 60), scale=3.0)
    with open(torn.path / "spool.2.bin", "ab") as file:
        file.write(b"torn")
    torn.write_exit("killed", by_signal=9)
    log(spool_of(living), range(30))
    told_step(living, 30)
    owner.catch_up()
    return [finished, torn, living, queued]


@pytest.fixture
def lab_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service over an empty folder that knows every lab at once and starts no run and no fork server."""
    from tests.support.lab_pages import ENTRIES  # torch and streamlit, which few tests need

    monkeypatch.setenv("FAULTLINE_DATA", str(tmp_path))
    nothing = {"probes": [], "errors": [], "seconds": 0.0, "says": ""}
    document = {"labs": list(ENTRIES.values()), **nothing}
    monkeypatch.setattr(Service, "labs", lambda self: {"state": "ready", **document})
    monkeypatch.setattr(Service, "wait_for_labs", lambda self, seconds=0: document)
    monkeypatch.setattr("engine.server.service._Catalog.refresh", lambda self: None)
    monkeypatch.setattr("engine.scheduler.supervisor.Supervisor.start", lambda self: None)
    monkeypatch.setattr("engine.scheduler.forking.ForkingExecutor.start", lambda self: None)
    yield service_module.service()
    service_module.close()
