"""What can happen to a form of sigma' in floating point, at each entry of an array.

- ``overflow``: an intermediate is infinite; ``nan``: the result is NaN;
- ``half_lost``: half of the format's p bits are wrong, a relative error of 2^(-p/2) or more;
- ``lost``: no correct bit is left, an error of half the true value or more (both count a result
  that is not finite);
- ``zero``: the result is 0 although the format's number nearest to sigma'(z) is not.

An error below one ulp is neither ``half_lost`` nor ``lost``: next to the bottom of the format the
best possible result may be half the value away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from lstm_gpu.backend import namespace_of
from lstm_gpu.claims import sigmoid_truth
from lstm_gpu.claims.sigmoid_regions import Format
from lstm_gpu.sigmoid_forms import Form

EVENTS = ("overflow", "nan", "half_lost", "lost", "zero")


class Traced:
    """An array that remembers at which entries an intermediate result was infinite.

    Its negative, size and exponential are computed once: the forms have them in common.
    """

    def __init__(self, values: Any, overflowed: Any) -> None:
        self.values = values
        self.overflowed = overflowed | namespace_of(values).isinf(values)

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> Traced:
        if isinstance(other, Traced):
            overflowed = self.overflowed | other.overflowed
            return Traced(operation(self.values, other.values), overflowed)
        return Traced(operation(self.values, other), self.overflowed)

    @cached_property
    def _negative(self) -> Traced:
        return Traced(-self.values, self.overflowed)

    @cached_property
    def _size(self) -> Traced:
        return Traced(abs(self.values), self.overflowed)

    @cached_property
    def exponential(self) -> Traced:
        """e^ of the array."""
        return Traced(namespace_of(self.values).exp(self.values), self.overflowed)

    def __neg__(self) -> Traced:
        return self._negative

    def __abs__(self) -> Traced:
        return self._size

    def __add__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: a + b)

    def __radd__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: b + a)

    def __sub__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: a * b)

    def __rmul__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: b * a)

    def __truediv__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: a / b)

    def __rtruediv__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: b / a)

    def __pow__(self, other: Any) -> Traced:
        return self._with(other, lambda a, b: a**b)


def traced_exp(z: Traced) -> Traced:
    """e^z of a traced array."""
    return z.exponential


class Sample:
    """Values z of a format (NumPy or CuPy) with all that the forms are judged by.

    flat : whether the truth and its ulp are the same at all of them
    """

    def __init__(self, layout: Format, z: Any, flat: bool = False) -> None:
        xp = namespace_of(z)
        self.z = z
        self.flat = flat
        self.truth = sigmoid_truth.truth(layout, z[:1] if flat else z)
        value = self.truth.high + self.truth.low
        self._known = ~xp.isnan(z)
        self._infinite = xp.isinf(z)
        self._half = xp.maximum(value * 2.0 ** (-layout.precision / 2), 1.0)
        self._whole = xp.maximum(value * 0.5, 1.0)
        self._not_zero = value > 0.5
        self._traced = Traced(z, xp.zeros(z.shape, bool))

    def evaluate(self, form: Form) -> tuple[Any, dict[str, Any]]:
        """The error in ulp (float64) and the events (bool) of a form.

        An infinite z does not count as an overflow of the form's own; a NaN is never ``lost``.
        Where truth and result are the same everywhere, one entry stands for all.
        """
        xp = namespace_of(self.z)
        traced = form(self._traced, traced_exp)
        values, overflowed = traced.values, traced.overflowed
        if self.flat and _same(values.view(f"i{values.itemsize}")) and _same(overflowed):
            values, overflowed = values[:1], overflowed[:1]
        shape = slice(len(values))
        error = self.truth.error(values)
        events = {
            "overflow": overflowed & ~self._infinite[shape],
            "nan": xp.isnan(values),
            "half_lost": ~(error < self._half) & self._known[shape],
            "lost": ~(error < self._whole) & self._known[shape],
            "zero": (values == 0) & self._not_zero,
        }
        return error, events


def _same(array: Any) -> bool:
    return bool(array.min() == array.max())
