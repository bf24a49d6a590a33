"""Text of runs, of the address and of errors is shown as it is: no picture, no link, no colour comes of it, on any page."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go
import polars as pl
import pytest
from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest

from engine.core.paths import ROOT
from engine.server.service import Service
from pages.parts.plain import JOINER, code, figure_data, plain, plain_cells
from tests.pages.test_pages import opened, taken_in
from tests.support.hostile_text import HOSTILE, MANY, hostile_run

# What would become more than text, once code is taken out; a backslash or a joiner before or in it keeps it text.
ACTIVE = re.compile(
    r"(?<!\\)\[[^\]]*(?<!\\)\]\((?:http|javascript)|https?://evil|www\.evil|\w@evil|(?<!\\):red\[evil|:material/verified:|(?<!\\)<(?:a|img|script)|(?<!\\)`",
    re.IGNORECASE,
)
SPAN = re.compile(r"(?<![`\\])(`+)(?!`)(?:.*?[^`])\1(?!`)", re.DOTALL)
AS_IT_IS = {"code", "text", "text_input", "arrow_data_frame", "bidi_component", "component_instance", "selectbox", "multiselect", "html"}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_is_left_of_what_a_text_tries(what: str) -> None:
    text = HOSTILE[what]
    for written in (plain(text), f"a {plain(text)} b", code(text)):
        assert not ACTIVE.search(SPAN.sub("", written)), written
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(text)).replace(JOINER, "")
    assert shown == " ".join(text.split()), "and nothing of it is lost"


def test_lines_and_signs_that_cannot_be_seen_do_not_survive() -> None:
    assert plain("a\n\n# b\r\n    c\td") == r"a \# b c d"
    assert plain("\u202egnp.exe\x00\x1b[31m\udcff") == "\ufffdgnp.exe\ufffd\ufffd\\[31m\ufffd"
    assert code("``a`` b\nc") == "``` ``a`` b c ```"


def test_cells_and_heads_of_a_table_are_plain_and_numbers_stay_numbers() -> None:
    frame = plain_cells(pl.DataFrame({MANY: [MANY], "n": [0.5]}))
    assert frame.columns == [plain(MANY), "n"]
    assert frame.row(0) == (plain(MANY), 0.5)


def test_a_figure_takes_no_link_and_keeps_its_other_tags() -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[1], name=HOSTILE["HTML link"], text=["<b>bold</b><br><A href='x'>y</A>"]))
    trace = figure_data(figure)["data"][0]
    assert trace["name"].startswith("‹a href")
    assert trace["text"] == ["<b>bold</b><br>‹A href='x'>y</A>"] or trace["text"] == ["<b>bold</b><br>‹a href='x'>y</A>"]


# -- every page, with runs, addresses and errors that carry it ------------------------------------------------


def texts(test: AppTest) -> Iterator[tuple[str, str]]:
    """(kind of element, text) of everything on the page that is drawn as Markdown, labels and tooltips too."""
    waiting: list[Any] = [test._tree]
    while waiting:
        node = waiting.pop()
        waiting += list(getattr(node, "children", {}).values())
        kind = getattr(node, "type", "")
        if kind == "table":
            yield from ((kind, text) for text in (*node.value.columns, *node.value.astype(str).to_numpy().ravel()))
        elif kind not in AS_IT_IS and getattr(node, "proto", None) is not None:
            yield from ((kind, text) for name, text in named(MessageToDict(node.proto)) if name not in ("id", "url", "queryString", "page"))


def named(thing: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(thing, dict):
        for inner, value in thing.items():
            yield from named(value, inner)
    elif isinstance(thing, list):
        for value in thing:
            yield from named(value, name)
    elif isinstance(thing, str):
        yield name, thing


def active(test: AppTest) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in texts(test) if "evil" in text.lower() and ACTIVE.search(SPAN.sub("", text))]


def shown(test: AppTest) -> int:
    return sum("evil" in text.lower() for _, text in texts(test))


@pytest.mark.parametrize("status", ["failed", "diverged", "running", "queued"])
def test_a_run_that_carries_it_is_shown_as_it_is_on_every_page(lab_service: Service, status: str) -> None:
    made = hostile_run(lab_service.data, status=status)
    if status != "queued":
        taken_in(lab_service, made)
    lab_service.owner.step()
    for page, query in (
        ("run.py", {"run": made.run}),
        ("runs.py", {"differing": "true"}),
        ("compare.py", {"run": made.run}),
        ("machine.py", {}),
        ("", {}),
        ("build.py", {"from": made.run}),
    ):
        test = opened(page, **query)
        assert active(test) == []
        if page == "run.py":
            assert shown(test) >= 3
    for tab in ("Provenance", "Log", "Download"):
        test = AppTest.from_file(str(ROOT / "pages" / "shell.py"), default_timeout=60)
        test.session_state["below"] = tab
        test.query_params["run"] = made.run
        test.run()
        test.switch_page("run.py").run()
        assert not test.exception
        assert active(test) == []


def test_the_search_finds_what_is_not_plain(lab_service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = hostile_run(lab_service.data)
    taken_in(lab_service, made)
    monkeypatch.setattr("pages.parts.runs.header.plain", str)
    assert active(opened("run.py", run=made.run))


@pytest.mark.parametrize("what", ["picture", "bare URL", "colour", "code span", "HTML link"])
@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("run.py", ["run"]),
        ("lab.py", ["lab"]),
        ("build.py", ["from", "lab", "preset"]),
        ("runs.py", ["text"]),
        ("topology.py", ["graph", "seed", "edits", "rewiring"]),
    ],
)
def test_an_address_that_carries_it_is_answered_as_it_is(lab_service: Service, page: str, names: list[str], what: str) -> None:
    """A run of hostile name, a lab, a preset, a filter."""
    test = opened(page, **dict.fromkeys(names, HOSTILE[what]))
    assert active(test) == []
    if page in ("run.py", "lab.py", "topology.py"):
        assert shown(test)


def test_knobs_of_a_link_are_fields_and_sentences_and_nothing_more(lab_service: Service) -> None:
    test = opened("build.py", lab="moe", preset="collapse", knobs=shlex.join([f"steps={MANY}", f"lr={HOSTILE['picture']}", f"{MANY}=1"]))
    assert active(test) == []
    assert shown(test)


@pytest.mark.parametrize("page", ["", "lab.py", "build.py", "runs.py", "machine.py", "topology.py"])
def test_an_error_that_carries_it_is_told_as_it_is(lab_service: Service, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    broken = {"file": f"labs/{MANY}.py", "says": MANY, "kind": "lab", "name": MANY}
    answer = {"state": "failed", "labs": [], "probes": [], "errors": [broken], "seconds": 0.0, "says": MANY}
    monkeypatch.setattr(Service, "labs", lambda self: answer)
    lab_service.supervisor.problem = lab_service.owner.problem = MANY
    monkeypatch.setattr("engine.server.doctor.index", lambda data: ("index", False, MANY))
    test = opened(page)
    assert active(test) == []
    assert shown(test) >= 2


# -- and what the pages will say tomorrow ----------------------------------------------------------------------

SINKS = {
    *("markdown", "caption", "title", "header", "subheader", "write", "error", "warning", "info", "success", "toast", "badge", "metric"),
    *(
        "button",
        "page_link",
        "link_button",
        "expander",
        "progress",
        "spinner",
        "toggle",
        "dialog",
        "status",
        "table",
        "popover",
        "checkbox",
    ),
}
WRITTEN_BY_OTHERS = {"error", "spec", "specs", "row", "told", "message", "source", "asked", "missing", "problem", "query_params", "refused"}
HARMLESS = {"plain", "code", "plain_cells", "len", "int", "float", "type", "duration", "ago", "inline", "difference"}


def loose(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of what somebody else wrote and that is drawn as Markdown without having passed through `plain` or `code`."""
    caught = {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in SINKS and isinstance(called.value, ast.Name) and called.value.id == "st":
            for part in [*node.args, *(word.value for word in node.keywords if word.arg in ("label", "text", "help", "body", "title"))]:
                yield from ((node.lineno, name) for name in names_in(part) if name in WRITTEN_BY_OTHERS | caught)


def names_in(node: ast.AST) -> Iterator[str]:
    """Names whose text ends up in the value of an expression; what is only compared, counted or escaped does not."""
    if isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and node.attr == "query_params"):
        yield node.id if isinstance(node, ast.Name) else node.attr
    if isinstance(node, ast.Call):
        by = node.args[0] if ast.unparse(node.func) == "map" else node.func
        if ast.unparse(by).rpartition(".")[2] in HARMLESS:
            return
    if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        return  # a number
    if isinstance(node, ast.IfExp):
        yield from (name for part in (node.body, node.orelse) for name in names_in(part))
        return
    if not isinstance(node, ast.Compare | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from names_in(child)


def test_no_page_draws_the_text_of_others_as_markdown() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name} passes through neither plain() nor code()"
        for file in sorted((ROOT / "pages").rglob("*.py"))
        for line, name in loose(ast.parse(file.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "st.error(str(error))",
        "st.caption(f'by {spec.get(\"who\")}')",
        "st.markdown('**' + row['preset'] + '**')",
        "st.page_link('run.py', label=title(spec['preset']))",
        "try:\n    pass\nexcept OSError as why:\n    st.toast(f'no: {why}')",
        "st.title(st.query_params['run'])",
        "st.progress(0.5, text=message)",
    ],
)
def test_such_a_line_is_found(line: str) -> None:
    assert list(loose(ast.parse(line)))
    assert not list(loose(ast.parse("st.caption(f'{plain(spec)} {code(error)} {row:,} {3 if message else 4}')")))
