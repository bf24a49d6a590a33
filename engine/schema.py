"""The tables of the index and the views for people; the only place, with the store's readers, where SQL is written.

Integer ids stay inside the schema `store`.  People read four views: `run`, `metric`, `vector` and
`event`; COLUMNS says what each of their columns means.
"""

from __future__ import annotations

import duckdb

VERSION = 1

TABLES = """
CREATE SCHEMA IF NOT EXISTS store;
CREATE TABLE store.version (version INTEGER);
CREATE TABLE store.run (
    run_id INTEGER, run VARCHAR, lab VARCHAR, preset VARCHAR, status VARCHAR, steps BIGINT, target BIGINT, created DOUBLE, seed BIGINT,
    who VARCHAR, sweep VARCHAR, twin VARCHAR, knobs VARCHAR, loss_train DOUBLE, loss_validation DOUBLE, dropped BIGINT, problem VARCHAR,
    sorted BOOLEAN
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

COLUMNS: dict[str, dict[str, str]] = {
    "run": {
        "run": "id of the run: date, time, lab and four digits",
        "lab": "name of the lab",
        "preset": "name of the preset, empty where none was named",
        "status": "queued, running, held, finished, stopped, diverged, failed, killed or lost",
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
        "problem": "a sentence when a spool could not be read to its end, otherwise empty",
    },
    "metric": {
        "run": "id of the run",
        "name": "metric, such as loss/train or grad_norm",
        "layer": "dotted module name, empty for the whole model",
        "step": "optimizer step, the first is 0",
        "t": "when it was measured, in seconds of unix time",
        "value": "the value; NaN and infinities are ordinary values",
    },
    "vector": {
        "run": "id of the run",
        "name": "metric, such as router/load",
        "layer": "dotted module name, empty for the whole model",
        "step": "optimizer step, the first is 0",
        "t": "when it was measured, in seconds of unix time",
        "v": "the values, one list per step",
    },
    "event": {
        "run": "id of the run",
        "step": "optimizer step at which it happened",
        "kind": "spike, divergence, nonfinite, checkpoint, image, intervention, knob and so on",
        "rule": "the detector that fired, empty for none",
        "layer": "dotted module name, empty for the whole model",
        "value": "the value that was seen, empty for none",
        "threshold": "the threshold it crossed, empty for none",
        "says": "one sentence for a person",
    },
}

TABLES_ABOUT = {
    "store.version": "The version of this schema; another one means that the index is made again.",
    "store.run": "One row per run, as its files last told.",
    "store.metric_name": "The series that were ever described, each with an integer id.",
    "store.metric_point": "One row per scalar: in order of arrival while a run is live, sorted by metric and step once it has ended.",
    "store.vector_point": "One row per vector and step.",
    "store.event": "What detectors and the training itself reported.",
    "store.ingest_offset": "How far each spool was read; moves in the same transaction as the rows it gave.",
    "main.run": "One row per run.",
    "main.metric": "Every stored scalar.",
    "main.vector": "Every stored vector.",
    "main.event": "Every event.",
}

INTERNAL_COLUMNS = {
    **{name: about for columns in COLUMNS.values() for name, about in columns.items()},
    "version": "version of the schema",
    "run_id": "integer id of the run, for this index only",
    "metric_id": "integer id of the series, for this index only",
    "unit": "unit of the values, empty for a pure number",
    "kind": "scalar or vector; of an event: spike, divergence, nonfinite and so on",
    "shape": "shape of a vector",
    "sorted": "true once the run has ended and its points are stored in order",
    "attempt": "number of the spool: every resume writes its own",
    "bytes": "how many bytes of the spool are in the index",
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
    connection.execute("BEGIN")
    for statement in (TABLES + VIEWS).split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for table, about in TABLES_ABOUT.items():
        connection.execute(f"COMMENT ON {'VIEW' if table.startswith('main') else 'TABLE'} {table} IS '{about}'")
    for schema, table, column in connection.execute(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        known = COLUMNS[table] if schema == "main" else INTERNAL_COLUMNS
        connection.execute(f"COMMENT ON COLUMN {schema}.{table}.{column} IS '{known[column]}'")
    connection.execute(f"INSERT INTO store.version VALUES ({VERSION})")
    connection.execute("COMMIT")
