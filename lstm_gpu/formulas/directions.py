"""The forget gate's argmax on weight sets of a case: what a formula for it is compared with."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lstm_gpu import bounds, cell
from lstm_gpu.backend import to_host
from lstm_gpu.formulas.loading import ARGMAX
from lstm_gpu.formulas.quantities import FREE_ROUNDINGS, QUANTITIES, Material
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import Case, WeightSets

Array = Any

DIRECTIONS = 64  # uniform directions per weight set, from the best of which the ascent starts


class Directions:
    """The forget gate's argmax on weight sets of a case, by ascent on the sphere.

    Ascent knows the forward equations alone. It starts from the best of `DIRECTIONS` uniform
    samples; once with x = 0, once with the set's x and a bias.
    """

    def __init__(self, sets: Any, case: Case, seed: int, indices: range, xp: Any) -> None:
        from lstm_gpu.claims.gate_ascent import ascend  # SciPy: what others save
        from lstm_gpu.claims.gate_part import part_of
        from lstm_gpu.claims.gate_search import search_part
        from lstm_gpu.sphere.rounding import unit_error

        self.part = part_of(sets, case, seed, indices, xp)
        self.view = Material(QUANTITIES["forget_gate_jacobian"], sets).view
        self.truth = self.part.rows.direction
        n, dtype = case.hidden_size, sets.U.dtype
        # Of the claimed direction, normalised in any way, and of the ascent's.
        free = bounds.gamma(n + FREE_ROUNDINGS, bounds.unit_roundoff(dtype))
        self.lengths = free + unit_error(n, dtype)
        best = search_part(self.part, [range(DIRECTIONS)]).best
        ascents = [ascend(self.part, *pair) for pair in zip(self.part.gates, best, strict=True)]
        self.ascents = dict(zip(("ascent_zero_input", "ascent_any_input"), ascents, strict=True))

    def blank(self, directions: Array) -> Array:
        """Zeros for the rows that have no argmax: U_f^(d) = 0."""
        return self.part.xp.where(self.part.zero[..., None], 0, directions)

    def compare(
        self, name: str, mutant: str, claimed: Array, equivalent: Array | None = None
    ) -> Iterator[Comparison]:
        """Directions (sets, n, n) beside both ascents, by the component that differs most."""
        from lstm_gpu.claims.gate_part import worst_component

        for reference, ascent in self.ascents.items():
            bound = ascent.turn_bound + self.lengths
            values = worst_component(claimed, ascent.end, bound, self.part.xp)
            key = (ARGMAX, name, mutant, reference)
            yield self.part.finding(key, *values, equivalent=equivalent).comparison

    def within(self, directions: np.ndarray, margin: Any = (0.0,)) -> np.ndarray:
        """Sets (sets,) all of whose directions, in any precision, are within every bound; host.

        margin : added to the bounds, (sets, n, n)
        """
        from lstm_gpu.claims.gate_part import worst_component

        inside = np.ones(len(directions), bool)
        for ascent in self.ascents.values():
            bound = to_host(ascent.turn_bound) + self.lengths + np.max(margin, axis=-1)
            claimed, end, _ = worst_component(directions, to_host(ascent.end), bound, np)
            inside &= ((np.abs(claimed - end) <= bound) | to_host(self.part.zero)).all(axis=1)
        return inside

    def plain(self, longer: WeightSets) -> tuple[np.ndarray, np.ndarray]:
        """Directions and rounding, (sets, n, n), on the same sets in another precision; host."""
        from lstm_gpu.sphere.rounding import unit_error

        U = longer.U[:, cell.GATES.index("f")]
        largest = np.abs(U).max(axis=-1, keepdims=True)
        scaled = U / np.where(largest > 0, largest, 1)  # else its squares overflow
        length = np.sqrt((scaled * scaled).sum(axis=-1, keepdims=True))
        n, u = U.shape[-1], bounds.unit_roundoff(U.dtype)
        error = 2 * (bounds.gamma(n + FREE_ROUNDINGS, u) + unit_error(n, U.dtype))
        return scaled / np.where(length > 0, length, 1), np.full(U.shape, error)
