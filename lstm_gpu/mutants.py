"""Wrong formulas that people really wrote, put through the same comparisons as the claims.

A mutant that passes shows what the check could not have caught. Each entry names the slip, the
claim that it is a slip of, its family and where it was seen (project#issue, or "synthetic").
Facts about the slips only; no code is taken from those projects. Those of the sphere's claims and
of sigma' stand beside their claims (`claims.gate_mutants`, `claims.sigmoid_mutants`).
"""

from lstm_gpu.claims.factor_mutants import (
    FORGET_MUTANTS,
    PRODUCT_RULE_MUTANTS,
    TANH_CELL_MUTANTS,
)
from lstm_gpu.claims.hidden_mutants import HIDDEN_MUTANTS
from lstm_gpu.claims.mutation import Mutant, Subject

__all__ = ["JACOBIAN_MUTANTS", "Mutant", "Subject"]

JACOBIAN_MUTANTS: tuple[Mutant, ...] = (
    *HIDDEN_MUTANTS,
    *TANH_CELL_MUTANTS,
    *PRODUCT_RULE_MUTANTS,
    *FORGET_MUTANTS,
)
