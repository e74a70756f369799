"""The ascent: home from anywhere, within its bound, by forward evaluations alone."""

import math

import numpy as np
import pytest

from lstm_gpu.sphere.ascent import angle_error, climb, gradient, gradient_error
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import angle, claimed_rows, unit
from lstm_gpu.weights import Case, draw

DTYPES = ("float64", "float32")


def subject(size, dtype, driven, distribution="normal_gain_1", regime="generic"):
    sets = draw(Case(size, 3, dtype, distribution, regime), 1, 0, 4)
    b = np.random.default_rng(0).uniform(-1, 1, (4, size)).astype(dtype)
    gate = Gate.of(sets, sets.x, b) if driven else Gate.of(sets)
    return gate, claimed_rows(sets.U[:, 1], np)


def starts(rows, dtype):
    rng = np.random.default_rng(2)
    direction = rows.direction
    anywhere = unit(rng.normal(size=direction.shape), np)[0].astype(dtype)
    nearby = unit(direction + 1e-6 * rng.normal(size=direction.shape), np)[0].astype(dtype)
    return {
        "anywhere": anywhere,
        "at the claimed direction": direction,
        "opposite": -direction,
        "nearby": nearby,
        "nearly opposite": -nearby,
    }


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_the_gradient_is_the_row_within_its_bound(size, dtype, driven):
    gate, rows = subject(size, dtype, driven)
    for h in starts(rows, dtype).values():
        slopes = gradient(gate.rows(), h.reshape(-1, size), np).reshape(h.shape)
        error = np.sqrt(((slopes - gate.U[:, 0]).astype(np.float64) ** 2).sum(axis=-1))
        assert (error <= gradient_error(gate, rows.norm, np)).all()


@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_from_anywhere_one_round_leads_home(size, dtype, driven):
    gate, rows = subject(size, dtype, driven)
    bound = angle_error(gate, rows.norm, np)
    assert bound.dtype == np.dtype(dtype)
    assert (bound < (0.1 if dtype == "float32" else 1e-9)).all()
    for name, h in starts(rows, dtype).items():
        for rounds in (1, 2):
            end = climb(gate.rows(), h.reshape(-1, size), np, rounds).reshape(h.shape)
            assert (angle(end, rows.direction, np) <= bound).all(), (name, rounds)


def test_a_wrong_direction_is_not_where_the_ascent_ends():
    gate, rows = subject(8, "float64", driven=True)
    bound = angle_error(gate, rows.norm, np)
    end = climb(gate.rows(), starts(rows, "float64")["anywhere"].reshape(-1, 8), np)
    end = end.reshape(rows.direction.shape)
    assert (angle(end, -rows.direction, np) > bound).all()
    assert (angle(end, np.roll(rows.direction, 1, axis=1), np) > bound).all()
    tilted = rows.direction + 4 * bound[..., None] * np.roll(rows.direction, 1, axis=1)
    assert (angle(end, unit(tilted, np)[0], np) > bound).any()


def test_a_hopeless_case_has_a_bound_that_says_so():
    gate, _ = subject(3, "float32", driven=True)
    drowned = Gate(gate.W, gate.U * np.float32(1e-12), gate.x, gate.b, silent=False)
    norm = claimed_rows(drowned.U[:, 0], np).norm
    assert (angle_error(drowned, norm, np) >= np.float32(math.pi)).all()


def test_a_row_climbs_the_same_way_in_any_company():
    gate, rows = subject(8, "float64", driven=True)
    h = starts(rows, "float64")["anywhere"].reshape(-1, 8)
    whole = climb(gate.rows(), h, np)
    alone = climb(gate.rows().part(5, 6), h[5:6], np)
    assert np.array_equal(whole[5:6], alone)
