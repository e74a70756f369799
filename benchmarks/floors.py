"""The floor of one full check: what it must compute, over the rates that a core of this machine
reaches in tight loops of compiled code.

It is the floor of the compiled check's own algorithm, the fewest operations that we know of: one
product per weight for z, and one for the bound of its error where that is wanted sharply
(`cuda/host_draw.h`); at both points of every entry the addition theorem of tanh (`cuda/near.cuh`),
not exp and tanh; sigma and tanh once per row. Left out is what runs beside it or hardly counts:
additions (their units are others), the sums of rows, the bounds, steps, comparison and tally.
Arithmetic and memory may overlap, so the larger of them counts.
"""

import ctypes
from pathlib import Path
from typing import Any

from lstm_gpu import compiled
from lstm_gpu.weights import Case, words_per_set

RATES = ("word", "multiply_add", "sigmoid", "tanh", "atanh", "byte")
_PROGRAM = Path(__file__).with_name("rates.cpp")
_BYTES = 4  # of a weight, in either format


def missing() -> str:
    """Why there are no floors; "" where there are: with a C++ compiler."""
    return compiled.library_or_reason(compiled.SOURCES, _PROGRAM)[1]


def _library() -> Any:
    library, reason = compiled.library_or_reason(compiled.SOURCES, _PROGRAM)
    if library is None:
        raise RuntimeError(f"there are no floors: {reason}")
    return library


def operations(case: Case) -> dict[str, int]:
    """How often one full check does what `rates` measures; a byte is written and read once."""
    n, m = case.hidden_size, case.input_size
    weights, entries = 4 * n * (m + n), n * n
    per_entry = getattr(_library(), f"multiplications_{case.dtype}")()
    sharp = getattr(_library(), f"sharp_{case.dtype}")(ctypes.c_longlong(n), ctypes.c_longlong(m))
    return {
        "word": words_per_set(case),
        "multiply_add": (2 if sharp else 1) * weights + per_entry * entries,
        "sigmoid": 3 * n,
        "tanh": 2 * n,
        "atanh": n,
        "byte": 4 * entries * _BYTES,  # U: its columns' maxima come before the steps
    }


def rates(case: Case) -> dict[str, float]:
    """Seconds of each operation of `operations` on one core, the least of many runs."""
    seconds = (ctypes.c_double * len(RATES))()
    function = getattr(_library(), f"rates_{case.dtype}")
    function(ctypes.c_longlong(operations(case)["byte"]), seconds)
    return dict(zip(RATES, seconds, strict=True))


def floor(case: Case, rate: dict[str, float]) -> dict[str, float]:
    """Seconds of one core for one weight set: each part, and the whole."""
    parts = {name: count * rate[name] for name, count in operations(case).items()}
    arithmetic = sum(seconds for name, seconds in parts.items() if name != "byte")
    return {**parts, "whole": max(arithmetic, parts["byte"])}
