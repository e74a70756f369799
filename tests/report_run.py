"""A very small but real run, for the tests of the report, made once per process."""

import atexit
import copy
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lstm_gpu import campaign, configuration, files
from lstm_gpu.report import figures, page, tables

CONFIG: dict[str, Any] = {
    "seed": 7,
    "backend": "numpy",
    "cases": {
        "hidden_size": [1, 3],
        "dtype": ["float64", "float32"],
        "distribution": ["pytorch_uniform", "normal_gain_4"],
        "regime": ["generic"],
        "input_size": ["equal"],
    },
    "weight_sets": 4,
    "shard_size": 2,
    "sphere": {"weight_sets": 2, "directions": 64},
    "sigmoid": {"float16": "all", "float32": 2000, "float64": 200},
    "false_alarm_risk": 1.0e-6,
}
Shard = tuple[str, str, dict[str, Any]]  # kind, path below the results, content


@cache
def _shards(shard_size: int) -> tuple[Shard, ...]:
    return tuple(make({**CONFIG, "shard_size": shard_size}))


def make(config: dict[str, Any]) -> Iterator[Shard]:
    """The shards of a configuration without formulas."""
    seed, directions, shard_size = (
        config["seed"],
        config["sphere"]["directions"],
        config["shard_size"],
    )
    for case in configuration.case_table(config):
        for start, stop in configuration.shards(config["weight_sets"], shard_size):
            content = campaign.check_shard(case, seed, start, stop, "numpy")
            yield "check", f"shards/check/{case.name}/{start}-{stop}.json", content
        for start, stop in configuration.shards(config["sphere"]["weight_sets"], shard_size):
            content = campaign.align_shard(case, seed, start, stop, directions, "numpy")
            yield "align", f"shards/align/{case.name}/{start}-{stop}.json", content
    for dtype in ("float16", "float32", "float64"):
        points = configuration.sigmoid_points(config, dtype)
        yield (
            "sigmoid",
            f"shards/sigmoid/{dtype}.json",
            campaign.sigmoid_survey(dtype, points),
        )


def write_shards(
    results: Path,
    change: Callable[[str, dict[str, Any]], None] | None = None,
    shard_size: int = CONFIG["shard_size"],
) -> list[Path]:
    """Write the shards; `change(kind, content)` may alter each before it is written."""
    paths = []
    for kind, name, content in _shards(shard_size):
        if change is not None:
            content = copy.deepcopy(content)
            change(kind, content)
        files.write_json(results / name, kind, content)
        paths.append(results / name)
    return paths


def aggregate(results: Path, config: dict[str, Any] = CONFIG, **how: Any) -> Path:
    """Write shards and tables; returns `results`."""
    tables.aggregate(write_shards(results, **how), config, results)
    return results


@cache
def finished() -> Path:
    """The whole run, with figures and page; to be copied and not changed, gone with the process."""
    folder = Path(tempfile.mkdtemp(prefix="lstm_gpu-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    aggregate(folder)
    figures.draw(folder)
    page.write(folder)
    return folder


def written(results: Path) -> str:
    """The page of these tables; where it has no pictures of them, with those of the whole run."""
    if not (results / "figures").exists():
        shutil.copytree(finished() / "figures", results / "figures")
    page.write(results)
    return (results / "report.html").read_text(encoding="utf-8")
