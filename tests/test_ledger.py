"""A job makes what is missing and nothing else, and its ledger is true or gone."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lstm_gpu import files, ledger, packing
from lstm_gpu.accuracy import DOCUMENTED
from lstm_gpu.errors import InputError
from lstm_gpu.weights import Case

CASES = [Case(2, 3, "float64", "sparse", "generic"), Case(2, 3, "float64", "sparse", "saturated")]
SETTINGS = {"seed": 7, "backend": "numpy", "accuracy": DOCUMENTED}


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Two cases of two shards each, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    Path("source.py").write_text("x = 1\n")
    shards = [
        packing.Shard(case, start, start + 2, f"results/shards/check/{k}/{start}-{start + 2}.json")
        for k, case in enumerate(CASES)
        for start in (0, 2)
    ]
    return packing.Job("check", "float64-0000", tuple(shards), 1.0)


class Maker:
    """Stands in for `check_shard`: says what it was asked for, and counts."""

    def __init__(self, fails_at=None):
        self.calls, self.fails_at = [], fails_at

    def __call__(self, case, start, stop, progress, **settings):
        if len(self.calls) == self.fails_at:
            raise InputError("no space")
        self.calls.append((case, start, stop))
        progress(stop - start, stop - start)
        return {"case": case.as_dict(), "start": start, "seed": settings["seed"]}


def fill(job, make=None, settings=SETTINGS, sources=("source.py",), progress=lambda *_: None):
    make = make or Maker()
    ledger.fill(job.ledger, job.kind, job.work, make, settings, sources, progress)
    return [f"{start}" + case.regime[0] for case, start, _ in make.calls]


ALL = ["0g", "2g", "0s", "2s"]


def test_all_shards_are_made_and_named_in_the_ledger(job):
    seen = []
    assert fill(job, progress=lambda *state: seen.append(state)) == ALL
    content = files.read_json(job.ledger, "ledger")
    assert list(content["shards"]) == sorted(shard.path for shard in job.shards)
    for path, digest in content["shards"].items():
        assert json.loads(Path(path).read_text())["digest"] == digest
    assert list(dict.fromkeys(seen)) == [(2, 8), (4, 8), (6, 8), (8, 8)]


def test_what_is_there_is_not_made_again(job):
    fill(job)
    before = {shard.path: Path(shard.path).stat().st_mtime_ns for shard in job.shards}
    written = Path(job.ledger).read_bytes()
    Path(job.ledger).unlink()
    assert fill(job) == []
    assert Path(job.ledger).read_bytes() == written
    assert {path: Path(path).stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("damage", ["lost", "empty", "truncated", "a bit", "of another range"])
def test_a_shard_that_is_not_whole_is_made_again_alone(job, damage):
    fill(job)
    path = Path(job.shards[1].path)
    whole = path.read_bytes()
    match damage:
        case "lost":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(whole[:-20])
        case "a bit":
            path.write_bytes(whole.replace(b'"start": 2', b'"start": 3'))
        case _:
            path.write_bytes(Path(job.shards[3].path).read_bytes())
    assert fill(job) == ["2g"]
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "changes",
    [{"seed": 8}, {"directions": 3}, {"accuracy": replace(DOCUMENTED, tanh_ulp=1.5)}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_setting_makes_all_again(job, changes):
    fill(job)
    assert fill(job, settings=SETTINGS | changes) == ALL


def test_another_source_makes_all_again_and_a_touched_one_nothing(job):
    fill(job)
    os.utime("source.py", (2**31, 2**31))
    assert fill(job) == []
    Path("source.py").write_text("x = 2\n")
    assert fill(job) == ALL
    assert fill(job, sources=["source.py", ledger.__file__]) == ALL


def test_files_of_one_name_that_change_places_make_all_again(job):
    both = []
    for folder in ("a", "b"):
        Path(folder).mkdir()
        both.append(Path(folder, "helper.py"))
        both[-1].write_text(f"{folder} = 1\n")
    fill(job, sources=both)
    one, other = (path.read_bytes() for path in both)
    both[0].write_bytes(other)
    both[1].write_bytes(one)
    assert fill(job, sources=both) == ALL
    assert fill(job, sources=both) == []


def test_auto_and_the_backend_that_answers_are_the_same(job, monkeypatch):
    fill(job)
    monkeypatch.setattr(ledger.backends, "cupy_or_reason", lambda: (None, "none here"))
    assert fill(job, settings=SETTINGS | {"backend": "auto"}) == []


def test_a_job_that_fails_keeps_what_it_has_made(job):
    with pytest.raises(InputError, match="no space"):
        fill(job, Maker(fails_at=2))
    assert not Path(job.ledger).exists()
    assert fill(job) == ["0s", "2s"]


def test_a_true_ledger_stays(job):
    fill(job)
    assert ledger.drop_untrue([job]) == []
    assert Path(job.ledger).exists()


def test_without_a_ledger_there_is_nothing_to_drop(job):
    assert ledger.drop_untrue([job]) == []


@pytest.mark.parametrize("damage", ["lost", "empty", "younger"])
def test_an_untrue_ledger_is_dropped(job, damage):
    fill(job)
    path = Path(job.shards[2].path)
    now = Path(job.ledger).stat().st_mtime_ns
    if damage == "lost":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
        os.utime(path, ns=(now, now))
    else:
        os.utime(path, ns=(now + 1, now + 1))
    assert ledger.drop_untrue([job]) == [job.ledger]
    assert not Path(job.ledger).exists()


def test_a_shard_from_the_future_does_not_make_every_ledger_untrue(job):
    fill(job)
    os.utime(job.shards[0].path, (2**31, 2**31))  # the clock was set back since
    assert ledger.drop_untrue([job]) == [job.ledger]
    assert fill(job) == []
    assert ledger.drop_untrue([job]) == []


def test_a_ledger_that_cannot_be_removed_is_one_line(job, monkeypatch):
    fill(job)
    Path(job.shards[0].path).unlink()

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(InputError, match="cannot be removed: Permission denied"):
        ledger.drop_untrue([job])
