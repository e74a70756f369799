"""Every formula of the derivation against exact decimals, and against PyTorch's autograd."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
import reference
from examples import FORMULAS, GENERIC, cases, drawn, extremes, on, with_bias, worst_formula
from test_cell import torch, torch_cell  # noqa: F401 (a fixture)

from lstm_gpu import bounds, cell, derivatives
from lstm_gpu.backend import to_host
from lstm_gpu.claims.block import Block
from lstm_gpu.weights import DTYPES, Case


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_every_formula_is_within_its_rounding_of_the_truth(backend, dtype, bias):
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            sets = drawn(case, 1)
            worst = worst_formula(Block(on(backend, with_bias(sets) if bias else sets)))
            assert worst.ratio <= 1, f"{case.name}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_formula_is_within_its_rounding_at_extreme_scales(dtype):
    for name, sets in extremes(dtype):
        worst = worst_formula(Block(sets))
        assert worst.ratio <= 1, f"{name}: {worst}"


@pytest.mark.parametrize("quantity", FORMULAS)
@pytest.mark.parametrize(("dtype", "epsilon"), [("float64", 1e-12), ("float32", 1e-4)])
def test_a_formula_off_by_a_little_is_outside_its_rounding(quantity, dtype, epsilon):
    block = Block(drawn(replace(GENERIC, dtype=dtype)))
    off = {quantity: lambda b: (1 + epsilon) * FORMULAS[quantity](b)}
    assert worst_formula(block, off).ratio > 1


@pytest.mark.parametrize("quantity", FORMULAS)
def test_a_transposed_formula_is_far_outside_its_rounding(quantity):
    transposed = {quantity: lambda b: np.swapaxes(FORMULAS[quantity](b), 1, 2)}
    assert worst_formula(Block(drawn(GENERIC)), transposed).ratio > 1e9


def test_the_readings_of_d6_are_what_their_names_say(backend):
    sets = drawn(GENERIC, xp=backend)
    step = cell.step(sets)
    U, slope = to_host(sets.U)[:, 1], to_host(step.f * (1 - step.f))
    column = to_host(derivatives.forget_gate_column_scaling(step, sets.U))
    vector = to_host(derivatives.forget_gate_matrix_vector(step, sets.U))
    for s, k, j in np.ndindex(column.shape):
        product = sum(U[s, k, l] * slope[s, l] for l in range(U.shape[-1]))
        size = sum(abs(U[s, k, l] * slope[s, l]) for l in range(U.shape[-1]))
        # One rounding in each slope, product and column entry; n additions in the sum.
        rounding = 2 * bounds.gamma(U.shape[-1] + 2, 2.0**-53)  # in either evaluation
        assert abs(column[s, k, j] - U[s, k, j] * slope[s, j]) <= rounding * abs(column[s, k, j])
        assert abs(vector[s, k, j] - product) <= rounding * size


def test_with_the_previous_cell_s_jacobian_zero_both_forms_of_d3_have_the_same_bits(backend):
    sets = drawn(GENERIC, xp=backend)
    step = cell.step(sets)
    zero = backend.zeros_like(sets.U[:, 0])
    plain = derivatives.tanh_cell_jacobian(step, sets.U, sets.c_prev)
    carried = derivatives.tanh_cell_jacobian_with_previous(step, sets.U, sets.c_prev, zero)
    assert (to_host(plain) == to_host(carried)).all()
    moved = derivatives.tanh_cell_jacobian_with_previous(step, sets.U, sets.c_prev, zero + 1)
    assert (to_host(plain) != to_host(moved)).all()


def test_the_cell_path_is_the_derivative_by_the_previous_cell_state():
    for case in cases(3, 2, "float64"):
        sets = drawn(case, 1)
        block = Block(sets)
        with np.errstate(all="ignore"):
            claimed = derivatives.hidden_by_cell_jacobian(block.step)
            factors = block.formula_factors
        parts = [factors["o"], factors["t'"], block.errors.values["f"]]
        o, t, f = parts
        limit = o.error * t.size * f.size + o.size * t.error * f.size + o.size * t.size * f.error
        limit = (limit + bounds.gamma(4, 2.0**-53) * o.size * t.size * f.size)[0]
        p = reference.inputs(sets)
        with localcontext(reference.DIGITS):
            c = [reference.Jet([value, Decimal(1)]) for value in p.c]
            z = [
                [reference.Jet([v, Decimal(0)]) for v in row] for row in reference.preactivations(p)
            ]
            truth = [value.a[1] for value in reference.activate(z, c)["h"]]
        worst = reference.excess(claimed[0], truth, limit * bounds.SLACK + 2.0**-1022)
        assert worst.ratio <= 1, f"{case.name}: {worst}"


def test_the_rival_jacobian_is_the_derivative_of_its_own_relation():
    """c = atanh(h/o) inverted: with h = o tanh(c), dc/dh = 1/(o tanh'(c))."""
    c, o = 0.7, 0.6
    with localcontext(reference.DIGITS):
        jet = reference.tanh(reference.Jet([Decimal(c), Decimal(1)]))
        truth = float(1 / (Decimal(o) * jet.a[1]))
        h = float(Decimal(o) * jet.a[0])
    claimed = derivatives.rival_previous_cell_jacobian(np.array([h]), np.array([o]))[0]
    # The ratio is off by 2u (h is rounded, too), its square by 5u, 1 - tanh² = 0.63 by 3.9u, and
    # there are the roundings of the product, of the inverse and of the truth: 6.9u.
    assert abs(claimed - truth) <= 7 * 2.0**-53 * truth


# --- PyTorch's autograd ---------------------------------------------------------------------------


def autograd_jacobian(torch, sets, s):  # noqa: F811
    module, x = torch_cell(torch, sets, s), torch.from_numpy(sets.x[s : s + 1])
    c_prev = torch.from_numpy(sets.c_prev[s : s + 1])
    start = torch.from_numpy(sets.h_prev[s])
    return torch.autograd.functional.jacobian(
        lambda h: module(x, (h[None], c_prev))[0][0], start
    ).numpy()


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 2), (3, 2), (8, 8), (32, 20)])
def test_the_hidden_jacobian_agrees_with_autograd_within_both_errors(torch, dtype, size):  # noqa: F811
    for law in ("pytorch_uniform", "normal_gain_4"):
        sets = with_bias(drawn(Case(*size, dtype, law, "generic")))
        block = Block(sets)
        ours = derivatives.hidden_jacobian(block.step, sets.U, sets.c_prev)
        bound = bounds.entries(block.formula_errors("h"), sets.U)
        for s in range(len(sets)):
            gap = abs(autograd_jacobian(torch, sets, s).astype(float) - ours[s])
            # Backward mode uses the same products: (1 - s) s and 1 - t², times factors, times U;
            # then a sum over gates and rows, of which one row is not zero.
            limit = 2 * bound[s].astype(float) * bounds.SLACK
            where = np.unravel_index((gap - limit).argmax(), gap.shape)
            assert gap[where] <= limit[where], (law, s, where, gap[where], limit[where])


@pytest.mark.torch
def test_a_mutant_does_not_agree_with_autograd(torch):  # noqa: F811
    sets = drawn(GENERIC, 1)
    block = Block(sets)
    ours = derivatives.hidden_jacobian(block.step, sets.U[:, [1, 0, 2, 3]], sets.c_prev)
    bound = bounds.entries(block.formula_errors("h"), sets.U)
    assert (abs(autograd_jacobian(torch, sets, 0) - ours[0]) > 1e6 * bound[0]).any()
