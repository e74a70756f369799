"""Readers' own formulas in the tables: their readings, findings and counterexamples."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import configuration
from lstm_gpu.claims.registry import Claim, Reading
from lstm_gpu.counterexample import Conditions
from lstm_gpu.formulas.judgement import MARKS, Key, cause_of, weigh
from lstm_gpu.formulas.loading import ARGMAX
from lstm_gpu.formulas.quantities import QUANTITIES
from lstm_gpu.formulas.shard import FormulaEvidence, load_all
from lstm_gpu.refutation import Loaded, Refutation, refutation
from lstm_gpu.report import verdicts
from lstm_gpu.report.columns import TABLES
from lstm_gpu.report.shards import Evidence
from lstm_gpu.report.verdicts import INCONCLUSIVE, MISSED, REFUTED, Finding
from lstm_gpu.weights.case import Case

COLUMNS = TABLES["formulas.csv"]
TITLE = "Your own formulas"
_ALONE = 8  # weight sets of each case that are looked at one by one, if a formula mixes them


def readings(evidence: Evidence) -> Iterator[tuple[Claim, Reading]]:
    """Each formula as a reading of the quantity that it claims to equal; nothing is expected."""
    for quantity, name in evidence.own:
        symbol = QUANTITIES[quantity].symbol if quantity != ARGMAX else "argmax of f_t over ‖h‖ = 1"
        reading = Reading(name, f"{name} claims to equal {symbol}", "", "")
        yield Claim(quantity, "", TITLE, (reading,)), reading


def refutations(evidence: Evidence) -> dict[Key, Refutation]:
    """What the refutation of each refuted formula comes to, for which its file is run again."""
    found = dict(_refuted(evidence))
    if not found:
        return {}
    config = evidence.config
    formulas = {f.key: f for f in load_all(configuration.formula_paths(config))}
    conditions = Conditions(
        seed=config["seed"],
        backend=config["backend"],
        xp=backends.select(config["backend"]),
        sets=config["weight_sets"],
        shard_size=config["shard_size"],
        alone=_ALONE,
    )
    loaded: Loaded = {}
    return {
        key: refutation(
            formulas[key],
            in_cases,
            evidence.own[key].not_finite,
            evidence.own[key].not_longer,
            conditions,
            loaded,
        )
        for key, in_cases in found.items()
    }


def _refuted(evidence: Evidence) -> Iterator[tuple[Key, list[Finding]]]:
    """The refuted formulas, with what the tallies alone say case by case.

    Only the cases of those dtypes count in which a formula can be tried.
    """
    in_tallies = [
        (case, verdicts.in_tally(evidence.own_tallies[case], case))
        for case in (evidence.cases if evidence.own else ())
    ]
    for key, formula in evidence.own.items():
        in_cases = [
            found[key]
            for case, found in in_tallies
            if key in found and not formula.errors.get(case.dtype)
        ]
        verdict, _ = _weighed(formula, verdicts.over_cases(in_cases), evidence)
        if verdict == REFUTED and not formula.error:
            yield key, in_cases


def _weighed(formula: FormulaEvidence, finding: Finding, evidence: Evidence) -> tuple[str, str]:
    marked = {name: getattr(formula, name) for name in MARKS}
    seed = evidence.config["seed"]
    return weigh(finding.verdict, finding.reason, formula.decided, **marked, seed=seed)


def in_case(
    evidence: Evidence, case: Case, refuted: Mapping[Key, Refutation]
) -> dict[Key, Finding]:
    """The findings of the formulas in one case.

    A formula that could not be tried in some case has no verdict in any of its dtype, and one that
    mixes weight sets none at all; one that gave no finite number, or lost its digits, where the
    derivative is finite is not supported.
    """
    tally = evidence.own_tallies.get(case)
    if tally is None:
        return {}
    found = verdicts.in_tally(tally, case)
    findings = {}
    for key, formula in evidence.own.items():
        finding = findings[key] = found.get(key, Finding(case=case, cases=1))
        error = formula.error or formula.errors.get(case.dtype, "")
        if key in refuted and refuted[key].error:
            error = refuted[key].error
            finding.worst, finding.smallest_detectable = None, math.inf  # of no weight set alone
        if error:
            finding.verdict, finding.reason = INCONCLUSIVE, error
            continue
        finding.verdict, finding.reason = _weighed(formula, finding, evidence)
    return findings


def rows(
    evidence: Evidence,
    by_reading: Mapping[Key, list[Finding]],
    refuted: Mapping[Key, Refutation],
) -> list[dict[str, Any]]:
    """`formulas.csv`: one row per formula."""
    listed = []
    for key, formula in evidence.own.items():
        total = verdicts.over_cases(by_reading[key])
        alone = refuted.get(key, Refutation(None))
        missed = [name for name, outcome in total.mutants.items() if outcome == MISSED]
        why = dict.fromkeys(f.reason for f in by_reading[key] if f.verdict == total.verdict)
        said = (*([total.reason] if total.reason else why), alone.hint, alone.note, formula.note)
        values = (
            formula.name,
            formula.quantity,
            "error" if formula.error or alone.error else total.verdict,
            "; ".join(text for text in said if text),
            cause_of(formula.suspects, formula.not_finite) if total.verdict == REFUTED else "",
            ", ".join(missed),
            formula.sha256,
        )
        listed.append(dict(zip(COLUMNS, values, strict=True)))
    return listed
