"""For every refuted reading, one weight set and entry that anyone can recompute from the seed."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lstm_gpu import examination, files
from lstm_gpu.accuracy import Accuracy
from lstm_gpu.formulas.readings import likely_cause
from lstm_gpu.intake import child, is_plain
from lstm_gpu.report.verdicts import REFUTED, Finding
from lstm_gpu.weights import DISTRIBUTIONS, Case

FOLDER = "counterexamples"
VALUES = ("claimed", "measured", "error", "bound")
_LONGEST_NAME = 150  # bytes of a reading's name in that of a file, which may have 255 in all


def choose(findings: list[Finding]) -> Finding | None:
    """The refuting case that is easiest to check by hand.

    An error above its bound goes before what only ball arithmetic can tell from the truth; then
    the smallest n, then an unsaturated state, float64 and the plainest distribution (the first
    of the list), then the largest error over bound.
    """
    refuting = [f for f in findings if f.verdict == REFUTED and f.worst is not None]
    if not refuting:
        return None
    return min(refuting, key=_effort)


def _effort(finding: Finding) -> tuple[bool, int, bool, bool, int, float]:
    assert finding.worst is not None
    case, ratio = finding.case, finding.worst["ratio"]
    if case is None:
        return False, 0, False, False, 0, -ratio
    known = case.distribution in DISTRIBUTIONS  # or of a file of weights
    plainness = DISTRIBUTIONS.index(case.distribution) if known else 0
    unusual = case.regime != "generic", case.dtype != "float64"
    return ratio <= 1, case.hidden_size, *unusual, plainness, -ratio


def file_name(claim: str, reading: str, apart: bool = False) -> str:
    r"""CLAIM__READING.json, for any name of a formula, which may have that of its file in it.

    A sign that no plain name of a file has is written as in a URL: a\b.mine as a%5Cb.mine. What is
    long is cut, and a digest tells it apart.

    apart : with a digest in any case: for the second of two names that differ in capitals alone,
        which many file systems (of macOS and Windows) take for one
    """
    reading = "".join(
        sign if sign != "%" and is_plain(f"_{sign}") else quote(sign, "", errors="backslashreplace")
        for sign in reading
    )
    whole = reading.encode()
    if apart or len(whole) > _LONGEST_NAME:
        cut = whole[:_LONGEST_NAME].decode(errors="ignore")
        reading = f"{cut}-{hashlib.sha256(whole).hexdigest()[:16]}"
    return f"{claim}__{reading}.json"


def paths_of(claim: str, reading: str) -> tuple[str, str]:
    """Paths that a reading's counterexample may have, relative to the results: its own, and that
    where another reading's differs from it in capitals alone.
    """
    names = (file_name(claim, reading, apart) for apart in (False, True))
    own, apart = (str(child(Path(FOLDER), name)) for name in names)
    return own, apart


def content(
    claim: str,
    reading: str,
    finding: Finding,
    config: Mapping[str, Any],
    accuracies: Mapping[str, Accuracy],
) -> dict[str, Any]:
    """What the file holds: all that a replay needs, and what it will find.

    Numbers stand as decimals, which give the same bits back, and in hexadecimal under `hex`;
    an error over a bound of zero has no ratio (None).
    """
    assert finding.worst is not None
    worst = finding.worst
    key = (claim, reading, "", finding.reference)
    where = dict(zip(("claim", "reading", "mutant", "reference"), key, strict=True))
    where |= {"entry": worst["entry"]}
    if finding.case is None:  # a proof: exact fractions, as text
        return where | examination.examine(key, worst["entry"])
    weight_set = {
        "seed": config["seed"],
        "index": worst["index"],
        "directions": config["sphere"]["directions"],
        "backend": config["backend"],
    }
    accuracy = accuracies[finding.case.dtype]
    found = examination.examine(
        key, worst["entry"], case=finding.case, **weight_set, accuracy=accuracy
    )
    ratio = found["error"] / found["bound"] if found["bound"] > 0 else math.inf
    return {
        **where,
        **weight_set,
        "case": finding.case.as_dict(),
        "accuracy": accuracy.as_dict(),
        **found,
        "ratio": ratio if math.isfinite(ratio) else None,
        "hex": {name: float(found[name]).hex() for name in VALUES},
        "likely_cause": likely_cause(claim, reading, finding.case, config["seed"]),
    }


def write(
    findings: Mapping[tuple[str, str], list[Finding]],
    config: Mapping[str, Any],
    accuracies: Mapping[str, Accuracy],
    folder: Path,
    own: Mapping[tuple[str, str], dict[str, Any] | None],
) -> dict[tuple[str, str], tuple[str, Case | None]]:
    """Write the counterexamples into `folder`/counterexamples.

    own : of readers' own formulas, their content, None where there is none; `findings` may have
        their keys, too

    Returns
    -------
    (claim, reading) -> path relative to `folder`, and the case that it is of
    """
    (folder / FOLDER).mkdir()
    written: dict[tuple[str, str], tuple[str, Case | None]] = {}
    taken: set[str] = set()

    def add(key: tuple[str, str], found: dict[str, Any], case: Case | None) -> None:
        path, apart = paths_of(*key)
        if path.casefold() in taken:
            path = apart
        taken.add(path.casefold())
        files.write_json(folder / path, "counterexample", found)
        written[key] = path, case

    for key, of_cases in findings.items():
        chosen = choose(of_cases)
        if chosen is not None and key not in own:
            add(key, content(*key, chosen, config, accuracies), chosen.case)
    for key, example in own.items():
        if example is not None:
            add(key, example, Case.from_dict(example["case"]))
    return written
