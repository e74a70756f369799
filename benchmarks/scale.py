"""``python -m benchmarks.scale``: the workflow with very many shards of a tiny case.

For each number of shards, in a folder of its own: planning, the run, files and bytes, aggregation
in a process of its own, a run with nothing to do, and a run after one shard was lost. Then the same
number of shards with ten times as many weight sets, which aggregation must not notice.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine, runs
from benchmarks.overhead import TINY

RESULTS = Path(__file__).with_name("results")
COUNTS = (100, 1_000, 10_000)
SETS = 4  # weight sets per shard
MORE = 10  # times as many weight sets

AGGREGATE = """
import resource, sys
from pathlib import Path
from lstm_gpu import configuration
from lstm_gpu.report import tables
before = resource.getrusage(resource.RUSAGE_SELF)
shards = sorted(Path("results/shards").glob("*/*/*.json"))
shards += sorted(Path("results/shards/sigmoid").glob("*.json"))
tables.aggregate(shards, configuration.load(sys.argv[1]), Path("again"))
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 2**10)
"""


def config(shards: int, sets: int) -> dict[str, Any]:
    """`shards` shards of one case, of `sets` weight sets each."""
    return {**TINY, "weight_sets": shards * sets, "shard_size": sets}


def measure(folder: Path, shards: int, sets: int) -> dict[str, Any]:
    """The life of a run, in `folder`; seconds are the processors' but for `run_wall`."""
    path = runs.write_config(folder / "config.yaml", config(shards, sets))
    dry = runs.workflow(folder, path, "--dry-run", "--quiet", "all")
    run = runs.workflow(folder, path)
    made, work = runs.work(folder)
    files, size = runs.size(folder / "results" / "shards")
    metadata = runs.size(folder / ".snakemake" / "metadata")
    again = runs.workflow(folder, path)
    seconds, peak = aggregate(folder, path)

    found = sorted((folder / "results" / "shards" / "check").glob("*/*.json"))
    times = {shard: shard.stat().st_mtime_ns for shard in found}
    lost = found[len(found) // 2]
    lost.unlink()
    mend = runs.workflow(folder, path)
    redone = [shard for shard in found if shard.stat().st_mtime_ns != times[shard]]
    return {
        "shards": made,
        "weight_sets": shards * sets,
        "jobs": runs.jobs(folder),
        "plan": dry.processor,
        "run": run.processor,
        "run_wall": run.wall,
        "work": work,
        "files": files,
        "bytes": size,
        "metadata_bytes": metadata[1],
        "aggregate": seconds,
        "aggregate_peak_mib": peak,
        "nothing_to_do": again.processor,
        "after_a_lost_shard": mend.processor,
        "shards_made_again": len(redone),
        "only_the_lost_one": redone == [lost],
    }


def aggregate(folder: Path, path: Path) -> tuple[float, float]:
    """Processor time of aggregation without imports, and its peak memory in MiB."""
    program = ("-c", AGGREGATE, str(path))
    seconds, peak = runs.run(sys.executable, *program, folder=folder).printed.split()
    return float(seconds), float(peak)


def text(record: dict[str, Any]) -> str:
    """The record as a table, one column per run."""
    rows = [
        ("shards", "shards", "{:,}"),
        ("weight sets", "weight_sets", "{:,}"),
        ("jobs", "jobs", "{}"),
        ("parse and plan, s", "plan", "{:.1f}"),
        ("the whole run, s", "run", "{:.0f}"),
        ("of it the shards' work, s", "work", "{:.0f}"),
        ("files of shards", "files", "{:,}"),
        ("their bytes", "bytes", "{:,}"),
        ("Snakemake's own bytes", "metadata_bytes", "{:,}"),
        ("aggregation, s", "aggregate", "{:.1f}"),
        ("its peak memory, MiB", "aggregate_peak_mib", "{:.0f}"),
        ("nothing to do, s", "nothing_to_do", "{:.1f}"),
        ("after one lost shard, s", "after_a_lost_shard", "{:.0f}"),
        ("shards made again", "shards_made_again", "{}"),
    ]
    lines = [[name, *(form.format(run[key]) for run in record["runs"])] for name, key, form in rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        )
        for line in lines
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, record it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--shards", type=int, nargs="+", default=list(COUNTS), help="how many")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    middle = sorted(options.shards)[(len(options.shards) - 1) // 2]
    asked = [*((count, SETS) for count in options.shards), (middle, MORE * SETS)]
    found = []
    for shards, sets in asked:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(Path(folder), shards, sets))
        print(f"{shards} shards of {sets} weight sets: {found[-1]['run']:.0f} s", flush=True)
    record = {"machine": machine.describe(), "sets_per_shard": SETS, "runs": found}
    print(text(record))
    return runs.recorded(options.results, "scale", record)


if __name__ == "__main__":
    sys.exit(main())
