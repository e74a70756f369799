"""A full disk, before the run and in the middle of it, and a folder that can only be read."""

import os
import subprocess
import time
from contextlib import contextmanager

import pytest
from workplace import LONG, wait_for_jobs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a tmpfs needs root"
    ),
]

NO_SPACE = "No space left on device"


@contextmanager
def mounted(place, size):
    """A small file system as the results folder."""
    place.results.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place.results)]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {tried.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place.results)], check=True)


def remount(place, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(place.results)], check=True)


def says(said, reason):
    """No traceback; at least one line with the reason and the remedy."""
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if reason in line]
    assert any("Free space" in line or "Remove it" in line for line in lines), said


@pytest.mark.parametrize("size", [48, 150, 300, 600, 900] if LONG else [200])
def test_a_full_disk_is_said_and_a_rerun_completes(size, place, settle):
    place.full = LONG and size > 900
    with mounted(place, size):
        code, said = place.run()
        if code:
            says(said, NO_SPACE)
        remount(place, "size=64m")
        settle(place, "full disk", injected=int(code != 0), refused=int(code != 0))


@pytest.mark.parametrize("number", range(2 if LONG else 1))
def test_a_disk_that_fills_up_in_the_middle(number, place, chance, settle):
    with mounted(place, 8192):
        process = place.start()
        wait_for_jobs(process)
        time.sleep(chance.uniform(0, 1.5))
        hog = place.results / "hog"
        with hog.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass  # full
        code, said = process.wait(), place.said()
        if code:
            says(said, NO_SPACE)
        hog.unlink()
        settle(place, "disk that fills up", injected=int(code != 0), refused=int(code != 0))


@pytest.mark.parametrize("number", range(3 if LONG else 1))
def test_a_folder_that_can_only_be_read(number, place, chance, settle):
    with mounted(place, 8192):
        process = None
        if number:  # in the middle of a run
            process = place.start()
            wait_for_jobs(process)
            time.sleep(chance.uniform(0, 1))
        for _ in range(500):  # until nobody has a file open for writing
            command = ["mount", "-o", "remount,ro", str(place.results)]
            if not subprocess.run(command, capture_output=True, check=False).returncode:
                break
            time.sleep(0.01)
        if process:
            code, said = process.wait(), place.said()
        else:
            code, said = place.run()
        if code:
            says(said, "Read-only file system" if process else "no permission to write")
        remount(place, "rw")
        settle(place, "read-only folder", injected=int(code != 0), refused=int(code != 0))
