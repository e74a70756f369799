"""A refuted formula once more, in NumPy's extended precision: rounding is told from a mistake.

Rounding shrinks with the unit roundoff; a formula that is wrong stays as wrong as it is. So a gap
above the bound that falls within it, when nothing but the precision has changed, was rounding: the
formula divides by a small number, say, or subtracts near ones. Extended precision has only 11 bits
more, which a division by 1e-6 uses up. So what rounding can still do there is added to the bound:
the change of the formula when the values it starts from move by their derived errors (`moved`).
What is within that is neither refuted nor supported. Where `numpy.longdouble` is no longer than
float64, nothing can be told so.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from lstm_gpu import bounds, cell
from lstm_gpu.backend import to_host
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.evaluation import called, evaluate, evaluate_apart
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.formulas.view import StepView, copy, view
from lstm_gpu.weights import WeightSets

Array = Any

LONG = np.longdouble
MANTISSA = int(np.finfo(LONG).nmant) + 1
"""Bits of the extended precision, the leading one included: 64 on x86."""

_WIDER = 1024  # a power of two, well above the number of values that are moved


def longer(sets: WeightSets) -> WeightSets | None:
    """The same stored weights in `LONG`, on the host; None where there is no longer precision."""
    if np.finfo(LONG).nmant <= np.finfo(np.float64).nmant:
        return None
    arrays = {name: array for name, array in vars(sets).items() if array is not None}
    return WeightSets(**{name: to_host(array).astype(LONG) for name, array in arrays.items()})


def evaluated(
    formula: Formula, sets: WeightSets, shape: tuple[int, ...]
) -> list[np.ndarray] | None:
    """The formula's values on weight sets in `LONG`, the whole forward step in it.

    Once in one call; and once with those of smaller calls put in, as in the trial: else the mistake
    of a formula that depends on how many sets there are would be taken for rounding. None where the formula cannot be evaluated so, or forces another precision itself.
    """
    with np.errstate(all="ignore"):
        try:
            shown = view(sets, cell.step(sets))
            whole = evaluate(formula, shown, shape)
            apart = whole.copy()
            for place, values in evaluate_apart(formula, shown, whole):
                apart[place] = values
            return [whole, apart]
        except InputError:
            return None


def margin(formula: Formula, sets: WeightSets) -> Array | None:
    """What rounding can do to the formula on weight sets, in their own precision: see `moved`."""
    block = Block(sets)
    with np.errstate(all="ignore"):
        shown = view(sets, block.step)
        return moved(formula, shown, block.errors, block.preactivation_error)


def moved(formula: Formula, shown: StepView, errors: bounds.StepErrors, dz: Array) -> Array | None:
    """How far a formula moves when the values that it is shown move by what they may be off by.

    Parameters
    ----------
    errors, dz : the derived bounds on the error of each value of the step, and of z (sets, 4, n):
        so nothing here is chosen

    Returns
    -------
    (sets, n, k): the sum over those values of |slope of the formula| times error, to first order
    the most that their rounding can do to it; None where it cannot be evaluated.

    Notes
    -----
    The slope is measured over a step that is `_WIDER` times the error: a slope does not depend on
    it, while a jump (of a formula that is wrong where f = 1/2, say) would be taken for a slope over
    the error itself.
    """
    names = {"i": "i", "f": "f", "u": "u", "o": "o", "c": "c", "tanh_c": "t", "h": "h"}
    changes = [
        {name: (value + _WIDER * errors.values[of].error).astype(value.dtype)}
        for name, of in names.items()
        for value in [getattr(shown, name)]
    ]
    for gate, name in enumerate(cell.GATES):
        value = shown.z[gate]
        off = (value + _WIDER * dz[:, gate]).astype(value.dtype)
        changes.append({"z": shown.z._replace(**{name: off})})
    try:
        base = called(formula, copy(shown))
        with np.errstate(all="ignore"):
            others = (called(formula, copy(replace(shown, **change))) for change in changes)
            return sum(abs(other - base) for other in others) / _WIDER
    except BaseException as error:  # asked for a margin only: it has been evaluated without
        if isinstance(error, KeyboardInterrupt):
            raise
        return None
