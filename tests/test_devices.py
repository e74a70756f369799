"""One device for each job: chosen by a lock, released with the process, never shared."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lstm_gpu import devices
from lstm_gpu.errors import InputError

ROOT = Path(__file__).parents[1]
PROGRAM = """
import os, sys, time
from pathlib import Path
from lstm_gpu import devices
with devices.reserved(sys.stderr) as device:
    mine = Path("in use", device)
    try:
        mine.open("x").close()
    except FileExistsError:
        Path("shared").touch()
    print(os.environ["CUDA_VISIBLE_DEVICES"], "cupy" in sys.modules, flush=True)
    {body}
    mine.unlink()
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Locks of their own for each test, and a machine in which nothing names a device."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in (devices.VARIABLE, "SLURM_JOB_ID", "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "in use").mkdir()
    return tmp_path


def driver(folder: Path, text: str) -> None:
    """An nvidia-smi that prints `text`, and fails where it is asked for anything but a list."""
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ntest \"$*\" = -L || exit 9\ncat <<'END'\n{text}\nEND\n")
    script.chmod(0o755)


def started(folder: Path, body: str = "pass") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen) -> tuple[str, str]:
    out, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    return out, log


def device_of(process: subprocess.Popen) -> str:
    """The device that a running process says that it has."""
    line = process.stdout.readline()
    assert line, process.communicate(timeout=60)[1]
    return line.split()[0]


@pytest.mark.parametrize(
    ("named", "ids"),
    [
        ("0", ["0"]),
        ("2, 0", ["2", "0"]),
        ("GPU-8932f937-d72c-4106,1", ["GPU-8932f937-d72c-4106", "1"]),
        ("MIG-GPU-8932f937/1/0", ["MIG-GPU-8932f937/1/0"]),
        ("MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde", ["MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde"]),
        ("1,01,1", ["1"]),
        # As CUDA reads it: nothing from the first on that cannot be an id.
        ("", []),
        ("-1", []),
        ("1,-1,0", ["1"]),
        ("1,,0", ["1"]),
        ("NoDevFiles", []),
        ("../../etc/passwd", []),
        ("GPU-../../x", []),
        ("0;touch x", []),
        ("$(touch x)", []),
        ("0\n1", []),
        ("٣", []),
        ("9" * 5000, []),
        ("GPU-" + "a" * 5000, []),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode() or "empty",
)  # fmt: skip
def test_the_variable_is_read_as_cuda_reads_it(monkeypatch, named, ids):
    monkeypatch.setenv(devices.VARIABLE, named)
    assert devices.visible() == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (
            "GPU 0: NVIDIA H100 (UUID: GPU-aa-1)\nGPU 1: A (b) (UUID: GPU-bb-2)",
            ["GPU-aa-1", "GPU-bb-2"],
        ),
        (
            "GPU 0: NVIDIA A100 (UUID: GPU-aa)\n"
            "  MIG 3g.20gb     Device  0: (UUID: MIG-11)\n"
            "  MIG 1g.5gb      Device  1: (UUID: MIG-GPU-aa/2/0)\n"
            "GPU 1: NVIDIA A100 (UUID: GPU-bb)",
            ["MIG-11", "MIG-GPU-aa/2/0", "GPU-bb"],
        ),
        ("No devices found.", None),
        ("GPU 0: x (UUID: ../../y)", None),
        ("", None),
    ],
    ids=["two", "parts", "none", "hostile", "nothing"],
)
def test_the_driver_is_asked_where_the_variable_is_not_set(place, text, ids):
    driver(place, text)
    assert devices.visible() == ids


def test_a_driver_that_fails_or_is_missing_tells_nothing(place):
    assert devices.visible() is None
    (place / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: (UUID: GPU-aa)'; exit 9\n")
    (place / "nvidia-smi").chmod(0o755)
    assert devices.visible() is None


def test_the_variable_goes_before_the_driver(place, monkeypatch):
    driver(place, "GPU 0: NVIDIA H100 (UUID: GPU-aa)")
    monkeypatch.setenv(devices.VARIABLE, "7")
    assert devices.visible() == ["7"]


def test_each_of_two_jobs_has_a_device_and_a_third_waits_for_one(place):
    driver(place, "GPU 0: NVIDIA H100 (UUID: GPU-aa)\nGPU 1: NVIDIA H100 (UUID: GPU-bb)")
    jobs = [started(place, "time.sleep(60)") for _ in range(2)]
    try:
        holders = {device_of(job): job for job in jobs}
        assert set(holders) == {"GPU-aa", "GPU-bb"}
        third = started(place)
        jobs.append(third)
        said = third.stderr.readline()
        assert said == "waiting: other jobs have all devices (GPU-aa, GPU-bb)\n"
        (place / "in use" / "GPU-bb").unlink()  # its holder is killed and cannot
        holders["GPU-bb"].send_signal(signal.SIGKILL)
        assert ended(third) == ("GPU-bb False\n", "device GPU-bb\n")
        assert not (place / "shared").exists()
    finally:
        for job in jobs:
            job.kill()
            job.communicate(timeout=60)


def test_more_jobs_than_devices_never_share_one(place, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "0,1,MIG-GPU-aa/1/0")
    (place / "in use" / "MIG-GPU-aa" / "1").mkdir(parents=True)
    jobs = [started(place, "time.sleep(0.2)") for _ in range(9)]
    used = [ended(job)[0].split()[0] for job in jobs]
    assert set(used) == {"0", "1", "MIG-GPU-aa/1/0"}
    assert not (place / "shared").exists()


def test_a_killed_job_leaves_its_device_free(place, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "3")
    killed = started(place, "time.sleep(60)")
    assert device_of(killed) == "3"
    killed.kill()
    killed.communicate(timeout=60)
    (place / "in use" / "3").unlink()
    assert ended(started(place))[1] == "device 3\n"


def no_patience(seconds: float) -> None:
    raise TimeoutError


def test_jobs_take_turns_where_nothing_tells_the_devices(place, monkeypatch):
    log, other = io.StringIO(), io.StringIO()
    with devices.reserved(log) as device:
        assert device is None
        assert devices.VARIABLE not in os.environ
        monkeypatch.setattr(devices.time, "sleep", no_patience)
        with pytest.raises(TimeoutError):
            devices.reserved(other).__enter__()
    assert other.getvalue().startswith("waiting: ")
    with devices.reserved(log) as device:
        assert device is None
    assert log.getvalue() == ""


def test_without_a_visible_device_nothing_is_locked(place, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "")
    with devices.reserved(io.StringIO()) as device:
        assert device is None
        assert os.environ[devices.VARIABLE] == ""
    assert not list(place.glob("lstm_gpu-devices-*"))


def test_steps_of_slurm_count_their_own_devices(monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "0")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with devices.reserved(io.StringIO()):
        monkeypatch.setenv(devices.VARIABLE, "0")
        monkeypatch.setenv("SLURM_JOB_ID", "18")  # another device, though its number is the same
        log = io.StringIO()
        with devices.reserved(log) as device:
            assert device == "0"
        assert log.getvalue() == "device 0\n"


@pytest.mark.parametrize("kind", ["file", "link", "loop"])
def test_a_folder_that_is_not_ours_is_one_clear_error(place, monkeypatch, kind):
    monkeypatch.setenv(devices.VARIABLE, "0")
    folder = place / f"lstm_gpu-devices-{os.getuid()}"
    match kind:
        case "file":
            folder.touch()
        case "link":
            folder.symlink_to(place / "in use")
        case "loop":
            folder.symlink_to(folder)
    with pytest.raises(InputError, match=r"^`.*lstm_gpu-devices.* TMPDIR"):
        devices.reserved(io.StringIO()).__enter__()
    assert list((place / "in use").iterdir()) == []


def test_a_file_in_place_of_a_lock_is_one_clear_error(place, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "0")
    (devices._folder() / devices._file("0")).mkdir()
    with pytest.raises(InputError, match="cannot be locked"):
        devices.reserved(io.StringIO()).__enter__()
