"""`host_blocks.h`: a whole CUDA source, built for the host; a kernel is called as CuPy's."""

import subprocess
import tempfile
from pathlib import Path

import fake_device
import host_threads
import numpy as np
import pytest

from lstm_gpu import kernels

_HEADER = Path(__file__).with_name("host_blocks.h")
_FLAGS = ("-std=c++17", "-g", "-ffp-contract=off", "-fno-math-errno", "-pthread", "-DLSTM_THREADS")
RACES = "-fsanitize=thread"  # to build with: a launch fails where one is seen
_LIMIT = 120  # seconds: a barrier that not all threads meet never opens


def build(name, functions, folder, *flags, sources=kernels.SOURCES):
    """The program of `NAME.cu`, with some of its kernels."""
    if not host_threads.compiler():
        pytest.skip("no C++ compiler")
    # A host compiler knows no `extern` array of a block.
    text = (sources / f"{name}.cu").read_text().replace("extern __shared__", "extern")
    calls = "\n".join(f"  HOST_KERNEL({function})" for function in functions)
    (folder / f"{name}.cpp").write_text(
        f'#include "{_HEADER}"\n{text}\n'
        "static void run(const std::string &wanted, std::vector<Argument> &own, size_t shared) {\n"
        f'{calls}\n  fail("no such kernel");\n}}\n'
    )
    program = folder / name
    command = (host_threads.compiler(), *_FLAGS, *flags, f"-I{sources}")
    done = subprocess.run(
        (*command, str(folder / f"{name}.cpp"), "-o", str(program)),
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot find" in done.stderr:
        pytest.skip("the compiler lacks a library that is asked for")
    assert done.returncode == 0, done.stderr
    return program


class Kernel:
    """A kernel of a program: takes what CuPy takes, to the size and kind of each parameter."""

    def __init__(self, program, function):
        self.program, self.function = program, function
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid, block, arguments, shared_mem=0):
        x, y = (*grid, 1)[:2]
        assert 1 <= x < 2**31
        assert 1 <= y < 2**16
        assert 1 <= block[0] <= 1024
        assert shared_mem <= self.max_dynamic_shared_size_bytes
        with tempfile.TemporaryDirectory() as folder:
            problem = Path(folder, "arguments")
            problem.write_bytes(b"".join(map(_argument, arguments)))
            command = (self.program, self.function, x, y, block[0], shared_mem, problem)
            done = subprocess.run(
                tuple(map(str, command)),
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT,
            )
            if "unexpected memory mapping" in done.stderr:
                pytest.skip("the thread sanitizer does not run on this system")
            assert done.returncode == 0, done.stderr
            written = problem.read_bytes()
        for array in (a._host for a in arguments if isinstance(a, fake_device.ndarray)):
            array[...] = np.frombuffer(written[: array.nbytes], array.dtype).reshape(array.shape)
            written = written[array.nbytes :]
        assert not written


def _argument(argument):
    """As CuPy hands it to the driver, by its value; a device array by its address."""
    if isinstance(argument, fake_device.ndarray):
        content = np.ascontiguousarray(argument._host).tobytes()
        return b"array %d\n" % len(content) + content
    if isinstance(argument, np.ndarray):
        assert argument.size == 1, "CuPy takes one structure by its value, no array of the host"
    elif not isinstance(argument, np.generic):  # None: CuPy before version 14 hands over rubbish
        assert type(argument) in (bool, int, float), f"CuPy is given {argument!r}"
        argument = np.asarray(argument)
    return b"value %d\n" % argument.nbytes + argument.tobytes()
