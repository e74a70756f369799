"""What surrounds each job: its log, its exit code, its tidying up when it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
from types import SimpleNamespace
from lstm_gpu.job import job
from lstm_gpu.errors import InputError
with job(SimpleNamespace(log=["logs/a.log"], resources={resources})) as log:
    {body}
"""


def started(folder: Path, body: str, **resources: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body, resources=resources)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(folder: Path, body: str, **resources: int) -> tuple[int, str, str]:
    """Exit code, what the process printed, and its log."""
    process = started(folder, body, **resources)
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed.decode(), (folder / "logs" / "a.log").read_text()


def test_everything_printed_goes_to_the_log(tmp_path):
    body = "import os; print('one', flush=True); os.write(2, b'two\\n'); log.write('three\\n')"
    code, printed, log = run(tmp_path, body)
    assert (code, printed) == (0, "")
    assert sorted(log.split()) == ["one", "three", "two"]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise InputError('`x` must be y,\\n got z.')", "error: `x` must be y, got z."),
        (
            "raise MemoryError('Unable to\\nallocate')",
            "error: memory: Unable to allocate (",
        ),
        ("raise MemoryError", "error: memory: no memory left ("),
    ],
)
def test_an_expected_failure_is_one_line_and_exit_code_2(tmp_path, body, line):
    code, printed, log = run(tmp_path, body)
    assert (code, printed) == (2, "")
    assert log.startswith(line), log
    assert len(log.splitlines()) == 1


def test_a_defect_keeps_its_traceback_in_the_log(tmp_path):
    code, printed, log = run(tmp_path, "1 / 0")
    assert (code, printed) == (1, "")
    assert log.startswith("Traceback")
    assert log.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_streams_that_a_formula_file_puts_in_the_place_of_the_job_s_change_no_exit_code(tmp_path):
    code, log, _ = run(tmp_path, "import sys; sys.stdout = sys.stderr = object()")
    assert (code, log) == (0, "")


def test_a_killed_job_removes_what_it_had_half_written(tmp_path):
    body = (
        "from lstm_gpu.files import atomic_path; import time\n"
        "    with atomic_path('result.json') as temporary:\n"
        "        temporary.write_text('half'); time.sleep(60)"
    )
    process = started(tmp_path, body)
    until = time.monotonic() + 30
    while not list(tmp_path.glob(".result.json.*")):
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert "killed" in (tmp_path / "logs" / "a.log").read_text().splitlines()[-1]


def test_only_a_job_that_asks_for_a_device_gets_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    body = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True)"
    assert run(tmp_path, body) == (0, "", "4,5\n")
    assert run(tmp_path, body, gpu=0) == (0, "", "4,5\n")
    assert run(tmp_path, body, gpu=1) == (0, "", "device 4\n4\n")


def test_a_job_without_a_device_imports_no_library_for_it(tmp_path):
    body = "import sys; print('filelock' in sys.modules, 'cupy' in sys.modules, flush=True)"
    assert run(tmp_path, body) == (0, "", "False False\n")
