"""For every refuted reading, one weight set and entry that anyone can recompute from the seed."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lstm_gpu import examination, files
from lstm_gpu.accuracy import Accuracy
from lstm_gpu.formulas.readings import likely_cause
from lstm_gpu.intake import child
from lstm_gpu.report.verdicts import REFUTED, Finding
from lstm_gpu.weights import DISTRIBUTIONS, Case

FOLDER = "counterexamples"
VALUES = ("claimed", "measured", "error", "bound")


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


def path_of(claim: str, reading: str) -> str:
    """Path of a reading's counterexample, relative to the results."""
    return str(child(Path(FOLDER), f"{claim}__{reading}.json"))


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
    own: Callable[[tuple[str, str], Finding, Mapping[str, Any]], Any] | None = None,
) -> dict[tuple[str, str], tuple[str, Case | None]]:
    """Write the counterexamples into `folder`/counterexamples.

    own : makes the content for a reader's own formula, whose name has a point

    Returns
    -------
    (claim, reading) -> path relative to `folder`, and the case that it is of
    """
    (folder / FOLDER).mkdir()
    written = {}
    for (claim, reading), of_cases in findings.items():
        chosen = choose(of_cases)
        if chosen is not None:
            path = path_of(claim, reading)
            if own and "." in reading:
                found = own((claim, reading), chosen, config)
                if found is None:
                    continue
            else:
                found = content(claim, reading, chosen, config, accuracies)
            files.write_json(folder / path, "counterexample", found)
            written[claim, reading] = (path, chosen.case)
    return written
