"""The `show` document for people: what ran, how it ended, and the last value of every metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.commands._answer import table


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    preset = f" --preset {document['preset']}" if document["preset"] else ""
    yield f"{document['run']}: {document['lab']}{preset}, {document['status']} after {document['steps']} steps"
    if document["says"]:
        yield f"  {document['says']}"
    if document["parent"]:
        yield f"  made from {document['parent']}"
    yield f"  knobs: {' '.join(f'{k}={v}' for k, v in document['knobs'].items())}"
    for event in document["events"][:20]:
        yield f"  step {event['step']}: {_event(event)}"
    if len(document["events"]) > 20:
        yield f"  … and {len(document['events']) - 20} more events"
    rows = [[key, m["points"], _last(m["last"]), m["min"], m["max"], m["nonfinite"], m["unit"]] for key, m in document["metrics"].items()]
    if rows:
        yield ""
        yield from table(["metric", "points", "last", "min", "max", "non-finite", "unit"], rows)


def _event(event: Mapping[str, Any]) -> str:
    """Its kind, the rule that made it where one did, for two rules may tell of one kind, and what it says; of a picture the name."""
    if event["kind"] == "image" or event["rule"] in ("", event["kind"]):
        return f"{event['kind']} {event['rule'] if event['kind'] == 'image' else event['says']}"
    return f"{event['kind']} ({event['rule']}) {event['says']}"


def _last(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    shown = " ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in value[:4])
    return f"[{shown}{' …' if len(value) > 4 else ''}]"
