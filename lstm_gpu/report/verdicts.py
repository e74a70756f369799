"""From tallies to verdicts: per case, and over all cases.

A reading is refuted as soon as one case refutes it, by an error above its bound or by a proof in
ball arithmetic. Otherwise it is supported when at least one case could decide and did; a case
that could not decide is counted, never outvoted. A bound that was proved wrong decides nothing.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lstm_gpu.claims.registry import CLAIMS, Claim, Reading
from lstm_gpu.report import columns
from lstm_gpu.tally import Record, Tally
from lstm_gpu.weights.case import Case

if TYPE_CHECKING:
    from lstm_gpu.report.shards import Evidence

REFUTED, SUPPORTED, INCONCLUSIVE = "refuted", "supported", "inconclusive"
PROVED = "proved in ball arithmetic (enclosures.csv) where no bound could tell"
UNSOUND = (
    "a derived bound was proved wrong in ball arithmetic (enclosures.csv): a defect of the trial"
)
CAUGHT, MISSED, EQUIVALENT = "yes", "no", "equivalent here"

VERDICT_COLUMNS = columns.VERDICTS
CASE_COLUMNS = columns.CASE


def readings() -> Iterator[tuple[Claim, Reading]]:
    """Every claim and reading, in the registry's order."""
    for claim in CLAIMS:
        for reading in claim.readings:
            yield claim, reading


@dataclass
class Finding:
    """What one reading's records say, in one case or over several.

    case : None for a finding over several cases, and for proofs, which belong to no case
    reference : the reference with the largest error over bound
    proved : ball arithmetic has proved the formula wrong, whatever the floats say
    unsound : it has proved a bound wrong on which the verdict rests
    """

    verdict: str = INCONCLUSIVE
    cases: int = 0
    weight_sets: int = 0
    comparisons: int = 0
    undecided_sets: int = 0
    smallest_detectable: float = math.inf
    worst: dict[str, Any] | None = None
    reference: str = ""
    reason: str = ""
    case: Case | None = None
    mutants: dict[str, str] = field(default_factory=dict)
    proved: bool = False
    unsound: bool = False

    def weigh(self, enclosures: Iterable[dict[str, Any]]) -> None:
        """Let proofs go before floats: a proof refutes, a bound proved wrong decides nothing."""
        for row in enclosures:
            self.proved |= row["proof"] == REFUTED
            self.unsound |= row["bounds_hold"] == "no"
        self._judge()

    def _judge(self) -> None:
        if self.proved:
            self.reason = "" if self.verdict == REFUTED else PROVED
            self.verdict = REFUTED
        elif self.unsound:
            self.verdict, self.reason = INCONCLUSIVE, UNSOUND

    @property
    def missed(self) -> str:
        """The wrong formulas that passed, by name; "" when there is none."""
        names = [name for name, caught in self.mutants.items() if caught == MISSED]
        return f"missed: {', '.join(names)}" if names else ""

    def columns(self, claim: Claim, reading: Reading, counterexample: str) -> dict[str, Any]:
        """The row of a table; what was not measured is None."""
        worst = self.worst or {}
        return {
            "claim": claim.id,
            "reading": reading.name,
            "statement": reading.statement,
            "verdict": self.verdict,
            "cases": self.cases,
            "weight_sets": self.weight_sets,
            "comparisons": self.comparisons,
            "worst_error": worst.get("error"),
            "error_bound": worst.get("bound"),
            "error_over_bound": worst.get("ratio"),
            "smallest_detectable": self.smallest_detectable,
            "mutants_caught": sum(caught == CAUGHT for caught in self.mutants.values()),
            "mutants": len(self.mutants),
            "counterexample": counterexample,
        }


def of_records(records: dict[str, Record], case: Case | None = None) -> Finding:
    """The finding of one reading in one case, from its records by reference."""
    finding = Finding(cases=1, case=case)
    verdicts = {record.verdict for record in records.values()}
    finding.verdict = _strongest(verdicts)
    for reference, record in sorted(records.items()):
        finding.weight_sets = max(finding.weight_sets, record.weight_sets)
        finding.undecided_sets = max(finding.undecided_sets, record.undecided_sets)
        finding.comparisons += record.comparisons
        finding.smallest_detectable = min(finding.smallest_detectable, record.smallest_detectable)
        if _larger(record.worst, finding.worst):
            finding.worst, finding.reference = record.worst, reference
    if finding.verdict == INCONCLUSIVE:
        reasons = dict.fromkeys(record.reason for _, record in sorted(records.items()))
        finding.reason = "; ".join(reasons) or "nothing was compared"
    return finding


def over_cases(findings: Iterable[Finding]) -> Finding:
    """The finding over several cases. Weight sets and comparisons add up.

    What was detectable differs by many orders between cases and formats, so the least over cases
    would flatter. It is the median over a format's cases, those without any included, of the
    coarsest format: an error of this size would have been refuted in half of the cases of every
    format on trial.
    """
    findings = list(findings)
    total = Finding(verdict=_strongest({finding.verdict for finding in findings}))
    for finding in findings:
        for count in ("cases", "weight_sets", "comparisons", "undecided_sets"):
            setattr(total, count, getattr(total, count) + getattr(finding, count))
        total.proved |= finding.proved
        total.unsound |= finding.unsound
        if _larger(finding.worst, total.worst):
            total.worst, total.reference = finding.worst, finding.reference
            total.case = finding.case
        for name, caught in finding.mutants.items():
            total.mutants[name] = strongest_catch({caught, total.mutants.get(name, caught)})
    by_format: dict[str, list[float]] = {}
    for finding in findings:
        dtype = finding.case.dtype if finding.case else ""
        by_format.setdefault(dtype, []).append(finding.smallest_detectable)
    total.smallest_detectable = max(map(half_of, by_format.values()), default=math.inf)
    if total.verdict == INCONCLUSIVE:
        reasons = dict.fromkeys(finding.reason for finding in findings)
        total.reason = "; ".join(reasons) or "nothing was compared"
    total._judge()
    return total


def half_of(sizes: Sequence[float]) -> float:
    """The median of what cases could detect: refuted in at least half of them; infinite: in fewer.

    Of an even number the mean of the two in the middle, which the lower half is sure to detect.
    """
    return statistics.median(sizes)


def would_have_caught(
    verdict: str, sizes: Mapping[str, float], number: Callable[[float], str]
) -> str:
    """The smallest detectable errors in words, for page and command line alike.

    sizes : format ("" for none) -> size; number : how the reader of the text writes numbers
    """
    if verdict == REFUTED:
        return "–"
    if sizes and not any(sizes.values()):
        return "any difference"
    said = [
        f"{number(size)} in {dtype}" if dtype else number(size)
        for dtype, size in sizes.items()
        if math.isfinite(size)
    ]
    none = [dtype for dtype, size in sizes.items() if dtype and not math.isfinite(size)]
    if said and none:
        said.append(f"nothing in {', '.join(none)}")
    return ", ".join(said) or "nothing"


def caught(records: Iterable[Record]) -> str:
    """Whether a mutant was caught by any reference; "equivalent here" if it is no mistake."""
    records = list(records)
    if any(record.refuted_sets for record in records):
        return CAUGHT
    same = all(record.equivalent_sets == record.weight_sets for record in records)
    return EQUIVALENT if same else MISSED


def in_tally(tally: Tally, case: Case | None = None) -> dict[tuple[str, str], Finding]:
    """The findings of every reading that a tally has records of, with its claim's mutants."""
    by_reading: dict[tuple[str, str], dict[str, Record]] = {}
    by_mutant: dict[tuple[str, str], list[Record]] = {}
    for (claim, reading, mutant, reference), record in sorted(tally.records.items()):
        if mutant:
            by_mutant.setdefault((claim, mutant), []).append(record)
        else:
            by_reading.setdefault((claim, reading), {})[reference] = record
    findings = {key: of_records(records, case) for key, records in by_reading.items()}
    for (claim, mutant), mutated in by_mutant.items():
        for key, finding in findings.items():
            if key[0] == claim:
                finding.mutants[mutant] = caught(mutated)
    return findings


def in_cases(evidence: "Evidence") -> list[tuple[Case | None, dict[tuple[str, str], Finding]]]:
    """The findings case by case in the configuration's order, those of the proofs last."""
    rows: list[tuple[Case | None, dict[tuple[str, str], Finding]]] = []
    for case in evidence.cases:
        found = in_tally(evidence.tallies[case], case)
        for key, finding in found.items():
            enclosures = evidence.enclosures[case]
            finding.weigh(row for row in enclosures if (row["claim"], row["reading"]) == key)
        rows.append((case, found))
    rows.append((None, in_tally(evidence.proofs)))
    return rows


def _strongest(verdicts: set[str]) -> str:
    return next((v for v in (REFUTED, SUPPORTED) if v in verdicts), INCONCLUSIVE)


def strongest_catch(outcomes: set[str]) -> str:
    """Of several places: caught in one is caught; missed in one is not equivalent."""
    return next(outcome for outcome in (CAUGHT, MISSED, EQUIVALENT) if outcome in outcomes)


def _larger(new: dict[str, Any] | None, old: dict[str, Any] | None) -> bool:
    return new is not None and (old is None or new["ratio"] > old["ratio"])
