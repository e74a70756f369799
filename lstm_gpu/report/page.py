"""The report's page: one HTML file that opens from disk, verdicts first, with no network."""

import base64
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas as pd

from lstm_gpu import files, intake, recorded, replay
from lstm_gpu.errors import InputError
from lstm_gpu.report import enclosures, findings, inputs, manifest, style
from lstm_gpu.report.counterexamples import VALUES, paths_of
from lstm_gpu.report.mathml import typeset
from lstm_gpu.report.verdicts import readings

SYMBOLS = {"supported": "✓", "refuted": "✗", "inconclusive": "?"}
# figure -> heading, what it is a picture of (for those who cannot see it), table with its data
FIGURES = {
    "error_over_bound": (
        "Error over bound",
        "Strip plot: for every claim and reading, the largest error over bound of each case on a "
        "logarithmic axis, with a line at 1.",
        "cases.csv",
    ),
    "ladder": (
        "The step ladder",
        "Log-log plot of the gap between formula and finite differences against the step, for "
        "central differences, Richardson's and a wrong formula, with bounds and slopes.",
        "ladder.csv",
    ),
    "worst_entry": (
        "Where the largest error sits",
        "Two heat maps of one Jacobian: absolute error and error over bound of every entry, the "
        "worst entry ringed.",
        "worst_entry.json",
    ),
    "mutants": (
        "Kill matrix",
        "Matrix of wrong formulas by hidden size and dtype, coloured by whether each was caught.",
        "mutants.csv",
    ),
    "detection": (
        "Errors put in, errors found",
        "Share of injected errors that were found, against their size in units of twice the "
        "bound of their entry or weight set, one panel per reading, with the predicted line.",
        "detection.csv",
    ),
    "alignment": (
        "Best of many directions",
        "Best cosine of random directions against hidden size with the exact law's band, and the "
        "distribution of its place in that law against the uniform.",
        "alignment.csv",
    ),
    "sigmoid": (
        "Error of each form of σ′",
        "Error in ulp of six forms of the sigmoid's derivative over z, one panel per format.",
        "sigmoid.csv",
    ),
}
EVIDENCE = {  # claim -> the figures that show it
    "hidden_jacobian": ("error_over_bound", "ladder", "worst_entry"),
    "sigmoid_derivative": ("sigmoid",),
    "forget_gate_argmax": ("alignment", "error_over_bound"),
    "forget_gate_maximum": ("alignment", "error_over_bound"),
    "input_irrelevance": ("alignment", "error_over_bound"),
}
TABLES = (
    "verdicts.csv",
    "cases.csv",
    "mutants.csv",
    "mutation_score.csv",
    "alignment.csv",
    "sigmoid.csv",
    "ladder.csv",
    "detection.csv",
    "lint.csv",
    "formulas.csv",
    "enclosures.csv",
    "best_cosine.csv",
    "sigmoid_curve.csv",
    "worst_entry.json",
    "manifest.json",
)


def write(results: Path) -> None:
    """Write `report.html` into `results`, from its tables, figures and counterexamples.

    Raises
    ------
    InputError
        A table, figure or counterexample is missing or damaged, or the page cannot be written.
    """
    results = Path(results)
    files.write_text(results / "report.html", render(context(results)))


def render(values: dict[str, Any]) -> str:
    """Fill the template. Every value is escaped, but the typeset formulas of the registry."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=style.number, words=style.words, typeset=typeset, full=findings.decimal
    )
    return environment.get_template("page.html.j2").render(values)


def context(results: Path) -> dict[str, Any]:
    """Everything that the template shows."""
    verdicts = style.table(results, "verdicts.csv")
    cases = style.table(results, "cases.csv")
    mutants = style.table(results, "mutants.csv")
    made_with = manifest.read(results)
    alignment = style.table(results, "alignment.csv")
    risk = float(made_with["configuration"]["false_alarm_risk"])
    law = findings.law_of_the_best(alignment, style.table(results, "best_cosine.csv"), risk)
    injected = findings.injections(style.table(results, "detection.csv"))
    proved = enclosures.sentences(style.table(results, "enclosures.csv"))
    expected = {(claim.id, reading.name): reading.expected for claim, reading in readings()}
    unexpected = findings.unexpected(verdicts, expected)
    return {
        "summary": findings.summary(verdicts, alignment, law, expected, injected),
        "alarm": bool(unexpected or injected["defects"] or proved["alarm"]),
        "injected": injected,
        "proved": proved,
        "claims": _claims(results, verdicts, cases, findings.missed(mutants))
        + _own(results, verdicts, cases),
        "hidden": inputs.summary(style.table(results, "lint.csv")),
        "undecided": findings.undecided(cases),
        "survivors": findings.survivors(mutants),
        "missed_places": findings.missed_places(mutants),
        "narrowest": findings.narrowest(mutants),
        "figures": {
            name: {"title": title, "alt": alt, "data": data, "uri": _picture(results, name)}
            for name, (title, alt, data) in FIGURES.items()
        },
        "ladders": findings.ladders(style.table(results, "ladder.csv")),
        "sphere": findings.sphere(alignment),
        "law": law,
        "sigmoid": findings.sigmoid(style.table(results, "sigmoid.csv")),
        "tried": findings.tried(style.table(results, "sigmoid.csv")),
        "manifest": made_with,
        "tables": TABLES,
        "symbols": SYMBOLS,
        "titles": {name: title for name, (title, *_) in FIGURES.items()},
    }


def _claims(
    results: Path, verdicts: pd.DataFrame, cases: pd.DataFrame, missed: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """The verdicts by claim, in the registry's order."""
    detectable = findings.detectable(cases)
    counts = findings.tally_of_cases(cases)
    against = findings.closest_reference(cases)
    rows = {(row["claim"], row["reading"]): row for row in verdicts.to_dict("records")}
    claims: dict[str, dict[str, Any]] = {}
    for claim, reading in readings():
        row = rows.get((claim.id, reading.name))
        if row is None:
            continue
        key = (claim.id, reading.name)
        group = claims.setdefault(claim.id, {"claim": claim, "rows": []})
        group["rows"].append(
            {
                **row,
                "latex": reading.latex,
                "expected": reading.expected,
                "rival": reading.rival,
                "ratio": _ratio(row["error_over_bound"]),
                "against": against.get(key, ""),
                "as_expected": reading.expected == row["verdict"],
                "detectable": detectable.get(key, "nothing"),
                "counts": counts.get(key, "in no case"),
                "missed": missed.get(claim.id, []),
                "figures": EVIDENCE.get(claim.id, ("error_over_bound",)),
                "example": _example(results, row),
            }
        )
    return list(claims.values())


def _own(results: Path, verdicts: pd.DataFrame, cases: pd.DataFrame) -> list[dict[str, Any]]:
    """The verdicts on readers' own formulas: one group, in which nothing is expected."""
    detectable = findings.detectable(cases)
    counts = findings.tally_of_cases(cases)
    rows = {(row["claim"], row["reading"]): row for row in verdicts.to_dict("records")}
    listed = []
    for formula in style.table(results, "formulas.csv").to_dict("records"):
        key = (formula["claims_to_equal"], formula["formula"])
        row = rows.get(key)
        if row is None:
            raise InputError(
                f"`{results / 'verdicts.csv'}` must have the formula {formula['formula']}, which "
                "formulas.csv has. Run the workflow again."
            )
        said = {name: formula[name] for name in ("likely_cause", "reason")}
        listed.append(
            {
                **row,
                "latex": "",
                "expected": "",
                "rival": False,
                "ratio": _ratio(row["error_over_bound"]),
                "against": "",
                "as_expected": True,
                "detectable": detectable.get(key, "nothing"),
                "counts": counts.get(key, "in no case"),
                "missed": _listed(formula["mutants_missed"]),
                "figures": (),
                "example": _example(results, row),
                **{name: text if isinstance(text, str) else "" for name, text in said.items()},
            }
        )
    title = {"number": "", "title": "Your own formulas"}
    return [{"claim": title, "rows": listed}] if listed else []


def _listed(names: Any) -> list[str]:
    """Names of a cell, which pandas reads as NaN where it is empty."""
    return [style.words(name) for name in names.split(", ")] if isinstance(names, str) else []


def _ratio(value: float) -> str:
    """Error over bound; far beyond the bound its size says nothing any more."""
    if value > 1e9:
        return f"> 10{style.superscript(9)}"
    return "0.99…" if 0.99 <= value < 1 else style.number(value)


def _example(results: Path, row: dict[str, Any]) -> dict[str, Any] | None:
    """The counterexample of a reading, of one that is refuted or mixes weight sets."""
    if not isinstance(row["counterexample"], str):
        return None
    path, paths = row["counterexample"], paths_of(row["claim"], row["reading"])
    if path not in paths:  # whatever the table says
        raise InputError(
            f"`counterexample` in `{results / 'verdicts.csv'}` must be {paths[0]}, got "
            f"{path:.60}. Run the workflow again."
        )
    counterexample = recorded.read(results / path)
    content = counterexample.content
    if missing := [name for name in VALUES if name not in content]:
        raise InputError(f"`{missing[0]}` in `{results / path}` is missing. Make it again.")
    calls = replay.called_with(content) if counterexample.calls else ""
    command = ["python", "-m", "lstm_gpu", "replay", f"{results.resolve().name}/{path}"]
    return {**content, "link": quote(path), "replay": shlex.join(command), "called_with": calls}


def _picture(results: Path, name: str) -> str:
    """A figure as a data URI: an <img> keeps its ids and styles away from the page's."""
    path = results / "figures" / f"{name}.svg"
    data = intake.contents(path, files.LARGEST, "Draw the figures first.")
    return "data:image/svg+xml;base64," + base64.b64encode(data).decode("ascii")
