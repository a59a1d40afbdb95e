"""95 % intervals: Wilson's for a share, a paired bootstrap for the difference of two models on the same rows."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

Z95 = 1.959963984540054
RESAMPLES = 2000
_CHUNK = 200  # resamples at a time, to bound memory


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927; Brown, Cai and DasGupta 2001); (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share, scale = hits / n, 1 + Z95**2 / n
    centre = (share + Z95**2 / (2 * n)) / scale
    half = Z95 / scale * sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)


def paired_difference(before: Sequence[bool], after: Sequence[bool], rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean of after - before over the same rows, with its 95 % percentile-bootstrap interval (Efron 1979)."""
    if len(before) != len(after) or not len(before):
        raise ValueError(f"{len(before)} rows before and {len(after)} after (allowed: the same rows, at least one)")
    difference = np.asarray(after, float) - np.asarray(before, float)
    n = len(difference)
    means = [difference[rng.integers(n, size=(_CHUNK, n))].mean(axis=1) for _ in range(RESAMPLES // _CHUNK)]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)
