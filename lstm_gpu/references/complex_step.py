"""The complex step: derivatives without cancellation, by the whole forward function.

Im f(h + i s e_j)/s = ∂f/∂h_j + O(s²) (Squire and Trapp 1998). The step can be so small that
the truncation vanishes; nothing is subtracted, so the error is relative. The 2n-point matrix
product is carried out in full, at complex h, by `lstm_gpu.cell`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_gpu import bounds, cell
from lstm_gpu.backend import namespace_of
from lstm_gpu.majorants import unit_majorants

Array = Any

COMPLEX = {"float64": "complex128", "float32": "complex64"}
# s² must vanish against 1 and s · U · sigma' must stay normal: 2^-200 and 2^-60 leave 800 and 60
# binary orders for the latter. Powers of two, so that multiplying by s is exact.
STEP = {"float64": 2.0**-200, "float32": 2.0**-60}


@dataclass(frozen=True)
class ComplexStep:
    """Derivatives by quantity (sets, n, n), and what their bounds need."""

    derivatives: dict[str, Array]
    truncation: Array
    errors: bounds.StepErrors
    U: Array

    def bound(self, quantity: str, formula: dict[int, Array] | None = None) -> Array:
        """Bound (sets, n, n) on |derivative - truth|, plus a formula's coefficient errors."""
        factors = bounds.complex_factors(self.errors)
        coefficients = bounds.coefficient_errors(factors, quantity, self.errors.u)
        if formula is not None:
            coefficients = {gate: error + formula[gate] for gate, error in coefficients.items()}
        return bounds.entries(coefficients, self.U) + self.truncation


def differentiate(sets: Any, errors: bounds.StepErrors) -> ComplexStep:
    """Complex-step Jacobians of i, f, u, o, c, tanh(c) and h with respect to h_{t-1}.

    Memory: about 10 complex arrays (sets, n, n).

    Notes
    -----
    Truncation is at most s² max|U|³ K_3, six times the real line's s²/6: the sup norms of the
    third derivatives do not double within |Im z| <= s |U|. An imaginary part that underflows
    loses at most the smallest normal number, divided by s. Where s |U| is not small nothing is
    known: the bound is infinite.
    """
    xp = namespace_of(sets.h_prev)
    n = sets.h_prev.shape[-1]
    name = str(np.dtype(sets.h_prev.dtype))
    s = STEP[name]
    h = sets.h_prev[:, None, :] + (1j * s) * xp.eye(n, dtype=COMPLEX[name])
    step = cell.step(sets, h=h)
    derivatives = {
        q: xp.ascontiguousarray(xp.swapaxes(getattr(step, q).imag / s, 1, 2))
        for q in ("i", "f", "u", "o", "c", "tanh_c", "h")
    }
    c_size = xp.abs(sets.c_prev).astype(xp.float64)
    k3 = unit_majorants(c_size, 3)["h"].orders[3].max(axis=1)
    largest = xp.abs(sets.U).max(axis=(1, 2, 3)).astype(xp.float64)
    tiny = float(np.finfo(name).tiny)
    truncation = s * s * largest**3 * k3 + 16 * tiny / s * (1 + largest)
    truncation = xp.where(s * largest < 2.0**-10, truncation, xp.inf)
    return ComplexStep(derivatives, truncation[:, None, None].astype(name), errors, sets.U)
