"""The full check of D4 against central differences, compiled for this machine's processor.

`cuda/host.cpp` draws a weight set, evaluates formula, differences and bounds and compares, in one
pass and in a core's cache. The headers that it includes are those of the CUDA kernels; the
array code (`campaign`, `references.central`) stays as their reference. The library is built with
the system's C++ compiler when it is first asked for, and kept in the user's cache.
"""

import ctypes
import functools
import hashlib
import math
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lstm_gpu.errors import InputError
from lstm_gpu.tally import Record, histogram
from lstm_gpu.weights import Case, WeightSets
from lstm_gpu.weights.philox import stream_key

SOURCES = Path(__file__).with_name("cuda")
DISTRIBUTION, REGIME = "pytorch_uniform", "generic"

_COMPILERS = ("c++", "g++", "clang++")
# No contraction: bits must not depend on what a compiler fuses. Neither errno nor floating-point
# traps are looked at, which lets it evaluate many entries at once; values are not affected.
_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"),
)
# GCC halves the registers of processors with AVX-512 unless it is told not to.
_FLAGS_BY_MACHINE = {"x86_64": ("-mprefer-vector-width=512",)}

_SUMMARY = np.dtype(
    [("ratio", "f8"), ("widest", "f8"), ("decided", "i4"), ("decisive", "i4")], align=True
)
_WORST = np.dtype(
    [(name, "f8") for name in ("ratio", "error", "bound", "claimed", "measured")]
    + [(name, "i8") for name in ("index", "row", "column")]
)


class _Case(ctypes.Structure):
    _fields_ = (
        ("seed", ctypes.c_uint64),
        ("stream", ctypes.c_uint64),
        ("hidden_size", ctypes.c_int64),
        ("input_size", ctypes.c_int64),
        ("scale", ctypes.c_double),
    )


def build(sources: Path, folder: Path, program: Path | None = None) -> Path:
    """Compile a program, `host.cpp` unless it is said, with the headers in `sources`, unless the
    same was compiled before.

    The name of the library says what went into it: sources, flags, and what the compiler knows of
    itself and of this processor.

    Raises
    ------
    OSError, subprocess.SubprocessError
        No compiler, a failing one, or a folder that cannot be written.
    """
    found = (os.environ.get("CXX"), *map(shutil.which, _COMPILERS))
    compiler = next(filter(None, found), None)
    if compiler is None:
        raise FileNotFoundError(f"no C++ compiler ({', '.join(_COMPILERS)}) is on the path")
    own = os.environ.get("CXXFLAGS", "").split()
    flags = (*_FLAGS, *_FLAGS_BY_MACHINE.get(platform.machine(), ()), *own)
    known = subprocess.run(
        (compiler, *flags, "-dM", "-E", "-x", "c++", os.devnull), capture_output=True, check=True
    )
    sha256 = hashlib.sha256(repr((compiler, flags)).encode() + known.stdout)
    program = program or sources / "host.cpp"
    for path in sorted({*sources.iterdir(), program}):
        if path.is_file():
            sha256.update(path.name.encode() + path.read_bytes())
    library = folder / f"{sha256.hexdigest()[:32]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = Path(scratch) / library.name
            include = f"-I{sources}"
            command = (compiler, *flags, include, str(program), "-o", str(fresh), "-lm")
            subprocess.run(command, capture_output=True, check=True, text=True)
            fresh.replace(library)  # whole or not at all, whoever else builds it
    return library


@functools.cache
def library_or_reason(sources: Path = SOURCES, program: Path | None = None) -> tuple[Any, str]:
    """Return (library, "") or, where it cannot be built or loaded, (None, why not)."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lstm_gpu"
        return ctypes.CDLL(str(build(sources, cache, program))), ""
    except subprocess.CalledProcessError as error:
        first = (str(error.stderr).splitlines() or [""])[0]
        return None, f"the C++ compiler failed ({first})"
    except (OSError, RuntimeError) as error:  # no compiler, no home, a folder that is not ours
        return None, f"it cannot be built ({error})"


def supports(case: Case) -> bool:
    """Whether the compiled check can draw this case."""
    return (case.distribution, case.regime) == (DISTRIBUTION, REGIME)


def check(case: Case, seed: int, start: int, stop: int, sources: Path = SOURCES) -> Record:
    """Check weight sets ``range(start, stop)``: the record of D4 against central differences.

    Raises
    ------
    InputError
        for a law or regime that is not compiled, and where there is no compiler.
    """
    summaries, worst = np.zeros(stop - start, _SUMMARY), np.zeros(1, _WORST)
    _call(
        sources, "check", case, seed, ctypes.c_int64(start), ctypes.c_int64(stop),
        _pointer(summaries), _pointer(worst),
    )  # fmt: skip
    decided, decisive = summaries["decided"] != 0, summaries["decisive"] != 0
    record = Record(
        weight_sets=len(summaries),
        comparisons=len(summaries) * case.hidden_size**2,
        refuted_sets=int((summaries["ratio"][decided] > 1).sum()),
        undecided_sets=int((~decided).sum()),
        decisive_sets=int(decisive.sum()),
        smallest_detectable=2 * float(summaries["widest"][decisive].min(initial=math.inf)),
    )
    if decided.any():
        record.histogram = histogram(summaries["ratio"][decided])
        entry = dict(zip(_WORST.names or (), worst[0].tolist(), strict=True))
        place = [entry.pop("row"), entry.pop("column")]
        record.worst = {**entry, "entry": place}
    return record


def draw(case: Case, seed: int, index: int, sources: Path = SOURCES) -> WeightSets:
    """Draw one weight set by the compiled code: the bits of `weights.draw`."""
    n, m = case.hidden_size, case.input_size
    shapes = ((4, n, m), (4, n, n), (m,), (n,), (n,), (n,))
    arrays = [np.empty((1, *shape), case.dtype) for shape in shapes]
    _call(sources, "draw", case, seed, ctypes.c_int64(index), *map(_pointer, arrays))
    return WeightSets(*arrays)


def examine(
    case: Case, seed: int, index: int, plain: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the check compares in one weight set: claimed, measured and bound, (1, n, n).

    plain : evaluate every point by the cell's own functions, as the check does where the points
        of a difference are far apart, and not by the series of `near.cuh`
    """
    n = case.hidden_size
    arrays = [np.empty((1, n, n), case.dtype) for _ in range(3)]
    own = (ctypes.c_int64(index), ctypes.c_int(plain))
    _call(SOURCES, "examine", case, seed, *own, *map(_pointer, arrays))
    return arrays[0], arrays[1], arrays[2]


def activations(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """exp, sigma and tanh of a float64 or float32 array, as the check evaluates them."""
    z = np.ascontiguousarray(z)
    arrays = [np.empty_like(z) for _ in range(3)]
    function = getattr(_library(SOURCES), f"evaluate_{z.dtype.name}")
    function(_pointer(z), ctypes.c_int64(z.size), *map(_pointer, arrays))
    return arrays[0], arrays[1], arrays[2]


def _library(sources: Path) -> Any:
    library, reason = library_or_reason(sources)
    if library is None:
        raise InputError(f"The compiled check is not available: {reason}. Use the array code.")
    return library


def _call(sources: Path, name: str, case: Case, seed: int, *arguments: Any) -> None:
    if not supports(case):
        raise InputError(
            f"`distribution` and `regime` of the compiled check must be {DISTRIBUTION} and "
            f"{REGIME}, got {case.distribution} and {case.regime}. Use the array code."
        )
    n, m = case.hidden_size, case.input_size
    limit = 1 / math.sqrt(n)
    own = _Case(seed, stream_key(case.name), n, m, 2 * limit)
    function = getattr(_library(sources), f"{name}_{case.dtype}")
    if function(ctypes.byref(own), *arguments):
        raise MemoryError(f"no memory for a weight set of n = {n}, m = {m}")


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
