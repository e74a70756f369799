"""What a GPU reaches in the operations of the CUDA check, and so the least time that a check takes.

The floor of a full check is a roofline: the largest of three times, since integers, floating point
and memory are served by units of their own that may work at once. Each is a count of operations
over the rate that this very device was measured to reach:

- draws: calls of Philox, one for 8 uniforms;
- arithmetic: additions, multiplications and divisions of the dtype per entry (_COUNTS), and those
  of double that make a weight;
- memory: U written once and read twice, 4 bytes an entry, where it is not in shared memory; but
  the share of it that the second-level cache may hold.

Not run on a GPU yet.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_gpu import kernels
from lstm_gpu.arrangement import Device, arrange
from lstm_gpu.errors import InputError
from lstm_gpu.weights import DTYPES, Case, words_per_set

ROUNDS = 3
WARM, LEAST = 0.25, 0.05  # seconds: until the clocks are up, from idle; of what is timed
_GRID, _THREADS = 2048, 256
_COPIED = 2**28  # bytes
_MATRIX = 4096
# Per entry of a Jacobian, counted in the machine code for sm_90: operations, divisions, and of
# double besides. The entry's own, and 5 (3) for each of 8 weights; one of float32 is made in 2.
_COUNTS = {"float64": (83 + 8 * 5, 1, 0), "float32": (91 + 8 * 3, 1, 8 * 2)}


def namespace() -> Any:
    """CuPy, in this process.

    Raises
    ------
    InputError
        No GPU answers, or nothing compiles for it.
    """
    xp, reason = kernels.or_reason()
    if xp is None:
        raise InputError(f"`benchmarks.gpu` needs a GPU and a compiler, but {reason}.")
    return xp


def timed(operation: Callable[[], Any], xp: Any) -> float:
    """Seconds of an operation: the least of some runs of so many as take `LEAST`.

    The first compiles and does not count; then an idle device has time to raise its clocks.
    """
    device = xp.cuda.Device()

    def seconds(count: int) -> float:
        device.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            operation()
        device.synchronize()
        return time.perf_counter() - began

    seconds(1)
    count, ends = 1, time.perf_counter() + WARM
    while (taken := seconds(count)) < LEAST or time.perf_counter() < ends:
        if taken < LEAST:
            count *= 2
    return min(seconds(count) for _ in range(ROUNDS)) / count


def rates() -> dict[str, float]:
    """Operations, and bytes read or written, per second."""
    xp = namespace()
    threads, found = _GRID * _THREADS, {}
    each = {"philox": 1, "mma_float64": 512}
    each |= {f"fma_{dtype}": 64 for dtype in DTYPES} | {f"divide_{dtype}": 8 for dtype in DTYPES}
    for name, operations in each.items():
        dtype = name.rpartition("_")[2] if name != "philox" else "uint32"
        kernel = kernels.function("rates", f"rate_{name}")
        out, count = xp.empty(threads, dtype=dtype), np.int64(2**16 // max(operations, 64))

        def run(kernel: Any = kernel, count: Any = count, out: Any = out) -> None:
            kernel((_GRID,), (_THREADS,), (count, out))

        found[name] = operations * int(count) * threads / timed(run, xp)
    source = xp.asarray(np.random.default_rng(0).random(_COPIED // 8))
    target = xp.empty_like(source)

    def copy() -> None:
        target[...] = source

    found["bytes"] = 2 * _COPIED / timed(copy, xp)
    return found


def dgemm() -> float:
    """Multiply-adds per second of float64 matrices in cuBLAS, beside `mma_float64`."""
    xp, n = namespace(), _MATRIX
    a, b = (xp.asarray(np.random.default_rng(k).uniform(size=(n, n))) for k in range(2))
    out = xp.empty((n, n))
    return n**3 / timed(lambda: xp.matmul(a, b, out=out), xp)


def floor(of: Case, rate: dict[str, float], device: Device, cache: int) -> dict[str, float]:
    """Seconds of one weight set on the whole device, by what binds; cache in bytes."""
    operations, divisions, double = _COUNTS[of.dtype]
    entries = of.hidden_size**2
    one = operations / rate[f"fma_{of.dtype}"] + divisions / rate[f"divide_{of.dtype}"]
    laid = arrange(of, device)
    held = laid.slow_bytes * laid.blocks * device.processors
    beyond = max(0.0, 1 - cache / held) if held else 0.0  # of all accesses, however it is managed
    return {
        "draws": words_per_set(of) / 8 / rate["philox"],
        "arithmetic": entries * (one + double / rate["fma_float64"]),
        "memory": beyond * entries * 4 * 4 * 3 / rate["bytes"],
    }
