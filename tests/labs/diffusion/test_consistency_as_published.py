"""Consistency losses and gradients are those of the authors' code, whole: times, inputs of the network, tangent, weight, anchor.

The lab's own loss runs on the authors' batch with the authors' network in place of ours.  Shapes: B points, D coordinates.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.declare.knobs import nest
from engine.labs.diffusion.consistency import QUESTIONS, Consistency
from engine.labs.diffusion.datasets.plane import SIGMA_DATA
from engine.labs.diffusion.models.consistency import ConsistencyModel, many_steps, one_step, two_steps
from engine.labs.diffusion.models.flows import LinearFlow
from engine.labs.diffusion.remedies.anchor import velocity_loss
from engine.labs.diffusion.remedies.loss_weight.scaled_norm import ScaledNorm
from engine.labs.diffusion.remedies.objective.edm_discrete import EdmDiscrete
from tests.support.authors import Tiny, recorded, same, tensor

SINGLE = 2e-6  # the lab's squared error is computed in float32


class Stand(nn.Module):
    """The authors' network with the sign and the inputs of ours.  `end` says that it hears two times."""

    def __init__(self, weights: dict[str, Any], sign: float = 1.0, *, two_times: bool = False) -> None:
        super().__init__()
        self.tiny, self.sign, self.end = Tiny(weights), sign, two_times or None

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.sign * self.tiny(*inputs)


def lab(preset: str, **knobs: Any) -> Consistency:
    flat = {**Consistency.presets[preset].knobs, "device": "cpu"}
    return Consistency.model_validate(nest(flat | {k.replace("__", "."): v for k, v in knobs.items()}, QUESTIONS))


def made(lab: Consistency, stand: Stand, log_variance: nn.Module | None = None) -> ConsistencyModel:
    return ConsistencyModel(stand, lab.objective, log_variance)


def batch(y: Any, z: Any, normal: Any, other: Any = None, uniform: Any = None) -> dict[str, Tensor]:
    first = tensor(normal)
    second = torch.zeros_like(first) if other is None else tensor(other)
    return {
        "y": tensor(y),
        "z": tensor(z),
        "normal": torch.stack([first, second], dim=1),
        "uniform": torch.ones_like(first) if uniform is None else tensor(uniform),
    }


# -- MeanFlow ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("D", ["D2", "D8"])
@pytest.mark.parametrize(("c", "p"), [(0.001, 1.0), (0.01, 1.0), (0.001, 0.75)])
def test_mean_flow_has_loss_and_gradient_of_its_authors(D: str, c: float, p: float) -> None:
    given, told = (part[D] for part in recorded("meanflow"))
    here = lab("mean_flow", loss_weight__c=c, loss_weight__p=p)
    stand = Stand(given["weights"], -1.0, two_times=True)  # theirs is the velocity from data to noise
    points = batch(given["data"], given["noise"], given["normal_t"], given["normal_r"], given["uniform"])
    same(1.0 - here.objective.times(points), told["t"])
    same(1.0 - here.objective.spans(points)[1], told["r"])
    found = here.loss(made(here, stand), points, 0)["train"]
    found.backward()
    expected = told[f"c{c}_p{p}"]
    same(found, expected["loss"], SINGLE)
    stand.tiny.has_gradients(expected["gradient_by_weights"], SINGLE)


def test_mean_flow_draws_its_two_times_as_the_paper_does() -> None:
    given, told = recorded("meanflow")
    here, times = lab("mean_flow"), given["times"]
    zeros = torch.zeros(len(times["normal_t"]), 2).tolist()
    t_B, r_B = here.objective.spans(batch(zeros, zeros, times["normal_t"], times["normal_r"], times["uniform"]))
    same(1.0 - t_B, told["times"]["v0"]["t"])
    same(1.0 - r_B, told["times"]["v0"]["r"])


def test_both_times_of_a_mean_flow_network_start_with_full_weight_and_the_second_is_the_span() -> None:
    heard: list[Tensor] = []

    class Listening(Stand):
        def forward(self, *inputs: Tensor) -> Tensor:
            heard.extend(inputs[1:])
            return inputs[0]

    here = lab("mean_flow")
    assert getattr(here.network().end.second, "init_std", None) is None, "it starts as the first does"
    y, t, r = torch.zeros(3, 2), torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.4, 0.5, 1.0])
    made(here, Listening({}, two_times=True)).predict(y, t, r)
    torch.testing.assert_close(heard[0], 1.0 - t)
    torch.testing.assert_close(heard[1], r - t)


# -- sCM ---------------------------------------------------------------------------------------------


class LogVariance(nn.Module):
    """w = -logvar - ln D: FastGen divides by D once more, which shifts w by a constant and the loss by ln D."""

    def __init__(self, v: list[float], D: int) -> None:
        super().__init__()
        self.v, self.D = tensor(v).requires_grad_(), D

    def forward(self, noise_fraction_B: Tensor) -> Tensor:
        return -(self.v[0] + self.v[1] * noise_fraction_B * (math.pi / 2)) - math.log(self.D)


def scm(D: str, **knobs: Any) -> tuple[Consistency, Stand, dict[str, Tensor], dict[str, Any], LogVariance]:
    given, told = (part[D] for part in recorded("scm"))
    y = (tensor(given["data"]) / SIGMA_DATA).tolist()
    weights = dict(given["weights"])
    w = LogVariance(weights.pop("v"), int(D[1:]))
    here = lab("fourier", fourier_scale=0.0, steps=10, **{"objective__warmup": 0.0} | knobs)
    return here, Stand(weights), batch(y, given["noise_unit"], given["normal"]), told, w


@pytest.mark.parametrize("D", ["D2", "D8"])
def test_the_tangent_of_scm_is_in_data_units_and_a_bound_of_1_clips_it_as_published(D: str) -> None:
    here, stand, points, told, _ = scm(D, tangent="clip")
    found = here.objective.residual(made(here, stand).predict, points, None, 1.0)
    same(found.t_B, told["t"])
    same(found.g_BD, told["g_raw"])
    same(here.tangent.transform(found.g_BD, found.noise_fraction_B), told["g_clipped_1"])


@pytest.mark.parametrize("D", ["D2", "D8"])
@pytest.mark.parametrize(
    ("name", "step", "knobs"),
    [
        ("l2", 9, {}),
        ("rms", 9, {"tangent__length": "rms"}),
        ("rms_prior", 9, {"tangent__length": "rms", "objective__extra_prior": True}),
        ("l2_warmup_0.3", 3, {"objective__warmup": 1.0}),
    ],
)
def test_scm_has_loss_and_gradient_of_the_public_codes_with_the_papers_constant(
    D: str, name: str, step: int, knobs: dict[str, Any]
) -> None:
    here, stand, points, told, w = scm(D, **knobs)
    model, expected = made(here, stand, w), told[name]
    found = here.loss(model, points, step)["train"]
    found.backward()
    length = tensor(expected["length"]) * (math.sqrt(int(D[1:])) if "rms" in name else 1.0)
    same(model.record.raw_B, length, 1e-9)
    same(found, expected["loss"] + math.log(int(D[1:])), SINGLE)
    gradients = dict(expected["gradient_by_weights"])
    same(w.v.grad, gradients.pop("v"), SINGLE)
    stand.tiny.has_gradients(gradients, SINGLE)


# -- discrete ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("D", ["D2", "D8"])
@pytest.mark.parametrize(("name", "huber"), [("huber", 0.00054), ("huber_c0.03", None), ("l2_length", 0.0)])
def test_discrete_training_has_the_gradient_of_the_published_loss(
    D: str, name: str, huber: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, told = recorded("edm_discrete")
    far, near = tensor(given["sigma_far"]), tensor(given["sigma_near"])
    monkeypatch.setattr(EdmDiscrete, "steps", lambda self, batch: (torch.atan(far / SIGMA_DATA), torch.atan(near / SIGMA_DATA)))
    here = lab("baseline", objective__huber=0.03 / math.sqrt(int(D[1:])) if huber is None else huber)
    stand = Stand(given[D]["weights"], -1.0)  # F of TrigFlow is minus F of EDM
    y = (tensor(given[D]["data"]) / SIGMA_DATA).tolist()
    here.loss(made(here, stand), batch(y, given[D]["noise_unit"], far.tolist()), 0)["train"].backward()
    stand.tiny.has_gradients(told[D]["edm_scalings"][name]["gradient_by_weights"], 10 * SINGLE)


def test_the_shift_by_the_smallest_noise_that_discrete_training_leaves_out_moves_a_jump_by_less_than_0_01() -> None:
    _, told = recorded("edm_discrete")
    for D in ("D2", "D8"):
        for end in ("denoised_far", "denoised_near"):
            ours, theirs = (tensor(told[D][scalings][end])[:-1] for scalings in ("edm_scalings", "boundary_scalings"))
            assert 1e-4 < (ours - theirs).abs().max() < 0.01, "in data units, of standard deviation 0.5"


def test_the_grid_of_discrete_training_has_one_cell_more_than_the_papers_down_to_no_noise_at_all() -> None:
    objective = EdmDiscrete(points=10)
    low = {"normal": torch.full((1, 2), -9.0, dtype=torch.float64)}
    t_B, near_B = objective.steps(low)
    assert near_B.item() == 0.0
    assert SIGMA_DATA * math.tan(t_B.item()) == pytest.approx(0.002)


# -- FACM --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["auxiliary_condition_D2", "expanded_interval_D2", "expanded_interval_D8"])
def test_facm_has_both_losses_and_the_gradient_of_its_authors(name: str) -> None:
    given, told = (part[name] for part in recorded("facm"))
    anchor = name.rpartition("_")[0]
    here = lab("calm", anchor=anchor)
    stand = Stand(given["weights"], two_times=anchor == "auxiliary_condition")
    losses = here.loss(made(here, stand), batch(given["data"], given["noise"], given["normal"]), 0)
    sum(losses.values()).backward()
    same(losses["train"], told["consistency_loss"], SINGLE)
    same(losses["anchor"], told["velocity_loss"], SINGLE)
    stand.tiny.has_gradients(told["gradient_of_total_loss_by_weights"], SINGLE)


def test_facm_draws_its_times_and_halves_its_pretraining_batch_as_its_authors_do() -> None:
    given, told = recorded("facm")
    times = {"normal": tensor(given["times"]["normal"]).unsqueeze(1)}
    for mean, std in ((0.8, 1.6), (0.4, 1.0)):
        here = lab("calm", objective__p_mean=-mean, objective__p_std=std)
        same(here.objective.times(times), told["times"][f"default_mean{mean}_std{std}"])
    here, half = lab("calm", anchor="expanded_interval", pretrain=1), told["pretraining_D2"]
    t_B = tensor(given["pretraining_D2"]["t"])
    same(here.anchor.pretraining_label(LinearFlow(), t_B)[0], half["network_time"])
    stand = Stand(given["pretraining_D2"]["weights"])
    points = LinearFlow().mix(tensor(given["pretraining_D2"]["data"]), tensor(given["pretraining_D2"]["noise"]), t_B)
    velocity = tensor(given["pretraining_D2"]["data"]) - tensor(given["pretraining_D2"]["noise"])
    loss = velocity_loss(made(here, stand).predict(points, tensor(half["network_time"])), velocity)
    loss.backward()
    same(loss, half["loss"], SINGLE)
    stand.tiny.has_gradients(half["gradient_by_weights"], SINGLE)


def test_the_power_of_the_error_in_the_loss_is_that_of_facm() -> None:
    given, told = recorded("facm")
    for p, c in ((0.0, 0.001), (0.5, 0.001), (0.5, 0.01), (1.0, 0.001), (1.0, 0.01)):
        off = tensor(given["norm_l2_loss"]["difference"]).requires_grad_()
        expected = told["norm_l2_loss"][f"p{p}_c{c}"]
        loss = ScaledNorm(p=p, c=c, cosine=False).weigh(off.square().mean(dim=1), torch.ones(len(off)), None)
        (len(off) * loss).backward()
        same(len(off) * loss, sum(expected["loss"]))
        same(off.grad, expected["gradient"])


def test_facm_is_sampled_as_its_authors_do() -> None:
    given, told = (part["samplers_D2"] for part in recorded("facm"))
    model, flow = made(lab("calm"), Stand(given["weights"], two_times=True)), LinearFlow()
    z, fresh = tensor(given["latents"]), tensor(given["fresh_noise"])
    with torch.no_grad():
        same(one_step(flow, model.predict, z), told["one_jump"])
        same(two_steps(flow, model.predict, z, fresh), told["two_jumps"])
        same(many_steps(flow, lambda y, t: model.predict(y, t, t), z, 10), told["ten_euler_steps_of_the_velocity"])
