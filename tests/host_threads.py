"""`host_threads.cpp`, built once per process: the kernels' phases, run on the host."""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from lstm_gpu import arrangement, cuda_check, kernels
from lstm_gpu.arrangement import PLACES, Arrangement
from lstm_gpu.weights import Case

_SOURCE = Path(__file__).with_name("host_threads.cpp")
_FLAGS = ("-std=c++17", "-march=native", "-fPIC", "-shared")
_FLAGS += ("-ffp-contract=off", "-fno-math-errno")
GUARD = 4096  # bytes around each memory, which nobody may touch


def compiler():
    return os.environ.get("CXX") or shutil.which("c++")


@functools.cache
def library(sources=kernels.SOURCES, optimise="-O1"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host_threads.so"
        command = (compiler(), *_FLAGS, optimise, f"-I{sources}", str(_SOURCE))
        command += ("-o", str(path), "-lm")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return ctypes.CDLL(str(path))


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


class Memory:
    """Bytes that are not numbers before they are written, aligned, between two guards."""

    def __init__(self, size):
        self.all = np.full(size + 2 * GUARD + 64, 0xFF, np.uint8)
        self.first = GUARD + -(self.all.ctypes.data + GUARD) % 64
        self.size = size

    @property
    def start(self):
        return ctypes.c_void_p(self.all.ctypes.data + self.first)

    @property
    def whole(self):
        before, after = self.all[: self.first], self.all[self.first + self.size :]
        return bool((before == 0xFF).all() and (after == 0xFF).all())


def laid_out(case: Case, place: str, threads: int) -> Arrangement:
    return Arrangement(place, arrangement.struct(case, place, threads), 1, 1)


def check(case, seed, start, stop, laid, backwards=False, lib=None):
    """The record of a team, as `cuda_check` makes it of a kernel's results."""
    result = np.zeros(1, cuda_check.RESULT)
    fast, slow = Memory(laid.fast_bytes), Memory(laid.slow_bytes)
    own, edges = cuda_check.struct_of(case, seed), cuda_check.edges()
    getattr(lib or library(), f"check_{case.dtype}")(
        pointer(own), pointer(laid.struct), PLACES.index(laid.place), ctypes.c_int64(start),
        ctypes.c_int64(stop), int(backwards), pointer(edges), fast.start, slow.start,
        pointer(result),
    )  # fmt: skip
    assert fast.whole
    assert slow.whole
    return cuda_check.record_of(result, case)


def draw(case, seed, index, laid):
    """W and U of a weight set, in one row."""
    n, m = case.hidden_size, case.input_size
    out = np.empty(4 * n * (m + n), case.dtype)
    fast, own = Memory(laid.fast_bytes), cuda_check.struct_of(case, seed)
    getattr(library(), f"draw_{case.dtype}")(
        pointer(own), pointer(laid.struct), ctypes.c_int64(index), fast.start, pointer(out)
    )
    assert fast.whole
    return out


def sizes(dtype):
    names = ("Case", "Arrangement", "Result", "Worst", "Extremes", "Partial", "Score", "RowBound")
    names += ("Row", "Centre", "bins", "U", "Draw", "Claims", "Found")
    out = np.zeros(len(names), np.int64)
    getattr(library(), f"sizes_{dtype}")(pointer(out))
    return dict(zip(names, out.tolist(), strict=True))
