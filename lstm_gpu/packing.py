"""Which shards go into which job, and what the job asks for: seconds, memory, minutes.

A shard is the unit of results (one file, redone alone); a job is the unit of scheduling (one
process, one line of a queue). How shards are packed into jobs leaves no trace in the results.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, NamedTuple

from lstm_gpu.campaign import MUTANT_SETS, block_size, job_memory, memory_by_input
from lstm_gpu.configuration import case_table, shards
from lstm_gpu.errors import InputError
from lstm_gpu.weights.case import Case

__all__ = [
    "JOB_SECONDS",
    "Job",
    "Shard",
    "job_margin",
    "job_seconds",
    "kinds",
    "memory",
    "plan",
    "seconds",
    "shard_paths",
    "table_memory",
    "table_minutes",
]

JOB_SECONDS = 10.0
"""How long a job should last where the profile says nothing: ten times what starting one costs."""

PROCESS_MEMORY = 128
"""MiB of a process that has loaded the array code and drawn nothing: twice what is measured."""

HOST_MEMORY = 2048
"""MiB more for a job on a device, whose libraries take memory of the host too: an assumption."""


class Shard(NamedTuple):
    """The weight sets ``range(start, stop)`` of a case, and the file with what they say."""

    case: Case
    start: int
    stop: int
    path: str


@dataclass(frozen=True)
class Job:
    """Consecutive shards of one kind and dtype.

    Attributes
    ----------
    kind : "check", "align" or "formulas"
    name : unique among the jobs of its kind
    shards : in the order of the cases
    seconds : what they take, about
    """

    kind: str
    name: str
    shards: tuple[Shard, ...]
    seconds: float

    @property
    def ledger(self) -> str:
        """The file that says that all of the job's shards are there (see ledger.py)."""
        return f"results/jobs/{self.kind}/{self.name}.json"

    @property
    def memory(self) -> int:
        """MiB that the job may need; see `memory`."""
        return max(memory(self.kind, shard.case, shard.stop - shard.start) for shard in self.shards)

    @property
    def minutes(self) -> int:
        """The time to ask of a scheduler: ten times the estimate, and at least 10 minutes."""
        return max(10, math.ceil(10 * self.seconds / 60))

    @property
    def work(self) -> list[dict[str, Any]]:
        """The shards as JSON values for the job's script: per case its settings, folder, ranges."""
        parts = []
        for case, group in groupby(self.shards, key=lambda shard: shard.case):
            found = list(group)
            ranges = [[shard.start, shard.stop] for shard in found]
            folder = str(Path(found[0].path).parent)
            parts.append({"case": case.as_dict(), "folder": folder, "ranges": ranges})
        return parts


def plan(
    kind: str, config: Mapping[str, Any], folders: Sequence[str], target: float = JOB_SECONDS
) -> dict[str, Job]:
    """The jobs of one kind, by name.

    Parameters
    ----------
    folders : the folder name of each case, in the order of `case_table`
    target : seconds that a job should last on one core; a shard that takes longer is a job alone
    """
    cases = dict(zip(case_table(config), folders, strict=True))
    jobs = {}
    for dtype in config["cases"]["dtype"]:  # apart, for a measured accuracy holds for one of them
        whole = [
            Shard(case, start, stop, _path(kind, folder, start, stop))
            for case, folder in cases.items()
            if case.dtype == dtype
            for start, stop in shards(sets_of(kind, config), config["shard_size"])
        ]
        costs = [seconds(kind, s.case, s.start, s.stop, config) for s in whole]
        for number, (first, last) in enumerate(cut(costs, target)):
            name = f"{dtype}-{number:04d}"
            jobs[name] = Job(kind, name, tuple(whole[first:last]), sum(costs[first:last]))
    return jobs


def cut(costs: Sequence[float], target: float) -> Iterator[tuple[int, int]]:
    """Cut a row of positive costs into runs (first, last) of about equal sums near the target."""
    ends = list(accumulate(costs))
    if not ends:
        return
    share = ends[-1] / max(1, round(ends[-1] / target))
    # Each belongs to the share in which its middle lies.
    places = [int((end - cost / 2) / share) for end, cost in zip(ends, costs, strict=True)]
    for _, run in groupby(range(len(costs)), key=places.__getitem__):
        first, *others = run
        yield first, (others or [first])[-1] + 1


def shard_paths(kind: str, config: Mapping[str, Any], folders: Sequence[str]) -> list[str]:
    """The files of all shards of one kind, in the order of the cases."""
    ranges = list(shards(sets_of(kind, config), config["shard_size"]))
    return [_path(kind, folder, start, stop) for folder in folders for start, stop in ranges]


def kinds(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of shards that are packed into jobs."""
    return ("check", "align", "formulas") if config.get("formulas") else ("check", "align")


def sets_of(kind: str, config: Mapping[str, Any]) -> int:
    """How many weight sets of each case a kind of shard is about."""
    return int(config["sphere"]["weight_sets"] if kind == "align" else config["weight_sets"])


def job_seconds(value: Any) -> float:
    """The target that a profile gives (`config: [job_seconds=600]`), as a number.

    Raises
    ------
    InputError
        It is not a positive number.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found < math.inf:
        raise InputError(
            f"`job_seconds` must be a positive number of seconds, got {value!r}. Write, in the "
            "profile, `config: [job_seconds=600]`, or leave it out."
        )
    return found


def job_margin(value: Any) -> int:
    """The MiB that a profile adds to each job (`config: [job_margin=512]`), as a number.

    Raises
    ------
    InputError
        It is not a whole number, or negative.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(
            f"`job_margin` must be a whole number of MiB, 0 or more, got {value!r}. Write, in the "
            "profile, `config: [job_margin=512]`, or leave it out."
        )
    return value


def seconds(kind: str, case: Case, start: int, stop: int, config: Mapping[str, Any]) -> float:
    """What a shard takes on one core with NumPy, in seconds: for jobs of about equal length.

    Fitted to measurements of n = 1 to 128 on an AMD EPYC core (`python -m benchmarks.overhead`
    shows both side by side). With k = n² and s weight sets:

    - check: 0.03 + 1e-5 s + 1.3e-6 k (s + s' + 7), where s' of the sets go through the wrong
      formulas too, and the worst entries' enclosures cost as much as 7 sets; the shard that holds
      the ladder of steps pays for 10 more.
    - align: 0.01 + s (2e-4 + 2.7e-6 k + 9e-8 n d), where d is the number of directions.
    - formulas: as check, for each file.
    """
    sets, entries = stop - start, case.hidden_size**2
    if kind == "align":
        samples = case.hidden_size * config["sphere"]["directions"]
        return 0.01 + sets * (2e-4 + 2.7e-6 * entries + 9e-8 * samples)
    twice = max(0, min(stop, MUTANT_SETS) - start)
    passes = sets + twice + 7 + (10 if start == 0 else 0)
    once = 0.03 + 1e-5 * sets + 1.3e-6 * entries * passes
    return once * max(1, len(config.get("formulas", ()))) if kind == "formulas" else once


def memory(kind: str, case: Case, sets: int) -> int:
    """MiB that a job needs at its peak for a shard, at most (a test compares with measured use).

    The interpreter with its libraries, and one block of weight sets at a time: `job_memory` for
    each set of the block.
    """
    needed = memory_by_input(case) if kind == "formulas" else job_memory(case)
    return PROCESS_MEMORY + math.ceil(min(sets, block_size(case)) * needed / 2**20)


def table_memory(config: Mapping[str, Any]) -> int:
    """MiB that the rules after the shards need, at most: twice what is measured.

    That is 100 MiB for the libraries, 0.6 for the tallies of a case, 1.1 KiB for a shard.
    """
    return 256 + math.ceil(2 * len(case_table(config)) + _count(config) / 512)


def table_minutes(config: Mapping[str, Any]) -> int:
    """The time to ask for merging all shards: ten times what one takes; at least 10 minutes.

    Measured: 1.3 ms for a shard, 15 where the wrong formulas are in it.
    """
    return max(10, math.ceil(10 * 0.015 * _count(config) / 60))


def _count(config: Mapping[str, Any]) -> int:
    cases, size = len(case_table(config)), config["shard_size"]
    return sum(cases * math.ceil(sets_of(kind, config) / size) for kind in kinds(config))


def _path(kind: str, folder: str, start: int, stop: int) -> str:
    return f"results/shards/{kind}/{folder}/{start}-{stop}.json"
