"""How the CUDA check is laid out on a device: teams, blocks, and where each array lies.

A team of threads has a weight set at a time; a block is one or more teams; a multiprocessor holds
some blocks. What a team works in lies in the block's shared memory ("fast") as far as that leaves
room for `WARPS` warps, since fewer cannot hide the latency of the arithmetic, and else in the
device's memory ("slow"), which its caches serve. The choice follows from counts of operations and
bytes; it was not tuned on a GPU.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_gpu.errors import InputError
from lstm_gpu.weights import Case

WARPS = 10  # of a multiprocessor
_WARP, _ALIGNMENT = 32, 16
_REGISTERS = 2**16  # of a multiprocessor, on every architecture since sm_30
_RESERVED = 1024  # bytes of shared memory that each block takes for the system (CUDA 12)
_STATIC = 512  # bytes of shared memory that check.cu takes besides: the histogram
# Instructions per row (activations and its bound) and per entry (the draws included), roughly:
# they weigh how well a team's threads are filled by rows and by entries.
_PER_ROW, _PER_ENTRY = 1100, 530

# cuda/arrangement.cuh, member by member.
ARRANGEMENT = np.dtype(
    [("fast_bytes", "i8"), ("slow_bytes", "i8"), ("threads", "i4"), ("capacity", "i4")]
    + [(name, "i4") for name in ("tile", "sums", "extremes", "partials", "score")]
    + [(name, "i4") for name in ("x", "h_prev", "c_prev", "z", "reach", "step", "largest")]
    + [(name, "i4") for name in ("bound", "parts", "rows", "centres", "U")],
    align=True,
)
PLACES = ("fast", "lines", "slow")  # all in fast memory, all but U, the team's work alone


@dataclass(frozen=True)
class Device:
    """What the layout depends on: bytes of shared memory, and the multiprocessors."""

    block_memory: int
    processor_memory: int
    processors: int

    @classmethod
    def here(cls, xp: Any) -> "Device":
        """The current device of CuPy."""
        found = xp.cuda.Device().attributes
        return cls(
            int(found["MaxSharedMemoryPerBlockOptin"]),
            int(found["MaxSharedMemoryPerMultiprocessor"]),
            int(found["MultiProcessorCount"]),
        )


@dataclass(frozen=True)
class Arrangement:
    """A layout: `struct` is cuda/arrangement.cuh's; `blocks` fit a multiprocessor at once."""

    place: str
    struct: np.ndarray
    teams: int
    blocks: int

    @property
    def threads(self) -> int:
        """Of a block."""
        return self.teams * int(self.struct["threads"])

    @property
    def fast_bytes(self) -> int:
        """Dynamic shared memory of a block."""
        return self.teams * int(self.struct["fast_bytes"])

    @property
    def slow_bytes(self) -> int:
        """The device's memory for a block."""
        return self.teams * int(self.struct["slow_bytes"])


def sizes(case: Case, place: str, threads: int) -> tuple[dict[str, int], dict[str, int], int]:
    """Bytes of each array of a team: its work, and one per row or column; and of U."""
    n, m, word = case.hidden_size, case.input_size, np.dtype(case.dtype).itemsize
    capacity = _capacity(case, place)
    work = {
        "tile": 4 * capacity,
        "sums": 2 * threads * word,
        "extremes": 24 * threads,
        "partials": (48 if word == 8 else 28) * threads,
        "score": 104,
    }
    numbers = {"x": m, "h_prev": n, "c_prev": n, "z": 4 * n, "reach": 4 * n, "step": n, "bound": n}
    lines = {name: count * word for name, count in numbers.items()}
    lines |= {"largest": 4 * n, "parts": 24 * n, "rows": 9 * n * word, "centres": 9 * n * word}
    return work, lines, 0 if place == "fast" else 16 * n * n


def _capacity(case: Case, place: str) -> int:
    """Numbers of the tile: all of U where that is fast, else 16 KiB of rows, four at least."""
    n, m = case.hidden_size, case.input_size
    matrix = 4 * n * n if place == "fast" else min(2**12, 4 * n * max(n, m))
    return -(-max(matrix, 4 * n, 4 * m, m + 2 * n) // 4) * 4


def struct(case: Case, place: str, threads: int) -> np.ndarray:
    """The layout of a team, as a kernel gets it."""
    work, lines, matrix = sizes(case, place, threads)
    laid = np.zeros((), ARRANGEMENT)
    laid["threads"], laid["capacity"] = threads, _capacity(case, place)
    ends = {"fast": 0, "slow": 0}

    def put(name: str, count: int, where: str) -> None:
        laid[name] = ends[where]
        ends[where] += -(-count // _ALIGNMENT) * _ALIGNMENT

    for name, count in work.items():
        put(name, count, "fast")
    for name, count in lines.items():
        put(name, count, "slow" if place == "slow" else "fast")
    if place == "fast":
        laid["U"] = laid["tile"]
    else:
        put("U", matrix, "slow")
    laid["fast_bytes"], laid["slow_bytes"] = ends["fast"], ends["slow"]
    return laid


def limits(case: Case, place: str) -> tuple[int, int]:
    """Most threads of a block, as check.cu says, and registers that a thread may take."""
    return (128, 144) if place == "slow" and case.dtype == "float64" else (256, 128)


def _teams(case: Case, place: str) -> Iterator[tuple[int, int]]:
    """Threads of a team and of a block.

    A team is part of a warp, or a block: what lies between needs a numbered barrier for each team,
    and a multiprocessor has 64 of them for all its blocks (24 on sm_120), where a block of this
    kernel took 16. Where U is in slow memory a block is one team, as large as may be: the fewer
    weight sets are in flight, the more of them the second-level cache holds.
    """
    most, _ = limits(case, place)
    if place != "fast":
        yield most, most
        return
    for threads in (2**k for k in range(most.bit_length())):
        for block in (64, 128, 256):
            if threads <= _WARP or threads == block:
                yield threads, block


def _filled(case: Case, threads: int) -> float:
    """The share of a team's threads that have work, over the rows and entries of a weight set."""
    n = case.hidden_size
    done = _PER_ROW * n + _PER_ENTRY * n * n
    steps = _PER_ROW * math.ceil(n / threads) + _PER_ENTRY * math.ceil(n * n / threads)
    return done / (steps * threads)


def arrange(case: Case, device: Device) -> Arrangement:
    """The layout that fills most threads, all in fast memory where that leaves room for enough.

    Raises
    ------
    InputError
        A row of the case does not fit the device's fast memory.
    """
    best: tuple[float, int, Arrangement] | None = None
    for place in PLACES:
        for threads, block in _teams(case, place):
            laid = struct(case, place, threads)
            teams = block // threads
            shared = teams * int(laid["fast_bytes"]) + _STATIC
            if shared > device.block_memory:
                continue
            blocks = min(
                device.processor_memory // (shared + _RESERVED),
                _REGISTERS // (limits(case, place)[1] * block),
            )
            warps = blocks * block // _WARP
            score = min(warps, 16) * _filled(case, threads)
            if best is None or score > best[0]:
                best = score, warps, Arrangement(place, laid, teams, blocks)
        if best is not None and best[1] >= WARPS:
            return best[2]
    if best is None:
        raise InputError(
            f"`input_size` must leave four rows below {device.block_memory} bytes on this GPU, got "
            f"{case.input_size}. Choose a smaller one, or another engine."
        )
    return best[2]
