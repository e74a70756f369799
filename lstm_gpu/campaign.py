"""A shard of a case: blocks of weight sets through the claims, into tallies.

What a job of the workflow runs. Results are JSON-able and a pure function of (case, seed, range)
and the backend.
"""

import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from lstm_gpu import backend as backends
from lstm_gpu import bounds, derivatives, references
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.claims import cell_state, jacobians
from lstm_gpu.claims.block import Block
from lstm_gpu.claims.injection import Injections
from lstm_gpu.lint import Lint
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.references import ladder
from lstm_gpu.tally import Tally
from lstm_gpu.weights import Case, digest, draw, words_per_set
from lstm_gpu.weights.draw import on_host

Progress = Callable[[int, int], None] | None

# Entries (sets × n × n) of a block: enough of them to pay for the calls on arrays (sets, n), and
# 1 MiB per array in float64. What makes many passes works on tiles of a block.
_BLOCK_ENTRIES = 2**17
# Weight sets of a case on which the wrong formulas are tried: its first. They cost twice what the
# readings cost, and one set that catches a slip is enough.
MUTANT_SETS = 64
_EXACT_WITH = "float64"  # the survey whose job also proves D5 in exact arithmetic
_LADDER_CONTRAST = "off_by_1_percent"  # the wrong formula that the ladder shows beside the right


def block_size(case: Case) -> int:
    """Weight sets per block: at least one."""
    return max(1, _BLOCK_ENTRIES // case.hidden_size**2)


def job_memory(case: Case) -> int:
    """Bytes that a job of the case needs at its peak, for its smallest block (one weight set).

    Drawing holds the uniforms, the law's temporaries and the weights: 5 float64 per weight. The
    complex step holds 14 complex matrices, the comparisons 70 real ones. An upper bound that the
    tests compare with the measured peak; the interpreter and its libraries come on top.
    """
    n, real = case.hidden_size, np.dtype(case.dtype).itemsize
    return 8 * 5 * words_per_set(case) + n * n * (14 * 2 * real + 70 * real)


def memory_by_input(case: Case) -> int:
    """`job_memory` where derivatives by x_t are taken too.

    Their matrices have m columns for n, and the complex step makes m points of m numbers, with
    the unit vectors and their multiples beside them.
    """
    n, m, real = case.hidden_size, case.input_size, np.dtype(case.dtype).itemsize
    return job_memory(case) * max(n, m) // n + 3 * 2 * real * m**2


def _blocks(
    start: int, stop: int, size: int, progress: Progress, cut: int = 0
) -> Iterator[tuple[int, int]]:
    """Cut ``range(start, stop)`` into blocks, none across `cut`; report each once it is done."""
    middle = min(max(start, cut), stop)
    for low, high in ((start, middle), (middle, stop)):
        for first in range(low, high, size):
            last = min(first + size, high)
            yield first, last
            if progress:
                progress(last - start, stop - start)


def check_shard(
    case: Case,
    seed: int,
    start: int,
    stop: int,
    backend: str = "auto",
    progress: Progress = None,
    accuracy: Accuracy = DOCUMENTED,
) -> dict[str, Any]:
    """Put D1 to D4 and D6, and their mutants, on trial over weight sets ``range(start, stop)``.

    The mutants of D2 to D6, and the lint, which says what these hide, on the case's first
    `MUTANT_SETS`.

    Returns
    -------
    dict with case, seed, start, stop, backend, device, accuracy (of the backend's real functions in
    the case's dtype, as given), weights_digest, records (`Tally.to_list`), lint (`Lint.to_dict`),
    injections (`Injections.to_list`), enclosures (see `_enclosures`) and, in the shard that holds
    index 0, the ladder of steps.
    """
    xp = backends.select(backend)
    backends.keep_freed_memory()
    tally, inputs, injections = Tally(), Lint(), Injections()
    sha256 = None
    size = block_size(case)
    for first, last in _blocks(start, stop, size, progress, cut=MUTANT_SETS):
        mutants = first < MUTANT_SETS
        block = Block(draw(case, seed, first, last, xp), accuracy)
        sha256 = digest(block.sets, sha256)
        with np.errstate(all="ignore"):  # what is not finite is counted as undecided
            if mutants:
                inputs.begin(block.sets, block.step)
            on_trial = jacobians.trials(block, mutants=mutants)
            for comparison in chain(cell_state.trials(block), on_trial):
                tally.update(comparison, first)
                if mutants:
                    inputs.see(comparison)
                injections.update(comparison, case, seed, first)
    return {
        "case": case.as_dict(),
        "seed": seed,
        "start": start,
        "stop": stop,
        **backends.describe(xp),
        "accuracy": accuracy.as_dict(),
        "weights_digest": sha256.hexdigest() if sha256 else "",
        "records": tally.to_list(),
        "lint": inputs.to_dict(),
        "injections": injections.to_list(),
        "enclosures": _enclosures(case, seed, tally, xp, accuracy),
        "ladder": step_ladder(case, seed, xp, accuracy) if start == 0 < stop else [],
    }


def _enclosures(
    case: Case, seed: int, tally: Tally, xp: Any, accuracy: Accuracy
) -> list[dict[str, Any]]:
    """The worst entry of each reading and reference again, in ball arithmetic, in a fixed order.

    None on a machine without python-flint, which nothing else here needs.
    """
    if not references.has_balls():
        return []
    from lstm_gpu.claims import enclosures

    worst = {
        key: record.worst
        for key, record in sorted(tally.records.items())
        if record.worst is not None and not key[2] and key[:2] in enclosures.ENCLOSED
    }
    rows = {}
    for index in sorted({entry["index"] for entry in worst.values()}):
        sets = draw(case, seed, index, index + 1, xp)
        block = Block(sets, accuracy)
        for key, entry in worst.items():
            if entry["index"] == index:
                found = enclosures.enclose(on_host(sets), *key[:2], tuple(entry["entry"]))
                rows[key] = {
                    "claim": key[0],
                    "reading": key[1],
                    "reference": key[3],
                    "index": index,
                    "entry": entry["entry"],
                    **enclosures.as_record(found),
                    **enclosures.floats_on_trial(found, block, key, entry),
                }
    return [rows[key] for key in worst]


def step_ladder(
    case: Case, seed: int, xp: Any = np, accuracy: Accuracy = DOCUMENTED
) -> list[dict[str, Any]]:
    """The ladder of steps of weight set 0, for D4 and for one wrong formula as a contrast."""
    block = Block(draw(case, seed, 0, 1, xp), accuracy)
    contrast = next(m for m in JACOBIAN_MUTANTS if m.name == _LADDER_CONTRAST)
    with np.errstate(all="ignore"):
        error = bounds.entries(block.formula_errors("h"), block.sets.U)
        right = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
        wrong = contrast.formula(jacobians.subject(block, "central"))
        formulas = {"hidden_jacobian": (right, error), contrast.name: (wrong, error)}
        ladders = ladder.climb(block.sets, formulas, accuracy)
    return [
        {
            "formula": formula,
            **rungs._asdict(),
            **{name: _json_floats(getattr(rungs, name)) for name in ("gap", "bound", "excess")},
        }
        for (formula, _), rungs in ladders.items()
    ]


def _json_floats(values: list[float]) -> list[float | None]:
    """JSON has no NaN: where no step was taken there is nothing (None)."""
    return [value if math.isfinite(value) else None for value in values]


def align_shard(
    case: Case,
    seed: int,
    start: int,
    stop: int,
    directions: int,
    backend: str = "auto",
    progress: Progress = None,
    accuracy: Accuracy = DOCUMENTED,
) -> dict[str, Any]:
    """Search the unit sphere for D7 to D9 over weight sets ``range(start, stop)``.

    Parameters
    ----------
    directions : uniform directions per weight set

    Returns
    -------
    dict with case, seed, start, stop, directions, backend, device, accuracy, records and search (a
    summary).
    """
    from lstm_gpu.claims import gate_maximum  # SciPy: a quarter of a second that others save

    xp = backends.select(backend)
    tally = Tally()
    summaries = []
    size = gate_maximum.sets_at_once(case, xp)
    for first, last in _blocks(start, stop, size, progress):
        sets = draw(case, seed, first, last, xp)
        with np.errstate(all="ignore"):
            found = gate_maximum.trials(sets, case, seed, first, directions, xp, accuracy)
            for comparison in found.comparisons:
                tally.update(comparison, first)
        summaries.append(found.search)
    return {
        "case": case.as_dict(),
        "seed": seed,
        "start": start,
        "stop": stop,
        "directions": directions,
        **backends.describe(xp),
        "accuracy": accuracy.as_dict(),
        "records": tally.to_list(),
        "search": gate_maximum.merge_summaries(summaries),
    }


def sigmoid_survey(dtype: str, points: int, progress: Progress = None) -> dict[str, Any]:
    """Survey the forms of sigma' in one format; with float64, also prove D5 exactly."""
    from lstm_gpu.claims import sigmoid
    from lstm_gpu.claims.sigmoid_survey import survey

    content = survey(dtype, points, progress)
    tally = Tally()
    if dtype == _EXACT_WITH:
        for comparison in sigmoid.trials():
            tally.update(comparison, 0)
    return {**content, "records": tally.to_list()}
