"""Derivatives of c_t and h_t with respect to c_{t-1}, at fixed h_{t-1}: both references.

The forward function is evaluated at c_{t-1} ± s e_j and at c_{t-1} + i s e_j, whole vectors: that
row k moves with c_{t-1}[k] alone is for the measurement to find. Entry [s, k, j] is
∂(quantity)[k]/∂c_{t-1}[j].
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lstm_gpu import bounds, cell
from lstm_gpu.backend import namespace_of
from lstm_gpu.majorants import Majorant, tanh_sup_norms
from lstm_gpu.references.central import whole_differences
from lstm_gpu.references.complex_step import COMPLEX, STEP

Array = Any

QUANTITIES = ("c", "h")
# The row factors of the exact Jacobians' diagonals, in the names of `bounds.PRODUCTS`.
FACTORS = {"c": ("f",), "h": ("o", "t'", "f")}


@dataclass(frozen=True)
class ByCell:
    """A reference's Jacobian (sets, n, n) and the bound of its own error."""

    derivative: Array
    bound: Array


def diagonal_error(factors: dict[str, bounds.Factor], quantity: str, u: float) -> Array:
    """Bound (sets, n) on the diagonal's error, for factors of known errors."""
    return bounds.product_error([factors[name] for name in FACTORS[quantity]], u)


def diagonal(vector: Array, dtype: Any) -> Array:
    """A vector (sets, n) as diagonal matrices (sets, n, n)."""
    xp = namespace_of(vector)
    return xp.eye(vector.shape[-1], dtype=dtype) * vector.astype(dtype)[:, :, None]


def _states(sets: Any, z: Array, c_prev: Array, quantity: str) -> Array:
    """The quantity at cell states c_prev (sets, points, n), from preactivations (sets, 4, n)."""
    return getattr(cell.activate(z[:, :, None, :], c_prev), quantity)


def by_central_differences(sets: Any, z: Array, dz: Array, quantity: str) -> ByCell:
    """Central differences; z (sets, 4, n) the preactivations, dz their error.

    Along e_j the cell state is affine with slope f <= 1, so the orders of the majorant are those
    of tanh, and o <= 1 only scales them.
    """
    xp = namespace_of(z)
    u = bounds.unit_roundoff(z.dtype)
    tanh = tanh_sup_norms(3)
    orders = tanh if quantity == "h" else (1.0, 1.0, 0.0, 0.0)
    size = xp.abs(sets.c_prev).astype(xp.float64)
    noise = bounds.evaluation_errors(size + 1, dz.max(axis=1), u)[quantity]  # a step is below 1
    best = (3 * noise.max(axis=1) / tanh[3]) ** (1 / 3)
    step = 2.0 ** xp.floor(xp.log2(xp.minimum(best, 0.5)))
    found = whole_differences(
        replace(sets, h_prev=sets.c_prev),
        lambda c: _states(sets, z, c, quantity),
        Majorant(orders),
        noise,
        step,
    )
    return ByCell(found.derivative, found.bound.astype(z.dtype))


def by_complex_step(sets: Any, z: Array, errors: bounds.StepErrors, quantity: str) -> ByCell:
    """The complex step: relative errors on the diagonal, exact zeros beside it.

    Truncation is at most s² sup|tanh'''|, six times the real line's; an imaginary part that
    underflows loses at most the smallest normal number, divided by s.
    """
    xp = namespace_of(z)
    name = str(np.dtype(z.dtype))
    s, n = STEP[name], z.shape[-1]
    c = sets.c_prev[:, None, :] + (1j * s) * xp.eye(n, dtype=COMPLEX[name])
    derivative = xp.swapaxes(_states(sets, z, c, quantity).imag / s, 1, 2)
    factors = bounds.complex_factors(errors)
    error = diagonal_error(factors, quantity, errors.u) * bounds.SLACK
    truncation = s * s * tanh_sup_norms(3)[3] + 16 * float(np.finfo(name).tiny) / s
    return ByCell(derivative, diagonal(error, z.dtype) + truncation)
