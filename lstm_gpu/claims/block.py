"""A block of weight sets with everything that the claims on Jacobians share, evaluated once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lstm_gpu import bounds, cell
from lstm_gpu.backend import namespace_of
from lstm_gpu.references import central, complex_step

Array = Any


@dataclass(frozen=True)
class Block:
    """Weight sets, their evaluated step, its error bounds and both references.

    Each part is computed when it is first asked for, and kept. `quantities` are those that the
    central differences can be asked for.
    """

    sets: Any
    quantities: tuple[str, ...] = central.QUANTITIES

    @cached_property
    def step(self) -> cell.Step:
        return cell.step(self.sets)

    @cached_property
    def preactivation_error(self) -> Array:
        """|fl(z) - z| (sets, 4, n), float64."""
        return bounds.preactivation_error(
            self.sets, namespace_of(self.sets.U).abs(self.sets.h_prev)
        )

    @cached_property
    def errors(self) -> bounds.StepErrors:
        return bounds.step_errors(self.step, self.sets.c_prev, self.preactivation_error)

    @cached_property
    def formula_factors(self) -> dict[str, bounds.Factor]:
        return bounds.formula_factors(self.errors)

    def formula_errors(self, quantity: str) -> dict[int, Array]:
        """Coefficient errors of the derivation's formula for a quantity, by gate (sets, n)."""
        return bounds.coefficient_errors(self.formula_factors, quantity, self.errors.u)

    def rounding(self, quantity: str) -> Array:
        """Bound (sets, n, n) on the gap of two formulas that are the same but for rounding."""
        factors = bounds.formula_factors(self.errors, same_values=True)
        errors = bounds.coefficient_errors(factors, quantity, self.errors.u)
        return 2 * bounds.entries(errors, self.sets.U)

    @cached_property
    def central(self) -> central.Differences:
        return central.differences(self.sets, self.step, self.preactivation_error, self.quantities)

    @cached_property
    def complex(self) -> complex_step.ComplexStep:
        return complex_step.differentiate(self.sets, self.errors)

    def measured(self, reference: str, quantity: str) -> Array:
        """The reference's Jacobian of a quantity, (sets, n, n)."""
        return getattr(self, _ATTRIBUTE[reference]).derivatives[quantity]

    def bound(self, reference: str, quantity: str, with_formula: bool = True) -> Array:
        """Bound (sets, n, n) on |formula - reference|, or on the reference's own error."""
        formula = self.formula_errors(quantity) if with_formula else None
        if reference == "complex_step":
            return self.complex.bound(quantity, formula)
        return self.central.bound(quantity, sum(formula.values()) if formula else 0.0)


_ATTRIBUTE = {"central": "central", "complex_step": "complex"}
REFERENCES = tuple(_ATTRIBUTE)
