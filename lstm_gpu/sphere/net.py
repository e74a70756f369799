"""Nets that leave no direction out, and what they prove about a maximum (n = 1, 2, 3).

Every direction is within the covering radius rho of a point of the net. So the best point has
‖w‖ cos rho <= z_best <= ‖w‖: an interval for ‖w‖ from forward evaluations alone, with
nothing left to chance.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere.gate import Gate

Array = Any

POINTS = 4096
_HULL_SLACK = 2.0**-40  # absolute; Qhull's planes are good to about 1e-14
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


class Net(NamedTuple):
    """Points (count, n) in float64 and their covering radius in radians."""

    points: np.ndarray
    radius: float


def circle(count: int) -> Net:
    """An even grid: no direction is further than π/count from it."""
    phase = 2 * np.pi * np.arange(count) / count
    return Net(np.stack([np.cos(phase), np.sin(phase)], axis=1), math.pi / count)


def fibonacci(count: int) -> Net:
    """A Fibonacci lattice on S², with its covering radius measured.

    The direction furthest from all points is the normal of a facet of their convex hull, and
    lies at arccos(distance of the facet's plane from the origin) from that facet's corners.
    """
    height = 1 - (2 * np.arange(count) + 1) / count
    phase = _GOLDEN_ANGLE * np.arange(count)
    ring = np.sqrt(1 - height * height)
    points = np.stack([ring * np.cos(phase), ring * np.sin(phase), height], axis=1)
    return Net(points, covering_radius(points))


def covering_radius(points: np.ndarray) -> float:
    """Greatest angle between a direction of S² and the nearest of the points (count, 3).

    Raises
    ------
    ValueError
        when the points leave a half sphere empty: no plane of their hull bounds that gap.
    """
    from scipy.spatial import ConvexHull  # a fifth of a second, of use at n = 3 alone

    offsets = ConvexHull(points).equations[:, -1]
    nearest = float((-offsets).min()) - _HULL_SLACK
    if nearest <= 0:
        raise ValueError("the points leave a half sphere empty, so they cover nothing")
    return math.acos(min(nearest, 1.0))


@functools.cache
def net_of(size: int) -> Net | None:
    """Return the net of S^(size-1); None above n = 3, where a useful one would be too large."""
    match size:
        case 1:
            return Net(np.array([[1.0], [-1.0]]), 0.0)
        case 2:
            return circle(POINTS)
        case 3:
            return fibonacci(POINTS)
    return None


class Certificate(NamedTuple):
    """What a net proves: low <= ‖w‖ <= high, arrays (sets, rows)."""

    best: Array
    low: Array
    high: Array
    radius: float


def certify(gate: Gate, net: Net, norm: Array, xp: Any) -> Certificate:
    """Bound ‖w‖ of every row from the best point of the net.

    The points are rounded to the gate's dtype, which turns and stretches each by at most
    one unit roundoff in each entry (float64: cos and sin are good to 2 of them). `norm` only
    scales the rounding bound of the forward evaluation.
    """
    sets, n, _ = gate.sizes
    dtype = gate.U.dtype
    slack = 4 * unit_roundoff(dtype) if n > 1 else 0.0
    points = xp.asarray(net.points.astype(dtype))
    at_once = max(1, 2**17 // points.size)
    parts = []
    for first in range(0, sets, at_once):
        part = gate.part(first, min(first + at_once, sets))
        h = xp.broadcast_to(points, (part.U.shape[0], *points.shape))
        parts.append(part(h).max(axis=1))
    best = xp.concatenate(parts)
    error = gate.error(norm, 1 + slack, xp)
    low = (best - error) * (1 - 2 * slack)
    high = (best + error) / math.cos(net.radius + slack) * (1 + 2 * slack)
    return Certificate(best, low, high, net.radius)
