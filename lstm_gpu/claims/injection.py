"""Errors of known size, put in and looked for: twice the bound on trial.

A right formula differs from its reference by a gap of at most the bound B, so an error e is found
as soon as |e| > B + |gap|, at the latest above 2B: from that `tally.Record` derives the smallest
detectable error of many sets. Here errors of 0 to 5 times the 2B of one entry or one set, of random
sign, are added at one random entry of each weight set, and the set is compared again. Expected,
whatever the gaps are: never at 0; at 1 and above always; at 1/2, where e = B, whenever sign and gap
agree: in half of the trials (in more where the size is the set's and the entry's own bound is
smaller). So a size that is too small shows at 1, one that is too large at 1/2.

Only the changed entry is compared again: a few numbers per weight set, no new matrix.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from lstm_gpu.backend import namespace_of, to_host
from lstm_gpu.claims import jacobians
from lstm_gpu.claims.registry import CLAIMS, SUPPORTED
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import Case
from lstm_gpu.weights.philox import uniforms

Array = Any
Key = tuple[str, str, str, str]  # claim, reading, reference, size

FACTORS = (0.0, 0.5, 1.0, 2.0, 5.0)
SIZES = ("entry", "set")  # twice the entry's own bound; twice the set's largest
KEY = ("claim", "reading", "reference", "size")
_TIMES_THE_BOUND = 2

# The readings that hold: what is added to a wrong formula says nothing of the size of its error.
READINGS = frozenset(
    (claim.id, reading.name)
    for claim in CLAIMS
    for reading in claim.readings
    if reading.expected == SUPPORTED and (claim.id, reading.name) in jacobians.READINGS
)


class Injections:
    """Counts of trials and of detected errors, by key and factor. They merge by addition.

    Attributes
    ----------
    counts : key -> integers (2, factors): trials, and the errors detected in them
    """

    def __init__(self) -> None:
        self.counts: dict[Key, np.ndarray] = {}

    def update(self, comparison: Comparison, case: Case, seed: int, start: int) -> None:
        """Inject into a block whose first weight set has index `start`; no-op for other readings.

        Memory: O(sets). The places and signs are a pure function of (seed, case, index, claim and
        reading), the same for both references and both sizes.
        """
        name = (comparison.claim, comparison.reading)
        if comparison.mutant or name not in READINGS:
            return
        entries, signs = places(case, seed, name, start, start + len(comparison.claimed))
        for size, counts in detected(comparison, entries, signs).items():
            self.add((*name, comparison.reference, size), counts)

    def add(self, key: Key, counts: np.ndarray) -> None:
        self.counts[key] = self.counts.get(key, 0) + counts

    def merge(self, other: "Injections") -> None:
        for key, counts in other.counts.items():
            self.add(key, counts)

    def to_list(self) -> list[dict[str, Any]]:
        """JSON-able rows in a fixed order: trials and detected, one number per factor."""
        return [
            dict(zip(KEY, key, strict=True)) | {"trials": trials, "detected": found}
            for key, (trials, found) in sorted((k, c.tolist()) for k, c in self.counts.items())
        ]

    @classmethod
    def from_list(cls, rows: Iterable[dict[str, Any]]) -> "Injections":
        """Raise ValueError for a reading that takes no injections, or other counts than are due."""
        injections = cls()
        for row in rows:
            claim, reading, reference, size = (row[name] for name in KEY)
            counts = np.array([row["trials"], row["detected"]], dtype=np.int64)
            if (claim, reading) not in READINGS or size not in SIZES:
                raise ValueError(f"no injections into {claim}/{reading} of size {size}")
            if counts.shape != (2, len(FACTORS)) or (counts[0] < counts[1]).any():
                raise ValueError(f"{len(FACTORS)} trials and detections are due, got {counts}")
            injections.add((claim, reading, reference, size), counts)
        return injections


def places(
    case: Case, seed: int, reading: tuple[str, str], start: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where each error goes and with what sign: (sets, factors) flat entries and ±1."""
    stream = "/".join((case.name, "injection", *reading))
    r = uniforms(seed, stream, start, stop, 2 * len(FACTORS))
    entries = (r[:, : len(FACTORS)] * case.hidden_size**2).astype(np.int64)
    return entries, np.where(r[:, len(FACTORS) :] < 0.5, -1.0, 1.0)


def detected(
    comparison: Comparison, entries: np.ndarray, signs: np.ndarray
) -> dict[str, np.ndarray]:
    """Trials and detected errors per factor, (2, factors) of int, for both sizes.

    No trial: a set with a value or a bound that is not finite, which the tally would not decide;
    an entry with bound 0, where any difference is an error; and below factor 1 an entry whose gap
    the rounding of claimed + error - measured may hide, at most u (|claimed| + 3 bound): there
    not the sign would decide but the rounding.
    """
    xp = namespace_of(comparison.claimed)
    sets, n, _ = comparison.claimed.shape
    each = np.arange(sets)[:, None]
    where = tuple(xp.asarray(at) for at in (each, entries // n, entries % n))
    claimed, measured, bound = (
        to_host(array[where])
        for array in (comparison.claimed, comparison.measured, comparison.bound)
    )
    widest = to_host(comparison.bound.max(axis=(1, 2)))[:, None]
    finite = np.isfinite(widest) & _finite(comparison.claimed) & _finite(comparison.measured)
    factors = np.array(FACTORS, claimed.dtype)
    below = (factors > 0) & (factors < 1)
    unit = np.finfo(claimed.dtype).eps / 2
    counts = {}
    with np.errstate(all="ignore"):
        clear = np.abs(claimed - measured) > 4 * unit * (np.abs(claimed) + bound)
        for size, limit in (("entry", bound), ("set", widest)):
            error = _TIMES_THE_BOUND * limit * factors * signs.astype(claimed.dtype)
            wrong = claimed + error
            trial = finite & (bound > 0) & np.isfinite(wrong) & (clear | ~below)
            found = trial & (np.abs(wrong - measured) > bound)
            counts[size] = np.array([trial.sum(axis=0), found.sum(axis=0)])
    return counts


def _finite(array: Array) -> np.ndarray:
    """Sets (sets, 1) with finite entries alone: a sum keeps what is not finite."""
    return np.isfinite(to_host(array.sum(axis=(1, 2))))[:, None]
