"""The index can be made again at any time: on request, when it is damaged, when a spool is not what it was."""

from __future__ import annotations

import contextlib
from typing import Any

import duckdb
import pytest

from engine.index import transaction
from engine.index.owner import IndexOwner
from engine.runs.folder import RunFolder
from tests.support.indexed_runs import Owners, everything, log, points_in, points_of, spool_of


def test_rebuild_gives_the_same_answers(owner: IndexOwner, lived: list[RunFolder]) -> None:
    before = [everything(owner, folder.run) for folder in lived]
    told = owner.rebuild()
    assert [everything(owner, folder.run) for folder in lived] == before
    assert told["runs"] == 4
    assert told["points"] == sum(len(points_of(folder)) for folder in lived) + 50 + 30 + 15
    assert len(told["problems"]) == 1
    assert "torn frame" in told["problems"][0]
    log(spool_of(lived[3]), range(5))
    owner.catch_up()
    assert points_in(owner.store, lived[3].run) == points_of(lived[3])


def _garbage(owner: IndexOwner) -> None:
    owner.file.write_bytes(b"\x00garbage" * 1000)


def _flipped(owner: IndexOwner) -> None:
    whole = bytearray(owner.file.read_bytes())
    for at in range(12_288 + 100, len(whole), 4096):
        whole[at] ^= 0xFF
    owner.file.write_bytes(bytes(whole))


def _older(owner: IndexOwner) -> None:
    with duckdb.connect(str(owner.file)) as connection:
        connection.execute("UPDATE store.version SET version = 0")


@pytest.mark.parametrize("harm", [_garbage, _flipped, _older])
def test_an_index_that_cannot_be_used_is_moved_aside_and_made_again(
    owners: Owners, owner: IndexOwner, lived: list[RunFolder], harm: Any
) -> None:
    before = [everything(owner, folder.run) for folder in lived]
    owner.stop()
    harm(owner)
    again = owners()
    passes_that_succeed(again)
    assert [everything(again, folder.run) for folder in lived] == before
    assert "faultline.duckdb.damaged-" in again.problem
    assert list(owner.data.glob("faultline.duckdb.damaged-*"))


def passes_that_succeed(owner: IndexOwner) -> None:
    """A pass that meets the damage fails; one of the next repairs it."""
    for _ in range(3):
        try:
            owner.catch_up()
            return
        except duckdb.Error:
            continue
    raise AssertionError(owner.problem)


def test_damage_found_by_a_question_is_repaired_by_the_next_pass(owner: IndexOwner, lived: list[RunFolder]) -> None:
    before = [everything(owner, folder.run) for folder in lived]
    owner._indexer.connection.cursor().execute("CHECKPOINT")
    _flipped(owner)
    cursor = owner._indexer.connection.cursor()
    cursor.execute("SET memory_limit = '1MB'")  # forget what was read before
    cursor.execute("RESET memory_limit")
    cursor.close()
    for folder in lived:
        with contextlib.suppress(duckdb.Error):
            everything(owner, folder.run)
    passes_that_succeed(owner)
    assert "moved aside" in owner.problem
    assert [everything(owner, folder.run) for folder in lived] == before


def test_a_full_disk_is_no_damage(owner: IndexOwner, lived: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    save_offsets = transaction._save_offsets
    for error in (duckdb.IOException("No space left on device"), duckdb.TransactionException("Failed to commit: No space left on device")):

        def full(*rows: Any, failure: Exception = error) -> None:
            if not owner.lazy:  # memory is never full
                raise failure
            save_offsets(*rows)

        log(spool_of(lived[3], 1 + len(list(lived[3].path.glob("spool.*")))), range(5))
        with monkeypatch.context() as patch:
            patch.setattr("engine.index.transaction._save_offsets", full)
            before = [everything(owner, folder.run) for folder in lived[:3]]
            owner.catch_up()
            assert owner.problem == "The index cannot be written, for the disk is full: runs are read from their own files until it can."
            assert [everything(owner, folder.run) for folder in lived[:3]] == before
            assert owner.store.names(lived[3].run), "what the file could not take is read as well"
            monkeypatch.setattr(owner, "_next_try", 0.0)
        assert owner.promote()
        assert owner.problem == ""
        assert not owner.lazy
        owner.catch_up()
        assert [everything(owner, folder.run) for folder in lived[:3]] == before
    assert not list(owner.data.glob("*.damaged*"))


def test_a_file_that_may_not_be_opened_is_left_alone(owners: Owners, owner: IndexOwner, lived: list[RunFolder]) -> None:
    before = [everything(owner, folder.run) for folder in lived]
    owner.stop()
    owner.file.rename(owner.file.with_suffix(".kept"))
    owner.file.mkdir()
    again = owners()
    assert "cannot be opened" in again.problem
    assert [everything(again, folder.run) for folder in lived] == before
    assert owner.file.is_dir()


def test_a_spool_shorter_than_what_was_read_makes_its_run_be_read_again_and_no_other(
    owners: Owners, owner: IndexOwner, lived: list[RunFolder]
) -> None:
    finished, _, living, _ = lived
    untouched = everything(owner, finished.run)
    owner.stop()
    spool = living.path / "spool.1.bin"
    spool.write_bytes(spool.read_bytes()[:-1500])
    news: list[dict] = []
    again = owners()
    again.subscribe({living.run}, news.append)
    again.catch_up()
    assert points_in(again.store, living.run) == points_of(living)
    assert again.store.upto(living.run) < 29
    assert everything(again, finished.run) == untouched
    assert news[0]["reset"] == 0


def test_another_spool_under_the_same_name_is_read_from_its_beginning(owners: Owners, owner: IndexOwner, lived: list[RunFolder]) -> None:
    living = lived[2]
    owner.stop()
    (living.path / "spool.1.bin").unlink()
    spool = spool_of(living)
    spool.log(0, {("another", "longer.than.before"): 1.0})
    log(spool, range(200))
    again = owners()
    again.catch_up()
    assert points_in(again.store, living.run) == points_of(living)


def test_pruned_spools_cost_nothing_that_was_read(owners: Owners, owner: IndexOwner, lived: list[RunFolder]) -> None:
    before = everything(owner, lived[0].run)
    (lived[0].path / "spool.1.bin").unlink()
    owner.stop()
    again = owners()
    again.catch_up()
    assert everything(again, lived[0].run) == before
