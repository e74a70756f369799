"""Central differences of the whole forward function, with the bound of every entry.

The forward function is all that is used: h, c, W, U and x go in, states come out, at the points
h_{t-1} ± s_j e_j. Two evaluations of the same differences:

`differences`       all n columns of a block at once. The matrix product is linear, so
                    U(h ± s_j e_j) = U h ± s_j U e_j: one product per block gives U h, and each
                    perturbed preactivation follows by one exact scaling (s_j is a power of two)
                    and one addition. It is cheaper than 2n products by a factor n/2, and
                    sharper: the rounding of U h is common to both points and cancels.
`whole_differences` 2n full products at the rounded points fl(h ± s e_j), divided by the step
                    actually taken. Any function of h; any step. Used for the ladder of steps,
                    and to check the first.
"""

from dataclasses import dataclass
from typing import Any

from lstm_gpu import bounds
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.backend import namespace_of
from lstm_gpu.cell import CANDIDATE, FORGET, INPUT, OUTPUT, Step, sigmoid
from lstm_gpu.majorants import Majorant, unit_majorants
from lstm_gpu.tiles import maximum, tiles

Array = Any

QUANTITIES = ("f", "o", "tanh_c", "h")
LEAST_EXPONENT, MOST_EXPONENT = -120, 60  # of s: 1/(2 s) is a float32; |U| up to about 2^100


@dataclass(frozen=True)
class Differences:
    """Central differences of one block.

    derivatives : quantity -> (sets, n, n), entry [s, k, j] = D_j quantity[k]
    step : (sets, n), s_j, powers of two (with x_t for h_{t-1}, n columns become m)
    radius : (sets,), r >= s_j · max |U_g[k, j]|: the change of any preactivation
    noise : quantity -> (sets, n), float64; the bound of entry [k, j] is noise[k] / s_j
    """

    derivatives: dict[str, Array]
    step: Array
    radius: Array
    noise: dict[str, Array]

    def bound(self, quantity: str, formula: Array | float = 0.0) -> Array:
        """Bound (sets, n, n) on |derivative - truth|, plus a formula's error.

        formula : (sets, n), the sum over gates of its coefficient errors; in entry [k, j] they
            are multiplied by |U_g[k, j]| <= r/s_j.
        """
        rows = (self.noise[quantity] + self.radius[:, None] * formula) * bounds.SLACK
        return rows.astype(self.step.dtype)[..., None] * (1 / self.step)[:, None, :]


def differences(
    sets: Any,
    base: Step,
    dz: Array,
    quantities: tuple[str, ...] = QUANTITIES,
    accuracy: Accuracy = DOCUMENTED,
) -> Differences:
    """Central differences along all n unit vectors, at steps that minimise the bound.

    Parameters
    ----------
    sets : WeightSets
    base : `cell.step(sets)`
    dz : `bounds.preactivation_error(sets, |h_{t-1}|)`, (sets, 4, n)

    Notes
    -----
    With a = |U_g[k, j]| <= r/s_j and K_r the unit majorants of row k, entry [k, j] is off by

        delta_k/s_j           evaluation at the two points, delta = `evaluation_errors`
        a (s a)² K_3/6        truncation
        a dz K_2              z^ for z at the centre of the step, the same at both points
        2 u a K_1             subtraction (division by a power of two is exact)

    of which all but the first shrink with r. The sum of the first two is least at
    r = (3 delta/K_3)^(1/3).
    """
    xp = namespace_of(base.h)
    dtype = base.h.dtype
    u = bounds.unit_roundoff(dtype)
    c_size = xp.abs(sets.c_prev).astype(xp.float64)
    unit = unit_majorants(c_size, 3)

    # One addition per point rounds relatively to the preactivation there, |z^| + r <= |z^| + 1.
    local = u * (maximum(xp.abs(base.z)).astype(xp.float64) + 1)
    delta = bounds.evaluation_errors(c_size, local, u, accuracy=accuracy)
    best = (3 * delta["h"].max(axis=1) / unit["h"].orders[3].max(axis=1)) ** (1 / 3)
    radius = xp.minimum(best, 1.0)
    step = step_sizes(sets.U, radius)
    outside = (step <= 2.0**LEAST_EXPONENT).any(axis=1)[:, None]  # s_j |U| may be above the radius

    dz_row = maximum(dz)
    r = radius[:, None]
    noise = {}
    for q in quantities:
        k = unit[q].orders
        linear = 2 * u * k[1] + dz_row * k[2] + r * r * k[3] / 6
        noise[q] = xp.where(outside, xp.inf, delta[q] + r * linear)
    return Differences(_evaluate(sets, base, step, quantities), step, radius, noise)


def step_sizes(U: Array, radius: Array) -> Array:
    """Steps s_j (sets, n): the largest powers of two with s_j max_{g,k} |U_g[k, j]| <= r.

    A zero column, which changes nothing, gets s_j = 1.
    """
    xp = namespace_of(U)
    sets, gates, n, columns = U.shape
    largest = maximum(xp.abs(U).reshape(sets, gates * n, columns)).astype(xp.float64)
    ratio = xp.where(largest > 0, radius[:, None] / xp.where(largest > 0, largest, 1), 1.0)
    _, exponent = xp.frexp(ratio)  # ratio = m 2^exponent with 1/2 <= m < 1
    exponent = xp.clip(exponent - 1, LEAST_EXPONENT, MOST_EXPONENT)
    return xp.ldexp(xp.ones_like(ratio), exponent).astype(U.dtype)


def _evaluate(sets: Any, base: Step, step: Array, quantities: tuple[str, ...]) -> dict[str, Array]:
    """Evaluate the forward function at z^ ± s_j U e_j and subtract, tile by tile."""
    xp = namespace_of(base.h)
    size, n, columns = sets.U[:, 0].shape
    derivatives = {q: xp.empty((size, n, columns), base.h.dtype) for q in quantities}
    for s, k in tiles(size, n, columns, xp):
        _evaluate_rows(
            sets.U[s, :, k],
            base.z[s, :, k],
            sets.c_prev[s, k],
            step[s],
            {q: derivative[s, k] for q, derivative in derivatives.items()},
        )
    return derivatives


def _evaluate_rows(U: Array, z: Array, c_prev: Array, step: Array, out: dict[str, Array]) -> None:
    """Write some rows of the differences to `out`: U (sets, 4, rows, n), z (sets, 4, rows).

    In place, gate by gate: at most four arrays (2, sets, rows, n), one for each point, live at
    once.
    """
    xp = namespace_of(U)
    pair = (2, *U[:, 0].shape)
    span = 1 / (2 * step)[:, None, :]

    def points(gate: int) -> Array:
        at = xp.empty(pair, U.dtype)
        change = U[:, gate] * step[:, None, :]
        centre = z[:, gate, :, None]
        xp.add(centre, change, out=at[0])
        xp.subtract(centre, change, out=at[1])
        return at

    def write(quantity: str, values: Array) -> None:
        if quantity in out:
            change = xp.subtract(values[0], values[1], out=out[quantity])
            change *= span

    c = sigmoid(points(FORGET))
    write("f", c)
    c *= c_prev[:, :, None]
    added = sigmoid(points(INPUT))
    write("i", added)
    candidate = points(CANDIDATE)
    xp.tanh(candidate, out=candidate)
    write("u", candidate)
    added *= candidate
    c += added
    write("c", c)
    tanh_c = xp.tanh(c, out=c)
    write("tanh_c", tanh_c)
    o = sigmoid(points(OUTPUT))
    write("o", o)
    tanh_c *= o
    write("h", tanh_c)


@dataclass(frozen=True)
class WholeDifferences:
    """Central differences by full evaluations: derivative and bound, (sets, n, columns).

    rounding : the part of the bound that is not truncation; half : half the step taken
    """

    derivative: Array
    bound: Array
    rounding: Array
    half: Array


def whole_differences(
    sets: Any, function: Any, majorant: Majorant, noise: Array, step: Any
) -> WholeDifferences:
    """Central differences of ``function(h)`` at fl(h ± s e_j), by the step actually taken.

    Parameters
    ----------
    function : h (sets, points, n) -> (sets, points, n), the forward function
    majorant : bounds along e_j on the function's derivatives, orders (sets, n, n), to order 3
    noise : (sets, n), bound on the function's evaluation error at |h| + s
    step : (sets,) or a number, the step asked for

    Notes
    -----
    Off by s²/6 M_3 + noise/s + 6u M_1, and, since rounding moves the points' centre by up to
    d = u (|h_j| + s) from h_j, by d M_2. For `richardson`: the step taken differs from the one
    asked for by up to d, too, which leaves d s M_3 of the term that it cancels.
    """
    xp = namespace_of(sets.h_prev)
    n = sets.h_prev.shape[-1]
    dtype = sets.h_prev.dtype
    u = bounds.unit_roundoff(dtype)
    step = xp.broadcast_to(xp.asarray(step, dtype=dtype), sets.h_prev.shape[:1])
    eye = xp.eye(n, dtype=dtype) * step[:, None, None]
    forward = sets.h_prev[:, None, :] + eye
    backward = sets.h_prev[:, None, :] - eye
    diagonal = xp.arange(n)
    taken = (forward[:, diagonal, diagonal] - backward[:, diagonal, diagonal])[:, None, :]
    change = function(forward) - function(backward)
    moved = taken > 0  # a step below the spacing of the numbers at h takes no step at all
    derivative = xp.where(moved, xp.swapaxes(change, 1, 2) / xp.where(moved, taken, 1), xp.nan)

    half = xp.where(moved, taken, 1).astype(xp.float64) / 2
    offset = u * (xp.abs(sets.h_prev)[:, None, :].astype(xp.float64) + half)
    m = majorant.orders
    rounding = noise[..., None] / half + offset * (m[2] + half * m[3]) + 6 * u * m[1]
    rounding = rounding * bounds.SLACK
    truncation = half**2 / 6 * m[3] * bounds.SLACK
    return WholeDifferences(derivative, truncation + rounding, rounding, half)


def richardson(coarse: WholeDifferences, fine: WholeDifferences, m5: Array) -> WholeDifferences:
    """Richardson extrapolation (4 D(s/2) - D(s))/3 of two differences, error O(s⁴).

    m5 (sets, n, n) bounds the fifth derivative.

    D(s) = f' + s²/6 f''' + s⁴/120 f^(5)(xi), so the s² terms cancel and what remains is at most
    (s⁴/120)(1/4 + 1)/3 M_5 = s⁴ M_5/288, plus the rounding of both, that of D(s/2) four times:
    (4 · 2 + 1)/3 = 3 times noise/s.
    """
    derivative = (4 * fine.derivative - coarse.derivative) / 3
    rounding = (4 * fine.rounding + coarse.rounding) / 3 * bounds.SLACK
    bound = coarse.half**4 / 288 * m5 * bounds.SLACK + rounding
    return WholeDifferences(derivative, bound, rounding, coarse.half)
