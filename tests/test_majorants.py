"""The majorants: never exceeded by a derivative in exact decimals, and not by far too large."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn

from lstm_gpu import bounds
from lstm_gpu.majorants import (
    Majorant,
    line,
    sigmoid_sup_norms,
    tanh_sup_norms,
    unit_majorants,
)

ORDER = 5


@pytest.mark.parametrize(
    ("function", "norms", "first"),
    [
        (reference.sigma, sigmoid_sup_norms, (1, 1 / 4, 1 / (6 * math.sqrt(3)), 1 / 8)),
        (reference.tanh, tanh_sup_norms, (1, 1, 4 / (3 * math.sqrt(3)), 2)),
    ],
)
def test_sup_norms_are_reached_and_never_exceeded(function, norms, first):
    beyond = norms(ORDER + 2)
    norms = norms(ORDER)
    # A polynomial of degree 4 at most, whose terms are below 5 together where it is largest, by
    # Horner's rule; for tanh times 2^(r+1). A root that is off by half the digits moves it by u.
    rounding = 5 * bounds.gamma(2 * 4 + 1, 2.0**-53)
    for r, (found, known) in enumerate(zip(norms, first, strict=False)):
        factor = 2 ** (r + 1) if function is reference.tanh else 1
        assert abs(found - known) <= factor * rounding, (r, found, known)
    largest = [0.0] * (ORDER + 1)
    with localcontext(reference.DIGITS):
        for k in range(-1200, 1201):  # every 1/100
            z = reference.Jet([Decimal(k) / 100, Decimal(1), *[Decimal(0)] * (ORDER - 1)])
            for r, a in enumerate(function(z).a):
                largest[r] = max(largest[r], float(abs(a)) * math.factorial(r))
    for r, (seen, norm) in enumerate(zip(largest, norms, strict=True)):
        assert seen <= norm * bounds.SLACK, (r, seen, norm)
        # Within 1/200 of a maximum Taylor's second term is all that is missing; sigma and tanh
        # have theirs at infinity, and at 12 they lack e^-12 at most.
        missing = beyond[r + 2] / 200**2 / 2 if r else math.exp(-12)
        assert seen * bounds.SLACK >= norm - missing, (r, seen, norm)


@pytest.mark.parametrize("case", cases(2, 3, "float64"), ids=lambda case: case.name)
def test_majorants_bound_every_derivative_along_every_unit_vector(case):
    sets = drawn(case, 1)
    with np.errstate(all="ignore"):
        majorants = unit_majorants(abs(sets.c_prev), ORDER)
    a = abs(sets.U[0]).max(axis=0)
    p = reference.inputs(sets)
    for name, majorant in majorants.items():
        truth = reference.derivatives(p, name, ORDER)
        for r in range(1, ORDER + 1):
            limit = np.broadcast_to(majorant.orders[r], (1, 2))[0][:, None] * a**r
            seen = abs(reference.array(truth[r]))
            assert (seen <= limit * bounds.SLACK).all(), (name, r, (seen / limit).max())


def test_majorants_are_not_vacuous():
    """At z = ±1.3 or 0, with no input, some derivative comes within a factor 100 of its bound."""
    for order in range(1, ORDER):
        closest = 0.0
        for c, h in product((-2.0, -1.0, 0.0, 1.0, 2.0), (-1.3, 0.0, 1.3)):
            p = reference.Inputs(
                W=[[[Decimal(0)]]] * 4, U=[[[Decimal(1)]]] * 4, x=[Decimal(0)],
                h=[Decimal(h)], c=[Decimal(c)],
            )  # fmt: skip
            truth = abs(float(reference.derivatives(p, "h", order)[order][0][0]))
            limit = unit_majorants(np.array([[abs(c)]]), order)["h"].orders[order][0, 0]
            closest = max(closest, truth / limit)
        assert closest > 0.01, (order, closest)


def test_products_and_compositions_have_the_coefficients_of_leibniz_and_faa_di_bruno():
    """e^s at 0 has all derivatives 1: its square 2^r, e^(e^s - 1) the Bell numbers."""
    exponential = Majorant((1.0,) * 6)
    assert (exponential * exponential).orders == (1, 2, 4, 8, 16, 32)
    assert (exponential + exponential).orders == (2,) * 6
    assert exponential.through((1.0,) * 6).orders == (1, 1, 2, 5, 15, 52)
    # sin and cos are bounded by 1 and f = 3 s by its slope: |sin(3 s)^(r)| <= 3^r.
    assert line(4, 3.0).through((1.0,) * 5).orders == (1, 3, 9, 27, 81)


def test_the_second_majorant_bounds_what_a_shift_of_the_preactivations_does():
    """Central differences are taken at z^, the truth is at z: J moves by at most a K_2 |dz|."""
    rng = np.random.default_rng(5)
    largest = 0.0
    for case in (GENERIC, replace(GENERIC, regime="large_cell", distribution="heavy_tailed")):
        sets = drawn(case, 1)
        p, a = reference.inputs(sets), abs(sets.U[0]).max(axis=0)
        k2 = unit_majorants(abs(sets.c_prev), 2)["h"].orders[2][0]
        for _ in range(20):
            shift = 1e-6 * rng.choice([-1, 1], (4, 3))
            with localcontext(reference.DIGITS):
                z = reference.preactivations(p)
                moved = [
                    [v + Decimal(d) for v, d in zip(*r, strict=True)]
                    for r in zip(z, shift, strict=True)
                ]
                here, there = (_jacobian(at, p) for at in (z, moved))
                change = [
                    [abs(u - v) for u, v in zip(*r, strict=True)]
                    for r in zip(here, there, strict=True)
                ]
            ratio = reference.array(change) / (a * k2[:, None] * 1e-6)
            largest = max(largest, ratio.max())
    assert 1e-3 < largest <= 1, largest


def _jacobian(z, p):
    n = len(p.h)
    columns = []
    for j in range(n):
        jets = [
            [reference.Jet([v, p.U[g][k][j]]) for k, v in enumerate(row)] for g, row in enumerate(z)
        ]
        columns.append(reference.activate(jets, p.c)["h"])
    return [[columns[j][k].a[1] for j in range(n)] for k in range(n)]
