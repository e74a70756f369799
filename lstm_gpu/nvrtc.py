"""NVIDIA's runtime compiler (NVRTC) by its C interface: a CUDA source to a cubin.

It needs neither a GPU nor a driver, so that the tests compile every kernel for every architecture.
CuPy's own compilation (`RawModule(code=…)`) is not used: it adds `-ftz=true`, which flushes what is
below float32's normal range to zero, and its cache does not see a change in an included header.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any

from lstm_gpu.errors import InputError

# As the host's compiler: nothing is contracted (cuda/platform.cuh), nothing is flushed.
OPTIONS = ("-std=c++17", "--fmad=false", "--ftz=false")


@functools.cache
def library_or_reason() -> tuple[Any, str]:
    """Return (library, "") or (None, why there is none)."""
    try:
        from cuda.pathfinder import (
            load_nvidia_dynamic_lib,
        )  # comes with CuPy, and with `make nvrtc`
    except ImportError:
        return None, "the package cuda-pathfinder is not installed (`make nvrtc` installs it)"
    try:
        return ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path), ""
    except Exception as error:  # its own kinds, and OSError
        first = (str(error).splitlines() or [""])[0]
        return None, f"NVRTC was not found ({type(error).__name__}: {first})"


def version() -> tuple[int, int]:
    """Of the compiler.

    Raises
    ------
    InputError
        There is none.
    """
    major, minor = ctypes.c_int(), ctypes.c_int()
    _called("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def compile_to_cubin(
    source: Path, architecture: int, *options: str, base: tuple[str, ...] = OPTIONS
) -> tuple[bytes, str]:
    """Compile a source for sm_`architecture`: the cubin, and the compiler's log.

    Headers are looked for beside the source. `options` come on top of the `base`.

    Raises
    ------
    InputError
        There is no compiler, or it refuses the source or the architecture: its first error.
    """
    own = (*base, f"--gpu-architecture=sm_{architecture}", f"-I{source.parent}", *options)
    flags = (ctypes.c_char_p * len(own))(*(option.encode() for option in own))
    program = ctypes.c_void_p()
    _called(
        "nvrtcCreateProgram", ctypes.byref(program), source.read_bytes(), str(source).encode(),
        0, None, None,
    )  # fmt: skip
    try:
        library, _ = library_or_reason()
        failed = library.nvrtcCompileProgram(program, len(own), flags)
        log = _text(program, "ProgramLog").decode(errors="replace").rstrip("\0")
        if failed:
            first = next((line for line in log.splitlines() if "error" in line), log[:80])
            raise InputError(f"NVRTC refuses {source.name} for sm_{architecture}: {first}")
        return _text(program, "CUBIN"), log
    finally:
        _called("nvrtcDestroyProgram", ctypes.byref(program))


def _text(program: Any, name: str) -> bytes:
    size = ctypes.c_size_t()
    _called(f"nvrtcGet{name}Size", program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    _called(f"nvrtcGet{name}", program, text)
    return text.raw


def _called(name: str, *arguments: Any) -> None:
    library, reason = library_or_reason()
    if library is None:
        raise InputError(f"CUDA kernels cannot be compiled: {reason}.")
    status = getattr(library, name)(*arguments)
    if status:
        raise InputError(f"CUDA kernels cannot be compiled: {name} failed (status {status}).")
