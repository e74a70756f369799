"""A refuted formula once more, in NumPy's extended precision: rounding is told from a mistake.

Rounding shrinks with the unit roundoff; a formula that is wrong stays as wrong as it is. So a gap
above the bound that falls within it, when nothing but the precision has changed, was rounding: the
formula divides by a small number, say, or subtracts near ones. Extended precision has only 11 bits
more, which a division by 1e-6 uses up. So what rounding can still do there is added to the bound,
by the larger of two measures. One is the change of the formula when the values it starts from move
by their derived errors (`margin`), which does not see what the formula rounds in between; the other
is how far the change of precision moved it (`left`), which does.
What is within that is neither refuted nor supported. Where `numpy.longdouble` is no longer than
float64, nothing can be told so.

Extended precision has longer exponents, too. What is right in it because no number overflows any
more has lost no digits, and is told apart (`out_of_range`).
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
    of a formula that depends on how many sets there are would be taken for rounding. None where it
    cannot be evaluated so, or forces another precision itself.
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


def left(off: np.ndarray, dtype: Any) -> np.ndarray:
    """What rounding may leave in `LONG` of a formula that the change of precision moved by `off`.

    off : (sets, n, k), the gap of the formula's values in `dtype` and in `LONG`
    Returns (sets, 1, 1).

    Notes
    -----
    The largest of a set's gaps is what the formula rounds in `dtype`, for its intermediate values
    may be as large as the largest entry. Times rho, the ratio of the unit roundoffs, it is what is
    to be expected in `LONG` of rounding; times 1, of a mistake, which no precision mends. Halfway
    on a logarithmic scale is sqrt(rho): 2^-5.5 for float64. So a mistake that it lets pass is that
    much smaller than the formula's own rounding in `dtype`, which nothing there could tell it from.
    """
    largest = off.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.where(np.isfinite(largest), largest, 0) * np.sqrt(_ratio(dtype)))


def out_of_range(
    off: np.ndarray, longer: list[np.ndarray], truth: np.ndarray, rounding: np.ndarray, dtype: Any
) -> np.ndarray:
    """Entries whose error in `dtype` is not of lost digits, for in `LONG` the formula loses none.

    off : as in `left`; longer : the formula's values in `LONG`
    truth, rounding : in `LONG`, with the bound on the gap of two right evaluations there

    A division or difference that loses digits loses as many in every precision. Here an entry is
    within `rounding` in `LONG`, and in `dtype` more than half of its digits are gone: halfway, on a
    logarithmic scale, between the same bound in `dtype` and the entry itself. And the error is
    larger than that bound at any entry of the set: it is no rounding of something as large.
    """
    plain = rounding / _ratio(dtype)
    none_lost = np.all([abs(values - truth) <= rounding for values in longer], axis=0)
    no_rounding = off > plain.max(axis=(1, 2), keepdims=True)
    return np.asarray(none_lost & no_rounding & (off >= np.sqrt(plain * abs(truth))))


def _ratio(dtype: Any) -> np.longdouble:
    return LONG(np.finfo(LONG).eps / np.finfo(dtype).eps)
