"""JAX's check, as its documentation shows it: one jitted function, the vmap of jacrev or jacfwd
beside vmapped central differences; of weight sets that it is given, or that it draws itself.

jax is optional and imported where it is needed. It runs on the device that it takes by default.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 2.0**-17  # of the differences, close to the cube root of float64's eps

Array = Any
Sets = Any  # JAX's arrays h, W, U, x, c_prev, as peers.Inputs or a plain tuple


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


def largest_difference(mode: str) -> Callable[..., Array]:
    """Of a batch of weight sets, by "jacrev" or "jacfwd"; to be jitted."""
    import jax

    jacobian = getattr(jax, mode)(cell)
    gap = lambda *one: abs(jacobian(*one) - differences(*one)).max()  # noqa: E731
    return lambda *sets: jax.vmap(gap)(*sets).max()


@functools.cache
def _compiled(mode: str) -> Callable[..., Array]:
    import jax

    return jax.jit(largest_difference(mode))


def jacrev(sets: Sets) -> float:
    """The largest difference; reverse mode."""
    return float(_compiled("jacrev")(*sets))


def jacfwd(sets: Sets) -> float:
    """The largest difference; forward mode."""
    return float(_compiled("jacfwd")(*sets))


def draw(key: Array, sets: int, n: int, m: int) -> tuple[Array, ...]:
    """h, W, U, x, c_prev of `sets` weight sets: the law of `pytorch_uniform` with generic states.

    From JAX's generator, so the numbers are not ours. In the form that is fastest on a CPU: float32
    uniforms, of 23 random bits (ours have 24), widened to float64. By the default generator, of
    whose two words in a block `jax_threefry_partitionable`, which is for arrays that are spread
    over devices, makes one; JAX's Philox and XLA's generators are slower.
    """
    import jax
    from jax import numpy, random

    def uniform(key: Array, *shape: int, limit: float = 1.0) -> Array:
        drawn = random.uniform(key, (sets, *shape), "float32", -limit, limit)
        return drawn.astype("float64")

    with jax.threefry_partitionable(False):
        of_W, of_U, of_x, of_o, of_y = random.split(key, 5)
        W = uniform(of_W, 4 * n, m, limit=n**-0.5)
        U = uniform(of_U, 4 * n, n, limit=n**-0.5)
        x = uniform(of_x, m)
        o = 0.525 + 0.475 * uniform(of_o, n)  # 0.05 to 1
        y = 0.95 * uniform(of_y, n)
    return o * y, W, U, x, numpy.arctanh(y)


class Source:
    """Weight sets that JAX draws, `shape` = (sets, n, m): a key, which each check replaces."""

    def __init__(self, sets: int, n: int, m: int, seed: int) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.shape = sets, n, m
        self.key = jax.random.key(seed, impl="threefry2x32")


@functools.cache
def _drawing(mode: str, *shape: int) -> Callable[[Array], tuple[Array, Array]]:
    """Draw and check in one jitted function of the key, which returns the next key as well.

    The key is an argument, so XLA can draw nothing before the call.
    """
    import jax

    check = largest_difference(mode)

    def largest(key: Array) -> tuple[Array, Array]:
        key, own = jax.random.split(key)
        return check(*draw(own, *shape)), key

    return jax.jit(largest)


def _of_fresh(mode: str, source: Source) -> float:
    largest, source.key = _drawing(mode, *source.shape)(source.key)
    return float(largest)


def jacrev_drawing(source: Source) -> float:
    """The largest difference on fresh weight sets; reverse mode.

    Ours draws what it checks, and so does who checks many random weight sets with JAX.
    """
    return _of_fresh("jacrev", source)


def jacfwd_drawing(source: Source) -> float:
    """The largest difference on fresh weight sets; forward mode. As `jacrev_drawing`."""
    return _of_fresh("jacfwd", source)
