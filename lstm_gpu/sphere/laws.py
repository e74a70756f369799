"""Exact laws of random directions, and what a search among them can and cannot notice.

For h uniform on S^(n-1) and a fixed unit vector ŵ, the cosine t = h·ŵ has t² ~ Beta(1/2,
(n-1)/2). Laws are written in the deficit δ = 1 - t, because the best of many samples has a
cosine near 1 whose own digits are spent. Everything here runs on the host, in float64.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from lstm_gpu.sphere import squares
from lstm_gpu.sphere.directions import CAP_SAMPLES, cap_angles
from lstm_gpu.sphere.rounding import gamma, unit_error
from lstm_gpu.sphere.search import rounding_of

DETECTION = 0.99  # probability with which a printed power would have been noticed


def _tail(deficit: np.ndarray, size: int) -> np.ndarray:
    """P(T > t) for t = 1 - deficit >= 0: half of I_{1-t²}((n-1)/2, 1/2)."""
    return special.betainc((size - 1) / 2, 0.5, deficit * (2 - deficit)) / 2


def cosine_log_law(deficit: np.ndarray, size: int) -> np.ndarray:
    """log F(t) of one cosine, t = 1 - deficit, for n = `size` >= 2."""
    deficit = np.clip(np.asarray(deficit, dtype=np.float64), 0.0, 2.0)
    near = np.minimum(deficit, 1.0)
    far = np.maximum(deficit, 1.0)
    with np.errstate(divide="ignore"):  # F(-1) = 0
        return np.where(deficit <= 1, np.log1p(-_tail(near, size)), np.log(_tail(2 - far, size)))


def best_law(deficit: np.ndarray, size: int, samples: int) -> np.ndarray:
    """F(t)^N: the distribution function of the best of N cosines, taken at t = 1 - deficit.

    At the best cosine itself it is uniform on (0, 1), when the sampler is uniform and the
    maximum is where the deficit says. For n >= 2: at n = 1 the law has two atoms.
    """
    return np.exp(samples * cosine_log_law(deficit, size))


def best_deficit(probability: float, size: int, samples: int) -> float:
    """Quantile of the best of N cosines, as its deficit: F(1 - δ)^N = probability."""
    log_f = math.log(probability) / samples
    tail = -math.expm1(log_f)
    a = (size - 1) / 2
    if tail <= 0.5:
        x = float(special.betaincinv(a, 0.5, 2 * tail))
        return x / (1 + math.sqrt(1 - x))
    x = float(special.betaincinv(a, 0.5, 2 * math.exp(log_f)))
    return 2 - x / (1 + math.sqrt(1 - x))


def best_cosine_median(size: int, samples: int) -> float:
    """Median of the best of N cosines; at n = 1 it is 1 for every N >= 1."""
    return 1.0 if size == 1 else 1 - best_deficit(0.5, size, samples)


def ks_distance(values: Sequence[float]) -> float:
    """Kolmogorov-Smirnov distance sup |F_k(v) - v| of values from the uniform law on (0, 1)."""
    v = np.sort(np.asarray(values, dtype=np.float64))
    rank = np.arange(len(v))
    return float(max((v - rank / len(v)).max(), ((rank + 1) / len(v) - v).max()))


def ks_threshold(count: int, risk: float) -> float:
    """Distance that `count` uniform values exceed with probability at most `risk`.

    P(D > ε) <= 2 exp(-2 k ε²) for every k (Dvoretzky, Kiefer and Wolfowitz, with the constant
    of Massart 1990): no asymptotics.
    """
    return math.sqrt(math.log(2 / risk) / (2 * count))


def ks_power(count: int, risk: float) -> float | None:
    """Least distance between the true law and the exact one that the test is sure (99 %) to see.

    `count` values stay within `ks_threshold(count, 1 %)` of their own law with probability 99 %,
    so from that plus the test's threshold on they are beyond the threshold. None where it would
    be 1 or more: no two laws are so far apart, and no shift is sure to be seen. (A threshold of
    1 or more cannot be exceeded at all.)
    """
    power = ks_threshold(count, risk) + ks_threshold(count, 1 - DETECTION)
    return power if power < 1 else None


def directions_off(distance: float) -> float:
    """How many times the directions one would have to search for a law that far from the exact one.

    The best of k N directions has v = F(t)^N with P(V <= v) = v^k, at most (k - 1) k^(-k/(k-1))
    from uniform; solved by bisection for k > 1, given 0 < distance < 1.
    """
    low, high = 0.0, 700.0  # log k
    for _ in range(100):
        log_k = (low + high) / 2
        gap = -math.expm1(-log_k) * math.exp(-log_k / math.expm1(log_k)) if log_k > 0 else 0.0
        low, high = (log_k, high) if gap < distance else (low, log_k)
    return math.exp(high)


def identity_noise(
    size: int, dtype: str, square: float = 2.0, error: squares.ErrorOf = squares.products_error
) -> float:
    """Bound of the identity at a sample with ‖h - ŵ‖² = `square`, in units of ‖w‖.

    Most samples are at about 2. With x = 0 and no bias: two forward evaluations, and what
    `search.rounding_of` says of a square in a form with this error.
    """
    turned, relative = rounding_of(size, dtype, error(size, dtype, 1.0))
    return 2 * gamma(size, dtype) + turned + square * relative


def _degrees_of_deficit(deficit: float) -> float:
    return math.degrees(2 * math.asin(math.sqrt(min(max(deficit, 0.0), 2.0) / 2)))


def power_by_sampling(size: int, samples: int, dtype: str) -> float | None:
    """Degrees by which a claimed direction may be off before a uniform sample beats it.

    A claim φ off is worth ‖w‖ cos φ; a sample beats it beyond doubt when its cosine exceeds
    cos φ by twice the rounding bound. With probability 99 % the best of N does from the angle
    returned. In high dimension this is large (61° at n = 128 and N = 10⁸): the search alone
    says little there. None where even the opposite direction might go unnoticed.
    """
    if size == 1:
        return 180.0 if 0.5**samples <= 1 - DETECTION else None
    deficit = best_deficit(1 - DETECTION, size, samples) + 2 * identity_noise(size, dtype)
    return _degrees_of_deficit(deficit) if deficit < 2 else None


def power_by_identity(size: int, samples: int, dtype: str) -> float | None:
    """Degrees by which a claimed direction may be off before the identity fails at a sample.

    For a claim φ off in the tangent direction v, the two sides differ by ‖w‖ φ |h·v| to first
    order in φ; beyond twice the bound no rounding can hide it. All N samples have |h·v| < a
    with probability I_{a²}(1/2, (n-1)/2)^N, which is 1 % at the a used here. The direction of
    v does not matter: the samples are uniform.
    """
    if size == 1:
        return 180.0 if 0.5**samples <= 1 - DETECTION else None
    miss = -math.expm1(math.log(1 - DETECTION) / samples)
    reach = math.sqrt(float(special.betainccinv(0.5, (size - 1) / 2, miss)))
    degrees = math.degrees(2 * identity_noise(size, dtype) / reach)
    return degrees if degrees < 180 else None


def _caps_miss(phi: float, size: int, dtype: str, samples: int) -> float:
    """Probability that no cap sample beats a claim that is φ off, by twice the bound.

    h at angle θ from the claim, tangent v: its cosine exceeds cos φ by
    sin θ sin φ (v·e) - 2 sin²(θ/2) cos φ, where v·e is a cosine on S^(n-2).
    """
    points = 9  # per stratum: the angle's own law, midpoints
    r = (np.arange(points)[:, None] + 0.5) / points + np.zeros(samples)
    theta = cap_angles(r, dtype)
    noise = 2 * identity_noise(size, dtype, 0.0, squares.differences_error)
    needed = noise + 2 * np.sin(theta / 2) ** 2 * math.cos(phi)
    cosine = needed / (np.sin(theta) * math.sin(phi))
    if size == 2:
        caught = np.where(cosine < -1, 1.0, np.where(cosine < 1, 0.5, 0.0))
    else:
        caught = -np.expm1(cosine_log_law(1 - cosine, size - 1))
    return float(np.prod(1 - caught.mean(axis=0)))


def power_by_caps(size: int, dtype: str, samples: int = CAP_SAMPLES) -> float | None:
    """Degrees by which a claimed direction may be off before a cap sample beats it (99 %).

    Found by bisection of the miss probability, between rounding and a right angle. None at
    n = 1, where a cap holds the claimed point only.
    """
    if size == 1:
        return None
    low, high = unit_error(size, dtype), math.pi / 2
    if _caps_miss(high, size, dtype, samples) > 1 - DETECTION:
        return None
    for _ in range(60):
        middle = math.sqrt(low * high)
        if _caps_miss(middle, size, dtype, samples) > 1 - DETECTION:
            low = middle
        else:
            high = middle
    return math.degrees(high)
