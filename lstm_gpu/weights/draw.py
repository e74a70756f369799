"""Draw weight sets: pure functions of (seed, case, index)."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lstm_gpu.backend import to_host
from lstm_gpu.cell import GATES
from lstm_gpu.weights import distributions, states
from lstm_gpu.weights.case import Case
from lstm_gpu.weights.philox import uniforms

Array = Any  # a NumPy or a CuPy array


@dataclass(frozen=True)
class WeightSets:
    """A block of weight sets with their inputs and previous states, all of one dtype.

    W (sets, 4, n, m), U (sets, 4, n, n) in gate order i, f, u, o; x (sets, m);
    h_prev, c_prev, o_prev (sets, n); b (sets, 4, n) or None (the document has no bias).
    """

    W: Array
    U: Array
    x: Array
    h_prev: Array
    c_prev: Array
    o_prev: Array
    b: Array | None = None

    def __len__(self) -> int:
        return self.x.shape[0]


def words_per_set(case: Case) -> int:
    """Uniforms that one weight set of the case takes from its stream."""
    n, m = case.hidden_size, case.input_size
    per_gate = distributions.words(case.distribution, n, m)
    per_gate += distributions.words(case.distribution, n, n)
    return len(GATES) * per_gate + states.words(n, m)


def draw(case: Case, seed: int, start: int, stop: int, xp: Any = np) -> WeightSets:
    """Draw the weight sets ``range(start, stop)`` of a case.

    Drawn in float64 on the host and rounded once to the case's dtype; with CuPy as `xp` the
    same bits are copied to the device.

    Returns
    -------
    WeightSets, of 8 · (stop - start) · (4n² + 4nm) bytes in float64, and about four times
    as much while drawing.
    """
    n, m, gates = case.hidden_size, case.input_size, len(GATES)
    r = uniforms(seed, case.name, start, stop, words_per_set(case))
    sets = stop - start
    law = distributions.LAWS[case.distribution]
    input_words = distributions.words(case.distribution, n, m)
    hidden_words = distributions.words(case.distribution, n, n)
    cut = gates * input_words
    end = cut + gates * hidden_words
    W = law(r[:, :cut].reshape(sets, gates, input_words), n, m, n)
    U = law(r[:, cut:end].reshape(sets, gates, hidden_words), n, n, n)
    x, y, c_prev, o_prev = states.draw_state(r[:, end:], n, m, case.regime)

    dtype = np.dtype(case.dtype)
    W, U, x, y, c_prev, o_prev = (a.astype(dtype, copy=False) for a in (W, U, x, y, c_prev, o_prev))
    return WeightSets(*(xp.asarray(array) for array in (W, U, x, o_prev * y, c_prev, o_prev)))


def on_host(sets: WeightSets) -> WeightSets:
    """The same weight sets as NumPy arrays."""
    arrays = {name: to_host(a) for name, a in vars(sets).items() if a is not None}
    return replace(sets, **arrays)


def digest(sets: WeightSets, sha256: "hashlib._Hash | None" = None) -> "hashlib._Hash":
    """Add the bits of weight sets, one after another, to a SHA-256 (a new one if None).

    Little-endian and set by set, so that the digest of a range does not depend on the
    blocks in which it was drawn.
    """
    sha256 = sha256 or hashlib.sha256()
    arrays = [sets.W, sets.U, sets.x, sets.h_prev, sets.c_prev, sets.o_prev]
    host = [np.asarray(a.get() if hasattr(a, "get") else a) for a in arrays]
    little = [a.astype(a.dtype.newbyteorder("<"), copy=False) for a in host]
    for index in range(len(sets)):
        for array in little:
            sha256.update(np.ascontiguousarray(array[index]).tobytes())
    return sha256
