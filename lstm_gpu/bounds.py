"""Bounds on round-off: with those on truncation (`majorants`), where every tolerance comes from.

Notation: u is the unit roundoff of the dtype, gamma_k = k u/(1 - k u) (Higham, Accuracy and
Stability of Numerical Algorithms, ch. 3). A row's quantities have shape (sets, n), a bound on a
Jacobian (sets, n, n). Bounds are computed in float64 whatever the dtype on trial, and inflated
by `SLACK`, which covers their own rounding.

What is bounded
---------------
Let z be the exact preactivations of the stored (floating-point) inputs, z^ the computed ones.
The truth is the exact Jacobian of the stored inputs. Formula and reference each stay within a
bound of the truth; their gap stays within the sum. A gap above it proves the formula wrong.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_gpu.accuracy import DOCUMENTED, DOCUMENTED_ULP, Accuracy
from lstm_gpu.backend import namespace_of
from lstm_gpu.cell import CANDIDATE, FORGET, INPUT, OUTPUT, Step
from lstm_gpu.majorants import sigmoid_sup_norms
from lstm_gpu.tiles import tiles

Array = Any

# Componentwise error in unit roundoffs assumed of complex sigma and tanh: exp, then a complex
# quotient (about 60, see `complex_step`); tests measure it. Real ones: `Accuracy`.
COMPLEX_UNITS = 64
# The same of the real part of complex sigma: e^{-z} has twice the documented ulp, the sum and the
# quotient one each; the branch q/(1 + q) has them twice.
SIGMOID_UNITS = 2 * 2 * DOCUMENTED_ULP + 4
# The bounds are themselves computed with a few hundred roundings of at most 2^-24 each where
# they are compared in float32; all of them together stay below 2^-14.
SLACK = 1 + 2.0**-14

_PRODUCT_UNITS = 16  # roundings between the factors of an entry and the entry: at most 12


def unit_roundoff(dtype: Any) -> float:
    """Half the distance from 1 to the next number: 2^-53 for float64, 2^-24 for float32."""
    return float(np.finfo(dtype).eps) / 2


def gamma(k: int, u: float) -> float:
    """gamma_k = k u/(1 - k u), which bounds k compounded roundings."""
    if k * u >= 1:
        raise ValueError(f"`k` u must be below 1, got k = {k}, u = {u}.")
    return k * u / (1 - k * u)


@dataclass(frozen=True)
class Factor:
    """A factor of a Jacobian entry: an upper bound on its size and one on its error."""

    size: Array
    error: Array


# The Jacobians of the derivation are sums over gates of diag(product of factors) U_g.
# A prime marks the derivative of the gate's activation, "t" is tanh(c_t), "c" is c_{t-1}.
PRODUCTS: dict[str, dict[int, tuple[str, ...]]] = {
    "i": {INPUT: ("i'",)},
    "f": {FORGET: ("f'",)},
    "u": {CANDIDATE: ("u'",)},
    "o": {OUTPUT: ("o'",)},
    "c": {FORGET: ("c", "f'"), INPUT: ("u", "i'"), CANDIDATE: ("i", "u'")},
    "tanh_c": {
        FORGET: ("t'", "c", "f'"),
        INPUT: ("t'", "u", "i'"),
        CANDIDATE: ("t'", "i", "u'"),
    },
    "h": {
        OUTPUT: ("t", "o'"),
        FORGET: ("o", "t'", "c", "f'"),
        INPUT: ("o", "t'", "u", "i'"),
        CANDIDATE: ("o", "t'", "i", "u'"),
    },
}


def preactivation_error(sets: Any, h_size: Array, h_error: Array | None = None) -> Array:
    """Bound |fl(z) - z| (sets, 4, n), float64, for one matrix product per term.

    gamma_k (|W||x| + |U||h| + |b|) with k = 2(n + m) + 4: an inner product in any order of
    summation, real or complex, and the additions of the terms; plus |U| times the error of h.
    """
    xp = namespace_of(sets.U)
    n, m = sets.U.shape[-1], sets.W.shape[-1]
    u = unit_roundoff(sets.U.dtype)
    reach = _matvec(xp, sets.W, sets.x) + _matvec(xp, sets.U, h_size)
    if sets.b is not None:
        reach = reach + xp.abs(sets.b).astype(xp.float64, copy=False)
    error = gamma(2 * (n + m) + 4, u) * reach
    if h_error is not None:
        error = error + (1 + gamma(2 * (n + m) + 4, u)) * _matvec(xp, sets.U, h_error)
    return error * SLACK


def _matvec(xp: Any, matrices: Array, vector: Array) -> Array:
    """|A| |v| per gate, float64; A (sets, 4, n, k), v (sets, k).

    The product runs in the dtype of A, whose rounding SLACK covers; |A| exists a tile at a time.
    """
    sets, gates, n, k = matrices.shape
    size = xp.abs(vector).astype(matrices.dtype)[..., None]
    flat = matrices.reshape(sets, gates * n, k)
    product = xp.empty((sets, gates * n, 1), matrices.dtype)
    for s, rows in tiles(sets, gates * n, k, xp):
        product[s, rows] = xp.matmul(xp.abs(flat[s, rows]), size[s])
    return product.reshape(sets, gates, n).astype(xp.float64, copy=False)


def _sigmoid_slope(xp: Any, z: Array) -> Array:
    """sigma'(z) = q/(1 + q)² with q = e^{-|z|}: accurate relatively, however small."""
    q = xp.exp(-xp.abs(z))
    return q / (1 + q) ** 2


def _tanh_slope(xp: Any, z: Array) -> Array:
    """tanh'(z) = 4 sigma'(2z), accurate relatively."""
    return 4 * _sigmoid_slope(xp, 2 * z)


def _nearest(xp: Any, z: Array, error: Array) -> Array:
    """The least |t| with |t - z| <= 2 error: there the slopes of sigma and tanh are largest."""
    return xp.maximum(xp.abs(z) - 2 * error, 0.0)


@dataclass(frozen=True)
class StepErrors:
    """Errors of one evaluated step against the exact step, rows (sets, n) in float64.

    `values` holds i, f, u, o, c (c_t), t (tanh c_t) and h; `slopes` upper bounds on i', f', u',
    o', t' at every point in question, with the relative change `reach` that separates the
    derivatives at the exact point from those at an evaluated one.
    """

    values: dict[str, Factor]
    slopes: dict[str, Array]
    reach: dict[str, Array]
    u: float


def step_errors(
    step: Step,
    c_prev: Array,
    dz: Array,
    c_error: Array | float = 0.0,
    accuracy: Accuracy = DOCUMENTED,
    complex_too: bool = False,
) -> StepErrors:
    """Propagate |fl(z) - z| <= dz (sets, 4, n) through one step's values.

    It holds for every evaluation within dz of the exact z by functions of this accuracy: that of
    `step`, and, if asked for, the complex step's. All of them lie within 2 dz of the z^ of `step`,
    where the slopes have their maximum nearest to 0; a value is off by that slope times dz, a
    slope by |sigma''| <= sigma' or |tanh''| <= 2 tanh' times dz. Then products are bounded by
    |x y - x^ y^| <= dx |y^| + |x^| dy + dx dy. What underflows is off by at most `tiny`.
    """
    xp = namespace_of(step.h)
    u = unit_roundoff(step.h.dtype)
    sigmoid_units, tanh_units = accuracy.sigmoid_units, accuracy.tanh_units
    if complex_too:
        sigmoid_units, tanh_units = (
            max(sigmoid_units, SIGMOID_UNITS),
            max(tanh_units, COMPLEX_UNITS),
        )
    z = step.z.real.astype(xp.float64, copy=False)
    value = {
        name: xp.abs(getattr(step, attribute).real.astype(xp.float64, copy=False))
        for name, attribute in (("i", "i"), ("f", "f"), ("u", "u"), ("o", "o"), ("t", "tanh_c"))
    }
    tiny = float(np.finfo(step.h.real.dtype).tiny)
    slopes, reach, error = {}, {}, {}
    for name, gate in (("i", INPUT), ("f", FORGET), ("o", OUTPUT)):
        slopes[name + "'"] = _sigmoid_slope(xp, _nearest(xp, z[:, gate], dz[:, gate]))
        reach[name + "'"] = dz[:, gate]
        error[name] = slopes[name + "'"] * dz[:, gate] + sigmoid_units * u * value[name] + tiny
    slopes["u'"] = _tanh_slope(xp, _nearest(xp, z[:, CANDIDATE], dz[:, CANDIDATE]))
    reach["u'"] = 2 * dz[:, CANDIDATE]
    error["u"] = slopes["u'"] * dz[:, CANDIDATE] + tanh_units * u * value["u"] + tiny

    c_size = xp.abs(c_prev).astype(xp.float64, copy=False)
    kept, added = value["f"] * c_size, value["i"] * value["u"]
    error["c"] = (
        error["f"] * (c_size + c_error)
        + value["f"] * c_error
        + error["i"] * (value["u"] + error["u"])
        + (value["i"] + 2 * error["i"]) * error["u"]
        + gamma(4, u) * (kept + added)
        + tiny
    )
    c = step.c.real.astype(xp.float64, copy=False)
    slopes["t'"] = _tanh_slope(xp, _nearest(xp, c, error["c"]))
    reach["t'"] = 2 * error["c"]
    error["t"] = slopes["t'"] * error["c"] + tanh_units * u * value["t"] + tiny
    value["c"], value["h"] = xp.abs(c), value["o"] * value["t"]
    error["h"] = (
        error["o"] * (value["t"] + error["t"])
        + (value["o"] + 2 * error["o"]) * error["t"]
        + gamma(4, u) * value["h"]
        + tiny
    )
    values = {name: Factor(value[name] + 2 * error[name], error[name]) for name in error}
    values["c_prev"] = Factor(c_size + c_error, c_error + 0 * c_size)
    return StepErrors(values, slopes, reach, u)


def _with_slopes(errors: StepErrors, slopes: dict[str, Factor]) -> dict[str, Factor]:
    """The factors of `PRODUCTS` by name ("c" there is c_{t-1})."""
    factors = {name: errors.values[name] for name in ("i", "f", "u", "o", "t")}
    return {**factors, "c": errors.values["c_prev"], **slopes}


def formula_factors(errors: StepErrors, same_values: bool = False) -> dict[str, Factor]:
    """Factors as the derivation's formulas compute them: (1 - sigma) sigma and 1 - tanh².

    same_values : the errors among formulas that start from the same computed gates and states,
        which are then exact by definition; what remains is the formulas' own rounding

    With sigma^ = sigma + d: |sigma^ (1 - sigma^) - sigma (1 - sigma)| <= |d| (|1 - 2 sigma^| + |d|)
    and two roundings, relative to the product; |tanh^² - tanh²| <= |d| (2 |tanh^| + |d|) and
    two roundings, relative to 1.
    """
    u, slopes = errors.u, {}
    for name in ("i", "f", "o"):
        d = 0 * errors.values[name].error if same_values else errors.values[name].error
        slope = errors.slopes[name + "'"]
        error = d * (1 + d) + 3 * u * (slope + d * (1 + d))
        slopes[name + "'"] = Factor(slope + error, error)
    for name in ("u", "t"):
        size, d = errors.values[name].size, errors.values[name].error
        d = 0 * d if same_values else d
        error = d * (2 * size + d) + 3 * u
        slopes[name + "'"] = Factor(errors.slopes[name + "'"] + error, error)
    factors = _with_slopes(errors, slopes)
    if same_values:
        values = {name: Factor(f.size, 0 * f.error) for name, f in factors.items()}
        return {**values, **slopes}
    return factors


def complex_factors(errors: StepErrors) -> dict[str, Factor]:
    """Factors as the complex step carries them, in its imaginary parts: relative errors only."""
    slopes = {}
    for name, slope in errors.slopes.items():
        units = COMPLEX_UNITS * errors.u
        slopes[name] = Factor(slope * (1 + units), slope * (errors.reach[name] + units))
    return _with_slopes(errors, slopes)


def coefficient_errors(factors: dict[str, Factor], quantity: str, u: float) -> dict[int, Array]:
    """Bound, per gate, the error of the coefficient of U_g in the Jacobian of `quantity`.

    |prod v^ - prod v| <= sum over i of e_i · prod over j ≠ i of size_j, and gamma of the
    product's and the sum's roundings. (Underflow: the e_i and `entries` have a floor.)
    """
    result = {}
    for gate, names in PRODUCTS[quantity].items():
        result[gate] = product_error([factors[name] for name in names], u)
    return result


def product_error(parts: list[Factor], u: float) -> Array:
    """Bound |prod v^ - prod v| for factors of known size and error, roundings included."""
    total = gamma(_PRODUCT_UNITS, u) * math.prod((p.size for p in parts[1:]), start=parts[0].size)
    for i, part in enumerate(parts):
        others = [p.size for j, p in enumerate(parts) if j != i]
        total = total + math.prod(others, start=part.error)
    return total


def evaluation_errors(
    c_size: Array,
    dz: Array,
    u: float,
    c_error: Array | float = 0.0,
    accuracy: Accuracy = DOCUMENTED,
) -> dict[str, Array]:
    """Bound the error of evaluating gates and states anywhere near, by sup norms alone.

    dz (sets, n) bounds the error of every gate's preactivation; c_size |c_{t-1}|. Unlike
    `step_errors` this holds at every point of a difference's step: Lipschitz constants 1/4 and
    1, |f|, |i|, |o|, |u|, |tanh| <= 1.
    """
    sigma = dz * sigmoid_sup_norms(1)[1] + accuracy.sigmoid_units * u
    candidate = dz + accuracy.tanh_units * u
    cell = sigma * (c_size + c_error) + c_error + sigma * (1 + candidate) + candidate
    cell = cell + gamma(4, u) * (c_size + c_error + 1)
    tanh_c = cell + accuracy.tanh_units * u
    hidden = sigma * (1 + tanh_c) + tanh_c + gamma(2, u)
    gates = {"i": sigma, "f": sigma, "u": candidate, "o": sigma}
    return {**gates, "c": cell, "tanh_c": tanh_c, "h": hidden}


def entries(errors: dict[int, Array], U: Array) -> Array:
    """Sum over gates of error_g[k] |U_g[k, j]|: coefficient errors as a bound (sets, n, n)."""
    xp = namespace_of(U)
    total = 0.0
    for gate, error in errors.items():
        part = (error * SLACK).astype(U.dtype)[..., None] * xp.abs(U[:, gate])
        total = total + part
    return total + float(np.finfo(U.dtype).tiny)
