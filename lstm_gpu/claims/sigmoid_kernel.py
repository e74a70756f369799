"""The exhaustive survey of float32 on a GPU: `cuda/sigmoid.cu`, launched.

The same statistics as `sigmoid_survey.survey_range` and `function_errors.measure`, which stay the
reference: both merge with theirs. Not run on a GPU yet, so `exhaustive` does not use it; the tests
run its code on the host, value by value.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numpy as np

from lstm_gpu import kernels
from lstm_gpu.claims.function_errors import _ZONES, FLOAT32, MEASURED, Errors
from lstm_gpu.claims.sigmoid_events import EVENTS
from lstm_gpu.claims.sigmoid_findings import Curve, Findings
from lstm_gpu.claims.sigmoid_regions import Strip, strips
from lstm_gpu.claims.sigmoid_survey import SURVEYED

NOWHERE = 2**32 - 1
# cuda/sigmoid.cuh, member by member.
SEGMENT = np.dtype([("start", "u4"), ("stop", "u4"), ("negative", "i4"), ("unused", "i4")])
SEEN = np.dtype(
    [
        *(("largest", "f8"), ("lower", "f8"), ("counts", "u8", len(EVENTS))),
        *(("at", "u4"), ("lower_at", "u4"), ("first", "u4", len(EVENTS))),
    ],
    align=True,
)
_THREADS, _BLOCKS, _MOST_SEGMENTS = 256, 64, 2**15
Part = tuple[Strip, int]  # of one region and one bin of the curve, -1 for none


def survey_range(start: int, stop: int, xp: Any) -> Findings:
    """As `sigmoid_survey.survey_range` of float32."""
    found = Findings(FLOAT32, SURVEYED)
    parts = list(form_parts(found.curve, start, stop))
    for form in SURVEYED:
        add_form(found, form, parts, launch(f"form_{form}", segments(p for p, _ in parts), xp))
    return found


def measure(start: int, stop: int, xp: Any) -> dict[str, Errors]:
    """As `function_errors.measure`, of the device's functions; no layout in memory to depend on."""
    found = {name: Errors() for name in MEASURED}
    parts = list(function_parts(start, stop))
    for name, errors in found.items():
        add_function(errors, parts, launch(f"function_{name}", segments(parts), xp))
    return found


def form_parts(curve: Curve, start: int, stop: int) -> Iterator[Part]:
    """The range cut at the edges of regions and of the curve's bins."""
    for strip in strips(FLOAT32):
        own = strip.within(start, stop)
        ends = [own.start, *(s for s in curve.starts if own.start < s < own.stop), own.stop]
        for first, last in itertools.pairwise(ends):
            if first < last:
                part = own.within(first, last)
                index = bisect_right(curve.starts, first) - 1
                half = len(curve.starts) - 1
                side = half + index if strip.side > 0 else half - 1 - index
                yield part, side if index < half else -1


def function_parts(start: int, stop: int) -> Iterator[Strip]:
    """The range cut at the edges of the zones, on both sides."""
    for low, high in _ZONES:
        for side in (-1, 1):
            part = Strip("", side, low, high, True).within(start, stop)
            if part.start < part.stop:
                yield part


def segments(parts: Any) -> np.ndarray:
    return np.array([(part.start, part.stop, part.side < 0, 0) for part in parts], SEGMENT)


def launch(function: str, cut: np.ndarray, xp: Any) -> np.ndarray:
    """`SEEN` of each segment and block (segments, blocks)."""
    kernel = kernels.function("sigmoid", function)
    results = []
    for first in range(0, len(cut), _MOST_SEGMENTS):
        own = cut[first : first + _MOST_SEGMENTS]
        out = xp.zeros(len(own) * _BLOCKS * SEEN.itemsize, dtype=xp.uint8)
        kernel((_BLOCKS, len(own)), (_THREADS,), (xp.asarray(own.view(np.uint8)), out))
        results.append(out.get().view(SEEN).reshape(len(own), _BLOCKS))
    return np.concatenate(results)


def add_form(found: Findings, form: str, parts: list[Part], seen: np.ndarray) -> None:
    """What the blocks saw of a form, into the findings."""
    counts, firsts = seen["counts"].sum(axis=1), seen["first"].min(axis=1)
    largest, at = _largest(seen, "largest", "at")
    broken = seen["lower"].min(axis=1) < 0
    for k, (part, index) in enumerate(parts):
        cell = found.cells[form, part.region]
        cell.points += part.stop - part.start
        for event, count, first in zip(EVENTS, counts[k], firsts[k], strict=True):
            cell.counts[event] += int(count)
            if first != NOWHERE:
                cell.meet(event, FLOAT32.value(int(first), part.side))
        if at[k] != NOWHERE:
            cell.reach(float(largest[k]), FLOAT32.value(int(at[k]), part.side))
        if index >= 0:
            curve = found.curve.largest[form]
            curve[index] = max(curve[index], largest[k])
            found.curve.broken[form][index] |= bool(broken[k])


def add_function(errors: Errors, parts: list[Strip], seen: np.ndarray) -> None:
    """What the blocks saw of a function, into its errors."""
    wrong = seen["counts"][..., 0].sum(axis=1)
    found = (
        (_largest(seen, "largest", "at"), errors.reach),
        (_largest(seen, "lower", "lower_at"), errors.reach_subnormal),
    )
    for k, part in enumerate(parts):
        errors.values += part.stop - part.start
        errors.wrong += int(wrong[k])
        for (largest, at), take in found:
            if at[k] != NOWHERE:
                take(float(largest[k]), FLOAT32.value(int(at[k]), part.side))


def _largest(seen: np.ndarray, value: str, at: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each segment over its blocks: the largest value, and the first place with it."""
    largest = seen[value].max(axis=1)
    places = np.where(seen[value] == largest[:, None], seen[at], NOWHERE)
    return largest, places.min(axis=1)
