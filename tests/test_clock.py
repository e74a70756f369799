"""Times of files that lie in the future."""

import os
import time

import pytest

from lstm_gpu import clock
from lstm_gpu.errors import InputError

DAY = 86400 * 10**9


def dated(path, when):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    os.utime(path, ns=(when, when))
    return path


def test_results_of_the_future_are_of_the_present_in_the_same_order(tmp_path):
    now = time.time_ns()
    old = dated(tmp_path / "old", now - DAY)
    first = dated(tmp_path / "shards" / "first", now + DAY)
    twins = [dated(tmp_path / name, now + 2 * DAY) for name in ("one", "two")]
    last = dated(tmp_path / "last", now + 3 * DAY)
    assert clock.mend(tmp_path) == 4
    times = [path.stat().st_mtime_ns for path in (old, first, *twins, last)]
    assert times[0] == now - DAY
    assert times[0] < times[1] < times[2] == times[3] < times[4] <= time.time_ns()
    assert clock.mend(tmp_path) == 0


def test_a_folder_that_is_not_there_has_no_times(tmp_path):
    assert clock.mend(tmp_path / "none") == 0


def test_a_source_of_the_future_is_refused_in_one_line(tmp_path):
    source = dated(tmp_path / "formula.py", time.time_ns() + DAY)
    with pytest.raises(InputError, match="changed in the future") as refusal:
        clock.refuse_future([source])
    assert f"`{source}`" in str(refusal.value)
    os.utime(source)
    clock.refuse_future([source, tmp_path / "gone.py"])
