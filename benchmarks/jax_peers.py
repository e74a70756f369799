"""JAX's check, as its documentation shows it: one jitted function, the vmap of jacrev or jacfwd
beside vmapped central differences.

jax is optional and imported where it is needed. It runs on the device that it takes by default.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 2.0**-17  # of the differences, close to the cube root of float64's eps

Array = Any
Sets = Any  # peers.Inputs of JAX's arrays


def convert(array: np.ndarray) -> Array:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax.numpy.asarray(array)


def cell(h: Array, W: Array, U: Array, x: Array, c_prev: Array) -> Array:
    """h_t of one weight set; the gates are stacked, so each matrix is used in one product."""
    from jax import nn, numpy

    i, f, u, o = (W @ x + U @ h).reshape(4, -1)
    c = nn.sigmoid(f) * c_prev + nn.sigmoid(i) * numpy.tanh(u)
    return nn.sigmoid(o) * numpy.tanh(c)


def differences(h: Array, *others: Array) -> Array:
    """Central differences (n, n) of one weight set along all unit vectors at once."""
    import jax

    def column(e: Array) -> Array:
        return (cell(h + e, *others) - cell(h - e, *others)) / (2 * STEP)

    return jax.vmap(column, out_axes=1)(STEP * jax.numpy.eye(len(h), dtype=h.dtype))


@functools.cache
def _compiled(mode: str) -> Callable[..., Array]:
    import jax

    jacobian = getattr(jax, mode)(cell)
    gap = lambda *one: abs(jacobian(*one) - differences(*one)).max()  # noqa: E731
    return jax.jit(lambda *sets: jax.vmap(gap)(*sets).max())


def jacrev(sets: Sets) -> float:
    """The largest difference; reverse mode."""
    return float(_compiled("jacrev")(*sets))


def jacfwd(sets: Sets) -> float:
    """The largest difference; forward mode."""
    return float(_compiled("jacfwd")(*sets))
