"""Readers' own formulas in the tables: their readings, findings and counterexamples."""

from collections.abc import Iterator, Mapping
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import configuration
from lstm_gpu import counterexample as counterexamples
from lstm_gpu.claims.registry import Claim, Reading
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.judgement import cause_of, weigh
from lstm_gpu.formulas.loading import ARGMAX
from lstm_gpu.formulas.quantities import QUANTITIES
from lstm_gpu.formulas.shard import load_all
from lstm_gpu.report import verdicts
from lstm_gpu.report.columns import TABLES
from lstm_gpu.report.shards import Evidence
from lstm_gpu.report.verdicts import INCONCLUSIVE, MISSED, REFUTED, Finding
from lstm_gpu.weights.case import Case

COLUMNS = TABLES["formulas.csv"]
TITLE = "Your own formulas"


def readings(evidence: Evidence) -> Iterator[tuple[Claim, Reading]]:
    """Each formula as a reading of the quantity that it claims to equal; nothing is expected."""
    for quantity, name in evidence.own:
        symbol = QUANTITIES[quantity].symbol if quantity != ARGMAX else "argmax of f_t over ‖h‖ = 1"
        reading = Reading(name, f"{name} claims to equal {symbol}", "", "")
        yield Claim(quantity, "", TITLE, (reading,)), reading


def in_case(evidence: Evidence, case: Case) -> dict[tuple[str, str], Finding]:
    """The findings of the formulas in one case.

    A formula that could not be tried in some case has no verdict in any of its dtype; one that
    gave no finite number, or lost its digits, where the derivative is finite is not supported.
    """
    tally = evidence.own_tallies.get(case)
    if tally is None:
        return {}
    found = verdicts.in_tally(tally, case)
    findings = {}
    for key, formula in evidence.own.items():
        finding = findings[key] = found.get(key, Finding(case=case, cases=1))
        error = formula.error or formula.errors.get(case.dtype, "")
        if error:
            finding.verdict, finding.reason = INCONCLUSIVE, error
            continue
        counts = formula.decided, formula.not_finite, formula.rounded
        finding.verdict, finding.reason = weigh(finding.verdict, finding.reason, *counts)
    return findings


def rows(
    evidence: Evidence, by_reading: Mapping[tuple[str, str], list[Finding]]
) -> list[dict[str, Any]]:
    """`formulas.csv`: one row per formula."""
    listed = []
    for key, formula in evidence.own.items():
        total = verdicts.over_cases(by_reading[key])
        missed = [name for name, outcome in total.mutants.items() if outcome == MISSED]
        values = (
            formula.name,
            formula.quantity,
            "error" if formula.error else total.verdict,
            total.reason or formula.note,
            cause_of(formula.suspects, formula.not_finite) if total.verdict == REFUTED else "",
            ", ".join(missed),
            formula.sha256,
        )
        listed.append(dict(zip(COLUMNS, values, strict=True)))
    return listed


def counterexample(key: tuple[str, str], finding: Finding, config: Mapping[str, Any]) -> Any:
    """The content of a formula's counterexample file; runs its file again.

    None for a formula that is wrong only among other weight sets: there is nothing to replay.
    """
    formulas = {f.key: f for f in load_all(configuration.formula_paths(config))}
    xp = backends.select(config["backend"])
    try:
        seed, backend = config["seed"], config["backend"]
        return counterexamples.counterexample(formulas[key], finding, seed, backend, xp)
    except InputError:
        return None
