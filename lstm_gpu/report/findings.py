"""What the tables say, condensed for the page: short tables and sentences, no new numbers."""

import math
from typing import Any

import pandas as pd

from lstm_gpu.report.style import number, plural, words
from lstm_gpu.report.verdicts import (
    CAUGHT,
    INCONCLUSIVE,
    MISSED,
    REFUTED,
    SUPPORTED,
    half_of,
    would_have_caught,
)
from lstm_gpu.sphere import laws
from lstm_gpu.sphere.summary import uniformity

FORMS = {
    "exponential_square": r"e^{-z} (1 + e^{-z})^{-2}",
    "product_of_quotients": r"\frac{e^{-z}}{1 + e^{-z}} \cdot \frac{1}{1 + e^{-z}}",
    "difference_of_quotients": (
        r"\left(\frac{1 + e^{-z}}{1 + e^{-z}} - \frac{1}{1 + e^{-z}}\right) \sigma(z)"
    ),
    "sigma_one_minus_sigma": r"(1 - \sigma(z))\, \sigma(z)",
    "reflected": r"\sigma(z)\, \sigma(-z)",
    "stable": r"\frac{e^{-|z|}}{1 + e^{-|z|}} \cdot \frac{1}{1 + e^{-|z|}}",
}
DTYPES = ("float64", "float32")


def summary(
    verdicts: pd.DataFrame,
    alignment: pd.DataFrame,
    law: dict[str, Any],
    expected: dict[tuple[str, str], str],
    injected: dict[str, Any],
) -> str:
    """The run in one sentence."""
    counts = verdicts["verdict"].value_counts()
    found = [f"{counts.get(v, 0)} {v}" for v in (REFUTED, INCONCLUSIVE)]
    parts = [
        f"{counts.get(SUPPORTED, 0)} of {plural(len(verdicts), 'reading')} supported, "
        + ", ".join(found),
        plural(int(verdicts["weight_sets"].max()), "weight set")
        + f" and {plural(int(verdicts['comparisons'].sum()), 'comparison')}",
    ]
    tried = verdicts.drop_duplicates("claim")
    caught, mutants = int(tried["mutants_caught"].sum()), int(tried["mutants"].sum())
    parts.append(
        f"every one of {plural(mutants, 'wrong formula')} caught"
        if caught == mutants and mutants
        else f"{caught} of {plural(mutants, 'wrong formula')} caught"
    )
    alarms = unexpected(verdicts, expected)
    false = [key for key in alarms if expected[key] == SUPPORTED]
    if not alarms:
        parts.append("no false alarm, and every verdict is the one that was expected")
    else:
        named = ", ".join(f"{words(claim)} / {words(reading)}" for claim, reading in alarms)
        parts.append(
            f"{plural(len(false), 'false alarm')}; not as expected: {named}"
            if false
            else f"no false alarm, but not as expected: {named}"
        )
    off = int((alignment["ks_distance"] > alignment["ks_threshold"]).sum())
    if off:
        parts.append(f"in {plural(off, 'case')} the random directions miss their exact law")
    elif law["off"]:
        parts.append("over all cases together the random directions miss their exact law")
    if injected["defects"]:
        parts.append(
            f"in {plural(len(injected['defects']), 'place')} the errors found are not those that "
            "are due"
        )
    return "; ".join(parts) + "."


def unexpected(
    verdicts: pd.DataFrame, expected: dict[tuple[str, str], str]
) -> list[tuple[str, str]]:
    """The readings whose verdict is not the expected one."""
    rows = zip(verdicts["claim"], verdicts["reading"], verdicts["verdict"], strict=True)
    return [(c, r) for c, r, verdict in rows if expected.get((c, r), verdict) != verdict]


def detectable(cases: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(claim, reading) -> the size of error that half of the cases would have refuted, by dtype.

    The larger of them is `smallest_detectable` of verdicts.csv.
    """
    texts = {}
    for key, rows in cases.groupby(["claim", "reading"], sort=False):
        sizes = rows.groupby(rows["dtype"].fillna(""), sort=False)["smallest_detectable"]
        medians = {str(dtype): half_of(part.astype(float).tolist()) for dtype, part in sizes}
        verdict = REFUTED if (rows["verdict"] == REFUTED).any() else SUPPORTED
        texts[key] = would_have_caught(verdict, medians, number)
    return texts


def tally_of_cases(cases: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(claim, reading) -> in how many cases the verdict fell, and how many could not decide."""
    texts = {}
    for key, rows in cases.groupby(["claim", "reading"], sort=False):
        if rows["dtype"].isna().all():
            texts[key] = "proved for every z"
            continue
        counts = rows["verdict"].value_counts()
        verdict = REFUTED if counts.get(REFUTED, 0) else SUPPORTED
        texts[key] = f"{counts.get(verdict, 0)} of {plural(len(rows), 'case')}"
    return texts


def closest_reference(cases: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(claim, reading) -> the reference with the largest error over bound."""
    known = cases[cases["error_over_bound"].notna()]
    worst = known.groupby(["claim", "reading"], sort=False)["error_over_bound"].idxmax()
    return {key: words(known.loc[at, "reference"]) for key, at in worst.items()}


def undecided(cases: pd.DataFrame) -> list[dict[str, Any]]:
    """Why cases could not decide: how many, of which readings."""
    rows = cases[cases["verdict"] == INCONCLUSIVE]
    return [
        {
            "reason": reason,
            "cases": len(group),
            "readings": ", ".join(
                f"{words(claim)} / {words(reading)} ({len(part)})"
                for (claim, reading), part in group.groupby(["claim", "reading"], sort=False)
            ),
        }
        for reason, group in rows.groupby("reason", sort=True)
    ]


def survivors(mutants: pd.DataFrame) -> list[dict[str, Any]]:
    """Mutants that no case caught."""
    return [
        {"claim": words(claim), "mutant": words(mutant), "family": rows["family"].iloc[0]}
        for (claim, mutant), rows in mutants.groupby(["claim", "mutant"], sort=False)
        if not (rows["caught"] == CAUGHT).any()
    ]


def missed(mutants: pd.DataFrame) -> dict[str, list[str]]:
    """Claim -> the mutants that no case caught though they change something in one."""
    names: dict[str, list[str]] = {}
    for (claim, mutant), rows in mutants.groupby(["claim", "mutant"], sort=False):
        if MISSED in set(rows["caught"]) and CAUGHT not in set(rows["caught"]):
            names.setdefault(claim, []).append(words(mutant))
    return names


def missed_places(mutants: pd.DataFrame) -> tuple[int, int]:
    """In how many places (mutant, size, dtype, distribution) a mutant passed; of how many."""
    real = mutants[mutants["caught"].isin([CAUGHT, MISSED])]
    return int((real["caught"] == MISSED).sum()), len(real)


def narrowest(mutants: pd.DataFrame, count: int = 5) -> list[dict[str, Any]]:
    """The caught mutants that came closest to passing: the smallest largest error over bound."""
    caught = mutants[mutants["caught"] == CAUGHT]
    best = caught.groupby(["claim", "mutant"], sort=False)["largest_error_over_bound"].max()
    seen = mutants.drop_duplicates(["claim", "mutant"]).set_index(["claim", "mutant"])
    return [
        {
            "claim": words(key[0]),
            "mutant": words(key[1]),
            "seen": seen.loc[key, "seen"],
            "ratio": number(float(best[key])),
        }
        for key in best.sort_values(kind="stable").index[:count]
    ]


def sphere(alignment: pd.DataFrame) -> list[dict[str, str]]:
    """The sphere search by hidden size and dtype, with its power."""
    rows = []
    order = alignment.groupby(["hidden_size", "dtype"], sort=False)
    for (n, dtype), part in order:
        off = int((part["ks_distance"] > part["ks_threshold"]).sum())
        vacuous = int((part["ascent_bound_degrees"] >= 180).sum())
        bounds = part.loc[part["ascent_bound_degrees"] < 180, "ascent_bound_degrees"]
        first = part.iloc[0]
        rows.append(
            {
                "n": f"{n}",
                "dtype": dtype,
                "samples": f"{int(part['samples'].sum() + part['cap_samples'].sum()):,}",
                "above": f"{int(part['samples_above_claimed_maximum'].sum()):,}",
                "cosine": number(float(part["best_cosine_median"].median()), 3),
                "law": number(float(first["expected_best_cosine_median"]), 3),
                "off": _able_to_fail(off, part),
                "ascent": _degrees(bounds.max() if len(bounds) else None)
                + (f"; vacuous (180) in {plural(vacuous, 'case')}" if vacuous else ""),
                "certificate": ", ".join(dict.fromkeys(part["certificate"])).replace(
                    "not applicable", "–"
                ),
                "sampling": _degrees(first["power_by_sampling_degrees"]),
                "caps": _degrees(first["power_by_caps_degrees"]),
                "identity": _degrees(first["power_by_identity_degrees"]),
                "zero": f"{int(part['rows_without_argmax'].sum()):,}",
            }
        )
    return rows


def _able_to_fail(off: int, part: pd.DataFrame) -> str:
    """Cases off the law, of those whose threshold a distance (at most 1) can exceed at all."""
    tested = int(part["ks_threshold"].notna().sum())
    able = int((part["ks_threshold"] < 1).sum())
    if not tested:
        return "–"
    return f"{off} of {able}" + (f"; {tested - able} cannot fail" if able < tested else "")


def law_of_the_best(alignment: pd.DataFrame, sets: pd.DataFrame, risk: float) -> dict[str, Any]:
    """The law of the best cosine over all weight sets together, and what its test can notice.

    sets : of best_cosine.csv; risk : with which the test refutes a right sampler
    """
    places = sets["best_law"].dropna().to_numpy(dtype=float).tolist()
    distance, threshold = uniformity(places, risk)
    power = laws.ks_power(len(places), risk) if places else None
    one = alignment.loc[alignment["ks_threshold"].notna(), "power_by_law"]
    return {
        "sets": len(places),
        "distance": distance,
        "threshold": threshold,
        "off": distance is not None and threshold is not None and distance > threshold,
        "power": power,
        "factor": laws.directions_off(power) if power else None,
        "cases": len(one),
        "cases_with_power": int(one.notna().sum()),
    }


def injections(table: pd.DataFrame) -> dict[str, Any]:
    """Errors put in and found from twice the bound on; the rows not as due."""
    large = table[table["factor"] >= 1]
    off = table[table["as_expected"] == "no"]
    return {
        "trials": int(large["trials"].sum()),
        "detected": int(large["detected"].sum()),
        "places": len(table),
        "defects": [
            {
                "claim": f"{words(row['claim'])} / {words(row['reading'])}",
                "reference": words(row["reference"]),
                "where": f"n = {row['hidden_size']}, {row['dtype']}",
                "factor": f"{row['factor']:g}",
                "size": row["size"],
                "found": f"{row['detected']:,} of {row['trials']:,}",
            }
            for row in off.to_dict("records")
        ],
    }


def _degrees(value: Any) -> str:
    return "–" if pd.isna(value) else number(float(value))


def sigmoid(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Per form and format: the z nearest to 0 on either side where each thing first happens."""
    rows = []
    for form in FORMS:
        for name in ("float16", "float32", "float64"):
            part = table[(table["form"] == form) & (table["format"] == name)]
            if part.empty:
                continue
            row: dict[str, Any] = {"form": form, "format": name, "latex": FORMS[form]}
            for event in ("overflow", "nan", "half_lost", "lost", "zero"):
                row[event] = _first(part[f"{event}_from"])
            centre = part.loc[part["region"] == "centre", "largest_ulp_error"]
            row["ulp"] = number(float(centre.max())) if len(centre) else "–"
            rows.append(row)
    return rows


def tried(table: pd.DataFrame) -> str:
    """How many values of each format the survey of sigma' took."""
    every = {"float16": 2**16, "float32": 2**32}
    of_one_form = table[table["form"] == next(iter(FORMS))]
    points = of_one_form.groupby("format")["points"].sum().to_dict()
    return "; ".join(
        f"{name}: {'all ' if count == every.get(name) else ''}{count:,} values"
        for name, count in points.items()
    )


def _first(places: pd.Series) -> str:
    """The places nearest to 0 on the negative and on the positive side."""
    z = places.dropna().to_numpy(dtype=float)
    sides = [float(z[z < 0].max())] if (z < 0).any() else []
    sides += [float(z[z > 0].min())] if (z > 0).any() else []
    return ", ".join(f"{side:.4g}".replace("-", "−") for side in sides) or "never"


def ladders(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How many step ladders of the right formula ended how, and for which reason."""
    keys = ["hidden_size", "input_size", "dtype", "distribution", "regime", "reference"]
    right = table[table["formula"] == "hidden_jacobian"].drop_duplicates(keys)
    return {
        str(verdict): {str(why): int(count) for why, count in part["reason"].value_counts().items()}
        for verdict, part in right.groupby("verdict")
    }


def decimal(value: Any) -> str:
    """A value of a counterexample in full: the shortest text with the same bits."""
    if isinstance(value, float):
        return "∞" if math.isinf(value) else repr(value)
    return "∞" if value is None else str(value)
