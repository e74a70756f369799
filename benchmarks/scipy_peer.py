"""SciPy's check: the formula beside scipy.differentiate.jacobian, which takes all points of a batch
in one call and halves its steps until its own estimate of the error is small.

SciPy derives nothing, so the formula is D4 itself, in the array code.
"""

from typing import Any

import numpy as np
from scipy import differentiate
from scipy.special import expit

from lstm_gpu import cell, derivatives
from lstm_gpu.weights import WeightSets

Sets = Any  # peers.Inputs of NumPy's arrays


def differences(sets: Sets) -> np.ndarray:
    """∂h_t/∂h_{t-1} (sets, n, n)."""
    driven = sets.W @ sets.x[:, :, None]

    def function(h: np.ndarray) -> np.ndarray:
        # SciPy asks at h (n, n, sets, …): elements of h, columns of the Jacobian, batch, steps.
        batch_first = np.moveaxis(h, 2, 0)
        points = batch_first.reshape(*sets.h.shape, -1)
        i, f, u, o = np.split(driven + sets.U @ points, 4, axis=1)
        c = expit(f) * sets.c_prev[:, :, None] + expit(i) * np.tanh(u)
        return np.moveaxis((expit(o) * np.tanh(c)).reshape(batch_first.shape), 0, 2)

    return np.moveaxis(differentiate.jacobian(function, sets.h.T).df, 2, 0)


def formula(sets: Sets) -> np.ndarray:
    """D4 (sets, n, n)."""
    count, n = sets.h.shape
    W, U = (A.reshape(count, 4, n, -1) for A in (sets.W, sets.U))
    drawn = WeightSets(W, U, sets.x, sets.h, sets.c_prev, o_prev=np.ones_like(sets.h))
    return derivatives.hidden_jacobian(cell.step(drawn), U, sets.c_prev)


def jacobian(sets: Sets) -> float:
    """The largest difference."""
    return float(np.abs(formula(sets) - differences(sets)).max())
