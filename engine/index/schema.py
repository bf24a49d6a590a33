"""The tables of the index and the views for people; the only place, with the store's readers, where SQL is written.

Integer ids stay inside the schema `store`.  People read four views: `run`, `metric`, `vector` and
`event`; ABOUT and COLUMNS say what each table, view and column means.
"""

from __future__ import annotations

import duckdb

VERSION = 2

TABLES = """
CREATE SCHEMA IF NOT EXISTS store;
CREATE TABLE store.version (version INTEGER);
CREATE TABLE store.run (
    run_id INTEGER, run VARCHAR, lab VARCHAR, preset VARCHAR, status VARCHAR, steps BIGINT, target BIGINT, created DOUBLE, seed BIGINT,
    who VARCHAR, sweep VARCHAR, twin VARCHAR, knobs VARCHAR, loss_train DOUBLE, loss_validation DOUBLE, dropped BIGINT, problem VARCHAR,
    sorted BOOLEAN, folder_time DOUBLE
);
CREATE TABLE store.metric_name (metric_id INTEGER, name VARCHAR, layer VARCHAR, unit VARCHAR, kind VARCHAR, shape INTEGER[]);
CREATE TABLE store.metric_point (run_id INTEGER, metric_id INTEGER, step BIGINT, t DOUBLE, value DOUBLE);
CREATE TABLE store.vector_point (run_id INTEGER, metric_id INTEGER, step BIGINT, t DOUBLE, v FLOAT[]);
CREATE TABLE store.event (
    run_id INTEGER, step BIGINT, t DOUBLE, kind VARCHAR, rule VARCHAR, layer VARCHAR, value DOUBLE, threshold DOUBLE, says VARCHAR
);
CREATE TABLE store.ingest_offset (run_id INTEGER, attempt INTEGER, bytes BIGINT);
"""

VIEWS = """
CREATE VIEW main.run AS
    SELECT run, lab, preset, status, steps, target, created, seed, who, sweep, twin, knobs::JSON AS knobs, loss_train, loss_validation,
           dropped, problem
    FROM store.run;
CREATE VIEW main.metric AS
    SELECT r.run, m.name, m.layer, p.step, p.t, p.value
    FROM store.metric_point p JOIN store.run r USING (run_id) JOIN store.metric_name m USING (metric_id);
CREATE VIEW main.vector AS
    SELECT r.run, m.name, m.layer, p.step, p.t, p.v
    FROM store.vector_point p JOIN store.run r USING (run_id) JOIN store.metric_name m USING (metric_id);
CREATE VIEW main.event AS
    SELECT r.run, e.step, e.kind, e.rule, e.layer, e.value, e.threshold, e.says
    FROM store.event e JOIN store.run r USING (run_id);
"""

_RUN = {
    "run": "id of the run: date, time, lab and four digits",
    "lab": "name of the lab",
    "preset": "name of the preset, empty where none was named",
    "status": "queued, running, held, finished, stopped, diverged, failed, killed, lost or unreadable",
    "steps": "completed optimizer steps",
    "target": "optimizer steps that were asked for",
    "created": "when the run was made, in seconds of unix time",
    "seed": "seed of initialisation and noise",
    "who": "nickname or system user who made the run",
    "sweep": "the sweep it belongs to, empty for none",
    "twin": "the other run of a pair of twins, empty for none",
    "knobs": "every knob under its flat name, as JSON",
    "loss_train": "last value of loss/train",
    "loss_validation": "last value of loss/validation",
    "dropped": "log calls that the disk refused",
    "problem": "a sentence when the declaration could not be read, or a spool not to its end; otherwise empty",
}
_WHERE = {
    "run": "id of the run",
    "name": "metric, such as loss/train or router/load",
    "layer": "dotted module name, empty for the whole model",
    "step": "optimizer step, the first is 0",
    "t": "when it was measured, in seconds of unix time",
}
_EVENT = {
    "step": "optimizer step at which it happened",
    "kind": "spike, divergence, nonfinite, checkpoint, image, intervention, knob and so on",
    "rule": "the detector that fired, or the name of the picture; empty for none",
    "layer": "dotted module name, empty for the whole model",
    "value": "the value that was seen, empty for none",
    "threshold": "the threshold it crossed, empty for none",
    "says": "one sentence for a person",
}
_IDS = {"run_id": "number of the run in this index", "metric_id": "number of the series description in this index"}
_POINT = _IDS | {name: _WHERE[name] for name in ("step", "t")}

ABOUT = {
    "main.run": "One row per run.",
    "main.metric": "Every stored scalar.",
    "main.vector": "Every stored vector, one row per step.",
    "main.event": "Everything that happened at a step.",
    "store.version": "One row: the version of these tables.",
    "store.run": "One row per run.",
    "store.metric_name": "One row per description of a series; a series described anew has several.",
    "store.metric_point": "Scalars: in order of arrival while a run lives, by metric and step once it has ended.",
    "store.vector_point": "Vectors, in the same order.",
    "store.event": "Everything that happened at a step, in order of arrival.",
    "store.ingest_offset": "How far each spool is in the tables, written with the rows themselves; the largest number counts.",
}
COLUMNS: dict[str, dict[str, str]] = {
    "main.run": _RUN,
    "main.metric": {**_WHERE, "value": "the value; NaN and infinities are ordinary values"},
    "main.vector": {**_WHERE, "v": "the values, one list per step"},
    "main.event": {"run": _WHERE["run"], **_EVENT},
    "store.version": {"version": "compared when the file is opened; another one is moved aside"},
    "store.run": {
        "run_id": _IDS["run_id"],
        **_RUN,
        "sorted": "true once its points are sorted and exported",
        "folder_time": "modification time of its folder when nothing was left to do with it, empty before",
    },
    "store.metric_name": {
        "metric_id": _IDS["metric_id"],
        "name": _WHERE["name"],
        "layer": _WHERE["layer"],
        "unit": "unit of the values, empty for none",
        "kind": "scalar or vector",
        "shape": "shape of a vector, empty for a scalar",
    },
    "store.metric_point": {**_POINT, "value": "the value"},
    "store.vector_point": {**_POINT, "v": "the values"},
    "store.event": {"run_id": _IDS["run_id"], "t": _WHERE["t"], **_EVENT},
    "store.ingest_offset": {"run_id": _IDS["run_id"], "attempt": "number of the spool file", "bytes": "bytes of it that were read"},
}


class WrongVersion(Exception):
    """The file was made by another version of the schema: it is moved aside and made again from the runs' files."""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables and views in an empty database; refuse one of another version."""
    found = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'store'").fetchall()[0][0]
    if found:
        versions = connection.execute("SELECT version FROM store.version").fetchall()
        if versions != [(VERSION,)]:
            raise WrongVersion(f"the index has schema version {versions}, this program needs {VERSION}")
        return
    connection.execute(f"BEGIN; {TABLES} {VIEWS} {_comments()} INSERT INTO store.version VALUES ({VERSION}); COMMIT")


def in_memory() -> duckdb.DuckDBPyConnection:
    """An empty database with these tables and views and no file, for whoever describes them."""
    connection = duckdb.connect(":memory:")
    prepare(connection)
    return connection


def _comments() -> str:
    out = []
    for table, about in ABOUT.items():
        kind = "VIEW" if table.startswith("main.") else "TABLE"
        out.append(f"COMMENT ON {kind} {table} IS '{about}';")
        out += [f"COMMENT ON COLUMN {table}.{column} IS '{text}';" for column, text in COLUMNS[table].items()]
    return " ".join(out)
