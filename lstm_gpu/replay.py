"""Replay a counterexample: recompute it from its seed and say what it shows."""

import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from lstm_gpu import campaign
from lstm_gpu.accuracy import Accuracy
from lstm_gpu.claims import registry
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, REGIMES, Case

LARGEST_SIZE = 4096  # of n and m: a file is data, and must not make us fill the memory
LARGEST_DIRECTIONS = 2**24


class Outcome(NamedTuple):
    """A replayed comparison.

    file : what was read; found : what was recomputed (`campaign.examine`)
    verdict : "refuted" (the error is above its bound), "supported", or "inconclusive"
    same_bits : whether the recomputed values are the recorded ones, bit for bit
    """

    file: dict[str, Any]
    found: dict[str, Any]
    verdict: str
    same_bits: bool


def replay(path: str | os.PathLike[str], backend: str = "auto") -> Outcome:
    """Read a counterexample file and evaluate its comparison again.

    Raises
    ------
    InputError
        in one line, for a file that is missing, damaged, foreign or out of range.
    """
    content = read_json(Path(path), "counterexample")
    arguments = _arguments(content, str(path))
    found = campaign.examine(**arguments, backend=backend)
    same = all(found[name] == content.get(name) for name in ("claimed", "measured"))
    return Outcome(content, found, _verdict(found), same)


def _verdict(found: dict[str, Any]) -> str:
    error, bound = _number(found["error"]), _number(found["bound"])
    if not (math.isfinite(error) and math.isfinite(bound)):
        return "inconclusive"
    return "refuted" if error > bound else "supported"


def _number(value: Any) -> float | Fraction:
    """Floats as they are; exact fractions come as text."""
    return Fraction(value) if isinstance(value, str) else value


def _arguments(content: dict[str, Any], path: str) -> dict[str, Any]:
    """The arguments of `campaign.examine`, each checked: type, then range."""

    def field(name: str, kind: type, holder: dict[str, Any] = content) -> Any:
        value = holder.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(
                f"`{name}` in {path} must be {_KINDS[kind]}, got {value!r:.60}. "
                "Take the file that the run wrote."
            )
        return value

    def whole(name: str, low: int, high: int, holder: dict[str, Any] = content) -> int:
        value = field(name, int, holder)
        if not low <= value <= high:
            raise InputError(f"`{name}` in {path} must be from {low} to {high}, got {value}.")
        return value

    def choice(name: str, known: tuple[str, ...], holder: dict[str, Any] = content) -> str:
        value = field(name, str, holder)
        if value not in known:
            raise InputError(
                f"`{name}` in {path} must be one of {', '.join(known)}, got {value!r:.60}."
            )
        return value

    claim = choice("claim", tuple(c.id for c in registry.CLAIMS))
    key = (claim, *(field(name, str) for name in ("reading", "mutant", "reference")))
    entry = field("entry", list)
    if len(entry) > 2 or not all(isinstance(e, int) and e >= 0 for e in entry):
        raise InputError(f"`entry` in {path} must hold up to two indices, got {entry!r:.60}.")
    arguments: dict[str, Any] = {"key": key, "entry": entry}
    if content.get("case") is not None:
        case = field("case", dict)
        arguments["case"] = Case(
            hidden_size=whole("hidden_size", 1, LARGEST_SIZE, case),
            input_size=whole("input_size", 1, LARGEST_SIZE, case),
            dtype=choice("dtype", DTYPES, case),
            distribution=choice("distribution", DISTRIBUTIONS, case),
            regime=choice("regime", REGIMES, case),
        )
        arguments["seed"] = whole("seed", 0, 2**64 - 1)
        arguments["index"] = whole("index", 0, 2**64 - 1)
        if content.get("accuracy") is not None:
            arguments["accuracy"] = Accuracy.from_dict(field("accuracy", dict))
        if content.get("directions") is not None:
            arguments["directions"] = whole("directions", 1, LARGEST_DIRECTIONS)
    return arguments


_KINDS = {int: "a whole number", str: "text", list: "a list", dict: "a mapping"}


def describe(outcome: Outcome) -> str:
    """The replay in words and numbers: both values, the bound and its parts, and the verdict."""
    file, found = outcome.file, outcome.found
    claim, reading = registry.reading(file["claim"], file["reading"])
    lines = [
        f"{claim.number} {claim.id} / {reading.name}: {reading.statement}",
    ]
    if file.get("mutant"):
        lines.append(f"mutant       {file['mutant']}")
    if file.get("case"):
        case = ", ".join(f"{name} {value}" for name, value in file["case"].items())
        lines.append(f"weight set   seed {file['seed']}, index {file['index']}: {case}")
    lines += [
        f"entry        {file['entry']}, measured by {file['reference']}",
        f"claimed      {_show(found['claimed'])}",
        f"measured     {_show(found['measured'])}",
        f"error        {_show(found['error'])}",
        f"bound        {_show(found['bound'])}",
    ]
    lines += [f"  {name:<11}{_show(value)}" for name, value in (found.get("parts") or {}).items()]
    lines.append(
        "the recorded values were met bit for bit"
        if outcome.same_bits
        else f"recorded     claimed {_show(file.get('claimed'))}, measured "
        f"{_show(file.get('measured'))} (other bits: another backend, processor or version)"
    )
    sentence = {
        "refuted": "refuted: the error is above the bound, so the claim is wrong here",
        "supported": "not refuted: the error is within the bound",
        "inconclusive": "inconclusive: a value or the bound is not finite",
    }
    lines.append(sentence[outcome.verdict])
    return "\n".join(lines)


def _show(value: Any) -> str:
    """A float in full and in hexadecimal, an exact fraction as it is."""
    return f"{value!r}  ({value.hex()})" if isinstance(value, float) else str(value)
