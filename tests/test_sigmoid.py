"""The proof of the sigma' forms: it accepts what is true and refutes, exactly, what is not."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.claims import sigmoid
from lstm_gpu.claims.sigmoid import HALF, POINTS, derivative, examine, prove, trials
from lstm_gpu.claims.sigmoid_exact import Dual, Interval, Logarithm, Rational, exp
from lstm_gpu.claims.sigmoid_mutants import MUTANTS
from lstm_gpu.errors import InputError
from lstm_gpu.sigmoid_forms import DOCUMENT_FORMS, REMEDIES, sigma_one_minus_sigma

ALL_FORMS = {**DOCUMENT_FORMS, **REMEDIES}
RATIONAL_MUTANTS = {m.name: m.form for m in MUTANTS if m.name != "of_activated_value"}
positive = st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6)
fractions = st.fractions(min_value=-50, max_value=50, max_denominator=1000)
units = st.fractions(min_value=-1, max_value=1, max_denominator=10**6)


def at(form, t):
    """The form at z = -ln t."""
    return form(Logarithm(t, -1), exp)


def test_the_four_forms_and_both_remedies_are_identical_to_the_derivative():
    proofs = prove(ALL_FORMS)
    assert [proof.form for proof in proofs] == list(ALL_FORMS)
    for proof in proofs:
        assert proof.identical
        assert proof.counterexample is None
        assert proof.points == 2 * HALF
        assert 2 <= proof.degree < HALF


def test_every_rational_mutant_is_refuted_by_an_exact_counterexample():
    for proof in prove(RATIONAL_MUTANTS):
        assert not proof.identical
        t = Fraction(proof.counterexample["t"])
        assert at(RATIONAL_MUTANTS[proof.form], t) == Fraction(proof.counterexample["claimed"])
        assert t / (1 + t) ** 2 == Fraction(proof.counterexample["measured"])
        assert proof.counterexample["claimed"] != proof.counterexample["measured"]


def test_agreement_at_many_points_is_not_taken_for_identity():
    def agrees_for_positive_z(z, exp):
        error = 1
        for point in POINTS[:HALF]:
            error = error * (exp(-z) - point)
        return sigma_one_minus_sigma(z, exp) + error

    def agrees_everywhere_tried(z, exp):
        error = 1
        for point in POINTS:
            error = error * (exp(-z) - point)
        return sigma_one_minus_sigma(z, exp) + error

    (proof,) = prove({"half": agrees_for_positive_z})
    assert not proof.identical
    assert proof.points == HALF
    with pytest.raises(ArithmeticError, match="degree bound"):
        prove({"trap": agrees_everywhere_tried})


def test_points_are_distinct_and_lie_on_both_sides():
    assert len(set(POINTS)) == 2 * HALF
    assert sum(t < 1 for t in POINTS) == sum(t > 1 for t in POINTS) == HALF


@given(positive)
def test_dual_derivative_is_the_quotient_rule_s(t):
    assert derivative(t) == t / (1 + t) ** 2


@given(positive)
def test_forms_agree_and_mutants_do_not_at_any_exponential(t):
    truth = derivative(t)
    for form in ALL_FORMS.values():
        assert at(form, t) == truth
    # Each mutant differs from sigma' by a rational function whose only positive zeros are these.
    zeros = {"exponent_sign": {1}, "same_quotient_twice": {1}}
    for name, form in RATIONAL_MUTANTS.items():
        assert (at(form, t) == truth) == (t in zeros.get(name, set()))


@given(fractions, fractions, fractions)
def test_rational_numbers_compute_like_fractions_and_bound_their_degree(a, b, t):
    x = Rational(t, 1, 0)
    polynomial = (x - a) * (x - b) ** 2 + 1 - x
    assert polynomial.value == (t - a) * (t - b) ** 2 + 1 - t
    assert (polynomial.numerator, polynomial.denominator) == (3, 0)
    if t not in (a, b):
        quotient = 2 - x / (x - a) + (x - b) ** -3
        assert quotient.value == 2 - t / (t - a) + (t - b) ** -3
        assert (quotient.numerator, quotient.denominator) == (4, 4)


@given(positive)
def test_absolute_value_of_a_logarithm_never_has_a_growing_exponential(t):
    for sign in (-1, 1):
        z = Logarithm(t, sign)
        assert exp(-abs(z)) == min(t, 1 / t)
        assert exp(z) * exp(-z) == 1


@given(fractions, fractions)
def test_dual_numbers_know_product_quotient_and_power(t, a):
    x = Dual(t, Fraction(1))
    assert (3 - a * x * x).derivative == -2 * a * t
    if t != 0:
        assert (a / x).derivative == -a / t**2
        assert ((x + 1) / 3).derivative == Fraction(1, 3)
        assert (x**-2).derivative == -2 / t**3
        assert (x / 2 + 1 / x).derivative == Fraction(1, 2) - 1 / t**2


@given(units)
def test_enclosure_of_the_exponential_holds_and_is_narrow(x):
    enclosure = exp(x)
    assert enclosure.high - enclosure.low < Fraction(1, 10**7)
    found = math.exp(x)
    ulp = Fraction(math.ulp(found))  # what the C library's is good to
    assert enclosure.low - ulp <= Fraction(found) <= enclosure.high + ulp


def test_enclosure_refuses_what_its_series_does_not_bracket():
    with pytest.raises(ValueError, match=r"\|z\| <= 1"):
        exp(Fraction(3, 2))
    with pytest.raises(ZeroDivisionError):
        Interval(Fraction(-1), Fraction(1)).inverse()


@given(units, units, units, units, units, units)
def test_intervals_enclose(a, b, c, d, p, q):
    left, right = Interval(min(a, b), max(a, b)), Interval(min(c, d), max(c, d))
    x, y = left.nearest(p), right.nearest(q)
    for enclosure, value in (
        (left + right, x + y),
        (left - right, x - y),
        (1 - left, 1 - x),
        (left * right, x * y),
        (1 / (left + 2), 1 / (x + 2)),
    ):
        assert enclosure.low <= value <= enclosure.high


def test_trials_have_zero_error_for_readings_and_a_refutation_for_each_mutant():
    comparisons = trials()
    assert [c.reading for c in comparisons if not c.mutant] == list(DOCUMENT_FORMS)
    assert {(c.reading, c.mutant) for c in comparisons if c.mutant} == {
        (m.reading, m.name) for m in MUTANTS
    }
    for comparison in comparisons:
        assert comparison.claim == "sigmoid_derivative"
        assert comparison.claimed.shape == comparison.measured.shape == (1, len(POINTS))
        assert comparison.claimed.dtype == np.float64
        assert not comparison.bound.any()
        errors = np.abs(comparison.claimed - comparison.measured)
        assert errors.any() == bool(comparison.mutant)


def test_every_reading_has_at_least_two_mutants_of_its_own():
    for reading in DOCUMENT_FORMS:
        assert sum(m.reading == reading for m in MUTANTS) >= 2
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)


def test_unequal_fractions_never_share_a_float():
    third = Fraction(1, 3)
    tiny = Fraction(1, 10**40)
    for claimed, sign in ((third + tiny, 1), (third - tiny, -1)):
        low, high = sigmoid._floats(claimed, third)
        assert (low - high) * sign > 0
    assert sigmoid._floats(third, third) == (float(third), float(third))


def test_examine_gives_the_fractions_of_a_trial():
    for comparison in trials():
        for point in (0, HALF, 2 * HALF - 1):
            part = examine(comparison.reading, comparison.mutant, point)
            assert Fraction(part["exponential"]) == POINTS[point]
            assert part["z"] == -math.log(POINTS[point])
            assert float(Fraction(part["measured"])) == comparison.measured[0, point]
            assert (Fraction(part["error"]) == 0) == (
                comparison.claimed[0, point] == comparison.measured[0, point]
            )


def test_derivative_of_the_activated_value_is_refuted_by_an_enclosure():
    part = examine("sigma_one_minus_sigma", "of_activated_value", 0)
    low, high = map(Fraction, part["claimed"].strip("[]").split(","))
    assert low > Fraction(19, 100) > Fraction(part["measured"])
    assert Fraction(part["error"]) == low - Fraction(part["measured"])
    assert high - low < Fraction(1, 10**7)


@pytest.mark.parametrize(
    ("reading", "mutant", "point", "field"),
    [
        ("sigma", "", 0, "reading"),
        ("sigma_one_minus_sigma", "missing_square", 0, "mutant"),
        ("sigma_one_minus_sigma", "", 2 * HALF, "point"),
        ("sigma_one_minus_sigma", "", -1, "point"),
    ],
)
def test_examine_names_the_wrong_field(reading, mutant, point, field):
    with pytest.raises(InputError, match=f"`{field}`"):
        examine(reading, mutant, point)
