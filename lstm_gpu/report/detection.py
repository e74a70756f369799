"""Observed detection rates of injected errors, with exact intervals, and where they are not as due.

At and above twice the bound (of the entry or the weight set that it goes into) every injected
error is due to be found; with no error nothing; at the entry's bound itself, one in two. A row that
departs from that is a defect of the tool: its bounds are not what they say. This confirms each
bound at its own place, and so what `smallest_detectable` is derived from; not a median of it.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betainc, betaincinv

from lstm_gpu.claims.injection import FACTORS, Injections
from lstm_gpu.report.columns import TABLES
from lstm_gpu.report.shards import Evidence
from lstm_gpu.report.verdicts import readings

COLUMNS = TABLES["detection.csv"]
CONFIDENCE = 0.95
KEY = ["claim", "reading", "reference", "size"]


def expected(factor: float, size: str) -> float | None:
    """The rate that theory predicts.

    None: it depends on the bounds (half the set's size, at an entry whose own may be smaller).
    """
    if factor == 0 or factor >= 1:
        return min(factor, 1.0)
    return 0.5 if size == "entry" else None


def rows(evidence: Evidence) -> list[dict[str, Any]]:
    """One row per reading, reference, size, hidden size, dtype and factor."""
    order = {(claim.id, reading.name): k for k, (claim, reading) in enumerate(readings())}
    merged: dict[tuple[int, str], Injections] = {}
    for case in evidence.cases:
        place = merged.setdefault((case.hidden_size, case.dtype), Injections())
        place.merge(evidence.injections[case])
    table = pd.DataFrame(
        [
            {**row, "hidden_size": n, "dtype": dtype, "factor": FACTORS}
            for (n, dtype), injections in merged.items()
            for row in sorted(
                injections.to_list(), key=lambda row: order[row["claim"], row["reading"]]
            )
        ],
        columns=[*KEY, "hidden_size", "dtype", "factor", "trials", "detected"],
    ).explode(["factor", "trials", "detected"], ignore_index=True)
    tests = max(1, len(table))
    return with_rates(table, evidence.config["false_alarm_risk"] / tests).to_dict("records")


def with_rates(table: pd.DataFrame, risk: float) -> pd.DataFrame:
    """Add rate, its exact (Clopper and Pearson's) interval, and whether it is as it is due.

    Parameters
    ----------
    table : with columns size, factor, trials and detected
    risk : the chance that a row whose true rate is 1/2 is called unexpected (0 and 1 are certain)
    """
    trials, detected = (table[name].to_numpy(dtype=float) for name in ("trials", "detected"))
    tail = (1 - CONFIDENCE) / 2
    with np.errstate(all="ignore"):  # the branch that is not taken
        low = np.where(detected > 0, betaincinv(detected, trials - detected + 1, tail), 0.0)
        high = np.where(
            detected < trials, betaincinv(detected + 1, trials - detected, 1 - tail), 1.0
        )
        as_many = np.where(detected > 0, betainc(detected, trials - detected + 1, 0.5), 1.0)
        as_few = np.where(detected < trials, betainc(trials - detected, detected + 1, 0.5), 1.0)
        rate = detected / trials
    due = [expected(*key) for key in zip(table["factor"], table["size"], strict=True)]
    right = [
        bool(tail >= risk / 2) if limit == 0.5 else limit is None or seen == limit * of
        for limit, seen, of, tail in zip(
            due, detected, trials, np.minimum(as_many, as_few), strict=True
        )
    ]
    return table.assign(
        rate=rate, low=low, high=high, as_expected=["yes" if r else "no" for r in right]
    )


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """The rates over all hidden sizes, per reading, reference, size, dtype and factor."""
    keys = [*KEY, "dtype", "factor"]
    sums = table.groupby(keys, sort=False, as_index=False)[["trials", "detected"]].sum()
    return with_rates(sums, risk=0.0)
