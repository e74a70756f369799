"""Counterexamples to readers' formulas: their content, and their names."""

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_gpu import files
from lstm_gpu.errors import InputError, printable
from lstm_gpu.examination import at_entry
from lstm_gpu.formulas.directions import DIRECTIONS
from lstm_gpu.formulas.inputs import Draw, drawn
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.trial import examine
from lstm_gpu.intake import child
from lstm_gpu.report.counterexamples import file_name
from lstm_gpu.report.verdicts import Finding
from lstm_gpu.weights.trained import Trained

Calls = Sequence[tuple[int, int]]  # ranges of weight sets


class MixedError(InputError):
    """A formula that is wrong among other weight sets, and right alone."""


@dataclass(frozen=True)
class Conditions:
    """Under what a formula was tried: all that evaluating a comparison of it again takes.

    sets : of each case; shard_size : how many of them were tried in one go, from index 0 on
    alone : how many of each case to look at one by one, where it comes to that
    """

    seed: int
    backend: str
    xp: Any
    sets: int
    shard_size: int
    alone: int
    trained: Trained | None = None

    @property
    def draw(self) -> Draw:
        return drawn if self.trained is None else self.trained.draw


def counterexample(
    formula: Formula, chosen: Finding, conditions: Conditions, calls: Calls = ()
) -> dict[str, Any]:
    """What a counterexample file holds: all that a replay needs but the formula, which is code.

    Of trained weights it has the digest of their file, which a replay asks for.

    calls : as in `trial.examine`, where it takes more than the weight set alone

    Raises
    ------
    InputError
        The formula cannot be evaluated so, or is not wrong there.
    """
    assert chosen.case is not None
    assert chosen.worst is not None
    index, entry = chosen.worst["index"], chosen.worst["entry"]
    c, trained = conditions, conditions.trained
    comparison = examine(formula, chosen.case, c.seed, index, chosen.reference, c.xp, c.draw, calls)
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
        "seed": c.seed,
        "index": index,
        **({"calls": [list(call) for call in calls]} if calls else {}),
        "directions": DIRECTIONS if formula.quantity == ARGMAX else None,
        "backend": c.backend,
        **{name: v if math.isfinite(v) else repr(v) for name, v in found.items()},
        "ratio": ratio if math.isfinite(ratio) else None,
        "parts": {},
        "hex": hexadecimal,
        "formula": {
            "file": printable(Path(formula.file).name),
            "sha256": formula.sha256,
            "place": _place(formula.file),
        },
        **({"weights_file": {"file": trained.file, "sha256": trained.sha256}} if trained else {}),
    }


def _place(file: str) -> str:
    """A digest of where a formula's file lies: it tells files of one name apart, and no more."""
    if not file:
        return ""
    whole = Path(file).parent.resolve() / Path(file).name
    return hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]


def counterexample_path(folder: Path, quantity: str, formula: str, file: str) -> Path:
    """QUANTITY__FILE.FUNCTION.json in `folder`, to be written over if it is there.

    Where that is a counterexample to a formula of another file of this name, the file's folder
    goes before its name, and so on. Where a file system that knows no capitals has there what is of
    another function, a digest tells the two apart.

    Raises
    ------
    InputError
        The name is taken by what is no counterexample.
    """
    for name in _names(file, formula):
        path = child(folder, file_name(quantity, name))
        files.refuse_foreign(path, "counterexample")
        place, function = _owner(path)
        if place in ("", _place(file)):
            break
    if function in ("", formula):
        return path
    path = child(folder, file_name(quantity, name, apart=True))
    files.refuse_foreign(path, "counterexample")
    return path


def _names(file: str, formula: str) -> Iterator[str]:
    """FUNCTION, or FILE.FUNCTION, FOLDER.FILE.FUNCTION and so on."""
    if not file:
        yield formula
        return
    name = f"{Path(file).stem}.{formula}"
    yield name
    for folder in Path(file).parent.resolve().parts[:0:-1]:
        name = f"{folder}.{name}"
        yield name


def _owner(path: Path) -> tuple[str, str]:
    """Place and function of a counterexample's formula; "" where there is no such file, or it is
    damaged.
    """
    if not path.exists():
        return "", ""
    try:
        content = files.read_json(path, "counterexample")
    except InputError:
        return "", ""
    found = content.get("formula")
    place = str(found.get("place", "")) if isinstance(found, dict) else ""
    return place, str(content.get("reading", "")).rpartition(".")[2]  # of a run: FILE.FUNCTION


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
        counterexample_path(folder, f.quantity, f.name, f.file)
