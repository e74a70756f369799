"""A clock that jumps: files from the future and from the past, a run under another time."""

import os
import shutil
import time

import pytest
from workplace import LONG

pytestmark = pytest.mark.slow

YEAR = 365 * 86400.0


def shift(paths, seconds):
    for path in paths:
        if path.is_file():
            when = time.time() + seconds
            os.utime(path, (when, when))


@pytest.mark.parametrize(
    ("which", "seconds"),
    [("shards", YEAR), ("jobs", YEAR), ("tables", -YEAR), ("all", 3600.0), ("half", -3600.0)]
    if LONG
    else [("half", 3600.0)],
)
def test_files_with_other_times(which, seconds, undisturbed, chance, settle, tmp_path):
    place = undisturbed.copy(tmp_path / "work")
    files = sorted(path for path in place.results.rglob("*") if path.is_file())
    folders = {"shards": "shards", "jobs": "jobs"}
    if which in folders:
        files = [path for path in files if path.relative_to(place.results).parts[0] == which]
    elif which == "tables":
        files = [path for path in files if path.parent == place.results]
    elif which == "half":
        files = chance.sample(files, len(files) // 2)
    shift(files, seconds)
    place.full = False
    settle(place, "times of files", injected=len(files))


@pytest.mark.skipif(shutil.which("faketime") is None, reason="no faketime on the path")
@pytest.mark.skipif(not LONG, reason="of the long form (FAULTS=long)")
@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_a_clock_that_jumps_between_two_runs(jump, place, undisturbed, settle, tmp_path):
    place = undisturbed.copy(tmp_path / "work")
    place.full = False
    for path in sorted((place.results / "shards").rglob("*.json"))[::2]:
        path.unlink()
    # Python waits by the monotonic clock, which a jump of the other leaves alone.
    code, said = place.run("faketime", "-f", jump, FAKETIME_DONT_FAKE_MONOTONIC="1")
    if jump.startswith("-"):  # then the sources are of the future
        assert code == 2, said
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, said
        assert "must not have been changed in the future" in lines[0]
    else:
        assert code == 0, said
    settle(place, "clock that jumps", refused=int(code == 2))
