"""Elementary functions for drawing, with the same bits on every machine.

exp, log and tanh differ in their last bit between libraries and processors. What is
*drawn* must not: a counterexample is replayed from its seed elsewhere. So these functions
use only + - * / and sqrt, each of which IEEE 754 rounds in one way, in a fixed order.
"""

import numpy as np

_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_TERMS = 12  # |t| <= 0.1716: the next term, t^25/25, is below 2^-66 of the first


def _atanh_series(t: np.ndarray) -> np.ndarray:
    """atanh for |t| <= 3 - 2√2 = 0.1716, by its power series t (1 + t²/3 + t⁴/5 + …)."""
    square = t * t
    total = np.full_like(t, 1.0 / (2 * _TERMS - 1))
    for k in range(_TERMS - 2, -1, -1):
        total *= square
        total += 1.0 / (2 * k + 1)
    return t * total


def log(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive normal x: x = m 2^e, log m = 2 atanh((m-1)/(m+1))."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, 2 * mantissa, mantissa)
    exponent = np.where(low, exponent - 1, exponent)
    return 2 * _atanh_series((mantissa - 1) / (mantissa + 1)) + exponent * _LN2


def atanh(t: np.ndarray) -> np.ndarray:
    """Inverse hyperbolic tangent for |t| < 1."""
    result = log(1 + t) - log(1 - t)
    result *= 0.5
    small = np.abs(t) <= 0.125  # where the logarithms cancel
    result[small] = _atanh_series(t[small])
    return result


# Wichura, M. J. (1988), Algorithm AS 241, Applied Statistics 37 (3), 477-484: numerator and
# denominator coefficients, highest power first, of the three rational approximations.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080),
    (5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
     5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0),
)  # fmt: skip
_TAIL = (
    (7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
     4.63033784615654529590, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
     2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
     5.46378491116411436990, 6.65790464350110377720),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _quotient(
    coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: np.ndarray
) -> np.ndarray:
    """Evaluate numerator(r) / denominator(r) by Horner's rule."""
    numerator, denominator = (np.full_like(r, c[0]) for c in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        numerator *= r
        numerator += a
        denominator *= r
        denominator += b
    return numerator / denominator


def standard_normal(uniform: np.ndarray) -> np.ndarray:
    """Map uniforms on [0, 1) to standard normals by the inverse distribution function.

    Inversion takes one uniform for one normal, as a counter-based stream needs; relative
    accuracy about 1e-16 (AS 241). A uniform r = k 2^-24 (philox.py) stands for the middle of
    its cell, so 0 gives a finite value; the largest magnitude is 5.4.
    """
    p = uniform + 2.0**-25
    q = p - 0.5
    x = _quotient(_CENTRE, 0.180625 - q * q) * q
    outside = np.abs(q) > 0.425
    if outside.any():
        q_out = q[outside]
        tail = np.where(q_out < 0, p[outside], 1 - p[outside])  # exact: p is a multiple of 2^-25
        r = np.sqrt(-log(tail))
        size = np.where(r <= 5, _quotient(_TAIL, r - 1.6), _quotient(_FAR_TAIL, r - 5))
        x[outside] = np.where(q_out < 0, -size, size)
    return x
