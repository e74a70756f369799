"""The bounds themselves: never exceeded by exact decimals, and not by far too large."""

from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
import reference
from examples import FORMULAS, GENERIC, cases, drawn, on, with_bias, worst_of

from lstm_gpu import bounds, cell
from lstm_gpu.accuracy import DOCUMENTED_ULP
from lstm_gpu.backend import to_host
from lstm_gpu.claims.block import Block
from lstm_gpu.weights import DTYPES, Case

ORDER = 5


def test_unit_roundoff_and_gamma():
    assert bounds.unit_roundoff("float64") == 2.0**-53
    assert bounds.unit_roundoff(np.float32) == 2.0**-24
    assert bounds.gamma(1, 2.0**-24) == 2.0**-24 / (1 - 2.0**-24)
    assert bounds.gamma(10, 0.01) == 0.1 / 0.9
    with pytest.raises(ValueError, match="below 1"):
        bounds.gamma(4, 0.25)


# --- Preactivations -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_preactivations_are_within_their_bound_real_and_complex(backend, dtype, bias):
    complex_dtype = {"float64": "complex128", "float32": "complex64"}[dtype]
    for case in [*cases(3, 2, dtype), Case(16, 9, dtype, "heavy_tailed", "saturated")]:
        sets = drawn(case, 1)
        sets = on(backend, with_bias(sets) if bias else sets)
        dz = bounds.preactivation_error(sets, backend.abs(sets.h_prev))
        h = sets.h_prev.astype(complex_dtype)[:, None]
        truth = reference.preactivations(reference.inputs(sets))
        for z in (cell.step(sets).z, cell.step(sets, h=h).z[:, :, 0].real):
            worst = reference.excess(z[0], truth, dz[0])
            assert worst.ratio <= 1, f"{case.name}: {worst}"


def test_preactivations_of_half_the_precision_are_outside_their_bound():
    sets = drawn(GENERIC)
    dz = bounds.preactivation_error(sets, abs(sets.h_prev))
    low = [getattr(sets, name).astype("float32") for name in ("W", "U", "x", "h_prev")]
    z = cell.preactivation(*low)
    truth = reference.preactivations(reference.inputs(sets))
    assert reference.excess(z[0], truth, dz[0]).ratio > 1e5


def test_an_error_of_h_reaches_the_preactivations():
    sets = drawn(GENERIC, 1)
    shift = 1e-3 * np.ones_like(sets.h_prev)
    dz = bounds.preactivation_error(sets, abs(sets.h_prev), shift)
    truth = reference.preactivations(reference.inputs(sets))
    for sign in (-1, 1):
        moved = cell.step(sets, h=sets.h_prev + sign * shift)
        worst = reference.excess(moved.z[0], truth, dz[0])
        assert 0.1 < worst.ratio <= 1, worst


# --- Values, slopes and coefficients at the worst that dz allows ----------------------------------


def _gate_jets(z, gate):
    """Preactivations as jets with slope 1 in one gate: their h has its coefficient as slope."""
    return [[reference.Jet([v, Decimal(int(g == gate))]) for v in row] for g, row in enumerate(z)]


def _coefficients(z, c_prev):
    """{gate: coefficient of U_g in ∂h/∂h_{t-1}}, exact, from exact preactivations [gate][k]."""
    with localcontext(reference.DIGITS):
        return {
            gate: [h.a[1] for h in reference.activate(_gate_jets(z, gate), c_prev)["h"]]
            for gate in range(4)
        }


@pytest.mark.parametrize("dz", [1e-9, 1e-3, 0.1, 1.0, 10.0, 900.0])
@pytest.mark.parametrize("size", [0.0, 3.0, 30.0, 800.0])
def test_errors_hold_wherever_within_dz_both_evaluations_fall(dz, size):
    """No rounding is that bad: here the real and the complex step are off by dz, by design.

    z is the exact point. The real step is evaluated at z ± dz, the complex step's values and
    slopes at z ± dz independently; both must stay within the bounds around the real step.
    """
    rng = np.random.default_rng(7)
    signs = [np.array(s) for s in product((-1, 1), repeat=4)]
    z = size * np.array([[1], [-1], [1], [-1]]) + rng.normal(size=(4, 4))
    c_prev = np.array([[-2.0, 0.0, 0.3, 50.0]])
    exact_z, exact_c = ([[Decimal(v) for v in row] for row in a] for a in (z, c_prev))
    found = []
    with localcontext(reference.DIGITS):
        truth = reference.activate(exact_z, exact_c[0])
    coefficients = _coefficients(exact_z, exact_c[0])
    others = []
    for there in signs:
        other = [[Decimal(v) for v in row] for row in z + dz * there[:, None]]
        others.append(_coefficients(other, exact_c[0]))
    for here in signs:
        at = (z + dz * here[:, None])[None]
        step = cell.activate(at, c_prev)
        limit = (dz + 2.0**-53 * abs(at)) * bounds.SLACK  # z ± dz is rounded
        with np.errstate(all="ignore"):
            errors = bounds.step_errors(step, c_prev, limit)
            formula = bounds.coefficient_errors(bounds.formula_factors(errors), "h", errors.u)
            carried = bounds.coefficient_errors(bounds.complex_factors(errors), "h", errors.u)
        for name, attribute in (("i", "i"), ("u", "u"), ("c", "c"), ("t", "tanh_c"), ("h", "h")):
            value, error = getattr(step, attribute)[0], errors.values[name].error[0]
            found.append(reference.excess(value, truth[attribute], error * bounds.SLACK))
        for gate in range(4):
            U = np.zeros((1, 4, 4, 4))
            U[0, gate] = np.eye(4)
            block = Block(
                replace(drawn(Case(4, 1, "float64", "sparse", "generic"), 1), U=U, c_prev=c_prev)
            )
            block.__dict__["step"] = step
            claimed = np.diagonal(FORMULAS["h"](block)[0])
            limits = formula[gate][0] * bounds.SLACK + 2.0**-1022
            found.append(reference.excess(claimed, coefficients[gate], limits))
        for other, gate in product(others, range(4)):
            limits = carried[gate][0] * bounds.SLACK + 2.0**-1022
            value = reference.array(other[gate])
            found.append(reference.excess(value, coefficients[gate], limits))
    worst = worst_of(found)
    assert worst.ratio <= 1, worst


def test_an_error_of_the_previous_cell_state_reaches_the_values():
    rng = np.random.default_rng(8)
    z, c, shift = rng.normal(size=(1, 4, 6)), rng.normal(size=(1, 6)), 1e-3
    with localcontext(reference.DIGITS):
        exact = [[Decimal(v) for v in row] for row in z[0]]
        truth = reference.activate(exact, [Decimal(v) for v in c[0]])
    for sign in (-1, 1):
        moved = c + sign * shift
        step = cell.activate(z, moved)
        c_error = (shift + 2.0**-53 * abs(moved)) * bounds.SLACK  # c ± shift is rounded
        errors = bounds.step_errors(step, moved, np.zeros((1, 4, 6)), c_error)
        for name, attribute in (("c", "c"), ("t", "tanh_c"), ("h", "h")):
            value, error = getattr(step, attribute)[0], errors.values[name].error[0]
            worst = reference.excess(value, truth[attribute], error)
            assert 0.1 < worst.ratio <= 1, f"{name}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_evaluation_errors_hold_for_values_near_by(dtype):
    """Sup norms alone: at any point whose preactivations are off by dz."""
    rng = np.random.default_rng(3)
    u = bounds.unit_roundoff(dtype)
    c_prev = np.array([[0.0, 1.0, -30.0, 100.0]], dtype=dtype)
    for size in (0.0, 1.0, 10.0, 200.0):
        z = (size * rng.normal(size=(1, 4, 4))).astype(dtype)
        dz = np.full((1, 4), 1e-3)
        limits = bounds.evaluation_errors(abs(c_prev).astype(float), dz, u)
        step = cell.activate((z + rng.choice([-1e-3, 1e-3], z.shape)).astype(dtype), c_prev)
        with localcontext(reference.DIGITS):
            p = [[Decimal(float(v)) for v in row] for row in z[0]]
            truth = reference.activate(p, [Decimal(float(v)) for v in c_prev[0]])
        for name in ("f", "o", "c", "tanh_c", "h"):
            # z ± 1e-3 is itself rounded.
            slack = bounds.SLACK + u * (float(np.abs(z).max()) + 1e-3) / 1e-3
            worst = reference.excess(getattr(step, name)[0], truth[name], slack * limits[name][0])
            assert worst.ratio <= 1, f"{size}, {name}: {worst}"


# --- The assumed accuracy of the library's functions ----------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_and_tanh_are_as_accurate_as_assumed(backend, dtype):
    rng = np.random.default_rng(11)
    z = np.concatenate([rng.normal(size=400) * s for s in (1e-6, 1e-2, 1, 8, 40)]).astype(dtype)
    device = backend.asarray(z)
    u = bounds.unit_roundoff(dtype)
    for name in ("exp", "tanh"):
        with np.errstate(over="ignore"):
            values = to_host(getattr(backend, name)(device))
        fits = np.isfinite(values)
        with localcontext(reference.DIGITS):
            exact = [getattr(reference, name)(Decimal(float(v))) for v in z[fits]]
        limit = 2 * DOCUMENTED_ULP * u * abs(reference.array(exact))
        worst = reference.excess(values[fits], exact, limit + float(np.finfo(dtype).tiny))
        assert worst.ratio <= 1, f"{name}: {worst}"


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("name", ["sigma", "tanh"])
def test_complex_sigma_and_tanh_carry_slopes_as_accurately_as_assumed(backend, dtype, name):
    rng = np.random.default_rng(12)
    real = np.finfo(dtype).dtype
    z = np.concatenate([rng.normal(size=300) * s for s in (1e-6, 1e-2, 1, 8, 20)]).astype(real)
    s = 2.0**-200 if dtype == "complex128" else 2.0**-60
    point = backend.asarray((z + 1j * real.type(s)).astype(dtype))
    value = to_host(cell.sigmoid(point) if name == "sigma" else backend.tanh(point))
    with localcontext(reference.DIGITS):
        jets = [getattr(reference, name)(reference.Jet([Decimal(float(v)), Decimal(1)])) for v in z]
        exact, slopes = [jet.a[0] for jet in jets], [jet.a[1] for jet in jets]
    units = bounds.COMPLEX_UNITS * bounds.unit_roundoff(real)
    floor = float(np.finfo(real).tiny)
    worst = worst_of(
        [
            reference.excess(value.real, exact, units * abs(reference.array(exact)) + floor),
            reference.excess(
                value.imag / s, slopes, units * abs(reference.array(slopes)) + floor / s
            ),
        ]
    )
    assert worst.ratio <= 1, worst
