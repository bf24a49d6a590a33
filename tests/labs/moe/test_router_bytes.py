"""Which bytes each expert receives, against a count by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from engine.labs.common.heat_map import PAPER, Block, colour, heat_map
from engine.labs.moe._byte_names import KIND_NAMES, KINDS, byte_name, kind_of
from engine.labs.moe.models.routing import routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.probes.router_bytes import RouterBytes, information, picture
from engine.labs.probe import Reading, Step
from engine.runs.pictures import Picture

SMALL = {"device": "cpu", "layers": 2, "experts": 6, "d_model": 16, "heads": 2, "context": 16, "batch_size": 4, "expert_width": 8}


def measured(lab: Moe) -> tuple[dict[tuple[str, str], torch.Tensor], list[Picture], torch.nn.Module]:
    """What the probe tells of one step of an untrained model."""
    model = lab.model()
    probe = RouterBytes(lab, model)
    step = Step(0, 100, lab, model, lab.batch(0), {}, torch.optim.SGD(model.parameters(), lr=0.1), 0.1)
    probe.prepare(step)
    lab.loss(model, step.batch, 0)  # the training's own pass, which the probe must not count
    with torch.no_grad():
        found = list(probe.after(step))
    readings = {(r.metric, r.layer): r.value for r in found if isinstance(r, Reading)}
    return readings, [p for p in found if isinstance(p, Picture)], model


def by_hand(lab: Moe, model: torch.nn.Module) -> dict[str, np.ndarray]:
    """Layer -> (E, 256), token by token, from the inputs that each router sees."""
    counts: dict[str, np.ndarray] = {name: np.zeros((lab.experts, 256)) for name in routed(model)}
    seen: list[tuple[str, Any]] = []
    names = {id(layer.router): name for name, layer in routed(model).items()}
    model.eval()
    handles = [
        layer.router.register_forward_pre_hook(lambda router, inputs: seen.append((names[id(router)], inputs)))
        for layer in routed(model).values()
    ]
    with torch.no_grad():
        for batch in lab.validation():
            model(batch["inputs"])
    for handle in handles:
        handle.remove()
    for name, (x_TD, context) in seen:
        router = routed(model)[name].router
        if hasattr(router, "weight"):
            scores = x_TD.double().numpy() @ router.weight.detach().double().numpy().T
            best = np.argsort(-scores, axis=1, kind="stable")[:, : router.k]
        else:
            best = (context.ids_T.numpy() % lab.experts)[:, None]
        for token, chosen in zip(context.ids_T.tolist(), best.tolist(), strict=True):
            for expert in chosen:
                counts[name][expert, token] += 1
    return counts


@pytest.mark.parametrize("router", [{"is": "softmax_top_k", "k": 1}, {"is": "softmax_top_k", "k": 2}, {"is": "hash"}])
def test_the_probe_counts_what_a_loop_over_the_validation_text_counts(router: dict[str, Any]) -> None:
    lab = Moe.model_validate({**SMALL, "router": router})
    readings, pictures, model = measured(lab)
    assert model.training, "the mode is as it was"
    assert not any(layer.router._forward_hooks for layer in routed(model).values()), "nothing is left behind"
    expected = by_hand(lab, model)
    text = np.bincount(np.concatenate([batch["inputs"].numpy().ravel() for batch in lab.validation()]), minlength=256)
    for layer, counts_EV in expected.items():
        got = readings["router/bytes", layer].numpy()
        assert got.shape == (6, 256)
        assert np.array_equal(got, counts_EV)
        assert np.array_equal(got.sum(axis=0), text * router.get("k", 1)), "every byte of the text, once per choice"
        p = counts_EV / counts_EV.sum()
        mutual = sum(
            p[e, b] * math.log(p[e, b] / (p[e].sum() * p[:, b].sum())) for e in range(6) for b in range(256) if p[e, b] > 0
        ) / -sum(q * math.log(q) for q in p.sum(axis=1) if q > 0)
        assert float(readings["router/byte_information", layer]) == pytest.approx(mutual, rel=1e-9)
    assert [p.name for p in pictures] == ["bytes_per_expert"]
    if router["is"] == "hash":
        assert float(readings["router/byte_information", "blocks.0.moe"]) == pytest.approx(1.0), "the byte decides alone"


def test_the_floor_is_what_a_shuffled_text_shows() -> None:
    """For N independent tokens I is biased by about (bytes - 1)(experts - 1) / 2N nats (Miller 1955)."""
    lab = Moe.model_validate({**SMALL, "batch_size": 16})
    readings, _, _ = measured(lab)
    counts = readings["router/bytes", "blocks.0.moe"].double()
    load = counts.sum(dim=1) / counts.sum()
    entropy = float(-torch.xlogy(load, load).sum())
    used, bytes_ = int((load > 0).sum()), int((counts.sum(dim=0) > 0).sum())
    expected = (used - 1) * (bytes_ - 1) / (2 * float(counts.sum())) / entropy
    floor = float(readings["router/byte_information_noise", "blocks.0.moe"])
    assert 0.5 * expected < floor < 1.5 * expected
    assert float(readings["router/byte_information", "blocks.0.moe"]) > 5 * floor


def test_without_a_choice_there_is_no_share_of_it() -> None:
    counts = torch.zeros(4, 256, dtype=torch.int64)
    counts[2, 30:60] = 5
    assert math.isnan(float(information(counts)))
    counts[0, 30:60] = 15
    assert float(information(counts)) == pytest.approx(0.0, abs=1e-12), "the same bytes for both"


def test_it_looks_on_while_the_validation_is_measured_and_adds_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.labs.common.probes.loss_validation import LossValidation

    lab = Moe.model_validate(SMALL)
    model = lab.model()
    probes = [LossValidation(lab, model), RouterBytes(lab, model)]
    passes = []
    model.register_forward_hook(lambda *_: passes.append(model.training))
    told = []
    for order in (probes, probes[::-1]):
        step = Step(0, 100, lab, model, lab.batch(0), {}, torch.optim.SGD(model.parameters(), lr=0.1), 0.1)
        for probe in order:
            probe.prepare(step)
        with torch.no_grad():
            found = {(r.metric, r.layer): r.value for probe in order for r in probe.after(step) if isinstance(r, Reading)}
        told.append(found)
    assert passes == [False] * 2 * len(list(lab.validation()))
    assert all(probes[0].due(n, 777) for n in range(777) if probes[1].due(n, 777)), "nor in a step in which nobody else asks"
    assert told[0].keys() == told[1].keys()
    assert all(torch.equal(torch.as_tensor(told[0][key]), torch.as_tensor(told[1][key])) for key in told[0])


# -- names and the picture -----------------------------------------------------------------------------


def test_every_byte_has_a_name_and_a_kind() -> None:
    names = [byte_name(byte) for byte in range(256)]
    assert len(set(names)) == 256
    assert all(name.isprintable() and name.strip() for name in names)
    assert [names[b] for b in b" \n\teA("] == ["␣", "⏎", "⇥", "e", "A", "("]
    kinds = [kind_of(byte) for byte in range(256)]
    assert set(kinds) == set(range(len(KIND_NAMES)))
    assert [KIND_NAMES[kind_of(byte)] for byte in b"e E7_[\n+"] == [
        *("a to z", "space", "A to Z", "0 to 9", "_", "brackets", "newline", "operators"),
    ]
    members = [c for _, chars in KINDS for c in chars]
    assert len(members) == len(set(members)), "no character of two kinds"
    assert KIND_NAMES[kind_of(200)] == "other"


def test_the_colours_of_a_heat_map_are_those_of_its_values() -> None:
    values = np.array([[0.0, 0.25, np.nan], [1.0, 0.75, 0.5]])
    plain = heat_map([Block("", values, ["", "", ""], [False] * 3)], ["low", "high"])
    seen = {tuple(pixel) for pixel in plain.reshape(-1, 4).tolist()}
    assert {colour(v) for v in values.ravel()} <= seen
    assert colour(math.nan) == PAPER
    light = [sum(colour(v)[:3]) for v in np.linspace(0, 1, 50)]
    assert light == sorted(light), "more is lighter"
    assert plain[0, 0].tolist() == [0, 0, 0, 0], "the page is its paper, light or dark"
    faint = heat_map([Block("", values, ["", "", ""], [False, True, False])], ["low", "high"])
    assert colour(0.75, faint=True) in {tuple(pixel) for pixel in faint.reshape(-1, 4).tolist()}


def test_a_dead_expert_is_a_gap_in_the_picture() -> None:
    counts = torch.zeros(3, 256, dtype=torch.int64)
    counts[0, ord("e")], counts[2, 32] = 100, 100
    drawn = picture({"blocks.0.moe": counts}).numpy()
    assert drawn.dtype == np.uint8
    full = (drawn == np.array(colour(1.0))).all(axis=2)
    columns = np.flatnonzero(full[: len(drawn) - 60].any(axis=0))  # without the legend
    gaps = np.flatnonzero(np.diff(columns) > 1)
    assert len(gaps) == 1, "two full cells in two columns, with the dead expert between them"
    assert np.diff(columns)[gaps[0]] > 20


@pytest.mark.parametrize("experts", [2, 32, 256])
def test_a_picture_of_any_number_of_experts_can_be_stored(experts: int) -> None:
    from engine.runs.pictures import readable

    drawn = picture({f"blocks.{n}.moe": torch.ones(experts, 256, dtype=torch.int64) for n in range(6)})
    pixels, notes = readable(drawn)
    assert pixels.shape == tuple(drawn.shape)
    assert notes == []
