"""A strict stand-in for CuPy on a machine without a GPU: this module is an array namespace.

Its arrays hold their numbers on a "device" (a hidden NumPy array), and behave as CuPy's do where
NumPy is more obliging:

- no implicit copy to the host: `__array__` and NumPy's functions raise TypeError, `.get()` copies;
- no mixing with NumPy arrays, in operators, functions and indices;
- reductions and single entries are arrays of dimension 0, not scalars; no `__index__`;
- shape functions and `out` take arrays of this namespace only, no lists or scalars;
- only names that CuPy has (tests/cupy_names.json, recorded; test_backend checks the record where
  CuPy is installed), of the namespace as of the arrays.

The arithmetic is NumPy's own, so results must have the same bits as with NumPy.
"""

import json
import types
from pathlib import Path
from typing import Any

import numpy as np

RECORD = json.loads(Path(__file__).with_name("cupy_names.json").read_text())
_NAMES = frozenset(RECORD["namespace"])
_ATTRIBUTES = frozenset(RECORD["ndarray"])
# The functions that make arrays from what the host has; all others take device arrays only.
_FROM_HOST = {"asarray", "array"}
_SCALARS = (bool, int, float, complex, np.generic)
# The properties of an H100 that the kernels' arrangement depends on.
H100 = {
    "MaxSharedMemoryPerBlockOptin": 232448,
    "MaxSharedMemoryPerMultiprocessor": 233472,
    "MultiProcessorCount": 132,
}
cuda = types.SimpleNamespace(
    runtime=types.SimpleNamespace(
        getDeviceProperties=lambda device: {"name": b"fake device"},
        runtimeGetVersion=lambda: 13000,
    ),
    Device=lambda device=0: types.SimpleNamespace(
        id=device, compute_capability="90", attributes=H100, mem_info=(2**36, 2**37)
    ),
)


def get_default_memory_pool() -> Any:
    """CuPy's pool, which keeps what was freed: nothing yet."""
    return types.SimpleNamespace(free_bytes=lambda: 0)


__version__ = "0"


class ndarray:  # noqa: N801 (CuPy's name)
    """A device array."""

    __array_priority__ = 100
    __hash__ = None

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    def get(self) -> np.ndarray:
        return self._host.copy()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("implicit conversion of a device array to NumPy; use .get()")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Only for the operators of a NumPy scalar, as in np.float64(2) * array."""
        if method != "__call__" or not any(isinstance(i, np.generic) for i in inputs):
            raise TypeError("a NumPy function or array met a device array")
        return _wrap(ufunc(*map(_unwrap, inputs), **kwargs))

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a NumPy function met a device array")

    @property
    def data(self) -> Any:
        """The address, as kernels are given it."""
        return types.SimpleNamespace(ptr=self._host.ctypes.data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in _ATTRIBUTES:
            raise AttributeError(f"CuPy's ndarray has no attribute {name!r}")
        value = getattr(self._host, name)
        return _function(value) if callable(value) else _wrap(value)

    def __getitem__(self, key: Any) -> "ndarray":
        return _wrap(self._host[_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._host[_key(key)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __float__(self) -> float:
        return float(self._host.item())

    def __int__(self) -> int:
        return int(self._host.item())

    def __complex__(self) -> complex:
        return complex(self._host.item())

    def __bool__(self) -> bool:
        return bool(self._host)


def _operator(name: str) -> Any:
    def method(self: ndarray, *others: Any) -> Any:
        return _wrap(getattr(self._host, name)(*(_unwrap(other) for other in others)))

    return method


def _in_place(name: str) -> Any:
    def method(self: ndarray, other: Any) -> ndarray:
        getattr(self._host, name)(_unwrap(other))
        return self

    return method


_BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
for _name in _BINARY:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__"))
    setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in ["lt", "le", "eq", "ne", "gt", "ge", "neg", "pos", "abs", "invert"]:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
if "__array_namespace__" in _ATTRIBUTES:
    ndarray.__array_namespace__ = lambda self, **kwargs: __import__(__name__)


def _wrap(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.number | np.bool_):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple) and any(isinstance(v, np.ndarray | np.generic) for v in value):
        return tuple(_wrap(v) for v in value)
    return value


def _unwrap(value: Any, host: bool = False) -> Any:
    """The hidden array of a device array; NumPy arrays are refused unless `host`."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray) and not host:
        raise TypeError("a NumPy array among device arrays; use asarray")
    return value


def _key(key: Any) -> Any:
    return tuple(_unwrap(k) for k in key) if isinstance(key, tuple) else _unwrap(key)


def _function(of_numpy: Any, host: bool = False) -> Any:
    """A NumPy function that takes and gives device arrays."""

    def call(*args: Any, **kwargs: Any) -> Any:
        def open_(value: Any) -> Any:
            if isinstance(value, list | tuple) and any(isinstance(v, ndarray) for v in value):
                return type(value)(_unwrap(v) for v in value)
            return _unwrap(value, host)

        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("`out` must be a device array")
        result = of_numpy(*map(open_, args), **{k: open_(v) for k, v in kwargs.items()})
        return out if out is not None else _wrap(result)

    return call


def _strict(name: str) -> Any:
    """A function of the namespace: arguments that CuPy would refuse are refused."""
    of_numpy = getattr(np, name)
    call = _function(of_numpy, host=name in _FROM_HOST)
    if name in _FROM_HOST or name in _CREATION:
        return call

    def checked(*args: Any, **kwargs: Any) -> Any:
        if isinstance(of_numpy, np.ufunc):
            for arg in args[: of_numpy.nin]:
                if not isinstance(arg, (ndarray, *_SCALARS)):
                    raise TypeError(f"{name}: unsupported type {type(arg)}")
            if not any(isinstance(arg, ndarray) for arg in args):
                raise TypeError(f"{name}: no device array among the arguments")
        elif name == "where":
            if not isinstance(args[0], ndarray):
                raise TypeError("where: the condition must be a device array")
        elif not isinstance(args[0], ndarray | list | tuple):
            raise TypeError(f"{name}: the first argument must be a device array")
        elif isinstance(args[0], list | tuple) and not all(isinstance(a, ndarray) for a in args[0]):
            raise TypeError(f"{name}: a list must hold device arrays")
        return call(*args, **kwargs)

    return checked


_CREATION = {"zeros", "ones", "empty", "full", "eye", "arange", "linspace", "identity"}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"CuPy has no {name!r}")
    value = getattr(np, name)
    if isinstance(value, type) or not callable(value):  # dtypes and constants
        return value
    return _strict(name)
