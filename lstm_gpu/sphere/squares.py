"""‖h - d‖² in two forms, each with a bound on its error.

By products, for samples from all over the sphere: matrix products do the work, and the error is
relative to (‖h‖ + ‖d‖)², so that a square near zero has no digits. By differences, for samples
near d: the error is relative to the square itself, at the price of arrays of size rows × samples
× n.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere.directions import length_error
from lstm_gpu.sphere.rounding import gamma, tree_depth, tree_sum, unit_error

Array = Any


class Error(NamedTuple):
    """|s - ‖h - d‖²| <= absolute + relative · ‖h - d‖², for a computed square s."""

    absolute: Array | float
    relative: float


ErrorOf = Callable[[int, Any, Array | float], Error]  # of size, dtype and ‖d‖: one for each form


def norms(vectors: Array) -> Array:
    """‖v‖² along the last axis, off by gamma(tree_depth(n) + 1) relative."""
    return tree_sum(vectors * vectors)


def by_products(h: Array, direction: Array, xp: Any) -> Array:
    """(‖h‖² + ‖d‖²) - 2 h·d: h (sets, points, n), d (sets, rows, n) -> (sets, rows, points).

    Below zero by rounding where h is as good as d.
    """
    total = norms(direction)[:, :, None] + norms(h)[:, None, :]
    return xp.subtract(total, xp.matmul(direction * 2, xp.swapaxes(h, 1, 2)), out=total)


def products_error(size: int, dtype: Any, length: Array | float = 1.0) -> Error:
    """Bound on the error of `by_products`, for samples h and for d of this `length`.

    The squared norms are off by gamma(t + 1) relative, with t the depth of their sum, and by one
    rounding more as they are added; the product h·d by gamma(n) ‖h‖ ‖d‖ in any order of
    summation, with or without fused multiply-add, and doubling it is exact. So what the
    subtraction is given is off by

        e = gamma(t + 2) (‖h‖² + ‖d‖²) + 2 gamma(n) ‖h‖ ‖d‖,

    and its result by (1 + u) e + u ‖h - d‖². ‖h‖ <= 1 + `length_error`; ‖d‖ <= length (1 + δ),
    δ the error of entries or lengths of `unit`.
    """
    u = unit_roundoff(dtype)
    h, d = 1 + length_error(size, dtype), length * (1 + unit_error(size, dtype))
    given = gamma(tree_depth(size) + 2, dtype) * (h * h + d * d) + 2 * gamma(size, dtype) * h * d
    return Error((1 + u) * given, u)


def by_differences(h: Array, direction: Array) -> Array:
    """Σ (h_j - d_j)²: h (sets, rows, points, n), d (sets, rows, n) -> (sets, rows, points)."""
    return norms(h - direction[:, :, None, :])


def differences_error(size: int, dtype: Any, length: Array | float = 1.0) -> Error:
    """Bound on the error of `by_differences`, whatever the lengths.

    Each difference is off by u of itself; squaring doubles that and adds one, the sum its depth.
    """
    return Error(0.0, gamma(tree_depth(size) + 3, dtype))
