"""Majorants: bounds on derivatives of any order along a line, from which truncation is bounded.

The derivatives of sigma and tanh have sup norms; through sums, products (Leibniz) and compositions
(Faà di Bruno) they bound those of every value of a step, whatever the weights.
"""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@functools.cache
def sigmoid_sup_norms(order: int) -> tuple[float, ...]:
    """(sup|sigma|, sup|sigma'|, …, sup|sigma^(order)|) over the real line.

    Each derivative is a polynomial in p = sigma(z): d/dz q(p) = q'(p) p (1 - p). Its extrema
    lie at the roots of the next derivative in (0, 1): 1, 1/4, 1/(6√3), 1/8, …
    """
    poly = np.polynomial.Polynomial
    logistic = poly([0, 1, -1])
    derivatives = [poly([0, 1])]
    for _ in range(order + 1):
        derivatives.append(derivatives[-1].deriv() * logistic)
    norms = [1.0]
    for r in range(1, order + 1):
        roots = derivatives[r + 1].roots()
        inside = roots[(abs(roots.imag) < 1e-6) & (roots.real > 0) & (roots.real < 1)].real
        norms.append(float(abs(derivatives[r](inside)).max()))
    return tuple(norms)


@functools.cache
def tanh_sup_norms(order: int) -> tuple[float, ...]:
    """(sup|tanh|, …, sup|tanh^(order)|): tanh(z) = 2 sigma(2z) - 1, so 2^(r+1) sup|sigma^(r)|."""
    sigmoid = sigmoid_sup_norms(order)
    return (1.0, *(2.0 ** (r + 1) * sigmoid[r] for r in range(1, order + 1)))


@dataclass(frozen=True)
class Majorant:
    """Bounds on a quantity and its derivatives along a line: ``orders[r] >= |d^r q/ds^r|``.

    The orders may be floats or arrays of one shape; order 0 bounds the quantity itself. With
    slopes of 1 in every preactivation an order also bounds the sum of the absolute values of
    all mixed partial derivatives of that order, since only triangle inequalities are used.
    """

    orders: tuple[Any, ...]

    def __add__(self, other: "Majorant") -> "Majorant":
        return Majorant(tuple(a + b for a, b in zip(self.orders, other.orders, strict=True)))

    def __mul__(self, other: "Majorant") -> "Majorant":
        """Leibniz: (pq)^(r) = sum over k of C(r, k) p^(k) q^(r-k)."""
        return Majorant(
            tuple(
                sum(math.comb(r, k) * self.orders[k] * other.orders[r - k] for k in range(r + 1))
                for r in range(len(self.orders))
            )
        )

    def through(self, sup_norms: tuple[float, ...]) -> "Majorant":
        """Faà di Bruno: the composition with a function of the given sup norms.

        The partial Bell polynomials B(r, k) of this majorant's derivatives come from
        B(r, k) = sum over i of C(r-1, i-1) q^(i) B(r-i, k-1).
        """
        q, top = self.orders, len(self.orders)
        bell: dict[tuple[int, int], Any] = {(0, 0): 1.0}
        for k in range(1, top):
            for r in range(k, top):
                bell[r, k] = sum(
                    math.comb(r - 1, i - 1) * q[i] * bell[r - i, k - 1]
                    for i in range(1, r - k + 2)
                    if (r - i, k - 1) in bell
                )
        composed = [sum(sup_norms[k] * bell[r, k] for k in range(1, r + 1)) for r in range(1, top)]
        return Majorant((sup_norms[0], *composed))


def line(order: int, slope: Any = 1.0) -> Majorant:
    """The majorant of an affine function: bounded derivative, zero beyond (value not needed)."""
    return Majorant((math.inf, slope, *([0.0 * slope] * (order - 1))))


def step_majorants(z: Majorant, c_prev: Majorant) -> dict[str, Majorant]:
    """Majorants of the gates, c_t, tanh(c_t) and h_t, from those of z (all gates) and c_{t-1}."""
    order = len(z.orders) - 1
    sigma, tanh = z.through(sigmoid_sup_norms(order)), z.through(tanh_sup_norms(order))
    cell = sigma * c_prev + sigma * tanh
    tanh_c = cell.through(tanh_sup_norms(order))
    gates = {"i": sigma, "f": sigma, "u": tanh, "o": sigma}
    return {**gates, "c": cell, "tanh_c": tanh_c, "h": sigma * tanh_c}


def unit_majorants(c_prev: Array, order: int) -> dict[str, Majorant]:
    """`step_majorants` for unit slopes and constant c_{t-1}; order r scales with slope^r.

    c_prev (sets, n) holds |c_{t-1}|. In step direction e_j the slopes in row k are U_g[k, j], so
    |∂^r h[k]/∂h[j]^r| <= K_r[k] · max_g |U_g[k, j]|^r with K = the returned orders.
    """
    previous = Majorant((c_prev, *([0.0] * order)))
    return step_majorants(line(order), previous)
