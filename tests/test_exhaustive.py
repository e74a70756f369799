"""All float32 values in ranges: merged once each, and used only where they were measured."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstm_gpu import backend as backends
from lstm_gpu import exhaustive, files
from lstm_gpu.accuracy import DOCUMENTED
from lstm_gpu.claims.function_errors import FLOAT32, MEASURED, REFERENCE_ULP
from lstm_gpu.claims.sigmoid_survey import SURVEYED
from lstm_gpu.errors import InputError

LENGTH = 1 << 8
# Short stretches around what can go wrong, which stand for all 2^31 magnitudes.
STARTS = [0, 0x32800000 - 9, 0x3F800000, 0x42AEAC50 - 9, 0x43500000 - 9, FLOAT32.patterns - LENGTH]


@pytest.fixture(scope="module")
def measured():
    return [exhaustive.measure_range(s, s + LENGTH, "numpy") for s in STARTS]


@pytest.fixture
def parts(measured):
    """The measured stretches, relabelled to follow each other and to cover everything."""
    ends = [(k * LENGTH, (k + 1) * LENGTH) for k in range(len(measured))]
    ends[-1] = (ends[-1][0], FLOAT32.patterns)
    content = json.loads(json.dumps(measured))
    return [{**part, "start": a, "stop": b} for part, (a, b) in zip(content, ends, strict=True)]


def test_a_range_holds_both_measurements_and_where_they_hold(measured):
    for part in measured:
        assert part["stop"] - part["start"] == LENGTH
        assert {e["values"] for e in part["functions"].values()} == {2 * LENGTH}
        points = [c["points"] for c in part["findings"]["cells"] if c["form"] == "stable"]
        assert sum(points) == 2 * LENGTH
        assert part["routines"] == backends.routines(np)
        assert set(part["functions"]) == set(MEASURED)


def test_ranges_merge_in_any_order(parts):
    survey, accuracy = exhaustive.merge(parts)
    assert survey["points"] == 2 * LENGTH * len(parts)
    assert {row["form"] for row in survey["rows"]} == set(SURVEYED)
    assert not survey["exhaustive"]
    assert accuracy["functions"]["exp"]["values"] == survey["points"]
    for seed in range(4):
        shuffled = random.Random(seed).sample(parts, len(parts))
        assert exhaustive.merge(shuffled) == (survey, accuracy)


def test_a_missing_a_double_and_a_foreign_range_are_refused(parts):
    cases = [
        (parts[:2] + parts[3:], "are missing"),
        (parts[1:], "are missing"),
        (parts[:-1], "must reach"),
        ([*parts, parts[2]], "overlap"),
        ([], "must reach"),
        ([*parts[:-1], {**parts[-1], "backend": "cupy"}], "measured by one backend"),
        ([*parts[:-1], {**parts[-1], "routines": "another"}], "measured by one backend"),
    ]
    for wrong, says in cases:
        with pytest.raises(InputError, match=says) as refusal:
            exhaustive.merge(wrong)
        assert "\n" not in str(refusal.value)
        assert "run the workflow again" in str(refusal.value)


def test_progress_reaches_the_end_of_both_measurements():
    calls = []
    exhaustive.measure_range(0, 8, "numpy", lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert {total for _, total in calls} == {32}
    assert calls[-1] == (32, 32)


@pytest.fixture
def complete(parts):
    """A measurement that says it is of all values."""
    accuracy = exhaustive.merge(parts)[1]
    for errors in accuracy["functions"].values():
        errors["values"] = 2 * FLOAT32.patterns
    return accuracy


def test_a_measurement_of_all_values_is_used(complete):
    found = exhaustive.accuracy_here(complete, "float32", "numpy")
    for name, errors in complete["functions"].items():
        assert getattr(found, f"{name}_ulp") == errors["ulp"] + REFERENCE_ULP
    assert found.source.startswith("measured: all 4,294,967,296 values of float32")
    # What is measured of sigma agrees with what follows from the measured exponential.
    assert found.sigmoid_units / 2 <= 2 * found.exp_ulp + 2


@pytest.mark.parametrize(
    ("change", "dtype", "says"),
    [
        ({"backend": "cupy"}, "float32", "of another backend: backend 'cupy', here 'numpy'"),
        ({"device": "PDP-11"}, "float32", "of another backend: device 'PDP-11'"),
        ({"routines": "older"}, "float32", "of another backend: routines 'older'"),
        ({}, "float64", "the measurement is of float32"),
    ],
)
def test_a_measurement_made_elsewhere_is_not_used(complete, change, dtype, says):
    found = exhaustive.accuracy_here({**complete, **change}, dtype, "numpy")
    assert says in found.source
    assert found.source.startswith(DOCUMENTED.source)
    assert {**found.as_dict(), "source": DOCUMENTED.source} == DOCUMENTED.as_dict()


def test_an_incomplete_measurement_is_not_used(parts):
    found = exhaustive.accuracy_here(exhaustive.merge(parts)[1], "float32", "numpy")
    assert "not of all values" in found.source
    assert found.tanh_ulp == DOCUMENTED.tanh_ulp


def test_a_function_worse_than_documented_is_believed(complete):
    complete["functions"]["tanh"]["ulp"] = 7.5
    found = exhaustive.accuracy_here(complete, "float32", "numpy")
    assert found.tanh_ulp == 7.5 + REFERENCE_ULP
    assert "tanh is above the documented 4 ulp" in found.source
    assert "sigmoid" not in found.source


@pytest.mark.parametrize("flaw", [{"wrong": 1}, {"subnormal": 1.5}])
def test_a_function_with_wrong_results_decides_nothing(complete, flaw):
    complete["functions"]["sigmoid"].update(flaw)
    found = exhaustive.accuracy_here(complete, "float32", "numpy")
    assert found.sigmoid_ulp == np.inf
    assert "sigmoid has wrong results" in found.source


def test_where_the_layout_matters_the_documented_error_is_the_least(complete):
    complete["functions"]["tanh"]["changed"] = 3
    found = exhaustive.accuracy_here(complete, "float32", "numpy")
    assert found.tanh_ulp == DOCUMENTED.tanh_ulp
    assert "tanh depends on the layout in memory" in found.source
    complete["functions"]["tanh"]["ulp"] = 9.0
    assert exhaustive.accuracy_here(complete, "float32", "numpy").tanh_ulp > 9


def test_without_a_measurement_the_documented_accuracy_holds(complete, tmp_path: Path):
    assert exhaustive.accuracy_from([], "float32", "numpy") is DOCUMENTED
    files.write_json(tmp_path / "float32.json", "accuracy", complete)
    found = exhaustive.accuracy_from([tmp_path / "float32.json"], "float32", "numpy")
    assert found == exhaustive.accuracy_here(complete, "float32", "numpy")


ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_workflow_makes_a_range_and_resumes_with_the_missing_one(tmp_path):
    """Two ranges as jobs; one file is lost, and only that is made again, with the same bytes."""
    names = [f"results/shards/sigmoid/float32/{s}-{s + LENGTH}.json" for s in STARTS[2:4]]
    paths = [tmp_path / name for name in names]

    def run():
        config = ROOT / "config" / "test" / "config.yaml"
        options = ["--directory", tmp_path, "--configfile", config, "--cores", "2"]
        command = [sys.executable, "-m", "snakemake", *names, *options]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=os.environ)

    run()
    before = [path.read_bytes() for path in paths]
    kept = paths[1].stat().st_mtime_ns
    paths[0].unlink()
    run()
    assert [path.read_bytes() for path in paths] == before
    assert paths[1].stat().st_mtime_ns == kept
    for path, start in zip(paths, STARTS[2:4], strict=True):
        found = files.read_json(path, "sigmoid_range")
        again = exhaustive.measure_range(start, start + LENGTH, "numpy")
        assert found == json.loads(json.dumps(again))


def test_a_device_measures_for_itself(backend):
    part = exhaustive.measure_range(0x3F800000, 0x3F800000 + 40)
    assert part["routines"] == backends.routines(backend)
    accuracy = {
        "dtype": "float32",
        **{name: part[name] for name in ("backend", "device", "routines")},
        "functions": {
            name: {**errors, "values": 2**32} for name, errors in part["functions"].items()
        },
    }
    assert exhaustive.accuracy_here(accuracy, "float32").source.startswith("measured")
