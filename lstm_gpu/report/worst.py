"""`worst_entry.json`: the Jacobian with the largest error over bound, entry by entry."""

from pathlib import Path
from typing import Any

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.fields import COUNT, NAME, TEXT, Rule, check
from lstm_gpu.report.contents import CASE, SEED

# What is not finite is written as such, and left out of the picture.
_VALUE = Rule("a number", lambda v: type(v) is float or (type(v) is int and abs(v) < 2**53))
FIELDS = {
    "claim": NAME,
    "reading": NAME,
    "verdict": NAME,
    "case": CASE,
    "cases": COUNT,
    "seed": SEED,
    "index": COUNT,
    "entry": (COUNT, COUNT),
    "reference_name": TEXT,
    "formula": [[_VALUE]],
    "reference": [[_VALUE]],
    "bound": [[_VALUE]],
}


def read(results: Path) -> dict[str, Any]:
    """The content, checked: three square matrices of the case's size; empty where there is none.

    Raises
    ------
    InputError
        It is missing, damaged, or has something else in a field.
    """
    path = results / "worst_entry.json"
    content = files.read_json(path, "worst_entry")
    if not content:
        return content
    check(content, FIELDS, str(path))
    n = content["case"]["hidden_size"]
    square = all(
        len(content[name]) == n and all(len(row) == n for row in content[name])
        for name in ("formula", "reference", "bound")
    )
    if not square or not max(content["entry"]) < n:
        raise InputError(f"`{path}` must hold matrices of {n} rows, and an entry of them.")
    return content
