"""`lstm_gpu.check`: your own formulas on trial, in seconds, without the workflow."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import files
from lstm_gpu.counterexample import Conditions, counterexample_path
from lstm_gpu.errors import InputError
from lstm_gpu.formulas import hints, loading
from lstm_gpu.formulas.judgement import MARKS, Marked, Trial, cause_of, weigh
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.formulas.table import table, word_of
from lstm_gpu.formulas.trial import try_case
from lstm_gpu.plan import Plan, plan_of
from lstm_gpu.refutation import Loaded, Refutation, findings_of, refutation
from lstm_gpu.report import verdicts
from lstm_gpu.report.verdicts import (
    CAUGHT,
    EQUIVALENT,
    INCONCLUSIVE,
    MISSED,
    REFUTED,
    SUPPORTED,
)
from lstm_gpu.weights import DTYPES


@dataclass(frozen=True)
class Result:
    """What the trial of one formula found. Errors are in the unit of the quantity.

    verdict : "supported", "refuted" or "inconclusive"; reason : why it is inconclusive, or refuted
        without an error above a bound
    note : what else is to be said of the verdict
    error : why the formula could not be tried at all, "" if it was
    error_over_bound, worst_error, error_bound : of the worst entry; None if nothing was decided
    smallest_detectable : an error above this size at any one entry, the same in every weight set,
        would have been refuted in at least half of the cases; infinite: no size is promised
    mutants_caught, mutants, missed : wrong formulas for the same quantity on the same inputs
    hidden : wrong formulas that equal the truth on all of them, which count for neither
    inputs : what was found of the inputs, and on how many weight sets (`lstm_gpu.lint`)
    likely_cause : the slip that a refuted formula is, or "no match: …"; "" for any other
    counterexample : content of a counterexample file, None unless refuted or wrong among other
        weight sets alone
    file : that the formula is from, "" for one given in a call
    """

    formula: str
    quantity: str
    verdict: str
    reason: str = ""
    error: str = ""
    note: str = ""
    error_over_bound: float | None = None
    worst_error: float | None = None
    error_bound: float | None = None
    smallest_detectable: float = math.inf
    mutants_caught: int = 0
    mutants: int = 0
    missed: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    inputs: dict[str, int] = field(default_factory=dict)
    likely_cause: str = ""
    cases: int = 0
    weight_sets: int = 0
    comparisons: int = 0
    counterexample: dict[str, Any] | None = field(default=None, repr=False)
    file: str = ""

    @property
    def supported(self) -> bool:
        return self.verdict == SUPPORTED

    def __str__(self) -> str:
        return table([self])


def check(formula: Callable[[Any], Any], quantity: str | None = None, **plan: Any) -> Result:
    """Put one formula on trial.

    Parameters
    ----------
    formula : takes a `StepView`, returns an array (sets, n, n); see `lstm_gpu.claim`
    quantity : what it claims to equal; None if the function is marked with `claim`, once
    plan : as in `plan_of`

    Raises
    ------
    InputError
        for an unknown quantity and for a plan out of range; a formula that cannot be evaluated is
        no exception, but a result with an `error`.
    """
    if not callable(formula):
        raise InputError(
            f"`formula` must be a function, got {formula!r:.60}. A file is for the command line: "
            "lstm-gpu check FILE."
        )
    marks = loading.marks(formula)
    name = getattr(formula, "__name__", type(formula).__name__)
    if quantity is None and len(marks) > 1:
        raise InputError(
            f"`quantity` must say which, for `{name}` is marked with {' and '.join(marks)}. "
            f'Write check({name}, "{marks[0]}").'
        )
    if quantity is None and marks:
        quantity = marks[0]
    return check_formulas([Formula(name, loading.known(quantity), formula)], plan_of(**plan))[0]


def assert_supported(
    formula: Callable[[Any], Any], quantity: str | None = None, **plan: Any
) -> Result:
    """For tests: `check`, and AssertionError with the table unless the formula is supported."""
    result = check(formula, quantity, **plan)
    if not result.supported:
        raise AssertionError("\n" + str(result))
    return result


def check_formulas(formulas: Sequence[Formula], plan: Plan) -> list[Result]:
    """Put several formulas on trial on the same weight sets; a result for each, in their order."""
    xp = backends.select(plan.backend)
    trial = Trial()
    for case in plan.cases:
        try_case(list(formulas), case, plan.seed, 0, plan.sets, xp, trial, draw=plan.draw)
    loaded: Loaded = {}
    return [_result(formula, trial, plan, xp, loaded) for formula in formulas]


def _result(formula: Formula, trial: Trial, plan: Plan, xp: Any, loaded: Loaded) -> Result:
    def untried(error: str, example: dict[str, Any] | None = None) -> Result:
        shown = Result(formula.name, formula.quantity, INCONCLUSIVE, error, error)
        return replace(shown, counterexample=example, file=formula.file)

    if formula.key in trial.errors:
        return untried(trial.errors[formula.key])
    in_cases = findings_of(formula, trial)
    total = verdicts.over_cases(in_cases)
    marked = {name: getattr(trial, name).get(formula.key, Marked()) for name in MARKS}
    decided = trial.decided.get(formula.key, 0)

    verdict, reason = weigh(total.verdict, total.reason, decided, **marked, seed=plan.seed)
    example, error, hint, note = Refutation(None)
    if verdict == REFUTED:
        conditions = Conditions(
            plan.seed,
            plan.backend,
            xp,
            sets=plan.sets,
            shard_size=plan.sets,
            alone=plan.sets,
            trained=plan.trained,
        )
        not_longer = formula.key in trial.not_longer
        how = marked["not_finite"], not_longer, conditions, loaded
        example, error, hint, note = refutation(formula, in_cases, *how)
    else:
        note = _other_dtype(formula, plan, xp)
    if error:
        return untried(error, example)
    worst = total.worst or {}
    outcomes = total.mutants
    return Result(
        formula=formula.name,
        quantity=formula.quantity,
        verdict=verdict,
        reason=reason or hint,
        note=note,
        error_over_bound=worst.get("ratio"),
        worst_error=worst.get("error"),
        error_bound=worst.get("bound"),
        smallest_detectable=total.smallest_detectable,
        mutants_caught=sum(outcome == CAUGHT for outcome in outcomes.values()),
        mutants=sum(outcome in (CAUGHT, MISSED) for outcome in outcomes.values()),
        hidden=tuple(name for name, outcome in outcomes.items() if outcome == EQUIVALENT),
        inputs={name: found.sets for name, found in sorted(trial.lint.findings.items())},
        missed=tuple(name for name, outcome in outcomes.items() if outcome == MISSED),
        likely_cause=""
        if verdict != REFUTED
        else cause_of(trial.suspects[formula.key], marked["not_finite"]),
        cases=total.cases,
        weight_sets=total.weight_sets,
        comparisons=total.comparisons,
        counterexample=example,
        file=formula.file,
    )


def _other_dtype(formula: Formula, plan: Plan, xp: Any) -> str:
    if plan.trained is not None:
        return ""
    other = next(dtype for dtype in DTYPES if dtype != plan.dtype)
    sets = plan.draw(replace(plan.cases[0], dtype=other), plan.seed, 0, 1, xp)
    return hints.other_dtype(formula, sets, plan.dtype)


def write_counterexamples(results: Sequence[Result], folder: Path) -> dict[tuple[str, str], Path]:
    """Write the counterexamples to the formulas; (quantity, name) -> path."""
    written = {}
    for result in results:
        if result.counterexample is not None:
            path = counterexample_path(folder, result.quantity, result.formula, result.file)
            files.write_json(path, "counterexample", result.counterexample)
            written[result.quantity, result.formula] = path
    return written


def exit_code(results: Sequence[Result]) -> int:
    """1 if a formula is refuted, 2 if one could not be tried, 3 if one is inconclusive, else 0."""
    if any(r.verdict == REFUTED for r in results):
        return 1
    if any(r.error for r in results):
        return 2
    return 0 if all(r.supported for r in results) else 3


def as_json(results: Sequence[Result], plan: Plan) -> dict[str, Any]:
    """The results as JSON values: infinity and NaN are None, and a verdict is the table's word."""
    rows = [
        {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in (asdict(result) | {"verdict": word_of(result)}).items()
        }
        for result in results
    ]
    settings = asdict(plan)
    if plan.weights is not None:
        settings["weights"] = os.fspath(plan.weights)
    return {"plan": settings, "results": rows}
