"""Evaluate a reader's formula, and say what is wrong with it besides its mathematics."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np

from lstm_gpu.errors import InputError
from lstm_gpu.formulas.loading import Formula, blame
from lstm_gpu.formulas.surroundings import put_back
from lstm_gpu.formulas.view import StepView, changed, copy, part

Array = Any


def evaluate(formula: Formula, shown: StepView, shape: tuple[int, ...]) -> Array:
    """Evaluate the formula twice on arrays of its own, and check what it returns.

    Parameters
    ----------
    shape : that the result must have, weight sets first

    Raises
    ------
    InputError
        The formula raises, returns something else than an array of this shape and of the case's
        dtype, writes into its inputs, or gives other values the second time.
    """
    first = _once(formula, shown, shape)
    second = _once(formula, shown, shape)
    if not bool(shown.xp.array_equal(first, second, equal_nan=True)):
        raise InputError(
            f"`{formula.name}` must depend on its argument alone, but two evaluations of the same "
            "step differ. Take out what is random, or what it remembers."
        )
    return first


def evaluate_apart(
    formula: Formula, shown: StepView, whole: Array
) -> Iterator[tuple[slice, Array]]:
    """As `evaluate`, of the first weight set alone and of the two after it: places and values.

    whole : the values of all of them in one call. Where all blocks are equally large, a formula
        that depends on how many sets there are is as right as that number lets it be.
    """
    sets, *matrix = whole.shape
    for place in (slice(0, 1), slice(1, 3)):
        if place.stop > sets or place.stop - place.start == sets:
            continue
        try:
            shape = (place.stop - place.start, *matrix)
            yield place, evaluate(formula, part(shown, place), shape)
        except InputError as error:
            of = "a weight set alone" if place.start == 0 else "two weight sets"
            raise InputError(f"{error} (It is so for {of}.)") from error


def called(formula: Formula, own: StepView) -> Any:
    """What the formula returns on a view that is its own; an array as a copy.

    A formula may fill a buffer of its own and return that at every call: only a copy keeps what
    one call returned. So every call of a formula goes through here. It may import what lies beside
    its file: what its text names there, and of other modules, those that are nowhere else, for it
    is called among our own imports.
    """
    imports = formula.imports
    at_hand = nullcontext() if imports is None else imports.at_hand()
    with put_back(), at_hand, np.errstate(all="ignore"):
        if imports is not None:
            sys.path.append(str(imports.folder))
        result = formula.function(own)
    return result.copy() if type(result) is type(own.h) else result


def _once(formula: Formula, shown: StepView, shape: tuple[int, ...]) -> Array:
    name, own = formula.name, copy(shown)
    code = getattr(formula.function, "__code__", None)
    try:
        result = called(formula, own)
    except BaseException as error:  # an interrupt apart, the formula's own fault
        if isinstance(error, KeyboardInterrupt):
            raise
        _refuse_writing(name, own, shown)  # step.h *= 2 writes, and then fails to assign
        if isinstance(error, FrozenInstanceError):
            raise InputError(
                f"`{name}` must not assign to step ({error}). Use names of its own."
            ) from error
        where = formula.file or (code.co_filename if code else "")
        raise InputError(f"`{name}` raises {blame(error, where)}. Mend it.") from error
    _refuse_writing(name, own, shown)
    if inspect.iscoroutine(result):
        result.close()  # or Python warns that nobody has awaited it
    dtype = shown.h.dtype
    if type(result) is not type(shown.h):  # nor a subclass: a masked array hides its errors
        raise InputError(
            f"`{name}` must return an array {shape} of {dtype}, got {type(result).__name__}. "
            "Return the Jacobians of all weight sets at once."
        )
    if result.shape != shape:
        raise InputError(
            f"`{name}` must return an array {shape}: weight sets, rows, columns; got "
            f"{result.shape}. {_remedy(result.shape, shape)}"
        )
    if result.dtype != dtype:
        raise InputError(
            f"`{name}` must return {dtype}, as its inputs are; got {result.dtype}. Give constants "
            "the dtype of the inputs, as in step.xp.eye(n, dtype=step.h.dtype)."
        )
    return result


def _refuse_writing(name: str, own: StepView, shown: StepView) -> None:
    if written := changed(own, shown):
        raise InputError(
            f"`{name}` must leave its inputs as they are, but writes into step.{written[0]}. "
            "Work on a copy: array.copy()."
        )


def _remedy(got: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if got == shape[1:]:
        return "Keep the first axis: step.h[:, :, None] * step.U.f scales the rows of each set."
    if got == shape[:2]:
        return "A diagonal matrix is vector[:, :, None] * step.xp.eye(n, dtype=step.h.dtype)."
    if got == (shape[0], shape[2], shape[1]):
        return "Transpose it: entry [s, k, j] is ∂(quantity k)/∂(state j)."
    return "Check the broadcasting: a vector (sets, n) scales rows as vector[:, :, None]."
