"""Text that wants to be more than text, and a run that carries it wherever a run may carry text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.core.files import read_json, write_json
from engine.runs.event import Event
from tests.support.made_runs import MadeRun, readings

HOSTILE = {  # what it tries -> the text
    "picture": "![a](http://evil.example/a.png)",
    "link": "[click](http://evil.example/b)",
    "link by reference": "[c]: http://evil.example/c",
    "bare URL": "http://evil.example/d?e=f",
    "bare URL in capitals": "HTTPS://EVIL.EXAMPLE/d",
    "bare URL after a sign": "(http://evil.example/d)",
    "bare www": "www.evil.example/e",
    "mail": "press.here@evil.example",
    "angle brackets": "<http://evil.example/f>",
    "escaped link": r"\[a\](http\://evil.example/g)",
    "entities": "&#91;a&#93;&#40;http&#58;//evil.example&#41;",
    "colour": ":red[evil]",
    "background": ":red-background[evil]",
    "badge": ":green-badge[evil]",
    "small": ":small[evil]",
    "icon": ":material/verified:",
    "emoji": ":skull:",
    "logo": ":streamlit:",
    "fence": "``` evil ```",
    "long fence": "~~~ evil",
    "code span": "`evil`",
    "bold": "**evil** __evil__ *evil* ~~evil~~",
    "heading": "# evil",
    "list": "- evil",
    "table": "| evil | x | --- |",
    "maths": r"$\href{http://evil.example/h}{evil}$ $$evil$$",
    "HTML picture": '<img src="http://evil.example/i.png" onerror="alert(1)">',
    "HTML link": '<a href="http://evil.example/j">evil</a>',
    "HTML script": "<script>fetch('http://evil.example/k')</script>",
    "script as a link": "[evil](javascript:alert(1))",
    "footnote": "[^evil] [^evil]: http://evil.example/l",
    "arrow": "evil -> evil",
}
MANY = " ".join(HOSTILE[what] for what in ("picture", "bare URL", "bare www", "mail", "colour", "icon", "HTML link", "code span", "table"))


def hostile_run(data: Path, *, status: str = "failed", text: str = MANY) -> MadeRun:
    """A run whose every text is `text`; "running" and "queued" are not ended."""
    made = MadeRun(data, preset=text, steps=20, knobs={"seed": 0, "steps": 20, text: text, "router": {"is": text, text: text}})
    made.declare()
    file = made.folder.path / "spec.json"
    write_json(file, {**(read_json(file) or {}), "who": text, "parent": text, "sweep": text})
    provenance: dict[str, Any] = {"commit": text, text: {text: text}, "each": HOSTILE}
    write_json(made.folder.path / "provenance.json", provenance)
    (made.folder.path / "out.log").write_text(f"{text}\n")
    for step in range(20):
        scalars, _ = readings(step, healthy=True)
        layered = {name.partition("@")[0] + (f"@{text}" if "@" in name else ""): value for name, value in scalars.items()}
        events = [Event(step, "spike", rule=text, layer=text, value=1.0, message=text)] if step == 10 else []
        made.log(layered, events=events)
    write_json(made.folder.path / "state.json", {"step": 20, "steps": 20, "phase": text, "step_seconds": 0.1, "dropped": 0, "attempt": 1})
    if status == "queued":
        (made.folder.path / "proc.json").unlink()
    elif status != "running":
        made.spool.close()
        made.folder.write_exit(status, message=text)
    return made
