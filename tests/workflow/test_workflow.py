"""The workflow from end to end, on the tiny experiment of config/test, as a user starts it."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TINY = ROOT / "config" / "test" / "config.yaml"
TABLES = ["verdicts", "cases", "mutants", "mutation_score", "alignment", "sigmoid", "ladder"]
TABLES += ["detection", "enclosures", "lint"]  # and the figures' own

CLAIMS = {
    *("cell_state_independence", "product_rule", "tanh_cell_jacobian", "hidden_jacobian"),
    *("sigmoid_derivative", "forget_gate_jacobian", "forget_gate_argmax", "forget_gate_maximum"),
    "input_irrelevance",
}

# What the derivation's claims deserve: these readings are wrong, all others right.
REFUTED = {
    ("cell_state_independence", "previous_cell_moves"),
    ("cell_state_independence", "hidden_product_over_time"),
    ("forget_gate_jacobian", "column_scaling"),
    ("forget_gate_jacobian", "matrix_vector"),
    ("forget_gate_maximum", "gate_equals_norm"),
    ("input_irrelevance", "maximum_any_input"),
}

pytestmark = pytest.mark.slow


def command(folder: Path, *options: str, config: Path = TINY) -> list[str]:
    return [
        *(sys.executable, "-m", "snakemake", "--directory", str(folder)),
        *("--configfile", str(config), "--cores", "2", *options),
    ]


def snakemake(folder: Path, *options: str, config: Path = TINY) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(folder, *options, config=config),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def said(run: subprocess.CompletedProcess) -> str:
    return run.stdout + run.stderr


def outputs(folder: Path) -> dict[str, str]:
    """The digest of each file with numbers; logs and timings differ between runs."""
    results = folder / "results"
    pages = {"logs", "benchmarks", "figures", "report.html"}
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in pages
    }


def tables(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in outputs(folder).items() if name.endswith(".csv")}


def edited(folder: Path, **changes: object) -> Path:
    config = {**yaml.safe_load(TINY.read_text()), **changes}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which the tiny experiment has been run once."""
    folder = tmp_path_factory.mktemp("run")
    run = snakemake(folder)
    assert run.returncode == 0, said(run)
    return folder


def test_a_run_leaves_every_result_of_the_contract(finished):
    results = finished / "results"
    for name in TABLES:
        assert rows(finished, name), name
    for name in [
        "ladder",
        "error_over_bound",
        "mutants",
        "detection",
        "alignment",
        "sigmoid",
        "worst_entry",
    ]:
        assert (results / "figures" / f"{name}.svg").stat().st_size > 0
        assert (results / "figures" / f"{name}.png").stat().st_size > 0
    assert (results / "report.html").stat().st_size > 0
    assert json.loads((results / "manifest.json").read_text())["seeds"] == [20261123]
    assert list((results / "counterexamples").glob("*.json"))


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / "results" / f"{table}.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_verdicts_are_those_that_the_derivation_deserves(finished):
    verdicts = {(row["claim"], row["reading"]): row for row in rows(finished, "verdicts")}
    for key, row in verdicts.items():
        assert row["verdict"] == ("refuted" if key in REFUTED else "supported"), key
        assert (finished / "results" / row["counterexample"]).is_file() or key not in REFUTED, key
    assert set(verdicts) >= REFUTED
    assert {claim for claim, _ in verdicts} == CLAIMS


def test_every_mutant_is_caught(finished):
    for row in rows(finished, "verdicts"):
        assert int(row["mutants"]) >= 1, row
        assert row["mutants_caught"] == row["mutants"], row


def test_every_job_has_a_log_and_a_benchmark(finished):
    shards = sorted((finished / "results" / "shards").rglob("*.json"))
    assert shards
    for shard in shards:
        place = shard.relative_to(finished / "results" / "shards")
        assert (finished / "results" / "logs" / place.with_suffix(".log")).is_file()
        assert (finished / "results" / "benchmarks" / place.with_suffix(".tsv")).is_file()


def test_nothing_half_written_is_left(finished):
    assert not list((finished / "results").rglob("*.partial"))


def test_a_second_run_does_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in (finished / "results").rglob("*")}
    began = time.monotonic()
    run = snakemake(finished)
    assert run.returncode == 0, said(run)
    assert "Nothing to be done" in said(run)
    assert time.monotonic() - began < 10
    assert before == {path: path.stat().st_mtime_ns for path in (finished / "results").rglob("*")}


def test_a_dry_run_names_the_jobs_and_writes_nothing(tmp_path):
    run = snakemake(tmp_path, "--dry-run")
    assert run.returncode == 0, said(run)
    for rule in ["check", "align", "sigmoid", "aggregate", "figures", "page"]:
        assert rule in said(run)
    assert not (tmp_path / "results").exists()


def test_shards_of_another_size_give_the_same_tables(finished, tmp_path):
    run = snakemake(tmp_path, "--until", "aggregate", config=edited(tmp_path, shard_size=6))
    assert run.returncode == 0, said(run)
    assert tables(tmp_path) == tables(finished)


def test_shards_depend_on_the_array_code_and_not_on_the_report(finished):
    run = snakemake(finished, "--detailed-summary")
    lines = csv.DictReader(run.stdout.splitlines(), delimiter="\t")
    inputs = {line["output_file"]: line["input-file(s)"] for line in lines}
    shards = {name for name in inputs if "/shards/" in name}
    assert shards
    for name in shards:
        assert "lstm_gpu/campaign.py" in inputs[name], name
        for reader in ["lstm_gpu/report/", "cli.py", "progress.py", "configuration.py"]:
            assert reader not in inputs[name], (name, reader)
    assert "lstm_gpu/campaign.py" not in inputs["results/figures/ladder.png"]
    assert "lstm_gpu/report/style.py" in inputs["results/figures/ladder.png"]
    assert "lstm_gpu/report/style.py" not in inputs["results/verdicts.csv"]
    assert "lstm_gpu/report/tables.py" in inputs["results/verdicts.csv"]


def running_shards(folder: Path, wanted: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while len(list((folder / "results" / "shards").rglob("*.json"))) < wanted:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until, "no shards"
        time.sleep(0.02)


def test_a_killed_run_resumes_and_ends_with_the_same_bytes(finished, tmp_path):
    process = subprocess.Popen(
        command(tmp_path),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    running_shards(tmp_path, 5, process)
    os.killpg(process.pid, signal.SIGKILL)  # the run and its jobs, which get no chance to tidy up
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*.json")}
    assert not (tmp_path / "results" / "verdicts.csv").exists()

    unlocked = snakemake(tmp_path, "--unlock")
    assert unlocked.returncode == 0, said(unlocked)
    run = snakemake(tmp_path)
    assert run.returncode == 0, said(run)
    assert outputs(tmp_path) == outputs(finished)
    again = {path: path.stat().st_mtime_ns for path in kept}
    assert sum(kept[path] == again[path] for path in kept) >= len(kept) - 2  # two were in flight


def test_a_truncated_shard_is_one_line_and_leaves_the_tables_alone(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shard = next((tmp_path / "results" / "shards" / "check").rglob("*.json"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    before = tables(tmp_path)

    run = snakemake(tmp_path)
    assert run.returncode == 1
    assert "truncated or damaged" in said(run)
    assert "Traceback" not in said(run)
    log = (tmp_path / "results" / "logs" / "aggregate.log").read_text()
    assert log.splitlines()[-1].startswith("error: `")
    assert "Traceback" not in log
    assert tables(tmp_path) == before

    shard.unlink()
    run = snakemake(tmp_path)
    assert run.returncode == 0, said(run)
    assert tables(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sed": 1}, "unknown key `sed`. Did you mean `seed`?"),
        ({"seed": -1}, "`seed` must be at least 0, got -1"),
        ({"weight_sets": 0}, "`weight_sets` must be a positive integer, got 0"),
        ({"shard_size": 0}, "`shard_size` must be a positive integer, got 0"),
        ({"sphere": {"weight_sets": 3}}, "`sphere.directions` is missing"),
        ({"cases": []}, "`cases` must be a mapping of keys to values, got []"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_bad_configuration_fails_before_any_job_in_one_line(tmp_path, changes, says):
    config = edited(tmp_path, **changes)
    run = snakemake(tmp_path / "run", config=config)
    assert run.returncode != 0
    errors = [line for line in said(run).splitlines() if says in line]
    assert len(errors) == 1, said(run)
    assert str(config) in errors[0]
    assert "Traceback" not in said(run)
    assert not (tmp_path / "run" / "results").exists()


def test_a_missing_key_is_not_filled_in_from_the_default(tmp_path):
    config = yaml.safe_load(TINY.read_text())
    del config["seed"]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    run = snakemake(tmp_path / "run", config=path)
    assert run.returncode != 0
    assert "`seed` is missing" in said(run)


def test_a_results_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "results").write_text("a file is in the way")
    run = snakemake(tmp_path)
    assert run.returncode != 0
    assert "`results` must be a folder that can be written, but it is a file" in said(run)
    assert "Traceback" not in said(run)
    assert (tmp_path / "results").read_text() == "a file is in the way"


def test_snakemake_s_report_is_built(finished, tmp_path):
    page = tmp_path / "report.html"
    run = snakemake(finished, "--report", str(page))
    assert run.returncode == 0, said(run)
    assert page.stat().st_size > 0
