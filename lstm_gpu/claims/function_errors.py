"""Errors in ulp of a backend's exp, tanh and `cell.sigmoid` at float32 values: all, if asked for.

The truth is the same function in float64, where z is exact. exp and tanh are good to 4 ulp there
(documented), so to 8 · 2^-53 of their value; sigma is 1/(1 + q), for z < 0 q/(1 + q), with
q = e^(-|z|), whose error enters by a factor of at most 1, and two or three roundings: at most
11 · 2^-53. An ulp of float32 is at least 2^-24 of the value: the truth is good to 11 · 2^-29 of it,
2.1e-8. Claimed is ``REFERENCE_ULP`` = 2^-20, which would still hold with exponentials 50 times as
bad as documented. e^z is cut at 2^128, the number that an infinite result stands for (the next
after the largest): where e^z is above, infinity is right.

The ulp is that of the truth. Where the truth is so near to a power of two that its float64 does
not tell the side, the smaller ulp counts (2^-48 of the value: an error is then overstated by up
to a factor 2, never understated). Below the smallest normal number a format has fewer digits,
and a backend may flush to zero: there the error is given in smallest normal numbers, apart; at
most 1 is what `bounds` allows for.

Near 0 and far out (four fifths of all values) the truth is known without computing it: for
|z| < 2^-46, e^z = 1, sigma(z) = 1/2 and tanh(z) = z to 2^-22 ulp (of which the first two differ
by less than 2^-46 and 2^-48, where an ulp is at least 2^-24 and 2^-25); from |z| = 256 on each has
reached its limit to 2^-200 ulp.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from lstm_gpu import cell
from lstm_gpu.backend import namespace_of
from lstm_gpu.claims.sigmoid_findings import nearer
from lstm_gpu.claims.sigmoid_regions import Format

Array = Any
Function = Callable[[Array], Array]

REFERENCE_ULP = 2.0**-20
FLOAT32 = Format.of("float32")
INFINITE = 2.0**128
CACHED, LARGE = 1 << 15, 1 << 22  # values of a block on a processor and on a device
_UNSURE = 2.0**-48
_STRIDE = 61  # of the values that are evaluated again in another layout
NEAR, FAR = FLOAT32.magnitude(Decimal(2) ** -46), FLOAT32.magnitude(Decimal(256))
NAN = FLOAT32.magnitude(Decimal("Infinity")) + 1
_ZONES = ((0, NEAR), (NEAR, FAR), (FAR, NAN), (NAN, FLOAT32.patterns))


@dataclass
class Errors:
    """Of one function: the largest errors, and what should not be there at all.

    ulp, at : the largest error where the truth is normal, in ulp, and the z nearest to 0 with it
    subnormal, subnormal_at : the same where it is not, in smallest normal numbers
    wrong : results that are NaN where the truth is not, no NaN where it is, or of the wrong sign
    changed : results with other bits when the values lay differently in memory
    """

    values: int = 0
    ulp: float = 0.0
    at: float | None = None
    subnormal: float = 0.0
    subnormal_at: float | None = None
    wrong: int = 0
    changed: int = 0

    def reach(self, ulp: float, at: float | None) -> None:
        if at is not None and (ulp > self.ulp or (ulp == self.ulp and nearer(at, self.at))):
            self.ulp, self.at = ulp, at

    def reach_subnormal(self, error: float, at: float | None) -> None:
        tie = error == self.subnormal
        if at is not None and (error > self.subnormal or (tie and nearer(at, self.subnormal_at))):
            self.subnormal, self.subnormal_at = error, at

    def merge(self, other: "Errors") -> None:
        """In any order, to the same bits."""
        self.values += other.values
        self.reach(other.ulp, other.at)
        self.reach_subnormal(other.subnormal, other.subnormal_at)
        self.wrong += other.wrong
        self.changed += other.changed


def _exp(z: Array) -> Array:
    return namespace_of(z).exp(z)


def _tanh(z: Array) -> Array:
    return namespace_of(z).tanh(z)


def _sigmoid(z: Array) -> Array:
    """sigma in float64, in the form whose error is derived above."""
    xp = namespace_of(z)
    q = xp.exp(-abs(z))
    return xp.where(z < 0, q, 1.0) / (1 + q)


MEASURED: dict[str, Function] = {"exp": _exp, "tanh": _tanh, "sigmoid": cell.sigmoid}
TRUTHS: dict[str, Function] = {"exp": _exp, "tanh": _tanh, "sigmoid": _sigmoid}


def measure(
    start: int,
    stop: int,
    xp: Any = np,
    progress: Callable[[int, int], None] | None = None,
    functions: Mapping[str, Function] = MEASURED,
) -> dict[str, Errors]:
    """Try every float32 whose magnitude is from ``start`` to ``stop`` (exclusive), both signs.

    The results of ranges merge to that of their union.
    """
    found = {name: Errors() for name in functions}
    size = CACHED if xp is np else LARGE
    with np.errstate(all="ignore"):
        for low, high in _ZONES:
            for first in range(max(start, low), min(stop, high), size):
                block = range(first, min(first + size, stop, high))
                for side in (-1, 1):
                    z = FLOAT32.values(block, side, xp)
                    for name, function in functions.items():
                        _try(found[name], name, function, z, low)
                if progress is not None:
                    progress(2 * (block.stop - start), 2 * (stop - start))
    return found


def _try(found: Errors, name: str, function: Function, z: Array, zone: int) -> None:
    """One block, which lies in one zone (named by its start)."""
    xp = namespace_of(z)
    computed = function(z)
    found.values += len(z)
    found.changed += _changed(function, z)
    limit = _limit(name, z, zone)
    if limit is None:
        _take(found, z, computed, TRUTHS[name](z.astype(xp.float64)))
    elif not bool((computed.view("i4") == limit.view("i4")).all()):
        _take(found, z, computed, limit.astype(xp.float64))


def _limit(name: str, z: Array, zone: int) -> Array | None:
    """The float32 values nearest to the truth, in the zones where they are known."""
    if zone in (NEAR, NAN):
        return None
    if zone == 0:
        return z if name == "tanh" else namespace_of(z).full_like(z, _AT_ZERO[name])
    below, above = _AT_INFINITY[name]
    return namespace_of(z).where(z < 0, z.dtype.type(below), z.dtype.type(above))


_AT_ZERO = {"exp": 1.0, "sigmoid": 0.5}
_AT_INFINITY = {"exp": (0.0, np.inf), "tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


def _take(found: Errors, z: Array, computed: Array, truth: Array) -> None:
    xp = namespace_of(z)
    tiny = float(np.finfo(FLOAT32.name).tiny)
    truth = xp.minimum(truth, INFINITE)
    size = abs(truth)
    normal = size * (1 + _UNSURE) >= tiny
    floor_log2 = xp.frexp(size * (1 - _UNSURE))[1] - 1
    floor_log2 = xp.where(normal, xp.maximum(floor_log2, FLOAT32.lowest_exponent), -126)
    gap = abs(xp.minimum(computed.astype(xp.float64), INFINITE) - truth)
    error = xp.ldexp(gap, FLOAT32.precision - 1 - floor_log2)
    error = xp.where(error >= 0, error, 0.0)  # NaN: not an error, or counted as wrong

    for mask, reach, unit in (
        (normal, found.reach, 1.0),
        (~normal, found.reach_subnormal, 2.0 ** (1 - FLOAT32.precision)),
    ):
        some = xp.where(mask, error, -1.0)
        index = int(some.argmax())
        if float(some[index]) > 0:
            reach(float(some[index]) * unit, float(z[index]))
    nan = xp.isnan(truth)
    wrong = (xp.isnan(computed) != nan) | ((xp.signbit(computed) != xp.signbit(truth)) & ~nan)
    found.wrong += int(xp.count_nonzero(wrong))


def _changed(function: Function, z: Array) -> int:
    """Of a sample: results with other bits when the values are far apart, or in short rows."""
    rows = z[: len(z) // 3 * 3].reshape(-1, 3)[::_STRIDE, :2]
    pairs = [(function(view), function(view.copy())) for view in (z[::_STRIDE], rows)]
    return sum(int(((a != b) & ~((a != a) & (b != b))).sum()) for a, b in pairs)


def to_dict(found: Mapping[str, Errors]) -> dict[str, dict[str, Any]]:
    """JSON-able, without loss."""
    return {name: asdict(errors) for name, errors in found.items()}


def from_dict(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Errors]:
    """The inverse of `to_dict`."""
    return {name: Errors(**errors) for name, errors in content.items()}
