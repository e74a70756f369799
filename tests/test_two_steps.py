"""dh_2/dh_0 by differences: within its bound of exact decimals, and the product is not it."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn, on, with_bias

from lstm_gpu.claims import cell_state
from lstm_gpu.claims.block import Block
from lstm_gpu.references.two_steps import hidden_over_two_steps
from lstm_gpu.weights import DTYPES


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_differences_over_two_steps_are_within_their_bounds_of_the_truth(backend, dtype, bias):
    decided = 0
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            sets = drawn(case, 1)
            sets = on(backend, with_bias(sets) if bias else sets)
            with np.errstate(all="ignore"):
                found = hidden_over_two_steps(sets)
            if not bool((found.derivative == found.derivative).all()):
                continue  # no step that small can be taken: NaN, so undecided
            truth = reference.two_steps(reference.inputs(sets))["whole"]
            worst = reference.excess(found.derivative[0], truth, found.bound[0])
            assert worst.ratio <= 1, f"{case.name}: {worst}"
            decided += 1
    assert decided > 40, decided


@pytest.mark.parametrize("dtype", DTYPES)
def test_formulas_over_two_steps_are_within_their_bounds_of_the_truth(dtype):
    """Both the product of hidden Jacobians and the sum of both paths."""
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            sets = drawn(case, 1)
            with np.errstate(all="ignore"):
                found = cell_state.two_step_formulas(Block(sets))
            truth = reference.two_steps(reference.inputs(sets))
            for name, claimed in (
                ("hidden_product", found.hidden_product),
                ("whole", found.hidden_product + found.cell_path),
            ):
                worst = reference.excess(claimed[0], truth[name], found.bound[0])
                assert worst.ratio <= 1, f"{case.name}, {name}: {worst}"


@pytest.mark.parametrize(("dtype", "epsilon"), [("float64", 1e-4), ("float32", 1.0)])
def test_wrong_differences_are_outside_their_bounds(dtype, epsilon):
    sets = drawn(replace(GENERIC, dtype=dtype, distribution="pytorch_uniform"), 1)
    found = hidden_over_two_steps(sets)
    truth = reference.two_steps(reference.inputs(sets))["whole"]
    assert reference.excess(found.derivative[0], truth, found.bound[0]).ratio <= 1
    wrong = (1 + epsilon) * found.derivative[0]
    assert reference.excess(wrong, truth, found.bound[0]).ratio > 1


def test_the_product_of_hidden_jacobians_is_not_the_derivative():
    sets = drawn(GENERIC, 1)
    truth = reference.two_steps(reference.inputs(sets))
    found = hidden_over_two_steps(sets)
    product = reference.array(truth["hidden_product"])
    assert reference.excess(product, truth["whole"], found.bound[0]).ratio > 100
