"""Which known slip a wrong formula is: its values against those of the catalogue.

A formula *is* a slip when it agrees with it to rounding at every entry of every weight set tried:
nothing is chosen, so a compound of two slips, or one that the catalogue lacks, matches none. The
score, 1 - ‖formula - slip‖/‖formula - truth‖, is the share of the error that the slip explains,
averaged over the wrong weight sets; it ranks the candidates and names none.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lstm_gpu import bounds
from lstm_gpu.backend import namespace_of
from lstm_gpu.formulas.quantities import FREE_ROUNDINGS

Array = Any


@dataclass
class Suspect:
    """One slip: whether it fits everywhere so far, the sum of its scores, and over how many sets.

    sets : wrong weight sets on which the slip can be made at all (W for U needs m = n)
    """

    fits: bool = True
    scores: float = 0.0
    sets: int = 0


@dataclass
class Scaling:
    """The constants a with claimed = a · truth to rounding, at every entry so far.

    low, high : each entry whose truth is above rounding allows an interval; this is what all of
        them allow (none when low > high)
    least : |a| must be as large, for the entries whose truth is lost in rounding
    """

    low: float = -math.inf
    high: float = math.inf
    least: float = 0.0

    def update(self, claimed: Array, truth: Array, near: Array) -> None:
        """Add entries, 1-dimensional arrays: |claimed - a truth| <= (1 + |a|) near at each.

        The error of a formula grows with the constant. With the sign of the truth in claimed,
        (claimed - near)/(|truth| ± near) <= a <= (claimed + near)/(|truth| ± near), and each
        sign is the one that allows more.
        """
        xp = namespace_of(claimed)
        size = xp.abs(truth)
        known = size > near
        signed = claimed * xp.sign(truth)
        below, above = signed - near, signed + near
        low = below / xp.where(known, size + xp.where(below >= 0, near, -near), 1)
        high = above / xp.where(known, size - xp.where(above >= 0, near, -near), 1)
        slack = 8 * bounds.unit_roundoff(claimed.dtype)
        lost = xp.where(known, 0, (xp.abs(claimed) / near - 1) / 2)
        self.merge(
            Scaling(
                float(xp.where(known, low - slack * xp.abs(low), -xp.inf).max()),
                float(xp.where(known, high + slack * xp.abs(high), xp.inf).min()),
                float(lost.max()),
            )
        )

    def merge(self, other: "Scaling") -> None:
        self.low, self.high = max(self.low, other.low), min(self.high, other.high)
        self.least = max(self.least, other.least)

    @property
    def factor(self) -> float | None:
        """The constant, None if there is none, or if 1 will do: then it is not what is wrong."""
        largest = max(abs(self.low), abs(self.high))
        if not self.low <= self.high or self.least > largest or math.isinf(largest):
            return None
        if self.low <= 1 <= self.high:
            return None
        return (self.low + self.high) / 2


@dataclass
class Suspects:
    """Every slip of a catalogue against one formula, block after block."""

    suspects: dict[str, Suspect] = field(default_factory=dict)
    scaling: Scaling = field(default_factory=Scaling)
    wrong_sets: int = 0

    def update(
        self,
        claimed: Array,
        truth: Array,
        rounding: Array,
        slips: Iterable[tuple[str, Array]],
        slip_rounding: Array,
    ) -> None:
        """Add a block: arrays (sets, n, k).

        rounding bounds the gap of two right evaluations, slip_rounding that of two evaluations
        of a slip; where a formula has other sizes it is also relative to those, by as many
        roundings.
        """
        xp = namespace_of(claimed)
        relative = bounds.gamma(FREE_ROUNDINGS, bounds.unit_roundoff(claimed.dtype))
        finite = xp.isfinite(claimed).all(axis=(1, 2))
        wrong = (xp.abs(claimed - truth) > rounding).any(axis=(1, 2)) & finite
        self.wrong_sets += int(wrong.sum())
        error = _norm(claimed - truth)
        for name, slip in slips:
            suspect = self.suspects.setdefault(name, Suspect())
            near = slip_rounding + relative * (xp.abs(claimed) + xp.abs(slip))
            agree = (xp.abs(claimed - slip) <= near).all(axis=(1, 2))
            suspect.sets += int(wrong.sum())
            suspect.fits &= bool((agree | ~finite).all())
            score = xp.maximum(1 - _norm(claimed - slip) / error, 0.0)
            suspect.scores += float(xp.where(wrong & xp.isfinite(score), score, 0.0).sum())
        near = rounding + relative * xp.abs(claimed)
        if bool(finite.any()):
            self.scaling.update(*(a[finite].reshape(-1) for a in (claimed, truth, near)))

    def merge(self, other: "Suspects") -> None:
        """Add what another part of the weight sets showed."""
        self.wrong_sets += other.wrong_sets
        self.scaling.merge(other.scaling)
        for name, theirs in other.suspects.items():
            ours = self.suspects.setdefault(name, Suspect())
            ours.fits &= theirs.fits
            ours.scores += theirs.scores
            ours.sets += theirs.sets

    def ranking(self) -> list[tuple[str, float]]:
        """Slips by the share of the error that they explain, best first."""
        scores = {n: s.scores / max(self.wrong_sets, 1) for n, s in self.suspects.items()}
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))

    @property
    def matches(self) -> list[str]:
        """The slips that agree with the formula everywhere; more than one if nothing tells them."""
        if not self.wrong_sets:
            return []
        return [n for n, s in self.suspects.items() if s.fits and s.sets == self.wrong_sets]

    def describe(self) -> str:
        """The likely cause in words: "column_scaling_in_f: 1.00; next, U_f_transposed: 0.04".

        The numbers are shares of the error that a slip explains. "" where the formula is within
        rounding of the truth, or no number, on every weight set.
        """
        if not self.wrong_sets:
            return ""
        ranking, matches = self.ranking(), self.matches
        rest = [pair for pair in ranking if pair[0] not in matches]
        next_best = "; next, {}: {:.2f}".format(*rest[0]) if rest else ""
        if matches:
            return f"{' or '.join(matches)}: {dict(ranking)[matches[0]]:.2f}{next_best}"
        if self.scaling.factor is not None:
            return f"the whole multiplied by {_near_one(self.scaling.factor)}{next_best}"
        if not rest:
            return "no match"
        name, share = rest[0]
        most = f"{int(100 * share)} %" if share < 1 else "nearly all"  # never 100 %: it is no match
        return f"no match: the nearest slip, {name}, explains {most} of the error, not all of it"


def _near_one(factor: float) -> str:
    """A factor to six digits; one near 1 by what it differs from it."""
    if not 0 < abs(factor - 1) < 1e-3:
        return f"{factor:.6g}"
    return f"1 {'+' if factor > 1 else '-'} {abs(factor - 1):.1e}"


def _norm(matrices: Array) -> Array:
    xp = namespace_of(matrices)
    return xp.sqrt((matrices * matrices).sum(axis=(1, 2)))
