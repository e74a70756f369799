"""Put formulas on trial on the weight sets of a case, beside the catalogue's wrong ones."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lstm_gpu import cell
from lstm_gpu.backend import namespace_of, to_host
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.cause import Suspects
from lstm_gpu.formulas.directions import Directions
from lstm_gpu.formulas.evaluation import evaluate, evaluate_apart
from lstm_gpu.formulas.inputs import Draw, drawn
from lstm_gpu.formulas.judgement import Block, Key, Trial
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.tally import Comparison, Tally
from lstm_gpu.weights import Case, WeightSets

Array = Any

_ENTRIES = 2**17  # of a block's Jacobians, as in `campaign`


def block_size(case: Case) -> int:
    """Weight sets with which a formula is called at once, at most; by x there are m points of m."""
    return max(1, _ENTRIES // max(case.hidden_size, case.input_size) ** 2)


def try_case(
    formulas: list[Formula],
    case: Case,
    seed: int,
    start: int,
    stop: int,
    xp: Any,
    found: Trial,
    progress: Callable[[int, int], None] | None = None,
    draw: Draw | None = None,
) -> None:
    """Try formulas on the weight sets ``range(start, stop)`` of a case; adds to `found`.

    draw : (case, seed, start, stop, xp) -> weight sets; `drawn` where it is left out

    A formula that cannot be evaluated is reported and left out from then on; the others go on.
    """
    found.tallies.setdefault(case, Tally())
    settled: set[Key] = set()
    size = block_size(case)
    for first in range(start, stop, size):
        last = min(first + size, stop)
        sets = (draw or drawn)(case, seed, first, last, xp)
        with np.errstate(all="ignore"):  # what is not finite is counted
            found.lint.begin(sets, cell.step(sets))
            for quantity in dict.fromkeys(formula.quantity for formula in formulas):
                same = [f for f in formulas if f.quantity == quantity and f.key not in found.errors]
                block = Block(case, first, sets, settled)
                if same and quantity == ARGMAX:
                    directions = Directions(sets, case, seed, range(first, last), xp)
                    _try_directions(same, directions, block, found)
                elif same:
                    _try_jacobians(same, Material(QUANTITIES[quantity], sets), block, found)
        if progress:
            progress(last - start, stop - start)


def _try_jacobians(formulas: list[Formula], material: Material, block: Block, found: Trial) -> None:
    slips = list(material.mutants())
    truth, rounding = material.truth, material.rounding
    tried = False
    for formula in formulas:
        claimed = _evaluated(formula, material, material.shape, found)
        if claimed is None:
            continue
        tried = True
        claimed = block.judge(formula, claimed, material, truth, found)
        suspects = found.suspects.setdefault(formula.key, Suspects())
        suspects.update(claimed, truth, rounding, slips, material.slip_rounding)
    if not tried:
        return
    for name, wrong in slips:
        near = namespace_of(wrong).abs(wrong - truth) <= material.own_rounding
        same = near.all(axis=(1, 2))
        for reference, (measured, bound) in material.references.items():
            key = (material.quantity.name, "", name, reference)
            comparison = Comparison(*key, wrong, measured, bound, equivalent=same)
            found.tallies[block.case].update(comparison, block.first)
            found.lint.see(comparison)


def _evaluated(
    formula: Formula, against: Any, shape: tuple[int, ...], found: Trial
) -> Array | None:
    """The formula's values on a block, (sets, n, k); None where it cannot be evaluated.

    against : a `Material` or `Directions`. A weight set that is within the bounds in this call, and
        not in a smaller one, has its values from there: the formula must be right in both.
    """
    shown = against.view
    try:
        whole = evaluate(formula, shown, shape)
        values = whole.copy()
        for place, apart in evaluate_apart(formula, shown, whole):
            values[place] = apart
    except InputError as error:
        found.errors[formula.key] = str(error)
        return None
    if bool(shown.xp.array_equal(values, whole, equal_nan=True)):
        return whole
    takes = against.within(to_host(whole)) & ~against.within(to_host(values))
    return shown.xp.where(shown.xp.asarray(takes)[:, None, None], values, whole)


def _try_directions(
    formulas: list[Formula], directions: Directions, block: Block, found: Trial
) -> None:
    truth, xp = directions.truth, directions.part.xp
    rounding = 2 * directions.lengths + 0 * truth
    wrongs = directions.part.wrong_directions.items()
    slips = [(name, directions.blank(wrong)) for name, wrong in wrongs]
    for formula in formulas:
        claimed = _evaluated(formula, directions, truth.shape, found)
        if claimed is None:
            continue
        claimed = block.judge(formula, directions.blank(claimed), directions, truth, found)
        suspects = found.suspects.setdefault(formula.key, Suspects())
        suspects.update(claimed, truth, rounding, slips, rounding)
    for name, wrong in slips:
        same = (xp.abs(wrong - truth) <= rounding).all(axis=(1, 2))
        for comparison in directions.compare("", name, wrong, same):
            found.tallies[block.case].update(comparison, block.first)
            found.lint.see(comparison)


def examine(
    formula: Formula,
    case: Case,
    seed: int,
    index: int,
    reference: str,
    xp: Any,
    draw: Draw | None = None,
    calls: Sequence[tuple[int, int]] = (),
) -> Comparison:
    """Evaluate one comparison of a formula again, on one weight set.

    calls : the ranges of weight sets with which the formula is called, one after the other, the
        last of which has `index`; with that set alone where they are left out

    Raises
    ------
    InputError
        The formula cannot be evaluated, or there is no such reference.
    """
    for start, stop in calls or [(index, index + 1)]:
        sets = (draw or drawn)(case, seed, start, stop, xp)
        if formula.quantity == ARGMAX:
            comparison = _compare_directions(formula, sets, case, seed, start, reference, xp)
        else:
            comparison = compare_sets(formula, sets, reference)
    at = slice(index - start, index - start + 1)
    of_one = {name: getattr(comparison, name)[at] for name in ("claimed", "measured", "bound")}
    return comparison._replace(**of_one)


def _compare_directions(
    formula: Formula, sets: WeightSets, case: Case, seed: int, start: int, reference: str, xp: Any
) -> Comparison:
    with np.errstate(all="ignore"):
        directions = Directions(sets, case, seed, range(start, start + len(sets)), xp)
        claimed = evaluate(formula, directions.view, directions.truth.shape)
        tried = directions.compare(formula.name, "", directions.blank(claimed))
        return _measured_by(tried, formula, reference)


def compare_sets(formula: Formula, sets: WeightSets, reference: str) -> Comparison:
    """One comparison of a formula for a Jacobian, on weight sets however they were made."""
    with np.errstate(all="ignore"):
        material = Material(QUANTITIES[formula.quantity], sets)
        claimed = evaluate(formula, material.view, material.shape)
        return _measured_by(material.compare(formula.name, "", claimed), formula, reference)


def _measured_by(tried: Iterator[Comparison], formula: Formula, reference: str) -> Comparison:
    for comparison in tried:
        if comparison.reference == reference:
            return comparison
    raise InputError(
        f"`reference` must be one that measures {formula.quantity}, got {reference!r:.60}."
    )
