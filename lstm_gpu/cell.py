"""The forward equations of the LSTM cell, and nothing else.

    i, f, o = sigma(W_g x_t + U_g h_{t-1} + b_g),   u = tanh(W_u x_t + U_u h_{t-1} + b_u)
    c_t = f ∘ c_{t-1} + i ∘ u,   h_t = o ∘ tanh(c_t)

The functions take real or complex arrays of any float dtype: the complex step sends h + i s e_j
through this very code. Batched: axis 0 counts weight sets; h and c may carry further axes
(perturbed points) between the set and the entry.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_gpu.backend import namespace_of

GATES = ("i", "f", "u", "o")  # the one place that says so; PyTorch's order (it writes g for u)
INPUT, FORGET, CANDIDATE, OUTPUT = range(4)

Array = Any


@dataclass(frozen=True)
class Step:
    """One evaluated step: preactivations z (sets, 4, …, n), gates and states (sets, …, n)."""

    z: Array
    i: Array
    f: Array
    u: Array
    o: Array
    c: Array
    tanh_c: Array
    h: Array


def sigmoid(z: Array) -> Array:
    """sigma(z) = 1/(1 + e^{-z}), of real or complex z.

    Real z: where e^{-z} overflows to infinity the quotient is 0, which is sigma to an absolute
    error below the smallest normal number. Complex z: infinity over infinity would be NaN, so
    with q = e^{-z} where Re z >= 0 and q = e^{z} elsewhere (|q| <= 1), sigma = 1/(1 + q) or
    q/(1 + q). Both branches are analytic: a complex step may pass through them.
    """
    xp = namespace_of(z)
    if z.dtype.kind == "c":
        negative = z.real < 0
        q = xp.exp(xp.where(negative, z, -z))
        return xp.where(negative, q, xp.ones_like(q)) / (1 + q)
    q = xp.negative(z)
    with np.errstate(over="ignore"):
        q = xp.exp(q, out=q)
    q += 1
    return xp.divide(1, q, out=q)


def preactivation(W: Array, U: Array, x: Array, h: Array, b: Array | None = None) -> Array:
    """z_g = W_g x + U_g h (+ b_g) for the four gates.

    Parameters
    ----------
    W (sets, 4, n, m), U (sets, 4, n, n), x (sets, m), b (sets, 4, n) or None
    h (sets, n), or (sets, points, n) for several hidden states per weight set

    Returns
    -------
    (sets, 4, n), or (sets, 4, points, n)
    """
    xp = namespace_of(U)
    driven = _times_vector(W, x)
    if b is not None:
        driven = driven + b
    if h.ndim == 2:
        return driven + _times_vector(U, h)
    return driven[:, :, None, :] + xp.matmul(h[:, None], xp.swapaxes(U, 2, 3))


def _times_vector(matrices: Array, vector: Array) -> Array:
    """A_g v for the four gates (sets, 4, n), one product per weight set: A (sets, 4, n, k)."""
    xp = namespace_of(matrices)
    sets, gates, n, k = matrices.shape
    product = xp.matmul(matrices.reshape(sets, gates * n, k), vector[:, :, None])
    return product.reshape(sets, gates, n)


def activate(z: Array, c_prev: Array) -> Step:
    """Gates, cell state and hidden state from preactivations z (sets, 4, …, n)."""
    xp = namespace_of(z)
    i, f, o = (sigmoid(z[:, gate]) for gate in (INPUT, FORGET, OUTPUT))
    u = xp.tanh(z[:, CANDIDATE])
    c = f * c_prev + i * u
    tanh_c = xp.tanh(c)
    return Step(z=z, i=i, f=f, u=u, o=o, c=c, tanh_c=tanh_c, h=o * tanh_c)


def step(sets: Any, h: Array | None = None, c_prev: Array | None = None) -> Step:
    """Evaluate one step of `WeightSets`, at its own previous state unless h or c is given.

    h (sets, n) or (sets, points, n); with points, c_prev may be (sets, 1, n).
    """
    h = sets.h_prev if h is None else h
    if c_prev is None:
        c_prev = sets.c_prev if h.ndim == 2 else sets.c_prev[:, None, :]
    return activate(preactivation(sets.W, sets.U, sets.x, h, sets.b), c_prev)
