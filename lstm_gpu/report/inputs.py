"""What the drawn inputs hide: `lint.csv`, and its summary for the page."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lstm_gpu.lint import FINDINGS
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.report.columns import TABLES
from lstm_gpu.report.shards import Evidence
from lstm_gpu.tally import Tally

COLUMNS = TABLES["lint.csv"]
NONE = ""  # of a case without findings
UNEXPLAINED = "unexplained"
_ABOUT_UNEXPLAINED = (
    "Equal to the truth, to rounding, on every weight set of a case, and no finding above can be "
    "the reason: paths that vanish beside others, or values so small that powers of them do."
)
_CLAIMS = frozenset(mutant.claim for mutant in JACOBIAN_MUTANTS)


def rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """One row per case and finding; a case without any has one, for its share of saturation.

    saturated_share : of the entries of i, f and o, those whose sigma' is below the unit roundoff
    with_finding : weight sets that have it; hides : claim/mutant that equals the truth, to
        rounding, on every one of them, where the finding can be the reason. The finding
        `unexplained` has those that equal it on every weight set of the case for another reason.
    """
    for case in evidence.cases:
        lint = evidence.lint[case]
        settings = {
            **case.as_dict(),
            "seed": evidence.config["seed"],
            "weight_sets": lint.weight_sets,
            "saturated_share": lint.saturated / lint.entries,
        }
        hidden = {
            name: (lint.findings[name].sets, lint.explained(name))
            for name in FINDINGS
            if name in lint.findings
        }
        explained = {key for _, keys in hidden.values() for key in keys}
        rest = [key for key in _equal_everywhere(evidence.tallies[case]) if key not in explained]
        if rest:
            hidden[UNEXPLAINED] = lint.weight_sets, rest
        for name, (sets, keys) in (hidden or {NONE: (0, [])}).items():
            yield settings | {
                "finding": name,
                "with_finding": sets,
                "hides": " ".join("/".join(key) for key in keys),
            }


def _equal_everywhere(tally: Tally) -> list[tuple[str, str]]:
    """The wrong Jacobians that equal the truth on every weight set that they were tried on."""
    same: dict[tuple[str, str], bool] = {}
    for (claim, _, mutant, _), record in sorted(tally.records.items()):
        if mutant and claim in _CLAIMS:
            key = claim, mutant
            same[key] = same.get(key, True) and record.equivalent_sets == record.weight_sets > 0
    return [key for key, equal in same.items() if equal]


def summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Finding by finding: in how many cases and weight sets, and what it hides in some case."""
    found = table[table["finding"].notna()]
    listed = []
    for name in (*FINDINGS, UNEXPLAINED):
        part = found[found["finding"] == name]
        if len(part):
            hidden = {slip for slips in part["hides"].dropna() for slip in slips.split()}
            listed.append(
                {
                    "finding": name,
                    "about": _about(name),
                    "cases": len(part),
                    "weight_sets": int(part["with_finding"].sum()),
                    "hides": sorted(hidden),
                }
            )
    return listed


def _about(finding: str) -> str:
    if finding == UNEXPLAINED:
        return _ABOUT_UNEXPLAINED
    return (FINDINGS[finding].__doc__ or "").strip().splitlines()[0]
