"""kill -9 of a job, of the workflow alone, and of the workflow with its jobs; several workflows."""

import os
import signal
import time

import pytest
from conftest import LONG
from workplace import Workplace, end, jobs

pytestmark = pytest.mark.slow

REFUSAL = "must have one workflow at a time"


def wait_for_jobs(process) -> list[int]:
    while process.poll() is None:
        if found := jobs(process):
            return found
        time.sleep(0.02)
    return []


def half_done(undisturbed: Workplace, chance, folder, full) -> Workplace:
    """An earlier run's folder of which some results were lost: the tables are made anew."""
    place = undisturbed.copy(folder)
    place.full = full
    shards = sorted((place.results / "shards").rglob("*.json"))
    for shard in chance.sample(shards, 3):
        shard.unlink()
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


@pytest.mark.parametrize("who", ["workflow and jobs", "workflow"])
@pytest.mark.parametrize("number", range(17 if LONG else 1))
def test_a_killed_workflow_resumes(who, number, undisturbed, chance, settle, tmp_path):
    full = LONG and number % 5 < 2  # the other ones end with the tables
    resumed = number % 2 or (not LONG and who == "workflow")
    place = (
        half_done(undisturbed, chance, tmp_path / "work", full)
        if resumed
        else Workplace(tmp_path / "work", full=full)
    )
    process = place.start()
    wait_for_jobs(process)
    time.sleep(chance.uniform(0, 8 if full else 3))
    if who == "workflow":
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        refused = refusals(place)
    else:
        end(process)
        refused = 0
    settle(place, f"kill -9 of the {who}", refused=refused)


@pytest.mark.parametrize("number", range(16 if LONG else 1))
def test_a_killed_job_is_done_again(number, place, chance, settle):
    place.full = LONG and number % 5 < 2
    process = place.start()
    wait_for_jobs(process)
    time.sleep(chance.uniform(0, 6 if place.full else 2))
    victims = wait_for_jobs(process)[:1]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    code, said = process.wait(), place.said()
    assert bool(victims) == (code != 0), said
    if victims:
        assert sum(" failed" in line for line in said.splitlines()) >= 1, said
        assert "killed" in said, said
    settle(place, "kill -9 of a job", injected=len(victims))


@pytest.mark.parametrize("number", range(6 if LONG else 1))
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
