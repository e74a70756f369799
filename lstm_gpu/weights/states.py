"""State regimes: the input x_t and a consistent previous state (h, c, o)_{t-1}.

The previous state is *consistent*: h_{t-1} = o_{t-1} ∘ tanh(c_{t-1}) to rounding, because
the rival reading of D1 is about just this relation. It is drawn backwards, with
y = tanh(c_{t-1}) first, since atanh can be had with portable bits.
"""

import numpy as np

from lstm_gpu.weights.portable import atanh

REGIMES = ("generic", "saturated", "large_cell", "near_zero")

# In the place of a regime's name: a generic state of which these arrays are exactly 0. The first
# step of every LSTM starts from h = c = 0, and the document's cell has no bias.
EDGES: dict[str, tuple[str, ...]] = {
    "first_step": ("h_prev", "c_prev"),
    "zero_input": ("x",),
    "zero_bias": ("b",),
    "all_zero": ("h_prev", "c_prev", "x", "b"),
}

_SATURATED_INPUT = 32.0  # |x| up to 32: preactivations of tens, beyond 16.6 and 36.7 (D5)
_LEAST_LARGE_CELL, _MOST_LARGE_CELL = 20.0, 100.0  # tanh(20) = 1 - 8e-18 rounds to 1
_NEAR_ZERO = 2.0**-20


def words(hidden_size: int, input_size: int) -> int:
    """Uniforms that one state takes."""
    return input_size + 3 * hidden_size


def draw_state(
    r: np.ndarray, hidden_size: int, input_size: int, regime: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Turn uniforms r (sets, words) into float64 x (sets, m) and y, c, o (sets, n).

    y = tanh(c_{t-1}) to rounding; h_{t-1} = o ∘ y is left to the caller, who rounds first.
    """
    n, m = hidden_size, input_size
    x = 2 * r[:, :m] - 1
    output = 0.05 + 0.95 * r[:, m : m + n]
    v = 2 * r[:, m + n : m + 2 * n] - 1
    sign = np.where(r[:, m + 2 * n : m + 3 * n] < 0.5, -1.0, 1.0)
    if regime == "large_cell":
        span = _MOST_LARGE_CELL - _LEAST_LARGE_CELL
        return x, sign, sign * (_LEAST_LARGE_CELL + span * np.abs(v)), output
    if regime == "saturated":
        x = _SATURATED_INPUT * x
    if regime == "near_zero":
        x, v = _NEAR_ZERO * x, _NEAR_ZERO * v
    y = 0.95 * v
    return x, y, atanh(y), output
