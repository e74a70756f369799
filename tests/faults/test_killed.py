"""kill -9 of a job, of the workflow alone, and of the workflow with its jobs; several workflows."""

import os
import shutil
import signal
import time
from contextlib import suppress

import pytest
from workplace import LONG, Workplace, end, wait_for_jobs

pytestmark = pytest.mark.slow

REFUSAL = "must have one workflow at a time"


def half_done(undisturbed: Workplace, chance, folder, full) -> Workplace:
    """An earlier run's folder of which some results were lost: the tables are made anew."""
    place = undisturbed.copy(folder)
    place.full = full
    shards = sorted((place.results / "shards").rglob("*.json"))
    for shard in chance.sample(shards, 3):
        shard.unlink()
    (place.results / "verdicts.csv").unlink()  # tables that are there would not miss a shard
    return place


def refusals(place: Workplace) -> int:
    """Run until the jobs that a killed workflow left behind have ended; how often it refused."""
    for count in range(100):
        code, said = place.run()
        if code == 0:
            return count
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, said
        assert REFUSAL in lines[0]
        assert "Traceback" not in said
        time.sleep(0.2)
    raise AssertionError("jobs of a killed workflow do not end")


# In the short form tests/workflow kills the workflow with its jobs.
@pytest.mark.parametrize("who", ["workflow and jobs", "workflow"] if LONG else ["workflow"])
@pytest.mark.parametrize("number", range(6 if LONG else 1))
def test_a_killed_workflow_resumes(who, number, undisturbed, chance, settle, tmp_path):
    """Three times in a row in the long form: each rerun must come to its jobs."""
    full = LONG and number == 0  # the other ones end with the tables
    if number % 3 == 1 or (who == "workflow" and not LONG):
        place = half_done(undisturbed, chance, tmp_path / "work", full)
    else:
        place = Workplace(tmp_path / "work", full=full)
    killed = refused = 0
    while killed < (3 if LONG else 1):
        process = place.start()
        if not wait_for_jobs(process):  # it had no more to do
            break
        time.sleep(chance.uniform(0, 4 if full else 2))
        killed += process.poll() is None
        if who == "workflow":
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            refused += refusals(place)
            shutil.rmtree(place.results / "shards" / "check", ignore_errors=True)
        else:
            end(process)
    settle(place, f"kill -9 of the {who}", killed, refused)


@pytest.mark.parametrize("number", range(6 if LONG else 1))
def test_killed_jobs_are_done_again(number, place, chance, settle):
    """Some in one run, which goes on with the others."""
    place.full = LONG and number == 0
    process = place.start()
    killed: set[int] = set()
    while len(killed) < (4 if LONG else 1):
        victims = set(wait_for_jobs(process)) - killed
        if process.poll() is not None:
            break
        if victims:
            time.sleep(chance.uniform(0, 0.6))
            victim = chance.choice(sorted(victims))
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
        time.sleep(0.02)
    code, said = process.wait(), place.said()
    failed = sum(" failed: killed (kill -9)" in line for line in said.splitlines())
    assert bool(failed) == (code != 0), said
    settle(place, "kill -9 of a job", failed)


@pytest.mark.parametrize("number", range(3 if LONG else 1))
def test_a_second_workflow_is_refused_and_the_first_goes_on(number, place, chance, settle):
    first = place.start()
    if number:  # else both at the same moment
        wait_for_jobs(first)
        time.sleep(chance.uniform(0, 3))
    second = place.start(log=place.folder / "said by the second")
    codes = first.wait(), second.wait()
    assert sorted(codes) == [0, 2], (place.said(), codes)
    refused = place.folder / "said by the second" if codes[1] else place.log
    lines = [s for s in refused.read_text().splitlines() if s.startswith("error: ")]
    assert len(lines) == 1, lines
    assert REFUSAL in lines[0]
    settle(place, "a second workflow", refused=1)
