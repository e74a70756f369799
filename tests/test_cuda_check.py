"""The CUDA check without a GPU: its threads on the host, one by one; its launch on a stand-in."""

import itertools
import shutil
import types

import fake_device
import host_threads
import numpy as np
import pytest
from agreement import ends_of_bound

from lstm_gpu import arrangement, bounds, compiled, cuda_check, derivatives, kernels, scan, tally
from lstm_gpu.arrangement import PLACES
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.tally import Comparison, Record, summarise
from lstm_gpu.weights import DTYPES, Case, draw

needs_compiler = pytest.mark.skipif(not host_threads.compiler(), reason="no C++ compiler")
SIZES = ((1, 1), (3, 2), (8, 8), (17, 5), (5, 90), (64, 64))


def case_of(n: int, m: int, dtype: str) -> Case:
    return Case(n, m, dtype, compiled.DISTRIBUTION, compiled.REGIME)


# --- The kernel's phases --------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_weights_are_drawn_with_numpys_bits(size, dtype):
    case = case_of(*size, dtype)
    for seed, index in ((0, 0), (2**64 - 1, 2**40 + 3), (1, 2**61 // 3)):
        sets = draw(case, seed, index, index + 1)
        wanted = np.concatenate([sets.W.ravel(), sets.U.ravel()])
        for place, threads in (("fast", 1), ("fast", 32), ("slow", 128)):
            laid = host_threads.laid_out(case, place, threads)
            assert host_threads.draw(case, seed, index, laid).tobytes() == wanted.tobytes()


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_order_of_threads_and_the_place_of_arrays_make_no_difference(size, dtype):
    """To the bit: no thread of a phase reads what another one of it writes."""
    case = case_of(*size, dtype)
    for threads in (1, 4, 32, 256):
        found = []
        for place, backwards in itertools.product(PLACES, (False, True)):
            laid = host_threads.laid_out(case, place, threads)
            laid.struct["capacity"] = host_threads.laid_out(case, "slow", 1).struct["capacity"]
            if place != "fast":
                found.append(host_threads.check(case, 1, 2, 6, laid, backwards))
        assert all(record == found[0] for record in found)
        laid = host_threads.laid_out(case, "fast", threads)
        forwards, backwards = (host_threads.check(case, 1, 2, 6, laid, b) for b in (False, True))
        assert forwards == backwards


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", SIZES)
def test_a_team_finds_what_the_array_code_finds(size, place, dtype):
    """Values within the bounds of both; the same verdict; bounds between their ends."""
    case = case_of(*size, dtype)
    block = Block(draw(case, 1, 2, 5))
    formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
    formula_bound = 2 * bounds.entries(block.formula_errors("h"), block.sets.U)
    measured = block.measured("central", "h")
    measured_bound = 2 * block.bound("central", "h", with_formula=False)
    bound = block.bound("central", "h")
    least, most = ends_of_bound(block)
    laid = host_threads.laid_out(case, place, 64)
    for s in range(3):
        record = host_threads.check(case, 1, 2 + s, 3 + s, laid)
        worst = record.worst
        at = (s, *worst["entry"])
        assert worst["index"] == 2 + s
        assert abs(worst["claimed"] - formula[at]) <= formula_bound[at]
        assert abs(worst["measured"] - measured[at]) <= measured_bound[at]
        assert least[at] <= worst["bound"] <= most[at]
        if record.decisive_sets:
            assert 2 * least[s].max() <= record.smallest_detectable <= 2 * most[s].max()
        else:
            assert record.smallest_detectable == np.inf
        # The step is a power of two: scaled by it or not, the quotient rounds to the same.
        real = np.dtype(dtype).type
        assert worst["ratio"] == real(worst["error"]) / real(worst["bound"]) <= 1
        assert record.histogram == tally.histogram(np.array([worst["ratio"]]))
        assert (record.weight_sets, record.undecided_sets, record.refuted_sets) == (1, 0, 0)
        assert record.decisive_sets == (abs(measured[s]) > bound[s]).any()


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_where_sums_have_one_order_a_team_finds_what_the_host_finds(dtype):
    """To the bit, for a sum of two numbers has one value, whatever the order; the host's bounds are
    up to 2 % larger in float64 (`sharp` in cuda/host_draw.h)."""
    if compiled.library_or_reason()[0] is None:
        pytest.skip(compiled.library_or_reason()[1])
    case = case_of(1, 1, dtype)
    found = host_threads.check(case, 1, 0, 50, host_threads.laid_out(case, "fast", 4))
    host = compiled.check(case, 1, 0, 50)
    if dtype == "float64":
        assert 1 <= host.smallest_detectable / found.smallest_detectable <= 1.02
        assert 1 <= found.ratio / host.ratio <= 1.02
        for record in (found, host):
            record.smallest_detectable, record.histogram = 0.0, {}
            record.worst.update(ratio=0.0, bound=0.0)
    assert found == host


SLIPS = {
    "the wrong vector": ("team_check.cuh", "matrix ? team.h_prev() : team.x()", "team.x()"),
    "a wrong divisor": (
        "team_entries.cuh",
        "change * half_inverse(s)",
        "change * half_inverse(s) * T(0.99)",
    ),
    "a word drawn twice": (
        "team_weights.cuh",
        "put(own + 1, words.w[2],",
        "put(own + 1, words.w[1],",
    ),
}


@needs_compiler
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_sources_is_caught(slip, tmp_path):
    name, right, wrong = SLIPS[slip]
    sources = tmp_path / "cuda"
    shutil.copytree(kernels.SOURCES, sources)
    text = (sources / name).read_text()
    assert text.count(right) == 1
    (sources / name).write_text(text.replace(right, wrong))
    case = case_of(8, 8, "float64")
    laid = host_threads.laid_out(case, "lines", 8)
    wrong_library = host_threads.library(sources, "-Og")  # built for forty weight sets
    found = host_threads.check(case, 1, 0, 40, laid, lib=wrong_library)
    whole = host_threads.check(case, 1, 0, 40, laid)
    if slip == "a wrong divisor":
        assert found.verdict == "refuted"
    else:  # what both sides have in common shows in the values
        assert found != whole
        assert found.smallest_detectable != whole.smallest_detectable


# --- The tally ------------------------------------------------------------------------------------


def test_edges_sort_every_ratio_as_the_histogram_does():
    edges = cuda_check.edges()
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    below, above = np.nextafter(edges[1:], 0), np.nextafter(edges[1:], np.inf)
    rng = np.random.default_rng(0)
    ratios = np.concatenate([edges, below, above, 10 ** rng.uniform(-35, 35, 10**4), [np.inf]])
    found = np.searchsorted(edges, ratios, side="right") - 1 + tally.LEAST_BIN
    assert (found == tally.bins(ratios)).all()


@needs_compiler
def test_records_of_ranges_add_up_and_a_team_without_sets_finds_nothing():
    case = case_of(8, 8, "float64")
    laid = host_threads.laid_out(case, "fast", 16)
    parts = host_threads.check(case, 1, 0, 3, laid)
    parts.merge(host_threads.check(case, 1, 3, 10, laid))
    assert parts == host_threads.check(case, 1, 0, 10, laid)
    assert host_threads.check(case, 1, 4, 4, laid) == Record()


def test_blocks_merge_to_the_tally_of_all_weight_sets():
    """Of two blocks with the same ratio the weight set drawn first is the worst."""
    case = case_of(1, 1, "float64")
    claimed = np.array([[[10.0]], [[8.5]], [[12.0]], [[7.0]]])
    wanted = summarise(
        Comparison(*scan.KEY, claimed, np.full_like(claimed, 8), np.full_like(claimed, 4)), 10
    )
    found = np.zeros(3, cuda_check.RESULT)
    found["worst"]["ratio"] = (1.0, 0.5, -1)
    found["worst"][0] = (1.0, 4.0, 4.0, 12.0, 8.0, 12, 0, 0)
    found["worst"][1] = (0.5, 2.0, 4.0, 10.0, 8.0, 10, 0, 0)
    found["least"] = (4.0, 4.0, np.inf)
    found["sets"] = found["decisive"] = (2, 2, 0)
    ratios = (np.array([0.125, 1.0]), np.array([0.5, 0.25]))
    for block, own in zip(found, ratios, strict=False):
        np.add.at(block["bins"], tally.bins(own) - tally.LEAST_BIN, 1)
    assert cuda_check.record_of(found, case) == wanted
    found["worst"][1]["ratio"] = 1.0
    assert cuda_check.record_of(found, case).worst["index"] == 10


# --- The launch -----------------------------------------------------------------------------------


class Kernel:
    """Stands in for a compiled kernel: each block's teams run on the host."""

    def __init__(self):
        self.launches, self.max_dynamic_shared_size_bytes = [], 48 * 1024

    def __call__(self, grid, block, arguments, *, shared_mem):
        own, struct, start, stop, edges, slow, results = arguments
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        assert len(slow) >= max(16, grid[0] * struct["slow_bytes"])
        laid = arrangement.Arrangement(self.place, struct, 1, 1)
        teams = block[0] // int(struct["threads"])
        self.launches.append((int(start), int(stop), grid[0], teams))
        found = results._host.view(cuda_check.RESULT)
        for b in range(grid[0]):
            record = np.zeros(1, cuda_check.RESULT)
            record["worst"]["ratio"], record["least"] = -1, np.inf
            for first in range(int(start) + b * teams, int(stop), grid[0] * teams):
                for index in range(first, min(first + teams, int(stop))):
                    self.one(own, laid, index, edges._host, record)
            found[b] = record[0]

    def one(self, own, laid, index, edges, total):
        result = np.zeros(1, cuda_check.RESULT)
        fast = host_threads.Memory(laid.fast_bytes)
        slow = host_threads.Memory(laid.slow_bytes)
        getattr(host_threads.library(), f"check_{self.dtype}")(
            *map(host_threads.pointer, (own, laid.struct)), PLACES.index(laid.place),
            host_threads.ctypes.c_int64(index), host_threads.ctypes.c_int64(index + 1), 0,
            host_threads.pointer(edges), fast.start, slow.start, host_threads.pointer(result),
        )  # fmt: skip
        for name in ("refuted", "undecided", "decisive", "sets", "bins"):
            total[name] += result[name]
        total["least"] = np.minimum(total["least"], result["least"])
        if result["worst"]["ratio"] > total["worst"]["ratio"]:
            total["worst"] = result["worst"]


@pytest.fixture
def device(monkeypatch):
    """The launch on the stand-in for CuPy, with kernels that run on the host."""
    kernel = Kernel()

    def function(name, wanted):
        assert name == "check"
        _, kernel.dtype, kernel.place = wanted.split("_")
        return kernel

    monkeypatch.setattr(kernels, "or_reason", lambda: (fake_device, ""))
    monkeypatch.setattr(kernels, "function", function)
    return kernel


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 8, 33, 100])
def test_a_scan_by_the_kernel_finds_what_a_team_finds(n, dtype, device, monkeypatch):
    monkeypatch.setattr(cuda_check, "task_size", lambda case: 5)
    case = case_of(n, n, dtype)
    record = scan.scan(case, 3, 12, "cuda", jobs=2)
    laid = arrangement.arrange(case, arrangement.Device.here(fake_device))
    wanted = host_threads.check(
        case, 3, 0, 12, arrangement.Arrangement(laid.place, laid.struct, 1, 1)
    )
    assert record == wanted
    assert [launch[:2] for launch in device.launches] == [(0, 5), (5, 10), (10, 12)]
    assert record.verdict == "supported"


def test_blocks_fit_the_memory_and_are_halved_where_it_is_not_to_be_had(monkeypatch):
    case = case_of(2048, 2048, "float64")
    laid = arrangement.arrange(case, arrangement.Device.here(fake_device))
    assert laid.slow_bytes > 2**26
    fits = int(0.5 * 2**36) // laid.slow_bytes
    monkeypatch.setattr(fake_device, "empty", lambda size, dtype: size, raising=False)
    assert cuda_check.memory(fake_device, laid, 132, 10**6)[0] == min(132 * laid.blocks, fits)
    assert cuda_check.memory(fake_device, laid, 132, 7)[0] == 7

    # What the launch before had is in CuPy's pool, free for the next one alone.
    held = fits * laid.slow_bytes
    real = fake_device.cuda.Device
    monkeypatch.setattr(
        fake_device.cuda,
        "Device",
        lambda: types.SimpleNamespace(mem_info=(2**36 - held, 2**37)),
    )
    pool = types.SimpleNamespace(free_bytes=lambda: held)
    monkeypatch.setattr(fake_device, "get_default_memory_pool", lambda: pool)
    assert cuda_check.memory(fake_device, laid, 10**6, 10**6)[0] == fits
    monkeypatch.setattr(fake_device.cuda, "Device", real)

    def scarce(size, dtype):
        if size > 20 * laid.slow_bytes:
            raise MemoryError
        return size

    monkeypatch.setattr(fake_device, "empty", scarce, raising=False)
    assert 10 <= cuda_check.memory(fake_device, laid, 132, 10**6)[0] <= 20

    def full(size, dtype):
        raise MemoryError

    monkeypatch.setattr(fake_device, "empty", full, raising=False)
    with pytest.raises(InputError, match="`hidden_size` must leave U of a weight set below"):
        cuda_check.memory(fake_device, laid, 132, 10**6)


def test_what_is_not_to_be_had_is_one_line(monkeypatch):
    case = case_of(3, 2, "float64")
    other = Case(3, 2, "float64", "sparse", "generic")
    monkeypatch.setattr(kernels, "or_reason", lambda: (None, "the test has no GPU"))
    with pytest.raises(InputError, match="`engine: cuda` is not available: the test has no GPU"):
        scan.engine_for(case, "cuda")
    with pytest.raises(InputError, match="not available: the test has no GPU"):
        cuda_check.check(case, 1, 0, 1)
    with pytest.raises(InputError, match="must be pytorch_uniform and generic"):
        cuda_check.check(other, 1, 0, 1)
    monkeypatch.setattr(kernels, "or_reason", lambda: (fake_device, ""))
    assert scan.engine_for(case, "cuda") == "cuda"
    assert scan.engine_for(case) != "cuda"  # not before it has run on a GPU
    with pytest.raises(InputError, match="`engine: cuda` knows the law"):
        scan.engine_for(other, "cuda")


# --- On a GPU -------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 17, 64, 100, 128, 300, 512])
def test_the_device_finds_what_its_threads_find_on_the_host(n, dtype):
    """The cube root may differ, and with it the radius and each bound; nothing else may."""
    xp, reason = kernels.or_reason()
    if xp is None:
        pytest.skip(reason)
    case = case_of(n, n, dtype)
    sets = max(2, min(1000, 2**18 // n**2))
    found = cuda_check.check(case, 1, 0, sets)
    laid = arrangement.arrange(case, arrangement.Device.here(xp))
    wanted = host_threads.check(
        case, 1, 0, sets, arrangement.Arrangement(laid.place, laid.struct, 1, 1)
    )
    assert (found.verdict, found.weight_sets) == ("supported", sets)
    assert found.decisive_sets == wanted.decisive_sets
    # Cube roots of 1 ulp (CUDA) and up to 4 (glibc) are 10 u apart, their cubes 30; either bound
    # has six roundings. In the dtype: one of each bound, and of each quotient by it.
    units = 42 * bounds.unit_roundoff("float64") + 4 * bounds.unit_roundoff(dtype)
    assert abs(found.worst["ratio"] - wanted.worst["ratio"]) <= units * wanted.worst["ratio"]
    least = wanted.smallest_detectable
    assert abs(found.smallest_detectable - least) <= units * least
    kernel = kernels.function("check", f"check_{dtype}_{laid.place}")
    assert kernel.local_size_bytes == 0


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "sets"), [(1, 10**6), (8, 10**5), (64, 10**4), (128, 2000), (300, 800)]
)
def test_the_device_finds_the_same_again_and_in_other_blocks(n, sets, dtype, monkeypatch):
    """To the bit: sums have one order, and all else is a maximum or a count."""
    xp, reason = kernels.or_reason()
    if xp is None:
        pytest.skip(reason)
    case = case_of(n, n, dtype)
    found = cuda_check.check(case, 1, 0, sets)
    assert cuda_check.check(case, 1, 0, sets) == found
    real = cuda_check.memory
    monkeypatch.setattr(cuda_check, "memory", lambda xp, laid, _, sets: real(xp, laid, 3, sets))
    assert cuda_check.check(case, 1, 0, sets) == found


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 17, 64, 100, 128, 300, 512])
def test_as_many_blocks_fit_a_multiprocessor_as_the_arrangement_counts_on(n, dtype):
    xp, reason = kernels.or_reason()
    if xp is None:
        pytest.skip(reason)
    case = case_of(n, n, dtype)
    cuda_check.check(case, 1, 0, 1)  # asks for the shared memory
    laid = arrangement.arrange(case, arrangement.Device.here(xp))
    own = kernels.function("check", f"check_{dtype}_{laid.place}").kernel.ptr
    fit = xp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
    assert fit(own, laid.threads, laid.fast_bytes) >= laid.blocks
