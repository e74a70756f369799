"""Our side: one full check of D4 against central differences, with the campaign's own pieces.

Draw, forward step, formula, central differences, bounds and tally, block by block. The campaign
does the same with more claims, mutants and references on each block.
"""

import functools
from collections.abc import Iterable, Iterator

import numpy as np

from lstm_gpu import backend as backends
from lstm_gpu import compiled, derivatives
from lstm_gpu.campaign import block_size
from lstm_gpu.claims.block import Block
from lstm_gpu.references import central
from lstm_gpu.tally import Comparison, Record, Tally
from lstm_gpu.weights import Case, WeightSets, draw

KEY = ("hidden_jacobian", "as_written", "", "central")


def compare(block: Block) -> Comparison:
    """The formula of ∂h_t/∂h_{t-1} beside its central differences, with the bound of each entry."""
    sets = block.sets
    differences = central.differences(sets, block.step, block.preactivation_error, ("h",))
    formula = derivatives.hidden_jacobian(block.step, sets.U, sets.c_prev)
    bound = differences.bound("h", sum(block.formula_errors("h").values()))
    return Comparison(*KEY, formula, differences.derivatives["h"], bound)


def full_check(case: Case, seed: int, start: int, stop: int) -> Tally:
    """Check the weight sets ``range(start, stop)``, drawn here, in the campaign's blocks."""
    return _check(start, (draw(case, seed, *r) for r in _blocks(case, start, stop)))


def _check(start: int, drawn: Iterable[WeightSets]) -> Tally:
    backends.keep_freed_memory()
    tally, first = Tally(), start
    for sets in drawn:
        with np.errstate(all="ignore"):  # what is not finite is counted as undecided
            tally.update(compare(Block(sets)), first)
        first += len(sets)
    return tally


def _blocks(case: Case, start: int, stop: int) -> Iterator[tuple[int, int]]:
    size = block_size(case)
    return ((first, min(first + size, stop)) for first in range(start, stop, size))


@functools.lru_cache(maxsize=2)
def _held(case: Case, seed: int, start: int, stop: int, batch: int) -> list[list[WeightSets]]:
    batches = ((first, min(first + batch, stop)) for first in range(start, stop, batch))
    return [[draw(case, seed, *r) for r in _blocks(case, *ends)] for ends in batches]


def run(case: Case, seed: int, start: int, stop: int, batch: int) -> str:
    """Check ``range(start, stop)`` in calls of `batch` weight sets; the verdict on all of them."""
    tally = Tally()
    for first in range(start, stop, batch):
        tally.merge(full_check(case, seed, first, min(first + batch, stop)))
    return tally.records[KEY].verdict


def run_given(case: Case, seed: int, start: int, stop: int, batch: int) -> str:
    """The same with weight sets drawn before, as the peers have them: a second call draws none."""
    tally, first = Tally(), start
    for drawn in _held(case, seed, start, stop, batch):
        tally.merge(_check(first, drawn))
        first += sum(len(sets) for sets in drawn)
    return tally.records[KEY].verdict


def run_compiled(case: Case, seed: int, start: int, stop: int, batch: int) -> str:
    """The same as `run` by the compiled check."""
    record = Record()
    for first in range(start, stop, batch):
        record.merge(compiled.check(case, seed, first, min(first + batch, stop)))
    return record.verdict


ENGINES = {"ours": run, "ours_given": run_given, "ours_compiled": run_compiled}
