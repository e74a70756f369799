"""Mergeable statistics of comparisons: counts, maxima, a log histogram, the worst case.

A tally is a commutative summary: merging the tallies of shards, in any order, gives the very
tally of one run over all of them (counts are integers, extremes break ties by index).
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.backend import namespace_of, to_host

Array = Any

KEY = ("claim", "reading", "mutant", "reference")


class Comparison(NamedTuple):
    """A claimed quantity beside a measured one, for a block of weight sets.

    Attributes
    ----------
    claim, reading : ids of DESIGN's registry
    mutant : name of the deliberately wrong formula, "" for the reading itself
    reference : what measured: "central", "complex_step", …
    claimed, measured, bound : arrays (sets, ...) of one shape (broadcastable); the claim holds
        at an entry when |claimed - measured| <= bound
    compared : comparisons behind each set, where more than its entries (streamed searches)
    equivalent : (sets,) of bool, for mutants: equal to the truth, to rounding, on this set
    """

    claim: str
    reading: str
    mutant: str
    reference: str
    claimed: Array
    measured: Array
    bound: Array
    compared: int | None = None
    equivalent: Array | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.claim, self.reading, self.mutant, self.reference


@dataclass
class Record:
    """The tally of one (claim, reading, mutant, reference).

    Attributes
    ----------
    weight_sets, comparisons : how much was compared
    refuted_sets : sets with an entry above its bound
    undecided_sets : sets with an entry that is not finite (value or bound)
    decisive_sets : sets on which the all-zero quantity would have been refuted (not of mutants)
    equivalent_sets : sets on which a mutant equals the truth
    smallest_detectable : a formula that is right but for an error above this size, at any one
        entry, the same entry in every set, would have been refuted in at least one set: the least
        over the decisive sets of twice the set's largest bound (an error e leaves a gap above the
        bound when e > bound + |gap|, and the gap of a right formula is at most the bound). A set
        that is not decisive would flatter: where all is saturated or zero, quantity and bound
        vanish together. In the unit of the quantity; infinite when no set is decisive (no size
        is promised), and for mutants
    histogram : floor(2 log10(error/bound)) of each set's worst entry -> sets
    worst : the entry with the largest error/bound, None before the first decided set
    """

    weight_sets: int = 0
    comparisons: int = 0
    refuted_sets: int = 0
    undecided_sets: int = 0
    decisive_sets: int = 0
    equivalent_sets: int = 0
    smallest_detectable: float = math.inf
    histogram: dict[int, int] = field(default_factory=dict)
    worst: dict[str, Any] | None = None

    COUNTS = (
        "weight_sets",
        "comparisons",
        "refuted_sets",
        "undecided_sets",
        "decisive_sets",
        "equivalent_sets",
    )

    def merge(self, other: "Record") -> None:
        """Add another record's counts and extremes to this one."""
        for name in self.COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.smallest_detectable = min(self.smallest_detectable, other.smallest_detectable)
        for bin_, count in other.histogram.items():
            self.histogram[bin_] = self.histogram.get(bin_, 0) + count
        self.worst = worse(self.worst, other.worst)

    @property
    def ratio(self) -> float:
        """The largest error over bound; NaN when nothing was decided."""
        return self.worst["ratio"] if self.worst else math.nan

    @property
    def verdict(self) -> str:
        """One of refuted, supported and inconclusive."""
        if self.refuted_sets:
            return "refuted"
        return "supported" if self.decisive_sets else "inconclusive"

    @property
    def reason(self) -> str:
        """Why the verdict is inconclusive; "" where it is not."""
        if self.verdict != "inconclusive":
            return ""
        if self.weight_sets == 0:
            return "no weight set was drawn"
        if self.undecided_sets == self.weight_sets:
            return "values or bounds are not finite in every weight set"
        return "the bound is larger than the quantity in every weight set: a zero would pass"


def worse(a: dict[str, Any] | None, b: dict[str, Any] | None) -> dict[str, Any] | None:
    """The entry with the larger error over bound; of equals, the one drawn first."""
    if a is None or b is None:
        return a or b
    return max(a, b, key=lambda entry: (entry["ratio"], -entry["index"]))


class Tally:
    """Records by key, updated by comparisons block by block."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str, str, str], Record] = {}

    def update(self, comparison: Comparison, start: int) -> None:
        """Add a block whose first weight set has index `start`."""
        self.records.setdefault(comparison.key, Record()).merge(summarise(comparison, start))

    def merge(self, other: "Tally") -> None:
        for key, record in other.records.items():
            self.records.setdefault(key, Record()).merge(record)

    def of(self, claim: str, reading: str) -> "Tally":
        """The records of one reading and of its claim's mutants, not copied."""
        tally = Tally()
        for key, record in self.records.items():
            if key[0] == claim and (key[2] or key[1] == reading):
                tally.records[key] = record
        return tally

    def to_list(self) -> list[dict[str, Any]]:
        """JSON-able records in a fixed order; infinity is None."""
        rows = []
        for key in sorted(self.records):
            record = self.records[key]
            row: dict[str, Any] = dict(zip(KEY, key, strict=True))
            row |= {name: getattr(record, name) for name in Record.COUNTS}
            detectable = record.smallest_detectable
            row["smallest_detectable"] = detectable if math.isfinite(detectable) else None
            row["histogram"] = {str(b): n for b, n in sorted(record.histogram.items())}
            row["worst"] = _finite(record.worst)
            rows.append(row)
        return rows

    @classmethod
    def from_list(cls, rows: list[dict[str, Any]]) -> "Tally":
        tally = cls()
        for row in rows:
            key = tuple(row[name] for name in KEY)
            detectable = row["smallest_detectable"]
            worst = row["worst"]
            if worst is not None and worst["ratio"] is None:
                worst = {**worst, "ratio": math.inf}
            record = Record(
                **{name: row[name] for name in Record.COUNTS},
                smallest_detectable=math.inf if detectable is None else detectable,
                histogram={int(b): n for b, n in row["histogram"].items()},
                worst=worst,
            )
            if key in tally.records:
                tally.records[key].merge(record)
            else:
                tally.records[key] = record
        return tally


def _finite(worst: dict[str, Any] | None) -> dict[str, Any] | None:
    """JSON has no infinity: a positive error over a bound of zero is written as None."""
    if worst is not None and math.isinf(worst["ratio"]):
        return {**worst, "ratio": None}
    return worst


def summarise(comparison: Comparison, start: int) -> Record:
    """Reduce one block to a record.

    The error over bound of an entry with bound 0 is 0 where the error is 0, infinite otherwise.
    What a supported reading would have caught is of no interest for mutants and is left out.
    """
    xp = namespace_of(comparison.claimed)
    sets = comparison.claimed.shape[0]
    if sets == 0:
        return Record()
    shape = np.broadcast_shapes(
        comparison.claimed.shape, comparison.measured.shape, comparison.bound.shape
    )

    def flat(array: Array) -> Array:
        return xp.broadcast_to(array, shape).reshape(sets, -1)

    with np.errstate(all="ignore"):  # non-finite values are counted, not warned about
        error, bound = flat(comparison.claimed) - flat(comparison.measured), flat(comparison.bound)
        xp.abs(error, out=error)
        ratio = error / bound
        if not bool(bound.min() > 0):  # a zero bound (or a NaN): 0/0 is no error
            ratio[error == 0] = 0
        largest = ratio.max(axis=1)  # of a NaN and a number: NaN
        widest = bound.max(axis=1)
        decided = xp.isfinite(widest) & xp.isfinite(error.max(axis=1))
        refuted = decided & (largest > 1)

    decided_h, largest_h = to_host(decided), to_host(largest).astype(np.float64)
    record = Record(
        weight_sets=sets,
        comparisons=sets * (comparison.compared or math.prod(shape[1:])),
        refuted_sets=int(refuted.sum()),
        undecided_sets=int(sets - decided_h.sum()),
    )
    if comparison.equivalent is not None:
        record.equivalent_sets = int(comparison.equivalent.sum())
    if not decided_h.any():
        return record

    measured = flat(comparison.measured)
    if not comparison.mutant:
        decisive = decided & (xp.abs(measured) > bound).any(axis=1)
        record.decisive_sets = int(decisive.sum())
        if record.decisive_sets:
            record.smallest_detectable = 2 * float(to_host(widest[decisive]).min())
    record.histogram = histogram(largest_h[decided_h])
    s = int(np.argmax(np.where(decided_h, largest_h, -1.0)))
    entry = int(ratio[s].argmax())
    record.worst = {
        "ratio": float(largest_h[s]),
        "error": float(error[s, entry]),
        "bound": float(bound[s, entry]),
        "claimed": float(flat(comparison.claimed)[s, entry]),
        "measured": float(measured[s, entry]),
        "index": start + s,
        "entry": [int(i) for i in np.unravel_index(entry, shape[1:])],
    }
    return record


LEAST_BIN, MOST_BIN = -60, 60


def bins(ratios: np.ndarray) -> np.ndarray:
    """floor(2 log10 ratio), clipped to ±60; of an exact zero -60."""
    with np.errstate(divide="ignore"):
        return np.clip(np.floor(2 * np.log10(ratios)), LEAST_BIN, MOST_BIN).astype(int)


def histogram(ratios: np.ndarray) -> dict[int, int]:
    """Count the `bins` of ratios."""
    counts = np.bincount(bins(ratios) - LEAST_BIN)
    return {b + LEAST_BIN: int(count) for b, count in enumerate(counts) if count}
