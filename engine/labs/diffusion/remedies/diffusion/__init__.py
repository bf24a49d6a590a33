"""Question `diffusion`: what does the network see, what must it predict, and how much noise is there?

Noise is measured as sigma: x = x0 + sigma n with n ~ N(0, 1), whatever the answer.  The denoiser is
D(x; sigma) = c_skip x + c_out F(c_in x, label), and the network F is trained with unit weight on (x0 - c_skip x) / c_out.

Shapes: B pictures; coefficients are (B,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from engine.declare.knobs import Choice

if TYPE_CHECKING:
    from torch import Tensor

    Network = Callable[[Tensor, Tensor], Tensor]  # (input (B, C, H, W), label (B,)) -> (B, C, H, W)

SIGMA_DATA = 0.5  # standard deviation of the pictures, as in EDM; the labs scale their data to it


class Coefficients(NamedTuple):
    """Of the denoiser at some noise levels, (B,) each."""

    skip: Tensor
    out: Tensor
    into: Tensor
    label: Tensor


class Diffusion(Choice):
    """What does the network see, what must it predict, and how much noise is there?"""

    def sigma(self, noise_fraction_B: Tensor) -> Tensor:
        """Noise level at a share in (0, 1) of its training distribution; the inverse of its distribution function."""
        raise TypeError(f"{type(self).__name__} must define sigma(share)")

    def coefficients(self, sigma_B: Tensor) -> Coefficients:
        """Of the denoiser at noise level sigma > 0."""
        raise TypeError(f"{type(self).__name__} must define coefficients(sigma)")

    def training_pair(self, clean: Tensor, noise: Tensor, sigma_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> what the network sees, its label and what it should answer, for pictures (B, C, H, W) and noise of deviation 1."""
        c = self.coefficients(sigma_B)
        noisy = clean + per_picture(sigma_B, clean) * noise
        target = (clean - per_picture(c.skip, clean) * noisy) / per_picture(c.out, clean)
        return per_picture(c.into, clean) * noisy, c.label, target

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma) for pictures that share the noise level `sigma` ()."""
        c = self.coefficients(sigma.to(x.device).expand(len(x)))
        answer = network((per_picture(c.into, x) * x).to(x.dtype), c.label.to(x.dtype))
        return (per_picture(c.skip, x) * x + per_picture(c.out, x) * answer).to(x.dtype)


def per_picture(numbers_B: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1), to multiply pictures with."""
    return numbers_B.view(-1, *[1] * (like.ndim - 1))
