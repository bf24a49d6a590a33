"""The science below the lab `consistency`, against independent float64 computations: tangents, flows, distances, remedies."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.diffusion.datasets.clouds import cloud
from engine.labs.diffusion.datasets.plane import SIGMA_DATA, Mixture, plane
from engine.labs.diffusion.models.consistency import ConsistencyModel, many_steps, one_step, two_steps
from engine.labs.diffusion.models.energy_distance import energy_distance
from engine.labs.diffusion.models.flows import Flow, LinearFlow, TrigFlow, follow
from engine.labs.diffusion.models.tangent import jvp
from engine.labs.diffusion.models.time_network import TimeNetwork
from engine.labs.diffusion.remedies.objective.edm_discrete import EdmDiscrete
from engine.labs.diffusion.remedies.objective.shortcut import Shortcut
from engine.labs.diffusion.remedies.objective.trigflow import Trigflow, log_noise
from engine.labs.diffusion.remedies.objective.trigflow_discrete import TrigflowDiscrete, karras

FLOWS: list[Flow] = [TrigFlow(), LinearFlow()]


def network(fourier_scale: float = 1.0, double_norm: bool = True) -> TimeNetwork:
    made = TimeNetwork(2, 16, 2, fourier_scale, double_norm, False, False, seed=3)
    return initialise(made, 3).double()  # type: ignore[return-value]


def points(n: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    y, z = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
    return y, z, torch.rand(n, generator=generator, dtype=torch.float64) * 0.8 + 0.1


def difference(function: Callable[[float], Tensor], h: float = 2e-4) -> Tensor:
    """Central differences of fourth order at 0, in float64: good to about 1e-11."""
    return (8 * (function(h) - function(-h)) - (function(2 * h) - function(-2 * h))).detach() / (12 * h)


# -- tangents ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 4.0])
@pytest.mark.parametrize("double_norm", [True, False])
def test_the_forward_derivative_agrees_with_central_differences(scale: float, double_norm: bool) -> None:
    F, (y, dy, t), dt = network(scale, double_norm), points(), torch.linspace(0.2, 1.0, 7, dtype=torch.float64)
    value, found = jvp(F, y, t, dy, dt)
    expected = difference(lambda h: F(y + h * dy, t + h * dt))
    assert torch.equal(value, F(y, t).detach())
    assert not found.requires_grad
    assert (found - expected).abs().max() < 1e-8 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("flow", FLOWS, ids=["trig", "linear"])
def test_the_residual_is_the_total_derivative_of_the_consistency_function_along_the_flow(flow: Flow) -> None:
    """g is cos(t) df/dt in TrigFlow and df/dt on the straight path, with f differentiated by central differences."""
    F, (data, z, t) = network(), points()
    y, dy, tangent_scale = flow.mix(data, z, t), flow.velocity(data, z, t), flow.tangent_scale(t)
    value, J = jvp(F, y, t, tangent_scale.unsqueeze(1) * dy, tangent_scale)

    def f(time: Tensor) -> Tensor:
        there = flow.mix(data, z, time)
        return flow.jump(F(there, time), there, time)

    derivative = difference(lambda h: f(t + h))
    expected = derivative * torch.cos(t).unsqueeze(1) if isinstance(flow, TrigFlow) else derivative
    assert (flow.residual(value, J, y, dy, t) - expected).abs().max() < 1e-8


@pytest.mark.parametrize("objective", [Trigflow(warmup=0.0), Shortcut()], ids=["trigflow", "shortcut"])
def test_an_objective_hands_on_that_residual_and_a_gradient_that_is_its_negative(objective: Trigflow | Shortcut) -> None:
    from engine.labs.diffusion.models.tangent import squared_error

    F, (data, z, _) = network(), points()
    batch = {"y": data, "z": z, "normal": torch.zeros(7, 2, dtype=torch.float64), "uniform": torch.zeros(7)}
    found = objective.residual(lambda y, t, end=None: F(y, t), batch, None, 1.0)
    found.F_BD.retain_grad()
    error_B = squared_error(found, found.g_BD.float())
    error_B.sum().backward()
    assert found.F_BD.grad is not None
    assert torch.allclose(found.F_BD.grad, -found.g_BD, atol=1e-6), "-2 g / D with D = 2"
    assert torch.allclose(error_B.double(), found.g_BD.square().mean(dim=1), rtol=1e-5), "the value knows only the tangent"


def test_the_discrete_tangent_comes_to_the_continuous_one_as_the_grid_gets_finer() -> None:
    F, (data, z, _) = network(), points()
    normal = torch.linspace(-1.0, 1.0, 14, dtype=torch.float64).reshape(7, 2)
    batch = {"y": data, "z": z, "normal": normal, "uniform": torch.zeros(7)}
    off = []
    for n in (64, 4096):
        discrete = TrigflowDiscrete(points=n, warmup=0.0)
        t_B = discrete.times(batch)
        found = discrete.residual(lambda y, t, end=None: F(y, t), batch, None, 1.0)
        flow = TrigFlow()
        y, dy, tangent_scale = flow.mix(data, z, t_B), flow.velocity(data, z, t_B), flow.tangent_scale(t_B)
        value, J = jvp(F, y, t_B, tangent_scale.unsqueeze(1) * dy, tangent_scale)
        off.append((found.g_BD / SIGMA_DATA - flow.residual(value, J, y, dy, t_B)).abs().max().item())
    assert off[1] < 0.05 * off[0]


def test_the_edm_objective_has_the_gradient_of_the_loss_as_the_papers_write_it() -> None:
    """lambda (sqrt(|f - f'|^2 + c^2) - c) of EDM's f, differentiated by autograd with respect to F, in float64."""
    F, (data, z, _) = network(), points()
    objective = EdmDiscrete(points=12)
    batch = {"y": data, "z": z, "normal": torch.linspace(-0.5, 1.0, 14, dtype=torch.float64).reshape(7, 2), "uniform": torch.zeros(7)}
    found = objective.residual(lambda y, t, end=None: F(y, objective.time_input(t)), batch, None, 1.0)
    t, near = objective.steps(batch)
    sigma, smaller = SIGMA_DATA * torch.tan(t), SIGMA_DATA * torch.tan(near)

    def edm(noise: Tensor, out: Tensor) -> Tensor:
        x = SIGMA_DATA * data + noise.unsqueeze(1) * z
        total = noise.square() + SIGMA_DATA**2
        skip, scale = SIGMA_DATA**2 / total, -noise * SIGMA_DATA / total.sqrt()  # the sign of F is TrigFlow's
        return skip.unsqueeze(1) * x + scale.unsqueeze(1) * out

    def inside(noise: Tensor) -> Tensor:
        return (SIGMA_DATA * data + noise.unsqueeze(1) * z) / (noise.square() + SIGMA_DATA**2).sqrt().unsqueeze(1)

    out = F(inside(sigma), sigma.log() / 4).detach().requires_grad_()
    small = smaller.clamp(min=SIGMA_DATA * math.tan(1e-4)).log() / 4
    target = edm(smaller, F(inside(smaller), small)).detach()
    c = objective.huber * math.sqrt(2)
    distance = ((edm(sigma, out) - target).square().sum(dim=1) + c * c).sqrt() - c
    (distance / (sigma - smaller)).sum().backward()
    assert out.grad is not None
    assert torch.allclose(found.g_BD, -out.grad, rtol=1e-4, atol=1e-9), "-2 g / D with D = 2"


# -- parameterisations -------------------------------------------------------------------------------


def test_edm_and_trigflow_are_the_same_parameterisation() -> None:
    """sCM, appendix B: x_sigma = x_t / cos t, sigma = sigma_d tan t, and EDM's c_skip, c_out and c_in give the same denoised point."""
    data, z, t = points()
    F, flow = torch.randn(7, 2, dtype=torch.float64), TrigFlow()
    sigma = SIGMA_DATA * torch.tan(t)
    x = SIGMA_DATA * data + sigma.unsqueeze(1) * z
    total = (sigma.square() + SIGMA_DATA**2).unsqueeze(1)
    y = flow.mix(data, z, t)
    assert torch.allclose(x / total.sqrt(), y, atol=1e-12), "c_in x is the point of TrigFlow"
    edm = SIGMA_DATA**2 / total * x - sigma.unsqueeze(1) * SIGMA_DATA / total.sqrt() * F
    assert torch.allclose(edm, SIGMA_DATA * flow.jump(F, y, t), atol=1e-12)
    assert torch.allclose(log_noise(t), sigma.log() / 4, atol=1e-12)
    assert torch.allclose(flow.from_sigma(sigma), t, atol=1e-12)


@pytest.mark.parametrize("flow", FLOWS, ids=["trig", "linear"])
def test_a_jump_from_the_data_end_changes_nothing_and_times_convert_back_and_forth(flow: Flow) -> None:
    y, z, t = points()
    end = torch.full_like(t, flow.data_end)
    assert torch.allclose(flow.jump(z, y, end), y, atol=1e-12)
    assert torch.allclose(flow.at(flow.noise_share(t)), t, atol=1e-12)
    assert torch.allclose(flow.mirror(end), end)
    back, time = flow.from_trig(*flow.to_trig(y, t))
    assert torch.allclose(back, y, atol=1e-12)
    assert torch.allclose(time, t, atol=1e-12)


def test_both_conventions_have_the_same_flow_lines() -> None:
    """The velocity of a mixture on the straight path agrees with differences along a line that was followed in TrigFlow."""
    mixture, linear = plane("ring"), LinearFlow()
    centres = Mixture("ring", mixture.centres_K2.double(), mixture.std)
    t0, h = 0.7, 1e-5
    y = torch.tensor([[0.4, -1.1], [1.3, 0.2]], dtype=torch.float64)
    line = follow(centres.velocity, y, [t0 - h + 2 * h * i / 20 for i in range(21)], heun=True)
    ends = [linear.from_trig(point, torch.full((2,), time, dtype=torch.float64)) for point, time in ((line[0], t0 - h), (line[-1], t0 + h))]
    middle, s = linear.from_trig(line[10], torch.full((2,), t0, dtype=torch.float64))
    expected = (ends[1][0] - ends[0][0]) / (ends[1][1] - ends[0][1]).unsqueeze(1)
    assert torch.allclose(linear.velocity_of(centres.velocity)(middle, s), expected, atol=1e-6)


# -- the exact flow, samplers and distances ----------------------------------------------------------


@pytest.mark.parametrize("name", ["ring", "checkerboard", "moons", "spirals"])
def test_a_distribution_has_unit_deviation_and_its_velocity_is_that_of_the_posterior_mean(name: str) -> None:
    """dy/dt = (cos t y - E[y_0 | y]) / sin t, with the mean computed by plain sums over the Gaussians in float64."""
    mixture = plane(name)
    drawn = mixture.sample(20_000, torch.Generator().manual_seed(0))
    assert drawn.mean(dim=0).abs().max() < 0.03
    assert (drawn.std(dim=0) - 1.0).abs().max() < 0.02
    y, time = torch.tensor([[0.3, -0.8], [1.4, 0.9], [-2.0, 0.1]], dtype=torch.float64), 0.6
    cos, sin, s2 = math.cos(time), math.sin(time), mixture.std**2
    expected = []
    for point in y.tolist():
        variance = cos * cos * s2 + sin * sin
        centres = mixture.centres_K2.double().tolist()
        weights = [math.exp(-((point[0] - cos * a) ** 2 + (point[1] - cos * b) ** 2) / (2 * variance)) for a, b in centres]
        means = [[m + s2 * cos / variance * (p - cos * m) for p, m in zip(point, centre, strict=True)] for centre in centres]
        mean = [sum(w * m[i] for w, m in zip(weights, means, strict=True)) / sum(weights) for i in range(2)]
        expected.append([(cos * p - m) / sin for p, m in zip(point, mean, strict=True)])
    found = mixture.velocity(y, torch.full((3,), time, dtype=torch.float64))
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6)


def test_the_sampler_is_exact_on_a_gaussian() -> None:
    """One Gaussian of deviation s: every flow line is y_0 = s y_T / sqrt(cos^2 s^2 + sin^2), whatever the start."""
    s = 0.3
    gaussian = Mixture("one", torch.zeros(1, 2, dtype=torch.float64), s)
    start = torch.tensor([[1.0, -2.0], [0.1, 0.4]], dtype=torch.float64)
    T = TrigFlow.noise_end
    exact = start * s / math.hypot(math.cos(T) * s, math.sin(T))
    ends = [follow(gaussian.velocity, start, [T * (1 - i / n) for i in range(n + 1)], heun=True)[-1] for n in (64, 128)]
    off = [(end - exact).abs().max().item() for end in ends]
    assert off[1] < 1e-3
    assert 2.5 < off[0] / off[1] < 6, "second order"
    point = Mixture("point", torch.tensor([[0.4, -0.3]], dtype=torch.float64), 0.0)
    assert torch.allclose(follow(point.velocity, start, [T, 0.0])[-1], point.centres_K2.expand(2, 2)), "DDIM is exact for a single point"


def test_the_exact_consistency_function_makes_exact_samples_in_one_step() -> None:
    s = 0.3

    def F(y: Tensor, t: Tensor) -> Tensor:
        length = torch.sqrt((torch.cos(t) * s) ** 2 + torch.sin(t) ** 2)
        return (torch.cos(t).unsqueeze(1) * y - s * y / length.unsqueeze(1)) / torch.sin(t).unsqueeze(1)

    z = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fresh = torch.randn(500, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one = one_step(TrigFlow(), F, z)
    assert torch.allclose(one, s * z, atol=2e-3)
    assert two_steps(TrigFlow(), F, z, fresh).std() == pytest.approx(s, rel=0.1)
    straight = LinearFlow().velocity_of(Mixture("one", torch.zeros(1, 2, dtype=torch.float64), s).velocity)
    assert torch.allclose(many_steps(LinearFlow(), straight, z, 200), s * z, atol=2e-2)


def test_the_energy_distance_is_the_sum_over_pairs_and_has_the_floor_of_the_specification() -> None:
    generator = torch.Generator().manual_seed(2)
    x, y = torch.randn(11, 2, generator=generator), torch.randn(13, 2, generator=generator) + 1

    def mean(a: Tensor, b: Tensor) -> float:
        return sum(math.dist(p, q) for p in a.tolist() for q in b.tolist()) / (len(a) * len(b))

    assert energy_distance(x, y).item() == pytest.approx(2 * mean(x, y) - mean(x, x) - mean(y, y), abs=1e-6)
    ring = cloud("ring")
    floors = [SIGMA_DATA * energy_distance(ring.sample(2000, generator), ring.sample(2000, generator)).item() for _ in range(6)]
    assert 0.0003 < sum(floors) / 6 < 0.002
    assert min(floors) > 0
    assert math.isinf(energy_distance(torch.full((4, 2), math.nan), y).item()), "a non-finite result counts as infinite"


def test_coverage_counts_the_gaussians_that_are_reached() -> None:
    ring = plane("ring")
    assert ring.coverage(ring.sample(1000, torch.Generator().manual_seed(0))) == 1.0
    assert ring.coverage(ring.centres_K2[:3].repeat(100, 1)) == 3 / 8
    assert ring.coverage(torch.full((100, 2), math.nan)) == 0.0


def test_the_grid_of_noise_levels_is_that_of_edm() -> None:
    grid = karras(18)
    assert (grid[0].item(), grid[-1].item()) == (pytest.approx(0.002), pytest.approx(80.0))
    i, n, rho = 5, 18, 7
    assert grid[i].item() == pytest.approx((0.002 ** (1 / rho) + i / (n - 1) * (80 ** (1 / rho) - 0.002 ** (1 / rho))) ** rho)


def test_a_network_with_two_times_hears_the_data_end_where_nothing_is_said() -> None:
    made = initialise(TimeNetwork(2, 16, 1, 0.0, False, True, False, seed=0), 0)
    torch.nn.init.normal_(made.end.second.weight)
    model = ConsistencyModel(made, Shortcut(), None)
    y, t = torch.randn(5, 2), torch.rand(5)
    assert torch.equal(model.predict(y, t), model.predict(y, t, torch.ones(5)))
    assert not torch.allclose(model.predict(y, t), model.predict(y, t, t))
