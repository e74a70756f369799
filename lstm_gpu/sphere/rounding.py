"""Rounding on the unit sphere: norms, directions, and how far each may be off.

u is the unit roundoff of the dtype and gamma(k) = k u/(1 - k u): a product of k factors
(1 + δ)^±1, |δ| <= u, differs from 1 by at most gamma(k) (Higham, Accuracy and Stability of
Numerical Algorithms, 2nd ed., lemma 3.1). Sums here are taken in a tree of a fixed shape, so
that each term passes through ceil(log2 n) additions only, in the same order on every backend:
library reductions promise neither.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.bounds import unit_roundoff

Array = Any


def underflow_unit(dtype: Any) -> float:
    """What one product may lose to gradual underflow (twice the possible loss)."""
    return float(np.finfo(dtype).smallest_subnormal)


def gamma(k: float, dtype: Any) -> float:
    """k u/(1 - k u); infinite where k u >= 1, when nothing is known of the result."""
    ku = k * unit_roundoff(dtype)
    return ku / (1 - ku) if ku < 1 else float("inf")


def tree_depth(terms: int) -> int:
    """Additions that a term of `tree_sum` passes through: ceil(log2(terms))."""
    return max(terms - 1, 0).bit_length()


def tree_sum(terms: Array) -> Array:
    """Sum over the last axis, halving it in place: `terms` is overwritten.

    |error| <= gamma(tree_depth(n)) · Σ |terms|.
    """
    count = terms.shape[-1]
    while count > 1:
        kept = (count + 1) // 2
        terms[..., : count - kept] += terms[..., kept:count]
        count = kept
    return terms[..., 0]


def unit_error(size: int, dtype: Any) -> float:
    """Relative error of each entry of `unit`'s direction, and so of its length too.

    A square passes 1 + tree_depth roundings, whose root halves them; the root and the quotient
    add one each. Exact at size 1, where the quotient is ±1.
    """
    return gamma((tree_depth(size) + 1) / 2 + 2, dtype) if size > 1 else 0.0


def norm_error(size: int, dtype: Any) -> float:
    """Relative error of `unit`'s norm: as `unit_error`, without the quotient."""
    return gamma((tree_depth(size) + 1) / 2 + 1, dtype) if size > 1 else 0.0


def unit(vectors: Array, xp: Any) -> tuple[Array, Array]:
    """Return v/‖v‖₂ and ‖v‖₂ along the last axis; a zero vector gives zeros.

    Each vector is scaled by a power of two (exact) before its entries are squared, so that
    entries of 1e-30 or 1e30 in float32 neither vanish nor overflow.

    Returns
    -------
    directions, of the shape of `vectors`, off by at most `unit_error` relative per entry;
    norms, without the last axis, off by at most `norm_error` relative.
    """
    exponent = xp.frexp(xp.abs(vectors).max(axis=-1))[1]
    scaled = xp.ldexp(vectors, -exponent[..., None])
    length = xp.sqrt(tree_sum(scaled * scaled))
    direction = scaled / xp.where(length > 0, length, 1)[..., None]
    return direction, xp.ldexp(length, exponent)


class Rows(NamedTuple):
    """The rows w_d of U_f, and what the derivation claims of them.

    norm (sets, n): ‖w_d‖₂, claimed as the maximum of the preactivation (D8)
    direction (sets, n, n): w_d/‖w_d‖₂, claimed as its argmax (D7); zeros where w_d = 0
    """

    norm: Array
    direction: Array


def claimed_rows(U_f: Array, xp: Any) -> Rows:
    """Evaluate the claims of D7 and D8 for U_f (sets, n, n)."""
    direction, norm = unit(U_f, xp)
    return Rows(norm=norm, direction=direction)


def angle(a: Array, b: Array, xp: Any) -> Array:
    """Angle in radians between unit vectors along the last axis, from the chord.

    2 asin(‖a - b‖/2) is accurate to rounding at every angle up to about π/2, where
    arccos(a·b) cannot see angles below √u; near π it loses as much, and there ‖a + b‖
    takes over.
    """
    _, chord = unit(a - b, xp)
    _, cochord = unit(a + b, xp)
    near = 2 * xp.arcsin(xp.minimum(chord / 2, 1))
    far = np.pi - 2 * xp.arcsin(xp.minimum(cochord / 2, 1))
    return xp.where(chord <= cochord, near, far)
