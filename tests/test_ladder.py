"""The ladder of steps: bounds hold at every step, the orders are seen, every verdict is reached."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu import bounds, campaign
from lstm_gpu.references import ladder
from lstm_gpu.references.central import WholeDifferences, richardson
from lstm_gpu.references.ladder import CONSTANT, ROUND_OFF, TRUNCATION, UNDECIDED, WRONG
from lstm_gpu.weights import DTYPES, Case

STEPS = [2.0**e for e in range(-40, 2)]


def climbed(sets, factor=1.0):
    """The ladders of the exact Jacobian times a factor; its bound is one rounding to the dtype."""
    xp = bounds.namespace_of(sets.U)
    truth = reference.array(reference.jacobians(reference.inputs(sets))["h"])[None]
    u = bounds.unit_roundoff(sets.U.dtype)
    J = xp.asarray((factor * truth).astype(sets.U.dtype))
    tiny = float(np.finfo(sets.U.dtype).tiny)
    with np.errstate(all="ignore"):
        return {
            key[1]: found
            for key, found in ladder.climb(sets, {"J": (J, 2 * u * xp.abs(J) + tiny)}).items()
        }


# --- On real curves -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_step_s_gap_is_above_its_bound_when_the_jacobian_is_exact(dtype):
    """The real test of the bounds of whole differences and of Richardson's, at all steps."""
    for size in ((1, 2), (3, 2)):
        for case in cases(*size, dtype):
            for reference_, found in climbed(drawn(case, 1)).items():
                above = [(s, x) for s, x in zip(found.steps, found.excess, strict=True) if x > 1]
                assert not above, (case.name, reference_, above)
                assert found.verdict != "refuted"


def test_a_ladder_is_the_same_on_every_backend(backend, exact):
    found = climbed(drawn(GENERIC, 1, xp=backend))
    for name, order in ladder.ORDERS.items():
        assert found[name].verdict == "supported", found[name].reason
        assert abs(found[name].order - order) < 0.1
    if exact:
        assert repr(found) == repr(climbed(drawn(GENERIC, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_ladder_covers_twelve_decades(dtype):
    found = climbed(drawn(replace(GENERIC, dtype=dtype), 1))
    for rungs in found.values():
        steps = rungs.steps
        assert steps == sorted(steps)
        assert {b / a for a, b in itertools.pairwise(steps)} == {2.0}
        assert math.log10(steps[-1] / steps[0]) >= 12
        assert (
            len(rungs.gap)
            == len(rungs.bound)
            == len(rungs.excess)
            == len(rungs.label)
            == len(steps)
        )


def test_orders_2_and_4_are_observed_on_real_curves():
    for law in ("pytorch_uniform", "glorot_uniform", "normal_gain_1", "orthogonal"):
        for size in ((1, 2), (8, 5)):
            found = climbed(drawn(Case(*size, "float64", law, "generic"), 1))
            for name, order in ladder.ORDERS.items():
                assert found[name].verdict == "supported", (law, size, found[name].reason)
                assert abs(found[name].order - order) < 0.25, (law, size, found[name].order)
                assert {ROUND_OFF, TRUNCATION} <= set(found[name].label)


@pytest.mark.parametrize("error", [1e-1, 1e-2, 1e-4, 1e-6])
def test_a_wrong_formula_is_refuted_by_both_references_and_seen_as_flat(error):
    found = climbed(drawn(GENERIC, 1), 1 + error)
    for name in ladder.ORDERS:
        assert found[name].verdict == "refuted", (name, found[name].reason)
        assert WRONG in found[name].label
    right = climbed(drawn(GENERIC, 1))
    assert all(WRONG not in right[name].label for name in right)


@pytest.mark.parametrize(("name", "error"), [("central", 1e-9), ("richardson", 1e-10)])
def test_an_error_that_hides_below_every_bound_is_not_called_supported(name, error):
    """The gap is flat over many steps, yet never above its bound."""
    found = climbed(drawn(GENERIC, 1), 1 + error)[name]
    assert max(x for x in found.excess if not math.isnan(x)) <= 1
    assert found.label.count(CONSTANT) > 5
    assert found.verdict == "inconclusive", found.reason


def test_saturated_gates_leave_the_ladder_inconclusive_with_a_reason():
    sets = drawn(Case(3, 3, "float64", "normal_gain_32", "saturated"), 1)
    sets = replace(sets, W=np.abs(sets.W) * 1e3, x=np.ones_like(sets.x))
    found = climbed(sets)
    for rungs in found.values():
        assert rungs.verdict == "inconclusive"
        assert rungs.reason
        assert rungs.order is None


def test_the_campaign_shows_a_right_and_a_wrong_formula():
    case = Case(8, 5, "float64", "pytorch_uniform", "generic")
    rows = campaign.step_ladder(case, 1)
    verdicts = {(row["formula"], row["reference"]): row["verdict"] for row in rows}
    assert verdicts == {
        ("hidden_jacobian", "central"): "supported",
        ("hidden_jacobian", "richardson"): "supported",
        ("off_by_1_percent", "central"): "refuted",
        ("off_by_1_percent", "richardson"): "refuted",
    }
    low = campaign.step_ladder(replace(case, dtype="float32"), 1)
    assert all(None in row["gap"] for row in low), "float32 takes no step at all at 2^-33"
    assert [row["verdict"] for row in low if row["formula"] == "hidden_jacobian"] == [
        "supported"
    ] * 2


def test_the_ladder_uses_the_first_set_only():
    case = Case(3, 2, "float64", "normal_gain_1", "generic")
    one = campaign.step_ladder(case, 1)
    assert one == campaign.step_ladder(case, 1)
    assert one != campaign.step_ladder(case, 2)


# --- On synthetic curves --------------------------------------------------------------------------


def judged(gap, excess, order=2):
    label = ladder.triage(STEPS, gap, excess, order)
    verdict, reason = ladder.judge(label, excess)
    return label, verdict, reason, ladder.observed_order(STEPS, gap, label)


def curve(noise, truncation, order=2, constant=0.0):
    return [noise / s + truncation * s**order + constant for s in STEPS]


BELOW = [0.5] * len(STEPS)


@pytest.mark.parametrize("order", [2, 4])
@given(noise=st.floats(1e-18, 1e-14), truncation=st.floats(1e-3, 1e3))
def test_round_off_and_truncation_are_told_apart_and_the_order_found(order, noise, truncation):
    label, verdict, _, seen = judged(curve(noise, truncation, order), BELOW, order)
    assert verdict == "supported"
    assert label[0] == ROUND_OFF
    assert label[-1] == TRUNCATION
    assert label.index(TRUNCATION) > label.index(ROUND_OFF)
    assert WRONG not in label
    assert abs(seen - order) < 0.2


@given(constant=st.floats(1e-6, 1e-1))
def test_a_flat_gap_above_its_bound_is_a_wrong_formula(constant):
    gap = curve(1e-16, 0.1, constant=constant)
    excess = [constant / (1e-12 / s + s**2) for s in STEPS]
    label, verdict, reason, _ = judged(gap, excess)
    assert WRONG in label
    assert verdict == "refuted"
    assert "wrong formula" in reason


def test_a_gap_above_its_bound_is_refuted_even_where_it_is_not_flat():
    gap = curve(1e-16, 1.0)
    label, verdict, reason, _ = judged(gap, [0.5] * 41 + [1.5])
    assert label[-1] == UNDECIDED
    assert TRUNCATION in label
    assert (verdict, reason) == ("refuted", "above its bound at 1 steps")


def test_a_flat_gap_within_its_bound_is_inconclusive_and_called_constant():
    label, verdict, reason, order = judged([1e-9] * len(STEPS), BELOW)
    assert set(label) == {CONSTANT}
    assert verdict == "inconclusive"
    assert "constant" in reason
    assert order is None


@pytest.mark.parametrize(
    "gap",
    [[0.0] * len(STEPS), [math.nan] * len(STEPS), [math.inf] * len(STEPS), list(STEPS)],
    ids=["zero", "nan", "infinite", "slope 1"],
)
def test_a_curve_that_fits_no_model_is_inconclusive(gap):
    label, verdict, reason, order = judged(gap, BELOW)
    assert set(label) == {UNDECIDED}
    assert verdict == "inconclusive"
    assert "neither" in reason
    assert order is None


@pytest.mark.parametrize(
    ("noise", "truncation", "seen"), [(1e-16, 0, ROUND_OFF), (0, 1.0, TRUNCATION)]
)
def test_one_kind_alone_supports_and_says_so(noise, truncation, seen):
    label, verdict, reason, _ = judged(curve(noise, truncation), BELOW)
    assert set(label) == {seen}
    assert verdict == "supported"
    assert f"only {seen}" in reason


def test_the_order_of_the_other_reference_is_not_mistaken_for_truncation():
    label, verdict, _, order = judged(curve(0, 1.0, order=4), BELOW, order=2)
    assert TRUNCATION not in label
    assert verdict == "inconclusive"
    assert order is None


def test_steps_that_were_not_taken_are_left_out():
    gap = [math.nan] * 8 + curve(1e-16, 1.0)[8:]
    excess = [math.nan] * 8 + [0.5] * (len(STEPS) - 8)
    label, verdict, _, order = judged(gap, excess)
    assert set(label[:6]) == {UNDECIDED}
    assert verdict == "supported"
    assert abs(order - 2) < 0.1


@pytest.mark.parametrize(("power", "left"), [(2, 0.0), (4, -0.025)])
def test_richardson_cancels_the_second_order_term(power, left):
    """(4 D(s/2) - D(s))/3 of f' + a s² is f', and of f' + a s⁴ is f' - a s⁴/4.

    With D = f' + s⁴/120 f^(5) and f^(5) = 12 everywhere, a = 0.1: s⁴ M_5/288 = 0.0417 s⁴, and
    0.025 s⁴ is left.
    """

    def whole(step):
        zero = np.zeros((1, 1, 1))
        return WholeDifferences(zero + 1 + 0.1 * step**power, zero, zero, zero + step)

    result = richardson(whole(0.5), whole(0.25), np.full((1, 1, 1), 12.0))
    # Each difference is 1.03 at most and off by 1.2u, so 5 of them by 6u; their sum by 2u; a third
    # of that, and the last rounding: below 4u.
    rounding = 4 * 2.0**-53
    assert abs(result.derivative[0, 0, 0] - 1 - left * 0.5**power) <= rounding
    assert abs(result.derivative[0, 0, 0] - 1) <= result.bound[0, 0, 0] + rounding
    if power == 4:
        assert abs(result.derivative[0, 0, 0] - 1) > result.bound[0, 0, 0] / 2
