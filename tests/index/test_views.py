"""People read four views in SQL, and many threads may ask while points arrive."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.index.owner import IndexOwner
from engine.index.schema import ABOUT, COLUMNS
from engine.index.store import Store
from engine.runs.folder import RunFolder
from tests.support.indexed_runs import LAYER, measured, spool_of


@pytest.fixture
def run(owner: IndexOwner) -> RunFolder:
    return measured(owner)


def test_people_read_four_views_without_integer_ids(owner: IndexOwner, run: RunFolder) -> None:
    cursor = owner._indexer.connection.cursor()
    for view, columns in ((name, columns) for name, columns in COLUMNS.items() if name.startswith("main.")):
        found = cursor.execute(f"SELECT * FROM {view} LIMIT 1")
        assert [column[0] for column in found.description] == list(columns)
        found.fetchall()
    assert cursor.execute("SELECT run, lab, status, knobs->>'router' FROM run").fetchall() == [(run.run, "moe", "running", "hash")]
    assert cursor.execute("SELECT value FROM metric WHERE name = 'loss/validation'").fetchall() == [(4.25,)]
    assert cursor.execute("SELECT layer, v FROM vector WHERE step = 33").fetchall()[0][0] == LAYER
    assert cursor.execute("SELECT kind, says FROM event ORDER BY step").fetchall() == [
        ("checkpoint", "Saved."),
        ("spike", "The loss jumped."),
    ]


def test_every_table_view_and_column_says_what_it_is(owner: IndexOwner) -> None:
    cursor = owner._indexer.connection.cursor()
    found = cursor.execute(
        "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    ).fetchall()
    assert {(table, column) for table, column, _ in found} == {(table, column) for table, columns in COLUMNS.items() for column in columns}
    assert all(comment for _, _, comment in found)
    assert set(ABOUT) == set(COLUMNS)


def test_many_threads_may_ask_at_once_while_points_arrive(owner: IndexOwner, run: RunFolder) -> None:
    spool = spool_of(run, 2, 100)
    store: Store = owner.store

    def ask(_: int) -> int:
        shown = store.show(run.run)["metrics"]["loss/train"]["points"]
        return max(shown, store.series(run.run, "loss/train")["count"])

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(ask, range(40))
        for step in range(100, 130):
            spool.log(step, {("loss/train", ""): 1.0})
            owner.step()
        assert all(100 <= answer <= 130 for answer in answers)
    assert owner.store.series(run.run, "loss/train")["count"] == 130
