"""Claim D5, sigma' in four forms: proved in exact arithmetic, with no tolerance anywhere.

With t = e^{-z}, so dt/dz = -t, each form is a rational function of t. The derivative of
sigma = 1 / (1 + t) by dual numbers over fractions is exact and knows none of the forms. Bring the
difference of the two over one denominator: a numerator of degree at most d that vanishes at more
than d points is the zero polynomial, and the form is *identical* to sigma'. One point where it
does not vanish refutes the form, and that point is the counterexample. How the forms fare in
floating point is another question: ``lstm_gpu.claims.sigmoid_survey``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.claims.sigmoid_exact import Dual, Interval, Logarithm, Rational, exp
from lstm_gpu.claims.sigmoid_mutants import CLAIM, MUTANTS
from lstm_gpu.errors import InputError
from lstm_gpu.sigmoid_forms import DOCUMENT_FORMS, Form, sigma
from lstm_gpu.tally import Comparison

REFERENCE = "exact"
HALF = 32
POINTS = tuple(Fraction(j, 2 * HALF + 1 - j) for j in range(1, 2 * HALF + 1))
"""The points t, ascending: the first half below 1 (z > 0), the second above (z < 0); with each t
its reciprocal, which is -z, is a point too."""


class Proof(NamedTuple):
    """What exact arithmetic says of one form.

    ``points`` agree of the ``POINTS`` tried; ``degree`` bounds the degree of the numerator of form
    minus derivative; ``counterexample`` is None or the first point that differs, with the exact
    fractions as strings.
    """

    form: str
    identical: bool
    points: int
    degree: int
    argument: str
    counterexample: dict[str, str] | None


def derivative(t: Any) -> Any:
    """sigma'(z) at z = -ln t, exactly: the derivative part of sigma at the dual number (t, -t)."""
    return sigma(Logarithm(Dual(t, -t), -1), exp).derivative


def prove(forms: Mapping[str, Form] = DOCUMENT_FORMS) -> list[Proof]:
    """Decide for each form, for good, whether it is identical to sigma'.

    The forms must be rational in e^z; they may use |z|, which is why z > 0 and z < 0 are argued
    separately (each side has ``HALF`` points; z = 0 follows by continuity).

    Raises
    ------
    ArithmeticError
        When the degree bound of a form calls for more points than there are: not provable here.
    """
    return [_proof(name, form) for name, form in forms.items()]


def _proof(name: str, form: Form) -> Proof:
    degree, agreeing, counterexample = 0, 0, None
    for point in POINTS:
        t = Rational(point, 1, 0)
        claimed, measured = form(Logarithm(t, -1), exp), derivative(t)
        difference = claimed - measured
        degree = max(degree, difference.numerator)
        if difference.value == 0:
            agreeing += 1
        elif counterexample is None:
            counterexample = {
                "t": str(point),
                "claimed": str(claimed.value),
                "measured": str(measured.value),
            }
    if counterexample is not None:
        at = counterexample["t"]
        argument = f"refuted: at e^(-z) = {at} the two exact fractions differ"
    elif degree >= HALF:
        raise ArithmeticError(
            f"`{name}` has degree bound {degree}, which {HALF} points on a side cannot settle"
        )
    else:
        argument = (
            f"identical: the difference has a numerator of degree at most {degree} in e^(-z), and "
            f"vanishes at {HALF} points with z > 0 and at {HALF} with z < 0"
        )
    return Proof(name, counterexample is None, agreeing, degree, argument, counterexample)


def trials() -> list[Comparison]:
    """The readings and their mutants as comparisons of shape (1, points), with bound 0.

    An error of 0 stands for equal fractions; unequal fractions never share a float (`_floats`).
    """
    entries = [(reading, "", form) for reading, form in DOCUMENT_FORMS.items()]
    entries += [(mutant.reading, mutant.name, mutant.form) for mutant in MUTANTS]
    comparisons = []
    for reading, mutant, form in entries:
        pairs = np.array([_floats(*_values(form, t)) for t in POINTS])
        claimed, measured = pairs.T[:, np.newaxis, :]
        comparisons.append(
            Comparison(
                claim=CLAIM,
                reading=reading,
                mutant=mutant,
                reference=REFERENCE,
                claimed=claimed,
                measured=measured,
                bound=np.zeros_like(claimed),
            )
        )
    return comparisons


def examine(reading: str, mutant: str, point: int) -> dict[str, Any]:
    """One comparison of ``trials`` in full, for a replay: fractions as strings, bound 0.

    ``claimed`` is "[a, b]" where the formula's value is not rational: an enclosure, whose point
    nearest to the derivative counts.

    Raises
    ------
    InputError
        For an unknown reading or mutant, or a point outside ``POINTS``.
    """
    if reading not in DOCUMENT_FORMS:
        known = ", ".join(DOCUMENT_FORMS)
        raise InputError(f"`reading` must be one of {known}, got {reading!r}.")
    forms = {m.name: m.form for m in MUTANTS if m.reading == reading}
    if mutant and mutant not in forms:
        known = ", ".join(forms)
        raise InputError(f"`mutant` of reading {reading} must be one of {known}, got {mutant!r}.")
    if not 0 <= point < len(POINTS):
        raise InputError(f"`point` must be from 0 to {len(POINTS) - 1}, got {point}.")
    t = POINTS[point]
    claimed, measured = _values(forms[mutant] if mutant else DOCUMENT_FORMS[reading], t)
    nearest = claimed.nearest(measured) if isinstance(claimed, Interval) else claimed
    enclosed = isinstance(claimed, Interval)
    return {
        "claim": CLAIM,
        "reading": reading,
        "mutant": mutant,
        "reference": REFERENCE,
        "point": point,
        "exponential": str(t),
        "z": -math.log(t),
        "claimed": f"[{claimed.low}, {claimed.high}]" if enclosed else str(claimed),
        "measured": str(measured),
        "error": str(abs(nearest - measured)),
        "bound": "0",
    }


def _values(form: Form, t: Fraction) -> tuple[Any, Fraction]:
    return form(Logarithm(t, -1), exp), derivative(t)


def _floats(claimed: Any, measured: Fraction) -> tuple[float, float]:
    """Both values as floats, kept apart by at least one float where the fractions differ."""
    if isinstance(claimed, Interval):
        claimed = claimed.nearest(measured)
    low, high = float(claimed), float(measured)
    if low == high and claimed != measured:
        low = math.nextafter(low, math.inf if claimed > measured else -math.inf)
    return low, high
