"""The survey's device code on the host, with NumPy's functions: the array code's very findings."""

import ctypes
import ctypes.util
import itertools

import fake_device
import host_blocks
import host_threads
import numpy as np
import pytest

from lstm_gpu import kernels
from lstm_gpu.claims import function_errors, sigmoid_kernel, sigmoid_survey
from lstm_gpu.claims.function_errors import FLOAT32, MEASURED, NEAR, TRUTHS
from lstm_gpu.claims.sigmoid_findings import Findings
from lstm_gpu.claims.sigmoid_survey import SURVEYED

needs_compiler = pytest.mark.skipif(not host_threads.compiler(), reason="no C++ compiler")
VALUES = np.dtype(
    [(name, "f4") for name in ("minus", "plus", "size", "power", "tanh")] + [("truth", "f8")],
    align=True,
)
LENGTH = 400
# Around 0, the smallest normal number, the zones' edges, 1, each region's edge, infinity, the NaNs.
PATTERNS = [0, 0x00800000, NEAR, 0x32800000, 0x3F317218, 0x3F800000, 0x41851592, 0x422EAC50]
PATTERNS += [0x42317218, 0x42AEAC50, 0x42B0C0A5, 0x42CFF1B5, 0x43500000, 0x43800000, 0x7F800000]
STARTS = [max(0, p - LENGTH // 2) for p in PATTERNS]


def values(part, truth):
    z = FLOAT32.values(range(part.start, part.stop), part.side)
    found = np.zeros(len(z), VALUES)
    found["minus"], found["plus"], found["size"] = np.exp(-z), np.exp(z), np.exp(-abs(z))
    found["power"], found["tanh"] = (1 + np.exp(-z)) ** -2, np.tanh(z)
    found["truth"] = truth(z)
    return found


def form_truth(z, exp=np.exp):
    size = np.empty(len(z))
    z = np.ascontiguousarray(z)
    pointers = host_threads.pointer(z), ctypes.c_int64(len(z)), host_threads.pointer(size)
    host_threads.library().settle(*pointers)
    return exp(-size)


def see(parts, of_function, which, truth, values=values):
    """What a launch finds, with one block for a segment."""
    cut, seen = sigmoid_kernel.segments(parts), np.zeros((len(parts), 1), sigmoid_kernel.SEEN)
    for k, part in enumerate(parts):
        given = values(part, truth)
        host_threads.library().see(
            host_threads.pointer(cut[k : k + 1]), int(of_function), which,
            host_threads.pointer(given), host_threads.pointer(seen[k]),
        )  # fmt: skip
    return seen


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


@needs_compiler
def test_structs_are_those_of_the_sources():
    out = np.zeros(3, np.int64)
    host_threads.library().sizes_of_survey(host_threads.pointer(out))
    own = (VALUES, sigmoid_kernel.SEGMENT, sigmoid_kernel.SEEN)
    assert out.tolist() == [dtype.itemsize for dtype in own]


@needs_compiler
@pytest.mark.parametrize("start", STARTS)
def test_the_forms_are_surveyed_as_by_the_array_code(start):
    """To the bit: counts, first places, largest errors, curve."""
    stop = min(start + LENGTH, FLOAT32.patterns)
    found = Findings(FLOAT32, SURVEYED)
    parts = list(sigmoid_kernel.form_parts(found.curve, start, stop))
    for which, form in enumerate(SURVEYED):
        seen = see([part for part, _ in parts], False, which, form_truth)
        sigmoid_kernel.add_form(found, form, parts, seen)
    assert found.to_dict() == sigmoid_survey.survey_range("float32", start, stop).to_dict()


@needs_compiler
@pytest.mark.parametrize("start", STARTS)
def test_the_functions_errors_are_those_of_the_array_code(start):
    stop = min(start + LENGTH, FLOAT32.patterns)
    wanted = function_errors.measure(start, stop)
    parts = list(sigmoid_kernel.function_parts(start, stop))
    for which, name in enumerate(MEASURED):
        own = function_errors.Errors(changed=wanted[name].changed)
        seen = see(parts, True, which, lambda z, n=name: TRUTHS[n](z.astype(np.float64)))
        sigmoid_kernel.add_function(own, parts, seen)
        assert own == wanted[name], name


@needs_compiler
def test_a_wrong_function_is_seen(monkeypatch):
    """An exponential that is a thousandth off, and one that has lost its sign."""
    (part,) = (p for p in sigmoid_kernel.function_parts(0x3F800000, 0x3F800100) if p.side > 0)
    exact = np.exp
    for factor, wrong in ((1.001, 0), (-1, 256)):
        monkeypatch.setattr(np, "exp", lambda z, f=factor: (f * exact(z)).astype(z.dtype))
        seen = see([part], True, 0, lambda z: exact(z.astype(np.float64)))
        errors = function_errors.Errors()
        sigmoid_kernel.add_function(errors, [part], seen)
        assert errors.ulp > 1000
        assert errors.wrong == wrong


def test_parts_cover_a_range_once():
    curve = Findings(FLOAT32, SURVEYED).curve
    whole = [p for p, _ in sigmoid_kernel.form_parts(curve, 0, FLOAT32.patterns)]
    for parts in (whole, list(sigmoid_kernel.function_parts(0, FLOAT32.patterns))):
        for side in (-1, 1):
            own = sorted((p.start, p.stop) for p in parts if p.side == side)
            assert own[0][0] == 0
            assert own[-1][1] == FLOAT32.patterns
            assert all(a[1] == b[0] for a, b in itertools.pairwise(own))
    bins = [index for _, index in sigmoid_kernel.form_parts(curve, 0, FLOAT32.patterns)]
    assert set(range(400)) <= set(bins)


class Kernel:
    """Stands in for a kernel: NumPy's functions, the device's statistics."""

    def __init__(self, function):
        kind, self.name = function.split("_", 1)
        self.of_function = kind == "function"

    def __call__(self, grid, block, arguments):
        cut = arguments[0]._host.view(sigmoid_kernel.SEGMENT)
        results = arguments[1]._host.view(sigmoid_kernel.SEEN).reshape(grid[1], grid[0])
        results["at"] = results["lower_at"] = results["first"] = sigmoid_kernel.NOWHERE
        results["largest"] = 0 if self.of_function else -1
        names = list(MEASURED if self.of_function else SURVEYED)
        truth = form_truth
        if self.of_function:

            def truth(z):
                return TRUTHS[self.name](z.astype(np.float64))

        parts = [
            sigmoid_kernel.Strip(
                "", -1 if s["negative"] else 1, int(s["start"]), int(s["stop"]), True
            )
            for s in cut
        ]
        results[:, :1] = see(parts, self.of_function, names.index(self.name), truth)


@needs_compiler
def test_a_launch_finds_what_the_array_code_finds(monkeypatch):
    monkeypatch.setattr(kernels, "function", lambda name, function: Kernel(function))
    start, stop = 0x42AEAC50 - 100, 0x42AEAC50 + 200
    found = sigmoid_kernel.survey_range(start, stop, fake_device)
    assert found.to_dict() == sigmoid_survey.survey_range("float32", start, stop).to_dict()
    errors = sigmoid_kernel.measure(start, stop, fake_device)
    wanted = function_errors.measure(start, stop)
    assert {name: e.ulp for name, e in errors.items()} == {n: e.ulp for n, e in wanted.items()}


# --- The source whole, by real threads ------------------------------------------------------------

FORMS, FUNCTIONS = list(SURVEYED), list(MEASURED)
KERNELS = [f"form_{name}" for name in FORMS] + [f"function_{name}" for name in FUNCTIONS]


def of_the_library(name):
    """A function of the C library, number by number: what the host's build of the source calls."""
    function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    real, kind = (np.float32, ctypes.c_float) if name[-1] == "f" else (np.float64, ctypes.c_double)
    function.restype, function.argtypes = kind, [kind] * (2 if name == "powf" else 1)
    return lambda *z: np.array([function(*map(float, one)) for one in zip(*z, strict=True)], real)


def library_values(part, function):
    """As `values`, by the C library; of a function the truth is its own, else that of a form."""
    z = FLOAT32.values(range(part.start, part.stop), part.side)
    exp, expf = of_the_library("exp"), of_the_library("expf")
    found = np.zeros(len(z), VALUES)
    found["minus"], found["plus"], found["size"] = expf(-z), expf(z), expf(-abs(z))
    found["power"] = of_the_library("powf")(1 + found["minus"], np.full_like(z, -2))
    found["tanh"] = of_the_library("tanhf")(z)
    wide = z.astype(np.float64)
    if function == "sigmoid":
        q = exp(-abs(wide))
        found["truth"] = np.where(z < 0, q, 1.0) / (1 + q)
    else:
        found["truth"] = of_the_library(function)(wide) if function else form_truth(z, exp)
    return found


def joined(seen):
    """What is taken of the blocks of each segment."""
    places = (("largest", "at"), ("lower", "lower_at"))
    largest = [np.array(sigmoid_kernel._largest(seen, *pair)).tolist() for pair in places]
    return largest, seen["counts"].sum(axis=1).tolist(), seen["first"].min(axis=1).tolist()


@needs_compiler
@pytest.mark.parametrize("flags", [(), pytest.param((host_blocks.RACES,), marks=pytest.mark.slow)])
def test_blocks_see_what_a_loop_sees(flags, tmp_path, monkeypatch):
    """All their values, joined; in segments longer and shorter than a block, of either sign."""
    program = host_blocks.build("sigmoid", KERNELS, tmp_path, "-O0", *flags)
    monkeypatch.setattr(kernels, "function", lambda _, name: host_blocks.Kernel(program, name))
    monkeypatch.setattr(sigmoid_kernel, "_BLOCKS", 2)
    edge = 0x42AEAC50  # where results leave the normal range
    parts = [
        sigmoid_kernel.Strip("", side, edge - before, edge + after, True)
        for side, before, after in ((1, 700, 300), (-1, 600, 17), (-1, 0, 3))
    ]
    cut = sigmoid_kernel.segments(parts)
    for which, name in enumerate(KERNELS):
        of_function = name.startswith("function")
        number = which - of_function * len(FORMS)
        function = FUNCTIONS[number] if of_function else ""
        found = sigmoid_kernel.launch(name, cut, fake_device)
        assert found.shape == (len(parts), 2)
        wanted = see(parts, of_function, number, function, library_values)
        assert joined(found) == joined(wanted), name


@pytest.mark.gpu
@pytest.mark.parametrize("start", STARTS)
def test_the_device_finds_what_the_array_code_finds(start):
    xp, reason = kernels.or_reason()
    if xp is None:
        pytest.skip(reason)
    stop = min(start + 2**16, FLOAT32.patterns)
    found = sigmoid_kernel.survey_range(start, stop, xp)
    assert found.to_dict() == sigmoid_survey.survey_range("float32", start, stop, xp).to_dict()
    errors, wanted = (
        sigmoid_kernel.measure(start, stop, xp),
        function_errors.measure(start, stop, xp),
    )
    for name in MEASURED:
        wanted[name].changed = 0
        assert errors[name] == wanted[name]
