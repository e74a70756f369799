"""Ball arithmetic: every number an interval that provably holds the exact one (Arb, by FLINT).

The third witness. The stored floats convert to balls without rounding; the forward equations are
evaluated as power series in s at h_{t-1} + s e_j, and the coefficient of s is the derivative. They
are written out once more here, from e^z alone, so that no derivative of an activation is known to
this module, and a mistake in `lstm_gpu.cell` would show. Balls live in NumPy's object arrays, on
which the derivation's formulas run as they are.

Arb: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE
Transactions on Computers 66 (2017).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import MAX_EMAX, MIN_EMIN, ROUND_FLOOR, Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
from flint import arb, arb_series, ctx

from lstm_gpu.cell import CANDIDATE, FORGET, GATES, INPUT, OUTPUT

Array = Any

TARGET = 200  # agreement is proved to 2^-200 of the derivative
# Bits of the first attempt; each further one has twice as many. The first is enough unless gates
# saturate: 1 - sigma then loses as many bits as the derivative is small. Beyond the last attempt
# an entry stays undecided.
FIRST_PRECISION, LAST_PRECISION = 256, 2**15

WITHIN, REFUTED, UNDECIDED = "within 2^-200", "refuted", "undecided"
VARIABLES = ("h_prev", "c_prev", "x")


class Enclosure(NamedTuple):
    """Balls that hold a claimed and a true derivative, and the bits they were computed with."""

    claimed: arb
    truth: arb
    precision: int

    @property
    def distance(self) -> arb:
        with working(self.precision):
            return abs(self.claimed - self.truth)

    @property
    def relative(self) -> arb:
        """The distance over the truth; 0 where the distance is exactly 0, as the truth may be."""
        with working(self.precision):
            return self.distance if self.distance == 0 else self.distance / abs(self.truth)

    @property
    def proof(self) -> str:
        """What is proved: that the two differ, or that they agree to 2^-200 of the truth.

        Relative to the truth itself: an absolute 2^-200 would be met by a zero where gates
        saturate. A truth of exactly 0 is met by exactly 0 alone.
        """
        with working(self.precision):
            if self.distance > 0 and self.distance.is_finite():
                return REFUTED
            return WITHIN if self.relative <= arb(2) ** -TARGET else UNDECIDED


def enclose(evaluate: Callable[[], tuple[arb, arb]]) -> Enclosure:
    """Evaluate (claimed, truth) with more and more bits until either proof succeeds."""
    precision = FIRST_PRECISION
    while True:
        with working(precision):
            found = Enclosure(*evaluate(), precision)
        if found.proof != UNDECIDED or 2 * precision > LAST_PRECISION:
            return found
        precision *= 2


def log2_bounds(distance: arb) -> tuple[int | None, int | None]:
    """Whole numbers a <= log2 d <= b of a ball d >= 0; None for log2 0 and for infinity."""
    low, high = distance.abs_lower(), distance.abs_upper()
    a = _floor_log2(low) if low > 0 and low.is_finite() else None
    b = -_floor_log2(1 / high) if high > 0 and high.is_finite() else None
    return a, b


def _floor_log2(positive: arb) -> int:
    """A whole number at most log2 of every number in the ball."""
    mantissa, exponent = positive.lower().man_exp()
    return int(mantissa).bit_length() - 1 + int(exponent)


def at_least(distance: arb) -> str:
    """A decimal of ten digits that is at most every number in a ball d >= 0."""
    mantissa, exponent = (int(part) for part in distance.abs_lower().man_exp())
    with localcontext(prec=10, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN):
        return str(Decimal(mantissa << max(exponent, 0)) / Decimal(1 << max(-exponent, 0)))


def decided(ball: arb, limit: float) -> str:
    """Whether |ball| is within a limit: "yes" or "no" where it is proved, else "undecided"."""
    if abs(ball) <= limit:
        return "yes"
    return "no" if abs(ball) > limit else "undecided"


@contextmanager
def working(bits: int) -> Iterator[None]:
    """Balls are rounded to `bits`, and series end after the first power, inside the block."""
    before = ctx.cap
    with ctx.workprec(bits):
        ctx.cap = 2
        try:
            yield
        finally:
            ctx.cap = before


def exact(array: Array) -> Array:
    """Floats (a NumPy array of either dtype) as an object array of balls of radius 0."""
    return np.asarray(np.frompyfunc(arb, 1, 1)(np.asarray(array, np.float64)), object)


def part(sets: Any, rows: Sequence[int], columns: Sequence[int], states: Sequence[int]) -> Any:
    """What a formula needs of one weight set for some entries, as balls.

    W (1, 4, rows, m), U (1, 4, rows, columns), the previous states at `states` alone, x whole.
    """
    return replace(
        sets,
        W=exact(sets.W[:, :, rows]),
        U=exact(sets.U[:, :, rows][..., columns]),
        x=exact(sets.x),
        **{name: exact(getattr(sets, name)[:, states]) for name in ("h_prev", "c_prev", "o_prev")},
        b=None if sets.b is None else exact(sets.b[:, :, rows]),
    )


def preactivations(sets: Any, rows: Iterable[int], x: Array, h: Array) -> Array:
    """z_g = W_g x + U_g h (+ b_g) of some rows, (1, 4, rows), at any x (1, m) and h (1, n).

    Row by row: the balls of all weights at once would take ten times the memory of the floats.
    """
    z = []
    for k in rows:
        row = exact(sets.W[0, :, k]) @ x[0] + exact(sets.U[0, :, k]) @ h[0]
        z.append(row if sets.b is None else row + exact(sets.b[0, :, k]))
    return np.stack(z, axis=-1)[None] if z else np.empty((1, len(GATES), 0), object)


def forward(z: Array, c_prev: Array) -> dict[str, Array]:
    """The forward equations from z (1, 4, rows) and c_{t-1} (1, rows), for balls and series."""
    i, f, o = (_sigmoid(z[:, gate]) for gate in (INPUT, FORGET, OUTPUT))
    u = _tanh(z[:, CANDIDATE])
    c = f * c_prev + i * u
    tanh_c = _tanh(c)
    return {"i": i, "f": f, "u": u, "o": o, "c": c, "tanh_c": tanh_c, "h": o * tanh_c}


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _tanh(z: Array) -> Array:
    """(e^{2z} - 1)/(e^{2z} + 1), written so that the series' slope keeps its relative accuracy."""
    return 1 - 2 / (1 + np.exp(2 * z))


def along(sets: Any, variable: str, j: int) -> dict[str, Array]:
    """x, h_{t-1} and c_{t-1} as balls, with the power series of `variable` + s e_j for one."""
    point = {name: exact(getattr(sets, name)) for name in VARIABLES}
    point[variable][0, j] = arb_series([point[variable][0, j], 1])
    return point


def jacobians(
    sets: Any, rows: Sequence[int], columns: Sequence[int], variable: str = "h_prev"
) -> dict[str, Array]:
    """Derivatives of i, f, u, o, c, tanh(c) and h, each (1, rows, columns) of balls.

    Parameters
    ----------
    sets : one weight set (`WeightSets` of length 1) on the host
    rows : components of the quantities; columns : components of the variable
    variable : "h_prev" (c_{t-1} and x_t fixed), "x" or "c_prev" (the others fixed)
    """
    found = []
    for j in columns:
        at = along(sets, variable, j)
        z = preactivations(sets, rows, at["x"], at["h_prev"])
        found.append(forward(z, at["c_prev"][:, rows]))
    return {name: np.stack([_slopes(f[name]) for f in found], axis=-1) for name in found[0]}


def over_two_steps(sets: Any, k: int, j: int) -> arb:
    """dh_2[k]/dh_0[j] over two steps with the same weights and input, c_0 held fixed."""
    at = along(sets, "h_prev", j)
    everywhere = range(sets.h_prev.shape[-1])
    one = forward(preactivations(sets, everywhere, at["x"], at["h_prev"]), at["c_prev"])
    two = forward(preactivations(sets, [k], at["x"], one["h"]), one["c"][:, [k]])
    return _slopes(two["h"])[0, 0]


@np.vectorize(otypes=[object])
def _slopes(value: arb | arb_series) -> arb:
    """The coefficient of s; a plain ball does not depend on s."""
    return value[1] if isinstance(value, arb_series) else arb(0)
