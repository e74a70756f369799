"""The random stream: NumPy's Philox4x64-10, addressed by (seed, stream, index)."""

import hashlib

import numpy as np

DRAWS_PER_COUNTER = 8  # Philox4x64 yields four 64-bit words for each value of its counter
_MASK = 2**64 - 1


def stream_key(stream: str) -> int:
    """Return the 64-bit number of a named stream: the head of the SHA-256 of its name."""
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "big")


def uniforms(seed: int, stream: str, start: int, stop: int, words: int) -> np.ndarray:
    """Draw `words` uniforms on [0, 1) for each index in ``range(start, stop)``.

    The key of the generator is (seed, stream); index i owns the counters
    i·B + 1 to (i + 1)·B with B = ceil(words / 8). (NumPy raises the counter before it
    draws, so the counter that we set, i·B, is the last one of the index before.) A row is
    therefore a pure function of (seed, stream, index), whatever range it is drawn in.

    A uniform is (half word >> 8) · 2^-24, the low half of each word first, as NumPy's
    float32 `random` makes it: exact in float32 and in float64, so that the cases of both
    dtypes draw from the same grid.

    Parameters
    ----------
    seed : int in [0, 2^64)
    stream : name, for example a case's; two names give independent streams
    start, stop : indices, 0 <= start <= stop
    words : uniforms per index

    Returns
    -------
    float64 array (stop - start, words), multiples of 2^-24; 64 · B · (stop - start) bytes.
    """
    counters = -(-words // DRAWS_PER_COUNTER)
    first = start * counters
    counter = np.array([(first >> (64 * k)) & _MASK for k in range(4)], dtype=np.uint64)
    key = np.array([seed, stream_key(stream)], dtype=np.uint64)
    raw = np.random.Philox(counter=counter, key=key).random_raw((stop - start) * counters * 4)
    halves = raw.astype("<u8", copy=False).view("<u4")
    halves >>= np.uint32(8)
    drawn = halves.view("<i4").astype(np.float64)  # of signed integers: one instruction for many
    drawn *= 2.0**-24
    return drawn.reshape(stop - start, counters * DRAWS_PER_COUNTER)[:, :words]
