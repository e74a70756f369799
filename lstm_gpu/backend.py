"""The only importer of CuPy: which array library answers, and what device it runs on."""

import functools
import importlib.util
import platform
import sys
import warnings
from typing import Any

import numpy as np

from lstm_gpu.errors import InputError

BACKENDS = ("auto", "numpy", "cupy")


@functools.cache
def cupy_or_reason() -> tuple[Any, str]:
    """Return (cupy, "") when CuPy is installed and a GPU answers, else (None, why not).

    Two questions: the package may be installed on a machine without a device, where its
    first device call raises.
    """
    if importlib.util.find_spec("cupy") is None:
        return None, "the package cupy is not installed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # an error under pytest: no reason to go without
            import cupy

        if cupy.cuda.runtime.getDeviceCount() < 1:
            return None, "cupy is installed but sees no GPU"
        cupy.zeros(1).get()
    except Exception as error:  # CuPy raises its own kinds here, and ImportError for a bad driver
        first_line = (str(error).splitlines() or [""])[0]
        return None, f"cupy is installed but no GPU answers ({type(error).__name__}: {first_line})"
    return cupy, ""


def select(backend: str = "auto") -> Any:
    """Return the array namespace: CuPy or NumPy.

    Raises
    ------
    InputError
        for an unknown name, and for "cupy" where no GPU answers.
    """
    if backend not in BACKENDS:
        raise InputError(f"`backend` must be one of {', '.join(BACKENDS)}, got {backend!r}.")
    if backend == "numpy":
        return np
    cupy, reason = cupy_or_reason()
    if cupy is not None:
        return cupy
    if backend == "cupy":
        raise InputError(
            f"`backend: cupy` needs a GPU, but {reason}. Use `backend: auto` or `numpy`, or "
            "install the CuPy build for this machine's driver."
        )
    return np


def namespace_of(array: Any) -> Any:
    """Return the namespace (NumPy or CuPy) that an array belongs to.

    By the package of its type: CuPy's arrays have no `__array_namespace__` (version 14).
    """
    if isinstance(array, np.ndarray | np.generic):
        return np
    return sys.modules[type(array).__module__.partition(".")[0]]


def to_host(array: Any) -> np.ndarray:
    """Copy a device array to the host; NumPy arrays pass through."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def describe(xp: Any) -> dict[str, str]:
    """Name the backend and device for the manifest (no figure that changes between runs)."""
    if xp is np:
        return {"backend": "numpy", "device": platform.processor() or platform.machine()}
    properties = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)
    return {"backend": "cupy", "device": properties["name"].decode()}


def routines(xp: Any) -> str:
    """Which code computes exp and tanh: what a measurement of their accuracy holds for.

    NumPy chooses it by the processor; where it has no vector routine, the C library's answers.
    """
    if xp is not np:
        runtime = xp.cuda.runtime.runtimeGetVersion()
        return f"cupy {vars(xp)['__version__']}, CUDA runtime {runtime}"
    from numpy.lib.introspect import opt_func_info  # late: only asked for where it is measured

    found = opt_func_info(func_name="^(exp|tanh)$", signature="float(32|64)")
    targets = [
        f"{name} {signature} {target['current']}"
        for name, loops in sorted(found.items())
        for signature, target in sorted(loops.items())
    ]
    library = " ".join(platform.libc_ver())
    return ", ".join([f"numpy {np.__version__}", *targets, library]).rstrip(", ")


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed arrays for the next ones.

    glibc takes every large array from the system and returns it, at the price of a page fault
    for each 4 KiB: up to a third of the time of a check. It keeps what is no larger than the
    largest array that it has once returned (its dynamic threshold, 32 MiB at most), so
    returning one, which is never touched, is enough. Elsewhere this does nothing.
    """
    np.empty(2**25 - 2**13, np.uint8)
