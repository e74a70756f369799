"""Norms, directions and angles: against exact arithmetic, at every scale."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lstm_gpu.sphere import rounding

SIZES = (1, 2, 3, 8, 64, 100)
DTYPES = (np.float64, np.float32)


def exact_norm(vector) -> float:
    """‖v‖₂ from the exact sum of squares, to a relative 1e-30."""
    square = sum(Fraction(float(x)) ** 2 for x in vector)
    scale = 1 << 200
    return Fraction(math.isqrt(int(square * scale * scale)), scale)


@pytest.mark.parametrize(("terms", "depth"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (128, 7)])
def test_a_term_of_the_tree_passes_this_many_additions(terms, depth):
    assert rounding.tree_depth(terms) == depth
    # 2^24 swallows a 1 that joins it in float32; partners of the tree are half the length apart
    ones = np.ones(terms, dtype=np.float32)
    assert rounding.tree_sum(ones.copy()) == terms


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_tree_sum_is_within_its_bound_of_the_exact_sum(size, dtype):
    terms = np.random.default_rng(size).normal(size=(50, size)).astype(dtype)
    sums = rounding.tree_sum(terms.copy())
    bound = rounding.gamma(rounding.tree_depth(size), dtype)
    for row, total in zip(terms, sums, strict=True):
        exact = sum(Fraction(float(x)) for x in row)
        size_of_terms = sum(abs(Fraction(float(x))) for x in row)
        assert abs(Fraction(float(total)) - exact) <= Fraction(bound) * size_of_terms


def test_tree_sum_gives_the_same_bits_in_any_company():
    terms = np.random.default_rng(0).normal(size=(7, 5, 37))
    whole = rounding.tree_sum(terms.copy())
    alone = np.array([[rounding.tree_sum(row.copy()) for row in block] for block in terms])
    assert np.array_equal(whole, alone)


def test_gamma_is_infinite_when_nothing_is_known():
    assert rounding.gamma(2**24, np.float32) == math.inf
    assert rounding.gamma(3, np.float64) == 3 * 2.0**-53 / (1 - 3 * 2.0**-53)


@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e-3, 1.0, 1e20, 1e37])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_norm_and_direction_at_any_scale(size, dtype, scale):
    vectors = (scale * np.random.default_rng(1).uniform(-1, 1, (20, size))).astype(dtype)
    direction, norm = rounding.unit(vectors, np)
    assert direction.dtype == norm.dtype == dtype
    floor = Fraction(rounding.underflow_unit(dtype))
    for vector, d, length in zip(vectors, direction, norm, strict=True):
        exact = exact_norm(vector)
        error = abs(Fraction(float(length)) - exact)
        assert error <= Fraction(rounding.norm_error(size, dtype)) * exact + floor
        for x, y in zip(vector, d, strict=True):
            wanted = Fraction(float(x)) / exact
            limit = Fraction(rounding.unit_error(size, dtype)) * abs(wanted) + floor
            assert abs(Fraction(float(y)) - wanted) <= limit


def test_the_naive_norm_fails_where_the_scaled_one_holds():
    w = np.full(4, 1e-30, dtype=np.float32)
    assert np.sqrt((w * w).sum()) == 0
    found = float(rounding.unit(w, np)[1]) / (2 * float(w[0]))
    assert abs(found - 1) <= rounding.norm_error(4, np.float32) + 2.0**-53


def test_a_zero_vector_has_no_direction_and_no_length():
    direction, norm = rounding.unit(np.zeros((2, 3)), np)
    assert not direction.any()
    assert not norm.any()


@pytest.mark.parametrize(
    "theta", [0.0, 1e-300, 1e-12, 1e-8, 1e-3, 1.0, 2.0, math.pi - 1e-9, math.pi]
)
def test_angle_sees_what_arccos_cannot(theta):
    a = np.array([[1.0, 0.0]])
    b = np.array([[math.cos(theta), math.sin(theta)]])
    # In unit roundoffs of theta: b is off by an ulp in each entry, 3; the norm by 2, of which
    # arcsin up to π/4 makes 2.6; arcsin by an ulp, 2.
    assert abs(float(rounding.angle(a, b, np)[0]) - theta) <= 8 * 2.0**-53 * theta
    if 0 < theta < 1e-9:
        assert np.arccos(np.minimum((a * b).sum(), 1)) == 0  # what the chord is for
