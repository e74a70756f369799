"""Fixtures and settings for all tests."""

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
