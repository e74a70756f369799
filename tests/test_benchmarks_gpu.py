"""The GPU's benchmark, on a stand-in: every line of it but the kernels and torch on a device."""

import types

import fake_device
import pytest

from benchmarks import gpu
from lstm_gpu import cuda_check, kernels, scan
from lstm_gpu.arrangement import Device
from lstm_gpu.files import read_json
from lstm_gpu.tally import Record
from lstm_gpu.weights import words_per_set

RATE = {"philox": 1e10, "fma_float64": 1e12, "fma_float32": 2e12, "divide_float64": 1e11}
RATE |= {"mma_float64": 2e12, "divide_float32": 2e11, "bytes": 1e12}


class Idle:
    """A kernel that takes its arguments and does nothing."""

    max_dynamic_shared_size_bytes = 0

    def __call__(self, grid, block, arguments, shared_mem=0):
        assert grid[0] >= 1
        assert block[0] >= 1


@pytest.fixture
def device(monkeypatch):
    real = fake_device.cuda.Device

    def synchronised(*number):
        return types.SimpleNamespace(**vars(real(*number)), synchronize=lambda: None)

    monkeypatch.setattr(fake_device.cuda, "Device", synchronised)
    monkeypatch.setattr(kernels, "or_reason", lambda: (fake_device, ""))
    monkeypatch.setattr(kernels, "function", lambda name, function: Idle())
    monkeypatch.setattr(cuda_check, "check", lambda *task: Record())
    monkeypatch.setattr(scan, "check_by_arrays", lambda *task: Record())
    monkeypatch.setattr(gpu.peers, "missing", lambda package: "the peers are skipped")
    monkeypatch.setattr(gpu, "SECONDS", 1e-6)
    monkeypatch.setattr(gpu, "SPHERE", (3, 2, 64))
    monkeypatch.setattr(gpu, "measure_sigmoid", lambda xp: {"forms": 1.0, "functions": 1.0})
    monkeypatch.setattr(gpu, "_COPIED", 2**16)
    return fake_device


def test_what_binds_is_the_slowest_of_the_three():
    h100 = Device(232448, 233472, 132)
    small, large = (gpu.floor(gpu.case(n, "float64"), RATE, h100) for n in (64, 512))
    assert small["memory"] == 0
    assert large["memory"] == 512**2 * 48 / RATE["bytes"]
    assert small["draws"] == words_per_set(gpu.case(64, "float64")) / 8 / RATE["philox"]
    assert small["arithmetic"] == 64**2 * (123 / 1e12 + 1 / 1e11)
    scarce = gpu.floor(gpu.case(512, "float64"), {**RATE, "bytes": 1e9}, h100)
    assert max(scarce, key=scarce.get) == "memory"


def test_a_record_is_written(device, tmp_path, capsys, monkeypatch):
    from lstm_gpu.sphere import kernel as sphere

    monkeypatch.setattr(sphere, "search_all", lambda *task: None)
    assert gpu.main(["--sizes", "2", "3", "--results", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert output.count("x floor") == 4
    content = read_json(tmp_path / "fake-device.json", "benchmark")
    assert [row["hidden_size"] for row in content["checks"]] == [2, 3, 2, 3]
    assert set(content["rates"]) == set(RATE)
    assert content["device"]["backend"] == "cupy"
    assert str(tmp_path) not in (tmp_path / "fake-device.json").read_text()


def test_without_a_gpu_it_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "or_reason", lambda: (None, "the test has no GPU"))
    assert gpu.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_runs_are_long_enough(monkeypatch):
    """Time goes by a second with each weight set of a thousand."""
    clock, asked = [0.0], []

    def check(of, seed, start, stop):
        asked.append(stop - start)
        clock[0] += (stop - start) / 1000

    monkeypatch.setattr(gpu.time, "perf_counter", lambda: clock[0])
    assert abs(gpu.seconds_per_set(check, gpu.case(2, "float64"), 1) - 1e-3) <= 1e-9
    assert asked[-1] >= 500
    assert len(asked) <= 10


@pytest.mark.torch
def test_torch_is_left_out_where_it_sees_no_gpu():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert gpu.torch_seconds(2) == {}
