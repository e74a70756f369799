"""Kernels: compiled once for what they are, kept, and loaded once per device."""

import types

import fake_device
import pytest

from lstm_gpu import kernels, nvrtc
from lstm_gpu.errors import InputError

_, REASON = nvrtc.library_or_reason()
needs_nvrtc = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """The compiler stands aside: what it was asked for, and a cache of the test's own."""
    asked = []

    def compile_to_cubin(source, architecture, *options, base):
        asked.append((source.name, architecture))
        return b"\x7fELF", ""

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(nvrtc, "version", lambda: (13, 0))
    monkeypatch.setattr(nvrtc, "compile_to_cubin", compile_to_cubin)
    return asked


def test_a_cubin_is_made_once_for_a_source_and_an_architecture(compiled, tmp_path, monkeypatch):
    first = kernels.cubin("check", 90)
    assert first == kernels.cubin("check", 90)
    assert first.parent == tmp_path / "lstm_gpu"
    assert first.read_bytes() == b"\x7fELF"
    others = [kernels.cubin("check", 80), kernels.cubin("sphere", 90)]
    monkeypatch.setattr(nvrtc, "version", lambda: (13, 1))
    others.append(kernels.cubin("check", 90))
    assert len({first, *others}) == 4
    assert compiled == [("check.cu", 90), ("check.cu", 80), ("sphere.cu", 90), ("check.cu", 90)]


def test_another_header_is_another_cubin(compiled, tmp_path, monkeypatch):
    (tmp_path / "a.cu").write_text('#include "b.cuh"\n')
    (tmp_path / "b.cuh").write_text("// one\n")
    monkeypatch.setattr(kernels, "SOURCES", tmp_path)
    first = kernels.cubin("a", 90)
    (tmp_path / "b.cuh").write_text("// another\n")
    assert kernels.cubin("a", 90) != first


def test_a_cache_that_cannot_be_written_is_one_line(compiled, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    with pytest.raises(InputError, match=r"cache of CUDA kernels must be writable.*XDG_CACHE_HOME"):
        kernels.cubin("check", 90)


def test_a_module_is_loaded_once_for_each_device(compiled, monkeypatch):
    loaded = []

    def module(path):
        loaded.append(path)
        return types.SimpleNamespace(get_function=lambda name: [name])

    monkeypatch.setattr(fake_device, "RawModule", module, raising=False)
    monkeypatch.setattr(kernels, "or_reason", lambda: (fake_device, ""))
    kernels._module.cache_clear()
    kernels._function.cache_clear()
    try:
        one = kernels.function("check", "check_float64_fast")
        assert one == ["check_float64_fast"]
        assert kernels.function("check", "check_float64_fast") is one
        assert kernels.function("check", "check_float32_fast") is not one
        assert len(loaded) == 1
        assert compiled == [("check.cu", 90)]  # the stand-in's compute capability
        device = types.SimpleNamespace(id=1, compute_capability="80")
        monkeypatch.setattr(fake_device.cuda, "Device", lambda *_: device)
        assert kernels.function("check", "check_float64_fast") is not one
        assert compiled[1] == ("check.cu", 80)
    finally:
        kernels._module.cache_clear()
        kernels._function.cache_clear()


def test_without_a_gpu_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(kernels, "or_reason", lambda: (None, "the test has no GPU"))
    with pytest.raises(InputError, match="need a GPU and a compiler, but the test has no GPU"):
        kernels.function("check", "check_float64_fast")


def test_a_gpu_without_a_compiler_is_a_reason_too(monkeypatch):
    monkeypatch.setattr(kernels.backends, "cupy_or_reason", lambda: (fake_device, ""))
    monkeypatch.setattr(nvrtc, "library_or_reason", lambda: (None, "no compiler"))
    assert kernels.or_reason() == (None, "no compiler")


@needs_nvrtc
def test_the_stand_in_s_device_gets_a_real_cubin(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.cubin("rates", 90).read_bytes().startswith(b"\x7fELF")  # the smallest source
    assert [path.suffix for path in (tmp_path / "lstm_gpu").iterdir()] == [".cubin"]
