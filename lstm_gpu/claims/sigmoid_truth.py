"""sigma'(z) to more digits than the format under survey has, and errors in its ulps.

For float16 and float32 the truth is e / (1 + e)², e = e^(-|z|), in float64. z is exact there,
nothing cancels and nothing overflows. The exponential's error, at most 4 ulp (numerics: NumPy's
vector routines), enters by a factor (1 - e) / (1 + e) <= 1, and five roundings follow: at most
13 · 2^-53 of the value, that is 13 · 2^(p - 53) ulp of a format of precision p: 3e-12 ulp of
float16, 2.4e-8 ulp of float32. (Where e falls below float64's normal range, from |z| = 708 on, the
value is less than 2^-800 of their smallest subnormal.)

Where |z| < 2^-26 or |z| >= 208, 1/4 and 0 stand for it: sigma' = 1/4 (1 - z²/4 + …) is 1/4 to 2^-54
of its value, and beyond 208 it is below 2^-300, which is 2^-151 of float32's smallest subnormal.

For float64 the truth is the same expression in the standard library's decimal arithmetic with
``DIGITS`` digits. z is converted exactly, its exponential is correctly rounded (documented); with
the scaling to ulps fewer than ten operations follow, each good to a unit in the last digit: at
most 10 · 10^(1 - DIGITS) of the value, 1e-22 ulp. It is kept as the sum of two floats, the second
at most half an ulp, whose rounding is 2^-55 ulp: together below 2^-54 ulp.

What else limits a reported error is its own rounding in float64: 2^-53 of the error.

The expression is the second remedy of ``lstm_gpu.sigmoid_forms`` in higher precision; that it *is*
sigma' is proved in exact arithmetic (``lstm_gpu.claims.sigmoid``), not assumed.
"""

from __future__ import annotations

import decimal
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.backend import namespace_of
from lstm_gpu.claims.sigmoid_regions import Format

CONSTANT = (2.0**-26, 208.0)  # |z| below the first or from the second on
DIGITS = 40
_CONTEXT = decimal.Context(
    prec=DIGITS,
    rounding=decimal.ROUND_HALF_EVEN,
    Emin=decimal.MIN_EMIN,
    Emax=decimal.MAX_EMAX,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)


class Truth(NamedTuple):
    """sigma'(z) as (``high`` + ``low``) · 2^``exponent``: in units of its own ulp in the format.

    The ulp of a real y is 2^(max(floor(log2 y), lowest exponent) - p + 1): the spacing of the
    format's numbers around y, and the smallest subnormal for everything below the normal range,
    zero included. ``high`` is float64, ``low`` what float64 cannot hold of it (0.0 or an array).
    """

    high: Any
    low: Any
    exponent: Any

    def in_ulps(self, computed: Any) -> Any:
        """Computed values in these ulps: exact, a scaling by a power of two."""
        xp = namespace_of(computed)
        return xp.ldexp(computed.astype(xp.float64), -self.exponent)

    def error(self, computed: Any) -> Any:
        """|computed - sigma'(z)| in ulp, float64; infinite or NaN where the computed value is."""
        return abs(self.in_ulps(computed) - self.high - self.low)


def truth(layout: Format, z: Any) -> Truth:
    """The truth at an array z of the format, NaN at NaN."""
    return _decimal(layout, z) if layout.name == "float64" else _wider(layout, z)


def bound(layout: Format) -> float:
    """How far the truth itself may be off, in ulp of the format (the module's argument)."""
    if layout.name == "float64":
        return 2.0**-54
    return 13 * 2.0 ** (layout.precision - 53)


def constant(layout: Format, magnitudes: range) -> bool:
    """Whether the truth and its ulp are the same at all of these magnitudes, on either side.

    They are where 1/4 or 0 stands for it, but for z = 0, whose ulp is larger, and for NaN.
    """
    if layout.name != "float32":
        return False
    near, far = (layout.magnitude(decimal.Decimal(limit)) for limit in CONSTANT)
    nan = layout.magnitude(decimal.Decimal("Infinity")) + 1
    first, last = magnitudes[0], magnitudes[-1]
    return (first > 0 and last < near) or (far <= first and last < nan)


def _ulp_exponent(layout: Format, floor_log2: Any, zero: Any) -> Any:
    """The exponent of the ulp. 1/4 is reached at z = 0 alone, whatever the truth rounds to."""
    xp = namespace_of(floor_log2)
    below = xp.where(zero, floor_log2, xp.minimum(floor_log2, -3))
    return xp.maximum(below, layout.lowest_exponent) - layout.precision + 1


def _wider(layout: Format, z: Any) -> Truth:
    xp = namespace_of(z)
    size = abs(z.astype(xp.float64))
    size = xp.where(size < CONSTANT[0], 0.0, xp.where(size >= CONSTANT[1], xp.inf, size))
    e = xp.exp(-size)
    value = e / ((1 + e) * (1 + e))
    floor_log2 = xp.where(value > 0, xp.frexp(value)[1] - 1, layout.lowest_exponent)
    exponent = _ulp_exponent(layout, floor_log2, z == 0)
    return Truth(xp.ldexp(value, -exponent), 0.0, exponent)


def _decimal(layout: Format, z: Any) -> Truth:
    values = [_decimal_value(float(magnitude)) for magnitude in np.abs(z)]
    floor_log2 = np.array([_floor_log2(value) for value in values])
    exponent = _ulp_exponent(layout, floor_log2, z == 0)
    pairs = [_split(value, int(k)) for value, k in zip(values, exponent, strict=True)]
    high, low = np.array(pairs).reshape(-1, 2).T
    return Truth(high, low, exponent)


def _decimal_value(magnitude: float) -> decimal.Decimal:
    """The value at |z|; 0 beyond 10^4, where it is below 2^-13000 of the smallest subnormal."""
    if math.isnan(magnitude):
        return decimal.Decimal("NaN")
    if magnitude > 10**4:
        return decimal.Decimal(0)
    e = decimal.Decimal(-magnitude).exp(_CONTEXT)
    one = _CONTEXT.add(1, e)
    return _CONTEXT.divide(e, _CONTEXT.multiply(one, one))


def _split(value: decimal.Decimal, exponent: int) -> tuple[float, float]:
    """A value in units of 2^exponent as the sum of two floats."""
    if value.is_nan():
        return math.nan, 0.0
    scaled = _CONTEXT.divide(value, _power_of_two(exponent))
    high = float(scaled)
    return high, float(_CONTEXT.subtract(scaled, decimal.Decimal(high)))


@functools.cache
def _power_of_two(exponent: int) -> decimal.Decimal:
    return _CONTEXT.power(2, exponent)


def _floor_log2(value: decimal.Decimal) -> int:
    """The exponent of the power of two at or below the value; below float64's range, its bottom."""
    approximate = float(value)
    if not approximate > 0:
        return -1075
    guess = math.frexp(approximate)[1] - 1
    return guess if _power_of_two(guess) <= value else guess - 1
