"""Shards into jobs: each once, in order, of about equal length, with the memory that it takes."""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_configuration import CONFIGS, DEFAULT, ROOT

from lstm_gpu import configuration, packing
from lstm_gpu.errors import InputError
from lstm_gpu.weights import Case

CASES = configuration.case_table(DEFAULT)
FOLDERS = [case.name for case in CASES]
SMALL = Case(8, 8, "float64", "pytorch_uniform", "generic")


def of(jobs):
    return [shard for job in jobs.values() for shard in job.shards]


@pytest.mark.parametrize("target", [0.001, 1, 10, 600, 1e9])
@pytest.mark.parametrize("kind", ["check", "align"])
def test_each_shard_is_in_one_job(kind, target):
    config = {**DEFAULT, "shard_size": 50}
    found = of(packing.plan(kind, config, FOLDERS, target))
    paths = [shard.path for shard in found]
    assert len(paths) == len(set(paths))
    assert set(paths) == set(packing.shard_paths(kind, config, FOLDERS))
    assert all(shard.path.endswith(f"/{shard.start}-{shard.stop}.json") for shard in found)
    assert all(shard.case.name in shard.path for shard in found)


def test_a_job_has_one_dtype():
    for job in packing.plan("check", DEFAULT, FOLDERS, 1e9).values():
        assert {shard.case.dtype for shard in job.shards} == {job.name.split("-")[0]}


@pytest.mark.parametrize("target", [1, 10, 60])
def test_jobs_last_about_as_long_as_was_asked_for(target):
    for kind in ("check", "align"):
        for job in packing.plan(kind, DEFAULT, FOLDERS, target).values():
            longest = max(
                packing.seconds(kind, s.case, s.start, s.stop, DEFAULT) for s in job.shards
            )
            total = sum(packing.seconds(kind, s.case, s.start, s.stop, DEFAULT) for s in job.shards)
            assert job.seconds == total
            assert total <= 1.5 * target + longest  # rounding of the number of jobs, and one middle


@given(costs=st.lists(st.floats(1e-3, 1e3), max_size=60), target=st.floats(1e-2, 1e4))
def test_a_cut_leaves_nothing_out_and_repeats_nothing(costs, target):
    runs = list(packing.cut(costs, target))
    assert [place for first, last in runs for place in range(first, last)] == list(
        range(len(costs))
    )
    assert all(first < last for first, last in runs)


def test_work_names_every_shard():
    (job,) = packing.plan(
        "align",
        {**DEFAULT, "cases": {**DEFAULT["cases"], "dtype": ["float32"]}},
        [c.name for c in CASES if c.dtype == "float32"],
        1e9,
    ).values()
    named = [
        (part["case"], f"{part['folder']}/{start}-{stop}.json")
        for part in job.work
        for start, stop in part["ranges"]
    ]
    assert named == [(shard.case.as_dict(), shard.path) for shard in job.shards]


def test_larger_work_costs_more():
    def cost(kind, case, start, stop, config=DEFAULT):
        return packing.seconds(kind, case, start, stop, config)

    large = Case(128, 128, "float64", "pytorch_uniform", "generic")
    for kind in ("check", "align"):
        assert cost(kind, SMALL, 0, 10) < cost(kind, SMALL, 0, 100) < cost(kind, large, 0, 100)
    # Wrong formulas are tried on the first 64 weight sets, the ladder belongs to the first one.
    assert cost("check", large, 0, 64) > cost("check", large, 1, 65) > cost("check", large, 64, 128)
    more = {**DEFAULT, "sphere": {"weight_sets": 16, "directions": 4096}}
    assert cost("align", large, 0, 16, more) > cost("align", large, 0, 16)
    two = {**DEFAULT, "formulas": ["a.py", "b.py"]}
    assert cost("formulas", SMALL, 0, 9, two) == 2 * cost("check", SMALL, 0, 9)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_time_and_memory_of_the_shipped_configurations_are_modest(path):
    config = yaml.safe_load(path.read_text())
    folders = [case.name for case in configuration.case_table(config)]
    for kind in packing.kinds(config):
        for job in packing.plan(kind, config, folders).values():
            assert packing.PROCESS_MEMORY < job.memory <= 1024
            assert 10 <= job.minutes <= 60


PEAK = """
from benchmarks.memory import peak
from lstm_gpu import campaign
from lstm_gpu.weights import Case
case = Case({n}, {n}, "float64", "pytorch_uniform", "generic")
campaign.{kind}_shard(case, 1, 0, {sets}, backend="numpy"{more})
print(peak())
"""


@pytest.mark.parametrize(
    ("kind", "n", "sets"),
    [("check", 1, 140_000), ("check", 64, 40), ("check", 512, 1), ("align", 128, 4)],
)
def test_the_announced_memory_is_enough_and_not_far_too_much(kind, n, sets):
    more = ", directions=2048" if kind == "align" else ""
    program = PEAK.format(kind=kind, n=n, sets=sets, more=more)
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    measured = int(printed) / 2**20
    announced = packing.memory(kind, Case(n, n, "float64", "pytorch_uniform", "generic"), sets)
    assert measured <= announced <= 4 * measured, (measured, announced)


def test_the_tables_ask_for_more_where_there_is_more():
    assert 256 < packing.table_memory(DEFAULT) < 1024
    assert packing.table_minutes(DEFAULT) == 10
    many = {**DEFAULT, "weight_sets": 144 * 600}
    assert packing.table_memory(many) > packing.table_memory(DEFAULT)
    assert packing.table_minutes(many) > 60


def test_formulas_are_packed_where_there_are_any():
    assert packing.kinds(DEFAULT) == ("check", "align")
    assert packing.kinds({**DEFAULT, "formulas": ["a.py"]}) == ("check", "align", "formulas")


@pytest.mark.parametrize(("value", "seconds"), [(10, 10.0), ("600", 600.0), (0.5, 0.5)])
def test_the_length_of_jobs_is_a_number_of_seconds(value, seconds):
    assert packing.job_seconds(value) == seconds


@pytest.mark.parametrize(
    "value", [0, -1, "-1", "soon", "inf", None, [1], float("nan"), float("inf")]
)
def test_any_other_length_is_refused(value):
    with pytest.raises(InputError, match="`job_seconds` must be a positive number of seconds"):
        packing.job_seconds(value)


@pytest.mark.parametrize("value", [-1, 0.5, True, "512", None, float("nan")])
def test_a_margin_that_is_no_memory_is_one_clear_error(value):
    assert packing.job_margin(512) == 512
    with pytest.raises(InputError, match="`job_margin` must be a whole number of MiB, 0 or more"):
        packing.job_margin(value)
