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
from typing import Any

import numpy as np

from lstm_gpu.claims.sigmoid_regions import Format
from lstm_gpu.claims.sigmoid_truth import Truth
from lstm_gpu.sigmoid_forms import Form

EVENTS = ("overflow", "nan", "half_lost", "lost", "zero")


class Traced:
    """An array that remembers at which entries an intermediate result was infinite."""

    def __init__(self, values: Any, overflowed: Any) -> None:
        self.values = values
        self.overflowed = overflowed | np.isinf(values)

    def _with(self, other: Any, operation: Callable[[Any, Any], Any]) -> Traced:
        if isinstance(other, Traced):
            overflowed = self.overflowed | other.overflowed
            return Traced(operation(self.values, other.values), overflowed)
        return Traced(operation(self.values, other), self.overflowed)

    def __neg__(self) -> Traced:
        return Traced(-self.values, self.overflowed)

    def __abs__(self) -> Traced:
        return Traced(abs(self.values), self.overflowed)

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
    return Traced(np.exp(z.values), z.overflowed)


def evaluate(form: Form, layout: Format, z: Any, truth: Truth) -> tuple[Any, dict[str, Any]]:
    """The error in ulp (float64) and the events (bool) of a form at an array z of the format.

    An infinite z does not count as an overflow of the form's own; a NaN is never ``lost``.
    """
    traced = form(Traced(z, np.zeros(z.shape, bool)), traced_exp)
    error = truth.error(traced.values)
    value = truth.high + truth.low

    def off_by(share: float) -> Any:
        return ~(error < np.maximum(value * share, 1.0)) & ~np.isnan(z)

    events = {
        "overflow": traced.overflowed & ~np.isinf(z),
        "nan": np.isnan(traced.values),
        "half_lost": off_by(2.0 ** (-layout.precision / 2)),
        "lost": off_by(0.5),
        "zero": (traced.values == 0) & (value > 0.5),
    }
    return error, events
