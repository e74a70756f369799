"""Verdicts once what is no number and what is but rounding are counted in."""

import pytest

from lstm_gpu.checking import check
from lstm_gpu.formulas.cause import Suspects
from lstm_gpu.formulas.judgement import Marked, cause_of, weigh
from lstm_gpu.weights import Case

CASE = Case(2, 3, "float64", "sparse", "generic")


def marks(sets, index):
    return Marked(sets, CASE if sets else None, index, (0, 1))


@pytest.mark.parametrize(
    ("verdict", "counts", "said"),
    [
        ("supported", (8, 0, 0, 0), ("supported", "")),
        ("refuted", (8, 3, 2, 1), ("refuted", "")),
        (
            "supported",
            (8, 8, 0, 0),
            (
                "refuted",
                "not finite where the derivative is (first at entry [0, 1] of weight set 5 (seed "
                "9, n = 2, m = 3, float64, sparse, generic))",
            ),
        ),
        ("inconclusive", (0, 0, 0, 0), ("inconclusive", "")),  # nothing was decided
    ],
)
def test_what_is_said_of_counts(verdict, counts, said):
    decided, *sets = counts
    assert weigh(verdict, "", decided, *(marks(n, 5) for n in sets), seed=9) == said


def test_some_sets_without_a_number_by_rounding_or_out_of_range_are_inconclusive_for_all_reasons():
    verdict, reason = weigh("supported", "", 8, marks(3, 5), marks(2, 6), marks(1, 7), seed=9)
    assert verdict == "inconclusive"
    first, second, third = reason.split("; ")
    assert first.startswith("NaN or infinity in 3 of 8 weight sets")
    assert "(first at entry [0, 1] of weight set 5 (seed 9" in first
    assert "above the bound in 2 of 8 weight sets by rounding alone" in second
    assert "(first at entry [0, 1] of weight set 6 (seed 9" in second
    assert third.startswith("wrong in 1 of 8 weight sets, and right there in extended precision")
    assert "a number overflows or underflows" in third
    assert "(first at entry [0, 1] of weight set 7 (seed 9" in third


def test_merged_marks_keep_the_first():
    other = Case(3, 3, "float64", "sparse", "generic")
    merged = Marked()
    for later in (marks(0, 1), marks(2, 5), Marked(1, other, 0, (1, 1))):
        merged.merge(later)
    assert merged == Marked(3, CASE, 5, (0, 1))


def test_a_refuted_formula_always_gets_a_line():
    assert cause_of(Suspects(), marks(0, 0)).startswith("no match: the error is no larger than two")
    assert cause_of(Suspects(), marks(4, 0)) == "no match: the values are not finite"


def test_a_supported_formula_gets_none(monkeypatch):
    monkeypatch.setattr(Suspects, "describe", lambda self: "one_minus_u: 1.00")

    def right(step):
        return (step.f * (1 - step.f))[:, :, None] * step.U.f

    plan = {"hidden_size": 2, "weight_sets": 2}
    assert check(right, "forget_gate_jacobian", **plan).likely_cause == ""
    wrong = check(lambda s: 2 * right(s), "forget_gate_jacobian", **plan)
    assert wrong.likely_cause == "one_minus_u: 1.00"
