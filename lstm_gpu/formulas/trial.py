"""Put formulas on trial on the weight sets of a case, beside the catalogue's wrong ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lstm_gpu import bounds, cell
from lstm_gpu.backend import namespace_of
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.cause import Suspects
from lstm_gpu.formulas.evaluation import evaluate
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.quantities import FREE_ROUNDINGS, QUANTITIES, Material
from lstm_gpu.lint import Lint
from lstm_gpu.tally import Comparison, Tally
from lstm_gpu.weights import Case, WeightSets, draw
from lstm_gpu.weights.philox import uniforms

Array = Any
Key = tuple[str, str]
Draw = Callable[[Case, int, int, int, Any], WeightSets]

DIRECTIONS = 64  # uniform directions per weight set, from the best of which the ascent starts
_ENTRIES = 2**17  # of a block's Jacobians, as in `campaign`


@dataclass
class Trial:
    """What the trial of a file's formulas has found.

    tallies : the comparisons case by case; a mutant's have no reading: it is the quantity's
    suspects : formula -> its error against the catalogue
    errors : formula -> why it could not be tried
    not_finite : formula -> weight sets where it gave NaN or infinity, and the truth is finite
    lint : what the drawn inputs hide, over all cases

    Formulas are told apart by (quantity, name).
    """

    tallies: dict[Case, Tally] = field(default_factory=dict)
    suspects: dict[Key, Suspects] = field(default_factory=dict)
    errors: dict[Key, str] = field(default_factory=dict)
    not_finite: dict[Key, int] = field(default_factory=dict)
    lint: Lint = field(default_factory=Lint)


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
    tally = found.tallies.setdefault(case, Tally())
    size = max(1, _ENTRIES // max(case.hidden_size, case.input_size) ** 2)  # by x: m points of m
    for first in range(start, stop, size):
        last = min(first + size, stop)
        sets = (draw or drawn)(case, seed, first, last, xp)
        with np.errstate(all="ignore"):  # what is not finite is counted
            found.lint.begin(sets, cell.step(sets))
            for quantity in dict.fromkeys(formula.quantity for formula in formulas):
                same = [f for f in formulas if f.quantity == quantity and f.key not in found.errors]
                if same and quantity == ARGMAX:
                    directions = Directions(sets, case, seed, range(first, last), xp)
                    _try_directions(same, directions, first, tally, found)
                elif same:
                    _try_jacobians(same, Material(QUANTITIES[quantity], sets), first, tally, found)
        if progress:
            progress(last - start, stop - start)


def drawn(case: Case, seed: int, start: int, stop: int, xp: Any) -> WeightSets:
    """The weight sets of a case with a bias, uniform on ±1.

    The document's cell has none, but a reader's formula may use it, and use it wrongly.
    """
    sets = draw(case, seed, start, stop, xp)
    shape = (stop - start, len(cell.GATES), case.hidden_size)
    r = uniforms(seed, case.name + "/biases", start, stop, shape[1] * shape[2])
    return replace(sets, b=xp.asarray((2 * r.reshape(shape) - 1).astype(case.dtype)))


def compare(formula: Formula, material: Material, claimed: Array) -> Iterator[Comparison]:
    """A formula's values beside each reference."""
    for reference, (measured, bound) in material.references.items():
        yield Comparison(formula.quantity, formula.name, "", reference, claimed, measured, bound)


def _try_jacobians(
    formulas: list[Formula], material: Material, first: int, tally: Tally, found: Trial
) -> None:
    slips = list(material.mutants())
    truth, rounding = material.truth, material.rounding
    tried = False
    for formula in formulas:
        claimed = _evaluated(formula, material.view, material.shape, found)
        if claimed is None:
            continue
        tried = True
        for comparison in compare(formula, material, claimed):
            tally.update(comparison, first)
        _count_not_finite(formula, claimed, truth, found)
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
            tally.update(comparison, first)
            found.lint.see(comparison)


def _evaluated(formula: Formula, view: Any, shape: tuple[int, ...], found: Trial) -> Array | None:
    try:
        return evaluate(formula, view, shape)
    except InputError as error:
        found.errors[formula.key] = str(error)
        return None


def _count_not_finite(formula: Formula, claimed: Array, truth: Array, found: Trial) -> None:
    xp = namespace_of(claimed)
    broken = (~xp.isfinite(claimed) & xp.isfinite(truth)).any(axis=(1, 2))
    count = found.not_finite.get(formula.key, 0) + int(broken.sum())
    found.not_finite[formula.key] = count


class Directions:
    """The forget gate's argmax on weight sets of a case, by ascent on the sphere.

    Ascent knows the forward equations alone. It starts from the best of `DIRECTIONS` uniform
    samples; once with x = 0, once with the set's x and a bias.
    """

    def __init__(self, sets: Any, case: Case, seed: int, indices: range, xp: Any) -> None:
        from lstm_gpu.claims.gate_ascent import ascend  # SciPy: what others save
        from lstm_gpu.claims.gate_part import part_of
        from lstm_gpu.claims.gate_search import search_part
        from lstm_gpu.sphere.rounding import unit_error

        self.part = part_of(sets, case, seed, indices, xp)
        self.view = Material(QUANTITIES["forget_gate_jacobian"], sets).view
        self.truth = self.part.rows.direction
        n, dtype = case.hidden_size, sets.U.dtype
        # Of the claimed direction, normalised in any way, and of the ascent's.
        free = bounds.gamma(n + FREE_ROUNDINGS, bounds.unit_roundoff(dtype))
        self.lengths = free + unit_error(n, dtype)
        best = search_part(self.part, [range(DIRECTIONS)]).best
        ascents = [ascend(self.part, *pair) for pair in zip(self.part.gates, best, strict=True)]
        self.ascents = dict(zip(("ascent_zero_input", "ascent_any_input"), ascents, strict=True))

    def blank(self, directions: Array) -> Array:
        """Zeros for the rows that have no argmax: U_f^(d) = 0."""
        return self.part.xp.where(self.part.zero[..., None], 0, directions)

    def compare(
        self, name: str, mutant: str, claimed: Array, equivalent: Array | None = None
    ) -> Iterator[Comparison]:
        """Directions (sets, n, n) beside both ascents, by the component that differs most."""
        from lstm_gpu.claims.gate_part import worst_component

        for reference, ascent in self.ascents.items():
            bound = ascent.turn_bound + self.lengths
            values = worst_component(claimed, ascent.end, bound, self.part.xp)
            key = (ARGMAX, name, mutant, reference)
            yield self.part.finding(key, *values, equivalent=equivalent).comparison


def _try_directions(
    formulas: list[Formula], directions: Directions, first: int, tally: Tally, found: Trial
) -> None:
    truth, xp = directions.truth, directions.part.xp
    rounding = 2 * directions.lengths + 0 * truth
    wrongs = directions.part.wrong_directions.items()
    slips = [(name, directions.blank(wrong)) for name, wrong in wrongs]
    for formula in formulas:
        claimed = _evaluated(formula, directions.view, truth.shape, found)
        if claimed is None:
            continue
        claimed = directions.blank(claimed)
        for comparison in directions.compare(formula.name, "", claimed):
            tally.update(comparison, first)
        _count_not_finite(formula, claimed, truth, found)
        suspects = found.suspects.setdefault(formula.key, Suspects())
        suspects.update(claimed, truth, rounding, slips, rounding)
    for name, wrong in slips:
        same = (xp.abs(wrong - truth) <= rounding).all(axis=(1, 2))
        for comparison in directions.compare("", name, wrong, same):
            tally.update(comparison, first)
            found.lint.see(comparison)


def examine(
    formula: Formula,
    case: Case,
    seed: int,
    index: int,
    reference: str,
    xp: Any,
    draw: Draw | None = None,
) -> Comparison:
    """Evaluate one comparison of a formula again.

    Raises
    ------
    InputError
        The formula cannot be evaluated, or there is no such reference.
    """
    sets = (draw or drawn)(case, seed, index, index + 1, xp)
    if formula.quantity != ARGMAX:
        return compare_sets(formula, sets, reference)
    with np.errstate(all="ignore"):
        directions = Directions(sets, case, seed, range(index, index + 1), xp)
        claimed = evaluate(formula, directions.view, directions.truth.shape)
        tried = directions.compare(formula.name, "", directions.blank(claimed))
        return _measured_by(tried, formula, reference)


def compare_sets(formula: Formula, sets: WeightSets, reference: str) -> Comparison:
    """One comparison of a formula for a Jacobian, on weight sets however they were made."""
    with np.errstate(all="ignore"):
        material = Material(QUANTITIES[formula.quantity], sets)
        claimed = evaluate(formula, material.view, material.shape)
        return _measured_by(compare(formula, material, claimed), formula, reference)


def _measured_by(tried: Iterator[Comparison], formula: Formula, reference: str) -> Comparison:
    for comparison in tried:
        if comparison.reference == reference:
            return comparison
    raise InputError(
        f"`reference` must be one that measures {formula.quantity}, got {reference!r:.60}."
    )
