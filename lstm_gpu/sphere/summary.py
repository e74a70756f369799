"""What a search over the sphere leaves behind: mergeable, JSON-able, and one table row per case."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstm_gpu.sphere import laws
from lstm_gpu.weights import Case

Summary = dict[str, Any]

_SUMS = (
    "weight_sets",
    "rows",
    "rows_without_argmax",
    "ties_broken",
    "samples",
    "cap_samples",
    "samples_above_claimed_maximum",
)
_LARGEST = ("largest_error_over_bound", "best_cosine_high", "ascent_angle", "ascent_bound")
_SMALLEST = ("best_cosine_low",)
_LISTS = ("best_cosine", "best_law")
_SAME = ("directions", "input_variants", "covering_radius")


def _of_known(choose: Any, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def merge_summaries(summaries: Sequence[Summary]) -> Summary:
    """Merge the summaries of disjoint ranges of weight sets of one case, in the given order.

    Raises
    ------
    ValueError
        for none at all, and for searches of unlike settings.
    """
    if not summaries:
        raise ValueError("no summary to merge")
    first = summaries[0]
    for name in _SAME:
        if any(summary[name] != first[name] for summary in summaries):
            raise ValueError(f"summaries of searches with different {name} cannot be merged")
    merged = {name: first[name] for name in _SAME}
    merged |= {name: sum(s[name] for s in summaries) for name in _SUMS}
    merged |= {name: _of_known(max, [s[name] for s in summaries]) for name in _LARGEST}
    merged |= {name: _of_known(min, [s[name] for s in summaries]) for name in _SMALLEST}
    merged |= {name: [v for s in summaries for v in s[name]] for name in _LISTS}
    merged["certificate"] = _of_known(all, [s["certificate"] for s in summaries])
    return merged


def uniformity(values: Sequence[float], risk: float) -> tuple[float | None, float | None]:
    """KS distance of F(t_max)^N values from uniform, and its threshold at a false-alarm risk.

    (None, None) where the law has none to offer. Values of several cases may be pooled: each
    set's value is uniform whatever its case, and independent of the others.
    """
    if not values:
        return None, None
    return laws.ks_distance(values), laws.ks_threshold(len(values), risk)


def _degrees(radians: float | None) -> float | None:
    return None if radians is None else math.degrees(radians)


def alignment_row(summary: Summary, case: Case, seed: int, risk: float) -> dict[str, Any]:
    """One row of alignment.csv.

    Parameters
    ----------
    risk : probability with which a right sampler would exceed `ks_threshold`. A threshold of 1
        or more cannot be exceeded; `power_by_law` is None where no shift is sure to be noticed
    """
    n, samples = case.hidden_size, summary["directions"]
    law = summary["best_law"]
    distance, threshold = uniformity(law, risk)
    proved = {None: "not applicable", True: "yes", False: "no"}[summary["certificate"]]
    cosines = summary["best_cosine"]
    return {
        **case.as_dict(),
        "seed": seed,
        "weight_sets": summary["weight_sets"],
        "rows": summary["rows"],
        "rows_without_argmax": summary["rows_without_argmax"],
        "ties_broken": summary["ties_broken"],
        "directions": samples,
        "samples": summary["samples"],
        "largest_error_over_bound": summary["largest_error_over_bound"],
        "samples_above_claimed_maximum": summary["samples_above_claimed_maximum"],
        "best_cosine_median": float(np.median(cosines)) if cosines else None,
        "expected_best_cosine_median": laws.best_cosine_median(n, samples),
        "best_cosine_low": summary["best_cosine_low"],
        "best_cosine_high": summary["best_cosine_high"],
        "ks_distance": distance,
        "ks_threshold": threshold,
        "power_by_law": laws.ks_power(len(law), risk) if law else None,
        "certificate": proved,
        "covering_radius_degrees": _degrees(summary["covering_radius"]),
        "largest_ascent_angle_degrees": _degrees(summary["ascent_angle"]),
        "ascent_bound_degrees": _degrees(summary["ascent_bound"]),
        "cap_samples": summary["cap_samples"],
        "power_by_sampling_degrees": laws.power_by_sampling(n, samples, case.dtype),
        "power_by_caps_degrees": laws.power_by_caps(n, case.dtype),
        "power_by_identity_degrees": laws.power_by_identity(n, samples, case.dtype),
        "input_variants": summary["input_variants"],
    }
