"""95 % intervals of a share."""

from math import sqrt

Z95 = 1.959963984540054


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927; Brown, Cai and DasGupta 2001); (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share, scale = hits / n, 1 + Z95**2 / n
    centre = (share + Z95**2 / (2 * n)) / scale
    half = Z95 / scale * sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)
