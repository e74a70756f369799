"""Replay a counterexample: recompute it from its seed and say what it shows."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu import backend as backends
from lstm_gpu import examination
from lstm_gpu.claims import registry
from lstm_gpu.errors import InputError, printable
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.recorded import Recorded, read
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import WeightSets


class Outcome(NamedTuple):
    """A replayed comparison.

    file : what was read; found : what was recomputed (`examination.examine`)
    verdict : "refuted" (an error above its bound, or a proof), "supported", or "inconclusive"
    same_bits : whether the recomputed values are the recorded ones, bit for bit
    enclosure : formula and derivative in ball arithmetic (`references.ball.Enclosure`); None where
        the claim is no statement on a derivative
    edited : whether the reader's own formula file is another than when the file was written
    alone : of a formula that mixes weight sets, what it gives for the weight set alone
    """

    file: dict[str, Any]
    found: dict[str, Any]
    verdict: str
    same_bits: bool
    enclosure: Any = None
    edited: bool = False
    alone: dict[str, Any] | None = None


def replay(
    path: str | os.PathLike[str],
    backend: str = "auto",
    formula: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> Outcome:
    """Read a counterexample file and evaluate its comparison again.

    formula : the Python file of the formula, for a counterexample to a reader's own. It is named
        here because it is run: a counterexample file is data, and never says what to run.

    weights : the file of trained weights, for a counterexample that was found with them

    Raises
    ------
    InputError
        in one line, for a file that is missing, damaged, foreign or out of range.
    """
    recorded = read(path, weights)
    xp = backends.select(backend)
    edited, alone = False, None
    if recorded.own:
        own = formula_of(recorded, formula)
        edited = is_edited(recorded, own)
        found: dict[str, Any] = _examine_own(recorded, own, xp)
        if recorded.calls:  # the file is run again, for it may remember them
            alone = _examine_own(replace(recorded, calls=()), formula_of(recorded, formula), xp)
    elif recorded.weights is not None:
        found = examination.examine_sets(recorded.key, recorded.entry, recorded.sets(xp))
    else:
        weight_set = recorded.case, recorded.seed, recorded.index, recorded.directions
        found = examination.examine(
            recorded.key, recorded.entry, *weight_set, backend, recorded.accuracy
        )
    same = all(as_written(found[n]) == recorded.content.get(n) for n in ("claimed", "measured"))
    enclosure = None if recorded.own or not recorded.has_sets else _enclose(recorded)
    proved = enclosure is not None and enclosure.proof == "refuted"
    verdict = "refuted" if proved or _no_number(recorded.content, found) else _verdict(found)
    return Outcome(recorded.content, found, verdict, same, enclosure, edited, alone)


def _enclose(recorded: Recorded) -> Any:
    return examination.enclose(recorded.key, recorded.entry, recorded.sets(np))


def _examine_own(recorded: Recorded, formula: Formula, xp: Any) -> dict[str, float]:
    from lstm_gpu.formulas import trial

    reference = recorded.key[3]
    if recorded.weights is None:
        assert recorded.case is not None  # as `read` has seen to
        where = recorded.case, recorded.seed, recorded.index
        draw = None if recorded.trained is None else recorded.trained.draw
        comparison = trial.examine(formula, *where, reference, xp, draw, recorded.calls)
    else:
        comparison = trial.compare_sets(formula, recorded.sets(xp), reference)
    return examination.at_entry(comparison, recorded.entry)


def comparing(
    recorded: Recorded, formula: Formula | str | os.PathLike[str] | None
) -> Callable[[WeightSets], Comparison]:
    """The file's comparison as a function of the weight set, for the claims on Jacobians.

    Raises
    ------
    InputError
        for a claim on the sphere or on sigma', and without the file of a reader's own formula.
    """
    from lstm_gpu.formulas import trial
    from lstm_gpu.formulas.quantities import QUANTITIES

    if recorded.own and recorded.key[0] in QUANTITIES:
        if recorded.calls:
            raise InputError(
                f"`calls` in {recorded.path} are of a formula that is right for each weight set "
                "alone, so there is no single one to be shrunk. Replay it as it is."
            )
        own = formula if isinstance(formula, Formula) else formula_of(recorded, formula)
        return lambda sets: trial.compare_sets(own, sets, recorded.key[3])
    if recorded.own or recorded.key[0] not in examination.JACOBIAN_CLAIMS:
        raise InputError(
            f"`claim` in {recorded.path} must be one on a Jacobian to be shrunk, got "
            f"{recorded.key[0]}. Replay it as it is."
        )
    return lambda sets: examination.compare_sets(recorded.key, sets)


def is_edited(recorded: Recorded, own: Formula) -> bool:
    """Whether a formula's file is another than the one that the counterexample was found with."""
    return recorded.content["formula"].get("sha256") not in ("", own.sha256)


def formula_of(recorded: Recorded, file: str | os.PathLike[str] | None) -> Formula:
    """The formula that a counterexample is to, from the Python file that its user names."""
    from lstm_gpu.formulas.loading import load

    quantity, name, *_ = recorded.key
    if file is None:
        raise InputError(
            f"`{recorded.path}` is a counterexample to a formula of your own, which is not in it. "
            "Name its Python file: --formula FILE."
        )
    for candidate in load(Path(file)):
        if candidate.quantity == quantity and candidate.is_called(name):
            return candidate
    raise InputError(
        f"`{file}` has no formula `{name}` that claims to equal {quantity}. Name the file that "
        "the counterexample was made with."
    )


def as_written(value: Any) -> Any:
    """A float as a counterexample file has it: what is not finite stands as text."""
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _no_number(file: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether a reader's formula gives no finite number where the derivative is one."""
    if "formula" not in file or math.isfinite(found["claimed"]):
        return False
    return math.isfinite(found["measured"]) and math.isfinite(found["bound"])


def _verdict(found: dict[str, Any]) -> str:
    error, bound = _number(found["error"]), _number(found["bound"])
    if not (math.isfinite(error) and math.isfinite(bound)):
        return "inconclusive"
    return "refuted" if error > bound else "supported"


def _number(value: Any) -> float | Fraction:
    """Floats as they are; exact fractions come as text."""
    return Fraction(value) if isinstance(value, str) else value


EDITED = "the formula file is not the one that this counterexample was found with"


def describe(outcome: Outcome) -> str:
    """The replay in words and numbers: both values, the bound and its parts, and the verdict."""
    file, found = outcome.file, outcome.found
    if "formula" in file:
        lines = [f"{file['reading']} claims to equal {file['claim']}"]
    else:
        claim, reading = registry.reading(file["claim"], file["reading"])
        lines = [f"{claim.number} {claim.id} / {reading.name}: {reading.statement}"]
    if file.get("mutant"):
        lines.append(f"mutant       {file['mutant']}")
    if file.get("weights"):
        n, m = len(file["weights"]["h_prev"]), len(file["weights"]["x"])
        lines.append(f"weight set   written out in the file: n = {n}, m = {m}, {file['dtype']}")
    elif file.get("case"):
        case = ", ".join(f"{name} {value}" for name, value in file["case"].items())
        lines.append(f"weight set   seed {file['seed']}, index {file['index']}: {case}")
    if outcome.alone is not None:
        lines.append(f"called with  {called_with(file)}")
    lines += [
        f"entry        {file['entry']}, measured by {file['reference']}",
        f"claimed      {_show(found['claimed'])}",
        *([] if outcome.alone is None else [f"  alone      {_show(outcome.alone['claimed'])}"]),
        f"measured     {_show(found['measured'])}",
        f"error        {_show(found['error'])}",
        f"bound        {_show(found['bound'])}",
    ]
    lines += [f"  {name:<11}{_show(value)}" for name, value in (found.get("parts") or {}).items()]
    if outcome.edited:
        lines.append(EDITED)
    others = "formula" if outcome.edited else "backend, processor or version"
    lines.append(
        "the recorded values were met bit for bit"
        if outcome.same_bits
        else f"recorded     claimed {_show(file.get('claimed'))}, measured "
        f"{_show(file.get('measured'))} (other bits: another {others})"
    )
    if outcome.enclosure is not None:
        lines += _proof(outcome.enclosure)
    above = _verdict(found) == "refuted"
    sentence = {
        "refuted": "refuted: the error is above the bound, so the claim is wrong here"
        if above
        else "refuted: the claimed value is not finite, and the derivative is"
        if _no_number(file, found)
        else "refuted: the bound does not tell, the proof does",
        "supported": "not refuted: the error is within the bound",
        "inconclusive": "inconclusive: a value or the bound is not finite",
    }
    lines.append(sentence[outcome.verdict])
    if outcome.alone is not None and outcome.verdict == "refuted":
        right = _verdict(outcome.alone) == "supported"
        lines.append(
            "alone it is within the bound: the formula mixes weight sets"
            if right
            else "alone it is not right either"
        )
    return "\n".join(map(printable, lines))


def called_with(file: dict[str, Any]) -> str:
    """The calls of a counterexample to a formula that mixes weight sets, in words."""

    def sets(start: int, stop: int) -> str:
        return f"weight sets {start} to {stop - 1}" if stop > start + 1 else f"weight set {start}"

    return ", then with ".join(sets(*call) for call in file["calls"])


def _proof(enclosure: Any) -> list[str]:
    """The enclosed values to 30 digits with their radius, and what they prove."""
    from lstm_gpu.references import ball  # only a replay of a derivative needs python-flint

    proved = {
        ball.REFUTED: "proved: the claimed formula is at least "
        f"{ball.at_least(enclosure.distance)} away from the derivative",
        ball.WITHIN: "proved: the claimed formula is within 2^-200 of the derivative, relative "
        f"to it: {enclosure.relative.str(3)}",
        ball.UNDECIDED: "nothing proved: the enclosures are too wide",
    }
    return [
        f"derivative   {enclosure.truth.str(30)}",
        f"formula      {enclosure.claimed.str(30)}",
        f"             in ball arithmetic of {enclosure.precision} bits",
        proved[enclosure.proof],
    ]


def _show(value: Any) -> str:
    """A float in full and in hexadecimal, an exact fraction as it is."""
    return f"{value!r}  ({value.hex()})" if isinstance(value, float) else str(value)
