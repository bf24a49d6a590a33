"""What trains on the transfer task and what does not, on eight seeds, at the rates and lengths of the presets."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.declare.resolve import resolve
from engine.labs.describe import entry
from engine.labs.gnn.gnn import Gnn

ENTRY = entry("gnn", Gnn)
SEEDS = range(8)


def accuracies(preset: str, steps: int, until_solved: bool = False, **given: Any) -> list[float]:
    """Of the training pass, step by step, as a run of the preset has them."""
    declared = resolve(ENTRY, preset, {name.replace("__", "."): value for name, value in given.items()})
    lab = Gnn.model_validate({**declared.nested, "device": "cpu"})
    model, batch = lab.model().train(), lab.batch(0)
    optimizer = lab.optimizer.build(model.named_parameters(), lab.lr)
    out = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lab.learning_rate(step)
        optimizer.zero_grad(set_to_none=True)
        sum(lab.loss(model, batch, step).values()).backward()
        optimizer.step()
        out.append(float((model.answer_BC.argmax(-1) == batch["answer"]).float().mean()))
        if until_solved and out[-1] == 1.0:
            break
    return out


def solved(preset: str, steps: int, seed: int, **given: Any) -> bool:
    return accuracies(preset, steps, until_solved=True, seed=seed, **given)[-1] == 1.0


def test_delayed_messages_solve_a_ring_that_plain_ones_do_not_in_as_many_steps() -> None:
    assert solved("ring_cured", 150, 0, graph__distance=10)
    assert not solved("ring", 150, 0, graph__distance=10)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [10, 14])
def test_delayed_messages_solve_the_ring_within_150_steps_on_every_seed(distance: int) -> None:
    assert [solved("ring_cured", 150, seed, graph__distance=distance) for seed in SEEDS] == [True] * 8


@pytest.mark.slow
@pytest.mark.parametrize("lr", [1e-3, 3e-3, 1e-2])
def test_plain_messages_do_not_solve_the_long_ring_within_1000_steps(lr: float) -> None:
    assert sum(solved("ring", 1000, seed, lr=lr) for seed in SEEDS) <= 1


@pytest.mark.slow
def test_it_is_the_delay_that_counts_where_states_have_length_one_and_not_under_batch_norm() -> None:
    for norm, undelayed in (("batch", 8), ("l2", 0)):
        assert all(solved(f"ring_{norm}_norm_nu_drew", 300, seed) for seed in SEEDS)
        assert sum(solved(f"ring_{norm}_norm_drew", 300, seed) for seed in SEEDS) == undelayed


@pytest.mark.slow
def test_a_path_out_of_a_clique_has_a_cliff() -> None:
    for distance in (5, 8):
        assert all(solved("clique_path_5", 2500, seed, graph__distance=distance) for seed in SEEDS)
    late = [sum(accuracies("clique_path_11", 1200, seed=seed)[-100:]) / 100 for seed in SEEDS]
    assert sum(mean <= 0.4 for mean in late) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["barbell", "tree"])
def test_the_jacobian_of_an_untrained_network_falls_with_resistance_and_with_distance_alike(graph: str) -> None:
    """Spearman's correlation of -log J with effective resistance: above 0.9 on every seed; so is that with plain distance."""
    from scipy.stats import spearmanr

    from engine.labs.gnn.datasets.distances import distances_NN
    from engine.labs.gnn.datasets.resistance import resistances_NN
    from engine.labs.gnn.probes.jacobian import sensitivity

    for seed in SEEDS:
        lab = Gnn.model_validate({"graph": {"is": graph}, "norm": "none", "seed": seed})
        row_N = sensitivity(lab, lab.model(), torch.ones_like(lab.batch(0)["x"][0]), 0).numpy()
        reached_N = row_N > 0
        ohm_NN = resistances_NN(lab.given_graph).round(9)  # on a tree they are the distances, and rounding would put equal ones in an order
        for facts_NN in (ohm_NN, distances_NN(lab.given_graph)):
            assert spearmanr(-torch.from_numpy(row_N[reached_N]).log().numpy(), facts_NN[0][reached_N]).statistic > 0.9
