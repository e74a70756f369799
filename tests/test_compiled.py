"""The compiled check: the same weights to the bit, the same statistics of what it compares, and
numbers within the bounds; its functions against ball arithmetic."""

import math
import platform
import shutil
from dataclasses import replace
from pathlib import Path

import flint
import numpy as np
import pytest
import reference
from agreement import ends_of_bound

from lstm_gpu import bounds, compiled, derivatives
from lstm_gpu.accuracy import DOCUMENTED
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.tally import Comparison, Record, summarise
from lstm_gpu.weights import DTYPES, Case, draw

_, REASON = compiled.library_or_reason()
# Only a missing compiler is a reason to skip: sources that do not compile are a defect.
needs_compiler = pytest.mark.skipif("no C++ compiler" in REASON, reason=REASON)

SIZES = ((1, 1), (2, 3), (3, 2), (7, 9), (8, 8), (17, 5), (33, 40), (64, 64))
LONG = (3, 400)  # rows of so many weights that the error of z shows in the bound
KEY = ("hidden_jacobian", "as_written", "", "central")


def case_of(n: int, m: int, dtype: str) -> Case:
    return Case(n, m, dtype, compiled.DISTRIBUTION, compiled.REGIME)


# --- Weights --------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [*SIZES, (90, 1), (1, 3000)])
def test_weights_are_drawn_with_numpys_bits(size, dtype):
    case = case_of(*size, dtype)
    for seed, index in ((0, 0), (1, 7), (2**64 - 1, 2**40 + 3)):
        ours, wanted = compiled.draw(case, seed, index), draw(case, seed, index, index + 1)
        for name in ("W", "U", "x", "h_prev", "c_prev", "o_prev"):
            a, b = getattr(ours, name), getattr(wanted, name)
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes(), (name, seed, index)


@needs_compiler
def test_counters_carry_into_their_second_word():
    """The first counter of this index is just below 2^64, its last one above."""
    case = case_of(8, 8, "float64")
    counters = -(-(4 * 64 + 4 * 64 + 8 + 24) // 8)
    index = 2**64 // counters
    assert index * counters < 2**64 < (index + 1) * counters
    assert compiled.draw(case, 1, index).U.tobytes() == draw(case, 1, index, index + 1).U.tobytes()


def runs(architecture: str) -> bool:
    """Whether this processor runs code for an older one, as far as Linux says."""
    needed = {"x86-64": set(), "haswell": {"avx2", "fma"}, "skylake-avx512": {"avx512dq"}}
    if platform.machine() != "x86_64" or not Path("/proc/cpuinfo").exists():
        return False
    return needed[architecture] <= set(Path("/proc/cpuinfo").read_text().split())


@needs_compiler
@pytest.mark.parametrize("architecture", ["", "x86-64", "haswell", "skylake-avx512"])
def test_other_processors_find_the_same(architecture, tmp_path, monkeypatch):
    """Without products of 52 bits, of 64 in registers, or fused multiply-adds."""
    if architecture and not runs(architecture):
        pytest.skip(f"not an x86-64 processor that has what {architecture} has")
    flags = "-O1" + (f" -march={architecture}" if architecture else "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXXFLAGS", flags)
    sources = tmp_path / "cuda"
    shutil.copytree(compiled.SOURCES, sources)
    for dtype in DTYPES:
        case = case_of(17, 5, dtype)
        ours, wanted = compiled.draw(case, 1, 7, sources), draw(case, 1, 7, 8)
        assert ours.U.tobytes() == wanted.U.tobytes()
        assert ours.c_prev.tobytes() == wanted.c_prev.tobytes()
        # Sums, functions and differences are in the same order: every bit is the same.
        assert compiled.check(case, 1, 0, 4, sources) == compiled.check(case, 1, 0, 4)


# --- Functions ------------------------------------------------------------------------------------

# Unit roundoffs that activations.cuh derives for exp, sigma and tanh.
DERIVED_UNITS = (2.0, 4.0, 8.0)


def ball_values(z: float) -> tuple[flint.arb, flint.arb, flint.arb]:
    x = flint.arb(z)
    return x.exp(), 1 / (1 + (-x).exp()), x.tanh()


def points(dtype: str) -> np.ndarray:
    """Every scale from 2^-60 to the largest argument, near multiples of ln 2/2 and near 0."""
    rng = np.random.default_rng(0)
    limit = {"float64": 708.0, "float32": 87.0}[dtype]
    scales = np.ldexp(rng.uniform(1, 2, 600), rng.integers(-60, 6, 600))
    halves = np.arange(1, 200) * np.log(2) / 2 * (1 + 1e-7 * rng.normal(size=199))
    z = np.concatenate([scales, halves, rng.uniform(0, limit, 400), rng.uniform(0, 3, 800)])
    z = z[z < limit]
    return np.concatenate([z, -z, [0.0]]).astype(dtype)


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_are_within_their_derived_errors(dtype):
    u, z = bounds.unit_roundoff(dtype), points(dtype)
    found = compiled.activations(z)
    flint.ctx.prec = 200
    worst = [0.0, 0.0, 0.0]
    for k in range(z.size):
        for f, truth in enumerate(ball_values(float(z[k]))):
            if truth == 0:
                assert found[f][k] == 0
            else:
                error = abs((flint.arb(float(found[f][k])) - truth) / truth) / u
                worst[f] = max(worst[f], float(error.upper()))
    assert all(w <= derived for w, derived in zip(worst, DERIVED_UNITS, strict=True)), worst
    assert all(w > derived / 8 for w, derived in zip(worst, DERIVED_UNITS, strict=True)), worst


def test_what_is_derived_is_within_what_the_bounds_assume():
    assert DERIVED_UNITS[0] <= 2 * DOCUMENTED.exp_ulp
    assert DERIVED_UNITS[1] <= DOCUMENTED.sigmoid_units
    assert DERIVED_UNITS[2] <= DOCUMENTED.tanh_units


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_of_what_is_huge_infinite_or_no_number(dtype):
    tiny = np.finfo(dtype).tiny
    z = np.array([np.inf, np.finfo(dtype).max, 1000, -1000, -np.finfo(dtype).max, -np.inf], dtype)
    _, sigma, tanh = compiled.activations(z)
    assert sigma[:3].tolist() == [1, 1, 1]
    assert (sigma[3:] >= 0).all()
    assert (sigma[3:] <= tiny).all()
    assert tanh.tolist() == [1, 1, 1, -1, -1, -1]
    for values in compiled.activations(np.array([np.nan], dtype)):
        assert np.isnan(values).all()


# --- The check ------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_record_is_the_tally_of_what_was_compared(size, dtype):
    """To the bit: error/bound, counts, histogram, smallest detectable error and worst entry."""
    case, wanted = case_of(*size, dtype), Record()
    for index in range(3, 8):
        wanted.merge(summarise(Comparison(*KEY, *compiled.examine(case, 1, index)), index))
    found = compiled.check(case, 1, 3, 8)
    assert found == wanted
    assert found.verdict == "supported"


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("size", [*SIZES, (2, 150), LONG])
def test_formula_differences_and_bounds_are_those_of_the_array_code(size, plain, dtype):
    """Bounds: the same formulas, in float64, of values that differ by rounding; for float64 up to
    2 % larger (`sharp` in cuda/host_draw.h). Formula: both within their own bound of the truth.
    Differences: both within theirs."""
    case = case_of(*size, dtype)
    block = Block(draw(case, 1, 5, 6))
    claimed, measured, bound = compiled.examine(case, 1, 5, plain)
    least, most = ends_of_bound(block)
    assert (bound >= least).all()
    sharp = dtype == "float32" or size == LONG
    assert (bound <= (most if sharp else 1.02 * most)).all()

    own = 2 * bounds.entries(block.formula_errors("h"), block.sets.U)
    formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
    assert (abs(claimed - formula) <= own).all()
    own = 2 * block.bound("central", "h", with_formula=False)
    assert (abs(measured - block.measured("central", "h")) <= own).all()
    assert (claimed != 0).all()


@needs_compiler
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 4)])
def test_formula_and_differences_are_within_their_own_bounds_of_the_truth(size, dtype, plain):
    """Of exact decimals; and 1.0001 times the differences, or nothing, is not."""
    case = case_of(*size, dtype)
    for index in range(3):
        block = Block(draw(case, 1, index, index + 1))
        truth = reference.jacobians(reference.inputs(block.sets))["h"]
        claimed, measured, _ = (a[0] for a in compiled.examine(case, 1, index, plain))
        own = bounds.entries(block.formula_errors("h"), block.sets.U)[0]
        assert reference.excess(claimed, truth, own).ratio <= 1
        own = block.bound("central", "h", with_formula=False)[0]
        assert reference.excess(measured, truth, own).ratio <= 1
        wrong = 0 if dtype == "float32" else 1.0001
        assert reference.excess(wrong * measured, truth, own).ratio > 1


@needs_compiler
def test_ranges_add_up():
    case = case_of(8, 8, "float64")
    parts = compiled.check(case, 1, 0, 3)
    parts.merge(compiled.check(case, 1, 3, 10))
    assert parts == compiled.check(case, 1, 0, 10)
    assert compiled.check(case, 1, 4, 4) == Record()


# A slip in the sources, and whether the check must refute or only cannot decide.
SLIPS = {
    "the formula off by 1e-6": (
        "host_check.h", "* load(own.span)", "* (load(own.span) * T(1 + 1e-6))", "refuted",
    ),
    "o for tanh(c)": ("check.cuh", "s.tanh_c * ((1 - s.o)", "s.o * ((1 - s.o)", "refuted"),
    "points of another cell": ("near.cuh", "s.f * c_prev", "T(1.001) * s.f * c_prev", "refuted"),
    "a point off its line": ("near.cuh", "2 * s.i - 1", "T(2.001) * s.i - 1", "refuted"),
    "half a step": ("host_check.h", "2 * U[CANDIDATE]", "1 * U[CANDIDATE]", "refuted"),
    "a wrong divisor": ("host_check.h", "(2 * s)", "(2.001 * s)", "refuted"),
    "an infinite bound": ("host_check.h", "INFINITY : 0;", "INFINITY : INFINITY;", "undecided"),
    "an error that is not finite": (
        "check.cuh", "s.i * (1 - s.u", "T(INFINITY) * (1 - s.u", "undecided",
    ),
}  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_sources_is_caught(slip, tmp_path, monkeypatch):
    name, right, wrong, outcome = SLIPS[slip]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXXFLAGS", "-Og")  # it is built once for four weight sets
    sources = tmp_path / "cuda"
    shutil.copytree(compiled.SOURCES, sources)
    text = (sources / name).read_text()
    assert text.count(right) == 1
    (sources / name).write_text(text.replace(right, wrong))
    record = compiled.check(case_of(64, 64, "float64"), 1, 0, 4, sources)
    assert getattr(record, f"{outcome}_sets") == 4, record
    assert record.verdict == {"refuted": "refuted", "undecided": "inconclusive"}[outcome]


# --- What is not there ----------------------------------------------------------------------------


def test_other_laws_and_regimes_are_refused():
    case = case_of(3, 2, "float64")
    for other in (replace(case, distribution="sparse"), replace(case, regime="saturated")):
        with pytest.raises(InputError, match=r"must be pytorch_uniform and generic"):
            compiled.check(other, 1, 0, 1)


def test_without_a_compiler_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = tmp_path / "cuda"
    shutil.copytree(compiled.SOURCES, own)
    library, reason = compiled.library_or_reason(own)
    assert library is None
    assert "no C++ compiler" in reason
    with pytest.raises(InputError, match="check is not available: it cannot be built"):
        compiled.check(case_of(3, 2, "float64"), 1, 0, 1, own)


@needs_compiler
def test_a_source_that_does_not_compile_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "host.cpp").write_text("int f( {")
    library, reason = compiled.library_or_reason(tmp_path)
    assert library is None
    assert "the C++ compiler failed" in reason
    assert not list((tmp_path / "cache").rglob("*.so"))


@needs_compiler
def test_sets_in_which_a_zero_would_pass_do_not_flatter_the_power():
    """As in the tally: of one unit in float32, some sets are decided and yet not decisive."""
    case = Case(1, 1, "float32", "pytorch_uniform", "generic")
    each = [compiled.check(case, 1, index, index + 1) for index in range(50)]
    assert {record.decisive_sets for record in each} == {0, 1}
    assert all(math.isinf(r.smallest_detectable) for r in each if not r.decisive_sets)
    whole = compiled.check(case, 1, 0, 50)
    assert whole.smallest_detectable == min(r.smallest_detectable for r in each)
