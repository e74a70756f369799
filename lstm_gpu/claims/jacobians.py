"""The claims on Jacobians: D2 (product rule), D3, D4 and the three readings of D6."""

from collections.abc import Callable, Iterator
from typing import Any

from lstm_gpu import bounds, derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.derivatives import rows
from lstm_gpu.mutants import JACOBIAN_MUTANTS, Mutant, Subject
from lstm_gpu.tally import Comparison

Array = Any
Formula = Callable[[Subject], Array]


def _with_previous_cell(s: Subject) -> Array:
    """D3 with the term f_t ∘ ∂c_{t-1}/∂h_{t-1} carried along; by D1 its Jacobian is zero."""
    zero = namespace_of(s.step.h).zeros_like(s.sets.U[:, 0])
    return derivatives.tanh_cell_jacobian_with_previous(s.step, s.sets.U, s.sets.c_prev, zero)


# (claim, reading) -> the quantity that it claims to equal, and its formula.
READINGS: dict[tuple[str, str], tuple[str, Formula]] = {
    ("product_rule", "as_written"): (
        "h",
        lambda s: derivatives.product_rule(s.step, s.measured["o"], s.measured["tanh_c"]),
    ),
    ("tanh_cell_jacobian", "as_written"): (
        "tanh_c",
        lambda s: derivatives.tanh_cell_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ),
    ("tanh_cell_jacobian", "with_previous_cell_term"): ("tanh_c", _with_previous_cell),
    ("hidden_jacobian", "as_written"): (
        "h",
        lambda s: derivatives.hidden_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ),
    ("forget_gate_jacobian", "row_scaling"): (
        "f",
        lambda s: derivatives.forget_gate_jacobian(s.step, s.sets.U),
    ),
    ("forget_gate_jacobian", "column_scaling"): (
        "f",
        lambda s: derivatives.forget_gate_column_scaling(s.step, s.sets.U),
    ),
    ("forget_gate_jacobian", "matrix_vector"): (
        "f",
        lambda s: derivatives.forget_gate_matrix_vector(s.step, s.sets.U),
    ),
}
# The reading of each claim that its mutants are slips of.
MUTATED = {
    "product_rule": "as_written",
    "tanh_cell_jacobian": "as_written",
    "hidden_jacobian": "as_written",
    "forget_gate_jacobian": "row_scaling",
}
# Claims whose formulas use the reference's own Jacobians of the factors.
MEASURED_FACTORS = frozenset({"product_rule"})


def product_rule_bound(block: Block, reference: str, with_reference: bool = True) -> Array:
    """Bound on |D2 with measured factors - measured ∂h_t/∂h_{t-1}|, (sets, n, n).

    with_reference : False for the bound on |D2 with measured factors - D2| alone, without B(h).

    |t| B(o) + |o| B(tanh c) + B(h) for the references' errors B; the errors of the values t and
    o times the Jacobians they scale; and the roundings of two products and a sum.
    """
    xp = namespace_of(block.sets.U)
    dtype = block.sets.U.dtype
    g = bounds.gamma(4, block.errors.u)
    total = block.bound(reference, "h", with_formula=False) if with_reference else 0.0
    for value, quantity in (("t", "o"), ("o", "tanh_c")):
        factor = block.errors.values[value]
        size = (factor.size * bounds.SLACK).astype(dtype)
        error = ((factor.error + g * factor.size) * bounds.SLACK).astype(dtype)
        total = total + rows(size) * block.bound(reference, quantity, with_formula=False)
        total = total + rows(error) * xp.abs(block.measured(reference, quantity))
    return total


def _bound(block: Block, claim: str, reference: str, quantity: str) -> Array:
    if claim == "product_rule":
        return product_rule_bound(block, reference)
    return block.bound(reference, quantity)


def subject(block: Block, reference: str) -> Subject:
    """What formulas may see of a block; the measured factors are the reference's."""
    measured = {q: block.measured(reference, q) for q in ("o", "tanh_c")}
    return Subject(block.sets, block.step, measured)


def _equivalent(wrong: Array, truth: Array, rounding: Array) -> Array:
    """Sets on which the mutant equals the true formula, to the rounding of both."""
    return (namespace_of(wrong).abs(wrong - truth) <= rounding).all(axis=(1, 2))


def trials(
    block: Block, only: tuple[str, str, str, str] | None = None, mutants: bool = True
) -> Iterator[Comparison]:
    """Compare every reading and, if asked for, every mutant with the references.

    only : a comparison's key, to evaluate just that one (for a replay).
    """
    wrong = JACOBIAN_MUTANTS if mutants else ()
    for claim, mutated in MUTATED.items():
        if only is None or claim == only[0]:
            references = REFERENCES if only is None else tuple({only[3]} & set(REFERENCES))
            if not references:
                return
            if claim in MEASURED_FACTORS:  # another formula for each reference
                for reference in references:
                    yield from _claim_trials(block, claim, mutated, (reference,), only, wrong)
            else:
                yield from _claim_trials(block, claim, mutated, references, only, wrong)


def _claim_trials(
    block: Block,
    claim: str,
    mutated: str,
    references: tuple[str, ...],
    only: tuple[str, str, str, str] | None,
    mutants: tuple[Mutant, ...],
) -> Iterator[Comparison]:
    """One claim's readings, then its mutants: each formula once, against every reference."""
    quantity, true_formula = READINGS[claim, mutated]
    s = subject(block, references[0])
    limits = {reference: _bound(block, claim, reference, quantity) for reference in references}

    def compare(
        reading: str, mutant: str, claimed: Array, equivalent: Array | None = None
    ) -> Iterator[Comparison]:
        for reference, limit in limits.items():
            key = (claim, reading, mutant, reference)
            measured = block.measured(reference, quantity)
            yield Comparison(*key, claimed, measured, limit, equivalent=equivalent)

    for (of_claim, reading), (_, formula) in READINGS.items():
        if of_claim == claim and (only is None or only[1:3] == (reading, "")):
            yield from compare(reading, "", formula(s))
    mutants = tuple(m for m in mutants if m.claim == claim)
    if not mutants:
        return
    truth = true_formula(s)
    rounding = block.rounding(quantity)
    for mutant in mutants:
        if only is None or only[1:3] == (mutated, mutant.name):
            wrong = mutant.formula(s)
            if wrong is None:  # W for U where m is not n: no one can make that slip here
                continue
            yield from compare(mutated, mutant.name, wrong, _equivalent(wrong, truth, rounding))
