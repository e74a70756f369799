"""``python -m benchmarks.overhead``: what the workflow takes besides the work of its shards.

All in processor time (user and system) of all processes, which other programs on the machine change
less than the time by the clock. Work is what the shards' own functions take, measured in the jobs
around each of them and written into their logs, and the survey of sigma'; overhead is the rest:
Snakemake, starting each job, imports, writing and reading shards, the tables, figures and page.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import machine, runs
from lstm_gpu import campaign, configuration

RESULTS = Path(__file__).with_name("results")
DEFAULT = runs.ROOT / "config" / "config.yaml"
JOBS = 20  # of one tiny shard each, beside as many shards in one job

TINY: dict[str, Any] = {
    "seed": 1,
    "backend": "numpy",
    "cases": {
        "hidden_size": [1],
        "dtype": ["float64"],
        "distribution": ["pytorch_uniform"],
        "regime": ["generic"],
        "input_size": ["equal"],
    },
    "weight_sets": JOBS,
    "shard_size": 1,
    "sphere": {"weight_sets": 1, "directions": 16},
    "sigmoid": {"float16": "all", "float32": 200, "float64": 200},
    "false_alarm_risk": 1.0e-6,
}


def commands(count: int) -> dict[str, Any]:
    """Start-up: the median of some runs of each, in seconds."""
    programs = {
        "interpreter": ("-c", "pass"),
        "help": ("-m", "lstm_gpu", "--help"),
        "imports of a job": (
            *("-c", "from lstm_gpu import campaign, exhaustive, ledger, progress"),
        ),
        "snakemake --version": ("-m", "snakemake", "--version"),
    }
    found = {}
    for name, arguments in programs.items():
        taken = [runs.python(*arguments) for _ in range(count)]
        found[name] = {
            "processor": statistics.median(t.processor for t in taken),
            "wall": statistics.median(t.wall for t in taken),
        }
    return found


def one_job(folder: Path) -> dict[str, float]:
    """What one more job costs, all told: the same shards in `JOBS` jobs and in one."""
    config = runs.write_config(folder / "tiny.yaml", TINY)
    totals = {}
    for seconds in ("1e-9", "1e9"):
        place = folder / seconds
        options = ("--config", f"job_seconds={seconds}", "--until", "check", "--cores", "2")
        taken = runs.workflow(place, config, *options)
        totals[len(list((place / "results" / "jobs" / "check").iterdir()))] = taken
    many, one = totals[JOBS], totals[1]
    return {
        "processor": (many.processor - one.processor) / (JOBS - 1),
        "wall_on_two_cores": (many.wall - one.wall) / (JOBS - 1),
    }


def whole_run(folder: Path, config: Path) -> dict[str, Any]:
    """A whole run: its processor time, and that of its work alone."""
    dry = runs.workflow(folder / "dry", config, "--dry-run", "--quiet", "all")
    total = runs.workflow(folder / "run", config)
    shards, work = runs.work(folder / "run")
    again = runs.workflow(folder / "run", config)
    survey = _survey(configuration.load(config))
    overhead = total.processor - work - survey
    return {
        "parse_and_plan": {"processor": dry.processor, "wall": dry.wall},
        "nothing_to_do": {"processor": again.processor, "wall": again.wall},
        "shards": shards,
        "jobs": runs.jobs(folder / "run"),
        "processor": total.processor,
        "wall": total.wall,
        "work": work,
        "survey": survey,
        "overhead": overhead,
        "share": overhead / total.processor,
    }


def _survey(config: dict[str, Any]) -> float:
    """Processor time of the survey of sigma', here and now, after a first one to warm up."""
    campaign.sigmoid_survey("float64", 200)
    began = time.process_time()
    for dtype in ("float16", "float32", "float64"):
        campaign.sigmoid_survey(dtype, configuration.sigmoid_points(config, dtype))
    return time.process_time() - began


def text(record: dict[str, Any]) -> str:
    """The record as a table."""
    rows = [
        (name, f"{taken['processor']:.3f} s", f"{taken['wall']:.3f} s")
        for name, taken in record["commands"].items()
    ]
    job, run = record["one_job"], record["run"]
    rows += [
        ("one more job", f"{job['processor']:.3f} s", f"{job['wall_on_two_cores']:.3f} s"),
        *(
            (name, f"{run[key]['processor']:.1f} s", f"{run[key]['wall']:.1f} s")
            for name, key in (
                ("parse and plan", "parse_and_plan"),
                ("a run with nothing to do", "nothing_to_do"),
            )
        ),
        ("the run", f"{run['processor']:.1f} s", f"{run['wall']:.1f} s"),
        (f"  {run['shards']} shards in {run['jobs']} jobs", f"{run['work']:.1f} s", ""),
        ("  the survey of sigma'", f"{run['survey']:.1f} s", ""),
        ("  all else", f"{run['overhead']:.1f} s = {run['share']:.1%}", ""),
    ]
    heads = ("", "processor", "by the clock")
    widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, record it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overhead", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--config", type=Path, default=DEFAULT, help="of the run (the default's)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the record")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        record = {
            "machine": machine.describe(),
            "commands": commands(9),
            "one_job": one_job(Path(folder, "job")),
            "run": whole_run(Path(folder, "whole"), options.config.resolve()),
        }
    print(text(record))
    return runs.recorded(options.results, "overhead", record)


if __name__ == "__main__":
    sys.exit(main())
