"""Every value of a floating-point format, sorted into regions of z in which sigma' has one story.

The edges are not typed in: they follow from a format's precision p (unit roundoff 2^-p), smallest
normal exponent and largest value. A value belongs to the region further out when it is at or
beyond an edge. Magnitudes are counted by their bit patterns: 0 is +0, the next is the smallest
subnormal, and so on to the largest value, infinity and the NaNs; the sign is kept apart as a
side, so every one of the format's patterns is one (side, magnitude).
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.errors import InputError

DTYPES = ("float16", "float32", "float64")
BLOCK = 1 << 16
DENSE = 32
TAIL = 16

REASONS = {
    "underflow_negative": "sigma'(z) itself rounds to zero",
    "exponential_overflow": "e^(-z) is infinite, sigma'(z) a subnormal or small number",
    "square_underflow": "(1 + e^(-z))^(-2) is below the smallest normal number, sigma'(z) is not",
    "negative": "e^(-z) is large and harmless, 1 - sigma(z) is close to 1",
    "centre": "e^(-z) lies between 1/2 and 2: no step loses more than a bit or two",
    "positive": "1 - sigma(z) cancels more with every step outward",
    "cancelled": "e^(-z) is below the unit roundoff: 1 + e^(-z), and so sigma(z), rounds to 1",
    "subnormal": "sigma'(z) is subnormal: fewer bits are there to be had",
    "underflow_positive": "sigma'(z) itself rounds to zero",
    "infinite": "both infinities, where sigma' tends to 0",
    "not_a_number": "the NaNs, which a form must pass on",
}
"""The regions from left to right, with the reason for each."""


class Format(NamedTuple):
    """The constants of a binary floating-point format, from `numpy.finfo`."""

    name: str
    bits: int
    precision: int
    lowest_exponent: int
    largest: float

    @classmethod
    def of(cls, dtype: str) -> Format:
        """The format by its name; `InputError` for a name not in ``DTYPES``."""
        if dtype not in DTYPES:
            raise InputError(f"`dtype` must be one of {', '.join(DTYPES)}, got {dtype!r}.")
        info = np.finfo(dtype)
        return cls(dtype, info.bits, info.nmant + 1, int(info.minexp), float(info.max))

    @property
    def patterns(self) -> int:
        """The number of magnitudes, NaNs among them: half of all bit patterns."""
        return 1 << (self.bits - 1)

    @property
    def spacing_exponent(self) -> int:
        """The exponent of the smallest subnormal number."""
        return self.lowest_exponent - self.precision + 1

    def values(self, magnitudes: range, side: int, xp: Any = np) -> Any:
        """The floats with these magnitudes and the sign of ``side`` (+1 or -1)."""
        first, stop, step = magnitudes.start, magnitudes.stop, magnitudes.step
        positive = xp.arange(first, stop, step, dtype=f"u{self.bits // 8}").view(self.name)
        return positive if side > 0 else -positive

    def value(self, magnitude: int, side: int) -> float:
        """One such float, as Python's."""
        return float(self.values(range(magnitude, magnitude + 1), side)[0])

    def magnitude(self, z: decimal.Decimal) -> int:
        """The magnitude of the smallest float that is not below the nonnegative ``z``."""
        nearest = np.array([z], self.name)
        pattern = int(nearest.view(f"i{self.bits // 8}")[0])
        return pattern + 1 if decimal.Decimal(float(nearest[0])) < z else pattern


def edges(layout: Format) -> dict[str, decimal.Decimal]:
    """Where sigma' and its ingredients pass a limit of the format; all positive, in units of z.

    ``centre``: e^z = 2. ``cancelled``: e^(-z) = unit roundoff. ``square``: e^(-2z) = smallest
    normal. ``overflow``: e^z = largest value. ``subnormal``: sigma'(z), e^(-z) to within its
    rounding, = smallest normal. ``underflow``: sigma'(z) = half the smallest subnormal. Decimal, so
    that the first float beyond an edge is the right one in float64 too.
    """
    context = decimal.Context(prec=40)
    log2 = decimal.Decimal(2).ln(context)
    return {
        "centre": log2,
        "cancelled": context.multiply(layout.precision, log2),
        "square": context.multiply(-layout.lowest_exponent // 2, log2),
        "overflow": decimal.Decimal(layout.largest).ln(context),
        "subnormal": context.multiply(-layout.lowest_exponent, log2),
        "underflow": context.multiply(1 - layout.spacing_exponent, log2),
    }


@dataclass(frozen=True)
class Strip:
    """The magnitudes ``start`` to ``stop`` (exclusive) on one side, all in one region.

    ``interesting`` is False in the tails, where nothing changes any more: closer to 0 than
    sigma' = 1/4 can tell, and beyond twice the underflow.
    """

    region: str
    side: int
    start: int
    stop: int
    interesting: bool

    def ranges(self, points: int) -> list[range]:
        """About ``points`` magnitudes outward (never more), or all where there are no more.

        The first and last ``DENSE`` (an eighth of the points, if that is fewer) are consecutive
        floats; between them an odd stride, so that the low bits of z take all values.
        """
        length = self.stop - self.start
        if length <= points:
            return [range(self.start, self.stop)]
        dense = min(DENSE, points // 8)
        inner, outer = self.start + dense, self.stop - dense
        stride = -(-(outer - inner) // (points - 2 * dense))
        stride += 1 - stride % 2
        return [
            range(self.start, inner),
            range(inner, outer, stride),
            range(outer, self.stop),
        ]

    def blocks(self, points: int, size: int = BLOCK) -> Iterator[range]:
        """The same magnitudes in ranges of at most ``size``, never empty."""
        for magnitudes in self.ranges(points):
            for first in range(0, len(magnitudes), size):
                yield magnitudes[first : first + size]

    def within(self, start: int, stop: int) -> Strip:
        """The part of the strip with magnitudes ``start`` to ``stop``; empty when there is none."""
        low = min(max(self.start, start), self.stop)
        return replace(self, start=low, stop=max(low, min(self.stop, stop)))


def strips(layout: Format) -> list[Strip]:
    """The strips that tile all magnitudes of both sides, each side from 0 outward."""
    edge = edges(layout)
    quiet = decimal.Decimal(math.ldexp(1.0, -layout.precision - 2))
    far = 2 * edge["underflow"]
    infinity = layout.magnitude(decimal.Decimal("Infinity"))
    negative = [("centre", "centre"), ("negative", "square"), ("square_underflow", "overflow")]
    negative += [("exponential_overflow", "underflow")]
    positive = [("centre", "centre"), ("positive", "cancelled"), ("cancelled", "subnormal")]
    positive += [("subnormal", "underflow")]
    tiles = []
    for side, inner, outermost in (
        (-1, negative, "underflow_negative"),
        (1, positive, "underflow_positive"),
    ):
        marks = [("centre", layout.magnitude(quiet), False)]
        marks += [(region, layout.magnitude(edge[limit]), True) for region, limit in inner]
        marks += [(outermost, layout.magnitude(far), True), (outermost, infinity, False)]
        marks += [("infinite", infinity + 1, False), ("not_a_number", layout.patterns, False)]
        start = 0
        for region, stop, interesting in marks:
            tiles.append(Strip(region, side, start, stop, interesting))
            start = stop
    return tiles


def shares(layout: Format, points: int) -> list[tuple[Strip, int]]:
    """Each strip with its number of points; all magnitudes where ``points`` is 2^bits or more.

    The interesting strips share equally (a stratified sample: a narrow region is not starved by
    a wide one) and a tail gets a ``TAIL``-th of a share.

    Raises
    ------
    InputError
        When ``points`` is no integer or too small for every strip to have some.
    """
    tiles = strips(layout)
    weight = sum(TAIL if strip.interesting else 1 for strip in tiles)
    if isinstance(points, bool) or not isinstance(points, int) or points < weight:
        raise InputError(
            f"`points` must be an integer of at least {weight}, so that every region gets one, "
            f"got {points!r}."
        )
    if points >= 2 * layout.patterns:
        return [(strip, strip.stop - strip.start) for strip in tiles]
    return [(strip, points * (TAIL if strip.interesting else 1) // weight) for strip in tiles]
