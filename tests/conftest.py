"""Fixtures and settings for all tests."""

import importlib.util
import os

for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")  # before NumPy is imported

import fake_device  # noqa: E402
import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from lstm_gpu import backend as backends  # noqa: E402

# The same examples in every run; a shared machine may be slow, so no deadline.
hypothesis.settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=30, database=None
)
hypothesis.settings.load_profile("default")


def pytest_collection_modifyitems(items):
    """Modules with slow tests first: at the end both processes have short ones to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """`-m gpu`: a machine with a GPU may have the core's packages alone, and pytest runs nothing
    where a module cannot be imported. A module that needs a package which is not there is skipped.
    """
    report = yield
    if report.failed and collector.config.option.markexpr == "gpu":
        cause = report.call.excinfo.value.__cause__
        package = (getattr(cause, "name", None) or "").partition(".")[0]
        if isinstance(cause, ImportError) and package and not importlib.util.find_spec(package):
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), 1, f"Skipped: {package} is not here")
    return report


@pytest.fixture(params=["numpy", "fake", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request, monkeypatch):
    """Each array namespace in turn: NumPy, the strict stand-in for CuPy, and CuPy itself.

    `backend.select` gives the fixture's namespace for any name.
    """
    if request.param == "cupy":
        xp, reason = backends.cupy_or_reason()
        if xp is None:
            pytest.skip(reason)
    else:
        xp = {"numpy": np, "fake": fake_device}[request.param]
    monkeypatch.setattr(backends, "select", lambda name="auto": xp)
    return xp


@pytest.fixture
def exact(backend):
    """Whether this backend must give NumPy's bits."""
    return backend in (np, fake_device)
