"""Verdicts once what is no number and what is but rounding are counted in."""

import pytest

from lstm_gpu.checking import check
from lstm_gpu.formulas.cause import Suspects
from lstm_gpu.formulas.judgement import cause_of, weigh


@pytest.mark.parametrize(
    ("verdict", "counts", "said"),
    [
        ("supported", (8, 0, 0), ("supported", "")),
        ("refuted", (8, 3, 2), ("refuted", "")),
        ("supported", (8, 8, 0), ("refuted", "not finite where the derivative is at A")),
        ("inconclusive", (0, 0, 0), ("inconclusive", "")),  # nothing was decided
    ],
)
def test_what_is_said_of_counts(verdict, counts, said):
    assert weigh(verdict, "", *counts, lambda name: " at A") == said


def test_some_sets_without_a_number_or_by_rounding_are_inconclusive_for_both_reasons():
    verdict, reason = weigh("supported", "", 8, 3, 2, lambda name: f" at {name}")
    assert verdict == "inconclusive"
    first, second = reason.split("; ")
    assert first.startswith("NaN or infinity in 3 of 8 weight sets")
    assert first.endswith(" at not_finite")
    assert "above the bound in 2 of 8 weight sets by rounding alone" in second
    assert second.endswith(" at rounded")


def test_a_refuted_formula_always_gets_a_line():
    assert cause_of(Suspects(), 0).startswith("no match: the error is no larger than two right")
    assert cause_of(Suspects(), 4) == "no match: the values are not finite"


def test_a_supported_formula_gets_none(monkeypatch):
    monkeypatch.setattr(Suspects, "describe", lambda self: "one_minus_u: 1.00")

    def right(step):
        return (step.f * (1 - step.f))[:, :, None] * step.U.f

    plan = {"hidden_size": 2, "weight_sets": 2}
    assert check(right, "forget_gate_jacobian", **plan).likely_cause == ""
    wrong = check(lambda s: 2 * right(s), "forget_gate_jacobian", **plan)
    assert wrong.likely_cause == "one_minus_u: 1.00"
