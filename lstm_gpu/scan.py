"""One claim on very many weight sets: D4 against central differences, nothing else.

The workflow tries every reading and every mutant on each weight set. A scan asks one question as
often as there is time for: does the formula of ∂h_t/∂h_{t-1} ever leave its bounds? By the
compiled check where it can be had (`lstm_gpu.compiled`), else by the array code; by a CUDA kernel
where that is asked for (`lstm_gpu.cuda_check`).
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import numpy as np

from lstm_gpu import backend as backends
from lstm_gpu import campaign, compiled, cuda_check, derivatives, kernels
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.tally import Comparison, Record, Tally
from lstm_gpu.weights import Case, WeightSets, draw

ENGINES = ("auto", "compiled", "cuda", "numpy")
KEY = ("hidden_jacobian", "as_written", "", "central")
_ENTRIES_PER_TASK = 2**22  # of Jacobians: tenths of a second, and little to hold


def compare(sets: WeightSets) -> Comparison:
    """The formula of ∂h_t/∂h_{t-1} beside its central differences, with the bound of each entry."""
    block = Block(sets, quantities=("h",))
    formula = derivatives.hidden_jacobian(block.step, sets.U, sets.c_prev)
    return Comparison(*KEY, formula, block.measured("central", "h"), block.bound("central", "h"))


def check_by_arrays(case: Case, seed: int, start: int, stop: int) -> Record:
    """Check the weight sets ``range(start, stop)`` by the array code, in the campaign's blocks."""
    backends.keep_freed_memory()
    tally = Tally()
    size = campaign.block_size(case)
    for first in range(start, stop, size):
        sets = draw(case, seed, first, min(first + size, stop))
        with np.errstate(all="ignore"):  # what is not finite is counted as undecided
            tally.update(compare(sets), first)
    return tally.records.get(KEY, Record())


_CHECKS: dict[str, Callable[[Case, int, int, int], Record]] = {
    "compiled": compiled.check,
    "cuda": cuda_check.check,
    "numpy": check_by_arrays,
}


def engine_for(case: Case, wanted: str = "auto") -> str:
    """Which engine checks a case: the compiled one where it knows the law and can be built.

    The kernel is taken by its name alone, as long as it was not run on a GPU.

    Raises
    ------
    InputError
        for an unknown engine, and for "compiled" or "cuda" where it is not to be had.
    """
    if wanted not in ENGINES:
        raise InputError(f"`engine` must be one of {', '.join(ENGINES)}, got {wanted!r:.60}.")
    if wanted == "numpy":
        return wanted
    find = kernels.or_reason if wanted == "cuda" else compiled.library_or_reason
    library, reason = find()
    if library is not None and compiled.supports(case):
        return "cuda" if wanted == "cuda" else "compiled"
    if wanted == "auto":
        return "numpy"
    if library is None:
        raise InputError(f"`engine: {wanted}` is not available: {reason}. Use `numpy`.")
    raise InputError(
        f"`engine: {wanted}` knows the law pytorch_uniform with generic states alone, got "
        f"{case.distribution} with {case.regime}. Use `numpy`."
    )


def _tasks(case: Case, weight_sets: int, engine: str = "") -> Iterator[tuple[int, int]]:
    size = max(1, _ENTRIES_PER_TASK // (case.hidden_size * max(case.hidden_size, 16)))
    if engine == "cuda":
        size = cuda_check.task_size(case)
    for start in range(0, weight_sets, size):
        yield start, min(start + size, weight_sets)


def _check(engine: str, case: Case, seed: int, start: int, stop: int) -> Record:
    return _CHECKS[engine](case, seed, start, stop)


def scan(
    case: Case,
    seed: int,
    weight_sets: int,
    engine: str = "auto",
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Record:
    """Check the weight sets ``range(weight_sets)`` of a case.

    jobs : processes of one thread each; a GPU needs one, whatever is said. The record does not
        depend on it, nor on how the range is cut: records merge exactly. Memory does not grow
        with weight_sets.

    Raises
    ------
    InputError
        see `engine_for`.
    """
    engine = engine_for(case, engine)
    total, done = Record(), 0

    def add(record: Record) -> None:
        nonlocal done
        total.merge(record)
        done += record.weight_sets
        if progress:
            progress(done, weight_sets)

    if jobs == 1 or engine == "cuda":
        for task in _tasks(case, weight_sets, engine):
            add(_check(engine, case, seed, *task))
        return total
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # of the processes that start now
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: set[Any] = set()
        for task in _tasks(case, weight_sets):
            waiting.add(pool.submit(_check, engine, case, seed, *task))
            while len(waiting) >= 4 * jobs:  # never all tasks at once: there may be millions
                finished = next(as_completed(waiting))
                waiting.discard(finished)
                add(finished.result())
        for finished in as_completed(waiting):
            add(finished.result())
    return total
