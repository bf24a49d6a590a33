"""The text of graph edits has one canonical form, means what it says, and is refused in one sentence."""

from __future__ import annotations

import random
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.declare.resolve import KnobError, resolve
from engine.labs.describe import entry
from engine.labs.gnn._edits import MOST, Edits, apply, canonical, parse
from engine.labs.gnn.datasets.graph import Graph
from engine.labs.gnn.gnn import Gnn
from tests.support.graphs import of_networkx

C8 = of_networkx(nx.cycle_graph(8))
GNN = entry("gnn", Gnn)
NODES = st.sampled_from(["0", "00", "1", "01", "2", "10", "11", "21", "100"])
PAIRS = st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1])


@st.composite
def edits(draw: st.DrawFn) -> Edits:
    """Those that C8 allows."""
    pairs = draw(st.frozensets(PAIRS, max_size=12))
    nodes = draw(st.frozensets(st.integers(0, 7), max_size=3))
    free = sorted(pair for pair in pairs if nodes.isdisjoint(pair))
    edges = set(C8.pairs)
    return Edits(tuple(p for p in free if p not in edges), tuple(p for p in free if p in edges), tuple(sorted(nodes)))


@given(edits(), st.randoms(use_true_random=False))
def test_a_text_in_any_order_and_with_repetitions_has_one_canonical_form(wanted: Edits, shuffled: random.Random) -> None:
    words = str(wanted).split() * 2
    words += [f"{word[0]}{word[1:].split('-')[1]}-{word[1:].split('-')[0]}" for word in words if word[0] != "~"]  # the other end first
    shuffled.shuffle(words)
    text = "  ".join(words)
    assert parse(text) == wanted
    assert canonical(text) == str(wanted) == canonical(canonical(text))


@given(edits())
def test_edits_do_to_a_graph_what_networkx_does(wanted: Edits) -> None:
    made = nx.cycle_graph(8)
    made.add_edges_from(wanted.added)
    made.remove_edges_from(wanted.removed)
    made.remove_nodes_from(wanted.nodes)
    kept = sorted(made)
    positioned = replace(C8, position_N2=np.arange(16.0).reshape(8, 2), weight_E=2.0 + np.zeros(8))
    after = apply(positioned, parse(str(wanted)))
    assert after.nodes == len(kept)
    assert [(kept[a], kept[b]) for a, b in after.pairs] == sorted((min(pair), max(pair)) for pair in made.edges)
    assert after.position_N2 is not None
    assert after.position_N2[:, 0].tolist() == [2.0 * node for node in kept]
    assert [weight == 2.0 for weight in after.weight_E] == [(kept[a], kept[b]) in C8.pairs for a, b in after.pairs]
    assert not after.added_E.any(), "a rewiring adds edges, an edit changes the graph"


def test_the_example_reads_as_written() -> None:
    assert parse("+3-17 -4-5 ~12") == Edits(((3, 17),), ((4, 5),), (12,))
    assert canonical("~12 -5-4\t+017-3 +12-3") == "+3-17 -4-5 ~12", "an edge of a removed node goes with it"
    assert canonical("") == ""
    assert apply(C8, Edits()).pairs == C8.pairs


def test_what_a_rewiring_had_added_stays_marked() -> None:
    after = apply(C8.plus([(0, 4)]), parse("+1-5 ~2"))
    assert [pair for pair, added in zip(after.pairs, after.added_E, strict=True) if added] == [(0, 3)]


BAD = {
    "3-17": "'3-17' is no edit",
    "+3": "is no edit",
    "+3-17-4": "is no edit",
    "~3-4": "is no edit",
    "+٣-4": "is no edit",
    "+1234567-4": "is no edit",
    "<b>" + "x" * 500: "…' is no edit",
    "+3-3": "names node 3 twice",
    "+3-5 -5-3": "contradict each other",
    " ".join(["~1"] * (MOST + 1)): "201 edits and at most 200",
}
UNFIT = {
    "+3-40": "name node 40 and the graph has nodes 0 to 7",
    "~8": "name node 8",
    "+0-1": "has already",
    "-0-2": "has not",
    "~0 ~1 ~2 ~3 ~4 ~5 ~6": "two must remain",
}


@pytest.mark.parametrize("text", [*BAD, *UNFIT], ids=range(len(BAD) + len(UNFIT)))
def test_a_text_that_is_no_edit_or_does_not_fit_the_graph_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=(BAD | UNFIT)[text]) as refusal:
        apply(C8, parse(text))
    message = str(refusal.value)
    assert len(message) < 250
    assert message.count(". ") == 0
    assert message.endswith(".")
    assert ";" in message, "what was received and what is allowed; what to do"
    if text in UNFIT:
        parse(text)


@pytest.mark.parametrize(
    ("text", "stored"), [("-5-4", "-4-5"), ("-4-5  -5-4", "-4-5"), ("~12 +17-3 +12-3", "+3-17 ~12"), ("", ""), (" ", "")]
)
def test_the_lab_keeps_edits_in_canonical_form(text: str, stored: str) -> None:
    assert Gnn(edits=text).edits == stored
    assert Gnn.model_validate({"edits": text}).flat()["edits"] == stored


@pytest.mark.parametrize("text", ["+1-5 -5-1", "+٣-4", "hello"])
def test_the_lab_refuses_edits_that_contradict_each_other_or_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"contradict each other|is no edit") as refusal:
        Gnn(edits=text)
    assert str(refusal.value).count("; ") == 1


@pytest.mark.parametrize("text", ["+٣-4", "-1-٢", "~٣", "+3-3", "+007-7", "-0-00", "+1-5 -5-1", "-05-1 +2-4  +1-5", "+1-5 " * 2000])
def test_a_declaration_refuses_in_one_sentence_what_no_graph_could_bear(text: str) -> None:
    with pytest.raises(
        KnobError, match=r'^edits="[^"]{,41}" is not of the form that it needs; give up to 200 words such as .*\.$'
    ) as refusal:
        resolve(GNN, None, {"edits": text})
    assert str(refusal.value).count(". ") == 0


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from("+-"), NODES, NODES), max_size=6), st.sampled_from([" ", "  "]))
def test_a_declaration_takes_what_the_lab_takes(words: list[tuple[str, str, str]], between: str) -> None:
    """Except of a node that is removed, where the lab leaves out what else is said of it and a declaration does not look."""
    text = between.join(f"{sign}{one}-{other}" for sign, one, other in words)
    try:
        parse(text)
    except ValueError:
        with pytest.raises(KnobError):
            resolve(GNN, None, {"edits": text})
    else:
        assert resolve(GNN, None, {"edits": text}).flat["edits"] == text


def test_two_hundred_edits_are_allowed() -> None:
    graph = Graph.of(400, [(node, node + 1) for node in range(399)])
    text = " ".join(f"-{node}-{node + 1}" for node in range(MOST))
    assert apply(graph, parse(text)).pairs == graph.pairs[MOST:]
    assert resolve(GNN, None, {"edits": text}).flat["edits"] == text
