"""A few weight sets on trial for D7 to D9, and what their trials share."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

from lstm_gpu import cell
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.claims.gate_mutants import ARGMAX_MUTANTS, GateSubject
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import Rows, claimed_rows, unit
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import Case, WeightSets
from lstm_gpu.weights.philox import uniforms

Array = Any
Key = tuple[str, str, str, str]  # claim, reading, mutant, reference

READINGS = ("zero_input", "any_input")  # of D7: the gate with x = 0, and with x and a bias


class Finding(NamedTuple):
    """A comparison, and the index of the sample behind each entry (None: no one sample)."""

    comparison: Comparison
    sample: Array | None = None


@dataclass(frozen=True)
class Part:
    """A few weight sets whose search shares its blocks.

    sets; indices: their numbers in the case; rows: what is claimed; zero (sets, n): rows of
    zeros, which have no argmax; gates: x = 0 without bias, and the set's x with bias b; accuracy:
    of the backend's sigma.
    """

    case: Case
    seed: int
    indices: range
    sets: WeightSets
    rows: Rows
    zero: Array
    b: Array
    gates: tuple[Gate, Gate]
    xp: Any
    accuracy: Accuracy = DOCUMENTED

    @property
    def U_f(self) -> Array:
        return self.sets.U[:, cell.FORGET]

    @property
    def subject(self) -> GateSubject:
        W_f = self.sets.W[:, cell.FORGET]
        return GateSubject(W_f, self.U_f, self.sets.x, self.b, self.rows, self.xp)

    @cached_property
    def wrong_directions(self) -> dict[str, Array]:
        """The mutants of the argmax that exist here, by name: (sets, n, n) each."""
        wrong = {mutant.name: mutant.formula(self.subject) for mutant in ARGMAX_MUTANTS}
        return {name: value for name, value in wrong.items() if value is not None}

    def finding(
        self, key: Key, claimed: Array, measured: Array, bound: Array,
        sample: Array | None = None, **more: Any,
    ) -> Finding:  # fmt: skip
        """Blank the rows that have no argmax: 0 claimed, 0 measured, bound 0."""
        kept = [self.xp.where(self.zero, 0, values) for values in (claimed, measured, bound)]
        return Finding(Comparison(*key, *kept, **more), sample)


def bias(case: Case, seed: int, indices: range, xp: Any) -> Array:
    """Bias b_f of the forget gate (sets, n), uniform on ±1: the document's cell has none."""
    r = uniforms(seed, case.name + "/bias", indices.start, indices.stop, case.hidden_size)
    return xp.asarray((2 * r - 1).astype(case.dtype))


def cut(sets: WeightSets, first: int, stop: int) -> WeightSets:
    values = {field.name: getattr(sets, field.name) for field in fields(sets)}
    return replace(sets, **{k: v[first:stop] for k, v in values.items() if v is not None})


def part_of(
    sets: WeightSets,
    case: Case,
    seed: int,
    indices: range,
    xp: Any,
    accuracy: Accuracy = DOCUMENTED,
) -> Part:
    rows = claimed_rows(sets.U[:, cell.FORGET], xp)
    b = bias(case, seed, indices, xp)
    gates = (Gate.of(sets), Gate.of(sets, sets.x, b))
    return Part(case, seed, indices, sets, rows, rows.norm == 0, b, gates, xp, accuracy)


def turn(part: Part, wrong: Array) -> Array:
    """Distance (sets, rows) of a wrong direction from the claimed one."""
    return unit(wrong - part.rows.direction, part.xp)[1]


def everywhere(part: Part, same: Array) -> Array:
    """Sets on whose rows (those that have an argmax) a mutant is no mutant."""
    return (same | part.zero).all(axis=1)


def worst_component(
    claimed: Array, measured: Array, bound: Array, xp: Any
) -> tuple[Array, Array, Array]:
    """Of two vectors (sets, rows, n), the component that differs most; and the bound.

    Among those where the difference, or the measured component itself, stands out of the
    bound: a component that is zero to rounding would be compared in vain.
    """
    limit = bound[..., None]
    gap = xp.abs(claimed - measured)
    telling = ~(gap <= limit) | (xp.abs(measured) > limit)
    at = xp.where(telling, gap, -1).argmax(axis=-1)[..., None]
    there = (xp.take_along_axis(v, at, axis=-1)[..., 0] for v in (claimed, measured))
    return *there, bound
