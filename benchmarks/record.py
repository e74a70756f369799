"""One measurement of everything, as a JSON-able record."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks import contest, floors, growth, machine, memory, peers
from benchmarks.contest import SEED, WORKFLOW, Contestant
from benchmarks.workers import workers
from lstm_gpu import compiled
from lstm_gpu.weights import DTYPES, Case

KIND = "benchmark"
SIZES = (8, 16, 32, 64, 128, 256)
# The batches among which each arrangement of a peer may choose: from what its calls dominate to
# what leaves the cache.
BATCHES = {
    **{8: (128, 1024, 8192), 16: (32, 256, 2048), 32: (16, 64, 256)},
    **{64: (4, 16, 64), 128: (2, 8, 32), 256: (1, 4, 16)},
}
CALL_ENTRIES = 2**20  # a call of ours gets as many entries of Jacobians, as those of `scan` do
MEMORY_SIZE = 64
POOLS = {"ours": 2, "peers": 2, "jax, 1": 1, "jax, 2": 2}


def case(n: int, dtype: str = "float64") -> Case:
    """PyTorch's default weights, generic states, m = n."""
    return Case(n, n, dtype, "pytorch_uniform", "generic")


def _batches(n: int) -> tuple[int, ...]:
    return BATCHES[min(BATCHES, key=lambda size: abs(size - n))]


def _ours(n: int) -> list[Contestant]:
    engines = ["arrays"] if compiled.library_or_reason()[1] else ["compiled", "arrays"]
    return [Contestant(engine, *WORKFLOW, max(1, CALL_ENTRIES // n**2)) for engine in engines]


def _peers(n: int, pools: contest.Pools) -> list[Contestant]:
    """Each peer in its arrangements, at the batch that suits it best in that arrangement."""
    entrants = []
    for peer in peers.present():
        for arrangement in peer.arrangements:
            batches = _batches(n) if peer.batched else (1,)
            own = contest.best_batch(peer.name, arrangement, batches, pools, case(n))
            entrants.append(own)
    return entrants


def measure_size(n: int, dtype: str, count: int) -> dict[str, Any]:
    """Everything at one hidden size, in `count` interleaved rounds; the peers in float64 alone, in
    which they check: in float32 their tolerances are below their noise.
    """
    of = case(n, dtype)
    with ExitStack() as stack:
        pools = {name: stack.enter_context(workers(size)) for name, size in POOLS.items()}
        entrants = _ours(n) + (_peers(n, pools) if dtype == "float64" else [])
        ready = [entrant.long_enough(pools, of) for entrant in entrants]
        rate = None
        if not floors.missing():  # on all cores at once, as ours is measured
            both = pools["ours"].run(floors.rates, [(of,)] * WORKFLOW[0]).results
            rate = {name: min(one[name] for one in both) for name in floors.RATES}
        rows = contest.rounds(ready, of, count, pools)
    ours = {row["engine"]: row for row in rows[: len(_ours(n))]}
    others = rows[len(ours) :]
    for row in others:
        row["over"] = {
            name: contest.summary(row["seconds"], own["seconds"]) for name, own in ours.items()
        }
    return {
        "hidden_size": n,
        "dtype": dtype,
        "ours": ours,
        "peers": others,
        "rates": rate,
        "floor": rate and floors.floor(of, rate),
    }


def measure(sizes: list[int], count: int, show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure all sizes, then the memory; `show` is given each size as soon as it is done."""
    packages = sorted({peer.package for peer in peers.PEERS.values()})
    results = []
    for n in sizes:
        for dtype in DTYPES:
            results.append(measure_size(n, dtype, count))
            show(results[-1])
    return {
        "machine": machine.describe(),
        "rounds": count,
        "skipped": [
            reason for reason in (*map(peers.missing, packages), floors.missing()) if reason
        ],
        "sizes": results,
        "memory": {
            "hidden_size": MEMORY_SIZE,
            "peaks": memory.peaks(case(MEMORY_SIZE), SEED),
        },
        "growth": growth.measure(),
    }
