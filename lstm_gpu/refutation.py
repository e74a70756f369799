"""What the refutation of a reader's formula comes to when a weight set is looked at alone.

A counterexample is one weight set, which anyone can evaluate again. A formula that is wrong among
others and right alone mixes weight sets: that is an error of its code and says nothing of its
mathematics. It is shown by the calls after which it is wrong.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lstm_gpu.counterexample import Calls, Conditions, MixedError, counterexample
from lstm_gpu.errors import InputError
from lstm_gpu.examination import at_entry
from lstm_gpu.formulas import hints, loading
from lstm_gpu.formulas.judgement import Marked, Trial
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.trial import block_size, examine, try_case
from lstm_gpu.report import verdicts
from lstm_gpu.report.counterexamples import choose
from lstm_gpu.report.verdicts import REFUTED, Finding
from lstm_gpu.weights import Case

Loaded = dict[str, list[Formula]]


class Refutation(NamedTuple):
    """What is left of a refutation.

    example : the content of a counterexample file
    error : why the formula could not be tried after all, "" where it is refuted
    hint : that it may only have lost digits; note : that it mixes weight sets besides
    """

    example: dict[str, Any] | None
    error: str = ""
    hint: str = ""
    note: str = ""


def findings_of(formula: Formula, trial: Trial) -> list[Finding]:
    """What the trial found of a formula, case by case."""
    tallies = {case: tally.of(*formula.key) for case, tally in trial.tallies.items()}
    return [verdicts.in_tally(tally, case)[formula.key] for case, tally in tallies.items()]


def refutation(
    formula: Formula,
    in_cases: Sequence[Finding],
    not_finite: Marked,
    not_longer: bool,
    conditions: Conditions,
    loaded: Loaded,
) -> Refutation:
    """Look at a refuted formula alone.

    in_cases : what was found case by case, by the tallies alone
    not_finite, not_longer : of the formula, as in `Trial`
    loaded : file -> its formulas, run again; added to
    """
    chosen = choose(list(in_cases)) or _first_of(not_finite, formula.quantity)
    note = ""
    try:
        example = counterexample(_fresh(formula, loaded), chosen, conditions)
    except MixedError as error:
        refuting = [f for f in in_cases if f.verdict == REFUTED and f.worst is not None]
        found, looked = _one_by_one(formula, refuting or [chosen], conditions)
        if found is None:
            said = f"{error} Set by set it is not refuted, on {looked} weight sets."
            found = _together(formula, chosen, conditions)
            if found is None:
                said += " Its file run again, it is right in that block, too: nothing to replay."
            return Refutation(found, said)
        example, note = found, f"{error} Set by set it is refuted, too."
    except InputError as error:
        return Refutation(None, f"{error} (It is so for a weight set alone.)")
    note = note or _right_beside_another(formula, example, chosen, conditions)
    hint = ""
    if isinstance(example["error"], float):
        case, index = Case.from_dict(example["case"]), example["index"]
        sets = conditions.draw(case, conditions.seed, index, index + 1, conditions.xp)
        hint = hints.of_rounding(formula, sets, example["entry"], example["error"], not_longer)
    return Refutation(example, hint=hint, note=note)


def _right_beside_another(
    formula: Formula, example: dict[str, Any], chosen: Finding, conditions: Conditions
) -> str:
    """That a counterexample alone is right beside another weight set; "" where it is as wrong."""
    c, case, index = conditions, chosen.case, example["index"]
    assert case is not None
    if index + 1 >= c.sets or block_size(case) == 1:
        return ""
    calls = [(index, index + 2)]
    try:
        comparison = examine(
            _fresh(formula, {}), case, c.seed, index, example["reference"], c.xp, c.draw, calls
        )
    except InputError:  # it fails on two
        return ""
    at = at_entry(comparison, example["entry"])
    if not at["error"] <= at["bound"]:
        return ""
    return (
        f"`{formula.name}` must treat each weight set alone, but this one is wrong alone and right "
        "beside another: look for what depends on the number of weight sets."
    )


def _first_of(marked: Marked, quantity: str) -> Finding:
    """Where a formula gave no number: what a counterexample needs to know."""
    entry = list(marked.entry)
    reference = "complex_step"
    if quantity == ARGMAX:  # which is compared row by row
        entry, reference = entry[:1], "ascent_zero_input"
    return Finding(
        case=marked.case, reference=reference, worst={"index": marked.index, "entry": entry}
    )


def _one_by_one(
    formula: Formula, refuting: Sequence[Finding], conditions: Conditions
) -> tuple[dict[str, Any] | None, int]:
    """A counterexample, if a formula that mixes weight sets is also wrong when each is alone.

    And how many were looked at: the worst of each refuting case, and its first ones. The formula's
    file is run again before each of the two looks, for it may remember what it has seen.
    """
    trial, looked = Trial(), 0
    alone = _fresh(formula, {})
    for finding in refuting:
        assert finding.case is not None
        assert finding.worst is not None
        indices = {finding.worst["index"], *range(min(conditions.alone, conditions.sets))}
        looked += len(indices)
        for index in sorted(indices):
            where = finding.case, conditions.seed, index, index + 1
            try_case([alone], *where, conditions.xp, trial, draw=conditions.draw)
    chosen = None if formula.key in trial.errors else choose(findings_of(formula, trial))
    if chosen is None:
        return None, looked
    try:
        return counterexample(_fresh(formula, {}), chosen, conditions), looked
    except InputError:
        return None, looked


def _together(formula: Formula, chosen: Finding, conditions: Conditions) -> dict[str, Any] | None:
    """A counterexample of calls with several weight sets; each is tried in a file run again."""
    assert chosen.case is not None
    assert chosen.worst is not None
    for calls in _calls(chosen.case, chosen.worst["index"], conditions):
        try:
            return counterexample(_fresh(formula, {}), chosen, conditions, calls)
        except InputError:  # right there, too; or it fails
            continue
    return None


def _calls(case: Case, index: int, conditions: Conditions) -> Iterator[Calls]:
    """What may show that a weight set is not treated alone, the simplest first.

    Beside one other set; after another; in the block in which it was found.
    """
    near = [other for other in (index - 1, index + 1) if other >= 0]
    for other in near:
        yield [(min(index, other), max(index, other) + 1)]
    for other in near:
        yield [(other, other + 1), (index, index + 1)]
    shard = index - index % conditions.shard_size
    first = index - (index - shard) % block_size(case)
    yield [(first, min(first + block_size(case), shard + conditions.shard_size, conditions.sets))]


def _fresh(formula: Formula, loaded: Loaded) -> Formula:
    """The formula with nothing remembered, as a replay will have it, where it is from a file."""
    if not formula.file:
        return formula
    if formula.file not in loaded:
        try:
            loaded[formula.file] = loading.load(formula.file)
        except InputError:  # changed or gone since
            loaded[formula.file] = []
    same = (f for f in loaded[formula.file] if f.quantity == formula.quantity)
    found = next((f for f in same if f.is_called(formula.name)), None)
    return formula if found is None else found._replace(name=formula.name)
