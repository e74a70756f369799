"""Every quantity: right formulas in many forms are supported, each slip that is one is refuted."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn, extremes, on, with_bias
from formula_book import WAYS, right

from lstm_gpu import bounds, derivatives
from lstm_gpu.backend import to_host
from lstm_gpu.checking import Plan, check_formulas
from lstm_gpu.formulas.loading import ARGMAX, NAMES, Formula
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.formulas.slips import CATALOGUES
from lstm_gpu.weights import DTYPES, Case

LITERAL = "as_literal"  # overflows at large -z, and is then inconclusive


def formulas(ways):
    return [Formula(f"as_{way}", q, right(q, way)) for q in QUANTITIES for way in ways]


def test_there_is_a_quantity_for_every_name_that_a_formula_may_claim():
    assert {*QUANTITIES, ARGMAX} == set(NAMES)


@pytest.mark.parametrize("dtype", DTYPES)
def test_right_formulas_in_every_form_are_supported_and_every_slip_is_refuted(dtype):
    plan = Plan(hidden_sizes=(1, 3, 16), weight_sets=2, dtype=dtype, backend="numpy")
    for result in check_formulas(formulas(WAYS), plan):
        if result.formula == LITERAL and result.verdict == "inconclusive":
            assert "NaN or infinity" in result.reason, str(result)
            continue
        assert result.verdict == "supported", str(result)
        assert result.error_over_bound < 1
        assert result.likely_cause == "", str(result)
        tiny = {"off_by_0.01_percent"} if dtype == "float32" else set()
        assert set(result.missed) <= tiny, str(result)
        assert result.mutants_caught >= 8


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_right_formula_is_refuted_at_extreme_scales(dtype, quantity):
    tried = [Formula(way, quantity, right(quantity, way)) for way in WAYS]
    for name, sets in extremes(dtype)[::7]:
        with np.errstate(all="ignore"):
            material = Material(QUANTITIES[quantity], sets)
            for formula in tried:
                claimed = formula.function(material.view)
                for reference_, (measured, bound) in material.references.items():
                    wrong = (abs(claimed - measured) > bound) & np.isfinite(claimed)
                    assert not (wrong & np.isfinite(bound)).any(), (name, formula.name, reference_)


@pytest.mark.parametrize("quantity", QUANTITIES.values(), ids=lambda q: q.name)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_truth_is_each_quantity_s_true_formula(backend, dtype, quantity):
    """Against decimals, within the bound of the derivation's own rounding."""
    for case in cases(2, 3, dtype):
        sets = on(backend, with_bias(drawn(case, 1)))
        with np.errstate(all="ignore"):
            material = Material(quantity, sets)
            truth = reference.jacobians_by(reference.inputs(sets), quantity.by)[quantity.of]
            worst = reference.excess(material.truth[0], truth, material.rounding[0] / 2)
        assert worst.ratio <= 1, f"{case.name}: {worst}"
        assert material.truth.shape == material.shape


def test_the_truth_has_the_bits_of_the_quantity_s_own_equation():
    sets = drawn(GENERIC, 4)
    step = Material(QUANTITIES["hidden_jacobian"], sets).block.step
    own = {
        "hidden_jacobian": derivatives.hidden_jacobian(step, sets.U, sets.c_prev),
        "tanh_cell_jacobian": derivatives.tanh_cell_jacobian(step, sets.U, sets.c_prev),
        "cell_jacobian": derivatives.cell_jacobian(step, sets.U, sets.c_prev),
        "input_gate_jacobian": derivatives.input_gate_jacobian(step, sets.U),
        "forget_gate_jacobian": derivatives.forget_gate_jacobian(step, sets.U),
        "output_gate_jacobian": derivatives.output_gate_jacobian(step, sets.U),
        "candidate_jacobian": derivatives.candidate_jacobian(step, sets.U),
    }
    for name, J in own.items():
        assert (Material(QUANTITIES[name], sets).truth == J).all(), name


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_formula_of_one_quantity_is_refuted_as_another(dtype, quantity):
    sets = drawn(Case(3, 3, dtype, "normal_gain_1", "generic"), 2)
    material = Material(QUANTITIES[quantity], sets)
    for other in set(QUANTITIES) - {quantity}:
        claimed = right(other, "product")(material.view)
        for measured, bound in material.references.values():
            assert (abs(claimed - measured) > bound).any(), other


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_bounds_are_sharp_enough_to_mean_something(quantity):
    """An error of 1e-9 of the largest entry would be refuted by the complex step."""
    material = Material(QUANTITIES[quantity], drawn(GENERIC, 3))
    bound = material.references["complex_step"].bound
    assert (bound.max(axis=(1, 2)) < 1e-12 * abs(material.truth).max(axis=(1, 2))).all()
    central = material.references["central"].bound
    assert (central.max(axis=(1, 2)) < 1e-6 * abs(material.truth).max(axis=(1, 2))).all()


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_large_cell_state_widens_the_bound_of_what_is_made_of_it_alone(quantity):
    """c_{t-1} = 1e6 leaves the bounds on the gates as they are, and a slip of 1e-12 visible."""
    sets = drawn(GENERIC, 2)
    wide = replace(sets, c_prev=sets.c_prev * 0 + 1e6)
    found = [Material(QUANTITIES[quantity], s).references for s in (sets, wide)]
    near, far = (measured["complex_step"].bound.max() for measured in found)
    if QUANTITIES[quantity].of in "ifuo":
        assert far == near
    elif QUANTITIES[quantity].by != "c":
        assert far > 1e3 * near


def test_the_allowance_covers_a_slope_that_cancels():
    """sigma - sigma² where sigma' is far below the roundoff: 64 roundings of 1, and no more."""
    sets = drawn(GENERIC, 1)
    sets = replace(sets, W=0 * sets.W, U=sets.U * 0 + 1e-3, b=np.full((1, 4, 3), 40.0))
    material = Material(QUANTITIES["forget_gate_jacobian"], sets)
    f = material.view.f
    u = bounds.unit_roundoff("float64")
    assert (f == 1).all()  # sigma' = e^-40 is lost in it
    for error, refuted in ((60 * u, False), (300 * u, True)):
        claimed = material.truth + error * sets.U[:, 1]
        measured, bound = material.references["complex_step"]
        assert (abs(claimed - measured) > bound).all() == refuted, error


def test_the_allowance_of_a_diagonal_covers_a_slope_that_cancels():
    """1 - tanh² at c = 40: as above, and the entry beside the diagonal stays an exact zero."""
    sets = drawn(GENERIC, 1)
    sets = replace(sets, W=0 * sets.W, U=0 * sets.U, c_prev=0 * sets.c_prev + 80)
    material = Material(QUANTITIES["hidden_by_cell_jacobian"], sets)
    assert (material.view.tanh_c == 1).all()
    u, one = bounds.unit_roundoff("float64"), np.eye(3)
    measured, bound = material.references["complex_step"]
    for error, refuted in ((60 * u, False), (1000 * u, True)):
        claimed = material.truth + error * one / 4  # o f = 1/4
        assert (abs(claimed - measured) > bound)[:, one == 1].all() == refuted, error
    assert (bound[:, one == 0] < 1e-100).all()


@pytest.mark.parametrize("quantity", QUANTITIES.values(), ids=lambda q: q.name)
def test_every_slip_differs_from_the_truth_and_from_every_other(quantity):
    """With m = n, where all of them can be written, and on each weight set that hides nothing."""
    material = Material(quantity, drawn(Case(3, 3, "float64", "normal_gain_1", "generic"), 3))
    slips = dict(material.mutants())
    assert list(slips) == list(CATALOGUES[quantity.of, quantity.by])
    others = [("the truth", material.truth), *slips.items()]
    for name, wrong in slips.items():
        assert wrong.shape == material.shape
        assert wrong.dtype == material.truth.dtype
        for other, value in others:
            same = (abs(wrong - value) <= material.slip_rounding).all(axis=(1, 2))
            assert same.all() == same.any() == (name == other), (name, other)


def test_every_slip_that_is_written_as_a_formula_is_refuted_where_it_differs():
    """On each set where a slip differs by more than the bound allows twice, both sides agree."""
    for quantity in QUANTITIES.values():
        material = Material(quantity, drawn(GENERIC, 4))
        for name, wrong in material.mutants():
            for measured, bound in material.references.values():
                far = (abs(wrong - material.truth) > 2 * bound).any(axis=(1, 2))
                refuted = (abs(wrong - measured) > bound).any(axis=(1, 2))
                assert refuted[far].all(), (quantity.name, name)


def test_material_has_the_same_bits_on_every_backend(backend, exact):
    if not exact:
        pytest.skip("another library rounds differently")
    for quantity in QUANTITIES.values():
        here = Material(quantity, drawn(GENERIC, 2, xp=backend))
        there = Material(quantity, drawn(GENERIC, 2))
        assert (to_host(here.truth) == there.truth).all()
        for name, (value, bound) in here.references.items():
            assert (to_host(value) == there.references[name].value).all()
            assert (to_host(bound) == there.references[name].bound).all()
        for (name, mine), (_, theirs) in zip(here.mutants(), there.mutants(), strict=True):
            assert (to_host(mine) == theirs).all(), name
