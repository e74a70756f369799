"""Exact numbers on which the forms of sigma' run without a rounding error.

Four small kinds of number, each understanding ``+ - * / **`` and plain integers:

- ``Rational``: a fraction that remembers a bound on the degrees of the rational function of t it
  came from, so that the proof's degree bound is derived from the code and not typed in;
- ``Dual``: value and derivative; arithmetic on it is the chain rule;
- ``Interval``: two fractions that enclose a real number which is not rational;
- ``Logarithm``: z = -ln t for a rational t. It has only ``-z`` and ``|z|``, which is all that a
  form may do with z before it calls ``exp``; and ``exp`` of it is a fraction again.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any


class Arithmetic:
    """``+ - * / **`` from the primitives below, which each kind of number defines."""

    def lift(self, other: Any) -> Any:
        raise NotImplementedError

    def plus(self, other: Any) -> Any:
        raise NotImplementedError

    def times(self, other: Any) -> Any:
        raise NotImplementedError

    def inverse(self) -> Any:
        raise NotImplementedError

    def __neg__(self) -> Any:
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return self.plus(self.lift(other))

    def __sub__(self, other: Any) -> Any:
        return self.plus(-self.lift(other))

    def __rsub__(self, other: Any) -> Any:
        return self.lift(other).plus(-self)

    def __mul__(self, other: Any) -> Any:
        return self.times(self.lift(other))

    def __truediv__(self, other: Any) -> Any:
        return self.times(self.lift(other).inverse())

    def __rtruediv__(self, other: Any) -> Any:
        return self.lift(other).times(self.inverse())

    def __pow__(self, exponent: int) -> Any:
        base = self if exponent >= 0 else self.inverse()
        power = self.lift(1)
        for _ in range(abs(exponent)):
            power = power.times(base)
        return power

    __radd__ = __add__
    __rmul__ = __mul__


@dataclass(frozen=True)
class Rational(Arithmetic):
    """P(t) / Q(t) at one point, with deg P <= ``numerator`` and deg Q <= ``denominator``.

    The degrees are those of the quotient that schoolbook rules build without reducing it. Its Q is
    nonzero at the point: sums and products multiply denominators, and an inverse demands a nonzero
    value (``ZeroDivisionError`` otherwise).
    """

    value: Fraction
    numerator: int = 0
    denominator: int = 0

    def lift(self, other: Any) -> Rational:
        return other if isinstance(other, Rational) else Rational(Fraction(other))

    def __neg__(self) -> Rational:
        return Rational(-self.value, self.numerator, self.denominator)

    def plus(self, other: Rational) -> Rational:
        numerator = max(self.numerator + other.denominator, other.numerator + self.denominator)
        return Rational(self.value + other.value, numerator, self.denominator + other.denominator)

    def times(self, other: Rational) -> Rational:
        return Rational(
            self.value * other.value,
            self.numerator + other.numerator,
            self.denominator + other.denominator,
        )

    def inverse(self) -> Rational:
        return Rational(1 / self.value, self.denominator, self.numerator)

    def __gt__(self, other: int) -> bool:
        return self.value > other


@dataclass(frozen=True)
class Dual(Arithmetic):
    """A value and its derivative; the parts are fractions or ``Rational``."""

    value: Any
    derivative: Any

    def lift(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return other
        # Never a bare integer: 1 / 3 would be a float.
        exact = other if isinstance(other, Rational) else Fraction(other)
        return Dual(exact, Fraction(0))

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.derivative)

    def plus(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.derivative + other.derivative)

    def times(self, other: Dual) -> Dual:
        return Dual(
            self.value * other.value,
            self.derivative * other.value + self.value * other.derivative,
        )

    def inverse(self) -> Dual:
        return Dual(1 / self.value, -self.derivative / (self.value * self.value))


@dataclass(frozen=True)
class Interval(Arithmetic):
    """All reals from ``low`` to ``high``; every operation encloses its exact result."""

    low: Fraction
    high: Fraction

    def lift(self, other: Any) -> Interval:
        return other if isinstance(other, Interval) else Interval(Fraction(other), Fraction(other))

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def plus(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def times(self, other: Interval) -> Interval:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners))

    def inverse(self) -> Interval:
        if self.low <= 0 <= self.high:
            raise ZeroDivisionError("the interval contains zero")
        return Interval(1 / self.high, 1 / self.low)

    def nearest(self, target: Fraction) -> Fraction:
        """The point of the interval nearest to ``target``: its gap is a proven lower bound."""
        return min(max(self.low, target), self.high)


@dataclass(frozen=True)
class Logarithm:
    """The real number ``sign`` · ln(``argument``), known only through its exponential."""

    argument: Any
    sign: int

    def __neg__(self) -> Logarithm:
        return Logarithm(self.argument, -self.sign)

    def __abs__(self) -> Logarithm:
        return Logarithm(self.argument, 1 if self.argument > 1 else -1)


def exp(z: Logarithm | Fraction) -> Any:
    """e^z: the logarithm's own argument, or an enclosure for a fraction of size at most 1.

    The enclosure is the alternating series of e^{-x}, x = |z| <= 1, whose terms decrease, so two
    consecutive partial sums bracket it (Leibniz); e^{x} is the inverse.

    Raises
    ------
    ValueError
        For a fraction outside [-1, 1], where the terms need not decrease at once.
    """
    if isinstance(z, Logarithm):
        return z.argument if z.sign > 0 else 1 / z.argument
    x = abs(z)
    if x > 1:
        raise ValueError(f"the enclosure of e^z needs |z| <= 1, got {z}")
    term, total = Fraction(1), Fraction(1)
    for order in range(1, 13):
        term = -term * x / order
        previous, total = total, total + term
    falling = Interval(min(previous, total), max(previous, total))
    return falling if z < 0 else falling.inverse()
