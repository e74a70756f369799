"""The search of the sphere on a GPU: `cuda/sphere.cu`, launched.

What `search.search_block` finds over all samples of a part, without an array of samples × rows:
directions are drawn on the device, block by block. `search` stays the reference. Not run on a GPU
yet: the tests run the kernels' phases thread by thread on the host.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstm_gpu import kernels
from lstm_gpu.sphere import squares
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.search import Best, Claim, Worst
from lstm_gpu.weights import Case
from lstm_gpu.weights.philox import stream_key

Array = Any

# cuda/directions.cuh and cuda/sphere.cuh, member by member.
DRAW = np.dtype(
    [("seed", "u8"), ("stream", "u8")]
    + [(name, "i8") for name in ("size", "first_set", "first_sample", "samples")]
)
CLAIMS = np.dtype(
    [(name, "u8") for name in ("U", "direction", "half_norm", "norms")]
    + [(name, "u8") for name in ("driven", "top", "fixed", "growing")]
)
TILE = 64
_THREADS, _BLOCKS = 256, 2**16
_SHARING = 128  # threads of a block whose teams share warps
_BYTES = 2**29  # of directions held at once


def found_dtype(dtype: Any) -> np.dtype:
    """`Found` of the sources: what is known of a row."""
    real = np.dtype(dtype).str
    return np.dtype(
        [(name, real) for name in ("ratio", "measured", "square", "z", "lowest")]
        + [(name, "i4") for name in ("sample", "best", "above")],
        align=True,
    )


def directions(
    case: Case, seed: int, sets: range, samples: range, xp: Any, chosen: Array | None = None
) -> tuple[Array, Array]:
    """`uniform_directions`, drawn on the device: (sets, samples, n), the same bits; and ‖h‖².

    chosen : (sets, samples) sample numbers in place of the range
    """
    n = case.hidden_size
    count = len(samples) if chosen is None else chosen.shape[1]
    of = np.array(
        (seed, stream_key(case.name + "/directions"), n, sets.start, samples.start, count), DRAW
    )
    out = xp.empty((len(sets), count, n), dtype=case.dtype)
    norms = xp.empty((len(sets), count), dtype=case.dtype)
    kernel = kernels.function("sphere", f"directions_{case.dtype}")
    # A thread for each counter, which makes eight numbers; short teams share a warp, to fill it.
    threads = min(_THREADS, 1 << (-(-n // 8) - 1).bit_length())
    teams = _SHARING // threads if threads <= 32 else 1
    memory = 8 * teams * (2 * n + 1)  # `Direction::memory_of`
    if memory > 48 * 1024:
        kernel.max_dynamic_shared_size_bytes = memory
    grid = min(-(-len(sets) * count // teams), _BLOCKS)
    numbers = np.intp(0) if chosen is None else chosen  # CuPy before 14 takes None for anything
    arguments = (of, np.int64(len(sets)), numbers, np.int32(threads), out, norms)
    kernel((grid,), (teams * threads,), arguments, shared_mem=memory)
    return out, norms


def search_all(
    gates: Sequence[Gate], claims: Sequence[Claim], case: Case, seed: int, sets: range,
    samples: int, xp: Any,
) -> tuple[list[Worst], list[Best]]:  # fmt: skip
    """All samples 0 … `samples` - 1 through one or two gates that share the claimed direction.

    Returns
    -------
    What `search.search_block` finds, block after block: one each for a gate.
    """
    n, count = case.hidden_size, len(sets)
    arrays = _arrays(gates, claims, xp)
    pointers = np.array(tuple(array.data.ptr for array in arrays.values()), CLAIMS)
    layout = found_dtype(case.dtype)
    found = xp.zeros(len(gates) * count * n * layout.itemsize, dtype=xp.uint8)
    kernel = kernels.function("sphere", f"search_{case.dtype}")
    grid = (-(-n // TILE), min(count, _BLOCKS - 1))
    step = max(TILE, _BYTES // (count * n * np.dtype(case.dtype).itemsize) // TILE * TILE)
    for first in range(0, samples, step):
        block = range(first, min(first + step, samples))
        h, norms = directions(case, seed, sets, block, xp)
        numbers = (np.int32(v) for v in (n, len(gates), len(block), first))
        kernel(grid, (_THREADS,), (pointers, h, norms, np.int64(count), *numbers, found))
    host = found.get().view(layout).reshape(len(gates), count, n)
    worst = [_worst(own, claim, xp) for own, claim in zip(host, claims, strict=True)]
    return worst, [_best(own, case, seed, sets, xp) for own in host]


def _arrays(gates: Sequence[Gate], claims: Sequence[Claim], xp: Any) -> dict[str, Array]:
    """The members of `Claims`, contiguous."""
    origin = xp.zeros_like(gates[0].U[:, 0, :1, :])
    each = {"driven": [gate(origin)[:, 0] for gate in gates]}  # z at h = 0
    for name in ("top", "fixed", "growing"):
        each[name] = [getattr(claim, name) for claim in claims]
    shared = {"U": gates[0].U[:, 0], "direction": claims[0].direction}
    shared["half_norm"] = claims[0].half_norm
    shared["norms"] = squares.norms(claims[0].direction)
    arrays = {**shared, **{name: xp.stack(own) for name, own in each.items()}}
    dtype = gates[0].U.dtype
    return {name: xp.ascontiguousarray(a.astype(dtype)) for name, a in arrays.items()}


def _worst(found: np.ndarray, claim: Claim, xp: Any) -> Worst:
    square = xp.asarray(np.ascontiguousarray(found["square"]))
    return Worst(
        claimed=square * claim.half_norm,
        measured=xp.asarray(np.ascontiguousarray(found["measured"])),
        bound=square * claim.growing + claim.fixed,
        ratio=xp.asarray(np.ascontiguousarray(found["ratio"])),
        sample=xp.asarray(found["sample"].astype(np.int64)),
        above=xp.asarray(found["above"].astype(np.int64)),
    )


def _best(found: np.ndarray, case: Case, seed: int, sets: range, xp: Any) -> Best:
    sample = xp.asarray(found["best"].astype(np.int64))
    return Best(
        z=xp.asarray(np.ascontiguousarray(found["z"])),
        sample=sample,
        h=directions(case, seed, sets, range(0), xp, sample)[0],
        lowest=xp.asarray(np.ascontiguousarray(found["lowest"])),
    )
