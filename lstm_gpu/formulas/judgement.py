"""What the trial of formulas has found, and the judgement of one formula on one block."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstm_gpu.backend import namespace_of, to_host
from lstm_gpu.formulas import extended
from lstm_gpu.formulas.cause import Suspects
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.lint import Lint
from lstm_gpu.tally import Comparison, Tally
from lstm_gpu.weights import Case, WeightSets

Array = Any
Key = tuple[str, str]  # a formula's quantity and name


@dataclass
class Marked:
    """Weight sets of which one thing is to be said.

    sets : how many; case, index, entry : the first of them, and an entry that shows it
    """

    sets: int = 0
    case: Case | None = None
    index: int = 0
    entry: tuple[int, ...] = ()

    def add(self, marks: Array, case: Case, first: int) -> None:
        """Count the sets of a block, which begins at `first`, with a mark (sets, n, k)."""
        where = np.argwhere(to_host(marks))
        self.sets += len(np.unique(where[:, 0]))
        if self.case is None and len(where):
            self.case, self.index = case, first + int(where[0, 0])
            self.entry = tuple(int(at) for at in where[0, 1:])

    def merge(self, later: "Marked") -> None:
        """Add those of weight sets that come after these."""
        self.sets += later.sets
        if self.case is None:
            self.case, self.index, self.entry = later.case, later.index, later.entry

    def describe(self, seed: int) -> str:
        """The first of them in words."""
        assert self.case is not None
        c = self.case
        return (
            f"entry {list(self.entry)} of weight set {self.index} (seed {seed}, n = "
            f"{c.hidden_size}, m = {c.input_size}, {c.dtype}, {c.distribution}, {c.regime})"
        )


MARKS = (
    "not_finite",
    "rounded",
    "out_of_range",
)  # of a `Trial`: what is said of a formula's weight sets


@dataclass
class Trial:
    """What the trial of a file's formulas has found.

    tallies : the comparisons case by case; a mutant's have no reading: it is the quantity's
    suspects : formula -> its error against the catalogue
    errors : formula -> why it could not be tried
    not_finite : formula -> weight sets where it gave NaN or infinity, and the truth is finite
    decided : formula -> weight sets where truth and bounds are finite
    rounded, out_of_range : formula -> weight sets where it is right in extended precision only, for
        its longer mantissas or for its longer exponents; they are left out of its tally, as if it
        had given no number
    not_longer : formulas above a bound that cannot be evaluated in extended precision
    lint : what the drawn inputs hide, over all cases

    Formulas are told apart by (quantity, name).
    """

    tallies: dict[Case, Tally] = field(default_factory=dict)
    suspects: dict[Key, Suspects] = field(default_factory=dict)
    errors: dict[Key, str] = field(default_factory=dict)
    not_finite: dict[Key, Marked] = field(default_factory=dict)
    decided: dict[Key, int] = field(default_factory=dict)
    rounded: dict[Key, Marked] = field(default_factory=dict)
    out_of_range: dict[Key, Marked] = field(default_factory=dict)
    not_longer: set[Key] = field(default_factory=set)
    lint: Lint = field(default_factory=Lint)


def weigh(
    verdict: str,
    reason: str,
    decided: int,
    not_finite: Marked,
    rounded: Marked,
    out_of_range: Marked,
    seed: int,
) -> tuple[str, str]:
    """Verdict and reason once values that are no number, and mere rounding, are counted in.

    decided, not_finite, rounded, out_of_range : weight sets, as in `Trial`
    seed : that they were drawn with

    A value that is not finite where the derivative is, is no Jacobian: in every weight set, that
    refutes. In some of them it may be a right formula that overflows, so it decides nothing.
    """
    if verdict == "refuted":
        return verdict, reason
    if 0 < not_finite.sets == decided:
        first = not_finite.describe(seed)
        return "refuted", f"not finite where the derivative is (first at {first})"
    reasons = []
    if not_finite.sets:
        reasons.append(
            f"NaN or infinity in {not_finite.sets} of {decided} weight sets, where the derivative "
            f"is finite (first at {not_finite.describe(seed)})"
        )
    if rounded.sets:
        reasons.append(
            f"right to rounding in {extended.MANTISSA}-bit mantissas, and above the bound in "
            f"{rounded.sets} of {decided} weight sets by rounding alone: the formula loses digits, "
            "as a division or a difference of near numbers does "
            f"(first at {rounded.describe(seed)})"
        )
    if out_of_range.sets:
        reasons.append(
            f"wrong in {out_of_range.sets} of {decided} weight sets, and right there in extended "
            "precision, by more than lost digits explain: a number overflows or underflows and is "
            "taken for another, or a branch goes another way (first at "
            f"{out_of_range.describe(seed)})"
        )
    return ("inconclusive", "; ".join(reasons)) if reasons else (verdict, reason)


def cause_of(suspects: Suspects, not_finite: Marked) -> str:
    """The likely cause of a refuted formula: a line, whatever there is to say."""
    said = suspects.describe()
    if said:
        return said
    if not_finite.sets:
        return "no match: the values are not finite"
    return "no match: the error is no larger than two right evaluations may differ by"


def in_one_dtype(tried: str, other: str, error: str) -> str:
    """What is said of a formula that has a verdict in one dtype and cannot be tried in another."""
    return f"in {tried} alone: in {other} it cannot be tried. {error}"


@dataclass
class Block:
    """Weight sets of a case, from index `first` on, on trial together.

    settled : the formulas of which a set of this case, in an earlier block, stays refuted in
        extended precision
    """

    case: Case
    first: int
    sets: WeightSets
    settled: set[Key]

    def judge(
        self, formula: Formula, claimed: Array, against: Any, truth: Array, found: Trial
    ) -> Array:
        """Compare a formula with each reference, and count what is no number or but rounding.

        against : a `Material` or `Directions`
        Returns the values, NaN in the weight sets that are left out of the tally.
        """
        xp, key = namespace_of(claimed), formula.key
        comparisons = list(against.compare(formula.name, "", claimed))
        tried = [xp.isfinite(c.measured + c.bound).reshape(len(claimed), -1) for c in comparisons]
        decided = xp.stack([t.all(axis=1) for t in tried]).all(axis=0)
        found.decided[key] = found.decided.get(key, 0) + int(decided.sum())
        broken = ~xp.isfinite(claimed) & xp.isfinite(truth) & decided[:, None, None]
        found.not_finite.setdefault(key, Marked()).add(broken, self.case, self.first)
        excused = self._excused(formula, claimed, against, comparisons, to_host(decided), found)
        for name, entries in excused.items():
            getattr(found, name).setdefault(key, Marked()).add(entries, self.case, self.first)
        if excused:
            sets = xp.asarray(np.any([e.any(axis=(1, 2)) for e in excused.values()], axis=0))
            claimed = xp.where(sets[:, None, None], xp.nan, claimed).astype(claimed.dtype)
            comparisons = list(against.compare(formula.name, "", claimed))
        for comparison in comparisons:
            found.tallies[self.case].update(comparison, self.first)
        return claimed

    def _excused(
        self,
        formula: Formula,
        claimed: Array,
        against: Any,
        comparisons: list[Comparison],
        decided: np.ndarray,
        found: Trial,
    ) -> dict[str, np.ndarray]:
        """Refuted sets all of whose entries are right in extended precision; see `extended`.

        By the names of `Trial`: why, and the entries (sets, n, k) of bool that lose most. Empty
        where there is no such set.
        """
        refuted = np.zeros(len(claimed), bool)
        for c in comparisons:
            above = to_host(abs(c.claimed - c.measured) > c.bound)
            refuted |= above.reshape(len(claimed), -1).any(axis=1)
        refuted &= decided & np.isfinite(to_host(claimed)).all(axis=(1, 2))
        if not refuted.any() or formula.key in self.settled:
            return {}
        sets = extended.longer(self.sets)
        longer = None if sets is None else extended.evaluated(formula, sets, claimed.shape)
        if sets is None or longer is None:
            found.not_longer.add(formula.key)
            self.settled.add(formula.key)
            return {}
        off = np.min([np.abs(to_host(claimed) - values) for values in longer], axis=0)
        within = refuted & self._within(against, longer)
        if (refuted & ~within).any():
            allowed = extended.left(off, claimed.dtype)
            margin = extended.margin(formula, sets)
            if margin is not None:
                allowed = np.maximum(allowed, margin)
            within = refuted & self._within(against, longer, allowed)
        stays = refuted & ~within
        if stays.any():
            self.settled.add(formula.key)
            if all((v[stays] == v[stays].astype(claimed.dtype)).all() for v in longer):
                found.not_longer.add(formula.key)  # worked out in its dtype and stored in a longer
        if not within.any():
            return {}
        worst = off == off.max(axis=(1, 2), keepdims=True)
        truth, rounding = against.plain(sets)
        other = extended.out_of_range(off, longer, truth, rounding, claimed.dtype)
        other &= within[:, None, None]
        digits = within & ~other.any(axis=(1, 2))
        found_here = {"rounded": worst & digits[:, None, None], "out_of_range": other}
        return {name: entries for name, entries in found_here.items() if entries.any()}

    @staticmethod
    def _within(against: Any, longer: list[np.ndarray], *margin: Array) -> np.ndarray:
        return np.all([against.within(values, *margin) for values in longer], axis=0)
