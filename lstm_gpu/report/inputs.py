"""What the drawn inputs hide: `lint.csv`, and its summary for the page."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lstm_gpu.lint import FINDINGS
from lstm_gpu.report.columns import TABLES
from lstm_gpu.report.shards import Evidence

COLUMNS = TABLES["lint.csv"]
NONE = ""  # of a case without findings


def rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """One row per case and finding; a case without any has one, for its share of saturation.

    saturated_share : of the entries of i, f and o, those whose sigma' is below the unit roundoff
    with_finding : weight sets that have it; hides : claim/mutant that equals the truth, to
        rounding, on every one of them
    """
    for case in evidence.cases:
        lint = evidence.lint[case]
        settings = {
            **case.as_dict(),
            "seed": evidence.config["seed"],
            "weight_sets": lint.weight_sets,
            "saturated_share": lint.saturated / lint.entries,
        }
        for name in [name for name in FINDINGS if name in lint.findings] or [NONE]:
            found = lint.findings.get(name)
            yield settings | {
                "finding": name,
                "with_finding": found.sets if found else 0,
                "hides": " ".join("/".join(key) for key in found.hides) if found else "",
            }


def summary(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Finding by finding: in how many cases and weight sets, and what it hides in some case."""
    found = table[table["finding"].notna()]
    listed = []
    for name in FINDINGS:
        part = found[found["finding"] == name]
        if len(part):
            hidden = {slip for slips in part["hides"].dropna() for slip in slips.split()}
            listed.append(
                {
                    "finding": name,
                    "about": (FINDINGS[name].__doc__ or "").strip().splitlines()[0],
                    "cases": len(part),
                    "weight_sets": int(part["with_finding"].sum()),
                    "hides": sorted(hidden),
                }
            )
    return listed
