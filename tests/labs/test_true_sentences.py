"""No number is typed by hand and no cause is claimed without a run: every text of a lab, a remedy, a chart note or a panel.

A number comes out of a record, out of the declaration, or from somebody who is cited; a sentence that says why names the runs that
show it.  What stands in backquotes is a name, a formula or the value of a knob.  A sentence of a remedy that judges names the runs,
the source or the preset in which one can see, says that it follows from the formula, or says that it is not tested here; the help of
a knob, which can name no run, judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from engine.core.catalog import Catalog
from engine.declare.measured import ANSWER_TEXTS, texts
from engine.declare.placeholders import PLACEHOLDER
from engine.labs.describe import entry
from engine.labs.lab import Lab

ENTRIES = {name: entry(name, lab) for name, lab in Catalog("", Lab).load()[0].items()}

NAMES = re.compile(
    r"1/√2|FD-small|eq\. \d+|arXiv [\d.]+|\beq\. ?\d+|equations? \(?\d+\)?|theorem \d+|[Aa]lgorithm \d+|appendix \w+|section [\d.]+|"
    r"√\d|1/2|1/E|\b(?:bf|fp|int)\d+\b|\bL[12]\b|\bV3\b|NCSN\+\+|\btop-\d\b|β[₁₂]|10⁻?[⁰-⁹]+|(?<![\w.])[01](?![\w.]|,\d)|99th percentile|"
    r"\b[A-Z]\w*-?\d+\b|last fifty steps"  # the stat late50
)
WORDS = (
    r"two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|sixteen|twenty|thirty|forty|fifty|sixty|"
    r"hundred|thousand|million|half|twice"
)
COUNTED = re.compile(rf"\b(?:{WORDS})(?: (?:of|to) \w+)? (?:%|percent|times|seeds?|steps?|experts?)\b", re.IGNORECASE)
DIGIT = re.compile(r"\d")
CAUSE = re.compile(
    r"\b(?:because|cures?|causes?|caused|prevents?|costs?|by itself|by themselves|depends? on|thanks to|due to|does not|do not)\b"
)
SOURCED = ("{shown", "{cite")
JUDGEMENT = re.compile(  # how a training with it fares, or how good it is; a sentence that judges in other words only a reader finds
    r"\b(?:helps?|hurts?|slows?|speeds? up|stabili[sz]es?|fails?|loses?|wins?|pays?|stalls?|collapses?|diverges?|explodes?|amplifie[sd]|"
    r"dominates?|drowns?|drifts?|swings?|throws|tamed?|better|worse|worst|best|stabler|calmer|noisier|faster|slower|hardly|matters|effect|"
    r"learns? (?:last|late|later|least)|(?:more|less) \w+ than|as (?:well|good|bad|calm|stable) as|too (?:small|large|late|slow))\b",
    re.IGNORECASE,
)
BACKED = re.compile(
    r"\{(?:shown|cite|band|ratio|compare|count) |\b[Bb]y its formula|\bits formula\b|\bnot tested here\b|\bstands? in the presets? \w"
)


def written() -> list[tuple[str, str]]:
    """Every text once, under the lab in which it stands."""
    return list(dict.fromkeys((lab, text) for lab, one in ENTRIES.items() for _, text in texts(one) if text))


PRESETS = sorted({preset for one in ENTRIES.values() for preset in one["presets"]}, key=len, reverse=True)
NAMED = re.compile(rf"\b(?:{'|'.join(map(re.escape, PRESETS))})\b")


def sentences(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[.!?:;])(?<!\beq\.)\s+", text) if s]


def typed_numbers(text: str) -> list[str]:
    """The sentences of a text that hold a number which comes from nowhere."""
    out = []
    for sentence in sentences(text):
        plain = NAMES.sub("", NAMED.sub("", re.sub(r"`[^`]*`", "", PLACEHOLDER.sub("", sentence))))
        if DIGIT.search(plain) or COUNTED.search(plain):
            out.append(sentence)
    return out


def bare_causes(text: str) -> list[str]:
    """The sentences of a text that say why, and name neither a run nor a source."""
    return [s for s in sentences(text) if CAUSE.search(s) and not any(word in s for word in SOURCED)]


def bare_judgements(text: str) -> list[str]:
    """The sentences of a remedy's text that judge, and say neither where it is seen nor that it follows from the formula."""
    return [s for s in sentences(text) if JUDGEMENT.search(PLACEHOLDER.sub("", s)) and not BACKED.search(s)]


def of_answers() -> Iterator[tuple[str, str]]:
    """Every text of every answer, under its own name."""
    for one in ENTRIES.values():
        for spec in one["knobs"]:
            for choice in spec["choices"]:
                for key in ANSWER_TEXTS:
                    yield f"{spec['name']}={choice['name']} {key}", choice.get(key, "")


def of_knobs() -> Iterator[tuple[str, str]]:
    """The help of every knob, those of the answers and of the panels included."""
    for one in ENTRIES.values():
        inner = [choice.get("knobs", []) for spec in one["knobs"] for choice in spec["choices"]]
        for knobs in (one["knobs"], *inner, *(panel["knobs"] for panel in one["panels"])):
            yield from ((spec["name"], spec["about"]) for spec in knobs)


@pytest.mark.parametrize("lab", ENTRIES)
def test_no_number_is_typed_by_hand(lab: str) -> None:
    assert [s for where, text in written() if where == lab for s in typed_numbers(text)] == []


@pytest.mark.parametrize("lab", ENTRIES)
def test_a_sentence_that_says_why_names_the_runs_that_show_it(lab: str) -> None:
    assert [s for where, text in written() if where == lab for s in bare_causes(text)] == []


def test_a_remedy_judges_nothing_that_neither_its_formula_nor_a_run_nor_a_source_shows() -> None:
    assert {(name, s) for name, text in of_answers() for s in bare_judgements(text)} == set()


def test_the_help_of_a_knob_judges_nothing_and_counts_nothing() -> None:
    found = {(name, text) for name, text in of_knobs() if JUDGEMENT.search(text) or re.search(r"\d ?(?:times|%)|\d\.\d", text)}
    assert found == set()


@pytest.mark.parametrize(
    ("sentence", "flagged"),
    [
        ("It ends at 0.3.", True),
        ("It peaks after three steps.", True),
        ("It grows twenty times.", True),
        ("It ends at {band calm loss}.", False),
        ("With {knob experts} experts, at a rate of `0.5`.", False),
        ("The paper reports {cite 1.5 | arXiv 2310.13545}.", False),
        ("1/√2 on each of three arms, FD-small and bf16, as in eq. 4.", False),
    ],
)
def test_the_test_of_numbers_finds_what_it_should(sentence: str, flagged: bool) -> None:
    assert bool(typed_numbers(sentence)) is flagged


@pytest.mark.parametrize(
    ("sentence", "flagged"),
    [
        ("It stays because of the clip.", True),
        ("The anchor cures it.", True),
        ("That depends on the head {shown calm}.", False),
        ("The anchor costs a pass {cite 1 | eq. 3}.", False),
        ("It ends lower.", False),
    ],
)
def test_the_test_of_causes_finds_what_it_should(sentence: str, flagged: bool) -> None:
    assert bool(bare_causes(sentence)) is flagged


@pytest.mark.parametrize(
    ("sentence", "flagged"),
    [
        ("The anchor takes capacity and helps nothing in the plane.", True),
        ("With very few calls DDIM may be better.", True),
        ("Late branches are scaled down most and learn last.", True),
        ("It shows the growth more plainly than the UNet.", True),
        ("By its formula the loss explodes {band calm loss}.", False),
        ("AdaGN {cite diverges | sCM, section 4.1}.", False),
        ("Whether it helps is not tested here.", False),
        ("How much worse it is stands in the preset calm.", False),
        ("The same network also learns the plain velocity.", False),
        ("Each coordinate is cut off at a bound.", False),
    ],
)
def test_the_test_of_judgements_finds_what_it_should(sentence: str, flagged: bool) -> None:
    assert bool(bare_judgements(sentence)) is flagged
