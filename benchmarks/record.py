"""One measurement of everything, as a JSON-able record."""

from collections.abc import Callable
from typing import Any

from benchmarks import contest, floors, machine, memory, peers
from benchmarks.contest import ARRANGEMENTS, SEED, WORKFLOW, Contestant
from benchmarks.workers import workers
from lstm_gpu import compiled
from lstm_gpu.weights import Case

SIZES = (8, 32, 64, 256)
# Weight sets of the batch that is the same for both sides, and the batches among which each
# arrangement of a peer may choose: from what its calls dominate to what leaves the cache.
FIXED_BATCH = {8: 512, 32: 512, 64: 512, 256: 32}
BATCHES = {8: (512, 2048, 8192), 32: (16, 64, 256), 64: (8, 32, 128), 256: (1, 4, 16)}
SHARD_ENTRIES = 2**20  # ours at its best: a call gets a shard of so many entries of Jacobians
MEMORY_SIZE = 64


def case(n: int) -> Case:
    """PyTorch's default weights, generic states, m = n."""
    return Case(n, n, "float64", "pytorch_uniform", "generic")


def _fixed(n: int) -> int:
    return FIXED_BATCH.get(n, 512 if n <= 64 else 32)


def _batches(n: int) -> tuple[int, ...]:
    return BATCHES[min(BATCHES, key=lambda size: abs(size - n))]


def measure_size(n: int, count: int, with_peers: bool) -> dict[str, Any]:
    """Everything at one hidden size, in `count` interleaved rounds."""
    shard = max(1, SHARD_ENTRIES // n**2)
    entrants = [
        ("fixed", Contestant("ours", *WORKFLOW, _fixed(n))),
        ("shard", Contestant("ours", *WORKFLOW, shard)),
        ("given", Contestant("ours_given", *WORKFLOW, shard)),
    ]
    if not compiled.library_or_reason()[1]:
        entrants.append(("compiled", Contestant("ours_compiled", *WORKFLOW, _fixed(n))))
    with workers(WORKFLOW[0]) as our_pool, workers(2 if with_peers else 0) as peer_pool:
        rate = our_pool.run(floors.rates, [()]).results[0]
        for arrangement in ARRANGEMENTS if with_peers else ():
            own = contest.best_batch("torch_func", arrangement, _batches(n), peer_pool, case(n))
            entrants += [
                ("single", Contestant("gradcheck", *arrangement, 1)),
                ("fixed", Contestant("torch_func", *arrangement, _fixed(n))),
                ("best", own),
            ]
        pools = {"ours": our_pool, "peers": peer_pool}
        ready = [c.long_enough(contest.pool_of(c, pools), case(n)) for _, c in entrants]
        rows = contest.rounds(ready, case(n), count, pools)
    for row, (kind, _) in zip(rows, entrants, strict=True):
        row["kind"] = kind
    ours = {row["kind"]: row for row in rows if row["engine"].startswith("ours")}
    others = [row for row in rows if not row["engine"].startswith("ours")]
    for row in others:
        # Against our own call of the same batch, and otherwise against a shard.
        rival = ours["fixed" if row["kind"] == "fixed" else "shard"]
        row["ratio"] = contest.summary(row["seconds"], rival["seconds"])
        row["processor_ratio"] = contest.summary(
            row["processor_seconds"], rival["processor_seconds"]
        )
        for kind in ("given", "compiled"):
            if kind in ours:
                row[f"ratio_{kind}"] = contest.summary(row["seconds"], ours[kind]["seconds"])
    return {
        "hidden_size": n,
        "ours": ours,
        "peers": others,
        "rates": rate,
        "floor": floors.floor(case(n), rate),
    }


def measure(sizes: list[int], count: int, show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Measure all sizes, then the memory; `show` is given each size as soon as it is done."""
    reason = peers.missing()
    results = []
    for n in sizes:
        results.append(measure_size(n, count, with_peers=not reason))
        show(results[-1])
    return {
        "machine": machine.describe(),
        "rounds": count,
        "peers_skipped": reason,
        "sizes": results,
        "memory": {
            "hidden_size": MEMORY_SIZE,
            "peaks": memory.peaks(case(MEMORY_SIZE), SEED),
        },
    }
