"""The BCa bootstrap of a mean difference: a second interval, which does not take differences to be symmetric."""

from __future__ import annotations

import numpy as np

from engine.statistics.sign_flip_interval import COVERAGE

FEWEST = 10  # pairs
RESAMPLES = 9_999
HELD = (76, 88)  # % of simulated means that the interval held, over 10 to 32 pairs
SEED = 0  # the same differences have the same interval


def bootstrap_mean(differences: np.ndarray) -> tuple[float, float] | None:
    """The 90 % interval of the mean, bias-corrected and accelerated (Efron 1987), by scipy; None under FEWEST finite differences.

    Differences that are all equal have an interval of no width.

    Shortfall: of 1,500 simulated mean differences between two arms that differ in their seeds only it held, for 10, 16 and 32 pairs, normal
    85, 88, 88 %; t with 3 degrees of freedom 81, 84, 85 %; lognormal (sigma 1) 76, 77, 82 %; `HELD` says so on the page.
    """
    d = np.asarray(differences, np.float64)
    if len(d) < FEWEST or not np.isfinite(d).all():
        return None
    if d.min() == d.max():
        return float(d[0]), float(d[0])
    from scipy.stats import bootstrap  # half a second, asked for where it is needed

    result = bootstrap(
        (d,),
        np.mean,
        vectorized=True,
        axis=-1,
        confidence_level=COVERAGE,
        n_resamples=RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(SEED),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
