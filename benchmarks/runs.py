"""Commands and workflows in folders of their own, with what they take of the processor."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks import machine
from lstm_gpu.errors import InputError
from lstm_gpu.files import write_json

ROOT = Path(__file__).parents[1]
_WORK = re.compile(r"(\d+) made in ([\d.]+) s of processor time")


class Taken(NamedTuple):
    """Seconds that a command took: of the processors, and by the clock; what it printed."""

    processor: float
    wall: float
    printed: str


def run(*command: str, folder: Path = ROOT) -> Taken:
    """Run a command to its end, with all processes that it starts; it must succeed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(used, wall, done.stdout + done.stderr)


def _environment() -> dict[str, str]:
    """Let Python keep the bytecode of what it imports, as it does by default.

    Where it may not, each process compiles the libraries anew wherever what was installed with them
    is stale: a second of processor time, which no other place's runs take.
    """
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def python(*arguments: str) -> Taken:
    """The interpreter that runs this, with the checkout as its working directory."""
    return run(sys.executable, *arguments)


def workflow(folder: Path, config: Path, *options: str) -> Taken:
    """One call of Snakemake, in `folder`."""
    where = ("--directory", str(folder), "--configfile", str(config))
    return python("-m", "snakemake", *where, *options)


def work(folder: Path) -> tuple[int, float]:
    """Shards made by the last run of each job, and the processor time of their work alone."""
    logs = (folder / "results" / "logs").glob("*/*.log")
    found = [_WORK.search(path.read_text()) for path in logs]
    return (
        sum(int(match[1]) for match in found if match),
        sum(float(match[2]) for match in found if match),
    )


def jobs(folder: Path) -> int:
    """How many jobs of shards a run has had."""
    return len(list((folder / "results" / "jobs").glob("*/*.json")))


def size(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def write_config(path: Path, config: dict[str, Any]) -> Path:
    """Write a configuration file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return path


def recorded(results: Path, kind: str, record: dict[str, Any], name: str = "") -> int:
    """Write a record and say where: the exit code, 2 where it cannot be written.

    name : of the file, without its ending; kind and machine where it is left out
    """
    path = results / f"{name or f'{kind}-{machine.name()}'}.json"
    try:
        write_json(path, kind, record)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"recorded in {path}")
    return 0
