"""The full check of D4 against central differences on a GPU: `cuda/check.cu`, launched.

Weight sets are drawn, checked and tallied by one kernel; what comes back is a `Result` for each of
its blocks. The array code stays the reference. Not run on a GPU yet: the tests run the kernel's
phases thread by thread on the host.
"""

import functools
import math
from typing import Any

import numpy as np

from lstm_gpu import compiled, kernels
from lstm_gpu.arrangement import Arrangement, Device, arrange
from lstm_gpu.errors import InputError
from lstm_gpu.tally import LEAST_BIN, MOST_BIN, Record, bins
from lstm_gpu.weights import Case
from lstm_gpu.weights.philox import stream_key

# cuda/weights.cuh, cuda/check.cuh and cuda/score.cuh, member by member.
CASE = np.dtype(
    [("seed", "u8"), ("stream", "u8"), ("hidden_size", "i8"), ("input_size", "i8"), ("scale", "f8")]
)
WORST = np.dtype(
    [(name, "f8") for name in ("ratio", "error", "bound", "claimed", "measured")]
    + [(name, "i8") for name in ("index", "row", "column")]
)
BINS = MOST_BIN - LEAST_BIN + 1
RESULT = np.dtype(
    [("worst", WORST), ("least", "f8")]
    + [(name, "u8") for name in ("refuted", "undecided", "decisive", "sets")]
    + [("bins", "u4", BINS)],
    align=True,
)
_WORK = 2**32  # entries, about, of one launch: well below a second on a data centre's GPU
_SHARE = 0.5  # of the device's free memory that U may take


def supports(case: Case) -> bool:
    """Whether the kernel can draw this case: the law and regime of the compiled check."""
    return compiled.supports(case)


def struct_of(case: Case, seed: int) -> np.ndarray:
    """The case as a kernel gets it."""
    n = case.hidden_size
    own = (seed, stream_key(case.name), n, case.input_size, 2 * (1 / math.sqrt(n)))
    return np.array(own, CASE)


@functools.cache
def edges() -> np.ndarray:
    """The least ratio of each bin of the tally's histogram, (121,); of the first 0.

    Found by halving among the bit patterns of float64, with the logarithm that `tally.bins`
    uses: so the kernel, which has no logarithm, sorts every ratio as the host does.
    """
    wanted = np.arange(LEAST_BIN + 1, MOST_BIN + 1)
    low = np.zeros(len(wanted), np.int64)  # of 0: below every edge
    high = np.full(len(wanted), np.array(np.inf).view(np.int64))
    while (high - low > 1).any():
        middle = low + (high - low) // 2
        reached = bins(middle.view(np.float64)) >= wanted
        high, low = np.where(reached, middle, high), np.where(reached, low, middle)
    return np.concatenate([[0.0], high.view(np.float64)])


def task_size(case: Case) -> int:
    """Weight sets of one launch."""
    n = case.hidden_size
    return max(1, _WORK // (n * n + 4 * n + 16))


def check(case: Case, seed: int, start: int, stop: int) -> Record:
    """Check weight sets ``range(start, stop)``: the record of D4 against central differences.

    Raises
    ------
    InputError
        for a law or regime that the kernel does not know, where no GPU answers, and where its
        memory does not hold U of one weight set.
    """
    if not supports(case):
        raise InputError(
            f"`distribution` and `regime` of the CUDA check must be {compiled.DISTRIBUTION} and "
            f"{compiled.REGIME}, got {case.distribution} and {case.regime}. Use `numpy`."
        )
    xp, reason = kernels.or_reason()
    if xp is None:
        raise InputError(f"The CUDA check is not available: {reason}. Use another engine.")
    record = Record()
    size = task_size(case)
    for first in range(start, stop, size):
        found = launch(xp, case, seed, first, min(first + size, stop))
        record.merge(record_of(found, case))
    return record


def launch(xp: Any, case: Case, seed: int, start: int, stop: int) -> np.ndarray:
    """Run the kernel over a range: the `RESULT` of each block."""
    device = Device.here(xp)
    laid = arrange(case, device)
    kernel = kernels.function("check", f"check_{case.dtype}_{laid.place}")
    if laid.fast_bytes > 48 * 1024:  # what a launch may take without asking
        kernel.max_dynamic_shared_size_bytes = laid.fast_bytes
    blocks, slow = memory(xp, laid, device.processors, stop - start)
    results = xp.zeros(blocks * RESULT.itemsize, dtype=xp.uint8)
    arguments = (
        *(struct_of(case, seed), laid.struct, np.int64(start), np.int64(stop)),
        *(xp.asarray(edges()), slow, results),
    )
    kernel((blocks,), (laid.threads,), arguments, shared_mem=laid.fast_bytes)
    return results.get().view(RESULT)


def memory(xp: Any, laid: Arrangement, processors: int, sets: int) -> tuple[int, Any]:
    """How many blocks to launch, and the slow memory for them.

    As many as the device runs at once, unless there are fewer weight sets, or U of so many takes
    more than a share of the free memory; half as many, and half again, where that is not to be had.

    Raises
    ------
    InputError
        There is no memory for one block.
    """
    blocks = min(processors * laid.blocks, -(-sets // laid.teams))
    if laid.slow_bytes:
        free = int(xp.cuda.Device().mem_info[0])
        free += int(xp.get_default_memory_pool().free_bytes())  # what the launch before had
        blocks = max(1, min(blocks, int(_SHARE * free) // laid.slow_bytes))
    while True:
        try:
            return blocks, xp.empty(max(16, blocks * laid.slow_bytes), dtype=xp.uint8)
        except MemoryError as error:
            if blocks == 1:
                raise InputError(
                    "`hidden_size` must leave U of a weight set below the GPU's free memory, got "
                    f"{laid.slow_bytes / 2**20:.3g} MiB. Choose a smaller one."
                ) from error
            blocks //= 2


def record_of(found: np.ndarray, case: Case) -> Record:
    """The record of what the blocks found: as `tally.summarise` of all weight sets at once."""
    sets = int(found["sets"].sum())
    record = Record(
        weight_sets=sets,
        comparisons=sets * case.hidden_size**2,
        refuted_sets=int(found["refuted"].sum()),
        undecided_sets=int(found["undecided"].sum()),
        decisive_sets=int(found["decisive"].sum()),
    )
    counts = found["bins"].sum(axis=0, dtype=np.uint64)
    record.histogram = {b + LEAST_BIN: int(count) for b, count in enumerate(counts) if count}
    record.smallest_detectable = 2 * float(found["least"].min(initial=math.inf))
    worst = found["worst"]
    worst = worst[np.lexsort((worst["index"], -worst["ratio"]))[:1]]
    if (worst["ratio"] >= 0).any():
        entry = dict(zip(WORST.names or (), worst[0].tolist(), strict=True))
        entry["entry"] = [entry.pop("row"), entry.pop("column")]
        record.worst = entry
    return record
