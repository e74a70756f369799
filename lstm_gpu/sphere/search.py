"""Search the sphere in blocks: the exact identity at every sample, for every row.

For unit vectors h and ŵ = w/‖w‖, by Cauchy-Schwarz with its remainder,

    z(ŵ) - z(h) = ‖w‖ - w·h = ½ ‖w‖ ‖h - ŵ‖² >= 0,

in every dimension and whatever W_f x + b_f adds to z. Its left side comes from forward
evaluations alone, its right side from the claimed argmax and maximum. Every sample h tests both
claims, near the maximum and far from it; and a right side that holds says that no sample lies
above. Samples from all over the sphere have ‖h - ŵ‖² by products; those drawn near ŵ, by
differences (`squares`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere import squares
from lstm_gpu.sphere.directions import length_error
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import gamma, norm_error, tree_depth, underflow_unit, unit_error

Array = Any


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


def rounding_of(size: int, dtype: Any, square: squares.Error) -> tuple[Array | float, float]:
    """What rounding may do to the identity beside the forward evaluations, in units of ‖w‖.

    With u the unit roundoff, h off unit length by ε, and d the claimed direction as computed,
    whose entries are off by δ relative. Exactly, for the h and d in hand,

        z(d) - z(h) - ½‖w‖ ‖h - d‖² = ‖w‖ (½(1 - ‖h‖²) - ½‖d - ŵ‖² + h·(d - ŵ)),

    at most ‖w‖ (ε + ε²/2 + δ²/2 + (1 + ε) δ): with half the absolute error of the square, the
    first number. The second, relative to ‖w‖ ‖h - d‖², is of the right side ½‖w‖ ‖h - d‖²: ‖w‖
    off by `norm_error`, the square by its relative error, and a product; and of the subtraction
    on the left, u again.
    """
    epsilon, delta = length_error(size, dtype), unit_error(size, dtype)
    turned = epsilon + epsilon**2 / 2 + delta**2 / 2 + (1 + epsilon) * delta
    relative = norm_error(size, dtype) + square.relative + 2 * unit_roundoff(dtype)
    return turned + square.absolute / 2, relative / 2


def tolerance(
    gate: Gate, norm: Array, length: Array, xp: Any, error: squares.ErrorOf
) -> tuple[Array, Array]:
    """Rounding bound of the identity: fixed + growing · ‖h - d‖², arrays (sets, rows).

    - two forward evaluations, `Gate.error` each, at lengths 1 + ε and ‖d‖;
    - `rounding_of`, in units of ‖w‖;
    - squares and products that underflow, n times the smallest number;
    - a factor for what is of second order: this bound itself is evaluated, from the computed norm
      and square, and so is the error set against it. With t the depth of a sum that is at most
      3 t/2 + 19 roundings or t + 26, below t + 32 for every n that fits a memory.

    `length` is ‖d‖, 1 for the claim itself; wrong claims may have another. `error` is of the form
    in which the square is computed (`squares`).
    """
    _, n, _ = gate.sizes
    dtype = gate.U.dtype
    turned, relative = rounding_of(n, dtype, error(n, dtype, length))
    last = 1 + gamma(tree_depth(n) + 32, dtype)
    fixed = gate.error(norm, 1 + length_error(n, dtype), xp)
    fixed = fixed + gate.error(norm, length * (1 + unit_error(n, dtype)), xp)
    fixed = (fixed + turned * norm) * last + 4 * n * underflow_unit(dtype)
    return fixed, relative * last * norm


def claim_of(
    gate: Gate, direction: Array, norm: Array, length: Array, xp: Any,
    error: squares.ErrorOf = squares.products_error,
) -> Claim:  # fmt: skip
    """Put a direction on trial as the argmax, with ‖w‖ as the maximum that goes with it."""
    fixed, growing = tolerance(gate, norm, length, xp, error)
    return Claim(direction, top_of(gate, direction), norm / 2, fixed, growing)


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
    square = squares.by_products(h, claims[0].direction, xp)
    new_worst, new_best = [], []
    for gate, claim, w, b in zip(gates, claims, worst, best, strict=True):
        z = xp.ascontiguousarray(xp.swapaxes(gate(h), 1, 2))
        new_worst.append(compare(claim, z, square, first, w, xp))
        new_best.append(keep_best(z, h, first, b, xp))
    return new_worst, new_best


def search_caps(gate: Gate, claim: Claim, h: Array, xp: Any) -> Worst:
    """Hold the identity against each row's own samples h (sets, rows, points, n).

    The claim is one with the error of squares by differences.
    """
    sets, rows, points, n = h.shape
    z = gate.rows()(h.reshape(sets * rows, points, n)).reshape(sets, rows, points)
    square = squares.by_differences(h, claim.direction)
    none = Worst.none((sets, rows), h.dtype, xp)
    return compare(claim, z, square, 0, none, xp, telling_first=True)
