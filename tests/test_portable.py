"""Portable log, atanh and normal quantile: accurate, and by portable operations alone."""

import ast
import inspect
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.weights import distributions, portable, states

# What IEEE 754 rounds in one way, and moves of bits.
ALLOWED = {
    "sqrt", "frexp", "ldexp", "where", "abs", "full_like", "zeros", "maximum", "cumsum",
    "empty", "empty_like", "float64", "int64", "ndarray", "concatenate", "minimum",
    "add", "subtract", "multiply", "divide", "negative",
}  # fmt: skip


@pytest.mark.parametrize("module", [portable, distributions, states])
def test_only_portable_functions_draw(module):
    used = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "np"
    }
    assert used <= ALLOWED, used - ALLOWED
    assert not used & {"exp", "log", "tanh", "sin", "cos", "arctanh", "dot", "matmul", "power"}


@given(st.floats(min_value=2.0**-1022, allow_infinity=False))
def test_log_is_accurate(x):
    with localcontext(reference.DIGITS):
        truth = Decimal(x).ln()
    found = portable.log(np.array([x]))[0]
    # log m = 2 atanh(t), |log m| <= 0.35: t has two roundings, the series one and little of the
    # others, its product with t one, so 5u at most; e ln 2 has one of ln 2 and one of the product,
    # and the sum is rounded. Where e is not 0, |log m| is below half of |e| ln 2.
    exponent = abs(math.frexp(x)[1])
    assert abs(Decimal(found) - truth) <= Decimal(6 * 2.0**-53) * (
        abs(truth) + exponent * Decimal("0.7")
    )


@given(st.floats(-1, 1, exclude_min=True, exclude_max=True))
def test_atanh_is_accurate(t):
    with localcontext(reference.DIGITS):
        x = Decimal(t)
        near = x * (1 + x * x / 3)  # the next term is below 10^-48 of it for |t| < 10^-12
        truth = near if abs(x) < Decimal("1e-12") else ((1 + x) / (1 - x)).ln() / 2
    found = Decimal(float(portable.atanh(np.array([t]))[0]))
    # Beyond 1/8, where |truth| > 0.125, half of two logarithms of rounded 1 ± t: u, or 8u of it.
    # Each is off by 6u of itself and of |e| 0.7, which is at most twice as much: 18u. And of the
    # difference, so 27u, below 2^-48.
    limit = Decimal(2.0**-48) * abs(truth) + Decimal(2.0**-1074)
    assert abs(found - truth) <= limit, (t, found, truth)


def test_atanh_takes_any_shape_and_both_sides_of_its_switch():
    t = np.array([[0.125, -0.125, np.nextafter(0.125, 1)], [0.0, 0.9499, -0.9499]])
    assert (portable.atanh(-t) == -portable.atanh(t)).all()
    assert portable.atanh(t)[1, 0] == 0
    assert portable.atanh(t).shape == (2, 3)


def test_the_normal_quantile_is_that_of_the_cell_s_middle():
    """Phi(x) against p = r + 2^-25 by the complementary error function of the C library."""
    r = (
        np.concatenate([np.arange(64), 2**24 - 1 - np.arange(64), np.arange(0, 2**24, 65537)])
        / 2**24
    )
    x = portable.standard_normal(r)
    for r_k, x_k in zip(r, x, strict=True):
        low = min(r_k + 2.0**-25, 1 - r_k - 2.0**-25)
        tail = math.erfc(abs(x_k) / math.sqrt(2)) / 2
        # d ln Phi = (phi/Phi) dx: 1e-15 of x moves the tail by x (x + 1) 1e-15, relatively.
        assert abs(tail - low) <= 2e-15 * (2 + x_k * x_k) * low, (r_k, x_k, tail, low)
        assert (x_k < 0) == (r_k < 0.5)


def test_the_normal_quantile_is_odd_increasing_and_bounded():
    r = np.arange(0, 2**24, 4099) / 2**24
    x = portable.standard_normal(r)
    assert (np.diff(x) > 0).all()
    mirrored = portable.standard_normal(1 - r - 2.0**-24)
    assert (mirrored == -x).all()
    assert abs(portable.standard_normal(np.array([0.0]))[0]) < 5.5
    assert portable.standard_normal(np.zeros((2, 3, 4))).shape == (2, 3, 4)


def test_the_uniforms_are_left_as_they_are():
    r = np.arange(100) / 100
    before = r.copy()
    portable.standard_normal(r)
    portable.log(r + 1)
    portable.atanh(r)
    assert (r == before).all()
