"""The choice of the array library, and that the core uses nothing that CuPy lacks."""

import ast
import importlib.util
import sys
import types
from pathlib import Path

import fake_device
import numpy as np
import pytest

from lstm_gpu import backend as backends
from lstm_gpu.errors import InputError

PACKAGE = Path(backends.__file__).parent


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(backends, "cupy_or_reason", lambda: (None, "the test has no GPU"))


def test_numpy_is_always_there():
    assert backends.select("numpy") is np


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_is_numpy_and_cupy_is_an_error_that_says_why():
    assert backends.select("auto") is np
    assert backends.select() is np
    with pytest.raises(InputError, match=r"`backend: cupy`.*the test has no GPU.*`numpy`"):
        backends.select("cupy")


def test_with_a_gpu_auto_and_cupy_are_cupy_and_numpy_stays_numpy(monkeypatch):
    monkeypatch.setattr(backends, "cupy_or_reason", lambda: (fake_device, ""))
    assert backends.select("auto") is fake_device
    assert backends.select("cupy") is fake_device
    assert backends.select("numpy") is np


def test_an_unknown_backend_is_refused_by_name():
    with pytest.raises(InputError, match=r"`backend` must be one of auto, numpy, cupy, got 'jax'"):
        backends.select("jax")


def test_the_reason_or_the_library_never_both():
    cupy, reason = backends.cupy_or_reason()
    assert (cupy is None) == bool(reason)


def _broken_cupy(count, zeros):
    runtime = types.SimpleNamespace(getDeviceCount=count)
    return types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime), zeros=zeros)


def _raise(*args):
    raise RuntimeError("driver too old\nmore")


@pytest.mark.parametrize(
    ("cupy", "reason"),
    [
        (_broken_cupy(lambda: 0, None), "cupy is installed but sees no GPU"),
        (_broken_cupy(_raise, None), "no GPU answers (RuntimeError: driver too old)"),
        (_broken_cupy(lambda: 1, _raise), "no GPU answers (RuntimeError: driver too old)"),
    ],
)
def test_an_installed_cupy_that_cannot_work_is_reported_in_one_line(monkeypatch, cupy, reason):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    found, said = backends.cupy_or_reason.__wrapped__()
    assert found is None
    assert reason in said
    assert "\n" not in said


def test_a_cupy_that_warns_as_it_is_imported_is_taken(monkeypatch, tmp_path):
    """Or all tests on a GPU were skipped: pytest makes errors of warnings."""
    (tmp_path / "cupy.py").write_text(
        "import types, warnings\n"
        "warnings.warn('CUDA path could not be detected.')\n"
        "cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=lambda: 1))\n"
        "def zeros(size):\n"
        "    return types.SimpleNamespace(get=lambda: None)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.warns(UserWarning, match="CUDA path"):
        found, reason = backends.cupy_or_reason.__wrapped__()
    sys.modules.pop("cupy")
    assert found.__file__ == str(tmp_path / "cupy.py")
    assert reason == ""


def test_every_array_leads_to_its_namespace(backend):
    xp = backend
    array = xp.zeros((2, 3))
    assert backends.namespace_of(array) is xp
    assert backends.namespace_of(array.sum()) is xp
    assert type(backends.to_host(array)) is np.ndarray


def test_an_array_without_array_namespace_leads_to_its_module(monkeypatch):
    """CuPy's arrays: no `__array_namespace__` in any release up to 14.2."""
    module = types.ModuleType("cupy")
    array = type("ndarray", (), {"__module__": "cupy"})()
    monkeypatch.setitem(sys.modules, "cupy", module)
    assert backends.namespace_of(array) is module


def test_descriptions_name_backend_and_device():
    assert backends.describe(np)["backend"] == "numpy"
    assert backends.describe(np)["device"]
    assert backends.describe(fake_device) == {"backend": "cupy", "device": "fake device"}


def test_routines_name_what_computes_exp_and_tanh():
    found = backends.routines(np)
    assert found.startswith(f"numpy {np.__version__}, exp ")
    assert "tanh ff " in found  # float32 to float32
    assert backends.routines(fake_device) == "cupy 0, CUDA runtime 13000"


# --- The names that the package uses -------------------------------------------------------------


def _names_used():
    """(file, line, dotted name) of every xp.NAME in the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            inner = node
            while isinstance(inner, ast.Attribute):
                names.insert(0, inner.attr)
                inner = inner.value
            if names and isinstance(inner, ast.Name) and inner.id == "xp":
                found.append((path.name, node.lineno, names[0]))
    return found


def test_every_name_that_the_package_takes_from_xp_is_one_of_cupy():
    used = _names_used()
    assert len({name for _, _, name in used}) > 20, "the search has gone blind"
    missing = [entry for entry in used if entry[2] not in {*fake_device.RECORD["namespace"]}]
    assert not missing, missing


def test_the_record_of_cupy_s_names_is_that_of_cupy():
    cupy = pytest.importorskip("cupy", reason="cupy is not installed: its names are a record")
    gone = [name for name in fake_device.RECORD["namespace"] if not hasattr(cupy, name)]
    gone = [name for name in gone if name in {used for _, _, used in _names_used()}]
    assert not gone, gone
    lacking = [n for n in fake_device.RECORD["ndarray"] if not hasattr(cupy.ndarray, n)]
    assert not lacking, lacking


def test_the_search_for_names_finds_one_that_cupy_lacks(tmp_path, monkeypatch):
    (tmp_path / "wrong.py").write_text("def f(xp, a):\n    return xp.vecdot(a, a)\n")
    monkeypatch.setattr("test_backend.PACKAGE", tmp_path)
    assert [name for _, _, name in _names_used()] == ["vecdot"]
    assert "vecdot" not in fake_device.RECORD["namespace"]


# --- The stand-in is as strict as it says -------------------------------------------------------


@pytest.mark.parametrize(
    "misuse",
    [
        lambda a: np.asarray(a),
        lambda a: np.exp(a),
        lambda a: np.concatenate([a, a]),
        lambda a: a + np.ones(3),
        lambda a: np.ones(3) + a,
        lambda a: a[np.array([0, 1])],
        lambda a: a.__setitem__(0, np.ones(1)[0:1]),
        lambda a: fake_device.exp([1.0, 2.0]),
        lambda a: fake_device.exp(1.0),
        lambda a: fake_device.add(a, np.ones(3)),
        lambda a: fake_device.exp(a, out=np.ones(3)),
        lambda a: fake_device.broadcast_to(1.0, (3,)),
        lambda a: fake_device.stack([np.ones(3)]),
        lambda a: range(a.argmax()),
    ],
)
def test_the_stand_in_refuses_what_cupy_refuses(misuse):
    with pytest.raises(TypeError):
        misuse(fake_device.asarray(np.arange(3.0)))


def test_the_stand_in_has_only_cupy_s_names():
    with pytest.raises(AttributeError):
        _ = fake_device.vecdot
    with pytest.raises(AttributeError):
        _ = fake_device.zeros(3).to_device
    assert not hasattr(fake_device.zeros(3), "__array_namespace__")


def test_the_stand_in_gives_arrays_of_dimension_0_not_scalars():
    a = fake_device.asarray(np.arange(6.0).reshape(2, 3))
    for single in (a.sum(), a[0, 1], a.max(), fake_device.abs(a)[1, 1]):
        assert type(single) is fake_device.ndarray
        assert single.shape == ()
    assert float(a[0, 1]) == 1.0
    assert int(a.argmax()) == 5
