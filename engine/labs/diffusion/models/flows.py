"""Two ways from data to noise and back, TrigFlow and the straight line, behind one interface.

Everything is in units in which the data has standard deviation 1 and the noise is a standard normal; in these units sigma_d of
the papers is 1 and appears only where a noise level is named in data units.

    TrigFlow (sCM)    y_t = cos(t) y_0 + sin(t) z,  t from 0 (data) to pi/2 (noise),   f = cos(t) y - sin(t) F
    straight line     y_t = t y_0 + (1 - t) z,      t from 0 (noise) to 1 (data),      f = y + (1 - t) F

F is the velocity dy/dt that the network stands for, f the point of the data that lies on the same flow line.

Shapes: B points, D coordinates; times are (B,).
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from engine.labs.diffusion.datasets.plane import SIGMA_DATA

SIGMA_MAX = 80.0  # the largest noise of EDM, in data units
Velocity = Callable[[Tensor, Tensor], Tensor]  # (y_BD, t_B) -> (B, D)


class Flow(ABC):
    """One convention.  `noise_end`: where sampling starts; `middle`: where the second of two steps starts; `data_end`: where f(y) = y."""

    noise_end: ClassVar[float]
    middle: ClassVar[float]
    data_end: ClassVar[float]

    @abstractmethod
    def mix(self, y_BD: Tensor, z_BD: Tensor, t_B: Tensor) -> Tensor:
        """The point at time t between data and noise."""

    @abstractmethod
    def velocity(self, y_BD: Tensor, z_BD: Tensor, t_B: Tensor) -> Tensor:
        """dy_t/dt of the pair, whose mean over all pairs through a point is the velocity of the probability flow."""

    @abstractmethod
    def jump(self, F_BD: Tensor, y_BD: Tensor, t_B: Tensor) -> Tensor:
        """The consistency function f from the velocity F."""

    @abstractmethod
    def tangent_scale(self, t_B: Tensor) -> Tensor:
        """What the tangents of the JVP are multiplied by before it, so that no factor is large anywhere (sCM's rearrangement)."""

    @abstractmethod
    def residual(self, F_BD: Tensor, J_BD: Tensor, y_BD: Tensor, dy_BD: Tensor, t_B: Tensor, ramp: float = 1.0) -> Tensor:
        """g, how F should move for f to stay constant along the flow; J: `tangent_scale` times dF/dt; `ramp`: its warm-up, 0 to 1."""

    def mirror(self, t_B: Tensor) -> Tensor:
        """The time on the other side of the data end: FACM's expanded interval."""
        return 2.0 * self.data_end - t_B

    @abstractmethod
    def noise_share(self, t_B: Tensor) -> Tensor:
        """0 at the data, 1 at the noise: the axis of every chart over time."""

    @abstractmethod
    def at(self, noise_fraction_B: Tensor) -> Tensor:
        """The inverse of `noise_share`."""

    @abstractmethod
    def from_trig(self, y_BD: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        """A point of TrigFlow -> the same point of the same flow line here, and its time."""

    @abstractmethod
    def to_trig(self, y_BD: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `from_trig`."""

    @abstractmethod
    def velocity_of(self, field: Velocity) -> Velocity:
        """The velocity here of a field that is given in TrigFlow."""

    def from_sigma(self, sigma_B: Tensor) -> Tensor:
        """The time at which noise to data is sigma (in data units) to sigma_d."""
        return self.from_trig(torch.ones_like(sigma_B).unsqueeze(1), torch.atan(sigma_B / SIGMA_DATA))[1]


class TrigFlow(Flow):
    """Lu and Song 2025 (arXiv 2410.11081), section 3, with sigma_d = 1."""

    noise_end = math.atan(SIGMA_MAX / SIGMA_DATA)
    middle = 1.1
    data_end = 0.0

    def mix(self, y_BD: Tensor, z_BD: Tensor, t_B: Tensor) -> Tensor:
        return _c(t_B) * y_BD + _s(t_B) * z_BD

    def velocity(self, y_BD: Tensor, z_BD: Tensor, t_B: Tensor) -> Tensor:
        return _c(t_B) * z_BD - _s(t_B) * y_BD

    def jump(self, F_BD: Tensor, y_BD: Tensor, t_B: Tensor) -> Tensor:
        return _c(t_B) * y_BD - _s(t_B) * F_BD

    def tangent_scale(self, t_B: Tensor) -> Tensor:
        return torch.cos(t_B) * torch.sin(t_B)

    def residual(self, F_BD: Tensor, J_BD: Tensor, y_BD: Tensor, dy_BD: Tensor, t_B: Tensor, ramp: float = 1.0) -> Tensor:
        """Algorithm 1 of sCM: cos(t) df/dt."""
        return -_c(t_B).square() * (F_BD - dy_BD) - ramp * (_c(t_B) * _s(t_B) * y_BD + J_BD)

    def noise_share(self, t_B: Tensor) -> Tensor:
        return t_B * (2.0 / math.pi)

    def at(self, noise_fraction_B: Tensor) -> Tensor:
        return noise_fraction_B * (math.pi / 2.0)

    def from_trig(self, y_BD: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        return y_BD, t_B

    to_trig = from_trig

    def velocity_of(self, field: Velocity) -> Velocity:
        return field


class LinearFlow(Flow):
    """The straight path of flow matching in FACM's direction of time (Peng et al., authors' code): 0 is noise, 1 is data."""

    noise_end = 0.0
    middle = 0.5
    data_end = 1.0

    def mix(self, y_BD: Tensor, z_BD: Tensor, t_B: Tensor) -> Tensor:
        t_B1 = t_B.unsqueeze(1)
        return t_B1 * y_BD + (1.0 - t_B1) * z_BD

    def velocity(self, y_BD: Tensor, z_BD: Tensor, t_B: Tensor) -> Tensor:
        return y_BD - z_BD

    def jump(self, F_BD: Tensor, y_BD: Tensor, t_B: Tensor) -> Tensor:
        return y_BD + (1.0 - t_B).unsqueeze(1) * F_BD

    def tangent_scale(self, t_B: Tensor) -> Tensor:
        return 1.0 - t_B

    def residual(self, F_BD: Tensor, J_BD: Tensor, y_BD: Tensor, dy_BD: Tensor, t_B: Tensor, ramp: float = 1.0) -> Tensor:
        """FACM: T(F) - F with T(F) = v + (1 - t) dF/dt, the average velocity from t to the data."""
        return dy_BD + ramp * J_BD - F_BD

    def noise_share(self, t_B: Tensor) -> Tensor:
        return 1.0 - t_B

    def at(self, noise_fraction_B: Tensor) -> Tensor:
        return 1.0 - noise_fraction_B

    def from_trig(self, y_BD: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        total_B = torch.cos(t_B) + torch.sin(t_B)
        return y_BD / total_B.unsqueeze(1), torch.cos(t_B) / total_B

    def to_trig(self, y_BD: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        length_B = torch.hypot(t_B, 1.0 - t_B)
        return y_BD / length_B.unsqueeze(1), torch.atan2(1.0 - t_B, t_B)

    def velocity_of(self, field: Velocity) -> Velocity:
        def velocity(y_BD: Tensor, t_B: Tensor) -> Tensor:
            y, t = self.to_trig(y_BD, t_B)
            F = field(y, t)
            data, noise = _c(t) * y - _s(t) * F, _s(t) * y + _c(t) * F
            return data - noise

        return velocity


def _c(t_B: Tensor) -> Tensor:
    return torch.cos(t_B).unsqueeze(1)


def _s(t_B: Tensor) -> Tensor:
    return torch.sin(t_B).unsqueeze(1)


@torch.no_grad()
def follow(field: Velocity, y_BD: Tensor, times: list[float], *, heun: bool = False) -> list[Tensor]:
    """The probability flow of TrigFlow from times[0] to times[-1] -> the points at every time.

    DDIM (exact where F does not change along the way, sCM section 3): y_t = cos(s - t) y_s - sin(s - t) F(y_s, s); with `heun`
    a second evaluation at the end of each step, and the two averaged.
    """
    out = [y_BD]
    for s, t in itertools.pairwise(times):
        y, at = out[-1], y_BD.new_full((len(y_BD),), s)
        F = field(y, at)
        step = math.cos(s - t) * y - math.sin(s - t) * F
        if heun:
            there = field(step, torch.full_like(at, t))
            turned = math.cos(s - t) * there - math.sin(s - t) * step  # back to s as if F had not changed on the way
            step = math.cos(s - t) * y - math.sin(s - t) * 0.5 * (F + turned)
        out.append(step)
    return out
