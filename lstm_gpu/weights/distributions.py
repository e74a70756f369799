"""Laws of random weights: each turns uniforms into one gate matrix per weight set.

A law is a function ``(r, rows, columns, hidden_size) -> (sets, 4, rows, columns)`` of
uniforms r (sets, 4, words) with words = `words(name, rows, columns)`. Only portable
arithmetic (see portable.py), so that a drawn weight has the same bits everywhere.
"""

import math
from collections.abc import Callable

import numpy as np

from lstm_gpu.weights.portable import standard_normal

Law = Callable[[np.ndarray, int, int, int], np.ndarray]

# Column scales of `scaled_columns`: powers of two over the exponents that leave products of
# two weights far from float32's under- and overflow.
_LEAST_EXPONENT, _MOST_EXPONENT = -20, 4
_DENSITY = 0.1  # share of nonzero entries of `sparse`
_ZERO_ROWS = 0.25  # share of rows of `sparse` that are zero as a whole


def _symmetric(r: np.ndarray, limit: float) -> np.ndarray:
    w = r - 0.5
    w *= 2 * limit
    return w


def _matrix(r: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return r[..., : rows * columns].reshape(*r.shape[:-1], rows, columns)


def pytorch_uniform(r, rows, columns, hidden_size):
    """PyTorch's default for recurrent layers: uniform on ±1/√n."""
    return _symmetric(_matrix(r, rows, columns), 1 / math.sqrt(hidden_size))


def glorot_uniform(r, rows, columns, hidden_size):
    """Uniform on ±√(6/(fan_in + fan_out)) per gate (Glorot and Bengio 2010)."""
    return _symmetric(_matrix(r, rows, columns), math.sqrt(6 / (rows + columns)))


def _normal(gain: float) -> Law:
    def law(r, rows, columns, hidden_size):
        scale = gain / math.sqrt(hidden_size)
        return scale * standard_normal(_matrix(r, rows, columns))

    law.__doc__ = f"Normal with standard deviation {gain}/√n."
    return law


def orthogonal(r, rows, columns, hidden_size):
    """Haar-distributed orthogonal (square), otherwise normal of gain 1, as for an input matrix.

    Stewart (1980): the product of n - 1 Householder reflections, each of which sends e_1 to a
    normal vector's direction, of lengths n, n-1, …, 2, and a random sign. Sums are running
    sums or go over an axis that is not the last: NumPy adds one slice after another, so their
    order, and every bit, is fixed.
    """
    if rows != columns:
        return _normal(1.0)(r, rows, columns, hidden_size)
    n = rows
    q = np.zeros((*r.shape[:-1], n, n))
    q[..., range(n), range(n)] = 1.0
    q[..., n - 1, n - 1] = np.where(r[..., 0] < 0.5, -1.0, 1.0)
    used = 1
    for length in range(2, n + 1):
        v = standard_normal(r[..., used : used + length])
        used += length
        sign = np.where(v[..., :1] < 0, -1.0, 1.0)
        norm = np.sqrt(np.cumsum(v * v, axis=-1)[..., -1:])
        square = 2 * norm * (norm + np.abs(v[..., :1]))  # v·v after the next line
        v[..., :1] += sign * norm  # 1 - 2 v vᵀ/v·v now sends e_1 to -sign times the direction
        v, square, sign = v[..., None], square[..., None], sign[..., None]
        block = q[..., n - length :, n - length :]
        block -= v * ((2 / square) * (v * block).sum(axis=-2, keepdims=True))
        block *= -sign
    return q


def sparse(r, rows, columns, hidden_size):
    """A tenth of the entries, uniform on ±1, and a quarter of the rows zero as a whole."""
    size = rows * columns
    kept = _matrix(r[..., size:], rows, columns) < _DENSITY
    row_kept = r[..., 2 * size : 2 * size + rows, None] >= _ZERO_ROWS
    return np.where(kept & row_kept, _symmetric(_matrix(r, rows, columns), 1.0), 0.0)


def heavy_tailed(r, rows, columns, hidden_size):
    """Symmetric with P(|w| √n > y) = 1/(1 + y): tail index 1, no mean; cut at 2^20."""
    v = _symmetric(_matrix(r, rows, columns), 1.0)
    return v / np.maximum(1 - np.abs(v), 2.0**-20) / math.sqrt(hidden_size)


def scaled_columns(r, rows, columns, hidden_size):
    """PyTorch's default with column j multiplied by 2^e_j, e_j uniform on -20 … 4."""
    size = rows * columns
    choices = _MOST_EXPONENT - _LEAST_EXPONENT + 1
    exponent = _LEAST_EXPONENT + (choices * r[..., size : size + columns]).astype(np.int64)
    return np.ldexp(pytorch_uniform(r, rows, columns, hidden_size), exponent[..., None, :])


LAWS: dict[str, Law] = {
    "pytorch_uniform": pytorch_uniform,
    "glorot_uniform": glorot_uniform,
    "normal_gain_0.5": _normal(0.5),
    "normal_gain_1": _normal(1.0),
    "normal_gain_4": _normal(4.0),
    "normal_gain_32": _normal(32.0),
    "orthogonal": orthogonal,
    "sparse": sparse,
    "heavy_tailed": heavy_tailed,
    "scaled_columns": scaled_columns,
}
DISTRIBUTIONS = tuple(LAWS)


def words(distribution: str, rows: int, columns: int) -> int:
    """Uniforms that one gate matrix of rows × columns takes."""
    size = rows * columns
    match distribution:
        case "orthogonal" if rows == columns:
            return rows * (rows + 1) // 2
        case "sparse":
            return 2 * size + rows
        case "scaled_columns":
            return size + columns
        case _:
            return size
