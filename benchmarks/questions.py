"""What the checkers are asked: weight sets, the true Jacobians, and those of the mutants."""

from typing import Any, NamedTuple

import numpy as np

from lstm_gpu import bounds, cell, derivatives
from lstm_gpu.claims.block import Block
from lstm_gpu.mutants import JACOBIAN_MUTANTS, Mutant, Subject
from lstm_gpu.weights import Case, WeightSets

Array = Any

MUTANTS = tuple(m for m in JACOBIAN_MUTANTS if m.claim == "hidden_jacobian")


def case(n: int, dtype: str) -> Case:
    """PyTorch's default weights, generic states, m = n."""
    return Case(n, n, dtype, "pytorch_uniform", "generic")


class Questions(NamedTuple):
    """A block of weight sets, the true Jacobians, and the mutants' with where they are equal.

    wrong : name -> J (sets, n, n) in the sets' format, and equal (sets,) of bool
    """

    sets: WeightSets
    truth: Array
    wrong: dict[str, tuple[Array, Array]]


def questions(sets: WeightSets, asked: tuple[Mutant, ...] = MUTANTS) -> Questions:
    """The formulas' values on weight sets.

    Where a mutant equals the truth is decided in float64 for every format, to the rounding of
    both: an error that float32 hides is an error all the same.
    """
    wide = WeightSets(*(a.astype(np.float64) for a in vars(sets).values() if a is not None))
    rounding = 2 * bounds.entries(Block(wide).formula_errors("h"), wide.U)
    right, step, wide_step = _truth(wide), cell.step(sets), cell.step(wide)

    def ask(mutant: Mutant) -> tuple[Array, Array]:
        gap = np.abs(mutant.formula(Subject(wide, wide_step, {})) - right)
        own = mutant.formula(Subject(sets, step, {}))
        return own, (gap <= rounding).all(axis=(1, 2))

    return Questions(sets, _truth(sets), {mutant.name: ask(mutant) for mutant in asked})


def _truth(sets: WeightSets) -> Array:
    return derivatives.hidden_jacobian(cell.step(sets), sets.U, sets.c_prev)
