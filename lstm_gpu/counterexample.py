"""Counterexamples to readers' formulas: their content, their names, and formulas that mix sets."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.examination import at_entry
from lstm_gpu.formulas import loading
from lstm_gpu.formulas.directions import DIRECTIONS
from lstm_gpu.formulas.inputs import drawn
from lstm_gpu.formulas.judgement import Marked, Trial
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.trial import examine, try_case
from lstm_gpu.intake import child
from lstm_gpu.plan import Plan
from lstm_gpu.report import verdicts
from lstm_gpu.report.counterexamples import choose
from lstm_gpu.report.verdicts import REFUTED, Finding
from lstm_gpu.weights.trained import Trained


class MixedError(InputError):
    """A formula that is wrong among other weight sets, and right alone."""


def findings_of(formula: Formula, trial: Trial) -> list[Finding]:
    """What the trial found of a formula, case by case."""
    return [verdicts.in_tally(tally, case)[formula.key] for case, tally in trial.tallies.items()]


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
    if found["error"] <= found["bound"]:
        raise MixedError(
            f"`{formula.name}` must treat each weight set alone, but its values depend on what "
            f"else is in the block: entry {entry} of weight set {index} ({chosen.case.name}) is "
            "wrong among others and right alone. Look for a sum over axis 0, a place along it, or "
            "something kept from an earlier call."
        )
    ratio = found["error"] / found["bound"] if found["bound"] > 0 else math.inf
    hexadecimal = {name: value.hex() for name, value in found.items()}
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
        **{name: v if math.isfinite(v) else repr(v) for name, v in found.items()},
        "ratio": ratio if math.isfinite(ratio) else None,
        "parts": {},
        "hex": hexadecimal,
        "formula": {"file": Path(formula.file).name, "sha256": formula.sha256},
        **({"weights_file": {"file": trained.file, "sha256": trained.sha256}} if trained else {}),
    }


_LONGEST_NAME = 150  # bytes of a formula's name in that of a file, which may have 255 in all


def counterexample_path(folder: Path, quantity: str, source: str, formula: str) -> Path:
    """QUANTITY__FILE.FUNCTION.json in `folder`; a long name is cut, and a digest tells it apart."""
    name = f"{source}.{formula}" if source else formula
    whole = name.encode()
    if len(whole) > _LONGEST_NAME:
        cut = whole[:_LONGEST_NAME].decode(errors="ignore")
        name = f"{cut}-{hashlib.sha256(whole).hexdigest()[:16]}"
    return child(folder, f"{quantity}__{name}.json")


def refuse_foreign(formulas: Sequence[Formula], folder: Path) -> None:
    """Before a check: that its counterexamples will be written over nothing else.

    Raises
    ------
    InputError
        `folder` is a file, or a counterexample's name is taken by what is none.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"`{folder}` must be a folder for counterexamples, and is a file.")
    for f in formulas:
        path = counterexample_path(folder, f.quantity, Path(f.file).stem, f.name)
        files.refuse_foreign(path, "counterexample")


def first_of(marked: Marked, quantity: str) -> Finding:
    """Where a formula gave no number: what a counterexample needs to know."""
    entry = list(marked.entry)
    reference = "complex_step"
    if quantity == ARGMAX:  # which is compared row by row
        entry, reference = entry[:1], "ascent_zero_input"
    return Finding(
        case=marked.case, reference=reference, worst={"index": marked.index, "entry": entry}
    )


def one_by_one(
    formula: Formula, in_cases: Sequence[Finding], plan: Plan, xp: Any
) -> dict[str, Any] | None:
    """A counterexample, if a formula that mixes weight sets is also wrong when each is alone.

    Its file is run again before each of the two looks, for it may remember what it has seen.
    """
    trial = Trial()
    alone = fresh(formula, {})
    for finding in in_cases:
        if finding.verdict == REFUTED and finding.case is not None:
            for index in range(plan.sets):
                where = finding.case, plan.seed, index, index + 1
                try_case([alone], *where, xp, trial, draw=plan.draw)
    if formula.key in trial.errors:
        return None
    chosen = choose(findings_of(formula, trial))
    try:
        again = fresh(formula, {})
        if chosen is None:
            return None
        return counterexample(again, chosen, plan.seed, plan.backend, xp, plan.trained)
    except InputError:
        return None


def fresh(formula: Formula, loaded: dict[str, list[Formula]]) -> Formula:
    """The formula with nothing remembered, as a replay will have it, where it is from a file.

    loaded : file -> its formulas, run again; added to
    """
    if not formula.file:
        return formula
    if formula.file not in loaded:
        try:
            loaded[formula.file] = loading.load(formula.file)
        except InputError:  # changed or gone since
            loaded[formula.file] = []
    return next((f for f in loaded[formula.file] if f.key == formula.key), formula)
