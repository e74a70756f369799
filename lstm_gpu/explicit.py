"""Weight sets written out number by number, where a seed will not do: small counterexamples."""

from dataclasses import replace
from typing import Any

import numpy as np

from lstm_gpu.cell import GATES
from lstm_gpu.errors import InputError
from lstm_gpu.weights import DTYPES, WeightSets

NAMES = ("W", "U", "x", "h_prev", "c_prev", "o_prev")
BIAS = "b"  # where there is one
LARGEST_SIZE = 64  # of n and m: what a person may still look at


def as_lists(sets: WeightSets) -> dict[str, Any]:
    """The first weight set as nested lists: W (4, n, m), U (4, n, n), x (m), the states (n).

    And b (4, n), where there is a bias.
    """
    return {name: np.asarray(getattr(sets, name))[0].tolist() for name in names_of(sets)}


def names_of(sets: WeightSets) -> tuple[str, ...]:
    """The arrays of a weight set."""
    return NAMES if sets.b is None else (*NAMES, BIAS)


def from_lists(content: Any, dtype: Any, path: str) -> WeightSets:
    """Rebuild a weight set from `as_lists`, checking every shape and number.

    Raises
    ------
    InputError
        in one line, for anything else than finite numbers in the shapes of one weight set.
    """
    if dtype not in DTYPES:
        raise InputError(
            f"`dtype` in {path} must be one of {', '.join(DTYPES)}, got {dtype!r:.60}."
        )
    if not isinstance(content, dict) or set(content) - {BIAS} != set(NAMES):
        raise InputError(
            f"`weights` in {path} must hold {', '.join(NAMES)}. Take the file that shrink wrote."
        )
    n, m = (len(content[k]) if isinstance(content[k], list) else 0 for k in ("h_prev", "x"))
    if not (1 <= n <= LARGEST_SIZE and 1 <= m <= LARGEST_SIZE):
        raise InputError(
            f"`weights` in {path} must have sizes from 1 to {LARGEST_SIZE}, got n = {n}, m = {m}."
        )
    gates = len(GATES)
    shapes = {"W": (gates, n, m), "U": (gates, n, n), "x": (m,), BIAS: (gates, n)}
    arrays = {}
    for name in (*NAMES, BIAS) if BIAS in content else NAMES:
        shape = shapes.get(name, (n,))
        if not _has_shape(content[name], shape, float(np.finfo(dtype).max)):
            raise InputError(
                f"`weights.{name}` in {path} must be finite numbers in the shape {shape}. "
                "Take the file that shrink wrote."
            )
        arrays[name] = np.array([content[name]], dtype=dtype)
    return WeightSets(**arrays)


def _has_shape(value: Any, shape: tuple[int, ...], largest: float) -> bool:
    """Whether nested lists of numbers up to `largest` have a shape, before an array is built."""
    if not shape:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= largest
    return (
        isinstance(value, list)
        and len(value) == shape[0]
        and all(_has_shape(item, shape[1:], largest) for item in value)
    )


def of_units(sets: WeightSets, units: list[int]) -> WeightSets:
    """The cell made of some of the hidden units alone; what they got from the others is gone."""
    rows = np.array(units)
    states = {name: getattr(sets, name)[:, rows] for name in ("h_prev", "c_prev", "o_prev")}
    b = None if sets.b is None else sets.b[:, :, rows]
    U = sets.U[:, :, rows][:, :, :, rows]
    return replace(sets, W=sets.W[:, :, rows], U=U, b=b, **states)


def of_inputs(sets: WeightSets, inputs: list[int]) -> WeightSets:
    """The cell that sees some of the inputs alone."""
    columns = np.array(inputs)
    return replace(sets, W=sets.W[:, :, :, columns], x=sets.x[:, columns])
