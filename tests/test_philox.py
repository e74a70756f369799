"""The random stream against Philox4x64-10 written out in Python integers."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.weights import philox

WORD = 2**64 - 1
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def philox4x64(counter, key):
    """Ten rounds of Salmon et al. (2011): four words from a 256-bit counter and two key words."""
    x, (k0, k1) = [(counter >> (64 * i)) & WORD for i in range(4)], key
    for round_ in range(10):
        if round_:
            k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
        a, b = MULTIPLIERS[0] * x[0], MULTIPLIERS[1] * x[2]
        x = [(b >> 64) ^ x[1] ^ k0, b & WORD, (a >> 64) ^ x[3] ^ k1, a & WORD]
    return x


def uniforms(seed, stream, index, words):
    """The contract: index i owns the counters i B + 1 … (i + 1) B, B = ceil(words/8)."""
    per_index = -(-words // 8)
    digest = hashlib.sha256(stream.encode()).digest()
    key = (seed, int.from_bytes(digest[:8], "big"))
    halves = []
    for block in range(per_index):
        for word in philox4x64(index * per_index + 1 + block, key):
            halves += [word & 0xFFFFFFFF, word >> 32]
    return [(half >> 8) / 2**24 for half in halves[:words]]


def test_the_python_philox_gives_the_published_words():
    """Known answers of Random123 (kat_vectors): philox4x64 10, all zeros and all ones."""
    assert philox4x64(0, (0, 0)) == [
        0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B,
    ]  # fmt: skip
    assert philox4x64(2**256 - 1, (WORD, WORD)) == [
        0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0,
    ]  # fmt: skip


@given(
    seed=st.integers(0, WORD),
    index=st.one_of(st.integers(0, 1000), st.integers(0, 2**200)),
    words=st.integers(1, 40),
    stream=st.text(max_size=12),
)
def test_uniforms_are_those_of_the_contract(seed, index, words, stream):
    found = philox.uniforms(seed, stream, index, index + 1, words)
    assert found.shape == (1, words)
    assert found[0].tolist() == uniforms(seed, stream, index, words)


@given(start=st.integers(0, 50), count=st.integers(0, 9), words=st.integers(1, 30))
def test_any_range_gives_the_rows_of_any_other(start, count, words):
    whole = philox.uniforms(7, "s", 0, start + count, words)
    assert (philox.uniforms(7, "s", start, start + count, words) == whole[start:]).all()


def test_a_large_draw_is_its_rows():
    """Larger than a tile, so cut somewhere inside."""
    whole = philox.uniforms(7, "s", 0, 37, 3001)
    for index in (0, 1, 17, 36):
        assert whole[index].tolist() == uniforms(7, "s", index, 3001)


def test_neighbouring_indices_share_no_counter():
    whole = philox.uniforms(3, "s", 0, 500, 16)
    assert len(np.unique(whole)) > 7990  # 8000 draws from 2^24: 2 collisions expected


def test_seeds_and_names_give_other_streams():
    rows = {
        tuple(philox.uniforms(seed, name, 0, 1, 8)[0]) for seed in (0, 1) for name in ("a", "b", "")
    }
    assert len(rows) == 6


def test_uniforms_lie_in_the_unit_interval_on_a_grid_exact_in_float32():
    drawn = philox.uniforms(1, "s", 0, 100, 100)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert (drawn * 2**24 == np.floor(drawn * 2**24)).all()
    assert (drawn.astype(np.float32) == drawn).all()


def test_the_distribution_is_uniform_by_the_dkw_inequality():
    """P(sup |F_n - F| > e) <= 2 exp(-2 n e²): e for a chance of 1e-9, plus the grid's 2^-24."""
    drawn = np.sort(philox.uniforms(5, "s", 0, 1000, 200).ravel())
    n = drawn.size
    e = np.sqrt(np.log(2e9) / (2 * n)) + 2.0**-24
    ranks = np.arange(n)
    assert max((drawn - ranks / n).max(), ((ranks + 1) / n - drawn).max()) <= e


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_is_no_word_is_refused(seed):
    with pytest.raises(OverflowError):
        philox.uniforms(seed, "s", 0, 1, 1)
