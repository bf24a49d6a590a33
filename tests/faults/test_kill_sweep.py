"""kill -9 of whoever makes a sweep, before each of its changes of the disk: nothing lost, nothing twice, no folder undeclared."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core import locks
from engine.runs.ending import ENDED
from engine.runs.folder import RUN_ID, RunFolder, all_runs
from engine.runs.sweep_file import member_runs, read_sweep, sweep_ids
from engine.scheduler.completion import Completion
from engine.scheduler.control import ABANDONED, remove_leftovers
from engine.scheduler.local import Local
from engine.scheduler.supervisor import Supervisor
from tests.faults.test_kill_worker import FAKE, WORKER, until

MOMENTS = 200  # more than there are


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The data folders that the kills left, the earliest kill first; in the last one nobody was killed."""
    root = tmp_path_factory.mktemp("kills")
    done = subprocess.run(
        [sys.executable, str(FAKE / "sweep_maker.py"), str(root), str(MOMENTS)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert 4 * 9 < int(done.stdout) < MOMENTS, "four changes of the disk for each run"
    return [root / str(moment) for moment in range(int(done.stdout))]


def copied(left: Path, folder: Path) -> Path:
    return Path(shutil.copytree(left, folder / left.name))


def declared(data: Path) -> list[RunFolder]:
    """Every run; a folder under a run's name is one."""
    runs = all_runs(data)
    assert [path.name for path in sorted((data / "runs").iterdir()) if RUN_ID.match(path.name)] == [folder.run for folder in runs]
    return runs


def test_whenever_it_is_killed_the_supervisor_makes_the_rest_once(
    killed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = set()
    for data in (copied(left, tmp_path) for left in killed):
        counts.add(len(declared(data)))
        if not sweep_ids(data):
            assert not declared(data), "the file comes first"
            continue
        completion = Completion(data)
        completion.step()
        completion.step()
        (name,) = sweep_ids(data)
        sweep = read_sweep(data, name)
        assert sweep.complete
        runs = declared(data)
        assert len(runs) == len({(folder.spec() or {})["identity"] for folder in runs}) == 9
        assert set(member_runs(data, sweep).values()) == {folder.run for folder in runs}
        assert [(folder.spec() or {})["who"] for folder in runs] == ["ann"] * 9
        remove_leftovers(data / "runs")
        monkeypatch.setattr("engine.scheduler.control.ABANDONED", -1.0)
        remove_leftovers(data / "runs")
        monkeypatch.setattr("engine.scheduler.control.ABANDONED", ABANDONED)
        assert len(list((data / "runs").iterdir())) == 9
    assert counts == set(range(10)), "it was killed after each number of runs"


def test_killed_after_the_fourth_run_the_next_server_trains_all_nine(killed: list[Path], tmp_path: Path) -> None:
    data = copied(next(data for data in killed if len(all_runs(data)) == 4), tmp_path)
    supervisor = Supervisor(data, Local(WORKER), cores=2, gpus=[])
    until(lambda: len(all_runs(data)) == 9 and all(folder.status() in ENDED for folder in all_runs(data)), supervisor.step)
    supervisor.close()
    assert {folder.status() for folder in declared(data)} == {"finished"}


def test_while_its_maker_lives_nobody_else_makes_its_runs(killed: list[Path], tmp_path: Path) -> None:
    data = copied(next(data for data in killed if len(all_runs(data)) == 5), tmp_path)
    mine = locks.take(data / "sweeps" / "lock")
    assert mine is not None
    completion = Completion(data)
    completion.step()
    assert len(all_runs(data)) == 5
    mine.release()
    completion.step()
    assert len(all_runs(data)) == 9


def test_an_odd_sweep_beside_it_stops_nobody_and_is_told_once(killed: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = copied(next(data for data in killed if len(all_runs(data)) == 6), tmp_path)
    (name,) = sweep_ids(data)
    whole = (data / "sweeps" / f"{name}.json").read_text()
    lie = whole.replace('"steps": 3', '"steps": 4')
    assert lie != whole
    for number, content in enumerate(["", "{", "[" * 100_000, "{}", whole.replace('"format": 1', '"format": 9'), lie]):
        (data / "sweeps" / f"s20000101-00000{number}-toy-abcd.json").write_text(content)
    (data / "sweeps" / "s20000101-000009-toy-abcd.json").symlink_to("/dev/zero")
    supervisor = Supervisor(data, Local(WORKER), cores=1, gpus=[])
    for _ in range(3):
        supervisor.step()
    assert len(all_runs(data)) == 9
    odd = [record.getMessage() for record in caplog.records if "is passed over" in record.getMessage()]
    assert len(odd) == 7
    assert sum("whose knobs are not those of its identity" in message for message in odd) == 1
    assert not [record for record in caplog.records if record.exc_info]
    supervisor.close()
