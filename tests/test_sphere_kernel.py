"""The sphere's kernels on the host: NumPy's directions to the bit, the array code's findings."""

import ctypes
import shutil

import fake_device
import host_threads
import numpy as np
import pytest

from lstm_gpu import kernels
from lstm_gpu.sphere import kernel, search, squares
from lstm_gpu.sphere.directions import uniform_directions
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import claimed_rows, gamma
from lstm_gpu.weights import DTYPES, Case, draw
from lstm_gpu.weights.portable import standard_normal

pytestmark = pytest.mark.skipif(not host_threads.compiler(), reason="no C++ compiler")
SEED, SAMPLES = 5, 150


class Kernel:
    """Stands in for a kernel: its threads run on the host, in either order."""

    def __init__(self, function, backwards=False):
        self.function, self.backwards = function, int(backwards)
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid, block, arguments, shared_mem=0):
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        run = getattr(host_threads.library(), self.function)
        plain = [self._plain(a) for a in arguments]
        if self.function.startswith("directions"):
            of, sets, chosen, threads, *out = plain
            memory = host_threads.Memory(shared_mem)
            teams = block[0] // threads.value
            run(of, sets, chosen, threads, teams, self.backwards, memory.start, *out)
            assert memory.whole
        else:
            assert block == (256,)
            *own, found = plain
            run(*own, self.backwards, found)

    @staticmethod
    def _plain(argument):
        assert argument is not None, "CuPy before 14 passes None as anything"
        if isinstance(argument, fake_device.ndarray):
            return host_threads.pointer(argument._host)
        if argument.shape == () and argument.dtype.names is None:
            kinds = {"int64": ctypes.c_int64, "int32": ctypes.c_int32}
            return kinds[argument.dtype.name](int(argument))
        return host_threads.pointer(argument)


@pytest.fixture(params=[False, True], ids=["forwards", "backwards"])
def device(request, monkeypatch):
    def function(name, wanted):
        assert name == "sphere"
        return Kernel(wanted, request.param)

    monkeypatch.setattr(kernels, "function", function)
    return fake_device


def case_of(n, dtype):
    return Case(n, 4, dtype, "pytorch_uniform", "generic")


def problem(case, sets, xp):
    """Weight sets, their gates (without input, and with input and bias) and what is claimed."""
    drawn = draw(case, SEED, sets.start, sets.stop, xp)
    b = xp.asarray(np.random.default_rng(9).normal(size=drawn.h_prev.shape).astype(case.dtype))
    gates = [Gate.of(drawn), Gate.of(drawn, drawn.x, b)]
    rows = claimed_rows(drawn.U[:, 1], xp)
    claims = [search.claim_of(g, rows.direction, rows.norm, 1.0, xp) for g in gates]
    return gates, claims, rows


def test_structs_are_those_of_the_sources():
    for dtype in DTYPES:
        found = host_threads.sizes(dtype)
        assert found["Draw"] == kernel.DRAW.itemsize
        assert found["Claims"] == kernel.CLAIMS.itemsize
        assert found["Found"] == kernel.found_dtype(dtype).itemsize


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 17, 64, 300])
def test_directions_have_numpys_bits(n, dtype, device):
    case = case_of(n, dtype)
    for sets, samples in ((range(3, 6), range(7, 7 + 40)), (range(2**30, 2**30 + 1), range(3))):
        wanted = uniform_directions(case, SEED, sets, samples)
        found, norms = kernel.directions(case, SEED, sets, samples, device)
        assert found.get().tobytes() == wanted.tobytes()
        exact = squares.norms(wanted.astype(np.float64))  # of float32 values, to its roundoff
        assert norms.get().tobytes() == exact.astype(dtype).tobytes()
        chosen = np.array([[samples.stop - 1, samples.start]] * len(sets))
        found, _ = kernel.directions(case, SEED, sets, range(0), device, device.asarray(chosen))
        assert found.get().tobytes() == wanted[:, [-1, 0]].tobytes()


@pytest.mark.parametrize(("first", "stride"), [(0, 1), (2**24 - 2**12, 1), (1, 4093)])
def test_normals_have_numpys_bits(first, stride):
    """At both ends, where the largest are, and all over."""
    points = np.arange(first, 2**24, stride)[: 2**12]
    found = np.empty(len(points))
    host_threads.library().normals(
        ctypes.c_uint32(first), ctypes.c_uint32(stride), ctypes.c_int64(len(points)),
        host_threads.pointer(found),
    )  # fmt: skip
    assert found.tobytes() == standard_normal(points * 2.0**-24).tobytes()


def as_the_array_code_finds(n, dtype, device):
    """Within rounding: z and ‖h - d‖² of each sample are off by no more than their bounds."""
    case, sets = case_of(n, dtype), range(2, 5)
    gates, claims, rows = problem(case, sets, device)
    worst, best = kernel.search_all(gates, claims, case, SEED, sets, SAMPLES, device)

    gates, claims, rows = problem(case, sets, np)
    h = uniform_directions(case, SEED, sets, range(SAMPLES))
    square = squares.by_products(h, rows.direction, np)
    s, r = np.ogrid[: len(sets), :n]
    error = squares.products_error(n, dtype)
    off = 2 * (error.absolute + error.relative * square)
    for gate, claim, w, b in zip(gates, claims, worst, best, strict=True):
        z = np.swapaxes(gate(h), 1, 2)
        gap = 2 * gate.error(rows.norm, 1.01, np)  # of two evaluations
        at = w.sample.get()
        assert (np.abs(w.measured.get() - (claim.top - z[s, r, at])) <= gap).all()
        own = square[s, r, at]
        allowed = off[s, r, at] + 4 * gamma(1, dtype) * own
        assert (np.abs(w.claimed.get() - own * claim.half_norm) <= allowed * claim.half_norm).all()
        ratio = np.abs(w.measured.get() - w.claimed.get()) / w.bound.get()
        assert (w.ratio.get() == ratio).all()
        assert (w.ratio.get() <= 1).all()
        assert not w.above.get().any()
        # No other sample is worse, or higher, beyond what rounding allows.
        every = np.abs(claim.top[..., None] - z - square * claim.half_norm[..., None])
        bound = claim.fixed[..., None] + claim.growing[..., None] * square
        slack = (gap[..., None] + off * claim.half_norm[..., None]) / bound
        assert (every / bound <= w.ratio.get()[..., None] + slack).all()
        assert (np.abs(b.z.get() - z.max(axis=-1)) <= gap).all()
        assert (np.abs(b.lowest.get() - z.min(axis=-1)) <= gap).all()
        assert (np.abs(z[s, r, b.sample.get()] - b.z.get()) <= gap).all()
        assert b.h.get().tobytes() == h[s, b.sample.get()].tobytes()


@pytest.mark.parametrize("at_once", [1, 2**20])  # bytes: blocks of one tile, or all tiles in one
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 70])
def test_the_search_finds_what_the_array_code_finds(n, dtype, at_once, device, monkeypatch):
    monkeypatch.setattr(kernel, "_BYTES", at_once)
    as_the_array_code_finds(n, dtype, device)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("thread / 64 * 16 + 8 * i + thread % LANES / 4", "thread / 64 * 16 + 8 * i + thread % 8"),
        ("8 * (j / 2) + 2 * (thread % 4) + j % 2", "8 * (j / 2) + thread % 4 + 4 * (j % 2)"),
        ("tiles.sample[first + 8 * b + lane / 4][k]", "tiles.sample[first + 8 * b + lane % 8][k]"),
    ],
)
def test_a_wrong_fragment_would_be_seen(right, wrong, tmp_path, monkeypatch):
    """A lane that loads, or takes for its own, another entry than the PTX ISA says it has."""
    sources = shutil.copytree(kernels.SOURCES, tmp_path / "cuda")
    text = (sources / "product.cuh").read_text()
    assert text.count(right) == 1
    (sources / "product.cuh").write_text(text.replace(right, wrong))
    library = host_threads.library(sources)
    monkeypatch.setattr(host_threads, "library", lambda: library)
    monkeypatch.setattr(kernels, "function", lambda name, wanted: Kernel(wanted))
    with pytest.raises((AssertionError, IndexError)):  # no row of its own: no sample, either
        as_the_array_code_finds(70, "float64", fake_device)


@pytest.mark.parametrize("n", [2, 8])
def test_a_wrong_direction_and_a_wrong_norm_are_rejected(n, device):
    case, sets = case_of(n, "float64"), range(3)
    gates, _, rows = problem(case, sets, device)
    for direction, norm in ((-rows.direction, rows.norm), (rows.direction, rows.norm * 1.0001)):
        claims = [search.claim_of(g, direction, norm, 1.0, device) for g in gates]
        worst, _ = kernel.search_all(gates, claims, case, SEED, sets, 100, device)
        for w in worst:
            assert (w.ratio.get() > 1).all()


def test_what_is_no_number_is_kept_as_such(device):
    case, sets = case_of(3, "float64"), range(2)
    gates, _, rows = problem(case, sets, device)
    with np.errstate(all="ignore"):
        wrong = [search.claim_of(g, rows.direction * np.nan, rows.norm, 1.0, device) for g in gates]
        worst, _ = kernel.search_all(gates, wrong, case, SEED, sets, 100, device)
    assert np.isnan(worst[0].ratio.get()).all()


def test_of_equal_samples_the_first_is_kept(device):
    """At n = 1 every sample is ±1, and all errors are zero: the one with the largest gap stands."""
    case, sets = case_of(1, "float64"), range(4)
    gates, claims, rows = problem(case, sets, device)
    worst, best = kernel.search_all(gates, claims, case, SEED, sets, 100, device)
    gates, claims, rows = problem(case, sets, np)
    h = uniform_directions(case, SEED, sets, range(100))
    for k, gate in enumerate(gates):
        none = search.Worst.none((4, 1), "float64", np)
        z = np.ascontiguousarray(np.swapaxes(gate(h), 1, 2))
        square = squares.by_products(h, rows.direction, np)
        wanted = search.compare(claims[k], z, square, 0, none, np)
        if (wanted.ratio == 0).all():
            assert np.array_equal(worst[k].sample.get(), wanted.sample)
        top = search.keep_best(z, h, 0, search.Best.none((4, 1, 1), "float64", np), np)
        assert np.array_equal(best[k].sample.get(), top.sample)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 64, 130, 1024])
def test_the_device_finds_what_the_array_code_finds(n, dtype):
    """The same directions to the bit; z, and so the best, within the error of two evaluations."""
    xp, reason = kernels.or_reason()
    if xp is None:
        pytest.skip(reason)
    case, sets = case_of(n, dtype), range(2, 5)
    wanted = uniform_directions(case, SEED, sets, range(SAMPLES))
    drawn, _ = kernel.directions(case, SEED, sets, range(SAMPLES), xp)
    assert drawn.get().tobytes() == wanted.tobytes()
    gates, claims, rows = problem(case, sets, xp)
    worst, best = kernel.search_all(gates, claims, case, SEED, sets, SAMPLES, xp)
    for gate, w, b in zip(gates, worst, best, strict=True):
        z = np.swapaxes(gate(xp.asarray(wanted)).get(), 1, 2)
        gap = (2 * gate.error(rows.norm, 1.01, xp)).get()
        assert (np.abs(b.z.get() - z.max(axis=-1)) <= gap).all()
        assert (w.ratio.get() <= 1).all()
        assert not w.above.get().any()
    for function in (f"directions_{dtype}", f"search_{dtype}"):
        assert kernels.function("sphere", function).local_size_bytes == 0
