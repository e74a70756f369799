"""Tiles: pieces of a block that fit a core's cache, for work in many passes.

A block is as large as pays for the calls on its small arrays, one number per weight set and row.
Work on n × n entries that passes over several arrays many times is done tile by tile, so that
what one pass wrote is still in the cache when the next one reads it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lstm_gpu.backend import namespace_of

Array = Any

# Entries of a tile. Central differences hold four arrays of two tiles: 1 MiB in float64, a common
# second-level cache. Half of it costs more in calls, twice as much gains nothing.
_CACHED_ENTRIES = 2**14


def tiles(sets: int, rows: int, columns: int, xp: Any = np) -> Iterator[tuple[slice, slice]]:
    """Cut arrays (sets, rows, columns) into slices of sets and of rows.

    Whole sets where one or more fit, else some rows of one set. A device gets one tile: it is
    the faster the more it is given at once.
    """
    if xp is not np:
        yield slice(0, sets), slice(0, rows)
        return
    some_sets = max(1, _CACHED_ENTRIES // max(1, rows * columns))
    some_rows = max(1, min(rows, _CACHED_ENTRIES // max(1, columns)))
    for s in range(0, sets, some_sets):
        for k in range(0, rows, some_rows):
            yield slice(s, min(s + some_sets, sets)), slice(k, min(k + some_rows, rows))


def maximum(array: Array) -> Array:
    """The largest along axis 1, NaN where there is one; by halves.

    The same as ``array.max(axis=1)``, which runs along the last axis: slow where that is short.
    """
    xp = namespace_of(array)
    while array.shape[1] > 1:
        half = -(-array.shape[1] // 2)
        array = xp.maximum(array[:, :half], array[:, -half:])
    return array[:, 0]
