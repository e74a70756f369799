"""The derivation's refuted readings, as one would try a reader's formula: which slip each is."""

import numpy as np

from lstm_gpu.claims import cell_state, jacobians
from lstm_gpu.formulas.cause import Suspects
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.mutants import Subject
from lstm_gpu.weights import Case, draw

WEIGHT_SETS = 8
_RIVAL = (cell_state.CLAIM, "previous_cell_moves")


def likely_cause(claim: str, reading: str, case: Case, seed: int) -> str:
    """The likely cause in words, from a few weight sets of a case.

    "" for a right reading, and for one that is no formula for one of `QUANTITIES`.
    """
    key = claim, reading
    quantity = "hidden_jacobian" if key == _RIVAL else claim
    if quantity not in QUANTITIES or key not in (_RIVAL, *jacobians.READINGS):
        return ""
    with np.errstate(all="ignore"):
        material = Material(QUANTITIES[quantity], draw(case, seed, 0, WEIGHT_SETS))
        block, suspects = material.block, Suspects()
        if key == _RIVAL:
            claimed = cell_state.rival_jacobian(block)
        else:
            claimed = jacobians.READINGS[key][1](Subject(block.sets, block.step, {}))
        suspects.update(
            claimed, material.truth, material.rounding, material.mutants(), material.slip_rounding
        )
    return suspects.describe()
