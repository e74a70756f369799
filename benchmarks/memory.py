"""Peak memory of a check job, and whether it grows with the number of weight sets."""

import resource
import sys
from pathlib import Path

from benchmarks.workers import workers
from lstm_gpu.campaign import block_size, check_shard
from lstm_gpu.weights import Case

_FACTOR = 10
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which `getrusage` counts


def peak() -> int:
    """Bytes that this process has held at most."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent process held before exec
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _peak_after(case: Case, seed: int, sets: int) -> int:
    """The peak after checking `sets` weight sets."""
    check_shard(case, seed, 0, sets, "numpy")
    return peak()


def peaks(case: Case, seed: int) -> dict[str, int]:
    """Peak bytes of the campaign's check job, with some blocks and with ten times as many."""
    sets = 2 * block_size(case)
    result = {}
    for count in (sets, _FACTOR * sets):
        with workers(1) as fresh:
            result[str(count)] = fresh.run(_peak_after, [(case, seed, count)]).results[0]
    return result
