"""Our side: one full check of D4 against central differences, as `lstm-gpu scan` does it.

Draw, forward step, formula, central differences, bounds and tally, by the compiled check and by the
array code.
"""

from lstm_gpu import compiled
from lstm_gpu.scan import check_by_arrays
from lstm_gpu.tally import Record
from lstm_gpu.weights import Case

CHECKS = {"compiled": compiled.check, "arrays": check_by_arrays}


def run(engine: str, case: Case, seed: int, start: int, stop: int, batch: int) -> str:
    """Check ``range(start, stop)`` in calls of `batch` weight sets; the verdict on all of them."""
    record = Record()
    for first in range(start, stop, batch):
        record.merge(CHECKS[engine](case, seed, first, min(first + batch, stop)))
    return record.verdict
