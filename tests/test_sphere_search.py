"""The identity on the sphere: its bound against exact arithmetic, and what it rejects."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_gpu.sphere import blocks, search, squares
from lstm_gpu.sphere.directions import uniform_directions
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import claimed_rows, unit
from lstm_gpu.weights import Case, WeightSets

DTYPES = ("float64", "float32")
SIZES = (1, 2, 3, 8, 64)
SCALES = (1e-30, 1e-20, 1.0, 1e20, 1e30)


def weight_sets(size, dtype, sets=3, inputs=4, scale=1.0, seed=0):
    rng = np.random.default_rng([seed, size])

    def array(*shape):
        return (scale * rng.normal(size=shape)).astype(dtype)

    n, m = size, inputs
    state = [rng.normal(size=(sets, k)).astype(dtype) for k in (m, n, n, n)]
    return WeightSets(array(sets, 4, n, m), array(sets, 4, n, n), *state)


def samples(size, dtype, sets=3, count=40):
    c = Case(size, 4, dtype, "pytorch_uniform", "generic")
    return uniform_directions(c, 0, range(sets), range(count))


def gates_of(sets):
    b = np.random.default_rng(9).normal(size=sets.h_prev.shape).astype(sets.U.dtype)
    return Gate.of(sets), Gate.of(sets, sets.x, b)


def run(gate, direction, norm, h):
    claim = search.claim_of(gate, direction, norm, unit(direction, np)[1], np)
    z = np.ascontiguousarray(np.swapaxes(gate(h), 1, 2))
    square = squares.by_products(h, direction, np)
    none = search.Worst.none(norm.shape, h.dtype, np)
    return search.compare(claim, z, square, 0, none, np)


def exact(values):
    return [Fraction(float(v)) for v in values]


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_bound_covers_the_forward_evaluation(size, dtype, scale):
    sets = weight_sets(size, dtype, scale=scale)
    h = samples(size, dtype, count=5)
    for gate in gates_of(sets):
        norm = claimed_rows(sets.U[:, 1], np).norm
        bound = gate.error(norm, 1 + 1e-6, np)
        z = gate(h)
        for s in range(3):
            x = exact(gate.x[s])
            for r in range(min(size, 4)):
                driven = dot(exact(gate.W[s, 0, r]), x)
                if gate.b is not None:
                    driven += Fraction(float(gate.b[s, 0, r]))
                for k in range(5):
                    wanted = driven + dot(exact(gate.U[s, 0, r]), exact(h[s, k]))
                    error = abs(Fraction(float(z[s, k, r])) - wanted)
                    assert error <= Fraction(float(bound[s, r]))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_identity_holds_within_its_bound_at_every_scale(size, dtype, scale):
    sets = weight_sets(size, dtype, scale=scale, sets=8)
    rows = claimed_rows(sets.U[:, 1], np)
    for gate in gates_of(sets):
        worst = run(gate, rows.direction, rows.norm, samples(size, dtype, sets=8))
        assert (worst.ratio <= 1).all()
        assert not worst.above.any()
        assert (worst.bound > 0).all()
    # and the bound is not slack: a thousandth of ‖w‖ is far outside
    tight, _ = search.tolerance(Gate.of(sets), rows.norm, 1.0, np, squares.products_error)
    assert (tight <= 1e-4 * rows.norm).all()


@settings(derandomize=True, max_examples=100, deadline=None)
@given(data=st.data(), size=st.integers(1, 6), dtype=st.sampled_from(DTYPES))
def test_the_identity_holds_for_whatever_weights(data, size, dtype):
    width = 64 if dtype == "float64" else 32
    number = st.floats(-(2.0**60), 2.0**60, width=width)
    entries = st.lists(number, min_size=2 * size**2 + 2 * size, max_size=2 * size**2 + 2 * size)
    values = np.array(data.draw(entries), dtype=dtype)
    W, U, x, b = np.split(values, np.cumsum([size**2, size**2, size]))
    zero = np.zeros((1, size), dtype=dtype)
    shape = (1, 1, size, size)
    U, W = U.reshape(shape), W.reshape(shape)
    rows = claimed_rows(U[:, 0], np)
    alive = rows.norm > 0
    for gate in (
        Gate(W, U, zero, None, silent=True),
        Gate(W, U, x[None], b[None, None], silent=False),
    ):
        worst = run(gate, rows.direction, rows.norm, samples(size, dtype, sets=1, count=20))
        assert (worst.ratio[alive] <= 1).all()
        assert not worst.above[alive].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_negated_direction_is_rejected(size, dtype):
    sets = weight_sets(size, dtype)
    rows = claimed_rows(sets.U[:, 1], np)
    for gate in gates_of(sets):
        worst = run(gate, -rows.direction, rows.norm, samples(size, dtype))
        assert (worst.ratio > 1).all()
        assert (worst.above > 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_another_row_is_rejected(size, dtype):
    sets = weight_sets(size, dtype)
    rows = claimed_rows(sets.U[:, 1], np)
    worst = run(Gate.of(sets), np.roll(rows.direction, 1, axis=1), rows.norm, samples(size, dtype))
    assert (worst.ratio > 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [1 + 1e-4, 1 - 1e-4])
def test_a_norm_off_by_a_ten_thousandth_is_rejected(size, dtype, factor):
    sets = weight_sets(size, dtype)
    rows = claimed_rows(sets.U[:, 1], np)
    wrong = (rows.norm * factor).astype(dtype)
    worst = run(Gate.of(sets), rows.direction, wrong, samples(size, dtype))
    assert (worst.ratio > 1).all()


def test_by_hand_on_the_circle():
    sets = weight_sets(2, "float64", sets=1)
    U = sets.U.copy()
    U[0, 1] = [[3.0, 4.0], [0.0, 0.0]]
    sets = WeightSets(sets.W, U, sets.x, sets.h_prev, sets.c_prev, sets.o_prev)
    rows = claimed_rows(U[:, 1], np)
    assert rows.norm.tolist() == [[5.0, 0.0]]
    assert rows.direction.tolist() == [[[0.6, 0.8], [0.0, 0.0]]]
    h = np.array([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]])
    worst = run(Gate.of(sets), rows.direction, rows.norm, h)
    # z(ŵ) = 5; z(h) = 3, 4, -3; so gaps of 2, 1, 8 = ½ · 5 · (0.8, 0.4, 3.2)
    assert np.abs(worst.measured[0, 0] - worst.claimed[0, 0]) <= worst.bound[0, 0]
    assert any(abs(worst.claimed[0, 0] - gap) <= worst.bound[0, 0] for gap in (2, 1, 8))
    best = search.keep_best(
        np.swapaxes(Gate.of(sets)(h), 1, 2), h, 10, search.Best.none((1, 2, 2), "float64", np), np
    )
    assert best.z.tolist() == [[4.0, 0.0]]
    assert best.sample.tolist() == [[11, 10]]  # the first of equals
    assert best.h.tolist() == [[[0.0, 1.0], [1.0, 0.0]]]
    assert best.lowest.tolist() == [[-3.0, 0.0]]


def test_the_running_maximum_does_not_depend_on_the_blocks():
    sets = weight_sets(8, "float64")
    gate = Gate.of(sets)
    rows = claimed_rows(sets.U[:, 1], np)
    h = samples(8, "float64", count=64)
    claim = search.claim_of(gate, rows.direction, rows.norm, 1.0, np)

    def streamed(step):
        worst = [search.Worst.none((3, 8), "float64", np)]
        best = [search.Best.none((3, 8, 8), "float64", np)]
        for first in range(0, 64, step):
            part = h[:, first : first + step]
            worst, best = search.search_block([gate], [claim], part, first, worst, best, np)
        return worst[0], best[0]

    (worst, best), (worst_at_once, best_at_once) = streamed(16), streamed(64)
    assert np.array_equal(best.sample, best_at_once.sample)
    assert np.array_equal(best.h, best_at_once.h)
    assert np.array_equal(best.h, h[np.arange(3)[:, None], best.sample])
    assert (worst.ratio <= 1).all()
    assert (worst_at_once.ratio <= 1).all()


def test_a_claim_without_a_number_is_kept_as_such():
    sets = weight_sets(3, "float64")
    rows = claimed_rows(sets.U[:, 1], np)
    with np.errstate(all="ignore"):
        worst = run(Gate.of(sets), rows.direction * np.nan, rows.norm, samples(3, "float64"))
    assert np.isnan(worst.ratio).all()


@pytest.mark.parametrize("size", [1, 3, 128, 1000, 10**5])
def test_blocks_cover_everything_once(size):
    parts = blocks.cut(10, 1000, size, blocks.ELEMENTS)
    assert [s for cut, _ in parts for s in cut] == list(range(10))
    for _, columns in parts:
        assert [k for c in columns for k in c] == list(range(1000))
    alone = blocks.cut(1, 1000, size, blocks.ELEMENTS)
    assert alone[0][1] == parts[0][1]  # a set is cut in the same way alone and in company
