"""`lstm-gpu scan`: the options checked, then the sizes one by one, a line of text for each."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lstm_gpu.campaign import job_memory
from lstm_gpu.configuration import COMMAND_MEMORY_LIMIT
from lstm_gpu.errors import InputError
from lstm_gpu.plan import LARGEST_SEED, LARGEST_SIZE, choice, whole
from lstm_gpu.progress import Progress
from lstm_gpu.scan import ENGINES, engine_for, scan
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, REGIMES, Case

OPTIONS = (
    *("hidden_size", "input_size", "weight_sets", "dtype", "distribution", "regime"),
    *("seed", "engine", "jobs"),
)
MOST_SETS, MOST_JOBS = 10**12, 4096
HEADS = ("n", "engine", "weight sets", "verdict", "error/bound", "would have caught", "seconds")


@dataclass(frozen=True)
class Scan:
    """What to scan: the options of the command line, checked.

    Raises
    ------
    InputError
        in one line, for an option out of range, and for an engine that is not to be had.
    """

    hidden_size: Sequence[int]
    input_size: int | None
    weight_sets: int
    dtype: str
    distribution: str
    regime: str
    seed: int
    engine: str
    jobs: int | None

    def __post_init__(self) -> None:
        for n in self.hidden_size:
            whole("hidden_size", n, 1, LARGEST_SIZE)
        for name, value, high in (
            ("input_size", self.input_size, LARGEST_SIZE),
            ("jobs", self.jobs, MOST_JOBS),
        ):
            if value is not None:
                whole(name, value, 1, high)
        whole("weight_sets", self.weight_sets, 1, MOST_SETS)
        whole("seed", self.seed, 0, LARGEST_SEED)
        choice("dtype", self.dtype, DTYPES)
        choice("distribution", self.distribution, DISTRIBUTIONS)
        choice("regime", self.regime, REGIMES)
        choice("engine", self.engine, ENGINES)
        jobs = self.processes
        needed = jobs * max(job_memory(case) for case in self.cases)
        needed = 0 if self.engine == "cuda" else needed  # the device's memory: `cuda_check.memory`
        if needed > COMMAND_MEMORY_LIMIT:
            raise InputError(
                f"`hidden_size` must leave {jobs} jobs below "
                f"{COMMAND_MEMORY_LIMIT / 2**30:.3g} GiB, got {max(self.hidden_size)}, which takes "
                f"{needed / 2**30:.3g} GiB. Choose a smaller size, or fewer jobs."
            )
        for case in self.cases:
            engine_for(case, self.engine)

    @property
    def processes(self) -> int:
        """One per core that this process may use, unless it is said; one for a GPU."""
        if self.engine == "cuda":
            return 1
        return self.jobs or len(os.sched_getaffinity(0))

    @property
    def cases(self) -> list[Case]:
        settings = self.dtype, self.distribution, self.regime
        return [Case(n, self.input_size or n, *settings) for n in self.hidden_size]

    def run(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Scan size after size; yields the verdict, and the cells of a line under `HEADS`."""
        for case in self.cases:
            engine = engine_for(case, self.engine)
            progress = Progress(f"n = {case.hidden_size}")
            began = time.perf_counter()
            record = scan(case, self.seed, self.weight_sets, engine, self.processes, progress)
            seconds = time.perf_counter() - began
            yield (
                record.verdict,
                (
                    str(case.hidden_size),
                    engine,
                    f"{self.weight_sets:,}",
                    record.verdict,
                    f"{record.ratio:.3g}",
                    f"{record.smallest_detectable:.3g}",
                    f"{seconds:.1f}",
                ),
            )


def line(cells: Sequence[str]) -> str:
    """Cells in columns of a fixed width, so that a line can be printed before the next is known."""
    widths = (6, 10, 14, 14, 13, 19, 9)
    return "".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()
