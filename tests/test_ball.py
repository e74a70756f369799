"""Balls hold the exact derivatives, for every variable; what they prove and what they cannot."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
import reference
from examples import cases, drawn, extremes, with_bias
from flint import arb, ctx

from lstm_gpu.references import ball
from lstm_gpu.weights import Case, WeightSets
from lstm_gpu.weights.draw import on_host

GENERIC = Case(3, 3, "float64", "normal_gain_1", "generic")
VALUES = reference.VALUES


def one(sets, index=0):
    """One of several weight sets, alone."""
    arrays = {k: a[index : index + 1] for k, a in vars(sets).items() if a is not None}
    return replace(sets, **arrays)


def decimal(value):
    """The midpoint of a ball, exactly."""
    mantissa, exponent = (int(part) for part in value.mid().man_exp())
    power = Decimal(2) ** abs(exponent)
    return Decimal(mantissa) * power if exponent >= 0 else Decimal(mantissa) / power


def scale(sets):
    """Above every number that an entry is made of: |U|, |c|, |z|, each at least 1."""
    sizes = [float(abs(a).max()) for a in (sets.U, sets.c_prev)]
    reach = (
        abs(sets.W) @ abs(sets.x)[:, None, :, None]
        + abs(sets.U) @ abs(sets.h_prev)[:, None, :, None]
    )
    return math.prod(1 + Decimal(v) for v in (*sizes, float(reach.max())))


def assert_is_truth(found, truth, sets, precision=256):
    """Balls [k][j] against decimals of 60 digits, which fewer than 10^4 roundings made."""
    with localcontext(reference.DIGITS) as context:
        context.prec = 100
        limit = Decimal("1e-56") * scale(sets)
        for k, j in product(*map(range, found.shape[1:])):
            value = found[0, k, j]
            assert abs(decimal(value) - truth[k][j]) <= limit, (k, j, value, truth[k][j])
            assert value.rad() <= arb(2) ** (60 - precision) * float(scale(sets))


# --- Derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2])
def test_every_law_and_regime_against_decimals(n, dtype):
    for case in cases(n, 2, dtype):
        sets = one(drawn(case))
        truth = reference.jacobians(reference.inputs(sets))
        with ball.working(256):
            found = ball.jacobians(sets, range(n), range(n))
            for name in VALUES:
                assert_is_truth(found[name], truth[name], sets)


def test_with_a_bias():
    sets = one(with_bias(drawn(GENERIC)))
    truth = reference.jacobians(reference.inputs(sets))
    with ball.working(256):
        found = ball.jacobians(sets, range(3), range(3))
        assert_is_truth(found["h"], truth["h"], sets)


def test_a_wrong_truth_is_noticed():
    sets = one(drawn(GENERIC))
    truth = reference.jacobians(reference.inputs(sets))["h"]
    truth[1][2] *= 1 + Decimal("1e-50")
    with ball.working(256), pytest.raises(AssertionError):
        assert_is_truth(ball.jacobians(sets, range(3), range(3))["h"], truth, sets)


@pytest.mark.parametrize("variable", ball.VARIABLES)
def test_every_variable_against_central_differences_of_decimals(variable):
    """At a step of 10^-20 they are off by 10^-40 times third derivatives, which are below 10^4
    here, and by 10^-60 · 10^4 roundings over the step.
    """
    sets = one(drawn(GENERIC))
    p, field, step = reference.inputs(sets), variable.removesuffix("_prev"), Decimal("1e-20")
    with ball.working(256):
        found = ball.jacobians(sets, range(3), range(3), variable)
    for j in range(3):
        ends = []
        for sign in (1, -1):
            values = list(getattr(p, field))
            with localcontext(reference.DIGITS):
                values[j] += sign * step
            ends.append(reference.forward(replace(p, **{field: values})))
        with localcontext(reference.DIGITS):
            for name, k in product(VALUES, range(3)):
                slope = (ends[0][name][k] - ends[1][name][k]) / (2 * step)
                assert abs(decimal(found[name][0, k, j]) - slope) < Decimal("1e-35"), (name, k, j)


def test_c_prev_moves_its_own_row_alone():
    with ball.working(256):
        found = ball.jacobians(one(drawn(GENERIC)), [0, 2], [1, 2], "c_prev")
    assert [[bool(v == 0) for v in row] for row in found["h"][0]] == [[True, True], [True, False]]
    assert all(v == 0 for v in found["f"].flat)


def test_known_values_are_exact():
    """At z = 0: sigma' = 1/4 and tanh' = 1, so ∂f = U/4, ∂u = U and ∂h = c U_o tanh'…"""
    zero = np.zeros((1, 1))
    U = np.array([1.0, 3.0, 5.0, 7.0]).reshape(1, 4, 1, 1)
    sets = WeightSets(np.zeros((1, 4, 1, 1)), U, zero, zero, zero, zero + 1)
    with ball.working(256):
        found = {name: value[0, 0, 0] for name, value in ball.jacobians(sets, [0], [0]).items()}
        expected = {"i": 0.25, "f": 0.75, "u": 5, "o": 1.75, "c": 2.5, "tanh_c": 2.5, "h": 1.25}
        for name, value in expected.items():
            assert found[name].contains(arb(value)), (name, found[name])
            assert found[name].rad() < arb(2) ** -240


def test_two_steps_against_decimals():
    for case in (GENERIC, replace(GENERIC, dtype="float32", regime="large_cell")):
        sets = one(drawn(case))
        truth = reference.two_steps(reference.inputs(sets))["whole"]
        with ball.working(256):
            rows = [[ball.over_two_steps(sets, k, j) for j in range(3)] for k in range(3)]
            assert_is_truth(np.array([rows], object), truth, sets)


def test_derivatives_keep_their_relative_accuracy_where_gates_saturate():
    sets = one(drawn(Case(2, 2, "float64", "normal_gain_32", "saturated")))
    with ball.working(256):
        found = ball.jacobians(sets, range(2), range(2))
        for name in ("i", "f", "u", "o"):
            for value in found[name].flat:
                assert value != 0
                assert value.rad() < abs(value).lower() * arb(2) ** -230


def test_extreme_scales_give_balls_or_say_that_they_cannot():
    for name, sets in extremes("float64"):
        with ball.working(256):
            value = ball.jacobians(one(sets), [0], [1])["h"][0, 0, 0]
        assert isinstance(value, arb), name


def test_stored_floats_convert_exactly():
    for dtype in ("float64", "float32"):
        values = np.array([0.1, -1e-30, 3.0, 2.0**-149, 0.0], dtype)
        for value, found in zip(values, ball.exact(values), strict=True):
            assert found.is_exact()
            with localcontext(reference.DIGITS) as context:
                context.prec = 200
                assert decimal(found) == Decimal(float(value))


def test_a_part_has_the_entries_that_it_is_asked_for(backend):
    sets = on_host(one(drawn(GENERIC, xp=backend)))
    part = ball.part(sets, [2], [0, 1], [1])
    assert (part.W.shape, part.U.shape, part.c_prev.shape) == ((1, 4, 1, 3), (1, 4, 1, 2), (1, 1))
    assert part.U[0, 3, 0, 1] == arb(float(sets.U[0, 3, 2, 1]))
    assert part.b is None


def test_no_row_at_all_is_no_row():
    sets = one(drawn(GENERIC))
    x, h = ball.exact(sets.x), ball.exact(sets.h_prev)
    assert ball.preactivations(sets, [], x, h).shape == (1, 4, 0)


# --- Proofs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "truth", "proof"),
    [
        (arb(1), arb(1), ball.WITHIN),
        (arb(0), arb(0), ball.WITHIN),
        (arb(1, 2.0**-210), arb(1), ball.WITHIN),
        (arb(1, 2.0**-190), arb(1), ball.UNDECIDED),
        (arb(1, 2.0**-210), arb(2.0**-20), ball.REFUTED),
        (arb(0, 2.0**-300), arb(0), ball.UNDECIDED),  # perhaps 0, perhaps not
        (arb(0), arb(2.0**-1000), ball.REFUTED),  # absolutely near, and wrong
        (arb(2.0**-1000, 2.0**-1070), arb(2.0**-1000), ball.UNDECIDED),
        (arb(1, 2), arb(1), ball.UNDECIDED),
        (arb("nan"), arb(1), ball.UNDECIDED),
        (arb("inf"), arb(1), ball.UNDECIDED),
    ],
)  # fmt: skip
def test_what_is_proved(claimed, truth, proof):
    assert ball.Enclosure(claimed, truth, 256).proof == proof


def test_a_difference_below_the_target_is_still_a_difference():
    with ball.working(256):
        claimed = 1 + arb(2) ** -220
    assert ball.Enclosure(claimed, arb(1), 256).proof == ball.REFUTED


def test_bits_are_added_until_the_enclosure_is_narrow_enough():
    """(1 + x) - 1 at x = 2^-700/3 keeps 200 bits of x from 901 bits on."""

    def evaluate():
        x = arb(2) ** -700 / 3
        return (1 + x) - 1, x

    found = ball.enclose(evaluate)
    assert (found.proof, found.precision) == (ball.WITHIN, 1024)
    wrong = ball.enclose(lambda: (evaluate()[0] * (1 + arb(2) ** -150), evaluate()[1]))
    assert (wrong.proof, wrong.precision) == (ball.REFUTED, 1024)


def test_an_entry_that_no_precision_decides_stays_open():
    found = ball.enclose(lambda: (arb(1, 1), arb(1)))
    assert (found.proof, found.precision) == (ball.UNDECIDED, ball.LAST_PRECISION)


def test_the_precision_of_others_is_left_alone():
    before = ctx.prec, ctx.cap
    with ball.working(777):
        assert (ctx.prec, ctx.cap) == (777, 2)
    assert (ctx.prec, ctx.cap) == before
    with pytest.raises(ZeroDivisionError), ball.working(777):
        raise ZeroDivisionError
    assert (ctx.prec, ctx.cap) == before


# --- Numbers for people ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (arb(1), (0, 0)),
        (arb(3), (1, 2)),
        (arb(0), (None, None)),
        (arb(3, 1), (1, 2)),
        (arb(0, 0.25), (None, -2)),
        (arb("inf"), (None, None)),
        (arb(2.0**-1074), (-1074, -1074)),
    ],
)
def test_powers_of_two_lie_outside(value, expected):
    low, high = ball.log2_bounds(value)
    # Of an inexact ball the ends are rounded outwards: one more is allowed.
    assert (low is None) == (expected[0] is None)
    assert (high is None) == (expected[1] is None)
    assert low is None or expected[0] - (not value.is_exact()) <= low <= expected[0]
    assert high is None or expected[1] <= high <= expected[1] + (not value.is_exact())


@pytest.mark.parametrize("value", [0.1, 2 / 3, 1e300, 5e-324, 12345678901.5])
def test_at_least_is_never_above(value):
    with localcontext(reference.DIGITS):
        told = Decimal(ball.at_least(arb(value)))
        assert told <= Decimal(value)
        assert told > Decimal(value) * (1 - Decimal("1e-9"))  # ten digits, rounded down


def test_at_least_of_what_no_float_can_hold():
    with ball.working(256):
        tiny = arb(2) ** -10000
    assert ball.at_least(tiny) == "5.012372749E-3011"
    assert Decimal(ball.at_least(arb(0, 1))) == 0


def test_a_limit_is_decided_or_not():
    assert ball.decided(arb(-1), 1.0) == "yes"
    assert ball.decided(arb(-1, 2.0**-60), 0.5) == "no"
    assert ball.decided(arb(1, 2.0**-60), 1.0) == "undecided"
    assert ball.decided(arb("nan"), 1.0) == "undecided"
