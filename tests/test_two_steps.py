"""dh_2/dh_0 by differences: within its bound of exact decimals, and the product is not it."""

import math
from dataclasses import replace
from decimal import localcontext
from itertools import product

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn, on, with_bias

from lstm_gpu.claims import cell_state
from lstm_gpu.claims.block import Block
from lstm_gpu.references import two_steps
from lstm_gpu.references.two_steps import hidden_over_two_steps
from lstm_gpu.weights import DTYPES, Case


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


def test_the_majorants_over_two_steps_bound_every_derivative_and_are_not_vacuous(monkeypatch):
    taken = []

    def take(sets, function, majorant, noise, step):
        taken.append(majorant)
        return original(sets, function, majorant, noise, step)

    original = two_steps.whole_differences
    monkeypatch.setattr(two_steps, "whole_differences", take)
    sets = drawn(Case(1, 1, "float64", "sparse", "generic"), 1)
    closest = dict.fromkeys(range(1, 4), 0.0)
    for weight, c, h in product((0.5, 64.0), (-2.0, 0.0, 1.0), np.linspace(-0.04, 0.04, 9)):
        U = np.full_like(sets.U, weight)
        h_prev, c_prev = np.full_like(sets.h_prev, h), np.full_like(sets.c_prev, c)
        given = replace(sets, W=0 * sets.W, U=U, h_prev=h_prev, c_prev=c_prev)
        two_steps.hidden_over_two_steps(given)
        p = reference.inputs(given)
        with localcontext(reference.DIGITS):
            one = reference.jets(p, 0, 3)
            two = reference.forward(replace(p, h=one["h"], c=one["c"]))["h"][0]
        for r in range(1, 4):
            truth = abs(float(two.a[r])) * math.factorial(r)
            ratio = truth / taken[-1].orders[r][0, 0, 0]
            assert ratio <= 1, (weight, c, h, r, ratio)
            closest[r] = max(closest[r], ratio) if weight == 64 else closest[r]
    # One factor |U| = 64 less for each order would be noticed.
    assert all(ratio > 64.0**-r for r, ratio in closest.items()), closest


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
