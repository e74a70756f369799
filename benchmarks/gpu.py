"""``python -m benchmarks.gpu``: the CUDA kernels beside their floors, and torch on the same GPU.

Each part has a process of its own, and the record is written after each: a part that fails costs
no other. Not run on a GPU yet.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import gpu_parts, gpu_rates, gpu_targets, machine, runs
from benchmarks.isolated import Failed, isolated
from lstm_gpu import backend
from lstm_gpu.errors import InputError
from lstm_gpu.files import write_json
from lstm_gpu.weights import DTYPES

SIZES = (8, 16, 32, 64, 128, 256, 512)
LIMIT = 150  # seconds of a part
RESULTS = Path(__file__).with_name("results")


def line(row: dict[str, Any]) -> str:
    """One row of the table: ours, what binds, and how many times as long the others take."""
    others = " ".join(
        f"{name} x{row[name] / row['seconds']:.4g}"
        for name in ("numpy", "torch_func", "gradcheck")
        if row.get(name)
    )
    over = f"{row['over_floor']:.2f} x floor ({row['binding']})" if row["floor"] else "no floor"
    return (
        f"n = {row['hidden_size']:<4} {row['dtype']}  {row['seconds']:.3g} s per weight set, "
        f"{over}  {row['place']}, {row['blocks_that_fit']}/{row['blocks']} blocks, "
        f"{row['registers']} registers  {others}"
    )


def measure(xp: Any, sizes: tuple[int, ...], keep: Callable[[dict[str, Any]], Any]) -> None:
    """Everything, part by part; `keep` is given the JSON-able record after each."""
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = "1"  # NumPy's side is one core, in the processes that start now
    began = time.perf_counter()
    record: dict[str, Any] = {
        "device": {**backend.describe(xp), "routines": backend.routines(xp)},
        "machine": machine.describe(),
        "rates": None,
        "dgemm": None,
        "checks": [],
        "sphere": None,
        "sigmoid": None,
        "failures": {},
        "seconds": {},
    }

    def part(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        found, start = None, time.perf_counter()
        try:
            found = isolated(function, *arguments, limit=LIMIT)
        except Failed as failed:
            record["failures"][name] = str(failed)
        record["seconds"][name] = round(time.perf_counter() - start, 1)
        said = line(found) if function is gpu_parts.measure_check and found else found
        said = record["failures"].get(name, said)
        print(f"{time.perf_counter() - began:.0f} s  {name}: {said}", flush=True)
        return found

    def done() -> None:
        record["targets"] = gpu_targets.targets(record)
        keep(record)

    for name, function in (("rates", gpu_rates.rates), ("dgemm", gpu_rates.dgemm)):
        record[name] = part(name, function)
    for dtype in DTYPES:
        for n in sizes:
            row = part(
                f"check, n = {n}, {dtype}", gpu_parts.measure_check, n, dtype, record["rates"]
            )
            record["checks"] += [row] if row else []
            done()
    for name, function in (
        ("sphere", gpu_parts.measure_sphere),
        ("sigmoid", gpu_parts.measure_sigmoid),
    ):
        record[name] = part(name, function)
        done()
    for row in (row for row in record["checks"] if row["dtype"] == "float64"):
        n = row["hidden_size"]
        row["numpy"] = part(f"NumPy, n = {n}", gpu_parts.numpy_seconds, n)
        row.update(part(f"torch, n = {n}", gpu_parts.torch_seconds, n) or {})
        done()
    done()
    print(*map(line, record["checks"]), sep="\n")
    print(*map(gpu_targets.line, record["targets"]), sep="\n")


def main(arguments: list[str] | None = None) -> int:
    """Measure and record.

    Exit code 1 where a part failed; 2 where there is no GPU, or the record cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    kept: list[dict[str, Any]] = []
    try:
        xp = gpu_rates.namespace()
        name = re.sub(r"[^a-z0-9]+", "-", backend.describe(xp)["device"].lower()).strip("-")

        def keep(record: dict[str, Any]) -> None:
            write_json(options.results / f"{name}.json", "benchmark", record)
            kept[:] = [record]

        measure(xp, tuple(options.sizes), keep)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    code = runs.recorded(options.results, "benchmark", kept[0], name)
    return code or int(bool(kept[0]["failures"]))


if __name__ == "__main__":
    sys.exit(main())
