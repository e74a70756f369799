"""The truth, computed apart from the package: the derivation's text in scalar loops.

`forward` is written once, straight from the forward equations, for any kind of number that has
+ - * / and an exponential: Python floats (an independent float64 implementation), decimals of 60
digits (the truth of the values) and `Jet`, a truncated Taylor series with decimal coefficients
(the truth of every derivative). It shares no code and no formula with lstm_gpu: no derivative of
a gate is written down here, Leibniz' rule and that of the exponential do it all.

Floats convert to decimals without rounding, so the truth is that of the stored inputs.
"""

import math
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import Any

import numpy as np

# 60 digits: the sharpest bound in the package is 1e-16 of a quantity. The exponents reach beyond
# e^(10^9), so saturated gates neither overflow nor vanish.
DIGITS = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN)
VALUES = ("i", "f", "u", "o", "c", "tanh_c", "h")


class Jet:
    """A Taylor series a_0 + a_1 t + … + a_r t^r, cut after t^r; a_k = (k-th derivative)/k!."""

    def __init__(self, coefficients: list[Decimal]) -> None:
        self.a = coefficients

    def _lift(self, other: Any) -> "Jet":
        if isinstance(other, Jet):
            return other
        return Jet([Decimal(other), *([Decimal(0)] * (len(self.a) - 1))])

    def __add__(self, other: Any) -> "Jet":
        return Jet([p + q for p, q in zip(self.a, self._lift(other).a, strict=True)])

    def __sub__(self, other: Any) -> "Jet":
        return self + -1 * self._lift(other)

    def __rsub__(self, other: Any) -> "Jet":
        return self._lift(other) - self

    def __neg__(self) -> "Jet":
        return -1 * self

    def __mul__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            return Jet([other * p for p in self.a])
        p, q = self.a, other.a
        return Jet([sum(p[k] * q[r - k] for k in range(r + 1)) for r in range(len(p))])

    def __truediv__(self, other: Any) -> "Jet":
        p, q, result = self.a, self._lift(other).a, []
        for r in range(len(p)):
            known = sum((result[k] * q[r - k] for k in range(r)), Decimal(0))
            result.append((p[r] - known) / q[0])
        return Jet(result)

    def __rtruediv__(self, other: Any) -> "Jet":
        return self._lift(other) / self

    def exp(self) -> "Jet":
        """r e_r = sum over k = 1 … r of k a_k e_{r-k}, from (e^a)' = a' e^a."""
        result = [self.a[0].exp()]
        for r in range(1, len(self.a)):
            result.append(sum(k * self.a[k] * result[r - k] for k in range(1, r + 1)) / r)
        return Jet(result)

    def __lt__(self, other: Any) -> bool:
        return self.a[0] < other

    __radd__, __rmul__ = __add__, __mul__


def exp(z: Any) -> Any:
    return math.exp(z) if isinstance(z, float) else z.exp()


def sigma(z: Any) -> Any:
    """1/(1 + e^{-z}), from e^{-|z|}, which cannot overflow a float."""
    if z < 0:
        q = exp(z)
        return q / (1 + q)
    return 1 / (1 + exp(-z))


def tanh(z: Any) -> Any:
    """(1 - e^{-2|z|})/(1 + e^{-2|z|}); near 0, where 1 - e^{-2|z|} cancels, the power series.

    Its first term left out is z^11 · 1382/155925: below 10^-120 of z for |z| < 10^-12.
    """
    if isinstance(z, float):
        return math.tanh(z)
    if z < 0:
        return -tanh(-z)
    if z < Decimal("1e-12"):
        s = z * z
        series = 1 + s * (-105 + s * (42 + s * (-17 + s * 62 / 9))) / 315
        return z * series
    q = exp(-2 * z)
    return (1 - q) / (1 + q)


@dataclass(frozen=True)
class Inputs:
    """One weight set as lists: W[gate][k][l], U[gate][k][l], x[l], h[k], c[k], b[gate][k]."""

    W: list
    U: list
    x: list
    h: list
    c: list
    b: list | None = None


def inputs(sets: Any, index: int = 0, number: type = Decimal) -> Inputs:
    """One set of `WeightSets` (on any device) as lists of floats or of exact decimals."""

    def lists(array: Any) -> Any:
        host = array.get() if hasattr(array, "get") else array
        return _map(number, host[index].tolist())

    b = None if sets.b is None else lists(sets.b)
    return Inputs(*(lists(a) for a in (sets.W, sets.U, sets.x, sets.h_prev, sets.c_prev)), b)


def _map(number: type, values: Any) -> Any:
    return [_map(number, v) for v in values] if isinstance(values, list) else number(values)


def preactivations(p: Inputs) -> list:
    """z[gate][k] = sum over l of W[gate][k][l] x[l] + sum over l of U[gate][k][l] h[l] (+ b)."""
    z = []
    for gate in range(4):
        row = []
        for k in range(len(p.h)):
            total = p.b[gate][k] if p.b is not None else 0 * p.c[0]
            for l in range(len(p.x)):
                total = total + p.W[gate][k][l] * p.x[l]
            for l in range(len(p.h)):
                total = total + p.U[gate][k][l] * p.h[l]
            row.append(total)
        z.append(row)
    return z


def activate(z: list, c_prev: list) -> dict[str, list]:
    """The forward equations from z, gate order i, f, u, o."""
    i, f, o = ([sigma(v) for v in z[gate]] for gate in (0, 1, 3))
    u = [tanh(v) for v in z[2]]
    c = [f[k] * c_prev[k] + i[k] * u[k] for k in range(len(u))]
    tanh_c = [tanh(v) for v in c]
    h = [o[k] * tanh_c[k] for k in range(len(u))]
    return {"i": i, "f": f, "u": u, "o": o, "c": c, "tanh_c": tanh_c, "h": h}


def forward(p: Inputs) -> dict[str, list]:
    with localcontext(DIGITS):
        return activate(preactivations(p), p.c)


def jets(p: Inputs, j: int, order: int) -> dict[str, list[Jet]]:
    """Taylor series of every value along h_{t-1} + t e_j, c_{t-1} held fixed.

    The preactivations are linear: along e_j, z[gate][k] has slope U[gate][k][j].
    """
    rest = [Decimal(0)] * (order - 1)
    z = [
        [Jet([value, p.U[gate][k][j], *rest]) for k, value in enumerate(row)]
        for gate, row in enumerate(preactivations(p))
    ]
    return activate(z, p.c)


def jacobians(p: Inputs) -> dict[str, list]:
    """∂(value)[k]/∂h_{t-1}[j] as nested lists [k][j], for every name of `VALUES`."""
    n = len(p.h)
    with localcontext(DIGITS):
        columns = [jets(p, j, 1) for j in range(n)]
    return {v: [[columns[j][v][k].a[1] for j in range(n)] for k in range(n)] for v in VALUES}


def jacobians_by(p: Inputs, state: str) -> dict[str, list]:
    """∂(value)[k]/∂state[j] as nested lists [k][j], for state "h", "c" or "x", the rest fixed."""
    size, n = len(getattr(p, state)), len(p.h)
    with localcontext(DIGITS):
        one, zero = Decimal(1), Decimal(0)
        columns = []
        for j in range(size):
            moved = [Jet([v, one if l == j else zero]) for l, v in enumerate(getattr(p, state))]
            other = {s: [Jet([v, zero]) for v in getattr(p, s)] for s in ("x", "h", "c")}
            q = replace(p, **{**other, state: moved})
            columns.append(activate(preactivations(q), q.c))
    return {v: [[columns[j][v][k].a[1] for j in range(size)] for k in range(n)] for v in VALUES}


def derivatives(p: Inputs, name: str, order: int) -> list:
    """[r][k][j]: the r-th derivative of value[k] along e_j, r from 0 to `order`."""
    n = len(p.h)
    with localcontext(DIGITS):
        columns = [jets(p, j, order)[name] for j in range(n)]
        return [
            [[math.factorial(r) * columns[j][k].a[r] for j in range(n)] for k in range(n)]
            for r in range(order + 1)
        ]


def two_steps(p: Inputs) -> dict[str, list]:
    """dh_2/dh_0 at fixed c_0 with the same x, and the product of both hidden Jacobians."""
    n = len(p.h)
    with localcontext(DIGITS):
        first = forward(p)
        later = replace(p, h=first["h"], c=first["c"])
        J1, J2 = jacobians(p)["h"], jacobians(later)["h"]
        product = [[sum(J2[k][l] * J1[l][j] for l in range(n)) for j in range(n)] for k in range(n)]
        columns = []
        for j in range(n):
            one = jets(p, j, 1)
            columns.append(forward(replace(p, h=one["h"], c=one["c"]))["h"])
        whole = [[columns[j][k].a[1] for j in range(n)] for k in range(n)]
    return {"whole": whole, "hidden_product": product}


def array(truth: Any) -> np.ndarray:
    """Decimals rounded once to float64."""
    return np.array(_map(float, truth), dtype=np.float64)


@dataclass(frozen=True)
class Excess:
    """The entry with the largest error over bound."""

    ratio: float
    index: tuple[int, ...]
    value: float
    truth: float
    bound: float

    def __str__(self) -> str:
        return (
            f"error/bound = {self.ratio:.3g} at {self.index}: computed {self.value!r}, truth "
            f"{self.truth!r}, bound {self.bound:.3g}"
        )


def excess(value: Any, truth: Any, bound: Any) -> Excess:
    """Compare an array with exact decimals, exactly: the largest |value - truth|/bound.

    value and bound are arrays on any device, bound broadcastable. A zero error over a zero bound
    counts as 0; a value or bound that is not finite counts as infinite.
    """
    value, bound = (a.get() if hasattr(a, "get") else np.asarray(a) for a in (value, bound))
    bound = np.broadcast_to(bound, value.shape)
    worst = Excess(-1.0, (), math.nan, math.nan, math.nan)
    with localcontext(DIGITS):
        for index in np.ndindex(value.shape):
            exact = truth
            for i in index:
                exact = exact[i]
            v, limit = float(value[index]), float(bound[index])
            if not (math.isfinite(v) and math.isfinite(limit)):
                ratio = math.inf
            else:
                error = abs(Decimal(v) - exact)
                ratio = 0.0 if error == 0 else math.inf if limit == 0 else _ratio(error, limit)
            if ratio > worst.ratio:
                worst = Excess(ratio, index, v, float(exact), limit)
    return worst


def _ratio(error: Decimal, limit: float) -> float:
    ratio = error / Decimal(limit)
    return float(ratio) if ratio < Decimal("1e300") else math.inf
