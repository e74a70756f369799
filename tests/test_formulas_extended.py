"""Refuted formulas again in extended precision: rounding is told from a wrong formula."""

import numpy as np
import pytest
from test_formulas_cause import SLIPS, with_paths

from lstm_gpu import check
from lstm_gpu.checking import Plan, check_formulas
from lstm_gpu.formulas import extended
from lstm_gpu.formulas.inputs import drawn
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.weights import Case

CASE = Case(2, 3, "float64", "normal_gain_1", "near_zero")
LONGER = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
pytestmark = pytest.mark.skipif(not LONGER, reason="numpy.longdouble is no longer than float64")


def rows(v):
    return v[:, :, None]


def eye(step, v):
    return rows(v) * step.xp.eye(v.shape[1], dtype=v.dtype)


def divided(step):
    """f as (c - i u)/c_prev; f itself in the first step, where that is 0/0."""
    zero = step.c_prev == 0
    f = (step.c - step.i * step.u) / step.xp.where(zero, 1, step.c_prev)
    return eye(step, step.xp.where(zero, step.f, f))


def scaled(step):
    """Rows of diag(f (1 - f)) U_f, normalised: NaN where f rounds to 1."""
    J = rows(step.f * (1 - step.f)) * step.U.f
    return J / step.xp.sqrt((J * J).sum(axis=-1, keepdims=True))


def by_gradient(step):
    """The same of sigma' = e^{-|z|}/(1 + e^{-|z|})^2, whose squares float32 loses."""
    q = step.xp.exp(-step.xp.abs(step.z.f))
    J = rows(q / (1 + q) ** 2) * step.U.f
    length = step.xp.sqrt((J * J).sum(axis=-1, keepdims=True))
    return J / step.xp.where(length > 0, length, 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_formula_that_divides_is_not_refuted(dtype):
    result = check(divided, "cell_by_cell_jacobian", dtype=dtype)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith(f"right to rounding in {extended.MANTISSA}-bit mantissas, and")
    assert "loses digits, as a division or a difference of near numbers does" in result.reason
    assert "(first at entry [" in result.reason
    assert result.counterexample is None
    assert result.likely_cause == ""
    assert result.error_over_bound <= 1  # of the weight sets that are left


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("formula", [scaled, by_gradient])
def test_a_right_direction_that_divides_is_not_refuted(formula, dtype):
    result = check(formula, "forget_gate_argmax", hidden_size=[2, 3], dtype=dtype)
    assert result.verdict in ("inconclusive", "supported")
    wrong = check(lambda s: -formula(s), "forget_gate_argmax", hidden_size=[2, 3], dtype=dtype)
    assert wrong.verdict == "refuted"


def test_slips_stay_refuted():
    formulas = [Formula(name, "hidden_jacobian", slip) for name, slip in SLIPS.items()]
    for result in check_formulas(formulas, Plan(hidden_sizes=(3,), weight_sets=2)):
        assert result.verdict == "refuted", str(result)
        assert result.likely_cause != "", str(result)


@pytest.mark.parametrize(
    ("quantity", "formula"),
    [
        ("hidden_jacobian", with_paths),
        ("cell_by_cell_jacobian", lambda s: eye(s, s.f)),
        ("cell_by_cell_jacobian", divided),
        ("forget_gate_argmax", by_gradient),
    ],
)
@pytest.mark.parametrize("size", [1e-12, -1e-12])
def test_a_slip_of_1e_12_stays_refuted_in_a_formula_that_divides_too(quantity, formula, size):
    result = check(lambda s: formula(s) * (1 + size), quantity, hidden_size=[2, 3])
    assert result.verdict == "refuted", str(result)


@pytest.mark.parametrize("value", ["f", "u", "tanh_c", "h"])
def test_a_jump_at_one_value_is_no_rounding(value):
    """Wrong at the gates and states of a cell at rest alone: a jump has no slope."""

    def at_rest(step):
        rest = getattr(step, value) == (0.5 if value == "f" else 0)
        return eye(step, step.f) + rows(5 * rest.astype(step.h.dtype))

    result = check(at_rest, "cell_by_cell_jacobian", hidden_size=2, weight_sets=2)
    assert result.verdict == "refuted"
    assert result.counterexample["case"]["regime"] == "all_zero"


def test_what_forces_float64_or_fails_stays_refuted_with_a_hint_at_rounding_level_only():
    def forced(step):
        return divided(step).astype(np.float64)

    def fails(step):
        if step.h.dtype == np.longdouble:
            raise TypeError("no linear algebra")
        return divided(step)

    for formula in (forced, fails):
        result = check(formula, "cell_by_cell_jacobian")
        assert result.verdict == "refuted"
        assert "could not be evaluated in extended precision" in result.reason
        assert "may round more than the bound allows" in result.reason
        assert result.counterexample is not None
    result = check(lambda s: eye(s, s.i).astype(np.float64), "cell_by_cell_jacobian")
    assert (result.verdict, result.reason) == ("refuted", "")
    off = check(lambda s: forced(s) * (1 + 1e-9), "cell_by_cell_jacobian")
    assert off.verdict == "refuted"


def into(buffers, by_dtype):
    """`divided` into one array per shape, and per dtype if so asked, returned at every call."""

    def fills(step):
        key = (step.U.f.shape, step.h.dtype if by_dtype else np.float64)
        buffer = buffers.setdefault(key, np.zeros(key[0], key[1]))
        buffer[...] = divided(step)
        return buffer

    return fills


def test_a_buffer_of_the_formula_s_own_is_judged_as_new_arrays_are():
    """Filled again in extended precision it would hold other values than those on trial."""
    right = check(into({}, by_dtype=True), "cell_by_cell_jacobian")
    assert (right.verdict, right.reason) == (
        "inconclusive", check(divided, "cell_by_cell_jacobian").reason,
    )  # fmt: skip
    forced = check(into({}, by_dtype=False), "cell_by_cell_jacobian")
    new = check(lambda s: divided(s).astype(np.float64), "cell_by_cell_jacobian")
    assert (forced.verdict, forced.reason) == ("refuted", new.reason)
    assert forced.error_over_bound == new.error_over_bound > 1
    assert forced.counterexample == new.counterexample | {"reading": "fills"}


def overflows(step):
    """tanh of z as (1 - e^{-2z})/(1 + e^{-2z}), with 0 for the infinity/infinity of large -z."""
    e = step.xp.exp(-2 * step.z.u)
    t = step.xp.nan_to_num((1 - e) / (1 + e))
    return rows(1 - t * t) * step.U.u


def overflows_to_half(step):
    e = step.xp.exp(step.z.f)
    g = e / (1 + e)
    g = step.xp.where(step.xp.isnan(g), step.h.dtype.type(0.5), g)
    return rows(g * (1 - g)) * step.U.f


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("quantity", "formula"),
    [("candidate_jacobian", overflows), ("forget_gate_jacobian", overflows_to_half)],
)
def test_an_overflow_that_is_hidden_is_no_lost_digit(quantity, formula, dtype):
    """Extended precision has longer exponents: no digit was lost, and that is what is said."""
    result = check(formula, quantity, dtype=dtype)
    assert result.verdict == "inconclusive"
    assert result.reason.startswith("wrong in ")
    assert (
        "and right there in extended precision, by more than lost digits explain" in result.reason
    )
    assert "saturated)" in result.reason
    assert "loses digits" not in result.reason
    wrong = check(lambda s: formula(s) * (1 + 1e-4), quantity, dtype=dtype, hidden_size=2)
    assert wrong.verdict == "refuted"


def test_a_direction_whose_squares_overflow_is_out_of_range(tmp_path):
    shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3)}
    arrays = {name: np.ones(shape) for name, shape in shapes.items()}
    arrays["weight_hh_l0"] *= 1e200 * np.arange(1, 4)
    np.savez(tmp_path / "w.npz", **arrays, bias_ih_l0=np.zeros(12), bias_hh_l0=np.zeros(12))

    def direction(step):
        return step.U.f / np.sqrt((step.U.f**2).sum(axis=-1, keepdims=True))

    result = check(direction, "forget_gate_argmax", weights=tmp_path / "w.npz")
    assert result.verdict == "inconclusive", str(result)
    assert result.reason.startswith("wrong in "), result.reason


def centred(step, U):
    """U_f's entries by their mean and what they differ from it by: rounded relative to the mean."""
    mean = U.mean(axis=2, keepdims=True)
    slope = rows(step.f * (1 - step.f))
    return slope * (U - mean) + slope * mean


def halves(step, U):
    """The symmetric part and the other."""
    other = np.swapaxes(U, 1, 2)
    slope = rows(step.f * (1 - step.f))
    return slope * ((U + other) / 2) + slope * ((U - other) / 2)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("formula", [centred, halves])
def test_what_rounds_relative_to_the_largest_entry_is_not_refuted(formula, dtype):
    """No value that it starts from is off: only the change of precision shows its rounding."""
    plan = {"dtype": dtype, "distribution": ["scaled_columns", "heavy_tailed"]}
    result = check(lambda s: formula(s, s.U.f), "forget_gate_jacobian", **plan)
    assert result.verdict == "inconclusive", str(result)
    assert "loses digits" in result.reason
    assert "overflows" not in result.reason


@pytest.mark.parametrize("formula", [centred, halves])
@pytest.mark.parametrize(
    "slip",
    [
        lambda J, s: J * (1 + 1e-12),
        lambda J, s: J + 1e-12 * J.max(axis=(1, 2), keepdims=True),
        lambda J, s: J * s.f[:, None, :],
        lambda J, s: np.swapaxes(J, 1, 2),
    ],
)
@pytest.mark.parametrize("law", ["normal_gain_1", "scaled_columns", "heavy_tailed"])
def test_a_slip_stays_refuted_in_what_rounds_relative_to_the_largest_entry(formula, slip, law):
    """In every law alone, though one law would do: what rounding may leave excuses no slip."""
    plan = {"distribution": law, "hidden_size": [2, 3, 8]}
    result = check(lambda s: slip(formula(s, s.U.f), s), "forget_gate_jacobian", **plan)
    assert result.verdict == "refuted", str(result)


def test_what_rounding_may_leave_is_between_what_falls_and_what_stays():
    largest = extended.LONG(2.0**-33)  # a power of two: a product with it is exact
    off = np.array([[[2.0**-53, largest], [0, 0]], [[np.inf, 0], [0, 0]]], extended.LONG)
    assert extended.left(off, "float64").shape == (2, 1, 1)
    rho = extended.LONG(2.0 ** -(extended.MANTISSA - 53))
    assert extended.left(off, "float64")[0, 0, 0] == largest * np.sqrt(rho)
    assert extended.left(off, "float64")[1, 0, 0] == 0


def in_float64_inside(step):
    """Python's floats, in an array of the step's dtype."""
    J = np.zeros_like(step.U.f)
    for b, k in np.ndindex(step.c.shape):
        c, i, u, before = (float(a[b, k]) for a in (step.c, step.i, step.u, step.c_prev))
        J[b, k, k] = (c - i * u) / before if before else float(step.f[b, k])
    return J


def test_what_works_in_float64_inside_gets_the_hint_of_what_returns_it():
    result = check(in_float64_inside, "cell_by_cell_jacobian", hidden_size=[2, 3])
    assert result.verdict == "refuted"
    assert "could not be evaluated in extended precision" in result.reason
    wrong = check(lambda s: 2 * in_float64_inside(s), "cell_by_cell_jacobian", hidden_size=2)
    assert (wrong.verdict, wrong.reason) == ("refuted", "")


def factorized(step):
    left, values, right = np.linalg.svd(step.U.f)
    return rows(step.f * (1 - step.f)) * ((left * values[:, None, :]) @ right)


def partly(step):
    q, r = np.linalg.qr(step.U.f.astype(np.float64))
    return rows(step.f * (1 - step.f)) * (q @ r)


@pytest.mark.parametrize(
    ("formula", "said"),
    [(factorized, "could not be evaluated in"), (partly, "unless it forces float64 inside")],
)
def test_a_factorization_that_cannot_be_longer_gets_a_hint_where_it_may_have_rounded(formula, said):
    plan = {"distribution": "heavy_tailed", "hidden_size": [2, 8]}
    result = check(formula, "forget_gate_jacobian", **plan)
    assert result.verdict == "refuted"
    assert said in result.reason
    assert "largest entries of the same weight set" in result.reason
    wrong = check(lambda s: formula(s) * (1 + 1e-9), "forget_gate_jacobian", hidden_size=2)
    assert (wrong.verdict, wrong.reason) == ("refuted", "")


def test_without_a_longer_precision_nothing_is_excused(monkeypatch):
    monkeypatch.setattr(extended, "LONG", np.float64)
    result = check(divided, "cell_by_cell_jacobian", hidden_size=2)
    assert result.verdict == "refuted"
    assert "could not be evaluated in extended precision" in result.reason


def test_a_formula_that_is_right_in_extended_precision_alone_is_never_supported():
    def cheats(step):
        factor = 1 if step.h.dtype == np.longdouble else 1.5
        return eye(step, step.f) * step.h.dtype.type(factor)

    result = check(cheats, "cell_by_cell_jacobian", hidden_size=2)
    assert result.verdict == "inconclusive"


def test_the_stored_weights_are_the_same_and_the_whole_step_is_longer():
    sets = drawn(CASE, 0, 0, 2)
    longer = extended.longer(sets)
    seen = []
    extended.evaluated(looking(seen.append), longer, (2, 2, 2))
    for name in ("W", "U", "x", "h_prev", "c_prev", "b"):
        assert (getattr(longer, name) == getattr(sets, name)).all()
        assert getattr(longer, name).dtype == np.longdouble
    shown = seen[0]
    assert {a.dtype for a in (shown.h, shown.z.f, shown.tanh_c, shown.U.o)} == {
        np.dtype(np.longdouble)
    }
    assert (shown.h != shown.h.astype(np.float64)).any()


def looking(look):
    from lstm_gpu.formulas.loading import Formula

    def formula(step):
        look(step)
        return step.U.f * 0

    return Formula("look", "hidden_jacobian", formula)


def test_the_margin_is_what_the_values_own_errors_can_do():
    """d/df of f is 1: the margin of f is the bound on its error, and grows with 1/c_prev."""
    sets = drawn(CASE, 0, 0, 3)
    from lstm_gpu.claims.block import Block
    from lstm_gpu.formulas.loading import Formula

    errors = Block(sets).errors.values
    plain = extended.margin(Formula("f", "cell_by_cell_jacobian", lambda s: eye(s, s.f)), sets)
    at = np.arange(2)
    u = np.finfo(np.float64).eps
    assert (abs(plain[:, at, at] - errors["f"].error) <= 2 * u).all()
    loses = extended.margin(Formula("d", "cell_by_cell_jacobian", divided), sets)
    assert (loses[:, at, at] * abs(sets.c_prev) >= errors["c"].error / 2).all()
    assert extended.margin(Formula("no", "cell_by_cell_jacobian", lambda s: 1 // 0), sets) is None
