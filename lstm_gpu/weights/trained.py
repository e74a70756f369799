"""Files of real weights: one trained LSTM layer, in PyTorch's layout, as a NumPy archive.

An archive (`numpy.savez`) is a zip file of arrays. It comes from elsewhere, so it is data: no
pickle, no array beyond those named here, and every size is known and refused before memory is taken
for it.
"""

import hashlib
import io
import math
import os
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstm_gpu import intake
from lstm_gpu.cell import GATES
from lstm_gpu.errors import InputError
from lstm_gpu.weights import states
from lstm_gpu.weights.case import DTYPES, Case
from lstm_gpu.weights.draw import WeightSets
from lstm_gpu.weights.philox import uniforms

__all__ = ["GIVEN", "TRAINED", "Trained", "load"]

TRAINED = "trained"  # in the place of a distribution's name
GIVEN = "given"  # in the place of a regime's, where the file has states
# Of the edges those of the state: the bias is the layer's own. Where the file has states, its x are
# what the layer meets; but a sequence starts from h = c = 0 with any of them.
_OF_GIVEN = ("first_step",)
_OF_DRAWN = ("first_step", "zero_input", "all_zero")
LARGEST = 2**29
"""Bytes of a file, and of its arrays together: n = m = 2048 in float64 take half."""

LARGEST_SIZE = 4096  # of n and m, as for drawn ones
_MOST_STATES = 10**6
_WEIGHTS = ("weight_ih", "weight_hh")
_BIASES = ("bias_ih", "bias_hh")
_STATES = ("x", "h", "c")
_LONGEST_HEADER = 10_000
_MOST_MEMBERS = 64  # by their signature in the directory, which weights meet by chance, too
_REMEDY = "See `Trained weights` in the README for how to write one."


@dataclass(frozen=True)
class Trained:
    """The weights of one layer, with states where the file has them.

    W (4, n, m), U (4, n, n), b (4, n) or None, in gate order i, f, u, o (PyTorch's i, f, g, o); b
    is the sum of PyTorch's two biases, rounded once. states : x (sets, m), h and c (sets, n), or
    None.
    """

    W: np.ndarray
    U: np.ndarray
    b: np.ndarray | None
    states: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    file: str
    sha256: str

    def case(self, regime: str) -> Case:
        """The weights with the states of a regime or edge, or with those of the file (`GIVEN`)."""
        n, m = self.W.shape[1:]
        return Case(n, m, str(self.W.dtype), TRAINED, regime)

    @property
    def cases(self) -> list[Case]:
        """With the states of the file, or with states drawn in every regime; and at the edges."""
        drawn = *states.REGIMES, *_OF_DRAWN
        regimes = drawn if self.states is None else (GIVEN, *_OF_GIVEN)
        return [self.case(regime) for regime in regimes]

    def draw(self, case: Case, seed: int, start: int, stop: int, xp: Any = np) -> WeightSets:
        """The weights, the same in each set, with the states of ``range(start, stop)``.

        At an edge the arrays of the state are 0 that it says.

        Raises
        ------
        InputError
            The case is not one of these weights, or the file has fewer states.
        """
        if case not in self.cases:
            raise InputError(
                f"`{self.file}` must have the weights of the case {case.name}, and has others. "
                "Name the file that was checked."
            )
        n, m = case.hidden_size, case.input_size
        if self.states is None:
            r = uniforms(seed, case.name, start, stop, states.words(n, m))
            x, y, c, o = states.draw_state(r, n, m, case.regime)
            x, y, c, o = (array.astype(case.dtype) for array in (x, y, c, o))
            h = o * y
        else:
            if stop > len(self.states[0]):
                raise InputError(
                    f"`{self.file}` must have a state {stop - 1}, and has {len(self.states[0])}."
                )
            x, h, c = (array[start:stop] for array in self.states)
            o = np.ones_like(h)  # unknown; only the rival reading of D1 asks for it

        zero = states.EDGES.get(case.regime, ())
        x, h, c = (
            np.zeros_like(array) if name in zero else array
            for name, array in (("x", x), ("h_prev", h), ("c_prev", c))
        )

        def repeated(array: np.ndarray) -> Any:
            whole = np.broadcast_to(array, (stop - start, *array.shape))
            return xp.asarray(np.ascontiguousarray(whole))

        return WeightSets(
            W=repeated(self.W),
            U=repeated(self.U),
            x=xp.asarray(x),
            h_prev=xp.asarray(h),
            c_prev=xp.asarray(c),
            o_prev=xp.asarray(o),
            b=None if self.b is None else repeated(self.b),
        )


def load(path: str | os.PathLike[str]) -> Trained:
    """Read a file of weights.

    Arrays: weight_ih (4n, m), weight_hh (4n, n); perhaps bias_ih and bias_hh (4n,); perhaps x
    (sets, m), h and c (sets, n), all three, or of one state without the first axis. float64 or
    float32, all of one kind. PyTorch's names with `_l0` are taken, too.

    Raises
    ------
    InputError
        in one line, for anything else.
    """
    raw = intake.contents(path, LARGEST, _REMEDY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy mends headers of Python 2, and warns
            arrays = _arrays(raw, str(path))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib, tokenize, ast and NumPy, each in words of its own
        raise InputError(f"`{path}` is not an archive of arrays ({error}). {_REMEDY}") from error
    W, U = (arrays[name].reshape(len(GATES), -1, arrays[name].shape[1]) for name in _WEIGHTS)
    biases = [arrays[name] for name in _BIASES if name in arrays]
    b = sum(biases[1:], biases[0]).reshape(len(GATES), -1) if biases else None
    found = None
    if "x" in arrays:
        x, h, c = (arrays[name].reshape(-1, arrays[name].shape[-1]) for name in _STATES)
        found = (x, h, c)
    for name, array in (*arrays.items(), ("bias_ih + bias_hh", b)):
        if array is not None and not np.isfinite(array).all():
            raise InputError(f"`{name}` in `{path}` must hold finite numbers. Train it again.")
    return Trained(W, U, b, found, Path(path).name, hashlib.sha256(raw).hexdigest())


def _arrays(raw: bytes, path: str) -> dict[str, np.ndarray]:
    """The arrays by their plain names; shapes and types are checked before they are read."""
    known = (*_WEIGHTS, *_BIASES, *_STATES)
    if raw.count(b"PK\x01\x02") > _MOST_MEMBERS:  # before each becomes an object
        raise InputError(f"`{path}` must hold up to {len(known)} arrays. {_REMEDY}")
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = archive.infolist()
        names = [member.filename.removesuffix(".npy").removesuffix("_l0") for member in members]
        unknown = next((name for name in names if name not in known), None)
        if unknown is not None or len(set(names)) < len(names):
            raise InputError(
                f"`{path}` must hold arrays named {', '.join(known)}, once each, got "
                f"{unknown or 'one of them twice'!r:.60}. {_REMEDY}"
            )
        if missing := [name for name in _WEIGHTS if name not in names]:
            raise InputError(f"`{path}` must hold the array {missing[0]}. {_REMEDY}")
        if 0 < len(given := [name for name in _STATES if name in names]) < len(_STATES):
            raise InputError(f"`{path}` must hold x, h and c, or none, got {', '.join(given)}.")
        shapes = {}
        for name, member in zip(names, members, strict=True):
            with archive.open(member) as file:
                shapes[name] = _header(file, member.file_size, f"`{name}` in `{path}`")
    kinds = {dtype for _, dtype in shapes.values()}
    if len(kinds) > 1:
        raise InputError(f"`{path}` must hold arrays of one type, got {', '.join(sorted(kinds))}.")
    if sum(math.prod(shape) for shape, _ in shapes.values()) * 8 > LARGEST:
        raise InputError(f"`{path}` must unpack to at most {LARGEST} bytes of float64.")
    _check_shapes({name: shape for name, (shape, _) in shapes.items()}, path)
    with np.load(io.BytesIO(raw), allow_pickle=False, max_header_size=_LONGEST_HEADER) as archive:
        stored = dict(zip(names, archive.files, strict=True))
        native = np.dtype(next(iter(kinds)))
        return {name: archive[key].astype(native, copy=False) for name, key in stored.items()}


def _header(file: Any, size: int, what: str) -> tuple[tuple[int, ...], str]:
    """Shape and type of a stored array, and that it takes just the bytes that its member has."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise InputError(f"{what} must be of format 1.0 or 2.0, got {version}. {_REMEDY}")
    shape, _, dtype = readers[version](file, max_header_size=_LONGEST_HEADER)
    name = dtype.newbyteorder("=").name if dtype.kind == "f" else str(dtype)
    if name not in DTYPES:
        raise InputError(f"{what} must be of {' or '.join(DTYPES)}, got {name:.60}. {_REMEDY}")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise InputError(f"{what} must have a shape of counts, got {shape!r:.60}. {_REMEDY}")
    if math.prod(shape) * dtype.itemsize != size - file.tell():
        raise InputError(f"{what} must have the bytes of its shape {shape!r:.60}. {_REMEDY}")
    return shape, name


def _check_shapes(shapes: dict[str, tuple[int, ...]], path: str) -> None:
    hh, ih = shapes["weight_hh"], shapes["weight_ih"]
    n, m = hh[-1] if hh else 0, ih[-1] if ih else 0
    if not (1 <= n <= LARGEST_SIZE and 1 <= m <= LARGEST_SIZE):
        raise InputError(
            f"`{path}` must have sizes from 1 to {LARGEST_SIZE}, got n = {n}, m = {m}."
        )
    gates = len(GATES)
    wanted: dict[str, tuple[int, ...]] = {"weight_ih": (gates * n, m), "weight_hh": (gates * n, n)}
    wanted |= dict.fromkeys(_BIASES, (gates * n,))
    rows = shapes["x"][:-1] if "x" in shapes else ()
    if len(rows) > 1 or not 1 <= math.prod(rows) <= _MOST_STATES:
        raise InputError(f"`x` in `{path}` must hold 1 to {_MOST_STATES} states (sets, m).")
    wanted |= {"x": (*rows, m), "h": (*rows, n), "c": (*rows, n)}
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise InputError(
                f"`{name}` in `{path}` must have the shape {wanted[name]}, got {shape!r:.60}. "
                f"{_REMEDY}"
            )
