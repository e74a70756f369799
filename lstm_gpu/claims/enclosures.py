"""The claims on Jacobians at one entry, in ball arithmetic: a proof that they hold there or fail.

The formulas are those of `derivatives`, run as they are on balls in the place of floats; the truth
is `references.ball`'s, which knows none of them. Between the two lie the floats of the trial, so
the bounds on their errors are on trial, too.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from flint import arb

from lstm_gpu import bounds, cell, derivatives
from lstm_gpu.claims import cell_state
from lstm_gpu.claims.block import Block
from lstm_gpu.claims.jacobians import MEASURED_FACTORS, MUTATED, READINGS, product_rule_bound
from lstm_gpu.mutants import JACOBIAN_MUTANTS, Subject
from lstm_gpu.references import ball
from lstm_gpu.references.two_steps import hidden_over_two_steps

RIVAL = (cell_state.CLAIM, "previous_cell_moves")
PRODUCT = (cell_state.CLAIM, "hidden_product_over_time")
ENCLOSED = frozenset({*READINGS, RIVAL, PRODUCT})  # the others are no statements on derivatives
MATRIX_VECTOR = ("forget_gate_jacobian", "matrix_vector")
COLUMN_SCALING = ("forget_gate_jacobian", "column_scaling")
# The bound of a comparison holds the rounding of the true formula, which is not that of these.
_UNBOUNDED = frozenset({RIVAL, MATRIX_VECTOR, COLUMN_SCALING})
# Readings whose entry [k, j] takes rows and columns k and j alone; of any other formula nothing is
# known, and it gets the whole weight set.
_LOCAL = frozenset(
    {
        ("product_rule", "as_written"),
        ("tanh_cell_jacobian", "as_written"),
        ("tanh_cell_jacobian", "with_previous_cell_term"),
        ("hidden_jacobian", "as_written"),
        ("forget_gate_jacobian", "row_scaling"),
        COLUMN_SCALING,
        RIVAL,
    }
)


def enclose(
    sets: Any, claim: str, reading: str, entry: tuple[int, int], mutant: str = ""
) -> ball.Enclosure:
    """Enclose the claimed formula and the true derivative at entry [k, j] of one weight set.

    Parameters
    ----------
    sets : one weight set (`WeightSets` of length 1) on the host
    mutant : a wrong formula in the place of the reading's, "" for the reading itself

    Raises
    ------
    KeyError
        The reading is not of `ENCLOSED`, or has no such mutant.
    """
    k, j = entry
    quantity = _quantity(claim, reading)
    if (claim, reading) == PRODUCT:
        return ball.enclose(lambda: (_hidden_product(sets, k, j), ball.over_two_steps(sets, k, j)))

    def truth() -> arb:
        return ball.jacobians(sets, [k], [j])[quantity][0, 0, 0]

    return ball.enclose(lambda: (_claimed(sets, claim, reading, k, j, mutant), truth()))


def _claimed(sets: Any, claim: str, reading: str, k: int, j: int, mutant: str) -> arb:
    """The formula's entry [k, j], evaluated on no more of the weight set than it needs."""
    rows = columns = states = list(range(sets.h_prev.shape[-1]))
    if not needs_everything(claim, reading, mutant):
        rows = columns = states = sorted({k, j})
    elif (claim, reading) == MATRIX_VECTOR and not mutant:
        rows = [k]  # of U, with every gate
    small = ball.part(sets, rows, columns, states)
    h, x = ball.exact(sets.h_prev), ball.exact(sets.x)
    step = cell.activate(ball.preactivations(sets, states, x, h), small.c_prev)
    measured = ball.jacobians(sets, rows, columns) if claim in MEASURED_FACTORS else {}
    subject = Subject(small, step, measured)
    formula: Callable[[Any], Any]
    if mutant:
        found = {(m.claim, m.name): m.formula for m in JACOBIAN_MUTANTS}
        if MUTATED.get(claim) != reading:
            raise KeyError(f"{claim}/{reading}/{mutant}")
        formula = found[claim, mutant]
    elif (claim, reading) == RIVAL:
        formula = cell_state.rival_jacobian
    else:
        formula = READINGS[claim, reading][1]
    value = formula(subject)
    if value is None:  # W for U where m is not n
        raise KeyError(f"{claim}/{reading}/{mutant}")
    return value[0, rows.index(k), columns.index(j)]


def _hidden_product(sets: Any, k: int, j: int) -> arb:
    """Row k of the second step's hidden Jacobian times column j of the first's."""
    everything = list(range(sets.h_prev.shape[-1]))
    h, x = ball.exact(sets.h_prev), ball.exact(sets.x)
    c_prev = ball.exact(sets.c_prev)
    first = cell.activate(ball.preactivations(sets, everything, x, h), c_prev)
    c = first.c[:, [k]]
    second = cell.activate(ball.preactivations(sets, [k], x, first.h), c)
    J2 = derivatives.hidden_jacobian(second, ball.exact(sets.U[:, :, [k]]), c)
    J1 = derivatives.hidden_jacobian(first, ball.exact(sets.U[..., [j]]), c_prev)
    return np.matmul(J2, J1)[0, 0, 0]


def needs_everything(claim: str, reading: str, mutant: str = "") -> bool:
    """Whether one entry of the formula takes the whole weight set, and not some rows of it."""
    return bool(mutant) or (claim, reading) not in _LOCAL


def _quantity(claim: str, reading: str) -> str:
    return "h" if (claim, reading) in (RIVAL, PRODUCT) else READINGS[claim, reading][0]


def as_record(found: ball.Enclosure) -> dict[str, Any]:
    """What an enclosure says, JSON-able: decimals with their radius, and whole powers of two."""
    low, high = ball.log2_bounds(found.distance)
    return {
        "proof": found.proof,
        "precision": found.precision,
        "derivative": found.truth.str(30),
        "formula": found.claimed.str(30),
        "distance_log2_lower": low,
        "distance_log2_upper": high,
        "relative_log2_upper": ball.log2_bounds(found.relative)[1],
    }


def floats_on_trial(
    found: ball.Enclosure,
    block: Block,
    key: tuple[str, str, str, str],
    worst: dict[str, Any],
) -> dict[str, Any]:
    """Whether the trial's floats are as near to the enclosed values as their bounds say.

    Parameters
    ----------
    block : the weight set of the entry alone, on the device of the trial
    key, worst : as in a `Tally`

    Returns
    -------
    dict of `reference_error_over_bound`, `formula_error_over_bound` (None where no bound on the
    formula's rounding is derived) and `bounds_hold`: "yes" (proved), "no" (proved) or "undecided".
    """
    limits = _limits(block, key, worst["entry"])
    with ball.working(found.precision):
        errors = {
            "reference": arb(worst["measured"]) - found.truth,
            "formula": arb(worst["claimed"]) - found.claimed,
        }
        record: dict[str, Any] = {}
        held = set()
        for name, error in errors.items():
            limit = limits[name]
            ratio = math.nan if limit is None else float(abs(error) / limit)
            record[f"{name}_error_over_bound"] = ratio if math.isfinite(ratio) else None
            if limit is not None:
                held.add(ball.decided(error, limit))
    record["bounds_hold"] = next(word for word in ("no", "undecided", "yes") if word in held)
    return record


def _limits(
    block: Block, key: tuple[str, str, str, str], entry: list[int]
) -> dict[str, float | None]:
    """The bounds on the errors of the reference's float and of the formula's at an entry."""
    claim, reading, _, reference = key
    quantity, where = _quantity(claim, reading), (0, *entry)
    with np.errstate(all="ignore"):
        if (claim, reading) == PRODUCT:
            own = hidden_over_two_steps(block.sets).bound
            formula = cell_state.two_step_formulas(block).bound
        else:
            own = block.bound(reference, quantity, with_formula=False)
            if claim in MEASURED_FACTORS:
                formula = product_rule_bound(block, reference, with_reference=False)
            else:
                formula = bounds.entries(block.formula_errors(quantity), block.sets.U)
    covered = (claim, reading) not in _UNBOUNDED
    return {"reference": float(own[where]), "formula": float(formula[where]) if covered else None}
