"""``python -m benchmarks.evidence``: what each checker catches, and what it lets pass.

Every mutant of ∂h_t/∂h_{t-1} and the true formula, on the same weight sets (PyTorch's default
weights, generic states, m = n), are put before this package's check and before its peers'. One
table is printed and recorded.

A false alarm is a weight set on which a checker refutes the true formula. A mutant is caught when
it is refuted on a weight set on which the true formula passes: who refutes everything has caught
nothing. A mutant that equals the true formula on a weight set is not counted there.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import evidence_table, machine, runs
from benchmarks.checkers import CHECKERS, Checker
from benchmarks.questions import MUTANTS, Questions, case, questions
from benchmarks.workers import workers
from lstm_gpu.campaign import block_size
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json
from lstm_gpu.weights import DTYPES, Case, WeightSets, draw

KIND = "evidence"
RESULTS = Path(__file__).with_name("results")
SIZES = (8, 64, 512, 1024)
SEED = 1
SECONDS = 350.0  # for one hidden size: four take at most 25 minutes
MOST_SETS = 64
_LONG = 20.0  # seconds of a first call that its start-up, on a cold disk too, does not distort


# --- How much fits --------------------------------------------------------------------------------


class Cost(NamedTuple):
    """Seconds of a checker for one formula on one weight set, and how many formulas it is asked."""

    seconds: float
    formulas: int

    @property
    def total(self) -> float:
        return self.seconds * self.formulas


def cost(checker: Checker, asked: Questions) -> Cost:
    """What one weight set costs: all mutants are tried where the true formula passes."""
    for _ in range(2):  # the first call may be the start-up's
        start = time.perf_counter()
        (verdict,) = checker.open(asked.sets)(asked.truth)
        seconds = time.perf_counter() - start
        if seconds > _LONG:
            break
    return Cost(seconds, 1 + len(MUTANTS) if verdict == "supported" else 1)


def level(costs: list[float], limit: float) -> float:
    """What each may spend so that all spend no more than `limit`: infinite where all fits.

    The cheap ones spend what they need, and the others share the rest evenly.
    """
    rest = limit
    for k, cost in enumerate(sorted(costs)):
        if cost > rest / (len(costs) - k):
            return rest / (len(costs) - k)
        rest -= cost
    return float("inf")


def affordable(costs: list[Cost], limit: float) -> tuple[int, list[int]]:
    """Weight sets for all, and how many mutants each checker may try, within `limit` seconds.

    Where not even one weight set fits, the slow checkers try fewer mutants.
    """
    totals = [cost.total for cost in costs]
    sets = int(limit / sum(totals))
    if sets >= 1:
        return min(sets, MOST_SETS), [len(MUTANTS)] * len(costs)
    share = level(totals, limit)
    return 1, [int(max(1, min(len(MUTANTS), share / c.seconds - 1))) for c in costs]


def spread(count: int) -> list[str]:
    """So many mutants, spread evenly over the catalogue."""
    return [MUTANTS[k * len(MUTANTS) // count].name for k in range(count)]


# --- The trial ------------------------------------------------------------------------------------


def empty(checker: Checker, n: int, tried: list[str]) -> dict[str, Any]:
    """The record of a checker at hidden size n, before the first weight set.

    ``seconds`` per formula and weight set, of the true formula, block by block; ``false_alarms``
    and ``undecided``, weight sets; and by mutant: ``equivalent``, weight sets on which it equals
    the truth; ``asked``, those on which it does not and the true formula passed; ``caught``, those
    of them on which it was refuted; ``left_out``, mutants for which there was no time.
    """
    return {
        "checker": checker.name,
        "dtype": checker.dtype,
        "hidden_size": n,
        "weight_sets": 0,
        "seconds": [],
        "false_alarms": 0,
        "undecided": 0,
        **{key: dict.fromkeys(tried, 0) for key in ("equivalent", "asked", "caught")},
        "left_out": [m.name for m in MUTANTS if m.name not in tried],
    }


def put(checker: Checker, asked: Questions, row: dict[str, Any]) -> None:
    """Ask a checker, and add its answers to its record."""
    start = time.perf_counter()
    exam = checker.open(asked.sets)
    verdicts = np.array(exam(asked.truth))
    row["seconds"].append((time.perf_counter() - start) / len(asked.sets))
    row["weight_sets"] += len(asked.sets)
    row["false_alarms"] += int((verdicts == "refuted").sum())
    row["undecided"] += int((verdicts == "inconclusive").sum())
    for name in row["asked"]:
        J, equal = asked.wrong[name]
        counted = (verdicts == "supported") & ~equal
        row["equivalent"][name] += int(equal.sum())
        row["asked"][name] += int(counted.sum())
        if counted.any():
            row["caught"][name] += int((counted & (np.array(exam(J)) == "refuted")).sum())


def measure_size(
    n: int, seconds: float, checkers: tuple[Checker, ...] = CHECKERS
) -> list[dict[str, Any]]:
    """All checkers that can be asked here, at one hidden size."""
    present = [c for c in checkers if not c.missing()]
    with np.errstate(all="ignore"):  # what is not finite is a verdict, not a warning
        first = {d: questions(draw(case(n, d), SEED, 0, 1), ()) for d in DTYPES}
        costs = [cost(c, first[c.dtype]) for c in present]
        sets, counts = affordable(costs, seconds)
        rows = [empty(c, n, spread(k)) for c, k in zip(present, counts, strict=True)]
        for dtype in DTYPES:
            for block in _blocks(case(n, dtype), sets):
                asked = questions(block)
                for checker, row in zip(present, rows, strict=True):
                    if checker.dtype == dtype:
                        put(checker, asked, row)
    return rows


def _blocks(of: Case, sets: int) -> Iterator[WeightSets]:
    size = block_size(of)
    return (draw(of, SEED, first, min(first + size, sets)) for first in range(0, sets, size))


def measure(sizes: list[int], seconds: float) -> dict[str, Any]:
    """The record of all sizes; each in a process of its own, with one thread."""
    rows: list[dict[str, Any]] = []
    for n in sizes:
        with workers(1) as fresh:
            rows += fresh.run(measure_size, [(n, seconds)]).results[0]
        print(f"n = {n}: {rows[-1]['weight_sets']} weight sets done", flush=True)
    return {
        "machine": machine.describe(),
        "seed": SEED,
        "distribution": case(1, DTYPES[0]).distribution,
        "regime": case(1, DTYPES[0]).regime,
        "seconds_per_size": seconds,
        "mutants": [{"name": m.name, "family": m.family, "seen": m.seen} for m in MUTANTS],
        "skipped": sorted({c.missing() for c in CHECKERS} - {""}),
        "trials": rows,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and record; exit code 2 when a record cannot be read or written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--sizes", type=_size, nargs="+", default=list(SIZES), help="n = m")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=SECONDS,
        help="limit for one size (default: %(default)s)",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="RECORD",
        help="only print a record's tables for the README",
    )
    options = parser.parse_args(arguments)
    try:
        if options.markdown:
            print(evidence_table.markdown(read_json(options.markdown, KIND)))
            return 0
        record = measure(options.sizes, options.seconds)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(evidence_table.text(record))
    return runs.recorded(options.results, KIND, record)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {value}")
    return value


def _size(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {value}")
    return value


if __name__ == "__main__":
    sys.exit(main())
