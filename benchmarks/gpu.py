"""``python -m benchmarks.gpu``: the CUDA kernels beside their floors, and torch on the same GPU.

The floor of a full check is a roofline: the largest of three times, since integers, floating point
and memory are served by units of their own that may work at once. Each is a count of operations
over the rate that this very device was measured to reach:

- draws: calls of Philox, one for 8 uniforms;
- arithmetic: additions, multiplications and divisions of the dtype per entry (_COUNTS), and those
  of double that make a weight;
- memory: U written once and read twice, 4 bytes an entry, where it is not in shared memory.

Not run on a GPU yet.
"""

import argparse
import math
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, peers, runs
from lstm_gpu import backend, cuda_check, kernels, scan
from lstm_gpu.arrangement import Device, arrange
from lstm_gpu.claims import sigmoid_kernel
from lstm_gpu.claims.function_errors import FLOAT32
from lstm_gpu.errors import InputError
from lstm_gpu.sphere import kernel as sphere
from lstm_gpu.sphere import search
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import claimed_rows
from lstm_gpu.weights import DTYPES, Case, draw, words_per_set

SIZES = (8, 16, 32, 64, 128, 256, 512)
SECONDS = 1.0  # a measurement is made of as many weight sets as take about this long
TORCH_PEERS = {
    "torch_func": "torch.func, vmap jacrev",
    "gradcheck": "torch.autograd.gradcheck, slow",
}
ROUNDS = 3
SPHERE = (128, 256, 2**15)  # hidden size, weight sets, samples
SEED = 1
_GRID, _THREADS = 2048, 256
_COPIED = 2**28  # bytes
_MOST = 2**40  # weight sets
# Per entry of a Jacobian, counted in the machine code for sm_90: operations, divisions, and of
# double besides. The entry's own, and 5 (3) for each of 8 weights; one of float32 is made in 2.
_COUNTS = {"float64": (83 + 8 * 5, 1, 0), "float32": (91 + 8 * 3, 1, 8 * 2)}

RESULTS = Path(__file__).with_name("results")


def case(n: int, dtype: str) -> Case:
    """PyTorch's default weights, generic states, m = n."""
    return Case(n, n, dtype, "pytorch_uniform", "generic")


def timed(operation: Callable[[], Any], xp: Any) -> float:
    """Seconds of the fastest of some runs, after one to warm up; the device has finished each."""
    operation()
    seconds = []
    for _ in range(ROUNDS):
        xp.cuda.Device().synchronize()
        began = time.perf_counter()
        operation()
        xp.cuda.Device().synchronize()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def rates(xp: Any) -> dict[str, float]:
    """Operations, and bytes read or written, per second."""
    threads, found = _GRID * _THREADS, {}
    names = [f"{kind}_{dtype}" for kind in ("fma", "divide") for dtype in DTYPES]
    for name in ("philox", "mma_float64", *names):
        dtype = name.rpartition("_")[2] if name != "philox" else "uint32"
        kernel = kernels.function("rates", f"rate_{name}")
        each = {"philox": 1, "mma_float64": 512}.get(name, 8)
        out, count = xp.empty(threads, dtype=dtype), np.int64(2**10 if each <= 8 else 2**6)

        def run(kernel: Any = kernel, count: Any = count, out: Any = out) -> None:
            kernel((_GRID,), (_THREADS,), (count, out))

        found[name] = each * int(count) * threads / timed(run, xp)
    source, target = (xp.zeros(_COPIED // 8, dtype=np.float64) for _ in range(2))

    def copy() -> None:
        target[...] = source

    found["bytes"] = 2 * _COPIED / timed(copy, xp)
    return found


def floor(of: Case, rate: dict[str, float], device: Device) -> dict[str, float]:
    """Seconds of one weight set on the whole device, by what binds."""
    operations, divisions, double = _COUNTS[of.dtype]
    entries = of.hidden_size**2
    one = operations / rate[f"fma_{of.dtype}"] + divisions / rate[f"divide_{of.dtype}"]
    slow = arrange(of, device).place != "fast"
    return {
        "draws": words_per_set(of) / 8 / rate["philox"],
        "arithmetic": entries * (one + double / rate["fma_float64"]),
        "memory": entries * 4 * 4 * 3 / rate["bytes"] if slow else 0.0,
    }


def seconds_per_set(check: Callable[[Case, int, int, int], Any], of: Case, least: int) -> float:
    """The least of some runs, each of as many weight sets as take about `SECONDS`."""
    count = least
    while True:
        began = time.perf_counter()
        check(of, SEED, 0, count)
        seconds = time.perf_counter() - began
        if seconds >= SECONDS / 2 or count > _MOST:
            break
        count = math.ceil(count * min(16.0, max(2.0, SECONDS / max(seconds, 1e-3))))
    runs = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        check(of, SEED, 0, count)
        runs.append((time.perf_counter() - began) / count)
    return min(runs)


def torch_seconds(n: int) -> dict[str, float]:
    """Seconds per weight set of torch.func and gradcheck on the GPU; empty where there is none."""
    if peers.missing("torch"):
        return {}
    import torch

    if not torch.cuda.is_available():
        return {}
    batch = max(1, min(4096, 2**20 // n**2))
    whole = peers.inputs(case(n, "float64"), SEED, 0, batch)
    found = {}
    for key, name in TORCH_PEERS.items():
        peer = peers.PEERS[name]  # its `convert` puts arrays onto the GPU
        own = peers.Inputs(*map(peer.convert, whole if peer.batched else whole.part(0, 1)))
        peer.check(own)
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            peer.check(own)  # ends with a number on the host, so the device is done
            times.append((time.perf_counter() - began) / len(own.h))
        found[key] = statistics.median(times)
    return found


def measure_check(n: int, dtype: str, rate: dict[str, float], xp: Any) -> dict[str, Any]:
    of = case(n, dtype)
    ours = seconds_per_set(cuda_check.check, of, 256)
    own = floor(of, rate, Device.here(xp))
    binding = max(own, key=lambda name: own[name])
    return {
        "hidden_size": n,
        "dtype": dtype,
        "seconds": ours,
        "floor": own,
        "binding": binding,
        "over_floor": ours / own[binding],
        "numpy": seconds_per_set(scan.check_by_arrays, of, 1) if dtype == "float64" else None,
        **(torch_seconds(n) if dtype == "float64" else {}),
    }


def measure_sphere(rate: dict[str, float], xp: Any) -> dict[str, float]:
    """The search of a part. Its floor: a multiply-add each for w·h and d·h, in DMMA."""
    n, count, samples = SPHERE
    of, sets = case(n, "float64"), range(count)
    drawn = draw(of, SEED, 0, count, xp)
    gate, rows = Gate.of(drawn), claimed_rows(drawn.U[:, 1], xp)
    claim = search.claim_of(gate, rows.direction, rows.norm, 1.0, xp)
    seconds = timed(lambda: sphere.search_all([gate], [claim], of, SEED, sets, samples, xp), xp)
    products = count * samples * n * n
    return {
        "seconds": seconds,
        "products_per_second": products / seconds,
        "over_floor": seconds / (2 * products / rate["mma_float64"]),
    }


def measure_sigmoid(xp: Any) -> dict[str, float]:
    """All 2^32 float32 values through the forms, and through the functions."""
    return {
        "forms": timed(lambda: sigmoid_kernel.survey_range(0, FLOAT32.patterns, xp), xp),
        "functions": timed(lambda: sigmoid_kernel.measure(0, FLOAT32.patterns, xp), xp),
    }


def line(row: dict[str, Any]) -> str:
    """One row of the table: ours, what binds, and how many times as long the others take."""
    others = " ".join(
        f"{name} x{row[name] / row['seconds']:.4g}"
        for name in ("numpy", "torch_func", "gradcheck")
        if row.get(name)
    )
    return (
        f"n = {row['hidden_size']:<4} {row['dtype']}  {row['seconds']:.3g} s per weight set, "
        f"{row['over_floor']:.2f} x floor ({row['binding']})  {others}"
    )


def measure(xp: Any, sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Everything, as a JSON-able record."""
    rate = rates(xp)
    print("rates: " + ", ".join(f"{name} {value:.3g}/s" for name, value in rate.items()))
    rows = []
    for dtype in DTYPES:
        for n in sizes:
            rows.append(measure_check(n, dtype, rate, xp))
            print(line(rows[-1]), flush=True)
    own = {"sphere": measure_sphere(rate, xp), "sigmoid": measure_sigmoid(xp)}
    print(own)
    described = {**backend.describe(xp), "routines": backend.routines(xp)}
    return {
        "device": described,
        "machine": machine.describe(),
        "rates": rate,
        "checks": rows,
        **own,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and record; exit code 2 where there is no GPU, or the record cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    try:
        xp, reason = kernels.or_reason()
        if xp is None:
            raise InputError(f"`benchmarks.gpu` needs a GPU and a compiler, but {reason}.")
        measured = measure(xp, tuple(options.sizes))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    name = re.sub(r"[^a-z0-9]+", "-", measured["device"]["device"].lower()).strip("-")
    return runs.recorded(options.results, "benchmark", measured, name)


if __name__ == "__main__":
    sys.exit(main())
