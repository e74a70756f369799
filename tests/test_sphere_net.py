"""Covering radii by other means, and what a net's certificate admits and rejects."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lstm_gpu.sphere import net
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import claimed_rows, unit
from lstm_gpu.weights import Case, draw


def nearest(points, directions):
    """Angle from each direction to the nearest point."""
    chord = np.array([np.sqrt(((points - d) ** 2).sum(axis=1)).min() for d in directions])
    return 2 * np.arcsin(chord / 2)


def test_the_circle():
    grid = net.circle(7)
    assert grid.radius == math.pi / 7
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, 2000)
    gaps = nearest(grid.points, np.stack([np.cos(phase), np.sin(phase)], axis=1))
    # Every coordinate is off by 2u at most, so each end of a chord by 3u, the chord by 6u and, with
    # the rounding of its square, the angle by 10u.
    assert 0.95 * grid.radius < gaps.max() <= grid.radius + 10 * 2.0**-53


def test_the_radius_of_an_octahedron():
    points = np.concatenate([np.eye(3), -np.eye(3)])
    # acos, whose slope there is -1.22, of a distance that is taken too small by the slack.
    too_large = net.covering_radius(points) - math.acos(1 / math.sqrt(3))
    assert 0 <= too_large <= 2 * net._HULL_SLACK


@pytest.mark.parametrize("count", [20, 200, 4096])
def test_the_fibonacci_lattice_leaves_no_larger_gap(count):
    lattice = net.fibonacci(count)
    # In unit roundoffs: 1 - height² two, the root's and a product's twice, cos and sin within an
    # ulp, squared, four; a square one and two sums two: below 16.
    assert np.abs((lattice.points**2).sum(axis=1) - 1).max() < 16 * 2.0**-53
    directions = unit(np.random.default_rng(1).normal(size=(3000, 3)), np)[0]
    gaps = nearest(lattice.points, directions)
    assert 0.5 * lattice.radius < gaps.max() <= lattice.radius
    # a cap of that radius around each point: together at least the sphere
    assert count * (1 - math.cos(lattice.radius)) / 2 >= 1


def test_half_an_empty_sphere_has_no_covering_radius():
    points = net.fibonacci(400).points
    with pytest.raises(ValueError, match="half sphere empty"):
        net.covering_radius(points[points[:, 2] > 0.1])


def test_a_hole_widens_the_radius():
    points = net.fibonacci(400).points
    assert net.covering_radius(points[points[:, 2] < 0.9]) > 3 * net.covering_radius(points)


def test_no_net_in_four_dimensions():
    assert net.net_of(4) is None


def gate_of(size, dtype, scale=1.0):
    sets = draw(Case(size, 2, dtype, "normal_gain_1", "generic"), 0, 0, 300)
    return Gate.of(replace(sets, U=(sets.U * scale).astype(dtype)))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_certificate_holds_for_the_norm_and_for_no_other(size, dtype, scale):
    gate = gate_of(size, dtype, scale)
    norm = claimed_rows(gate.U[:, 0], np).norm
    found = net.net_of(size)
    proof = net.certify(gate, found, norm, np)
    assert (proof.low <= norm).all()
    assert (norm <= proof.high).all()
    # inflated or deflated by a little more than the net and rounding leave open
    width = 1 / math.cos(found.radius) ** 2 * (1 + 64 * float(np.finfo(dtype).eps))
    assert (norm * width > proof.high).all()
    assert (norm / width < proof.low).all()


def test_on_a_line_the_net_is_everything():
    found = net.net_of(1)
    assert found.radius == 0
    assert found.points.tolist() == [[1.0], [-1.0]]
