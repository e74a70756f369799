"""The complex step: within its bound of exact decimals, and sharper than any difference."""

from dataclasses import replace

import numpy as np
import pytest
from examples import FORMULAS, GENERIC, cases, drawn, extremes, on, with_bias, worst_reference

from lstm_gpu import cell
from lstm_gpu.claims.block import Block
from lstm_gpu.weights import DTYPES, Case

QUANTITIES = ("i", "f", "u", "o", "c", "tanh_c", "h")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_the_complex_step_is_within_its_bounds_of_the_truth(backend, dtype, bias):
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            sets = drawn(case, 1)
            block = Block(on(backend, with_bias(sets) if bias else sets))
            worst = worst_reference(block, "complex_step", QUANTITIES)
            assert worst.ratio <= 1, f"{case.name}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_complex_step_is_within_its_bounds_at_extreme_scales(dtype):
    for name, sets in extremes(dtype):
        worst = worst_reference(Block(sets), "complex_step", QUANTITIES)
        assert worst.ratio <= 1, f"{name}: {worst}"


def test_where_the_step_is_not_small_against_the_weights_nothing_is_claimed_to_be_known():
    """In float32 with |U| = 1e20 the step moves z by a hundred, past the poles of sigma."""
    sets = drawn(replace(GENERIC, dtype="float32"), 1)
    sets = replace(sets, U=sets.U * np.float32(1e20), h_prev=0 * sets.h_prev, x=0 * sets.x)
    block = Block(sets)
    with np.errstate(all="ignore"):
        assert not np.isfinite(block.bound("complex_step", "h", with_formula=False)).any()


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(("dtype", "epsilon"), [("float64", 1e-12), ("float32", 1e-3)])
def test_a_wrong_complex_step_is_outside_its_bounds(quantity, dtype, epsilon):
    block = Block(drawn(Case(8, 5, dtype, "pytorch_uniform", "generic")))
    assert worst_reference(block, "complex_step", (quantity,), 1 + epsilon).ratio > 1
    assert worst_reference(block, "complex_step", (quantity,), 0).ratio > 1


def test_at_n_64_a_relative_error_of_1e_11_is_refuted():
    block = Block(drawn(Case(64, 64, "float64", "pytorch_uniform", "generic"), 4))
    J, measured = FORMULAS["h"](block), block.measured("complex_step", "h")
    bound = block.bound("complex_step", "h")
    assert (abs(J - measured) <= bound).all()
    caught = abs((1 + 1e-11) * J - measured) > bound
    assert caught.any(axis=(1, 2)).all()
    assert caught.mean() > 0.9  # not at a lucky entry alone


def test_the_smallest_relative_error_that_is_refuted_is_far_below_1e_11():
    block = Block(drawn(Case(64, 64, "float64", "pytorch_uniform", "generic"), 8))
    J, bound = FORMULAS["h"](block), block.bound("complex_step", "h")
    smallest = (2 * bound / abs(J)).min(axis=(1, 2))
    assert smallest.max() < 1e-12, smallest


def test_the_whole_forward_function_is_differentiated(monkeypatch):
    sets = drawn(GENERIC)
    before = Block(sets).complex.derivatives["h"]
    right = cell.sigmoid
    monkeypatch.setattr(cell, "sigmoid", lambda z: right(1.001 * z))
    block = Block(sets)
    assert (abs(block.complex.derivatives["h"] - before) > block.bound("complex_step", "h")).any()
