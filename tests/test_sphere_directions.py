"""Random directions: reproducible, of unit length, uniform; and caps at the angles asked for."""

import math
from fractions import Fraction

import numpy as np
import pytest

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere import directions, laws
from lstm_gpu.sphere.rounding import angle, gamma, tree_depth, unit
from lstm_gpu.weights import Case

SIZES = (1, 2, 3, 8, 64)
RISK = 1e-9  # of a false alarm, per statistical test


def case(size, dtype="float64", **changes):
    settings = {"distribution": "pytorch_uniform", "regime": "generic", **changes}
    return Case(size, settings.pop("input_size", 2), dtype, **settings)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
def test_a_sample_depends_on_seed_case_set_and_index_alone(size, dtype):
    c = case(size, dtype)
    whole = directions.uniform_directions(c, 3, range(4, 8), range(300))
    assert whole.dtype == np.dtype(dtype)
    assert whole.shape == (4, 300, size)
    part = directions.uniform_directions(c, 3, range(6, 7), range(257, 300))
    assert np.array_equal(part[0], whole[2, 257:])
    if size > 1:  # at n = 1 two samples are equal half of the time
        for other_case, seed, index in (
            (c, 4, 6),
            (c, 3, 7),
            (case(size, dtype, input_size=9), 3, 6),
        ):
            sets = range(index, index + 1)
            other = directions.uniform_directions(other_case, seed, sets, range(257, 300))
            assert not (other[0] == part[0]).all(axis=1).any()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", SIZES)
def test_lengths_are_within_the_bound(size, dtype):
    h = directions.uniform_directions(case(size, dtype), 0, range(2), range(100)).reshape(-1, size)
    limit = Fraction(directions.length_error(size, dtype))
    for vector in h:
        square = sum(Fraction(float(x)) ** 2 for x in vector)
        assert (1 - limit) ** 2 <= square <= (1 + limit) ** 2


def test_on_a_line_there_are_two_directions_and_both_occur():
    h = directions.uniform_directions(case(1), 0, range(1), range(1000))
    assert set(h.ravel().tolist()) == {1.0, -1.0}


def test_a_zero_vector_becomes_the_first_axis(monkeypatch):
    monkeypatch.setattr(directions, "standard_normal", np.zeros_like)
    h = directions.uniform_directions(case(3), 0, range(1), range(2))
    assert np.array_equal(h, [[[1, 0, 0], [1, 0, 0]]])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_the_cosine_with_any_axis_has_the_exact_law(size, dtype):
    h = directions.uniform_directions(case(size, dtype), 5, range(1), range(5000))[0]
    for axis in (np.eye(size)[0], np.ones(size) / math.sqrt(size)):
        law = np.exp(laws.cosine_log_law(1 - h.astype(np.float64) @ axis, size))
        assert laws.ks_distance(law) <= laws.ks_threshold(len(law), RISK)


def test_a_sampler_from_the_cube_is_not_uniform():
    cube = np.random.default_rng(0).uniform(-1, 1, (20000, 3))
    law = np.exp(laws.cosine_log_law(1 - unit(cube, np)[0][:, 0], 3))
    assert laws.ks_distance(law) > laws.ks_threshold(len(law), RISK)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cap_angles_climb_down_a_ladder_to_rounding(dtype):
    r = np.random.default_rng(0).random((50, 32))
    theta = directions.cap_angles(r, dtype)
    u = unit_roundoff(dtype)
    assert (theta <= math.pi / 2).all()
    # A power (√u/(π/2))^x, x <= 1: its logarithm is above -19 and x off by 2u, so 38u; the base,
    # the power and the product have some more, all together less than 64.
    assert (theta >= math.sqrt(u) * (1 - 64 * 2.0**-53)).all()
    assert (np.diff(np.log(theta), axis=1) < 0).all()  # one in each step, so in order
    assert theta.min() < math.sqrt(u) * 3
    assert directions.cap_angles(np.zeros(4), dtype)[0] == math.pi / 2


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_cap_points_lie_at_their_angles_all_around(size, dtype):
    c = case(size, dtype)
    theta, normals = directions.cap_draws(c, 1, range(3))
    U = np.random.default_rng(size).normal(size=(3, size, size)).astype(dtype)
    h = directions.caps(U, theta, normals, np)
    assert h.shape == (3, size, directions.CAP_SAMPLES, size)
    assert h.dtype == np.dtype(dtype)
    centre = unit(U.astype(np.float64), np)[0][:, :, None, :]
    turned = angle(h.astype(np.float64), np.broadcast_to(centre, h.shape), np)
    # One rounding of each entry moves the point by u at most. Before it, in float64: with d
    # additions to a sum, the centre's direction has d + 3 roundings, and the tangent, which is what
    # the normal has across it, three times those and three, of the normal's length. Then sin, cos,
    # the quotient by a length and the sum: d + 12; and the angle measured here, 2 d + 20.
    across = np.abs(np.sin(angle(unit(normals, np)[0][:, None], centre, np))).min()
    roundings = (3 * (tree_depth(size) + 3) + 3) / across + 3 * tree_depth(size) + 32
    off = np.abs(turned - theta[:, None, :]).max()
    assert off <= unit_roundoff(dtype) + gamma(roundings, np.float64)
    lengths = np.sqrt((h.astype(np.float64) ** 2).sum(-1))
    measuring = gamma(size + 2, np.float64)  # squares, their sum and the root
    assert np.abs(lengths - 1).max() <= directions.length_error(size, dtype) + measuring
    side = (h.astype(np.float64) @ np.random.default_rng(7).normal(size=size))[..., :8]
    assert (side > 0).any()
    assert (side < 0).any()


def test_caps_of_a_set_do_not_depend_on_its_company():
    c = case(8)
    theta, normals = directions.cap_draws(c, 1, range(5))
    U = np.random.default_rng(0).normal(size=(5, 8, 8))
    whole = directions.caps(U, theta, normals, np)
    angles, vectors = directions.cap_draws(c, 1, range(3, 4))
    assert np.array_equal(directions.caps(U[3:4, 2:5], angles, vectors, np)[0], whole[3, 2:5])


def test_a_zero_row_has_a_cap_of_unit_vectors():
    c = case(3)
    theta, normals = directions.cap_draws(c, 1, range(1))
    h = directions.caps(np.zeros((1, 3, 3)), theta, normals, np)
    limit = 2 * directions.length_error(3, np.float64) + gamma(4, np.float64)
    assert np.abs((h * h).sum(-1) - 1).max() <= limit
