"""Time and memory of `lstm-gpu scan` with more and more weight sets: linear, and flat.

Each number of weight sets is scanned by a process of its own (this module, run with the number),
with a job for each core.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

from benchmarks import machine, memory
from lstm_gpu.scan import engine_for, scan
from lstm_gpu.weights import Case

HIDDEN_SIZE = 8
COUNTS = (10**5, 10**6, 10**7)


def _case() -> Case:
    return Case(HIDDEN_SIZE, HIDDEN_SIZE, "float64", "pytorch_uniform", "generic")


def scanned(weight_sets: int) -> dict[str, Any]:
    """Scan; the seconds, and the peak bytes of this process and of the largest of its jobs."""
    start = time.perf_counter()
    record = scan(_case(), 0, weight_sets, jobs=machine.cores())
    seconds = time.perf_counter() - start
    jobs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * memory.UNIT
    return {
        "weight_sets": record.weight_sets,
        "seconds": seconds,
        "peak": memory.peak(),
        "peak_of_a_job": jobs,
        "verdict": record.verdict,
    }


def measure(counts: tuple[int, ...] = COUNTS) -> dict[str, Any]:
    """Scan each number of weight sets in a fresh process."""
    runs = []
    for count in counts:
        command = (sys.executable, "-m", "benchmarks.growth", str(count))
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    return {
        "hidden_size": HIDDEN_SIZE,
        "engine": engine_for(_case()),
        "jobs": machine.cores(),
        "runs": runs,
    }


if __name__ == "__main__":
    print(json.dumps(scanned(int(sys.argv[1]))))
