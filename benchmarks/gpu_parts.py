"""The parts of `benchmarks.gpu`: each a function that a process of its own calls."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import peers
from benchmarks.gpu_rates import ROUNDS, floor, namespace, timed
from lstm_gpu import cuda_check, kernels, scan
from lstm_gpu.arrangement import Device, arrange
from lstm_gpu.claims import sigmoid_kernel
from lstm_gpu.claims.function_errors import FLOAT32
from lstm_gpu.sphere import kernel as sphere
from lstm_gpu.sphere import search
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import claimed_rows
from lstm_gpu.weights import Case, draw

SECONDS = 1.0  # a measurement is made of as many weight sets as take about this long
SEED = 1
SPHERE = (128, 256, 2**15)  # hidden size, weight sets, samples
TORCH_PEERS = {
    "torch_func": "torch.func, vmap jacrev",
    "gradcheck": "torch.autograd.gradcheck, slow",
}
_MOST = 2**40  # weight sets
# Entries of Jacobians that torch.func has at once: the best counts.
_BATCHES = (2**18, 2**20, 2**22)


def case(n: int, dtype: str) -> Case:
    """PyTorch's default weights, generic states, m = n."""
    return Case(n, n, dtype, "pytorch_uniform", "generic")


def seconds_per_set(check: Callable[[Case, int, int, int], Any], of: Case, least: int) -> float:
    """The least of some runs, each of as many weight sets as take about `SECONDS`.

    The first run, which may compile, says nothing of how many those are.
    """
    count = least
    check(of, SEED, 0, count)
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


def measure_check(n: int, dtype: str, rate: dict[str, float] | None) -> dict[str, Any]:
    """The check, and its floor where the rates are known; how it lies on the device."""
    xp, of = namespace(), case(n, dtype)
    device = Device.here(xp)
    laid = arrange(of, device)
    kernel = kernels.function("check", f"check_{dtype}_{laid.place}")
    ours = seconds_per_set(cuda_check.check, of, 256)
    cache = int(xp.cuda.Device().attributes["L2CacheSize"])
    own = floor(of, rate, device, cache) if rate else {}
    binding = max(own, key=lambda name: own[name], default="")
    fit = xp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
    return {
        "hidden_size": n,
        "dtype": dtype,
        "seconds": ours,
        "floor": own,
        "binding": binding,
        "over_floor": ours / own[binding] if own else None,
        "place": laid.place,
        "threads": laid.threads,
        "blocks": laid.blocks,  # of a multiprocessor: counted on, and what the driver says
        "blocks_that_fit": fit(kernel.kernel.ptr, laid.threads, laid.fast_bytes),
        "registers": kernel.num_regs,
    }


def numpy_seconds(n: int) -> float:
    """Seconds per weight set of the array code on one core."""
    return seconds_per_set(scan.check_by_arrays, case(n, "float64"), 1)


def torch_seconds(n: int) -> dict[str, float]:
    """Seconds per weight set of torch.func and gradcheck on the GPU; empty where there is none."""
    if peers.missing("torch"):
        return {}
    import torch

    if not torch.cuda.is_available():
        return {}
    found = {}
    for key, name in TORCH_PEERS.items():
        peer = peers.PEERS[name]  # its `convert` puts arrays onto the GPU
        batches = [max(1, size // n**2) for size in _BATCHES] if peer.batched else [1]
        found[key] = min(_peer_seconds(peer, n, batch) for batch in dict.fromkeys(batches))
    return found


def _peer_seconds(peer: peers.Peer, n: int, batch: int) -> float:
    whole = peers.inputs(case(n, "float64"), SEED, 0, batch)
    own = peers.Inputs(*map(peer.convert, whole))
    peer.check(own)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        peer.check(own)  # ends with a number on the host, so the device is done
        times.append((time.perf_counter() - began) / batch)
    return statistics.median(times)


def measure_sphere() -> dict[str, float]:
    """The search of a part: products w·h, each with one of d·h beside it."""
    xp = namespace()
    n, count, samples = SPHERE
    of, sets = case(n, "float64"), range(count)
    drawn = draw(of, SEED, 0, count, xp)
    gate, rows = Gate.of(drawn), claimed_rows(drawn.U[:, 1], xp)
    claim = search.claim_of(gate, rows.direction, rows.norm, 1.0, xp)
    block = range(min(samples, 2**11))
    return {
        "products_per_second": count * samples * n * n
        / timed(lambda: sphere.search_all([gate], [claim], of, SEED, sets, samples, xp), xp),
        "directions_per_second": count * len(block)
        / timed(lambda: sphere.directions(of, SEED, sets, block, xp), xp),
    }  # fmt: skip


def measure_sigmoid() -> dict[str, float]:
    """Seconds of all 2^32 float32 values through the forms, and through the functions."""
    xp = namespace()
    return {
        "forms": timed(lambda: sigmoid_kernel.survey_range(0, FLOAT32.patterns, xp), xp),
        "functions": timed(lambda: sigmoid_kernel.measure(0, FLOAT32.patterns, xp), xp),
    }
