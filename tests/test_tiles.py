"""Tiles cover a block once, stay small, and the maximum by halves is the maximum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu import tiles

SIZES = st.integers(0, 40)


@given(sets=SIZES, rows=SIZES, columns=SIZES, limit=st.sampled_from((1, 7, 64, 10**6)))
def test_tiles_cover_every_entry_once(sets, rows, columns, limit):
    seen = np.zeros((sets, rows, columns), int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "_CACHED_ENTRIES", limit)
        for s, k in tiles.tiles(sets, rows, columns):
            seen[s, k] += 1
            assert seen[s, k].size <= max(limit, columns)
    assert (seen == 1).all()


def test_a_device_gets_one_tile():
    assert list(tiles.tiles(3, 1000, 1000, xp=object())) == [(slice(0, 3), slice(0, 1000))]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 33])
def test_maximum_is_the_maximum(length):
    array = np.random.default_rng(length).standard_normal((5, length, 3))
    assert np.array_equal(tiles.maximum(array), array.max(axis=1))


def test_maximum_carries_nan_on():
    array = np.ones((1, 5, 2))
    array[0, 3, 1] = np.nan
    assert np.array_equal(tiles.maximum(array), [[1.0, np.nan]], equal_nan=True)
