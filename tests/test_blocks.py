"""Kernels whole (check, directions): grids, blocks of real threads, barriers, shared memory."""

import shutil

import fake_device
import host_blocks
import host_threads
import numpy as np
import pytest

from lstm_gpu import arrangement, compiled, cuda_check, kernels
from lstm_gpu.arrangement import Arrangement, Device
from lstm_gpu.sphere import kernel as sphere
from lstm_gpu.sphere import squares
from lstm_gpu.sphere.directions import uniform_directions
from lstm_gpu.weights import DTYPES, Case

CHECKS = [f"check_{t}_{place}" for t in ("float64", "float32") for place in arrangement.PLACES]
# (n, m, dtype), weight sets: teams of 1, 16, 32, 128 and 256 threads, U and lines in either memory.
# Two blocks at most: teams have several weight sets one after another, and some one less.
BLOCKS = 2
PROBLEMS = [
    ((1, 1, "float64"), 300),
    ((8, 8, "float64"), 13),
    ((17, 5, "float32"), 7),
    ((33, 20, "float64"), 3),
    ((100, 100, "float32"), 3),
    ((300, 3, "float64"), 3),
]


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    return host_blocks.build("check", CHECKS, tmp_path_factory.mktemp("check"), "-O0")


def few_blocks(xp, laid, processors, sets):
    blocks = min(BLOCKS, -(-sets // laid.teams))
    return blocks, xp.empty(max(16, blocks * laid.slow_bytes), dtype=xp.uint8)


def checked(program, size, sets, monkeypatch, start=5):
    """The launch on the stand-in for CuPy; the record, and that of one team after another."""
    case = Case(*size, compiled.DISTRIBUTION, compiled.REGIME)
    monkeypatch.setattr(kernels, "or_reason", lambda: (fake_device, ""))
    monkeypatch.setattr(kernels, "function", lambda _, name: host_blocks.Kernel(program, name))
    monkeypatch.setattr(cuda_check, "memory", few_blocks)
    found = cuda_check.check(case, 1, start, start + sets)
    laid = arrangement.arrange(case, Device.here(fake_device))
    team = Arrangement(laid.place, laid.struct, 1, 1)
    return found, host_threads.check(case, 1, start, start + sets, team)


@pytest.mark.parametrize(("size", "sets"), PROBLEMS)
def test_blocks_find_what_their_teams_find(size, sets, check, monkeypatch):
    found, wanted = checked(check, size, sets, monkeypatch)
    assert found == wanted
    assert found.weight_sets == sets


@pytest.mark.slow
def test_no_barrier_is_missing_and_each_would_be_missed(tmp_path, monkeypatch):
    """Not one race in the sources; one as soon as a barrier is left out."""
    program = host_blocks.build("check", CHECKS, tmp_path, "-O0", host_blocks.RACES)
    for size, sets in PROBLEMS:
        found, wanted = checked(program, size, min(sets, 3), monkeypatch)
        assert found == wanted
    sources, one = tmp_path / "cuda", "LSTM_KERNEL(check_float64_fast"
    shutil.copytree(kernels.SOURCES, sources)
    source = (sources / "check.cu").read_text().splitlines()  # a sixth of it is soon built
    source = [line for line in source if one in line or "LSTM_KERNEL(check" not in line]
    (sources / "check.cu").write_text("\n".join(source))
    barriers = [
        ("barrier.cuh", "__syncwarp();", 0, (17, 5, "float64")),  # between phases
        ("barrier.cuh", "__syncthreads();", 0, (33, 20, "float64")),
        ("check.cu", "__syncthreads();", 0, (1, 1, "float64")),  # before the first weight set
        ("check.cu", "__syncthreads();", 1, (1, 1, "float64")),  # after the last one
    ]
    for name, barrier, place, size in barriers:
        right = (sources / name).read_text()
        parts = right.split(barrier)
        assert len(parts) - 1 == sum(other[:2] == (name, barrier) for other in barriers)
        slip = barrier.join(parts[: place + 1]) + ";" + barrier.join(parts[place + 1 :])
        (sources / name).write_text(slip)
        flags = "-O0", host_blocks.RACES
        wrong = host_blocks.build("check", CHECKS[:1], tmp_path, *flags, sources=sources)
        assert race_seen(wrong, size, 3, monkeypatch), (name, barrier, place)
        (sources / name).write_text(right)


def race_seen(program, size, sets, monkeypatch):
    """In one of some runs: the sanitizer sees about two of three, as the threads happen to run."""
    for _ in range(20):
        try:
            checked(program, size, sets, monkeypatch)
        except AssertionError as error:
            return "data race" in str(error)
    return False


# --- Directions -----------------------------------------------------------------------------------


# Teams of 1, 2, 64 and 256 threads, which have more to draw than that at n = 2100; the last ones of
# the last block have nothing to do.
@pytest.mark.parametrize("n", [1, 8, 9, 300, 2100])
@pytest.mark.parametrize("dtype", DTYPES)
def test_directions_have_numpys_bits(n, dtype, directions, monkeypatch):
    case, sets, samples = Case(n, 4, dtype, "pytorch_uniform", "generic"), range(3, 5), range(7, 11)
    wanted = uniform_directions(case, 1, sets, samples)
    monkeypatch.setattr(kernels, "function", lambda _, name: host_blocks.Kernel(directions, name))
    for blocks in (2**16, 1):
        monkeypatch.setattr(sphere, "_BLOCKS", blocks)
        found, norms = sphere.directions(case, 1, sets, samples, fake_device)
        assert found.get().tobytes() == wanted.tobytes()
        exact = squares.norms(wanted.astype(np.float64)).astype(dtype)
        assert norms.get().tobytes() == exact.tobytes()
    chosen = fake_device.asarray(np.array([[10, 7]] * 2))
    found, _ = sphere.directions(case, 1, sets, range(0), fake_device, chosen)
    assert found.get().tobytes() == wanted[:, [-1, 0]].tobytes()


@pytest.fixture(scope="module")
def directions(tmp_path_factory):
    functions = [f"directions_{dtype}" for dtype in DTYPES]
    folder = tmp_path_factory.mktemp("sphere")
    return host_blocks.build("sphere", functions, folder, "-O0", host_blocks.RACES)


# --- The stand-in ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [np.int32(5), np.arange(2), None, fake_device.asarray(np.zeros(1))],
    ids=["half a long long", "an array of the host", "no pointer", "an array for a number"],
)
def test_an_argument_that_does_not_fit_its_parameter_is_refused(wrong, check):
    case = Case(1, 1, "float64", compiled.DISTRIBUTION, compiled.REGIME)
    laid = arrangement.arrange(case, Device.here(fake_device))
    array = fake_device.asarray(np.zeros(16))
    own = cuda_check.struct_of(case, 1), laid.struct, wrong, np.int64(0), array, array, array
    with pytest.raises(AssertionError, match=r"another size|CuPy|where a value belongs"):
        host_blocks.Kernel(check, CHECKS[0])((1,), (64,), own)
