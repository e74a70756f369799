"""Riemannian ascent on the sphere by forward evaluations alone, back to the claimed direction.

A gradient by central differences, its tangential part, and an exact line search along the great
circle through both: nothing of U_f is looked at. Because z is affine, the first great circle
passes through the maximum, from wherever the ascent starts.
"""

import math
from typing import Any

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import (
    gamma,
    tree_depth,
    tree_sum,
    unit,
    unit_error,
)

Array = Any

ROUNDS = 1  # z is affine, so the first great circle passes through the maximum
_ELEMENTS = 2**16  # of one block of points


def gradient(gate: Gate, h: Array, xp: Any) -> Array:
    """Central differences of z along the axes, with steps of one radius.

    An affine function has no truncation error, so the step is as long as the sphere allows,
    and divided by the length actually taken.

    Parameters
    ----------
    gate : one row per weight set (`Gate.rows`)
    h (rows, n)

    Returns
    -------
    (rows, n)
    """
    rows, n = h.shape
    at_once = max(1, _ELEMENTS // (2 * n * n))
    axis = xp.arange(n)
    slopes = xp.empty_like(h)
    for first in range(0, rows, at_once):
        stop = min(first + at_once, rows)
        centre = h[first:stop]
        ahead, behind = centre + 1, centre - 1
        points = xp.empty((stop - first, 2 * n, n), dtype=h.dtype)
        points[...] = centre[:, None, :]
        points[:, axis, axis] = ahead
        points[:, n + axis, axis] = behind
        z = gate.part(first, stop)(points)[..., 0]
        slopes[first:stop] = (z[:, :n] - z[:, n:]) / (ahead - behind)
    return slopes


def _dot(a: Array, b: Array) -> Array:
    return tree_sum(a * b)[..., None]


def tangential(slopes: Array, h: Array) -> Array:
    """The part of a gradient at right angles to the unit vector h."""
    return slopes - _dot(slopes, h) * h


def climb(gate: Gate, h: Array, xp: Any, rounds: int = ROUNDS) -> Array:
    """Climb from unit vectors h (rows, n) to the best point of the sphere, row by row.

    Each round: v, the unit tangent along the gradient; a and b, the slopes of z along h and v;
    and the best point of the great circle cos θ h + sin θ v, which is (a h + b v)/√(a² + b²).
    """
    for _ in range(rounds):
        slopes = gradient(gate, h, xp)
        v, _ = unit(tangential(slopes, h), xp)
        v = tangential(v, h)  # once more: the first pass leaves rounding along h
        v = xp.where(_dot(v, v) < 0.25, 0 * v, v)  # nothing but rounding: h is the best point
        v, _ = unit(v, xp)
        z = gate(xp.stack([h, -h, v, -v], axis=1))[..., 0]
        scale, _ = unit(xp.stack([z[:, 0] - z[:, 1], z[:, 2] - z[:, 3]], axis=1), xp)
        h, _ = unit(scale[:, :1] * h + scale[:, 1:] * v, xp)
    return h


def gradient_error(gate: Gate, norm: Array, xp: Any) -> Array:
    """Bound (sets, rows) on ‖fl(gradient) - w‖₂ at a unit vector h.

    A difference of two evaluations at h ± e_j over 2: each of them is off by dot_error · Σ_k
    |w_k| |h_k ± δ_jk| <= dot_error (‖w‖ ‖h‖ + |w_j|) and by what W_f x + b_f adds; over the n
    entries the first and the last grow with √n. Subtraction, step taken and quotient add 3 u.
    """
    n = gate.U.shape[-1]
    dtype = gate.U.dtype
    root = math.sqrt(n)
    longest = 1 + unit_error(n, dtype)
    dots = gate.dot_error() * (root * longest + 1) + 3 * unit_roundoff(dtype)
    return (dots * norm + root * (gate.driven_error(xp) + gate.underflow())) * (1 + dots)


def angle_error(gate: Gate, norm: Array, xp: Any) -> Array:
    """Bound (sets, rows), in radians, on the angle between `climb`'s end and w_d/‖w_d‖ as rounded.

    With g the computed gradient, and relative to ‖w‖:

    - the angle between g and w: its sine is at most gradient_error/‖w‖;
    - g off the plane spanned by the computed h and v: 7 u for the roundings of the tangent
      and of its two normalisations;
    - h and v not orthonormal: at most 2 (d + 2 ε + 2 u) + 2 ε, with d the error of a dot
      product by `tree_sum` and ε the length error of unit vectors; or, where v was dropped
      as mere rounding, g off the line through h by at most 1.2 (d + 2 ε + 3 u);
    - a and b, each off by the forward error at unit points: √2 times that;
    - combining and normalising: 6 u; and the claimed direction's own rounding, ε.

    Each is the sine of an angle; asin s <= s (1 + s²) for s <= 1/2, and beyond that the bound
    is π: nothing is known.
    """
    n = gate.U.shape[-1]
    dtype = gate.U.dtype
    if n == 1:
        return xp.where(gate.error(norm, 1.0, xp) < norm, 0.0, math.pi).astype(norm.dtype)
    u = unit_roundoff(dtype)
    epsilon = unit_error(n, dtype)
    orthogonal = 2 * (gamma(tree_depth(n) + 1, dtype) + 2 * epsilon + 2 * u) + 2 * epsilon
    plain = 7 * u + orthogonal + 6 * u + epsilon
    error = gradient_error(gate, norm, xp) + math.sqrt(2) * gate.error(norm, 1 + epsilon, xp)
    sine = error / xp.maximum(norm, error)  # at most 1, where nothing is known
    sine = (sine + plain) * (1 + 8 * u)
    bound = xp.where(sine <= 0.5, sine * (1 + sine * sine), math.pi)
    return bound.astype(norm.dtype)
