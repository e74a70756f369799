"""Squares of distances: both forms within their bounds of exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest

from lstm_gpu.sphere import squares
from lstm_gpu.sphere.directions import uniform_directions
from lstm_gpu.sphere.rounding import unit
from lstm_gpu.weights import Case

DTYPES = ("float64", "float32")
SIZES = (1, 2, 3, 8, 64, 300)
SETS, POINTS, ROWS = 2, 9, 4


def drawn(size, dtype, length=1.0):
    """Samples and directions, of which one is a sample, one nearly, and one opposite."""
    case = Case(size, 4, dtype, "pytorch_uniform", "generic")
    h = uniform_directions(case, 0, range(SETS), range(POINTS))
    d = unit(np.random.default_rng(size).normal(size=(SETS, ROWS, size)), np)[0].astype(dtype)
    d[:, 0], d[:, 1], d[:, 2] = h[:, 3], h[:, 3] * (1 + np.finfo(dtype).eps), -h[:, 3]
    return h, (d * np.dtype(dtype).type(length)).astype(dtype)


def exact(a, b):
    return sum((Fraction(float(x)) - Fraction(float(y))) ** 2 for x, y in zip(a, b, strict=True))


def worst(h, d, found, error):
    """The largest error over bound of squares (sets, rows, points)."""
    ratios = []
    for s, r, k in np.ndindex(found.shape):
        wanted = exact(h[s, k], d[s, r])
        bound = Fraction(float(error.absolute)) + Fraction(error.relative) * wanted
        gap = abs(Fraction(float(found[s, r, k])) - wanted)
        assert gap <= bound
        ratios.append(float(gap / bound) if bound else 0.0)
    return max(ratios)


@pytest.mark.parametrize("length", [1.0, 1e-3, 40.0])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_products_are_within_their_bound(size, dtype, length):
    h, d = drawn(size, dtype, length)
    found = squares.by_products(h, d, np)
    assert found.dtype == np.dtype(dtype)
    ratio = worst(h, d, found, squares.products_error(size, dtype, length * (1 + 1e-6)))
    if size in (2, 3, 8) and length == 1:
        assert ratio > 0.05  # the bound is not slack: a twentieth of it would not do


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_differences_keep_their_relative_accuracy(size, dtype):
    h, d = drawn(size, dtype)
    near = np.broadcast_to(h[:, None], (SETS, ROWS, POINTS, size))
    worst(h, d, squares.by_differences(near, d), squares.differences_error(size, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_near_a_direction_differences_see_what_products_cannot(dtype):
    h, d = drawn(8, dtype)
    wanted = float(exact(h[0, 3], d[0, 1]))
    assert wanted > 0
    products, differences = (
        error(8, dtype) for error in (squares.products_error, squares.differences_error)
    )
    assert products.absolute > 1e3 * wanted
    near = squares.by_differences(h[:, None, 3:4].repeat(ROWS, axis=1), d)[0, 1, 0]
    assert abs(near - wanted) <= differences.relative * wanted


@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_line_both_are_exact(dtype):
    h, d = np.array([[[1.0], [-1.0]]], dtype), np.array([[[1.0], [-1.0]]], dtype)
    assert squares.by_products(h, d, np).tolist() == [[[0.0, 4.0], [4.0, 0.0]]]
    assert squares.by_differences(h[:, None].repeat(2, axis=1), d).tolist() == [[[0, 4], [4, 0]]]
