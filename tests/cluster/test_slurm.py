"""The workflow on a real Slurm, through the official executor plugin: same bytes, nothing lost."""

import importlib.util
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cluster as clusters
import pytest
import yaml
from cluster import Cluster, cluster, unavailable

ROOT = Path(__file__).parents[2]
PATIENCE = 240
"""Seconds for one run of the workflow, on a machine that does other things as well."""

EXPERIMENT = {
    "seed": 20261123,
    "backend": "numpy",
    "cases": {
        "hidden_size": [2, 8],
        "dtype": ["float64"],
        "distribution": ["pytorch_uniform"],
        "regime": ["generic"],
        "input_size": ["equal"],
    },
    "weight_sets": 6,
    "shard_size": 3,
    "sphere": {"weight_sets": 3, "directions": 256},
    "sigmoid": {"float16": "all", "float32": 2000, "float64": 200},
    "false_alarm_risk": 1.0e-6,
}
TABLES = ["--until", "aggregate"]  # the figures are drawn from them, on the machine that submits
JOBS = [f"results/jobs/{kind}/float64-0000.json" for kind in ("check", "align")]

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def slurm():
    """A cluster that is up, with an idle node."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("the executor plugin is not installed (make slurm)")
    if reason := unavailable():
        pytest.skip(reason)
    with cluster() as running:
        yield running


def configuration(folder: Path, **changes: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**EXPERIMENT, **changes}))
    return path


def started(slurm: Cluster | None, folder: Path, *options: str, **changes: object):
    """The workflow in a folder: with Slurm's profile and short waits, or on this machine."""
    program = ["-m", "snakemake"]
    place = ["--configfile", str(configuration(folder, **changes))]
    if slurm is None:
        place += ["--cores", "2"]
    else:
        program = [str(Path(__file__).with_name("impatient.py"))]
        place += ["--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"]
        place += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"]
        place += ["--max-jobs-per-timespan", "100/1s"]
    return subprocess.Popen(
        [sys.executable, *program, "--directory", str(folder), *options, *place],
        cwd=ROOT,
        env=None if slurm is None else slurm.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(slurm: Cluster | None, folder: Path, process: subprocess.Popen) -> tuple[int, str]:
    """The exit code of the workflow and all that it, its jobs on the node and the daemons said."""
    late = ""
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        late = f"\nkilled: no end in {PATIENCE} s"
    logs = sorted((folder / ".snakemake" / "slurm_logs").rglob("*.log"))
    said += late + "".join(f"\n== {log.name}\n{log.read_text()}" for log in logs)
    return process.returncode, said + ("" if slurm is None else f"\n{slurm.logs()}")


def run(slurm: Cluster | None, folder: Path, *options: str, **changes: object) -> tuple[int, str]:
    return ended(slurm, folder, started(slurm, folder, *options, **changes))


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """A folder in which the experiment was run on this machine, without a cluster."""
    folder = tmp_path_factory.mktemp("local")
    code, said = run(None, folder, *TABLES)
    assert code == 0, said
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    """Every table, counterexample, manifest, shard and ledger; logs and timings differ."""
    results = folder / "results"
    found = [path for path in sorted(results.rglob("*")) if path.suffix in {".csv", ".json"}]
    return {str(path.relative_to(results)): path.read_bytes() for path in found}


def test_a_run_on_the_cluster_writes_the_bytes_of_a_local_run(slurm, local, tmp_path):
    code, said = run(slurm, tmp_path, *TABLES)
    assert code == 0, said
    assert said.count("has been submitted with SLURM jobid") == 5  # check, align, 3 x sigmoid
    expected, found = outputs(local), outputs(tmp_path)
    assert {"verdicts.csv", "manifest.json"} <= set(expected)
    assert any(name.startswith("counterexamples/") for name in expected)
    assert set(found) == set(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def running(slurm: Cluster, folder: Path, process: subprocess.Popen) -> None:
    """Wait until the job that checks has begun its work on the node."""
    until = time.monotonic() + PATIENCE
    while not (folder / "results" / "logs" / "check" / "float64-0000.log").exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            pytest.fail(f"no job began\n{ended(slurm, folder, process)[1]}")
        time.sleep(0.02)


def test_a_job_that_goes_away_with_its_node_loses_nothing(slurm, local, tmp_path):
    shutil.copytree(local / "results", tmp_path / "results")
    for part in ("shards/check", "jobs/check", "logs/check"):
        shutil.rmtree(tmp_path / "results" / part)
    shutil.copytree(local / ".snakemake", tmp_path / ".snakemake")
    process = started(slurm, tmp_path, *TABLES)
    running(slurm, tmp_path, process)
    slurm.kill_node()
    assert not (tmp_path / JOBS[0]).exists()
    # Slurm would notice by itself, half a minute later.
    slurm.says(f"scontrol update NodeName={slurm.host} State=DOWN Reason=test")
    slurm.start_node()

    ending, first = ended(slurm, tmp_path, process)
    assert ending == 0, first  # Slurm has started the job again
    code, said = run(slurm, tmp_path, *TABLES)
    assert code == 0, said
    assert re.search(r"^total +0$", said, flags=re.MULTILINE), said
    assert outputs(tmp_path) == outputs(local)


def test_each_job_on_a_gpu_asks_for_one(slurm, tmp_path):
    """By `--gpus` and by `--gres`; the job then finds that the node has none that answers."""
    gres = ["--set-resources", "align:gres=gpu:1", "align:gpu=0"]
    code, said = run(slurm, tmp_path, *gres, "--retries", "0", *JOBS, backend="cupy")
    assert code == 1, said
    jobs = slurm.says("scontrol show jobs").split("\n\n")[-2:]
    assert any("Comment=rule_check" in job and "TresPerJob=gres:gpu:1" in job for job in jobs), jobs
    assert any("Comment=rule_align" in job and "TresPerNode=gres:gpu:1" in job for job in jobs), (
        jobs
    )
    log = (tmp_path / "results" / "logs" / "check" / "float64-0000.log").read_text()
    assert log.splitlines()[1] in {"device 0", "device 1"}, log  # after what memory it needs
    assert log.splitlines()[-1].startswith("error: `backend: cupy` needs a GPU"), log


def test_a_cluster_that_does_not_come_up_says_why_and_is_gone(slurm, tmp_path, monkeypatch):
    broken = tmp_path / "slurm.conf"
    broken.write_text(clusters.TEMPLATE.read_text().replace("SelectType=", "NoSuchKey="))
    monkeypatch.setattr(clusters, "TEMPLATE", broken)
    with pytest.raises(RuntimeError, match=r"slurm\w+ has ended(?s:.*)NoSuchKey") as error:
        cluster().__enter__()
    assert "== slurmctld.log" in str(error.value)
