"""Contestants and the way they are timed: side by side, one after another, several rounds.

On a machine that others use, the time of one run says little; a ratio of two that ran right after
one another says more, and the median of such ratios over rounds more again. So every round times
every contestant once, every other round in the opposite order.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import ours, peers
from benchmarks.workers import Timing, Workers
from lstm_gpu.weights import Case

Pools = Mapping[str, Workers]
SEED = 1
_LEAST_SECONDS = 0.15  # a run is made of as many batches as take about this long


@dataclass(frozen=True)
class Contestant:
    """An engine in one arrangement: `processes` at the same time, each of `threads` threads.

    batch : weight sets that one call gets, in each process
    calls : calls per process and run
    """

    engine: str
    processes: int
    threads: int
    batch: int
    calls: int = 1

    @property
    def sets(self) -> int:
        return self.processes * self.batch * self.calls

    @property
    def pool(self) -> str:
        """Its processes. JAX takes as many threads as there are cores when it starts, so each of
        its arrangements has its own.
        """
        if self.engine in ours.CHECKS:
            return "ours"
        package = peers.PEERS[self.engine].package
        return f"jax, {self.processes}" if package == "jax" else "peers"

    def run(self, pools: Pools, case: Case) -> Timing:
        """One run, each process on a range of weight sets of its own. What a peer is given is made
        before the clock starts, in every run: no process holds the weight sets of all its peers.
        """
        size, pool = self.batch * self.calls, pools[self.pool]
        own = [
            (self.engine, case, SEED, k * size, (k + 1) * size, self.batch)
            for k in range(self.processes)
        ]
        if self.engine in ours.CHECKS:
            return pool.run(ours.run, own)
        pool.run(peers.hold, own)
        return pool.run(peers.run, [(*one, self.threads) for one in own])

    def long_enough(self, pools: Pools, case: Case) -> "Contestant":
        """The same with as many calls as a run of sufficient length needs; also the warm-up."""
        self.run(pools, case)
        seconds = self.run(pools, case).wall
        calls = max(1, min(round(_LEAST_SECONDS / seconds), 64))
        longer = Contestant(**{**asdict(self), "calls": calls})
        longer.run(pools, case)
        return longer


WORKFLOW = (2, 1)  # processes, threads of each: ours, as the workflow runs on two cores


def best_batch(
    engine: str, arrangement: tuple[int, int], batches: tuple[int, ...], pools: Pools, case: Case
) -> Contestant:
    """The peer at the batch size that suits it best: least time per weight set, of three runs."""

    def time(contestant: Contestant) -> float:
        contestant.run(pools, case)
        return min(contestant.run(pools, case).wall for _ in range(3)) / contestant.sets

    return min((Contestant(engine, *arrangement, batch) for batch in batches), key=time)


def rounds(
    contestants: list[Contestant], case: Case, count: int, pools: Pools
) -> list[dict[str, Any]]:
    """Time all contestants `count` times, interleaved.

    Returns
    -------
    For each contestant its settings, ``seconds`` and ``processor_seconds`` per weight set (one
    per round) and its verdicts.
    """
    timings: list[list[Timing]] = [[] for _ in contestants]
    order = list(range(len(contestants)))
    for r in range(count):
        for k in order if r % 2 == 0 else order[::-1]:
            timings[k].append(contestants[k].run(pools, case))
    return [
        {
            **asdict(contestant),
            "seconds": [t.wall / contestant.sets for t in own],
            "processor_seconds": [t.processor / contestant.sets for t in own],
            "verdicts": sorted({verdict for t in own for verdict in t.results}),
        }
        for contestant, own in zip(contestants, timings, strict=True)
    ]


def summary(seconds: list[float], over: list[float] | None = None) -> dict[str, float]:
    """Median, quartiles and least of times; with `over`, of the ratios round by round."""
    values = np.array(seconds) if over is None else np.array(seconds) / np.array(over)
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    return {
        "median": float(median),
        "lower_quartile": float(low),
        "upper_quartile": float(high),
        "least": float(values.min()),
    }
