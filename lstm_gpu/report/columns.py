"""The tables of a run: their columns, and what may stand in each.

Figures, page and command line read tables that may have been edited since they were written. So
a table is data, too: the header must be the very one that is written, and each column must hold
what it is for.
"""

import io
import os
from typing import TYPE_CHECKING, Any

from lstm_gpu import intake
from lstm_gpu.claims.sigmoid_events import EVENTS
from lstm_gpu.errors import InputError
from lstm_gpu.fields import NAME, Rule, brief, choice
from lstm_gpu.weights.case import DTYPES
from lstm_gpu.weights.distributions import DISTRIBUTIONS
from lstm_gpu.weights.states import REGIMES

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2**28
"""Bytes of a table: the best cosines of a million weight sets take a third."""

LARGEST_SIZE = 2**20  # of n and m
_VERDICTS = choice(("supported", "refuted", "inconclusive", "error"))  # that of a formula
_FORMATS = ("float16", "float32", "float64")
_TEXT = Rule(
    "printable text of up to 20000 signs",
    lambda v: isinstance(v, str) and len(v) <= 20_000 and v.isprintable(),
)
_FLAG = "true or false"
_NUMBER, _COUNT, _SIZE = "numbers", "counts", f"sizes from 1 to {LARGEST_SIZE}"

CASE = ("hidden_size", "input_size", "dtype", "distribution", "regime", "seed")
VERDICTS = (
    "claim", "reading", "statement", "verdict", "cases", "weight_sets", "comparisons",
    "worst_error", "error_bound", "error_over_bound", "smallest_detectable", "mutants_caught",
    "mutants", "counterexample",
)  # fmt: skip
TABLES: dict[str, tuple[str, ...]] = {
    "verdicts.csv": VERDICTS,
    "cases.csv": (*CASE, *VERDICTS, "reference", "undecided_sets", "reason"),
    "mutants.csv": (
        "claim", "mutant", "hidden_size", "dtype", "distribution", "caught",
        "largest_error_over_bound", "family", "seen",
    ),
    "alignment.csv": (
        *CASE, "weight_sets", "rows", "rows_without_argmax", "ties_broken", "directions",
        "samples", "largest_error_over_bound", "samples_above_claimed_maximum",
        "best_cosine_median", "expected_best_cosine_median", "best_cosine_low",
        "best_cosine_high", "ks_distance", "ks_threshold", "power_by_law", "certificate",
        "covering_radius_degrees", "largest_ascent_angle_degrees", "ascent_bound_degrees",
        "cap_samples", "power_by_sampling_degrees", "power_by_caps_degrees",
        "power_by_identity_degrees", "input_variants",
    ),
    "sigmoid.csv": (
        "format", "form", "region", "z_low", "z_high", "points", "largest_ulp_error", "at",
        *(name for event in EVENTS for name in (event, f"{event}_from")),
    ),
    "sigmoid_curve.csv": ("format", "form", "z", "largest_ulp_error", "not_finite"),
    "ladder.csv": (
        *CASE, "formula", "reference", "step", "gap", "bound", "gap_over_bound", "label", "order",
        "verdict", "reason",
    ),
    "detection.csv": (
        "claim", "reading", "reference", "size", "hidden_size", "dtype", "factor", "trials",
        "detected", "rate", "low", "high", "as_expected",
    ),
    "lint.csv": (*CASE, "weight_sets", "saturated_share", "finding", "with_finding", "hides"),
    "formulas.csv": (
        "formula", "claims_to_equal", "verdict", "reason", "likely_cause", "mutants_missed",
        "sha256",
    ),
    "enclosures.csv": (
        "claim", "reading", *CASE, "reference", "index", "row", "column", "proof", "precision",
        "derivative", "formula", "distance_log2_lower", "distance_log2_upper",
        "relative_log2_upper", "reference_error_over_bound", "formula_error_over_bound",
        "bounds_hold",
    ),
    "best_cosine.csv": (*CASE, "best_cosine", "best_law"),
}  # fmt: skip

KINDS: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "input_size"), _SIZE),
    **dict.fromkeys(
        (
            "seed", "cases", "weight_sets", "comparisons", "mutants_caught", "mutants",
            "undecided_sets", "rows", "rows_without_argmax", "ties_broken", "directions",
            "samples", "samples_above_claimed_maximum", "cap_samples", "input_variants", "points",
            *EVENTS, "trials", "detected", "with_finding", "index", "row", "column", "precision",
        ),
        _COUNT,
    ),
    "dtype": choice(DTYPES),
    "distribution": choice(DISTRIBUTIONS),
    "regime": choice(REGIMES),
    "format": choice(_FORMATS),
    "verdict": _VERDICTS,
    "caught": choice(("yes", "no", "equivalent here")),
    "as_expected": choice(("yes", "no")),
    "bounds_hold": choice(("yes", "no", "undecided")),
    **dict.fromkeys(
        ("claim", "mutant", "reference", "form", "region", "finding", "claims_to_equal"), NAME
    ),
    **dict.fromkeys(
        (
            "reading", "statement", "counterexample", "reason", "family", "seen", "certificate",
            "formula", "label", "hides", "likely_cause", "mutants_missed", "sha256", "proof",
            "derivative", "size",
        ),
        _TEXT,
    ),
    "not_finite": _FLAG,
}  # fmt: skip
# What is not there: a number, as all other columns.


def table(path: str | os.PathLike[str], name: str) -> "pd.DataFrame":
    """Read a table of the run; no text but the empty one is taken for a missing value.

    Raises
    ------
    InputError
        It is missing, too large, not the table of that name, or has a value that it cannot have.
    """
    import pandas as pd

    raw = intake.contents(path, LARGEST, "Run the workflow, or `aggregate`.")
    header = ",".join(TABLES[name]).encode()
    if raw.partition(b"\n")[0].rstrip(b"\r") != header:
        raise _damaged(path, "its header is another one")
    try:
        frame = pd.read_csv(
            io.BytesIO(raw),
            keep_default_na=False,
            na_values=[""],
            # Of itself pandas takes a column with empty cells for floats, which end at 2^53.
            dtype={"seed": "UInt64"} if "seed" in TABLES[name] else None,
        )
    except (ValueError, TypeError, OverflowError) as error:  # other lengths, no UTF-8, no seeds
        raise _damaged(path, " ".join(str(error).split())[:200]) from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise _damaged(path, "its lines are longer than its header")
    for column in frame.columns:
        kind = KINDS.get(column, _NUMBER)
        if frame[column].isna().any() and not _may_be_empty(name, column, kind):
            raise _damaged(path, f"`{column}` must not be empty in any line")
        wrong = _wrong(frame[column].dropna(), kind)
        if wrong is not None:
            words = kind.words if isinstance(kind, Rule) else kind
            raise _damaged(path, f"`{column}` must hold {words}, got {wrong}")
    return frame


def _may_be_empty(table: str, column: str, kind: Any) -> bool:
    """Whether a column has empty cells for what there is not."""
    if column in CASE:
        return table in ("cases.csv", "mutants.csv")  # of proofs, which belong to no case
    if column in ("reference", "finding"):
        return True
    return column != "reading" and (kind == _NUMBER or kind is _TEXT)


def _wrong(values: "pd.Series", kind: Any) -> str | None:
    """The first value that a column of this kind cannot have; None where there is none."""
    import numpy as np

    if values.empty:
        return None
    if isinstance(kind, Rule):
        return next((brief(v) for v in values.unique() if not kind.holds(v)), None)
    if kind == _FLAG:
        return None if values.dtype == bool else brief(values.iloc[0])
    if values.dtype.kind not in "iuf":
        return brief(values.iloc[0])
    if kind == _NUMBER:
        return None
    numbers = values.to_numpy(dtype=float)
    low, high = (1, LARGEST_SIZE) if kind == _SIZE else (0, 2.0**64)
    off = ~((numbers >= low) & (numbers <= high) & (numbers == np.floor(numbers)))
    return brief(numbers[off][0].item()) if off.any() else None


def _damaged(path: str | os.PathLike[str], why: str) -> InputError:
    return InputError(f"`{path}` is not a table ({why}). Delete it and make it again.")
