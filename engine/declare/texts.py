"""The Markdown beside a lab: its story, what each preset shows and what to see there, notes under charts and panels.

    # moe                   the lab; below it its story
    ## collapse             a preset; paragraph 1 is its story, paragraph 2 what to see
    ## chart losses         one paragraph of this lab under a chart
    ## panel router_noise   one paragraph more about a panel

Numbers in braces are placeholders (`engine.declare.placeholders`) and stay as they are here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from engine.core.suggest import nearest


class TextError(ValueError):
    """A text of a lab that cannot be used; the message is one sentence and begins with the file."""

    def __init__(self, file: str, complaint: str) -> None:
        super().__init__(f"{file}: {complaint}")
        self.file, self.complaint = file, complaint


class PresetText(NamedTuple):
    """What a preset shows, in a sentence, and what to see in its run."""

    story: str = ""
    see: str = ""


@dataclass(frozen=True)
class Texts:
    """Everything that is written beside one lab, with raw placeholders."""

    file: str
    story: str
    presets: dict[str, PresetText] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)
    panels: dict[str, str] = field(default_factory=dict)

    def check_names(self, presets: Iterable[str], charts: Iterable[str], panels: Iterable[str]) -> None:
        """TextError for a preset without a heading, and for a heading of something that does not exist."""
        presets = list(presets)
        for kind, written, known in (("preset", self.presets, presets), ("chart", self.charts, charts), ("panel", self.panels, panels)):
            known = list(known)
            for name in written:
                if name not in known:
                    raise TextError(self.file, f"a heading names no {kind} of this lab. {nearest(kind, name, known)}")
        for name in presets:
            if name not in self.presets:
                raise TextError(
                    self.file, f'the preset "{name}" has no heading; write "## {name}", a paragraph of story and one of what to see.'
                )

    def every(self) -> Iterable[str]:
        """Every text, in the order of the file's parts."""
        yield self.story
        for preset in self.presets.values():
            yield from preset
        yield from self.charts.values()
        yield from self.panels.values()


def read(path: Path, name: str, file: str) -> Texts:
    """The texts of the lab `name`; `file` is how messages call the path.  TextError, in one sentence."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TextError(
            file, f'it does not exist; the texts of the lab {name} belong there, under "# {name}" and a heading per preset.'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(file, f"it cannot be read: {error}.") from None
    return parse(text, name, file)


def parse(text: str, name: str, file: str) -> Texts:
    """The texts in a Markdown document.  TextError, in one sentence, for one of another shape."""
    sections: dict[str, list[str]] = {}
    title, body = "", [""]
    for line in text.splitlines():
        level, _, heading = line.partition(" ")
        if level not in ("#", "##"):
            body.append(line)
            if not title and line.strip():
                raise TextError(file, f'there is text before the title; the first line is "# {name}".')
            continue
        heading = f"{level} {' '.join(heading.split())}"
        if not title and level == "##":
            raise TextError(file, f'"{heading}" comes before the title; the first line is "# {name}".')
        if title and level == "#":
            raise TextError(file, f'"{heading}" is a second title; a preset has a heading of the second level, "## NAME".')
        if heading in sections:
            raise TextError(file, f'the heading "{heading}" is there twice.')
        title, body = title or heading, sections.setdefault(heading, [])
    if title != f"# {name}":
        raise TextError(
            file, f'its title is "{title}", but must be "# {name}".' if title else f'it has no title; the first line is "# {name}".'
        )
    out = Texts(file, "\n\n".join(_paragraphs(sections.pop(title))))
    if not out.story:
        raise TextError(file, f'there is no story under "{title}".')
    for heading, lines in sections.items():
        _add(out, heading, _paragraphs(lines))
    return out


def _add(out: Texts, heading: str, paragraphs: list[str]) -> None:
    """Sort one section of the second level into what it is."""
    words = heading.split()[1:]
    if len(words) == 1:
        if len(paragraphs) != 2:
            message = f'under "{heading}" there are {len(paragraphs)} paragraphs; a preset has two, its story and what to see.'
            raise TextError(out.file, message)
        out.presets[words[0]] = PresetText(*paragraphs)
    elif len(words) == 2 and words[0] in ("chart", "panel"):
        if len(paragraphs) != 1:
            raise TextError(out.file, f'under "{heading}" there are {len(paragraphs)} paragraphs; a note has one.')
        (out.charts if words[0] == "chart" else out.panels)[words[1]] = paragraphs[0]
    else:
        raise TextError(out.file, f'"{heading}" is no heading of a lab; allowed are "## PRESET", "## chart NAME" and "## panel NAME".')


def _paragraphs(lines: list[str]) -> list[str]:
    """What blank lines separate, each in one line."""
    blocks = "\n".join(line.strip() for line in lines).split("\n\n")
    return [" ".join(block.split()) for block in blocks if block.strip()]
