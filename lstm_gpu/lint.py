"""What the drawn inputs hide: weight sets on which a wrong formula is the right one.

Constant weights make a transposed matrix the matrix; a zero state makes every factor of its path
right. A check on such inputs is no evidence about those slips, so it says so before it judges.
What a finding hides is not listed here but found: the mutants that equal the truth, to rounding,
on every weight set that has it. Weight sets have several reasons for that at once, so a mutant is
put down to a finding only where that finding alone could be the reason (`EXPLAINS`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lstm_gpu import bounds, cell
from lstm_gpu.backend import namespace_of, to_host
from lstm_gpu.derivatives import sigmoid_derivative
from lstm_gpu.sphere.rounding import tree_sum
from lstm_gpu.tally import Comparison

Array = Any


def _gates(array: Array) -> Array:
    """(sets, 4, …) reduced to (sets,): whether it holds for any gate."""
    return array.reshape(array.shape[0], -1).any(axis=1)


def constant_weights(sets: Any, step: cell.Step) -> Array:
    """All entries of some U_g are equal."""
    U = sets.U
    return _gates((U[:, :, :1, :1] == U).all(axis=(2, 3))) & (U.shape[-1] > 1)


def repeated_rows(sets: Any, step: cell.Step) -> Array:
    """Some U_g has two equal rows, zero rows included.

    Equal rows have equal sums under any weighting; that other rows do, too, to the last bit, is
    no more likely than two equal draws of a float.
    """
    xp = namespace_of(sets.U)
    weighting = xp.sqrt(2.0 + xp.arange(sets.U.shape[-1])).astype(sets.U.dtype)
    sums = xp.sort(tree_sum(sets.U * weighting), axis=2)
    return _gates((sums[:, :, 1:] == sums[:, :, :-1]).any(axis=2))


def symmetric_weights(sets: Any, step: cell.Step) -> Array:
    """Some U_g equals its transpose."""
    transposed = namespace_of(sets.U).swapaxes(sets.U, 2, 3)
    return _gates((transposed == sets.U).all(axis=(2, 3))) & (sets.U.shape[-1] > 1)


def equal_gates(sets: Any, step: cell.Step) -> Array:
    """Two gates have the same U."""
    gates = range(len(cell.GATES))
    same = [(sets.U[:, a] == sets.U[:, b]).all(axis=(1, 2)) for a in gates for b in gates if a < b]
    return sum(same) > 0


def zero_hidden_state(sets: Any, step: cell.Step) -> Array:
    """h_{t-1} = 0."""
    return (sets.h_prev == 0).all(axis=1)


def zero_cell_state(sets: Any, step: cell.Step) -> Array:
    """c_{t-1} = 0."""
    return (sets.c_prev == 0).all(axis=1)


def zero_input(sets: Any, step: cell.Step) -> Array:
    """x_t = 0."""
    return (sets.x == 0).all(axis=1)


def saturated_gates(sets: Any, step: cell.Step) -> Array:
    """Every sigma' of i, f and o is below the unit roundoff."""
    return saturation(step) == 1


def equal_sizes(sets: Any, step: cell.Step) -> Array:
    """m = n: W and U have one shape, so mixing them up raises no error."""
    return (sets.x[:, 0] == sets.x[:, 0]) & (sets.U.shape == sets.W.shape)


def single_unit(sets: Any, step: cell.Step) -> Array:
    """n = 1: there are no rows and columns to mix up."""
    return (sets.x[:, 0] == sets.x[:, 0]) & (sets.U.shape[-1] == 1)


def saturation(step: cell.Step) -> Array:
    """The share (sets,) of the entries of i, f and o whose sigma' is below the unit roundoff."""
    u = bounds.unit_roundoff(step.h.dtype)
    below = [sigmoid_derivative(gate) < u for gate in (step.i, step.f, step.o)]
    return sum(b.mean(axis=1) for b in below) / len(below)


FINDINGS: dict[str, Callable[[Any, cell.Step], Array]] = {
    finding.__name__: finding
    for finding in (
        constant_weights,
        repeated_rows,
        symmetric_weights,
        equal_gates,
        zero_hidden_state,
        zero_cell_state,
        zero_input,
        saturated_gates,
        equal_sizes,
        single_unit,
    )
}

# finding -> the mutants, claim/name, that it makes equal to the truth on weight sets that are plain
# in all else. A matrix equal to its transpose hides a transpose, not a wrong tanh'.
_OF_ONE_U = r"/(all_U|U_[ifuo])_transposed$"
# The forget gate's Jacobian vanishes, and in the others all paths but the candidate's. That one's
# own Jacobian, in the place of the forget gate's, does not.
_OF_I_F_O = (
    r"^forget_gate_jacobian/(?!gates_f_and_u_swapped)|/(no_[fio]_path|assignment_for_sum|U_[fio]_transposed"
    r"|U_i_and_U_f_swapped|.+_(in|activated)_[fio]|i_for_u_in_i_path|c_for_(previous|tanh)_c.*)$"
)
EXPLAINS: dict[str, re.Pattern[str]] = {
    "constant_weights": re.compile(_OF_ONE_U),
    "repeated_rows": re.compile(r"/(sign_of_first_row|first_row_zero|one_entry_off_by_.+)$"),
    "symmetric_weights": re.compile(_OF_ONE_U),
    "equal_gates": re.compile(r"/U_(._and_U_._swapped|._for_U_.|in_ONNX_order)$"),
    "zero_hidden_state": re.compile(r"/right_in_the_first_step_only$"),
    "zero_cell_state": re.compile(
        r"(hidden|tanh_cell)_jacobian/(no_f_path|U_f_transposed|.+_(in|activated)_f)$"
    ),
    "zero_input": re.compile(r"(?!)"),  # no Jacobian by h_{t-1} has x in it
    "saturated_gates": re.compile(_OF_I_F_O),
    "equal_sizes": re.compile(r"/W_for_U$"),
    "single_unit": re.compile(r"/(.+_transposed|column.+)$"),
}


@dataclass
class Found:
    """One finding over the weight sets of a case.

    sets : that have it; hidden : (claim, mutant) -> those of them on which it equals the truth
    """

    sets: int = 0
    hidden: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def hides(self) -> list[tuple[str, str]]:
        """The mutants that no weight set with this finding tells from the truth, for any reason."""
        return [key for key, count in sorted(self.hidden.items()) if 0 < count == self.sets]


@dataclass
class Lint:
    """The findings of a case, block after block; exact under merging.

    saturated, entries : gate entries whose sigma' is below the unit roundoff, and all of them
    """

    findings: dict[str, Found] = field(default_factory=dict)
    weight_sets: int = 0
    saturated: int = 0
    entries: int = 0
    _present: dict[str, Array] = field(default_factory=dict, repr=False)
    _seen: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def begin(self, sets: Any, step: cell.Step) -> None:
        """Look at a block's weight sets; comparisons of the block follow."""
        entries = 3 * step.h.shape[1]
        self.weight_sets += len(sets)
        self.entries += entries * len(sets)
        self.saturated += int(to_host((saturation(step) * entries).round().sum()))
        self._seen = set()
        self._present = {}
        for name, finding in FINDINGS.items():
            present = finding(sets, step)
            if bool(present.any()):
                self._present[name] = present
                self.findings.setdefault(name, Found()).sets += int(present.sum())

    def see(self, comparison: Comparison) -> None:
        """Count the weight sets on which a mutant equals the truth; once, not per reference."""
        key = comparison.claim, comparison.mutant
        if comparison.equivalent is None or key in self._seen:
            return
        self._seen.add(key)
        if not bool(comparison.equivalent.any()):
            return
        for name, present in self._present.items():
            count = int((comparison.equivalent & present).sum())
            if count:
                hidden = self.findings[name].hidden
                hidden[key] = hidden.get(key, 0) + count

    def merge(self, other: "Lint") -> None:
        """Add what another part of the weight sets showed."""
        for name in ("weight_sets", "saturated", "entries"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, theirs in other.findings.items():
            ours = self.findings.setdefault(name, Found())
            ours.sets += theirs.sets
            for key, count in theirs.hidden.items():
                ours.hidden[key] = ours.hidden.get(key, 0) + count

    def explained(self, finding: str) -> list[tuple[str, str]]:
        """Of the mutants that equal the truth on all sets with a finding, those it can explain."""
        pattern = EXPLAINS[finding]
        return [key for key in self.findings[finding].hides if pattern.search("/".join(key))]

    def to_dict(self) -> dict[str, Any]:
        return {
            "weight_sets": self.weight_sets,
            "saturated": self.saturated,
            "entries": self.entries,
            "findings": {
                name: {
                    "sets": found.sets,
                    "hidden": [[*key, count] for key, count in sorted(found.hidden.items())],
                }
                for name, found in sorted(self.findings.items())
            },
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Lint":
        findings = {
            name: Found(row["sets"], {(claim, mutant): n for claim, mutant, n in row["hidden"]})
            for name, row in content["findings"].items()
        }
        return cls(findings, content["weight_sets"], content["saturated"], content["entries"])
