"""What the workflow costs is read from its own logs and files, and shown as it was measured."""

import pytest

from benchmarks import overhead, runs, scale
from lstm_gpu import configuration, packing
from lstm_gpu.files import read_json


def test_a_command_that_fails_is_not_measured():
    with pytest.raises(RuntimeError, match=r"failed: .*no such thing"):
        runs.python("-c", "import sys; sys.exit('no such thing')")


def test_the_processor_time_of_a_command_is_that_of_its_children_too():
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    idle = runs.python("-c", "import time; time.sleep(0.3)")
    assert runs.python("-c", parent).processor >= 0.3 > idle.processor
    assert idle.wall >= 0.3


def test_work_is_what_the_jobs_say(tmp_path):
    logs = tmp_path / "results" / "logs" / "check"
    logs.mkdir(parents=True)
    (logs / "a.log").write_text(
        "needs up to 1 MiB of memory\ncheck: 7 shards, 5 made in 1.25 s of processor time\n"
    )
    (logs / "b.log").write_text("align: 2 shards, 2 made in 0.50 s of processor time\n")
    (logs / "c.log").write_text("sigmoid: 9 of 9 points, 0 s\n")
    assert runs.work(tmp_path) == (7, 1.75)


@pytest.mark.parametrize(("shards", "sets"), [(100, 4), (10_000, 4), (1_000, 40)])
def test_the_tiny_case_has_as_many_shards_as_it_says(tmp_path, shards, sets):
    config = scale.config(shards, sets)
    assert configuration.load(runs.write_config(tmp_path / "c.yaml", config)) == config
    (case,) = configuration.case_table(config)
    assert len(packing.shard_paths("check", config, [case.name])) == shards


def test_files_and_bytes_are_counted(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_text("123")
    (tmp_path / "a" / "b" / "two").write_text("4567")
    assert runs.size(tmp_path) == (2, 7)


TIMES = {"processor": 0.25, "wall": 0.5}
OVERHEAD = {
    "machine": {},
    "commands": {"help": TIMES},
    "one_job": {"processor": 0.5, "wall_on_two_cores": 0.3},
    "run": {
        "parse_and_plan": TIMES,
        "nothing_to_do": TIMES,
        "shards": 280,
        "jobs": 20,
        "processor": 200.0,
        "wall": 110.0,
        "work": 180.0,
        "survey": 2.0,
        "overhead": 18.0,
        "share": 0.09,
    },
}


def test_the_table_of_overhead_shows_its_share():
    text = overhead.text(OVERHEAD)
    assert "280 shards in 20 jobs" in text
    assert "18.0 s = 9.0%" in text


@pytest.fixture
def quick(monkeypatch):
    """The measurements themselves are left out."""
    monkeypatch.setattr(overhead, "commands", lambda count: OVERHEAD["commands"])
    monkeypatch.setattr(overhead, "one_job", lambda folder: OVERHEAD["one_job"])
    monkeypatch.setattr(overhead, "whole_run", lambda folder, config: OVERHEAD["run"])

    def measure(folder, shards, sets):
        numbers = dict.fromkeys(("plan", "run", "run_wall", "work", "aggregate"), 1.0)
        more = dict.fromkeys(("nothing_to_do", "after_a_lost_shard", "aggregate_peak_mib"), 1.0)
        counts = dict.fromkeys(("jobs", "files", "bytes", "metadata_bytes"), 1)
        one = {"shards_made_again": 1, "only_the_lost_one": True}
        return {"shards": shards, "weight_sets": shards * sets, **numbers, **more, **counts, **one}

    monkeypatch.setattr(scale, "measure", measure)


@pytest.mark.parametrize("module", [overhead, scale])
def test_what_was_measured_is_recorded(quick, tmp_path, capsys, module):
    assert module.main(["--results", str(tmp_path)]) == 0
    (path,) = tmp_path.iterdir()
    kind = path.name.split("-")[0]
    assert f"recorded in {path}" in capsys.readouterr().out
    record = read_json(path, kind)
    assert "machine" in record
    if module is scale:
        middle = [run["weight_sets"] for run in record["runs"] if run["shards"] == 1_000]
        assert middle == [4_000, 40_000]  # ten times as many weight sets in as many shards


@pytest.mark.parametrize("module", [overhead, scale])
def test_a_record_that_cannot_be_written_is_one_line(quick, tmp_path, capsys, module):
    taken = tmp_path / "taken"
    taken.write_text("a file, not a folder")
    assert module.main(["--results", str(taken)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
