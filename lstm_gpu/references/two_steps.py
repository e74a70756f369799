"""dh_2/dh_0 over two steps with the same weights and input, by central differences.

Here c_1 does move with h_0, so the derivative has a path through the hidden state and one
through the cell state. The bound needs majorants of a composed step, entry by entry.
"""

from typing import Any

from lstm_gpu import bounds, cell
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.backend import namespace_of
from lstm_gpu.majorants import Majorant, step_majorants, unit_majorants
from lstm_gpu.references.central import WholeDifferences, whole_differences

Array = Any

_LARGEST_STEP = 2.0**-4


def hidden_over_two_steps(sets: Any, accuracy: Accuracy = DOCUMENTED) -> WholeDifferences:
    """Central differences of h_2 along every component of h_0 = h_{t-1}, c_0 held fixed.

    Returns derivative and bound (sets, n, n). Memory: about 40 float64 arrays (sets, n, n).

    Notes
    -----
    In step 1 the r-th derivative of row k along e_j is at most K_r[k] a[k, j]^r with
    a = max_g |U_g|. In step 2 every preactivation has derivatives at most a times those of h_1,
    and the cell state c_1 varies; `step_majorants` composes both.
    """
    xp = namespace_of(sets.U)
    u = bounds.unit_roundoff(sets.U.dtype)
    c_size = xp.abs(sets.c_prev).astype(xp.float64)
    a = xp.abs(sets.U).max(axis=1).astype(xp.float64)
    unit = unit_majorants(c_size, 3)

    def along(quantity: str) -> Majorant:
        value, *rest = unit[quantity].orders
        powers = tuple(k[..., None] * a**r for r, k in enumerate(rest, start=1))
        return Majorant(((value + 0 * c_size)[..., None], *powers))

    hidden, previous = along("h"), along("c")
    z = Majorant((hidden.orders[0], *(xp.matmul(a, order) for order in hidden.orders[1:])))
    majorant = step_majorants(z, previous)["h"]

    reach = xp.abs(sets.h_prev) + xp.asarray(_LARGEST_STEP, dtype=sets.U.dtype)
    dz = bounds.preactivation_error(sets, reach).max(axis=1)
    first = bounds.evaluation_errors(c_size, dz, u, accuracy=accuracy)
    ones = xp.ones_like(sets.h_prev)  # |h_1| <= 1
    dz = bounds.preactivation_error(sets, ones, first["h"]).max(axis=1)
    noise = bounds.evaluation_errors(c_size + 1, dz, u, first["c"], accuracy)["h"]

    best = (3 * noise.max(axis=1) / majorant.orders[3].max(axis=(1, 2))) ** (1 / 3)
    _, exponent = xp.frexp(xp.minimum(best, _LARGEST_STEP))
    step = xp.ldexp(xp.ones_like(best), xp.maximum(exponent - 1, -60))

    def function(h: Array) -> Array:
        one = cell.step(sets, h=h)
        return cell.step(sets, h=one.h, c_prev=one.c).h

    return whole_differences(sets, function, majorant, noise, step)
