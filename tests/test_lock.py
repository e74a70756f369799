"""One workflow at a time in a folder, whoever dies how."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_gpu import lock
from lstm_gpu.errors import InputError

HOLDER = "from lstm_gpu import lock; lock.{}(); print('held', flush=True); input()"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / ".snakemake").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "_held", [])
    yield tmp_path
    for file in lock._held:
        file.close()


def other(what: str) -> subprocess.Popen:
    """Another process that holds the folder or has joined in it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(what)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.mark.parametrize(
    ("what", "who"), [("hold", "another workflow"), ("join", "a job of a killed workflow")]
)
@pytest.mark.usefixtures("folder")
def test_a_living_process_keeps_others_out_and_a_killed_one_does_not(what, who):
    with other(what) as process:
        assert not lock.free()
        with pytest.raises(InputError, match="one workflow at a time") as refusal:
            lock.hold()
        assert who in str(refusal.value)
        if Path("/proc/locks").exists():
            assert f"(process {process.pid})" in str(refusal.value)
        process.send_signal(signal.SIGKILL)
        process.wait()
    while lock._held:
        lock._held.pop().close()
    assert lock.free()
    lock.hold()
    assert len(lock._held) == 1


@pytest.mark.usefixtures("folder")
def test_jobs_join_each_other_and_the_workflow_that_started_them():
    lock.hold()
    with other("join") as one, other("join") as two:
        for process in (one, two):
            process.communicate(b"\n", timeout=30)
            assert process.returncode == 0


def test_what_a_killed_run_left_half_written_goes_and_results_stay(folder):
    half = ["results/a/.b.json.12.partial", "results/.staged-x/c.csv", ".snakemake/backups/d"]
    whole = ["results/a/b.json", "results/a/my.partial", "results/.hidden"]
    for name in half + whole:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    lock.hold()
    assert [name for name in half + whole if (folder / name).exists()] == whole


def test_where_snakemake_has_no_folder_there_is_no_lock(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lock.free()
    lock.hold()
    lock.join()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("folder")
def test_a_file_system_without_locks_leaves_it_to_snakemake(monkeypatch):
    def unsupported(file, kind):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    assert lock.free()
    lock.hold()
    lock.join()
    assert len(lock._held) == 1  # of `join`, whose open file says nothing
