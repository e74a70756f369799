"""`lstm_gpu.check`: your own formulas on trial, in seconds, without the workflow."""

import math
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import files
from lstm_gpu.campaign import at_entry, memory_by_input
from lstm_gpu.configuration import COMMAND_MEMORY_LIMIT
from lstm_gpu.errors import InputError
from lstm_gpu.formulas import loading
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.trial import DIRECTIONS, Draw, Trial, drawn, examine, try_case
from lstm_gpu.intake import child
from lstm_gpu.report import verdicts
from lstm_gpu.report.counterexamples import choose
from lstm_gpu.report.verdicts import (
    CAUGHT,
    EQUIVALENT,
    INCONCLUSIVE,
    MISSED,
    REFUTED,
    SUPPORTED,
    Finding,
)
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, REGIMES, Case
from lstm_gpu.weights.trained import Trained
from lstm_gpu.weights.trained import load as load_weights

HIDDEN_SIZES = (2, 3, 8, 32)
WEIGHT_SETS = 8
LARGEST_SIZE, LARGEST_SEED, MOST_SETS = 4096, 2**64 - 1, 10**7


@dataclass(frozen=True)
class Plan:
    """On what formulas are tried.

    hidden_sizes : each n; input_size : m, None for one beside n (m = n hides mixed-up W and U)
    weight_sets : per case; distributions : None for all, each in a regime of states
    weights : a file of trained weights instead, which fixes sizes and dtype (`weights.trained`);
        with states of its own, all of them are tried, and `weight_sets` counts for nothing
    """

    hidden_sizes: Sequence[int] = HIDDEN_SIZES
    input_size: int | None = None
    weight_sets: int = WEIGHT_SETS
    dtype: str = "float64"
    distributions: Sequence[str] | None = None
    seed: int = 0
    backend: str = "auto"
    weights: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        fixed = self.hidden_sizes, self.input_size, self.dtype, self.distributions
        if self.weights is not None and fixed != (HIDDEN_SIZES, None, "float64", None):
            raise InputError(
                "`weights` must stand without hidden_size, input_size, dtype and distribution, "
                "which the file has. Leave them out."
            )
        _several("hidden_size", self.hidden_sizes)
        if self.distributions is not None:
            _several("distribution", self.distributions)
        for n in self.hidden_sizes:
            whole("hidden_size", n, 1, LARGEST_SIZE)
        if self.input_size is not None:
            whole("input_size", self.input_size, 1, LARGEST_SIZE)
        whole("weight_sets", self.weight_sets, 1, MOST_SETS)
        whole("seed", self.seed, 0, LARGEST_SEED)
        choice("dtype", self.dtype, DTYPES)
        for name in self.distributions or ():
            choice("distribution", name, DISTRIBUTIONS)
        for case in self.cases:
            needed = memory_by_input(case)
            if needed > COMMAND_MEMORY_LIMIT:
                raise InputError(
                    "`hidden_size` and `input_size` must leave a weight set below "
                    f"{COMMAND_MEMORY_LIMIT / 2**30:.3g} GiB, got {case.hidden_size} and "
                    f"{case.input_size}, which may take {needed / 2**30:.3g} GiB. Choose smaller."
                )

    @property
    def cases(self) -> list[Case]:
        """Every size with every distribution; the regimes of states take turns."""
        if self.trained is not None:
            return self.trained.cases
        laws = self.distributions or DISTRIBUTIONS
        return [
            Case(n, self.input_size or n + 1 + n // 2, self.dtype, law, regime)
            for row, n in enumerate(dict.fromkeys(self.hidden_sizes))
            for column, law in enumerate(dict.fromkeys(laws))
            for regime in (REGIMES if len(laws) == 1 else (REGIMES[(row + column) % len(REGIMES)],))
        ]

    @cached_property
    def trained(self) -> Trained | None:
        """The file of weights, read once."""
        return None if self.weights is None else load_weights(self.weights)

    @property
    def draw(self) -> Draw:
        """Weight sets of a case of this plan."""
        return drawn if self.trained is None else self.trained.draw

    @property
    def sets(self) -> int:
        """Weight sets per case."""
        given = self.trained.states if self.trained is not None else None
        return self.weight_sets if given is None else len(given[0])


def _several(name: str, values: Any) -> None:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise InputError(
            f"`{name}` must be a list with at least one entry, got {values!r:.60}. "
            "Write it in brackets, or leave it out."
        )


def whole(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            f"`{name}` must be a whole number from {low} to {high}, got {value!r:.60}."
        )


def choice(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"`{name}` must be one of {', '.join(known)}, got {value!r:.60}.")


@dataclass(frozen=True)
class Result:
    """What the trial of one formula found. Errors are in the unit of the quantity.

    verdict : "supported", "refuted" or "inconclusive"; reason : why it is inconclusive
    error : why the formula could not be tried at all, "" if it was
    error_over_bound, worst_error, error_bound : of the worst entry; None if nothing was decided
    smallest_detectable : an error above this size at any one entry, the same in every weight set,
        would have been refuted in at least half of the cases; infinite: no size is promised
    mutants_caught, mutants, missed : wrong formulas for the same quantity on the same inputs
    hidden : wrong formulas that equal the truth on all of them, which count for neither
    inputs : what was found of the inputs, and on how many weight sets (`lstm_gpu.lint`)
    likely_cause : the slip that the formula is, "no match", or "" for a right one
    counterexample : content of a counterexample file, None unless refuted
    """

    formula: str
    quantity: str
    verdict: str
    reason: str = ""
    error: str = ""
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
    quantity : what it claims to equal; None if the function is marked with `claim`
    plan : fields of `Plan`: hidden_sizes, input_size, weight_sets, dtype, distributions, seed,
        backend, weights

    Raises
    ------
    InputError
        for an unknown quantity and for a plan out of range; a formula that cannot be evaluated is
        no exception, but a result with an `error`.
    """
    marks = loading.marks(formula)
    if quantity is None and len(marks) == 1:
        quantity = marks[0]
    name = getattr(formula, "__name__", type(formula).__name__)
    return check_formulas([Formula(name, loading.known(quantity), formula)], Plan(**plan))[0]


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
    return [_result(formula, trial, plan, xp) for formula in formulas]


def _result(formula: Formula, trial: Trial, plan: Plan, xp: Any) -> Result:
    def untried(error: str) -> Result:
        return Result(formula.name, formula.quantity, INCONCLUSIVE, error, error)

    if formula.key in trial.errors:
        return untried(trial.errors[formula.key])
    in_cases = [
        verdicts.in_tally(tally, case)[formula.key] for case, tally in trial.tallies.items()
    ]
    chosen = choose(in_cases)
    try:
        seed, backend = plan.seed, plan.backend
        example = (
            counterexample(formula, chosen, seed, backend, xp, plan.trained) if chosen else None
        )
    except InputError as error:
        return untried(f"{error} (It is so for a weight set alone.)")
    total = verdicts.over_cases(in_cases)
    verdict, reason = total.verdict, total.reason
    broken = trial.not_finite.get(formula.key, 0)
    if broken and verdict != REFUTED:
        verdict = INCONCLUSIVE
        reason = (
            f"NaN or infinity in {broken} of {total.weight_sets} weight sets, where the derivative "
            "is finite"
        )
    worst = total.worst or {}
    outcomes = total.mutants
    return Result(
        formula=formula.name,
        quantity=formula.quantity,
        verdict=verdict,
        reason=reason,
        error_over_bound=worst.get("ratio"),
        worst_error=worst.get("error"),
        error_bound=worst.get("bound"),
        smallest_detectable=total.smallest_detectable,
        mutants_caught=sum(outcome == CAUGHT for outcome in outcomes.values()),
        mutants=sum(outcome in (CAUGHT, MISSED) for outcome in outcomes.values()),
        hidden=tuple(name for name, outcome in outcomes.items() if outcome == EQUIVALENT),
        inputs={name: found.sets for name, found in sorted(trial.lint.findings.items())},
        missed=tuple(name for name, outcome in outcomes.items() if outcome == MISSED),
        likely_cause=trial.suspects[formula.key].describe(),
        cases=total.cases,
        weight_sets=total.weight_sets,
        comparisons=total.comparisons,
        counterexample=example,
    )


def counterexample(
    formula: Formula,
    chosen: Finding,
    seed: int,
    backend: str,
    xp: Any,
    trained: Trained | None = None,
) -> dict[str, Any]:
    """What a counterexample file holds: all that a replay needs but the formula, which is code.

    Of trained weights it has the digest of their file, which a replay asks for.

    Raises
    ------
    InputError
        The formula cannot be evaluated on one weight set alone, or is not wrong there.
    """
    assert chosen.case is not None
    assert chosen.worst is not None
    index, entry = chosen.worst["index"], chosen.worst["entry"]
    draw = drawn if trained is None else trained.draw
    comparison = examine(formula, chosen.case, seed, index, chosen.reference, xp, draw)
    found = at_entry(comparison, entry)
    if not found["error"] > found["bound"]:
        raise InputError(
            f"`{formula.name}` must treat each weight set alone, but is wrong only among others. "
            "Sum over axes 1 and 2, not over axis 0."
        )
    ratio = found["error"] / found["bound"] if found["bound"] > 0 else math.inf
    return {
        "claim": formula.quantity,
        "reading": formula.name,
        "mutant": "",
        "reference": chosen.reference,
        "entry": entry,
        "case": chosen.case.as_dict(),
        "seed": seed,
        "index": index,
        "directions": DIRECTIONS if formula.quantity == ARGMAX else None,
        "backend": backend,
        **found,
        "ratio": ratio if math.isfinite(ratio) else None,
        "parts": {},
        "hex": {name: value.hex() for name, value in found.items()},
        "formula": {"file": Path(formula.file).name, "sha256": formula.sha256},
        **({"weights_file": {"file": trained.file, "sha256": trained.sha256}} if trained else {}),
    }


def write_counterexamples(results: Sequence[Result], folder: Path) -> dict[tuple[str, str], Path]:
    """Write the counterexamples of the refuted formulas; (quantity, name) -> path."""
    written = {}
    for result in results:
        if result.counterexample is not None:
            path = child(folder, f"{result.quantity}__{result.formula}.json")
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
    """The results as JSON values: infinity and NaN are None."""
    rows = [
        {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(result).items()
        }
        for result in results
    ]
    settings = asdict(plan)
    if plan.weights is not None:
        settings["weights"] = os.fspath(plan.weights)
    return {"plan": settings, "results": rows}


_HEADS = (
    "formula",
    "claims to equal",
    "verdict",
    "error/bound",
    "would have caught",
    "mutants caught",
)
_WIDTH = 100
_TELLING = 1e9  # an error this many times its bound: how many more says nothing


def table(results: Sequence[Result], commands: Mapping[tuple[str, str], str] | None = None) -> str:
    """One table, and below it, formula by formula, what a reader needs next.

    commands : (quantity, name) -> the command that replays its counterexample
    """

    def number(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return "-"
        return f"{value:.3g}" if value <= _TELLING else f"> {_TELLING:.0e}"

    lines = [_HEADS]
    for r in results:
        caught = f"{r.mutants_caught}/{r.mutants}" if r.mutants else "-"
        lines.append(
            (
                r.formula,
                r.quantity,
                "error" if r.error else r.verdict,
                number(r.error_over_bound),
                number(r.smallest_detectable),
                caught,
            )
        )
    widths = [max(len(line[k]) for line in lines) for k in range(len(_HEADS))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    for r in results:
        said, command = _notes(r), (commands or {}).get((r.quantity, r.formula))
        if said:
            text += ["", f"{r.formula}:"]
            for line in said:
                text += textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
            text += [f"  replay: {command}"] if command else []
    return "\n".join(text)


def _notes(r: Result) -> list[str]:
    if r.error:
        return [r.error]
    said = []
    if r.reason:
        said.append(f"inconclusive: {r.reason}")
    if r.verdict == REFUTED and r.counterexample:
        c = r.counterexample
        case = c["case"]
        said.append(
            f"worst entry shown: {c['entry']} of weight set {c['index']} (seed {c['seed']}, n = "
            f"{case['hidden_size']}, m = {case['input_size']}, {case['distribution']}, "
            f"{case['regime']}): claimed {c['claimed']:.17g}, measured {c['measured']:.17g} by "
            f"{c['reference']}, error {c['error']:.3g}, bound {c['bound']:.3g}"
        )
    if r.likely_cause:
        said.append(f"likely cause: {r.likely_cause}")
    if r.hidden:
        found = [name for name, sets in r.inputs.items() if sets == r.weight_sets]
        why = f" (all inputs have {', '.join(found)})" if found else ""
        said.append(f"inconclusive for these, equal on every input{why}: {', '.join(r.hidden)}")
    if r.missed and r.verdict != REFUTED:
        said.append(f"these wrong formulas would have passed as well: {', '.join(r.missed)}")
    return said
