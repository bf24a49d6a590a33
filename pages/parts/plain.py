"""Text that somebody else wrote, shown as it is: of a run, of the address, of an error.

Streamlit draws nearly every text as Markdown: titles, messages, captions, labels, tooltips, cells of a table.  There such text could load
a picture, make a link, or look like the lab's own words.  It passes through `plain` or `code` first; tests/pages/test_plain_text.py
looks for what does not.  `st.text`, `st.code` and `st.dataframe` need neither.
"""

from __future__ import annotations

import json
import re
from typing import Any

import plotly.graph_objects as go
import polars as pl

JOINER = "\u2060"  # no width: between two signs it keeps them from meaning something together
# Control signs, halves of surrogate pairs, and what turns a line around.
ODD = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
SIGNS = re.compile(r"[\\`*{}\[\]<>#|~$&]|(?<![^\W_])_|_(?![^\W_])|:(?=[:A-Za-z])")
FIRST = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=](?:[\s=-]|$)))")  # what begins a list, or underlines a heading
TOGETHER = (  # what is looked for in the text once the Markdown has been read, where a backslash no longer helps
    (re.compile(r"(https?\\?:)(?=//)", re.IGNORECASE), rf"\1{JOINER}"),
    (re.compile(r"(www)(?=\.)", re.IGNORECASE), rf"\1{JOINER}"),
    (re.compile(r"(?<=[\w.+-])(?=@)"), JOINER),
    (re.compile(r"(:)(?=[\w+\\/-]+:)"), rf"\1{JOINER}"),  # :smile:, :material/home:
    (re.compile(r"(?<!\S)(\\<-?|-|\\>|\\~)(?=(-|=|\\>)+(?!\S))"), rf"\1{JOINER}"),  # arrows, dashes and comparisons
)


def plain(text: object) -> str:
    """Markdown that shows `text` as it is, on one line; also inside a longer text, a link's words, a badge or a table."""
    line = ODD.sub("\ufffd", " ".join(str(text).split()))
    line = FIRST.sub(r"\1\\", SIGNS.sub(r"\\\g<0>", line))
    for pattern, apart in TOGETHER:
        line = pattern.sub(apart, line)
    return line


def code(text: object) -> str:
    """Markdown that shows `text` as code, whatever stands in it (in a table `|` needs a backslash more)."""
    line = ODD.sub("\ufffd", " ".join(str(text).split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    edge = " " if not line or line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{edge}{line or ' '}{edge}{fence}"


def plain_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with every text plain, its heads too: `st.table` draws cells as Markdown."""
    texts = frame.with_columns(pl.col(pl.String).map_elements(plain, return_dtype=pl.String))
    return texts.rename({name: plain(name) for name in frame.columns})


def figure_data(figure: go.Figure) -> dict[str, Any]:
    """A figure as JSON without a link in any of its texts: Plotly reads them as a few tags of HTML, and `<a` is one."""
    data: dict[str, Any] = json.loads(re.sub(r"(?:<|\\u003c)(?=a[\s>/\\])", "‹", figure.to_json(), flags=re.IGNORECASE))
    return data
