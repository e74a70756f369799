"""The tables of a run: a pure function of its shards and its configuration.

The same bytes every time: rows in the registry's and the configuration's order, floats in the
shortest form that gives the same bits back, no path, date or timing.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lstm_gpu import examination, files, mutants
from lstm_gpu.accuracy import Accuracy
from lstm_gpu.claims import cell_state, gate_mutants, sigmoid_mutants
from lstm_gpu.claims.registry import CLAIMS, Claim, Reading
from lstm_gpu.report import counterexamples, detection, digests, inputs, manifest, own, verdicts
from lstm_gpu.report.columns import TABLES
from lstm_gpu.report.publish import staged
from lstm_gpu.report.shards import FORMATS, Evidence, collect
from lstm_gpu.report.verdicts import VERDICT_COLUMNS, Finding
from lstm_gpu.sphere.summary import alignment_row
from lstm_gpu.tally import Record
from lstm_gpu.weights.case import Case

CASES_COLUMNS = TABLES["cases.csv"]
MUTANT_COLUMNS = TABLES["mutants.csv"]
SCORE_COLUMNS = (
    "claim",
    "hidden_size",
    "dtype",
    "caught",
    "missed",
    "equivalent",
    "score",
    "missed_mutants",
)
LADDER_COLUMNS = TABLES["ladder.csv"]
ENCLOSURE_COLUMNS = TABLES["enclosures.csv"]
COSINE_COLUMNS = TABLES["best_cosine.csv"]
SIGMOID_COLUMNS = TABLES["sigmoid.csv"]
CURVE_COLUMNS = TABLES["sigmoid_curve.csv"]
SHOWN = (
    "hidden_jacobian",
    "as_written",
)  # the reading whose worst weight set is drawn entry by entry

Rows = list[dict[str, Any]]
Readings = list[tuple[Claim, Reading]]
ByReading = dict[tuple[str, str], list[Finding]]


def aggregate(shards: Iterable[Path], config: Mapping[str, Any], results: Path) -> None:
    """Merge the shards of a run and write its tables, counterexamples and manifest.

    Parameters
    ----------
    shards : files of kind check, align and sigmoid; their order does not matter
    config : the validated configuration
    results : folder for `verdicts.csv`, `cases.csv`, `mutants.csv`, `mutation_score.csv`,
        `alignment.csv`, `sigmoid.csv`, `ladder.csv`, `detection.csv`, `lint.csv`, `enclosures.csv`,
        `formulas.csv`, `counterexamples/`, `manifest.json`, and what the figures need besides:
        `best_cosine.csv`, `sigmoid_curve.csv`, `worst_entry.json`

    Raises
    ------
    InputError
        The shards are not exactly those of the configuration (see `shards.collect`), or
        `results` cannot be written. Then nothing is written.
    """
    evidence = collect(shards, config)
    refuted = own.refutations(evidence)
    in_cases = [
        (case, found | own.in_case(evidence, case, refuted) if case else found)
        for case, found in verdicts.in_cases(evidence)
    ]
    readings = [*verdicts.readings(), *own.readings(evidence)]
    by_reading: ByReading = {
        (claim.id, reading.name): [
            found[claim.id, reading.name]
            for _, found in in_cases
            if (claim.id, reading.name) in found
        ]
        for claim, reading in readings
    }
    with staged(Path(results)) as folder:
        accuracies = evidence.accuracies
        examples = {key: refuted[key].example if key in refuted else None for key in evidence.own}
        written = counterexamples.write(by_reading, config, accuracies, folder, examples)
        paths = {key: path for key, (path, _) in written.items()}
        _write(folder / "verdicts.csv", VERDICT_COLUMNS, verdict_rows(readings, by_reading, paths))
        _write(folder / "cases.csv", CASES_COLUMNS, case_rows(readings, in_cases, config, written))
        tried = mutant_rows(evidence)
        _write(folder / "mutants.csv", MUTANT_COLUMNS, tried)
        _write(folder / "mutation_score.csv", SCORE_COLUMNS, score_rows(tried))
        rows = alignment_rows(evidence)
        _write(folder / "alignment.csv", TABLES["alignment.csv"], rows)
        rows = [row for name in FORMATS for row in evidence.surveys[name]["rows"]]
        _write(folder / "sigmoid.csv", SIGMOID_COLUMNS, rows)
        _write(folder / "formulas.csv", own.COLUMNS, own.rows(evidence, by_reading, refuted))
        _write(folder / "enclosures.csv", ENCLOSURE_COLUMNS, enclosure_rows(evidence))
        _write(folder / "ladder.csv", LADDER_COLUMNS, ladder_rows(evidence))
        _write(folder / "lint.csv", inputs.COLUMNS, list(inputs.rows(evidence)))
        _write(folder / "detection.csv", detection.COLUMNS, detection.rows(evidence))
        _write(folder / "best_cosine.csv", COSINE_COLUMNS, cosine_rows(evidence))
        _write(folder / "sigmoid_curve.csv", CURVE_COLUMNS, curve_rows(evidence))
        worst = worst_entry(by_reading[SHOWN], config, evidence.accuracies)
        files.write_json(folder / "worst_entry.json", "worst_entry", worst)
        listed = manifest.content(evidence, digests.of_files(folder))
        files.write_json(folder / "manifest.json", "manifest", listed)


def verdict_rows(
    readings: Readings, by_reading: ByReading, paths: Mapping[tuple[str, str], str]
) -> Rows:
    """One row per claim and reading, also where nothing was compared."""
    return [
        verdicts.over_cases(by_reading[claim.id, reading.name]).columns(
            claim, reading, paths.get((claim.id, reading.name), "")
        )
        for claim, reading in readings
    ]


def case_rows(
    readings: Readings,
    in_cases: list[tuple[Case | None, dict[tuple[str, str], Finding]]],
    config: Mapping[str, Any],
    written: Mapping[tuple[str, str], tuple[str, Case | None]],
) -> Rows:
    """The same per case; `counterexample` in the case that it is taken from.

    `reason` says why a case could not decide, or which mutants passed where it did.
    """
    rows = []
    for case, found in in_cases:
        settings = {**case.as_dict(), "seed": config["seed"]} if case else {}
        for claim, reading in readings:
            finding = found.get((claim.id, reading.name))
            if finding is None:
                continue
            path, source = written.get((claim.id, reading.name), ("", case))
            row = finding.columns(claim, reading, path if source == case else "")
            row |= {
                "reference": finding.reference,
                "undecided_sets": finding.undecided_sets,
                "reason": _reason(finding),
            }
            rows.append(settings | row)
    return rows


def _reason(finding: Finding) -> str:
    """What is to know of a verdict; the mutants that passed limit one that was reached."""
    missed = "" if finding.verdict == verdicts.INCONCLUSIVE else finding.missed
    return "; ".join(text for text in (finding.reason, missed) if text)


def mutant_rows(evidence: Evidence) -> Rows:
    """One row per mutant, hidden size, dtype and distribution; regimes and input sizes merged."""
    found: dict[tuple[Any, ...], dict[tuple[str, str], Record]] = {}
    sources = [(case, evidence.tallies[case]) for case in evidence.cases]
    for case, tally in [*sources, (None, evidence.proofs)]:
        place = (case.hidden_size, case.dtype, case.distribution) if case else (None,) * 3
        for (claim, reading, mutant, reference), record in sorted(tally.records.items()):
            if mutant:
                merged = found.setdefault((claim, mutant, *place), {})
                merged.setdefault((reading, reference), Record()).merge(record)
    origins = mutant_origins()
    claims = [claim.id for claim in CLAIMS]
    rows = []
    for key in sorted(found, key=lambda key: (claims.index(key[0]), key[1])):  # stable: cases keep
        records = list(found[key].values())
        ratios = [record.ratio for record in records if record.worst is not None]
        family, seen = origins.get(key[:2], ("", ""))
        rows.append(
            dict(zip(MUTANT_COLUMNS[:5], key, strict=True))
            | {
                "caught": verdicts.caught(records),
                "largest_error_over_bound": max(ratios, default=None),
                "family": family,
                "seen": seen,
            }
        )
    return rows


def score_rows(tried: Rows) -> Rows:
    """The mutation score per claim, hidden size and dtype: caught / (caught + missed).

    Caught: in one distribution at least, as one case that refutes a reading is enough.
    """
    found: dict[tuple[Any, ...], dict[str, set[str]]] = {}
    for row in tried:
        place = found.setdefault((row["claim"], row["hidden_size"], row["dtype"]), {})
        place.setdefault(row["mutant"], set()).add(row["caught"])
    rows = []
    for key, outcomes in found.items():
        strongest = {name: verdicts.strongest_catch(seen) for name, seen in outcomes.items()}
        caught, missed, equivalent = (
            [name for name, outcome in strongest.items() if outcome == kind]
            for kind in (verdicts.CAUGHT, verdicts.MISSED, verdicts.EQUIVALENT)
        )
        real = len(caught) + len(missed)
        counts = (len(caught), len(missed), len(equivalent), len(caught) / real if real else None)
        values = (*key, *counts, " ".join(missed))
        rows.append(dict(zip(SCORE_COLUMNS, values, strict=True)))
    return rows


def mutant_origins() -> dict[tuple[str, str], tuple[str, str]]:
    """(claim, mutant) -> its family and where it was seen."""
    origins: dict[tuple[str, str], tuple[str, str]] = {
        (cell_state.CLAIM, name): origin for name, origin in cell_state.MUTANTS.items()
    }
    listed: list[Any] = [*mutants.JACOBIAN_MUTANTS, *gate_mutants.MUTANTS]
    for mutant in (*listed, *sigmoid_mutants.MUTANTS):
        origins[mutant.claim, mutant.name] = (mutant.family, mutant.seen)
    return origins


def alignment_rows(evidence: Evidence) -> Rows:
    """The sphere search, one row per case; the run's risk is shared out evenly over the cases."""
    config = evidence.config
    risk = config["false_alarm_risk"] / len(evidence.cases)
    return [
        alignment_row(evidence.searches[case], case, config["seed"], risk)
        for case in evidence.cases
    ]


def cosine_rows(evidence: Evidence) -> Rows:
    """The best cosine of every searched weight set, and its place in the exact law (n >= 2)."""
    rows = []
    for case in evidence.cases:
        search = evidence.searches[case]
        law = search["best_law"] or [None] * len(search["best_cosine"])
        for cosine, place in zip(search["best_cosine"], law, strict=True):
            values = {"best_cosine": cosine, "best_law": place}
            rows.append({**case.as_dict(), "seed": evidence.config["seed"], **values})
    return rows


def ladder_rows(evidence: Evidence) -> Rows:
    """Every step of every ladder."""
    rows = []
    for case in evidence.cases:
        settings = {**case.as_dict(), "seed": evidence.config["seed"]}
        for ladder in evidence.ladders[case]:
            names = ("formula", "reference", "order", "verdict", "reason")
            whole = {key: ladder[key] for key in names}
            lists = [ladder[key] for key in ("steps", "gap", "bound", "excess", "label")]
            of_step = ("step", "gap", "bound", "gap_over_bound", "label")
            for values in zip(*lists, strict=True):
                rows.append({**settings, **whole, **dict(zip(of_step, values, strict=True))})
    return rows


def enclosure_rows(evidence: Evidence) -> Rows:
    """What ball arithmetic proved: one row per case, reading and reference; the entry is [k, j]."""
    rows = []
    for case in evidence.cases:
        settings = {**case.as_dict(), "seed": evidence.config["seed"]}
        for enclosure in evidence.enclosures[case]:
            k, j = enclosure["entry"]
            rows.append({**settings, **enclosure, "row": k, "column": j})
    return rows


def curve_rows(evidence: Evidence) -> Rows:
    """The error of each form of sigma' over z, per floating-point format."""
    rows = []
    for name in FORMATS:
        for curve in evidence.surveys[name]["curve"]:
            for z, ulp, broken in zip(curve["z"], curve["ulp"], curve["not_finite"], strict=True):
                values = (name, curve["form"], z, ulp, broken)
                rows.append(dict(zip(CURVE_COLUMNS, values, strict=True)))
    return rows


def worst_entry(
    findings: list[Finding], config: Mapping[str, Any], accuracies: Mapping[str, Accuracy]
) -> dict[str, Any]:
    """The whole Jacobian of the weight set with the largest error over bound, entry by entry.

    The larger of two pictures is the more telling one: cases of hidden size 8 and more go first,
    where there are any. Empty where nothing was decided.
    """
    decided = [finding for finding in findings if finding.worst and finding.case]
    large = [finding for finding in decided if finding.case and finding.case.hidden_size >= 8]
    if not decided:
        return {}
    finding = verdicts.over_cases(large or decided)
    assert finding.worst is not None
    assert finding.case is not None
    index = finding.worst["index"]
    arrays = examination.jacobian_gap(
        finding.case,
        config["seed"],
        index,
        finding.reference,
        config["backend"],
        accuracies[finding.case.dtype],
    )
    return {
        "claim": SHOWN[0],
        "reading": SHOWN[1],
        "verdict": finding.verdict,
        "case": finding.case.as_dict(),
        "cases": len(large or decided),
        "seed": config["seed"],
        "index": index,
        "entry": finding.worst["entry"],
        "reference_name": finding.reference,
        **arrays,
    }


def _write(path: Path, columns: tuple[str, ...], rows: Rows) -> None:
    """CSV in the given columns; None and NaN are empty, infinity is `inf`."""
    frame = pd.DataFrame([[_cell(row.get(c)) for c in columns] for row in rows], dtype=object)
    frame = frame.reindex(columns=range(len(columns)))
    frame.columns = list(columns)
    files.write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
