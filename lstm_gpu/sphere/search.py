"""Search the sphere in blocks: the exact identity at every sample, for every row.

For unit vectors h and ŵ = w/‖w‖, by Cauchy-Schwarz with its remainder,

    z(ŵ) - z(h) = ‖w‖ - w·h = ½ ‖w‖ ‖h - ŵ‖² >= 0,

in every dimension and whatever W_f x + b_f adds to z. Its left side comes from forward
evaluations alone, its right side from the claimed argmax and maximum, with ‖h - ŵ‖² summed
from differences and so accurate relative to itself. Every sample h tests both claims, near
the maximum and far from it; and a right side that holds says that no sample lies above.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere.directions import length_error
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import (
    gamma,
    norm_error,
    tree_depth,
    tree_sum,
    underflow_unit,
    unit_error,
)

Array = Any

_GROUP = 16  # squares summed before they join the total: about 2 √n additions, not n


@dataclass
class Worst:
    """The sample of each row with the largest error over bound, arrays (sets, rows).

    Where all errors are exactly zero (n = 1), the sample with the largest gap stands for them;
    among samples near the claimed direction, those whose gap rounding cannot explain go first.
    claimed: ½ ‖w‖ ‖h - ŵ‖²; measured: z(ŵ) - z(h); bound on their difference by rounding;
    sample: its index; above: how many samples lie above the claimed maximum beyond rounding.
    """

    claimed: Array
    measured: Array
    bound: Array
    ratio: Array
    sample: Array
    above: Array

    @classmethod
    def none(cls, shape: tuple[int, ...], dtype: Any, xp: Any) -> "Worst":
        """Before any sample: ratio -1, so that the first sample takes the place."""
        zero = xp.zeros(shape, dtype=dtype)
        return cls(
            claimed=zero,
            measured=zero,
            bound=zero,
            ratio=zero - 1,
            sample=xp.zeros(shape, dtype=xp.int64),
            above=xp.zeros(shape, dtype=xp.int64),
        )


@dataclass
class Best:
    """The running maximum of each row: z and the index, (sets, rows); h, (sets, rows, n).

    lowest: the running minimum of z; where a row is zero, all directions tie and it equals z.
    """

    z: Array
    sample: Array
    h: Array
    lowest: Array

    @classmethod
    def none(cls, shape: tuple[int, int, int], dtype: Any, xp: Any) -> "Best":
        z = xp.full(shape[:2], -xp.inf, dtype=dtype)
        return cls(z, xp.zeros(shape[:2], dtype=xp.int64), xp.zeros(shape, dtype=dtype), -z)


@dataclass(frozen=True)
class Claim:
    """A direction claimed to be the argmax of z, and what rounding allows its identity.

    direction (sets, rows, n); top (sets, rows): z there, by forward evaluation; half_norm: the
    claimed maximum over 2; fixed + growing · ‖h - ŵ‖² bounds the error of the identity.
    """

    direction: Array
    top: Array
    half_norm: Array
    fixed: Array
    growing: Array

    def of_rows(self, cut: slice) -> "Claim":
        """The same of some of the rows."""
        return Claim(*(getattr(self, field.name)[:, cut] for field in fields(self)))


def top_of(gate: Gate, direction: Array) -> Array:
    """z of every row at its own direction (sets, rows, n) -> (sets, rows)."""
    sets, rows, n = direction.shape
    return gate.rows()(direction.reshape(sets * rows, 1, n)).reshape(sets, rows)


def rounding_of(size: int, dtype: Any) -> tuple[float, float]:
    """What rounding may do to the identity beside the forward evaluations, in units of ‖w‖.

    With u the unit roundoff, h off unit length by ε, and d the claimed direction as computed,
    whose entries are off by δ relative. Exactly, for the h and d in hand,

        z(d) - z(h) - ½‖w‖ ‖h - d‖² = ‖w‖ (½(1 - ‖h‖²) - ½‖d - ŵ‖² + h·(d - ŵ)),

    at most ‖w‖ (ε + ε²/2 + δ²/2 + (1 + ε) δ): the first number. The second, relative to
    ‖w‖ ‖h - d‖², is of the right side ½‖w‖ ‖h - d‖²: ‖w‖ off by `norm_error`, the square
    distance by gamma(q + 3) with q additions (each difference is off by u of itself, squaring
    doubles that and adds one), and a product; and of the subtraction on the left, u again.
    """
    epsilon, delta = length_error(size, dtype), unit_error(size, dtype)
    turned = epsilon + epsilon**2 / 2 + delta**2 / 2 + (1 + epsilon) * delta
    products = gamma(_additions(size) + 3, dtype) + 2 * unit_roundoff(dtype)
    return turned, 0.5 * (norm_error(size, dtype) + products)


def _additions(size: int) -> int:
    """Additions that a square passes through: in `squared_distances`, or in a tree (caps)."""
    groups = -(-size // _GROUP)
    return max(min(size, _GROUP) - 1 + groups - 1, tree_depth(size))


def tolerance(gate: Gate, norm: Array, length: Array, xp: Any) -> tuple[Array, Array]:
    """Rounding bound of the identity: fixed + growing · ‖h - d‖², arrays (sets, rows).

    - two forward evaluations, `Gate.error` each, at lengths 1 + ε and ‖d‖;
    - `rounding_of`, in units of ‖w‖;
    - squares that underflow, n times the smallest number;
    - the evaluation of this very bound, and of the error set against it: a factor.

    `length` is ‖d‖, 1 for the claim itself; wrong claims may have another.
    """
    _, n, _ = gate.sizes
    dtype = gate.U.dtype
    turned, relative = rounding_of(n, dtype)
    last = 1 + gamma(_additions(n) + 32, dtype)
    fixed = gate.error(norm, 1 + length_error(n, dtype), xp)
    fixed = fixed + gate.error(norm, length * (1 + unit_error(n, dtype)), xp)
    fixed = (fixed + turned * norm) * last + 4 * n * underflow_unit(dtype)
    return fixed, relative * last * norm


def claim_of(gate: Gate, direction: Array, norm: Array, length: Array, xp: Any) -> Claim:
    """Put a direction on trial as the argmax, with ‖w‖ as the maximum that goes with it."""
    fixed, growing = tolerance(gate, norm, length, xp)
    return Claim(direction, top_of(gate, direction), norm / 2, fixed, growing)


def squared_distances(h: Array, direction: Array, xp: Any) -> Array:
    """‖h - d‖² from differences, in place: h (sets, points, n), d (sets, rows, n).

    One component after another, so that the work is on arrays (sets, rows, points) that fit a
    cache; never an array of samples × rows × n.

    Returns
    -------
    (sets, rows, points)
    """
    sets, points, n = h.shape
    h = xp.ascontiguousarray(xp.moveaxis(h, 2, 0))[:, :, None, :]
    direction = xp.ascontiguousarray(xp.moveaxis(direction, 2, 0))[:, :, :, None]
    total = xp.zeros((sets, direction.shape[2], points), dtype=h.dtype)
    group, square = xp.empty_like(total), xp.empty_like(total)
    for first in range(0, n, _GROUP):
        partial = total if n <= _GROUP else group
        xp.subtract(h[first], direction[first], out=partial)
        xp.multiply(partial, partial, out=partial)
        for j in range(first + 1, min(first + _GROUP, n)):
            xp.subtract(h[j], direction[j], out=square)
            xp.multiply(square, square, out=square)
            xp.add(partial, square, out=partial)
        if partial is not total:
            xp.add(total, partial, out=total)
    return total


def _picker(at: Array, xp: Any) -> Callable[[Array], Array]:
    """values (sets, rows, points) -> values[…, at] (sets, rows)."""
    sets, rows = at.shape
    place = (xp.arange(sets)[:, None], xp.arange(rows), at)
    return lambda values: values[place]


def compare(
    claim: Claim, z: Array, square: Array, first: int, found: Worst, xp: Any,
    telling_first: bool = False,
) -> Worst:  # fmt: skip
    """Hold the identity against the samples first, first + 1, …; z, square (sets, rows, points).

    telling_first : prefer samples whose gap is larger than their bound, so that the sample
        kept is not one that any claim would pass
    """
    measured = xp.subtract(claim.top[:, :, None], z)
    bound = xp.multiply(square, claim.growing[:, :, None])
    xp.add(bound, claim.fixed[:, :, None], out=bound)
    claimed = xp.multiply(square, claim.half_norm[:, :, None])
    ratio = xp.subtract(measured, claimed)
    xp.abs(ratio, out=ratio)
    xp.divide(ratio, bound, out=ratio)
    at = ratio.argmax(axis=-1)
    exact = _picker(at, xp)(ratio) == 0
    at = xp.where(exact, measured.argmax(axis=-1), at)
    if telling_first:
        telling = (xp.abs(measured) > bound) | ~(ratio <= 1)
        at = xp.where(telling.any(axis=-1), xp.where(telling, ratio, -1).argmax(axis=-1), at)
    there = _picker(at, xp)
    largest = there(ratio)
    worse = ~(largest <= found.ratio)  # so that a ratio that is no number takes the place, too
    worse |= (largest == found.ratio) & exact & (there(measured) > found.measured)
    above = xp.count_nonzero(measured < -bound, axis=-1)
    return Worst(
        claimed=xp.where(worse, there(claimed), found.claimed),
        measured=xp.where(worse, there(measured), found.measured),
        bound=xp.where(worse, there(bound), found.bound),
        ratio=xp.where(worse, largest, found.ratio),
        sample=xp.where(worse, first + at, found.sample),
        above=found.above + above,
    )


def keep_best(z: Array, h: Array, first: int, found: Best, xp: Any) -> Best:
    """Update the running maximum with z (sets, rows, points) at h (sets, points, n)."""
    at = z.argmax(axis=-1)
    highest = _picker(at, xp)(z)
    better = highest > found.z
    there = h[xp.arange(h.shape[0])[:, None], at]
    return Best(
        z=xp.where(better, highest, found.z),
        sample=xp.where(better, first + at, found.sample),
        h=xp.where(better[..., None], there, found.h),
        lowest=xp.minimum(found.lowest, z.min(axis=-1)),
    )


def search_block(
    gates: Sequence[Gate], claims: Sequence[Claim], h: Array, first: int,
    worst: Sequence[Worst], best: Sequence[Best], xp: Any,
) -> tuple[list[Worst], list[Best]]:  # fmt: skip
    """One block of samples through several gates that share the claimed direction."""
    square = squared_distances(h, claims[0].direction, xp)
    new_worst, new_best = [], []
    for gate, claim, w, b in zip(gates, claims, worst, best, strict=True):
        z = xp.ascontiguousarray(xp.swapaxes(gate(h), 1, 2))
        new_worst.append(compare(claim, z, square, first, w, xp))
        new_best.append(keep_best(z, h, first, b, xp))
    return new_worst, new_best


def search_caps(gate: Gate, claim: Claim, h: Array, xp: Any) -> Worst:
    """Hold the identity against each row's own samples h (sets, rows, points, n)."""
    sets, rows, points, n = h.shape
    z = gate.rows()(h.reshape(sets * rows, points, n)).reshape(sets, rows, points)
    difference = h - claim.direction[:, :, None, :]
    square = tree_sum(difference * difference)
    none = Worst.none((sets, rows), h.dtype, xp)
    return compare(claim, z, square, 0, none, xp, telling_first=True)
