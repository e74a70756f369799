"""The workflow from end to end, on the tiny experiment of config/test, as a user starts it."""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from lstm_gpu import backend, configuration, files
from lstm_gpu.progress import NEED

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

TABULATED = ("--until", "aggregate")  # figures and page, half of a run's time, follow the tables
SHORT = ("--config", "job_seconds=0.05")

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


def ledgers(folder: Path) -> dict[Path, list[Path]]:
    """Each job that checks, and its shards."""
    found = sorted((folder / "results" / "jobs" / "check").iterdir())
    return {
        job: [folder / shard for shard in files.read_json(job, "ledger")["shards"]] for job in found
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
    results = finished / "results"
    jobs = [path.relative_to(results / "jobs") for path in (results / "jobs").rglob("*.json")]
    assert {path.parts[0] for path in jobs} == {"check", "align"}
    for job in [*jobs, *(Path("sigmoid", f"float{bits}.json") for bits in (16, 32, 64))]:
        assert (results / "logs" / job.with_suffix(".log")).is_file()
        assert (results / "benchmarks" / job.with_suffix(".tsv")).is_file()


def test_every_job_stays_below_the_memory_that_it_asks_for(finished):
    """Snakemake's own measurement beside the line that each log begins with."""
    results = finished / "results"
    logs = [path.relative_to(results / "logs") for path in (results / "logs").rglob("*.log")]
    assert len(logs) == 4 + 3 + 3  # check and align, formats, tables and figures and page
    measured = 0
    for log in logs:
        asked = re.match(rf"{NEED} (\d+) MiB", (results / "logs" / log).read_text())
        assert asked, log
        with (results / "benchmarks" / log.with_suffix(".tsv")).open(newline="") as lines:
            (row,) = csv.DictReader(lines, delimiter="\t")
        if row["max_rss"] not in {"-", "NA"}:  # a job too short to be looked at
            measured += 1
            assert float(row["max_rss"]) <= int(asked[1]), (log, row)
    assert measured


def test_every_shard_has_a_file_of_its_own(finished):
    config = yaml.safe_load(TINY.read_text())
    cases = len(configuration.case_table(config))
    shards = finished / "results" / "shards"
    assert len(list((shards / "check").glob("*/*.json"))) == 2 * cases  # 6 weight sets by 4
    assert len(list((shards / "align").glob("*/*.json"))) == cases


def test_nothing_half_written_is_left(finished):
    assert not list((finished / "results").rglob("*.partial"))


def test_a_second_run_does_nothing(finished):
    before = {path: path.stat().st_mtime_ns for path in (finished / "results").rglob("*")}
    run = snakemake(finished)
    assert run.returncode == 0, said(run)
    assert "Nothing to be done" in said(run)
    assert before == {path: path.stat().st_mtime_ns for path in (finished / "results").rglob("*")}


def test_a_dry_run_names_the_jobs_and_writes_nothing(tmp_path):
    run = snakemake(tmp_path, "--dry-run")
    assert run.returncode == 0, said(run)
    for rule in ["check", "align", "sigmoid", "aggregate", "figures", "page"]:
        assert rule in said(run)
    assert not (tmp_path / "results").exists()


def test_shards_of_another_size_give_the_same_tables(finished, tmp_path):
    """All of a dtype in one job, too."""
    config = edited(tmp_path, shard_size=6)
    run = snakemake(tmp_path, *TABULATED, "--config", "job_seconds=1000", config=config)
    assert run.returncode == 0, said(run)
    assert len(ledgers(tmp_path)) == 2
    assert tables(tmp_path) == tables(finished)


@pytest.fixture(scope="module")
def short_jobs(tmp_path_factory) -> Path:
    """A folder in which the tables were made by jobs of one shard and of two; in one they are 8.

    A limit of jobs per timespan is for clusters: if it held here, the second would wait an hour.
    """
    folder = tmp_path_factory.mktemp("short")
    run = snakemake(folder, *TABULATED, *SHORT, "--max-jobs-per-timespan", "1/1h")
    assert run.returncode == 0, said(run)
    return folder


def test_jobs_of_another_length_give_the_same_shards_and_tables(finished, short_jobs):
    """Each case's second shard is the first of a job in one dtype at least, or alone."""
    assert [len(shards) for shards in ledgers(short_jobs).values()] == [2, 1, 2, 1, 2] * 2
    assert [len(shards) for shards in ledgers(finished).values()] == [8, 8]
    before, now = outputs(finished), outputs(short_jobs)
    for name in before:
        assert name.startswith("jobs/") or now[name] == before[name], name


def test_jobs_of_another_length_find_the_shards_that_are_there(short_jobs, tmp_path):
    shutil.copytree(short_jobs, tmp_path, dirs_exist_ok=True)
    before = times(shards(tmp_path))
    run = snakemake(tmp_path, *TABULATED)
    assert run.returncode == 0, said(run)
    assert re.search(r"^check +2$", said(run), flags=re.MULTILINE), said(run)
    assert times(before) == before
    assert tables(tmp_path) == tables(short_jobs)


def test_a_bad_length_of_jobs_is_one_line(tmp_path):
    run = snakemake(tmp_path, "--config", "job_seconds=inf")
    assert run.returncode != 0
    assert "`job_seconds` must be a positive number of seconds" in said(run)
    assert "Traceback" not in said(run)


def test_jobs_depend_on_the_array_code_and_not_on_the_report(finished):
    run = snakemake(finished, "--detailed-summary")
    lines = csv.DictReader(run.stdout.splitlines(), delimiter="\t")
    inputs = {line["output_file"]: line["input-file(s)"] for line in lines}
    jobs = {name for name in inputs if "/jobs/" in name or "/shards/" in name}
    assert len(jobs) == 7
    for name in jobs:
        assert "lstm_gpu/campaign.py" in inputs[name], name
        for reader in ["lstm_gpu/report/", "cli.py", "progress.py", "configuration.py", "packing"]:
            assert reader not in inputs[name], (name, reader)
    assert "lstm_gpu/campaign.py" not in inputs["results/figures/ladder.png"]
    assert "lstm_gpu/report/style.py" in inputs["results/figures/ladder.png"]
    assert "lstm_gpu/report/style.py" not in inputs["results/verdicts.csv"]
    assert "lstm_gpu/report/tables.py" in inputs["results/verdicts.csv"]


def shards(folder: Path, kind: str = "*") -> list[Path]:
    return sorted((folder / "results" / "shards").glob(f"{kind}/*/*.json"))


def times(paths: Iterable[Path]) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in paths}


def running_shards(folder: Path, wanted: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while len(shards(folder)) < wanted:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until, "no shards"
        time.sleep(0.02)


def test_a_killed_run_resumes_and_ends_with_the_same_bytes(finished, tmp_path):
    process = subprocess.Popen(
        command(tmp_path, *TABULATED),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    running_shards(tmp_path, 5, process)
    os.killpg(process.pid, signal.SIGKILL)  # the run and its jobs, which get no chance to tidy up
    process.wait()
    kept = times(shards(tmp_path))
    assert len(kept) >= 5
    assert not (tmp_path / "results" / "verdicts.csv").exists()

    run = snakemake(tmp_path, *TABULATED)
    assert run.returncode == 0, said(run)
    assert outputs(tmp_path) == outputs(finished)
    assert times(kept) == kept  # what was complete is not made again


def test_what_a_formula_file_does_to_its_process_is_not_done_to_snakemake_s(tmp_path):
    text = "import builtins, sys\nfrom lstm_gpu import claim\n"
    text += "sys.stdout = sys.stderr = builtins.print = object()\n"
    text += '@claim("forget_gate_jacobian")\ndef mine(step):\n    return step.U.f\n'
    (tmp_path / "mine.py").write_text(text)
    config = edited(tmp_path, formulas=[str(tmp_path / "mine.py")])
    run = snakemake(tmp_path, "--dry-run", config=config)
    assert run.returncode == 0, said(run)


def test_an_edited_helper_of_a_formula_runs_its_jobs_and_the_tables_again(tmp_path):
    """Two files, each with a helper of the same name: one formula is right, the other wrong."""
    text = "from lstm_gpu import claim\nfrom helper import slope\n"
    text += '@claim("forget_gate_jacobian")\ndef mine(step):\n'
    text += "    return slope(step.f)[:, :, None] * step.U.f\n"
    slopes = {"a": "f * (1 - f)", "b": "f"}
    for folder, slope in slopes.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(text)
        (tmp_path / folder / "helper.py").write_text(f"def slope(f):\n    return {slope}\n")
    axes = {"hidden_size": [2], "dtype": ["float64"], "distribution": ["normal_gain_4"]}
    config = edited(
        tmp_path,
        formulas=[str(tmp_path / folder / "mine.py") for folder in slopes],
        cases={**axes, "regime": ["generic"], "input_size": ["equal"]},
        weight_sets=3,
    )

    def verdicts() -> dict[str, str]:
        run = snakemake(tmp_path, *TABULATED, config=config)
        assert run.returncode == 0, said(run)
        with (tmp_path / "results" / "formulas.csv").open(encoding="utf-8") as file:
            return {row["formula"]: row["verdict"] for row in csv.DictReader(file)}

    assert verdicts() == {"a.mine.mine": "supported", "b.mine.mine": "refuted"}
    (tmp_path / "b" / "helper.py").write_text("def slope(f):\n    return f * (1 - f)\n")
    assert verdicts() == {"a.mine.mine": "supported", "b.mine.mine": "supported"}


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_another(path: Path) -> None:
    path.write_bytes(next(p for p in path.parent.parent.rglob("*.json") if p != path).read_bytes())


def test_a_lost_shard_costs_that_shard_alone(short_jobs, tmp_path):
    """One in each of four jobs, lost in four ways: each must be noticed by itself."""
    shutil.copytree(short_jobs, tmp_path, dirs_exist_ok=True)
    damages = (remove, truncate, empty, replace_by_another)
    lost = [pair[1] for pair in ledgers(tmp_path).values() if len(pair) == 2][: len(damages)]
    whole, others = [path.read_bytes() for path in lost], times(set(shards(tmp_path)) - set(lost))
    assert len(others) == 20
    for damage, path in zip(damages, lost, strict=True):
        damage(path)

    planned = said(snakemake(tmp_path, *TABULATED, *SHORT, "--dry-run"))
    run = snakemake(tmp_path, *TABULATED, *SHORT)
    assert run.returncode == 0, said(run)
    for text in (planned, said(run)):
        assert re.search(r"^check +4$", text, flags=re.MULTILINE), text
        assert not re.search(r"^align ", text, flags=re.MULTILINE), text
    assert [path.read_bytes() for path in lost] == whole
    assert times(others) == others
    assert outputs(tmp_path) == outputs(short_jobs)
    again = said(snakemake(tmp_path, *TABULATED, *SHORT))
    assert re.search(r"^total +0$", again, flags=re.MULTILINE), again


def test_a_damaged_shard_that_looks_untouched_is_one_line_and_leaves_the_tables_alone(
    finished, tmp_path
):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shard = shards(tmp_path, "check")[0]
    kept, whole = shard.stat(), shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    os.utime(shard, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    before = tables(tmp_path)

    run = snakemake(tmp_path, "--forcerun", "aggregate")
    assert run.returncode == 1
    assert "truncated or damaged" in said(run)
    assert "Traceback" not in said(run)
    log = (tmp_path / "results" / "logs" / "aggregate.log").read_text()
    assert log.splitlines()[-1].startswith("error: `")
    assert "Traceback" not in log
    assert tables(tmp_path) == before

    shard.unlink()
    run = snakemake(tmp_path, *TABULATED)
    assert run.returncode == 0, said(run)
    assert tables(tmp_path) == before


def test_another_hidden_size_costs_the_new_cases_alone(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    before = times(shards(tmp_path))
    axes = yaml.safe_load(TINY.read_text())["cases"]
    config = edited(tmp_path, cases={**axes, "hidden_size": [1, 3, 8]})
    run = snakemake(tmp_path, *TABULATED, config=config)
    assert run.returncode == 0, said(run)
    # The regimes and input sizes of a case depend on its place among the hidden sizes.
    kept = {case.name for case in configuration.case_table(yaml.safe_load(TINY.read_text()))}
    wanted = {case.name for case in configuration.case_table(yaml.safe_load(config.read_text()))}
    assert kept & wanted
    assert wanted - kept
    assert len(shards(tmp_path, "check")) == 2 * len(kept | wanted)
    assert times(before) == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sed": 1}, "unknown key `sed`. Did you mean `seed`?"),
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


@pytest.mark.skipif(backend.cupy_or_reason()[0] is not None, reason="a GPU answers here")
def test_a_gpu_that_is_not_there_is_one_line_before_any_job(tmp_path):
    run = snakemake(tmp_path, config=edited(tmp_path, backend="cupy"))
    assert run.returncode == 2, said(run)
    assert "error: `backend: cupy` needs a GPU" in said(run)
    assert "Traceback" not in said(run)
    assert not (tmp_path / "results" / "logs").exists()


def test_snakemake_s_report_is_built(finished, tmp_path):
    page = tmp_path / "report.html"
    run = snakemake(finished, "--report", str(page))
    assert run.returncode == 0, said(run)
    assert page.stat().st_size > 0
