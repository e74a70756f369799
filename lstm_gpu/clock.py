"""Times of files that lie in the future: the clock was set back since, or is wrong now.

Snakemake goes by times of files. Where an input is from the future, every job that reads it fails
once it has done its work, for its result is older, and the result is removed.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lstm_gpu.errors import InputError

__all__ = ["mend", "refuse_future"]

_STEP = 1000  # nanoseconds between two files: what the coarsest file system in use tells apart


def mend(results: str | Path) -> int:
    """Date the results of the future to the present, in the order in which they stand.

    Returns
    -------
    how many they were; a folder that cannot be written stays as it is
    """
    now = time.time_ns()
    future = []
    for folder, _, names in os.walk(results):
        for name in names:
            path = Path(folder, name)
            with suppress(OSError):
                written = path.stat().st_mtime_ns
                if written > now:
                    future.append((written, path))
    order = {written: k for k, written in enumerate(sorted({when for when, _ in future}))}
    for written, path in future:
        then = now - (len(order) - order[written]) * _STEP
        with suppress(OSError):
            os.utime(path, ns=(then, then))
    return len(future)


def refuse_future(sources: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse sources that were edited in the future: they are the reader's, and not dated anew.

    Raises
    ------
    InputError
        There is one.
    """
    now = time.time_ns()
    for path in sources:
        with suppress(OSError):
            if Path(path).stat().st_mtime_ns > now:
                raise InputError(
                    f"`{path}` must not have been changed in the future: the clock is wrong, or "
                    "was. Set it right, or give the file the present time (`touch`)."
                )
