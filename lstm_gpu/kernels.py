"""The CUDA kernels of `cuda/*.cu`, compiled for the device at hand when they are first asked for.

One function per dtype and arrangement, all in one module per source; a cubin is kept in the user's
cache under a name that says what went into it. Not run on a GPU yet: the tests compile every source
and run its code thread by thread on the host.
"""

import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import nvrtc
from lstm_gpu.errors import InputError

SOURCES = Path(__file__).with_name("cuda")
# Of sources that are not compiled as the host is: as CuPy compiles its own functions.
OPTIONS = {"sigmoid": ("-std=c++17", "--ftz=true")}


def or_reason() -> tuple[Any, str]:
    """Return (cupy, "") where kernels can be compiled and run, else (None, why not)."""
    xp, reason = backends.cupy_or_reason()
    if xp is None:
        return None, reason
    library, reason = nvrtc.library_or_reason()
    return (xp, "") if library is not None else (None, reason)


def cubin(name: str, architecture: int) -> Path:
    """The file with `cuda/NAME.cu`, compiled for an architecture (90 for sm_90).

    Raises
    ------
    InputError
        It cannot be compiled, or the cache cannot be written.
    """
    options = OPTIONS.get(name, nvrtc.OPTIONS)
    sha256 = hashlib.sha256(repr((nvrtc.version(), options, architecture)).encode())
    for path in sorted(SOURCES.glob("*.cu*")):
        sha256.update(path.name.encode() + path.read_bytes())
    found = _cache() / f"{name}-{sha256.hexdigest()[:32]}.cubin"
    if not found.exists():
        content, _ = nvrtc.compile_to_cubin(SOURCES / f"{name}.cu", architecture, base=options)
        try:
            found.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=found.parent, delete=False) as fresh:
                fresh.write(content)
            Path(fresh.name).replace(found)  # whole or not at all, whoever else compiles it
        except OSError as error:
            raise InputError(
                f"the cache of CUDA kernels must be writable, got {error.strerror} at "
                f"{found.parent}. Set XDG_CACHE_HOME to a folder of yours."
            ) from None
    return found


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lstm_gpu"


@functools.cache
def _module(name: str, device: int) -> Any:
    xp, reason = or_reason()
    if xp is None:
        raise InputError(f"CUDA kernels need a GPU and a compiler, but {reason}.")
    architecture = int(xp.cuda.Device(device).compute_capability)
    return xp.RawModule(path=str(cubin(name, architecture)))


@functools.cache
def _function(name: str, function: str, device: int) -> Any:
    return _module(name, device).get_function(function)


def function(name: str, function: str) -> Any:
    """A kernel of `cuda/NAME.cu` on the current device: called with (grid, block, arguments).

    Raises
    ------
    InputError
        No GPU answers, or nothing compiles for it.
    """
    xp, reason = or_reason()
    if xp is None:
        raise InputError(f"CUDA kernels need a GPU and a compiler, but {reason}.")
    return _function(name, function, int(xp.cuda.Device().id))
