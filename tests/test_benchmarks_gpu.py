"""The GPU's benchmark, on a stand-in: every line of it but the kernels and torch on a device."""

import os
import time
import types

import fake_device
import pytest

from benchmarks import gpu, gpu_parts, gpu_rates, gpu_targets
from benchmarks.isolated import Failed, isolated
from lstm_gpu import cuda_check, kernels, scan
from lstm_gpu.arrangement import Device, arrange
from lstm_gpu.files import read_json
from lstm_gpu.tally import Record
from lstm_gpu.weights import words_per_set

H100 = Device(232448, 233472, 132)
RATE = {"philox": 1e10, "fma_float64": 1e12, "fma_float32": 2e12, "divide_float64": 1e11}
RATE |= {"divide_float32": 2e11, "bytes": 1e12, "mma_float64": 2e12}


class Idle:
    """A kernel that takes its arguments and does nothing."""

    max_dynamic_shared_size_bytes = 0
    num_regs = 64
    kernel = types.SimpleNamespace(ptr=0)

    def __call__(self, grid, block, arguments, shared_mem=0):
        assert grid[0] >= 1
        assert block[0] >= 1


@pytest.fixture
def device(monkeypatch):
    """The stand-in with all that is asked of it; parts run in this process."""
    real = fake_device.cuda.Device

    def whole(*number):
        own = vars(real(*number)) | {"attributes": {**fake_device.H100, "L2CacheSize": 50 * 2**20}}
        return types.SimpleNamespace(**own, synchronize=lambda: None)

    def here(function, *arguments, limit):
        try:
            return function(*arguments)
        except ZeroDivisionError as error:
            raise Failed(f"ZeroDivisionError: {error}") from None

    driver = types.SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=lambda *of: 4)
    monkeypatch.setattr(fake_device.cuda, "Device", whole)
    monkeypatch.setattr(fake_device.cuda, "driver", driver, raising=False)
    monkeypatch.setattr(gpu, "isolated", here)
    monkeypatch.setattr(kernels, "or_reason", lambda: (fake_device, ""))
    monkeypatch.setattr(kernels, "function", lambda name, function: Idle())
    monkeypatch.setattr(cuda_check, "check", lambda *task: Record())
    monkeypatch.setattr(scan, "check_by_arrays", lambda *task: Record())
    monkeypatch.setattr(gpu_parts.peers, "missing", lambda package: "the peers are skipped")
    monkeypatch.setattr(gpu_parts, "SECONDS", 1e-6)
    monkeypatch.setattr(gpu_parts, "SPHERE", (3, 2, 64))
    monkeypatch.setattr(gpu_parts.sphere, "search_all", lambda *task: None)
    monkeypatch.setattr(gpu_parts.sigmoid_kernel, "survey_range", lambda *task: None)
    monkeypatch.setattr(gpu_parts.sigmoid_kernel, "measure", lambda *task: None)
    for name, small in (("WARM", 0), ("LEAST", 1e-6), ("_COPIED", 2**16), ("_MATRIX", 16)):
        monkeypatch.setattr(gpu_rates, name, small)
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # so that what `measure` sets is undone
    return fake_device


def test_what_binds_is_the_slowest_of_the_three():
    case = gpu_parts.case
    small, large = (gpu_rates.floor(case(n, "float64"), RATE, H100, 0) for n in (64, 512))
    assert small["memory"] == 0
    assert large["memory"] == 512**2 * 48 / RATE["bytes"]
    assert small["draws"] == words_per_set(case(64, "float64")) / 8 / RATE["philox"]
    assert small["arithmetic"] == 64**2 * (123 / 1e12 + 1 / 1e11)
    scarce = gpu_rates.floor(case(512, "float64"), {**RATE, "bytes": 1e9}, H100, 0)
    assert max(scarce, key=scarce.get) == "memory"


def test_what_the_second_level_cache_may_hold_costs_no_memory():
    case = gpu_parts.case(128, "float64")
    laid = arrange(case, H100)
    held = laid.slow_bytes * laid.blocks * H100.processors
    times = [gpu_rates.floor(case, RATE, H100, cache)["memory"] for cache in (0, held // 2, held)]
    assert times == [128**2 * 48 / 1e12, 128**2 * 24 / 1e12, 0]


def test_a_record_is_written(device, tmp_path, capsys):
    assert gpu.main(["--sizes", "2", "3", "--results", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.count("x floor") == 8  # when it is done, and in the table
    content = read_json(tmp_path / "fake-device.json", "benchmark")
    assert [row["hidden_size"] for row in content["checks"]] == [2, 3, 2, 3]
    assert set(content["rates"]) == set(RATE)
    assert content["dgemm"] > 0
    assert content["checks"][0]["numpy"] > 0
    assert content["device"]["backend"] == "cupy"
    assert content["failures"] == {}
    assert len(content["targets"]) == output.count("wanted")
    assert str(tmp_path) not in (tmp_path / "fake-device.json").read_text()


def test_a_part_that_fails_costs_no_other(device, tmp_path, capsys, monkeypatch):
    def wrong(*task):
        raise ZeroDivisionError("a bad kernel")

    monkeypatch.setattr(gpu_rates, "rates", wrong)
    monkeypatch.setattr(gpu_parts.sphere, "search_all", wrong)
    assert gpu.main(["--sizes", "2", "--results", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert output.count("ZeroDivisionError: a bad kernel") == 2
    assert output.count("no floor") == 4
    content = read_json(tmp_path / "fake-device.json", "benchmark")
    assert set(content["failures"]) == {"rates", "sphere"}
    assert content["sphere"] is None
    assert content["sigmoid"]["forms"] > 0
    assert len(content["checks"]) == 2


def test_the_record_is_there_when_the_run_is_killed(device, tmp_path, monkeypatch):
    def killed():
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu_parts, "measure_sphere", killed)
    with pytest.raises(KeyboardInterrupt):
        gpu.main(["--sizes", "2", "--results", str(tmp_path)])
    assert len(read_json(tmp_path / "fake-device.json", "benchmark")["checks"]) == 2


def test_without_a_gpu_it_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "or_reason", lambda: (None, "the test has no GPU"))
    assert gpu.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_part_has_a_process_of_its_own():
    """Its result; or why there is none, whether it raised, fell, or hangs."""
    assert isolated(os.getpid, limit=60) != os.getpid()
    with pytest.raises(Failed, match=r"^ValueError: .*'x'$"):
        isolated(int, "x", limit=60)
    with pytest.raises(Failed, match=r"ended with exit code 7$"):
        isolated(os._exit, 7, limit=60)
    began = time.perf_counter()
    with pytest.raises(Failed, match=r"not done within 0.2 s$"):
        isolated(time.sleep, 300, limit=0.2)
    assert time.perf_counter() - began < 60


def test_runs_are_long_enough(monkeypatch):
    """A second for 1024 weight sets, so that all sums and quotients are exact; the first run
    compiles, for as long as ten runs."""
    clock, asked = [0.0], []

    def check(of, seed, start, stop):
        clock[0] += (stop - start) / 1024 if asked else 10
        asked.append(stop - start)

    monkeypatch.setattr(gpu_parts.time, "perf_counter", lambda: clock[0])
    assert gpu_parts.seconds_per_set(check, gpu_parts.case(2, "float64"), 1) == 1 / 1024
    assert asked[-1] >= 500
    assert len(asked) <= 11


def test_short_operations_are_timed_many_at_once_and_after_the_clocks_are_up(monkeypatch):
    """On a device that compiles for 5 s, and is slow for a tenth of a second then."""
    clock, runs = [0.0], [0]

    def operation():
        runs[0] += 1
        clock[0] += 5 if runs[0] == 1 else 2.0**-13 if clock[0] > 5.1 else 2.0**-11

    quiet = types.SimpleNamespace(synchronize=lambda: None)
    xp = types.SimpleNamespace(cuda=types.SimpleNamespace(Device=lambda: quiet))
    monkeypatch.setattr(gpu_rates.time, "perf_counter", lambda: clock[0])
    assert gpu_rates.timed(operation, xp) == 2.0**-13  # sums of powers of two are exact
    assert clock[0] >= 5 + gpu_rates.WARM + gpu_rates.ROUNDS * gpu_rates.LEAST
    assert clock[0] <= 6


def row(n, dtype="float64", over_floor=1.8, **others):
    own = {"hidden_size": n, "dtype": dtype, "seconds": 2**-20, "over_floor": over_floor}
    return own | others


def test_targets_are_met_where_the_worst_size_meets_them():
    record = {
        "rates": RATE,
        "dgemm": 4e12,
        "sphere": {"products_per_second": 1e12},
        "sigmoid": {"forms": 2.5, "functions": 1.0},
        "checks": [
            row(8, over_floor=5.0, numpy=2**-12, torch_func=2**-15, gradcheck=2**-3),
            row(16, numpy=2**-13),
            row(512, "float32", over_floor=2.1),
        ],
    }
    found = {target["target"]: target for target in gpu_targets.targets(record)}
    floor, numpy, func, check, sigmoid, sphere = found.values()
    assert (floor["met"], floor["worst_at"]) == (False, "n = 512 float32")  # n = 8 is not asked
    assert (numpy["met"], numpy["reached"]["n = 16 float64"]) == (False, 64)  # on two cores
    assert (func["met"], check["met"], sigmoid["met"]) == (True, True, False)
    assert sphere["reached"] == {"n = 128": 0.5}  # of the larger rate
    assert sphere["met"]
    assert gpu_targets.line(sigmoid).endswith("wanted 2, 2.5 at all, missed")
    nothing = {"rates": None, "dgemm": None, "sphere": None, "sigmoid": None, "checks": []}
    assert [target["met"] for target in gpu_targets.targets(nothing)] == [None] * 6


@pytest.mark.torch
def test_torch_is_left_out_where_it_sees_no_gpu():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert gpu_parts.torch_seconds(2) == {}
