"""What else a check says of a formula, once it has a verdict."""

import numpy as np

from lstm_gpu.errors import InputError
from lstm_gpu.formulas import extended
from lstm_gpu.formulas.evaluation import evaluate
from lstm_gpu.formulas.judgement import in_one_dtype
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.weights import WeightSets


def _material(formula: Formula, sets: WeightSets) -> Material:
    """A step to evaluate the formula on; directions have the shape of a gate's Jacobian."""
    quantity = "forget_gate_jacobian" if formula.quantity == ARGMAX else formula.quantity
    return Material(QUANTITIES[quantity], sets)


def other_dtype(formula: Formula, sets: WeightSets, tried: str) -> str:
    """Why a formula that was tried in one dtype cannot be on weight sets of another; "" if it can.

    A run of the workflow has cases of both, and says the same.
    """
    with np.errstate(all="ignore"):
        material = _material(formula, sets)
        try:
            evaluate(formula, material.view, material.shape)
        except InputError as error:
            return in_one_dtype(tried, str(sets.U.dtype), str(error))
    return ""


def of_rounding(
    formula: Formula, sets: WeightSets, entry: list[int], error: float, not_longer: bool
) -> str:
    """That a refuted formula may only have lost digits, where that cannot be put to trial.

    It is said of one that cannot be worked out in extended precision (`not_longer`) when the values
    that it is shown, moved by what their derived bounds allow them to be off, move its own value at
    the entry by as much as its error; and of any when the error at the entry is no larger than what
    the bound of the set's largest entry allows: for it may be the rounding of something as large,
    in a part of the formula (NumPy's factorizations, say) that knows no longer precision.
    """
    material = _material(formula, sets)
    block = material.block
    with np.errstate(all="ignore"):
        shown = material.view
        moved = extended.moved(formula, shown, block.errors, block.preactivation_error)
        largest = float(material.rounding.max())
    how = "a division, or a difference of near numbers, may round more than the bound allows"
    if not_longer and moved is not None and bool(moved[(0, *entry)].max() >= error):
        return (
            "it could not be evaluated in extended precision, and at this entry the rounding of "
            f"the values that it starts from can explain all of the error: {how}"
        )
    if error <= largest:
        where = (
            "it could not be evaluated in extended precision"
            if not_longer
            else f"extended precision does not mend it, unless it forces {sets.U.dtype} inside"
        )
        return (
            f"{where}; at this entry the error is no larger than right formulas may have at the "
            "largest entries of the same weight set, as a factorization or a difference of numbers "
            "as large as those may leave by rounding alone"
        )
    return ""
