"""The floor of one full check: what it must compute, over the rates that this machine reaches.

Counted are the operations on n × n entries and on drawn numbers; what is done once per row is
left out, so the floor is below what any array program can do.
"""

import math
import time
from collections.abc import Callable

import numpy as np

from lstm_gpu.weights import Case, words_per_set

_SIZE = 2**14  # entries of the arrays that rates are measured on: they stay in the cache
_REPEATS = 15


def rates() -> dict[str, float]:
    """Seconds per element of NumPy's operations on arrays in the cache, the least of several runs.

    `pass` is an addition of two arrays into a third, `uniform` one 32-bit half of a word of the
    random stream, `multiply_add` one entry of a matrix times a vector.
    """
    rng = np.random.default_rng(0)
    a, b, out = rng.random(_SIZE), 1 + rng.random(_SIZE), np.empty(_SIZE)
    matrix, vector = rng.random((1, _SIZE // 64, 64)), rng.random((1, 64, 1))
    philox = np.random.Philox(key=0)
    return {
        "exp": _seconds(lambda: np.exp(a, out=out)) / _SIZE,
        "tanh": _seconds(lambda: np.tanh(a, out=out)) / _SIZE,
        "divide": _seconds(lambda: np.divide(a, b, out=out)) / _SIZE,
        "pass": _seconds(lambda: np.add(a, b, out=out)) / _SIZE,
        "multiply_add": _seconds(lambda: np.matmul(matrix, vector)) / _SIZE,
        "uniform": _seconds(lambda: philox.random_raw(_SIZE)) / (2 * _SIZE),
    }


def _seconds(operation: Callable[[], object]) -> float:
    best = math.inf
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for _ in range(10):
            operation()
        best = min(best, (time.perf_counter() - start) / 10)
    return best


def arithmetic(case: Case) -> dict[str, int]:
    """Operations of one full check that no program can avoid.

    At each of the two points of every entry: three sigmoids (exp, divide) and two tanh; then one
    division of the error by its bound. z and the bound of its error: two matrix products each.
    """
    n, m = case.hidden_size, case.input_size
    return {
        "uniform": words_per_set(case),
        "exp": 6 * n * n,
        "tanh": 4 * n * n,
        "divide": 7 * n * n,
        "multiply_add": 2 * 4 * n * (n + m),
    }


def passes(case: Case) -> dict[str, int]:
    """Further passes over elements that the array program makes, by part of the check."""
    n, m = case.hidden_size, case.input_size
    square = n * n
    return {
        # halves of words: shift, convert, scale; a weight: centre, scale
        "draw": 5 * words_per_set(case),
        "sizes of the weights and of columns": 4 * n * (n + m) + 4 * square,
        "points: U s, z + U s, z - U s, four gates": 12 * square,
        "sigmoids: -z and 1 + q, three gates, two points": 12 * square,
        "f c, i u, their sum and o tanh(c), two points": 8 * square,
        "difference over the step": 2 * square,
        "formula": 13 * square,
        "bound": square,
        "tally: error, its size, sum with bound, maxima, decisive entries": 8 * square,
    }


def floor(case: Case, rate: dict[str, float]) -> dict[str, float]:
    """Seconds of one core for one weight set: the arithmetic alone, and with the passes."""
    alone = sum(count * rate[name] for name, count in arithmetic(case).items())
    return {
        "arithmetic": alone,
        "uniforms": arithmetic(case)["uniform"] * rate["uniform"],
        "with_passes": alone + sum(passes(case).values()) * rate["pass"],
    }
