"""What ball arithmetic proved at the worst entries of a run, in sentences."""

import pandas as pd

from lstm_gpu.report.style import number, plural
from lstm_gpu.report.verdicts import CASE_COLUMNS, REFUTED

WITHIN, HELD, BROKEN = "within 2^-200", "yes", "no"  # as `claims.enclosures` writes them
NOTHING = (
    "No entry was evaluated in ball arithmetic: none was decided, or python-flint is missing where "
    "the shards were computed."
)
_ENTRY = ["claim", "reading", *CASE_COLUMNS, "index", "row", "column"]


def sentences(table: pd.DataFrame) -> dict[str, str]:
    """What `enclosures.csv` says: `proofs`, and `alarm`, "" unless a derived bound is wrong."""
    if table.empty:
        return {"proofs": NOTHING, "alarm": ""}
    entries = table.drop_duplicates(_ENTRY)
    within, refuted = (entries[entries["proof"] == proof] for proof in (WITHIN, REFUTED))
    widest = within["relative_log2_upper"].max()  # missing where both are exactly 0
    exponent = 200 if pd.isna(widest) else -int(widest)
    text = (
        f"At the worst {len(entries):,} entries of this run, in ball arithmetic: "
        f"{len(within):,} where the formula is within 2^-{exponent} of the derivative, relative to "
        f"it; {len(refuted):,} where the two provably differ, so that a refutation is a proof; "
        f"{len(entries) - len(within) - len(refuted):,} undecided."
    )
    held = int((table["bounds_hold"] == HELD).sum())
    if held < len(table):
        text += f" The bounds on the trial's floats hold in {held:,} of {len(table):,} comparisons."
    else:
        nearest = table[["reference_error_over_bound", "formula_error_over_bound"]].max().max()
        text += (
            " All floats of the trial lie within their derived bounds of the enclosed values, the "
            f"nearest at {number(float(nearest))} of its bound."
        )
    return {"proofs": text, "alarm": _alarm(table)}


def _alarm(table: pd.DataFrame) -> str:
    broken = table[table["bounds_hold"] == BROKEN]
    if broken.empty:
        return ""
    first = broken.iloc[0]
    where = ", ".join(
        f"{name.replace('_', ' ')} {first[name]}" for name in (*CASE_COLUMNS, "index")
    )
    return (
        f"{plural(len(broken), 'derived bound')} proved wrong, the first for {first['claim']} / "
        f"{first['reading']} by {first['reference']}, entry [{first['row']}, {first['column']}] of "
        f"{where}. No verdict that rests on it can be relied on."
    )
