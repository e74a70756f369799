"""Claim D1 by intervention, and the two rival conclusions that people draw instead.

The cell's structural equations are evaluated over two steps; then h_1 is *set* to another value
and everything is evaluated again. What the document says: c_1 keeps every bit, c_2 moves.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu import bounds, cell, derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.derivatives import rows
from lstm_gpu.mutants import Subject
from lstm_gpu.references.two_steps import hidden_over_two_steps
from lstm_gpu.tally import Comparison

Array = Any

CLAIM = "cell_state_independence"


class World(NamedTuple):
    """The states of a two-step recurrence: h_1, o_1, c_1 after one step, c_2 after two."""

    h1: Array
    o1: Array
    c1: Array
    c2: Array


def recurrence(sets: Any, set_h1: Array | None = None) -> World:
    """Evaluate both steps from (h_0, c_0); with `set_h1`, h_1 is set to it after step 1."""
    first = cell.step(sets)
    h1 = first.h if set_h1 is None else set_h1
    second = cell.step(sets, h=h1, c_prev=first.c)
    return World(h1, first.o, first.c, second.c)


# Programs that get D1 wrong: what they hold as c_1 after the intervention.
MUTANTS: dict[str, tuple[str, str]] = {
    "new_cell_state_constant": ("missing path", "ooples/AiDotNet#722"),
    "previous_cell_recomputed_from_h": ("extra path", "the rival reading of D1"),
    "previous_cell_overwritten": ("time index", "Element-Research/rnn#31"),
}


def intervention(block: Block) -> Iterator[Comparison]:
    """c_1 before and after h_1 is set to h_1/2, bit for bit (bound 0), and three wrong programs.

    `new_cell_state_constant` claims that c_2 does not move either: the other half of D1 is that
    this is refuted.
    """
    sets = block.sets
    xp = namespace_of(sets.U)
    actual = recurrence(sets)
    changed = recurrence(sets, set_h1=actual.h1 / 2)
    zero = xp.zeros_like(actual.c1)

    def compare(
        mutant: str, claimed: Array, measured: Array, equivalent: Array | None = None
    ) -> Comparison:
        return Comparison(
            CLAIM, "as_written", mutant, "intervention", claimed, measured, zero, None, equivalent
        )

    yield compare("", actual.c1, changed.c1)
    unmoved = (sets.U[:, : cell.OUTPUT] == 0).all(axis=(1, 2, 3)) | (actual.h1 == 0).all(axis=1)
    yield compare("new_cell_state_constant", actual.c2, changed.c2, unmoved)
    recomputed = xp.arctanh(changed.h1 / changed.o1)
    same = (recomputed == actual.c1).all(axis=1)
    yield compare("previous_cell_recomputed_from_h", actual.c1, recomputed, same)
    same = (changed.c2 == actual.c1).all(axis=1)
    yield compare("previous_cell_overwritten", actual.c1, changed.c2, same)


def rival_jacobian(block: Block | Subject) -> Array:
    """D4 plus the term o ∘ (1 - tanh²(c_t)) ∘ f ∘ ∂c_{t-1}/∂h_{t-1} of the rival reading.

    block : whatever has weight sets and their step
    """
    sets, step = block.sets, block.step
    xp = namespace_of(sets.U)
    extra = derivatives.hidden_by_cell_jacobian(step)
    extra = extra * derivatives.rival_previous_cell_jacobian(sets.h_prev, sets.o_prev)
    J = derivatives.hidden_jacobian(step, sets.U, sets.c_prev)
    diagonal = xp.arange(J.shape[-1])
    J[:, diagonal, diagonal] += extra
    return J


class TwoSteps(NamedTuple):
    """Both steps' hidden Jacobians and the cell path, with entrywise error bounds."""

    hidden_product: Array
    cell_path: Array
    bound: Array


def two_step_formulas(block: Block) -> TwoSteps:
    """The product of hidden Jacobians, and what it leaves out: ∂h_2/∂c_1 · ∂c_1/∂h_0.

    The bound covers the errors of both terms: |J^ K^ - J K| <= |J| dK + dJ |K| + dJ dK and the
    rounding of the product, with dJ of step 2 including that its h_1 and c_1 are computed.
    """
    sets, first = block.sets, block.step
    xp = namespace_of(sets.U)
    u = block.errors.u
    second = cell.step(sets, h=first.h, c_prev=first.c)
    h1, c1 = block.errors.values["h"], block.errors.values["c"]
    dz = bounds.preactivation_error(sets, first.h, h1.error)
    errors = bounds.step_errors(second, first.c, dz, c1.error)
    factors = bounds.formula_factors(errors)

    def entries(quantity: str, of: dict[str, bounds.Factor]) -> Array:
        return bounds.entries(bounds.coefficient_errors(of, quantity, u), sets.U)

    J1 = derivatives.hidden_jacobian(first, sets.U, sets.c_prev)
    C1 = derivatives.cell_jacobian(first, sets.U, sets.c_prev)
    J2 = derivatives.hidden_jacobian(second, sets.U, first.c)
    K2 = derivatives.hidden_by_cell_jacobian(second)
    dJ1 = entries("h", block.formula_factors)
    dC1 = entries("c", block.formula_factors)
    dJ2 = entries("h", factors)
    parts = [factors["o"], factors["t'"], errors.values["f"]]
    size = parts[0].size * parts[1].size * parts[2].size
    dK2 = bounds.gamma(4, u) * size + sum(
        part.error * size / xp.where(part.size > 0, part.size, 1) for part in parts
    )
    dK2 = (dK2 * bounds.SLACK).astype(sets.U.dtype)

    g = bounds.gamma(J1.shape[-1] + 4, u)
    size1, size2 = xp.abs(J1) + dJ1, xp.abs(J2) + dJ2
    bound = xp.matmul(dJ2, size1) + xp.matmul(size2, dJ1) + g * xp.matmul(size2, size1)
    size_K, size_C = xp.abs(K2) + dK2, xp.abs(C1) + dC1
    bound = bound + rows(dK2) * size_C + rows(size_K) * dC1 + g * rows(size_K) * size_C
    tiny = float(np.finfo(sets.U.dtype).tiny)
    return TwoSteps(xp.matmul(J2, J1), rows(K2) * C1, bound * bounds.SLACK + tiny)


def over_two_steps(block: Block, with_cell_path: bool = False) -> Comparison:
    """The product of hidden Jacobians against the measured dh_2/dh_0.

    with_cell_path adds the missing path: the comparison that must then hold, by which the tests
    show that the refutation is the product's fault and not the reference's.
    """
    measured = hidden_over_two_steps(block.sets)
    formulas = two_step_formulas(block)
    claimed = formulas.hidden_product
    if with_cell_path:
        claimed = claimed + formulas.cell_path
    bound = (measured.bound + formulas.bound).astype(claimed.dtype)
    return Comparison(
        CLAIM, "hidden_product_over_time", "", "central", claimed, measured.derivative, bound
    )


def trials(block: Block) -> Iterator[Comparison]:
    """Every comparison of D1 and its rivals."""
    yield from intervention(block)
    rival = rival_jacobian(block)
    for reference in REFERENCES:
        yield Comparison(
            CLAIM,
            "previous_cell_moves",
            "",
            reference,
            rival,
            block.measured(reference, "h"),
            block.bound(reference, "h"),
        )
    yield over_two_steps(block)
