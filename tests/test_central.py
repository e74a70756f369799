"""Central differences: within their bounds of exact decimals, and sharp enough to tell."""

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference
from examples import FORMULAS, GENERIC, cases, drawn, extremes, on, with_bias, worst_reference

import lstm_gpu.references
from lstm_gpu import bounds, cell
from lstm_gpu.backend import to_host
from lstm_gpu.claims.block import Block
from lstm_gpu.majorants import Majorant, line, unit_majorants
from lstm_gpu.references import central
from lstm_gpu.weights import DTYPES, Case

QUANTITIES = ("i", "f", "u", "o", "c", "tanh_c", "h")


def block_of(sets):
    """A block whose central differences can be asked for every quantity."""
    return Block(sets, quantities=QUANTITIES)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_differences_are_within_their_bounds_of_the_truth(backend, dtype, bias):
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            sets = drawn(case, 1)
            block = block_of(on(backend, with_bias(sets) if bias else sets))
            worst = worst_reference(block, "central", QUANTITIES)
            assert worst.ratio <= 1, f"{case.name}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_differences_are_within_their_bounds_at_extreme_scales(dtype):
    for name, sets in extremes(dtype):
        worst = worst_reference(block_of(sets), "central", QUANTITIES)
        assert worst.ratio <= 1, f"{name}: {worst}"


@pytest.mark.parametrize("weight", [1e18, 1e24, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_where_no_step_is_small_enough_the_bound_says_that_nothing_is_known(dtype, weight):
    sets = drawn(replace(GENERIC, dtype=dtype), 1)
    sets = replace(
        sets, U=sets.U * np.dtype(dtype).type(weight), h_prev=0 * sets.h_prev, x=0 * sets.x
    )
    block = block_of(sets)
    with np.errstate(all="ignore"):
        bound = block.bound("central", "h", with_formula=False)
        known = np.isfinite(bound).all()
    if known:
        worst = worst_reference(block, "central", QUANTITIES)
        assert worst.ratio <= 1, worst


@pytest.mark.parametrize("law", ["pytorch_uniform", "orthogonal"])
@pytest.mark.parametrize("regime", ["generic", "near_zero"])
def test_at_n_64_differences_are_right_and_refute_a_relative_error_of_1e_6(law, regime):
    case = Case(64, 64, "float64", law, regime)
    block = block_of(drawn(case, 4))
    truth = np.array(reference.array(reference.jacobians(reference.inputs(block.sets))["h"]))
    own = block.bound("central", "h", with_formula=False)[0]
    gap = abs(block.measured("central", "h")[0] - truth)  # truth is rounded: 2^-53 of it
    assert (gap <= own + 2.0**-53 * abs(truth)).all(), (gap / own).max()
    if (law, regime) != ("pytorch_uniform", "generic"):
        return
    claimed = (1 + 1e-6) * FORMULAS["h"](block)
    caught = abs(claimed - block.measured("central", "h")) > block.bound("central", "h")
    assert caught.any(axis=(1, 2)).all()


def test_the_smallest_relative_error_that_is_refuted_is_far_below_1e_6():
    """Measured at n = 64, PyTorch's default weights: 6e-9 to 1e-8; twice that is surely refuted."""
    block = block_of(drawn(Case(64, 64, "float64", "pytorch_uniform", "generic"), 8))
    J = FORMULAS["h"](block)
    smallest = ((block.bound("central", "h") * 2) / abs(J)).min(axis=(1, 2))
    assert smallest.max() < 1e-7, smallest
    for s, epsilon in enumerate(smallest):
        gap = abs((1 + epsilon) * J[s] - block.measured("central", "h")[s])
        assert (gap > block.bound("central", "h")[s]).any(), (s, epsilon)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(("dtype", "epsilon"), [("float64", 1e-5), ("float32", 0.5)])
def test_wrong_differences_are_outside_their_bounds(quantity, dtype, epsilon):
    block = block_of(drawn(Case(8, 5, dtype, "pytorch_uniform", "generic")))
    assert worst_reference(block, "central", (quantity,), 1 + epsilon).ratio > 1
    assert worst_reference(block, "central", (quantity,), 0).ratio > 1


def test_truncation_and_round_off_are_both_in_the_bound():
    """With a step far from the best one or the other grows beyond the best step's bound."""
    sets = drawn(GENERIC, 1)
    block = block_of(sets)
    truth = reference.array(reference.jacobians(reference.inputs(sets))["h"])
    best = block.bound("central", "h", with_formula=False)[0]
    for factor in (2.0**10, 2.0**-30):
        step = block.central.step * factor
        moved = central._evaluate(sets, block.step, step, ("h",))["h"][0]
        assert (abs(moved - truth) > best).any(), factor


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_bound_holds_at_least_what_its_docstring_adds_up(dtype):
    """Evaluation, truncation, shift and subtraction with the entry's own slope a and step s."""
    u = bounds.unit_roundoff(dtype)
    block = block_of(drawn(Case(8, 5, dtype, "normal_gain_1", "generic"), 3))
    sets, z = block.sets, block.step.z
    a, c_size = abs(sets.U).max(axis=1).astype(float), abs(sets.c_prev).astype(float)
    s = block.central.step[:, None, :].astype(float)
    dz = block.preactivation_error.max(axis=1)[..., None]
    delta = bounds.evaluation_errors(c_size, u * abs(z).max(axis=1).astype(float), u)
    unit = unit_majorants(c_size, 3)
    for q in QUANTITIES:
        k1, k2, k3 = (np.broadcast_to(k, c_size.shape)[..., None] for k in unit[q].orders[1:])
        parts = [delta[q][..., None] / s, a * (s * a) ** 2 * k3 / 6, a * dz * k2, 2 * u * a * k1]
        assert (block.central.bound(q) >= sum(parts)).all(), q


@pytest.mark.parametrize("sign", [-1, 1])
def test_differences_about_preactivations_off_by_dz_are_within_their_bounds(sign):
    """No rounding is that bad: here z^ is off by the dz that the bound is told."""
    sets, dz = drawn(GENERIC), np.full((2, 4, 3), 1e-3)
    shifted = cell.activate(cell.step(sets).z + sign * dz, sets.c_prev)
    told = (dz + 2.0**-53 * abs(shifted.z)) * bounds.SLACK  # z ± dz is rounded
    found = central.differences(sets, shifted, told, QUANTITIES)
    for s in range(2):
        truth = reference.jacobians(reference.inputs(sets, s))
        for q in QUANTITIES:
            worst = reference.excess(found.derivatives[q][s], truth[q], found.bound(q)[s])
            assert 1e-3 < worst.ratio <= 1, f"{q}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_are_the_largest_powers_of_two_within_the_radius(backend, dtype):
    for case in cases(3, 2, dtype):
        U = drawn(case, 4, xp=backend).U
        radius = backend.asarray(np.array([1.0, 0.1, 1e-3, 1e-5]))
        step, largest = to_host(central.step_sizes(U, radius)), abs(to_host(U)).max(axis=(1, 2))
        assert step.dtype == dtype
        assert (np.frexp(step)[0] == 0.5).all()
        for s, j in np.ndindex(step.shape):
            change, limit = float(step[s, j]) * float(largest[s, j]), float(to_host(radius)[s])
            if largest[s, j] == 0:
                assert step[s, j] == 1
            else:
                assert change <= limit < 2 * change, (case.name, s, j, change, limit)


def test_a_column_of_zeros_has_derivative_zero():
    sets = drawn(GENERIC)
    U = sets.U.copy()
    U[..., 1] = 0
    block = block_of(replace(sets, U=U))
    assert (block.measured("central", "h")[..., 1] == 0).all()
    assert (block.measured("central", "h")[..., 0] != 0).all()


def test_the_references_do_not_know_the_formulas():
    """They may import the forward function and the bounds, no derivative."""
    for path in Path(lstm_gpu.references.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                assert not [n for n in names if "derivatives" in n or "mutants" in n], path
    assert not hasattr(central, "sigmoid_derivative")


def test_the_forward_function_alone_decides(monkeypatch):
    """A forward function with another activation moves the differences, not the formula."""
    sets = drawn(GENERIC)
    before = central.differences(sets, cell.step(sets), Block(sets).preactivation_error)
    monkeypatch.setattr(central, "sigmoid", lambda z: cell.sigmoid(1.001 * z))
    after = central.differences(sets, cell.step(sets), Block(sets).preactivation_error)
    bound = after.bound("f")
    assert (abs(after.derivatives["f"] - before.derivatives["f"]) > bound).any()


# --- Whole differences ----------------------------------------------------------------------------


def whole(sets, step):
    """∂h_t/∂h_{t-1} by full evaluations, with its majorants and noise."""
    xp = bounds.namespace_of(sets.U)
    c_size, a = xp.abs(sets.c_prev).astype(float), xp.abs(sets.U).max(axis=1).astype(float)
    orders = unit_majorants(c_size, 3)["h"].orders[1:]
    along = [k[..., None] * a**r for r, k in enumerate(orders, start=1)]
    reach = xp.abs(sets.h_prev) + step
    dz = bounds.preactivation_error(sets, reach.astype(sets.U.dtype)).max(axis=1)
    noise = bounds.evaluation_errors(c_size, dz, bounds.unit_roundoff(sets.U.dtype))["h"]
    majorant = Majorant((1.0, *along))
    return central.whole_differences(sets, lambda h: cell.step(sets, h=h).h, majorant, noise, step)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [-2, -8, -13, -20])
def test_whole_differences_are_within_their_bounds_of_the_truth(backend, dtype, exponent):
    for case in cases(3, 2, dtype):
        sets = drawn(case, 1, xp=backend)
        with np.errstate(all="ignore"):
            found = whole(sets, 2.0**exponent)
        truth = reference.jacobians(reference.inputs(sets))["h"]
        worst = reference.excess(found.derivative[0], truth, found.bound[0])
        assert worst.ratio <= 1, f"{case.name}: {worst}"


def test_both_ways_to_take_differences_agree_within_both_bounds():
    for case in cases(8, 5, "float64"):
        block = block_of(drawn(case))
        with np.errstate(all="ignore"):
            found = whole(block.sets, 2.0**-13)
            limit = found.bound + block.bound("central", "h", with_formula=False)
            gap = abs(found.derivative - block.measured("central", "h"))
        assert (gap <= limit).all(), (case.name, (gap / limit).max())


def test_the_step_divided_by_is_the_step_taken():
    """At h = 1 a step of 0.6 spacings is taken as one spacing up and none down, or so."""
    sets = drawn(GENERIC, 1)
    sets = replace(sets, h_prev=np.ones_like(sets.h_prev))
    for step in (0.6 * 2.0**-52, 1.3 * 2.0**-52, 5.1 * 2.0**-53):
        taken = (1 + step) - (1 - step)
        derivative = central.whole_differences(
            sets, lambda h: 3 * h, line(3, np.full((1, 3, 3), 3.0)), np.zeros((1, 3)), step
        ).derivative[0]
        # 3 h is rounded: numbers next to 3 are off by up to 2u each, over the step taken.
        assert abs(np.diagonal(derivative) - 3).max() <= 4 * 2.0**-53 / taken, step
        assert (derivative[~np.eye(3, dtype=bool)] == 0).all()


def test_a_step_below_the_spacing_of_the_numbers_is_no_step_and_gives_nan():
    sets = drawn(GENERIC, 1)
    sets = replace(sets, h_prev=np.full_like(sets.h_prev, 0.75))
    derivative = whole(sets, 2.0**-60).derivative
    assert np.isnan(derivative).all()
    assert math.isnan(derivative[0, 0, 0])
