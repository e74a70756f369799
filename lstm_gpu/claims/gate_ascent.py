"""D7 to D9 by ascent, by first-order optimality and by nets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lstm_gpu import cell
from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.claims.gate_mutants import IRRELEVANCE_MUTANTS, MAXIMUM_MUTANTS
from lstm_gpu.claims.gate_part import (
    READINGS,
    Finding,
    Key,
    Part,
    everywhere,
    worst_component,
)
from lstm_gpu.sphere import search
from lstm_gpu.sphere.ascent import angle_error, climb, gradient, gradient_error
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.net import certify, net_of
from lstm_gpu.sphere.rounding import (
    angle,
    gamma,
    norm_error,
    tree_depth,
    tree_sum,
    unit_error,
)

Array = Any


@dataclass
class Ascent:
    """Where the ascents of a part end, for the two gates.

    end (sets, rows, n); z (sets, rows) there; turned: angle to the claimed direction; turn_bound
    in radians; z_bound: bound on |z - the maximum of z|
    """

    end: Array
    z: Array
    turned: Array
    turn_bound: Array
    z_bound: Array


def ascend(part: Part, gate: Gate, best: search.Best) -> Ascent:
    xp = part.xp
    shape = best.h.shape
    end = climb(gate.rows(), best.h.reshape(-1, shape[-1]), xp).reshape(shape)
    norm = part.rows.norm
    turn = angle_error(gate, norm, xp)
    epsilon = unit_error(shape[-1], end.dtype)
    shortfall = epsilon + xp.minimum(turn * turn / 2, 2)  # 1 - cos a <= a²/2
    z_bound = gate.error(norm, 1 + epsilon, xp) + norm * shortfall
    turned = angle(end, part.rows.direction, xp)
    return Ascent(end, search.top_of(gate, end), turned, turn, z_bound)


def argmax_by_ascent(part: Part, ascents: list[Ascent]) -> Iterator[Finding]:
    xp = part.xp
    lengths = 2 * unit_error(part.case.hidden_size, part.U_f.dtype)
    for reading, a in zip(READINGS, ascents, strict=True):
        key = ("forget_gate_argmax", reading)
        bound = a.turn_bound + lengths
        values = worst_component(part.rows.direction, a.end, bound, xp)
        yield part.finding((*key, "", "ascent"), *values)
        for name, wrong in part.wrong_directions.items():
            yield _wrong_direction(part, (*key, name, "ascent"), wrong, a.end, bound)


def _wrong_direction(part: Part, key: Key, wrong: Array, end: Array, bound: Array) -> Finding:
    apart = part.xp.abs(wrong - part.rows.direction).max(axis=-1)
    same = everywhere(part, apart <= bound)
    values = worst_component(wrong, end, bound, part.xp)
    return part.finding(key, *values, equivalent=same)


def first_order(part: Part) -> Iterator[Finding]:
    """Optimality at the claimed direction d: the gradient g has no part but ‖w‖ d, λ = g·d >= 0.

    g is off by gradient_error, and so is λ d; d is off ŵ by ε; a dot product and two products.
    """
    xp = part.xp
    n, dtype = part.case.hidden_size, part.U_f.dtype
    d, norm = part.rows.direction, part.rows.norm
    epsilon = unit_error(n, dtype)
    rounding = 4 * epsilon + gamma(tree_depth(n) + 1, dtype) + 4 * unit_roundoff(dtype)
    for reading, gate in zip(READINGS, part.gates, strict=True):
        slopes = gradient(gate.rows(), d.reshape(-1, n), xp).reshape(d.shape)
        multiplier = xp.abs(tree_sum(slopes * d))[..., None]
        bound = 2 * (1 + epsilon) * gradient_error(gate, norm, xp) + rounding * norm
        values = worst_component(multiplier * d, slopes, bound, xp)
        yield part.finding(("forget_gate_argmax", reading, "", "gradient"), *values)


def maximum(part: Part, ascent: Ascent) -> Iterator[Finding]:
    """D8: three readings against the maximum that the ascent found, x = 0."""
    xp = part.xp
    n, dtype = part.case.hidden_size, part.U_f.dtype
    u = unit_roundoff(dtype)
    norm = part.rows.norm
    z_bound = ascent.z_bound + norm_error(n, dtype) * norm * (1 + 8 * u)
    f = cell.sigmoid(ascent.z)
    # sigma' <= 1/4; sigma is evaluated once for the claim and once for the measurement
    f_bound = z_bound / 4 + 2 * part.accuracy.sigmoid_units * u
    readings = {
        "gate_equals_norm": (norm, f, f_bound + norm_error(n, dtype) * norm),
        "preactivation_equals_norm": (norm, ascent.z, z_bound),
        "gate_equals_sigmoid_of_norm": (cell.sigmoid(norm), f, f_bound),
    }
    for reading, values in readings.items():
        yield part.finding(("forget_gate_maximum", reading, "", "ascent"), *values)
    for mutant in MAXIMUM_MUTANTS:
        reading = mutant.readings[0]
        claimed, measured, bound = readings[reading]
        wrong = mutant.formula(part.subject)
        same = everywhere(part, xp.abs(wrong - claimed) <= bound)
        key = ("forget_gate_maximum", reading, mutant.name, "ascent")
        yield part.finding(key, wrong, measured, bound, equivalent=same)


def by_net(part: Part) -> tuple[list[Finding], bool | None]:
    """D8 by the net: its best point is the maximum, but for what fits between its points.

    And whether the norm of every row is proved to lie where the net says.
    """
    xp = part.xp
    norm = part.rows.norm
    found = net_of(part.case.hidden_size)
    if found is None:
        return [], None
    proof = certify(part.gates[0], found, norm, xp)
    n, dtype = part.case.hidden_size, part.U_f.dtype
    slack = (norm_error(n, dtype) + 4 * unit_roundoff(dtype)) * norm
    bound = xp.maximum(proof.high - proof.best, proof.best - proof.low) + slack
    key = ("forget_gate_maximum", "preactivation_equals_norm", "", "net")
    finding = part.finding(key, norm, proof.best, bound, compared=n * len(found.points))
    inside = (norm >= proof.low - slack) & (norm <= proof.high + slack)
    return [finding], bool((inside | part.zero).all())


def input_moves(part: Part, ascents: list[Ascent]) -> Iterator[Finding]:
    """D9 with x ≠ 0 and a bias: whether the argmax stays (it does), and the maximum (no)."""
    still, driven = ascents
    lengths = 2 * unit_error(part.case.hidden_size, part.U_f.dtype)
    key = ("input_irrelevance", "argmax_any_input")
    both = still.turn_bound + driven.turn_bound + lengths
    values = worst_component(still.end, driven.end, both, part.xp)
    yield part.finding((*key, "", "ascent"), *values)
    for mutant in IRRELEVANCE_MUTANTS:
        wrong = mutant.formula(part.subject)
        if wrong is not None:
            yield _wrong_direction(part, (*key, mutant.name, "ascent"), wrong, driven.end, both)
    key = ("input_irrelevance", "maximum_any_input")
    bound = still.z_bound + driven.z_bound
    yield part.finding((*key, "", "ascent"), still.z, driven.z, bound)
