"""Layouts: the C++ structs' sizes, no array over another, within any device's memory."""

import itertools

import host_threads
import pytest

from lstm_gpu import arrangement, cuda_check
from lstm_gpu.arrangement import PLACES, Device, arrange, sizes, struct
from lstm_gpu.errors import InputError
from lstm_gpu.weights import DTYPES, Case

DEVICES = {
    "A100": Device(166912, 167936, 108),
    "H100": Device(232448, 233472, 132),
    "consumer": Device(101376, 102400, 82),
    "T4": Device(65536, 65536, 40),
}
SIZES = (1, 2, 3, 5, 8, 16, 17, 31, 64, 65, 100, 128, 256, 500, 512, 1024, 2048)
needs_compiler = pytest.mark.skipif(not host_threads.compiler(), reason="no C++ compiler")


def case_of(n, m, dtype="float64"):
    return Case(n, m, dtype, "pytorch_uniform", "generic")


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_structs_are_those_of_the_sources(dtype):
    """A row and a column more of each array take what the source says."""
    found = host_threads.sizes(dtype)
    assert found["Case"] == cuda_check.CASE.itemsize
    assert found["Arrangement"] == arrangement.ARRANGEMENT.itemsize
    assert found["U"] == arrangement.ARRANGEMENT.fields["U"][1]
    assert found["Result"] == cuda_check.RESULT.itemsize
    assert found["bins"] == cuda_check.RESULT.fields["bins"][1]
    assert found["Worst"] == cuda_check.WORST.itemsize
    work, lines, _ = sizes(case_of(1, 1, dtype), "slow", 1)
    assert (found["Extremes"], found["Partial"]) == (work["extremes"], work["partials"])
    assert found["Score"] == work["score"]
    assert found["RowBound"] == lines["parts"]
    assert (found["Row"], found["Centre"]) == (lines["rows"], lines["centres"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 5), (64, 64), (300, 2), (2048, 2048)])
def test_no_array_lies_over_another(size, place, dtype):
    case = case_of(*size, dtype)
    laid = struct(case, place, 64)
    work, lines, matrix = sizes(case, place, 64)
    lines_in = work if place != "slow" else {}
    fast = {**work, **(lines if lines_in else {})}
    slow = {**({} if lines_in else lines), **({"U": matrix} if matrix else {})}
    for arrays, size_name in ((fast, "fast_bytes"), (slow, "slow_bytes")):
        spans = sorted((int(laid[name]), int(laid[name]) + size) for name, size in arrays.items())
        assert all(start % 16 == 0 for start, _ in spans)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
        assert not spans or spans[-1][1] <= laid[size_name]
    n, m = case.hidden_size, case.input_size
    assert laid["capacity"] % 4 == 0
    assert laid["capacity"] >= max(4 * n, 4 * m, m + 2 * n)
    assert place != "fast" or (laid["capacity"] >= 4 * n * n and laid["U"] == laid["tile"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("n", SIZES)
def test_every_size_has_a_layout_within_the_device(n, name, dtype):
    device, case = DEVICES[name], case_of(n, n, dtype)
    laid = arrange(case, device)
    threads, most = int(laid.struct["threads"]), arrangement.limits(case, laid.place)[0]
    assert threads & (threads - 1) == 0
    assert laid.threads == threads * laid.teams <= most
    assert laid.threads % 32 == 0
    assert laid.teams == 1 or threads <= 32  # check.cu knows the barriers of a block and a warp
    assert laid.fast_bytes + 512 <= device.block_memory
    assert laid.blocks >= 1
    assert laid.blocks * (laid.fast_bytes + 512 + 1024) <= device.processor_memory
    assert int(laid.struct["slow_bytes"]) <= 17 * n * n + 400 * n + 200


def test_an_h100_has_enough_warps_from_16_to_512():
    for dtype, n in itertools.product(DTYPES, (16, 32, 64, 128, 256, 512)):
        laid = arrange(case_of(n, n, dtype), DEVICES["H100"])
        assert laid.blocks * laid.threads >= 32 * arrangement.WARPS


def test_an_input_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="`input_size` must leave four rows below 65536 bytes"):
        arrange(case_of(1, 4096), DEVICES["T4"])
