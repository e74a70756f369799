"""Every CUDA source compiles for every architecture, without a GPU and without a spill."""

import re

import pytest

from lstm_gpu import arrangement, nvrtc
from lstm_gpu.errors import InputError
from lstm_gpu.kernels import OPTIONS, SOURCES
from lstm_gpu.weights import Case

ARCHITECTURES = (80, 90, 100)
NAMES = sorted(path.stem for path in SOURCES.glob("*.cu"))
_, REASON = nvrtc.library_or_reason()
needs_nvrtc = pytest.mark.skipif(bool(REASON), reason=REASON)

STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers, used (\d+) barriers")


def resources(log):
    """Kernel -> registers, barriers, stack frame and spills, from the assembler's report."""
    found = {}
    for part in log.split("Compiling entry function ")[1:]:
        name = re.match(r"'(\w+)'", part)[1]
        numbers = [int(n) for n in STACK.search(part).groups()]
        found[name] = *map(int, REGISTERS.search(part).groups()), *numbers
    return found


@needs_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", NAMES)
def test_kernels_compile_without_spills(name, architecture):
    base = OPTIONS.get(name, nvrtc.OPTIONS)
    verbose = "--ptxas-options=-v"
    cubin, log = nvrtc.compile_to_cubin(SOURCES / f"{name}.cu", architecture, verbose, base=base)
    assert cubin.startswith(b"\x7fELF")
    assert "warning" not in log
    found = resources(log)
    assert len(found) >= 2, log
    assert {spilled[2:] for spilled in found.values()} == {(0, 0, 0)}, found
    # A multiprocessor has 64 barriers, or as many as blocks: with one each they limit nothing.
    assert {barriers for _, barriers, *_ in found.values()} <= {0, 1}, found
    for kernel, (registers, *_) in found.items():
        if name == "check":  # what the arrangement counts on
            _, dtype, place = kernel.split("_")
            case = Case(8, 8, dtype, "pytorch_uniform", "generic")
            assert registers <= arrangement.limits(case, place)[1], kernel


@needs_nvrtc
def test_a_spill_would_be_seen(tmp_path):
    """A kernel that is allowed too few registers."""
    wrong = tmp_path / "wrong.cu"
    wrong.write_text(
        """
        extern "C" __global__ void f(double *x, int rounds) {
          double a[99];
          for (int k = 0; k < 99; ++k) a[k] = x[k];
          for (int r = 0; r < rounds; ++r)
            for (int k = 0; k < 99; ++k) a[k] = a[k] * a[(k + 1) % 99];
          for (int k = 0; k < 99; ++k) x[k] = a[k];
        }
        """
    )
    _, log = nvrtc.compile_to_cubin(wrong, 90, "--ptxas-options=-v", "--maxrregcount=64")
    assert min(resources(log)["f"][2:]) > 0


@needs_nvrtc
def test_what_does_not_compile_is_one_line(tmp_path):
    wrong = tmp_path / "wrong.cu"
    wrong.write_text("__global__ void f( {")
    with pytest.raises(InputError, match=r"NVRTC refuses wrong.cu for sm_90: .*error"):
        nvrtc.compile_to_cubin(wrong, 90)
    with pytest.raises(InputError, match=r"for sm_17: .*invalid value"):
        nvrtc.compile_to_cubin(SOURCES / f"{NAMES[0]}.cu", 17)


@needs_nvrtc
def test_nothing_is_contracted_or_flushed(tmp_path):
    """As the host: a product and a sum stay two operations; float32 keeps its subnormal numbers."""
    source = tmp_path / "f.cu"
    source.write_text('extern "C" __global__ void f(float *x) { x[0] = x[1] * x[2] + x[3]; }')
    plain, _ = nvrtc.compile_to_cubin(source, 90)
    for option in ("--fmad=true", "--ftz=true"):
        others = (o for o in nvrtc.OPTIONS if option.split("=")[0] not in o)
        assert nvrtc.compile_to_cubin(source, 90, base=(*others, option))[0] != plain


def test_without_a_compiler_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(nvrtc, "library_or_reason", lambda: (None, "it is not here"))
    with pytest.raises(InputError, match=r"cannot be compiled: it is not here\."):
        nvrtc.version()
