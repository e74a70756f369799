"""The quantities that a formula can claim to equal, each with its references and bounds.

A quantity is one of the Jacobians of a step. Its material for a block of weight sets: what the
references measured, how far a right formula may be from that, and the wrong formulas that people
write for it.

What a right formula may be off by
----------------------------------
How a reader evaluates a formula is not known, so its rounding cannot be traced. It is allowed
what the derivation's own formula needs (`bounds.formula_factors`) and besides `FREE_ROUNDINGS`
roundings of numbers as large as those that it is made of, in the coefficient of each U: 1 for a
gate, whose slope and value are not above 1, and 1 + |c_{t-1}| for what is made of c_t, which is not
above that (1 where c_{t-1} is what is differentiated by). So sigma as (1 + tanh(z/2))/2, sigma' as
sigma - sigma² and i u as c_t - f c_{t-1} are right, also where a gate saturates and they cancel.
The number 64 is an allowance, stated and not derived: it is what a check lets pass, and counts in
what it says it would have caught. What divides by a small number may round more; `extended` tells
that from a wrong formula.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu import bounds
from lstm_gpu.backend import namespace_of, to_host
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.derivatives import rows
from lstm_gpu.formulas.slips import CATALOGUES, TRUTHS
from lstm_gpu.formulas.view import StepView, view
from lstm_gpu.mutants import Subject
from lstm_gpu.references import by_cell
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import WeightSets

Array = Any

FREE_ROUNDINGS = 64


class Quantity(NamedTuple):
    """A Jacobian: its name, what it is, the rows' name in `bounds.PRODUCTS`, the columns' state."""

    name: str
    symbol: str
    of: str
    by: str


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("hidden_jacobian", "∂h_t/∂h_{t-1}", "h", "h"),
        Quantity("tanh_cell_jacobian", "∂tanh(c_t)/∂h_{t-1}", "tanh_c", "h"),
        Quantity("cell_jacobian", "∂c_t/∂h_{t-1}", "c", "h"),
        Quantity("input_gate_jacobian", "∂i_t/∂h_{t-1}", "i", "h"),
        Quantity("forget_gate_jacobian", "∂f_t/∂h_{t-1}", "f", "h"),
        Quantity("output_gate_jacobian", "∂o_t/∂h_{t-1}", "o", "h"),
        Quantity("candidate_jacobian", "∂u_t/∂h_{t-1}", "u", "h"),
        Quantity("hidden_by_cell_jacobian", "∂h_t/∂c_{t-1}", "h", "c"),
        Quantity("cell_by_cell_jacobian", "∂c_t/∂c_{t-1}", "c", "c"),
        Quantity("hidden_by_input_jacobian", "∂h_t/∂x_t", "h", "x"),
    )
}


class Measured(NamedTuple):
    """A reference's Jacobian, and the bound on its gap to a right formula; (sets, n, k)."""

    value: Array
    bound: Array


@dataclass(frozen=True)
class Material:
    """What the trial of a formula for one quantity needs of a block of weight sets."""

    quantity: Quantity
    sets: WeightSets

    @cached_property
    def block(self) -> Block:
        """The block differentiated by the quantity's columns.

        z = W x + U h is the same when (W, x) and (U, h) change places, so the Jacobian by x_t is
        the one by h_{t-1} of the exchanged weight sets.
        """
        sets = self.sets
        if self.quantity.by == "x":
            sets = replace(sets, W=sets.U, U=sets.W, x=sets.h_prev, h_prev=sets.x)
        return Block(sets, quantities=(self.quantity.of,))

    @cached_property
    def view(self) -> StepView:
        return view(self.sets, self.block.step)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Of the Jacobian: (sets, n, n), or (sets, n, m) by the input."""
        shape: tuple[int, int, int] = self.block.sets.U[:, 0].shape
        return shape

    @property
    def subject(self) -> Subject:
        """What the derivation's formula and the wrong ones see."""
        return Subject(self.block.sets, self.block.step, {})

    def _jacobian(self, value: Array) -> Array:
        """What a formula of `slips` gives, as a Jacobian: by c_{t-1} it is the diagonal."""
        return by_cell.diagonal(value, self.sets.U.dtype) if self.quantity.by == "c" else value

    @cached_property
    def truth(self) -> Array:
        """The derivation's formula."""
        return self._jacobian(TRUTHS[self.quantity.of, self.quantity.by](self.subject))

    @cached_property
    def allowance(self) -> dict[int, Array] | Array:
        """What a right formula's coefficients may be off by: per gate, or of the diagonal."""
        block, of = self.block, self.quantity.of
        u, factors = block.errors.u, block.formula_factors
        free = bounds.gamma(FREE_ROUNDINGS, u)

        if self.quantity.by == "c":
            return by_cell.diagonal_error(factors, of, u) + free
        if any("c" in names for names in bounds.PRODUCTS[of].values()):  # "c" is c_{t-1}
            free = free * (1 + factors["c"].size)
        return {gate: error + free for gate, error in block.formula_errors(of).items()}

    @cached_property
    def rounding(self) -> Array:
        """Bound on the gap between two right evaluations of the same formula, (sets, n, k)."""
        if isinstance(self.allowance, dict):
            return 2 * bounds.entries(self.allowance, self.block.sets.U)
        tiny = float(np.finfo(self.sets.U.dtype).tiny)  # beside the diagonal, where all is zero
        return 2 * by_cell.diagonal(self.allowance * bounds.SLACK, self.sets.U.dtype) + tiny

    @cached_property
    def own_rounding(self) -> Array:
        """The same for two of our own formulas, which start from the same gates and states."""
        return self.rounding if self.quantity.by == "c" else self.block.rounding(self.quantity.of)

    @cached_property
    def slip_rounding(self) -> Array:
        """Bound on the gap between two evaluations of the same slip, (sets, n, k).

        A slip may give a gate another's matrix, transpose it, or scale columns for rows: so the
        coefficients of all gates, of row k and of row j, meet the largest of the entries.
        """
        if not isinstance(self.allowance, dict):
            return self.rounding
        U = self.block.sets.U
        xp = namespace_of(U)
        total: Array = sum(self.allowance.values())
        size = rows((total * bounds.SLACK).astype(U.dtype))
        largest = xp.abs(U).max(axis=1)
        if U.shape[-1] == U.shape[-2]:
            size = size + xp.swapaxes(size, 1, 2)
            largest = xp.maximum(largest, xp.swapaxes(largest, 1, 2))
        return 2 * size * largest + float(np.finfo(U.dtype).tiny)

    @cached_property
    def references(self) -> dict[str, Measured]:
        """Each reference's Jacobian and bound."""
        return dict(self._measure())

    def _measure(self) -> Iterator[tuple[str, Measured]]:
        block, of = self.block, self.quantity.of
        if isinstance(self.allowance, dict):
            central = block.central.bound(of, sum(self.allowance.values()))
            whole = {"central": central, "complex_step": block.complex.bound(of, self.allowance)}
            for name in REFERENCES:
                yield name, Measured(block.measured(name, of), whole[name])
            return
        z, sets = block.step.z, self.sets
        own = self.rounding / 2
        found = by_cell.by_central_differences(sets, z, block.preactivation_error, of)
        yield "central", Measured(found.derivative, found.bound + own)
        found = by_cell.by_complex_step(sets, z, block.errors, of)
        yield "complex_step", Measured(found.derivative, found.bound + own)

    def compare(self, name: str, mutant: str, claimed: Array) -> Iterator[Comparison]:
        """A formula's values beside each reference."""
        for reference, (measured, bound) in self.references.items():
            key = (self.quantity.name, name, mutant, reference)
            yield Comparison(*key, claimed, measured, bound)

    def within(self, claimed: np.ndarray, margin: Any = 0.0) -> np.ndarray:
        """Sets (sets,) all of whose values, in any precision, are within every bound; host.

        margin : added to the bounds
        """
        inside = np.ones(len(claimed), bool)
        for measured, bound in self.references.values():
            gap = np.abs(claimed - to_host(measured))
            inside &= (gap <= to_host(bound) + margin).all(axis=(1, 2))
        return inside

    def plain(self, longer: WeightSets) -> tuple[np.ndarray, np.ndarray]:
        """Truth and rounding, (sets, n, k), on the same weight sets in another precision; host."""
        other = replace(self, sets=longer)
        return other.truth, other.rounding

    def mutants(self) -> Iterator[tuple[str, Array]]:
        """The catalogue's wrong formulas that can be written for these sizes: name and value."""
        for name, slip in CATALOGUES[self.quantity.of, self.quantity.by].items():
            wrong = slip(self.subject)
            if wrong is not None:  # W for U where m is not n
                yield name, self._jacobian(wrong)
