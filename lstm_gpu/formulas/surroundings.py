"""What a formula's code may change in the process that runs it, and what others rely on there.

Put back whenever that code returns: the folder that relative paths start from (a counterexample
goes where its user has said), where modules are looked for, the builtin functions (names that it
adds stay, for it may use them), who may read new files, the signal handlers (of an interrupt, and
of a reader that goes early), how NumPy treats floating-point errors, a recursion limit that is too
low for others. What it prints to is its own business (`lstm_gpu.output`), and so are the
environment, random generators, the locale and warnings, on which nothing here depends.
"""

import builtins
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGPIPE") if hasattr(signal, name)
)

entered = False
"""Whether a formula's code has been run in this process."""


@contextmanager
def put_back() -> Iterator[None]:
    """Run a formula's code in the block."""
    global entered
    entered = True
    names = vars(builtins)
    known = names.copy()
    umask = os.umask(0o077)  # it can be read by setting it alone; private, if a thread writes now
    os.umask(umask)
    folder = None
    with suppress(OSError):  # it has been removed
        folder = os.getcwd()  # noqa: PTH109
    path, depth = sys.path.copy(), sys.getrecursionlimit()
    handlers = [signal.getsignal(number) for number in _SIGNALS]
    try:
        with np.errstate():
            try:
                yield
            finally:  # before all that has to be called for the rest
                names.update(known)
                sys.setrecursionlimit(max(depth, sys.getrecursionlimit()))
    finally:
        sys.path[:] = path
        os.umask(umask)
        with suppress(OSError):
            if folder is not None:
                os.chdir(folder)
        if threading.current_thread() is threading.main_thread():  # no other may
            for number, handler in zip(_SIGNALS, handlers, strict=True):
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)
