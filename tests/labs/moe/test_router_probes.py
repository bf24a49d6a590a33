"""The routing probes against hand-made loads and plain loops."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from engine.core.catalog import Catalog
from engine.labs.moe.models.routing import RoutingRecord
from engine.labs.probe import Probe, Step, attached

PROBES = Catalog("probes", Probe)


class Layer(nn.Module):
    """A layer of which a probe may only see the record."""

    def __init__(self, counts: list[int], logits_TE: Tensor | None = None) -> None:
        super().__init__()
        counts_E = torch.tensor(counts)
        chosen_T1 = torch.arange(len(counts)).repeat_interleave(counts_E).unsqueeze(1)
        probs_TE = torch.full((len(chosen_T1), len(counts)), 1 / len(counts))
        self.record = RoutingRecord(chosen_T1, torch.ones(len(chosen_T1), 1), probs_TE, logits_TE, "softmax", counts_E=counts_E)


def step(number: int, **layers: Layer) -> Step:
    model = nn.ModuleDict(layers)
    return Step(number, 100, SimpleNamespace(), model, {}, {}, None, 0.1)  # type: ignore[arg-type]


def read(name: str, *steps: Step) -> dict[tuple[str, str], list[float] | float]:
    """The readings of the last step, after a probe has seen all of them."""
    probe, out = PROBES[name](None, nn.Module()), {}  # type: ignore[arg-type]
    for one in steps:
        out = {(r.metric, r.layer): torch.as_tensor(r.value).tolist() for r in probe.after(one)}
    return out


def test_the_load_is_the_share_of_the_assignments() -> None:
    got = read("router_load", step(0, a=Layer([4, 0, 0, 0]), b=Layer([1, 2, 3, 2])))
    assert got == {("router/load", "a"): [1.0, 0.0, 0.0, 0.0], ("router/load", "b"): [0.125, 0.25, 0.375, 0.25]}


@pytest.mark.parametrize(("counts", "expected"), [([4, 0, 0, 0], 3.0), ([5, 5, 5, 5], 0.0), ([2, 6], 0.5), ([0, 0, 7], 2.0)])
def test_max_violation_is_the_largest_load_over_the_mean_minus_one(counts: list[int], expected: float) -> None:
    assert read("router_max_violation", step(0, a=Layer(counts)))["router/max_violation", "a"] == pytest.approx(expected, abs=1e-6)


def test_the_noise_band_is_about_what_random_routing_gives() -> None:
    E, T = 32, 1024
    band = read("router_max_violation", step(0, a=Layer([T // E] * E)))["router/max_violation_noise", "a"]
    assert band == pytest.approx(math.sqrt(2 * math.log(E) / (T / E)))
    draw = torch.Generator().manual_seed(0)
    seen = [torch.bincount(torch.randint(E, (T,), generator=draw), minlength=E).max().item() / (T / E) - 1 for _ in range(200)]
    assert 0.6 * band < sum(seen) / len(seen) < 1.1 * band


@pytest.mark.parametrize(
    ("counts", "expected"), [([3, 3, 3, 3], 1.0), ([9, 0, 0, 0], 0.0), ([1, 1, 0, 0], 0.5), ([2, 1, 1, 0], 1.5 * math.log(2) / math.log(4))]
)
def test_the_entropy_is_that_of_the_load(counts: list[int], expected: float) -> None:
    assert read("router_entropy", step(0, a=Layer(counts)))["router/entropy", "a"] == pytest.approx(expected, abs=1e-6)


def test_dead_experts_follow_a_bias_corrected_average_as_a_plain_loop_computes_it() -> None:
    draw = torch.Generator().manual_seed(4)
    history = [torch.bincount((torch.rand(400, generator=draw) ** (1 + s) * 16).long(), minlength=16).tolist() for s in range(30)]
    probe = PROBES["router_dead_experts"](None, nn.Module())  # type: ignore[arg-type]
    average, got, expected = [0.0] * 16, [], []
    for s, counts in enumerate(history):
        got += [int(r.value) for r in probe.after(step(s, a=Layer(counts)))]
        average = [0.95 * old + 0.05 * c / sum(counts) for old, c in zip(average, counts, strict=True)]
        expected.append(sum(old / (1 - 0.95 ** (s + 1)) < 0.1 / 16 for old in average))
    assert got == expected
    assert max(got) > min(got)


def test_a_resumed_dead_expert_probe_goes_on_as_if_nothing_had_happened() -> None:
    history = [[8, 0, 1, 7], [0, 9, 0, 7], [1, 0, 15, 0], [16, 0, 0, 0], [16, 0, 0, 0]] * 4
    kind = PROBES["router_dead_experts"]
    whole, first, second = (kind(None, nn.Module()) for _ in range(3))  # type: ignore[arg-type]
    steps = [step(s, a=Layer(counts)) for s, counts in enumerate(history)]
    expected = [int(r.value) for s in steps for r in whole.after(s)]
    got = [int(r.value) for s in steps[:7] for r in first.after(s)]
    second.load(first.state())
    got += [int(r.value) for s in steps[7:] for r in second.after(s)]
    assert got == expected


def test_the_largest_logit_is_the_largest_in_absolute_value() -> None:
    logits_TE = torch.tensor([[0.5, -7.0], [3.0, 1.0]])
    assert read("router_logit_max", step(0, a=Layer([1, 1], logits_TE)))["router/logit_max", "a"] == 7.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_logit_that_is_no_number_is_not_hidden(bad: float) -> None:
    logits_TE = torch.tensor([[0.5, bad], [3.0, 1.0]])
    value = read("router_logit_max", step(0, a=Layer([1, 1], logits_TE)))["router/logit_max", "a"]
    assert not math.isfinite(value)
    assert math.isnan(value) == math.isnan(bad)


def test_certainty_is_the_entropy_of_a_token_and_the_distance_of_its_two_best_scores() -> None:
    one, half = [0.0, -math.inf, -math.inf, -math.inf], [0.0, 0.0, -math.inf, -math.inf]
    layer = Layer([1, 1, 1, 1], torch.tensor([one, half, half, [0.0] * 4]))
    scores_TE = torch.tensor([[0.9, 0.1, 0.0, 0.2], [0.5, 0.4, 0.0, 0.0], [0.3, 0.3, 0.2, 0.2], [0.1, 0.0, 0.7, 0.2]])
    layer.record = replace(layer.record, probs_TE=layer.record.logits_TE.softmax(-1), ranked_TE=scores_TE)
    got = read("router_certainty", step(0, a=layer))
    assert got["router/token_entropy", "a"] == pytest.approx((0 + 0.5 + 0.5 + 1) / 4)
    assert got["router/margin", "a"] == pytest.approx(0.5)  # of 0, 0.1, 0.5, 0.7
    assert got["router/margin_low", "a"] == 0.0
    layer.record = replace(layer.record, entropy_T=torch.zeros(4), margin_T=torch.ones(4))
    assert set(read("router_certainty", step(0, a=layer)).values()) == {0.0, 1.0}, "what the kernel told is not computed again"


def test_a_router_without_logits_gives_no_logit_reading() -> None:
    assert read("router_logit_max", step(0, a=Layer([1, 1]))) == read("router_certainty", step(0, a=Layer([1, 1]))) == {}


def test_routing_probes_attach_only_where_there_is_routing() -> None:
    kinds = {name: PROBES[name] for name in PROBES.names() if PROBES[name].needs == "routing"}
    assert len(kinds) == 8
    assert attached(kinds, "cheap", frozenset()) == {}
    assert attached(kinds, "cheap", frozenset({"routing"})) == kinds


def test_no_probe_writes_into_the_record() -> None:
    one = step(0, a=Layer([3, 0, 1, 4], torch.ones(8, 4)))
    before = one.model["a"].record.counts_E.clone()
    for name in PROBES.names():
        if PROBES[name].needs == "routing":
            list(PROBES[name](None, nn.Module()).after(one))  # type: ignore[arg-type]
    assert torch.equal(one.model["a"].record.counts_E, before)
