"""Our side: one full check of D4 against central differences, with the campaign's own pieces.

Draw, forward step, formula, central differences, bounds and tally: what `lstm-gpu scan` does, by
the array code and by the compiled check.
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np

from lstm_gpu import backend as backends
from lstm_gpu import compiled
from lstm_gpu.campaign import block_size
from lstm_gpu.scan import KEY, check_by_arrays, compare
from lstm_gpu.tally import Record, Tally
from lstm_gpu.weights import Case, WeightSets, draw


def _blocks(case: Case, start: int, stop: int) -> Iterator[tuple[int, int]]:
    size = block_size(case)
    return ((first, min(first + size, stop)) for first in range(start, stop, size))


@functools.lru_cache(maxsize=2)
def _held(case: Case, seed: int, start: int, stop: int, batch: int) -> list[list[WeightSets]]:
    batches = ((first, min(first + batch, stop)) for first in range(start, stop, batch))
    return [[draw(case, seed, *r) for r in _blocks(case, *ends)] for ends in batches]


def _run(
    check: Callable[[Case, int, int, int], Record],
    case: Case,
    seed: int,
    start: int,
    stop: int,
    batch: int,
) -> str:
    """Check ``range(start, stop)`` in calls of `batch` weight sets; the verdict on all of them."""
    record = Record()
    for first in range(start, stop, batch):
        record.merge(check(case, seed, first, min(first + batch, stop)))
    return record.verdict


def run_given(case: Case, seed: int, start: int, stop: int, batch: int) -> str:
    """The array code with weight sets drawn before, as the peers have them."""
    backends.keep_freed_memory()
    tally, first = Tally(), start
    for drawn in _held(case, seed, start, stop, batch):
        for sets in drawn:
            with np.errstate(all="ignore"):  # what is not finite is counted as undecided
                tally.update(compare(sets), first)
            first += len(sets)
    return tally.records[KEY].verdict


ENGINES = {
    "ours": functools.partial(_run, check_by_arrays),
    "ours_given": run_given,
    "ours_compiled": functools.partial(_run, compiled.check),
}
