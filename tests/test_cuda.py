"""The kernels' code without a GPU: its threads one after another on the host, and its cubins."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from lstm_gpu import bounds, compiled, derivatives
from lstm_gpu.claims.block import Block
from lstm_gpu.weights import DTYPES, Case, draw

_, REASON = compiled.library_or_reason()
needs_compiler = pytest.mark.skipif("no C++ compiler" in REASON, reason=REASON)

ARCHITECTURES = (80, 90, 100)
SIZES = ((1, 1), (3, 2), (8, 8), (17, 5), (64, 64))


def case_of(n: int, m: int, dtype: str) -> Case:
    return Case(n, m, dtype, compiled.DISTRIBUTION, compiled.REGIME)


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_any_number_of_threads_finds_the_same_bits(size, dtype):
    case = case_of(*size, dtype)
    found = compiled.check_by_block(case, 1, 2, 5, 1)
    for threads in (7, 32, 256):
        assert compiled.check_by_block(case, 1, 2, 5, threads).tobytes() == found.tobytes()


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_block_finds_what_the_array_code_finds(size, dtype):
    """Values within the bounds of both; the same verdict; bounds to their roundings."""
    case = case_of(*size, dtype)
    block = Block(draw(case, 1, 2, 7))
    formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
    formula_bound = 2 * bounds.entries(block.formula_errors("h"), block.sets.U)
    measured = block.measured("central", "h")
    measured_bound = 2 * block.bound("central", "h", with_formula=False)
    bound = block.bound("central", "h")
    units = 2**14 * bounds.unit_roundoff(dtype)
    for s, (summary, worst) in enumerate(compiled.check_by_block(case, 1, 2, 7, 64)):
        at = (s, worst["row"], worst["column"])
        assert worst["index"] == 2 + s
        assert abs(worst["claimed"] - formula[at]) <= formula_bound[at]
        assert abs(worst["measured"] - measured[at]) <= measured_bound[at]
        assert abs(worst["bound"] - bound[at]) <= units * bound[at]
        assert abs(summary["widest"] - bound[s].max()) <= units * bound[s].max()
        # The step is a power of two: scaled by it or not, the quotient rounds to the same.
        real = np.dtype(dtype).type
        assert summary["ratio"] == worst["ratio"] == real(worst["error"]) / real(worst["bound"])
        assert summary["ratio"] <= 1
        assert summary["decided"]
        assert summary["decisive"] == (abs(measured[s]) > bound[s]).any()


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_where_sums_have_one_order_a_block_finds_what_the_host_finds(dtype):
    """To the bit: a sum of two numbers has one value, whatever the order."""
    case = case_of(1, 1, dtype)
    for index, (summary, worst) in enumerate(compiled.check_by_block(case, 1, 0, 50, 3)):
        wanted = compiled.check(case, 1, index, index + 1)
        assert wanted.worst == {
            **{name: worst[name] for name in ("ratio", "error", "bound", "claimed", "measured")},
            "index": index,
            "entry": [worst["row"], worst["column"]],
        }
        assert summary["ratio"] == worst["ratio"]
        assert 2 * summary["widest"] == wanted.smallest_detectable
        assert (summary["decided"], summary["decisive"]) == (1, wanted.decisive_sets)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_compile_without_spills(architecture, tmp_path):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    command = (
        *(nvcc, "-cubin", f"-arch=sm_{architecture}", "-std=c++17", "--fmad=false"),
        *("-Werror", "all-warnings", "-Xptxas", "-v"),
        *("-o", str(tmp_path / "check.cubin"), str(compiled.SOURCES / "check.cu")),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    spills = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill", done.stderr)
    assert len(spills) == len(DTYPES)
    assert set(spills) == {("0", "0")}, done.stderr
