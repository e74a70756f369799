"""Derivatives by c_{t-1}, and by x_t through exchanged sets: within their bounds of decimals."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn, extremes, on, with_bias

from lstm_gpu import bounds, cell
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.references import by_cell
from lstm_gpu.weights import DTYPES, Case


def measured(sets):
    """(reference, quantity) -> the Jacobian by c_{t-1} and the bound of its own error."""
    block = Block(sets)
    with np.errstate(all="ignore"):
        for quantity in by_cell.QUANTITIES:
            z, dz = block.step.z, block.preactivation_error
            yield "central", quantity, by_cell.by_central_differences(sets, z, dz, quantity)
            yield "complex_step", quantity, by_cell.by_complex_step(sets, z, block.errors, quantity)


def excesses(sets, factor=1.0):
    """error/bound of each reference's Jacobian, times a factor, where it says something.

    It does not where a bound is infinite, or where no step is taken (NaN): at |c| = 1e8 half a
    float32 is lost.
    """
    xp = bounds.namespace_of(sets.U)
    truths = [reference.jacobians_by(reference.inputs(sets, s), "c") for s in range(len(sets))]
    for name, quantity, found in measured(sets):
        for s, truth in enumerate(truths):
            if bool(xp.isfinite(found.bound[s]).all() & ~xp.isnan(found.derivative[s]).any()):
                value = found.derivative[s] * factor
                yield name, quantity, reference.excess(value, truth[quantity], found.bound[s])


def test_the_decimal_truths_by_h_c_and_x_agree_with_those_by_h_alone():
    """The new ones against the old ones, and against differences of floats."""
    sets = drawn(GENERIC, 1)
    p = reference.inputs(sets)
    assert reference.jacobians_by(p, "h") == reference.jacobians(p)
    for state, name in (("c", "c_prev"), ("x", "x")):
        truth = reference.array(reference.jacobians_by(p, state)["h"])
        for j in range(truth.shape[1]):
            step = np.zeros_like(getattr(sets, name))
            step[0, j] = 1e-5
            up, down = (
                cell.step(replace(sets, **{name: getattr(sets, name) + sign * step})).h[0]
                for sign in (1, -1)
            )
            # truncation 1e-10/6 of third derivatives of at most 2 |W|³, |W| < 3; round-off 1e-11
            assert abs((up - down) / 2e-5 - truth[:, j]).max() < 1e-8, (state, j)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_both_references_are_within_their_bounds_of_the_truth(backend, dtype, bias):
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            sets = drawn(case, 1)
            sets = on(backend, with_bias(sets) if bias else sets)
            tried = list(excesses(sets))
            assert len(tried) == 4, case.name
            for name, quantity, worst in tried:
                assert worst.ratio <= 1, f"{case.name}, {name} of {quantity}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_references_are_within_their_bounds_at_extreme_scales(dtype):
    known = 0
    for label, sets in extremes(dtype)[::3]:
        for name, quantity, worst in excesses(sets):
            known += 1
            assert worst.ratio <= 1, f"{label}, {name} of {quantity}: {worst}"
    assert known > 400, known


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-7), ("float32", 2e-2)])
def test_wrong_references_are_outside_their_bounds(dtype, error):
    sets = drawn(Case(3, 2, dtype, "normal_gain_1", "generic"), 1)
    for factor in (1 + error, 1 - error, 0.0, -1.0):
        for name, quantity, worst in excesses(sets, factor):
            assert worst.ratio > 1, (name, quantity, factor)


@pytest.mark.parametrize("dtype", DTYPES)
def test_beside_the_diagonal_the_complex_step_finds_exact_zeros_and_proves_them(dtype):
    sets = drawn(replace(GENERIC, dtype=dtype), 2)
    for name, quantity, found in measured(sets):
        beside = ~np.eye(3, dtype=bool)
        assert (found.derivative[:, beside] == 0).all()
        if name == "complex_step":
            assert (found.bound[:, beside] < 1e-15).all(), quantity


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("quantity", by_cell.QUANTITIES)
def test_the_bounds_cover_preactivations_that_are_off_by_all_they_may_be(sign, quantity):
    """No rounding is that bad: here z^ is off by the dz that the bound is told."""
    sets, dz = drawn(GENERIC), np.full((2, 4, 3), 1e-4)
    shifted = cell.activate(cell.step(sets).z + sign * dz, sets.c_prev)
    told = (dz + 2.0**-53 * abs(shifted.z)) * bounds.SLACK  # z ± dz is rounded
    errors = bounds.step_errors(shifted, sets.c_prev, told)
    for found in (
        by_cell.by_central_differences(sets, shifted.z, told, quantity),
        by_cell.by_complex_step(sets, shifted.z, errors, quantity),
    ):
        for s in range(2):
            truth = reference.jacobians_by(reference.inputs(sets, s), "c")[quantity]
            worst = reference.excess(found.derivative[s], truth, found.bound[s])
            assert 1e-4 < worst.ratio <= 1, worst


@pytest.mark.parametrize("quantity", by_cell.QUANTITIES)
def test_the_majorants_hold_along_the_line_of_a_cell_state(monkeypatch, quantity):
    """o tanh(f c + a) at f = o = 1, where it bends most, by Taylor series of decimals."""
    told, right = [], by_cell.whole_differences

    def watched(sets, function, majorant, noise, step):
        told.append(majorant.orders)
        return right(sets, function, majorant, noise, step)

    monkeypatch.setattr(by_cell, "whole_differences", watched)
    list(measured(drawn(GENERIC)))
    orders = told[by_cell.QUANTITIES.index(quantity)]
    with localcontext(reference.DIGITS):
        for at in np.linspace(-3, 3, 61):
            c = reference.Jet([Decimal(at), Decimal(1), Decimal(0), Decimal(0)])
            series = (reference.tanh(c) if quantity == "h" else c).a
            for r in (1, 2, 3):
                derivative = abs(float(series[r])) * math.factorial(r)
                assert derivative <= orders[r] * bounds.SLACK, (r, at)


def test_the_forward_function_alone_decides(monkeypatch):
    sets = drawn(GENERIC)
    before = {(n, q): f for n, q, f in measured(sets)}
    right = cell.activate
    monkeypatch.setattr(by_cell.cell, "activate", lambda z, c: right(z, 1.001 * c))
    for name, quantity, found in measured(sets):
        gap = abs(found.derivative - before[name, quantity].derivative)
        assert (gap > found.bound).any(), (name, quantity)


# --- By the input: W and U, x and h_{t-1} change places -------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_derivatives_by_the_input_are_within_their_bounds_of_the_truth(backend, dtype, bias):
    for case in cases(2, 3, dtype):
        sets = drawn(case, 1)
        sets = on(backend, with_bias(sets) if bias else sets)
        assert _by_input(sets).ratio <= 1, f"{case.name}: {_by_input(sets)}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_derivatives_by_the_input_are_within_their_bounds_at_extreme_scales(dtype):
    for name, sets in extremes(dtype)[::4]:
        assert _by_input(sets).ratio <= 1, f"{name}: {_by_input(sets)}"


def _by_input(sets, factor=1.0):
    with np.errstate(all="ignore"):
        block = Material(QUANTITIES["hidden_by_input_jacobian"], sets).block
        found = [
            reference.excess(
                factor * block.measured(name, "h")[s],
                reference.jacobians_by(reference.inputs(sets, s), "x")["h"],
                block.bound(name, "h", with_formula=False)[s],
            )
            for name in REFERENCES
            for s in range(len(sets))
        ]
    return max(found, key=lambda worst: worst.ratio)


def test_wrong_derivatives_by_the_input_are_outside_their_bounds():
    assert _by_input(drawn(GENERIC), 1 + 1e-6).ratio > 1
    assert _by_input(drawn(GENERIC), 0.0).ratio > 1


def test_the_exchanged_sets_have_the_same_step():
    sets = with_bias(drawn(GENERIC))
    exchanged = Material(QUANTITIES["hidden_by_input_jacobian"], sets).block
    gap = abs(exchanged.step.z - cell.step(sets).z)
    assert (gap <= 2 * exchanged.preactivation_error).all()
    assert exchanged.sets.U.shape == (2, 4, 3, 2)
