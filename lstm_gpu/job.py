"""What every job of the workflow does around its work: a log whose last line says why it failed."""

import errno
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from lstm_gpu import devices, lock
from lstm_gpu.errors import InputError
from lstm_gpu.output import own_streams
from lstm_gpu.progress import NEED

__all__ = ["job"]

_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # a full disk, a quota, a read-only folder
# As the system words it, in whatever exception.
_NO_MEMORY = ("Cannot allocate memory", "failed to map segment from shared object")


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Run the block with everything it prints going to the rule's log; yields the open log.

    The process's own output stays redirected afterwards, so that a traceback ends up in the log
    too: this is meant to wrap the whole of a script. An expected failure becomes one line of the
    log and exit code 2; where the log itself cannot be written, the line goes to the workflow's own
    output. A polite kill (SIGTERM) unwinds the block, so that the temporary file of an unfinished
    result is removed. A job of a rule that asks for a `gpu` has one for itself.
    """
    lock.join()
    path = Path(snakemake.log[0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        _fail(2, _unwritable(path, error))
    workflow = os.dup(2)
    sys.stdout.flush()
    for stream in (1, 2):  # of the process, so that libraries in C are heard as well
        os.dup2(log.fileno(), stream)
    signal.signal(signal.SIGTERM, _leave)
    try:
        if need := _need(snakemake):
            log.write(f"{NEED} {need} of memory\n")
        gpu = getattr(snakemake, "resources", {}).get("gpu")
        with own_streams(), devices.reserved(log) if gpu else nullcontext():
            yield log
    except InputError as error:
        _fail(workflow, f"error: {error}", log)
    except MemoryError as error:
        _fail(workflow, _out_of_memory(error, snakemake), log)
    except (ImportError, OSError) as error:
        if any(words in str(error) for words in _NO_MEMORY):  # of a library, or of a thread
            _fail(workflow, _out_of_memory(error, snakemake), log)
        if isinstance(error, OSError) and error.errno in _NO_PLACE:  # of the log, or an old result
            _fail(workflow, _unwritable(error.filename or path, error), log)
        raise
    finally:
        with suppress(OSError):  # no space for what is still in its buffer
            log.close()


def _unwritable(path: Any, error: OSError) -> str:
    return (
        f"error: `{path}` cannot be written: {error.strerror}. "
        "Free space, correct the permissions or choose another folder."
    )


def _out_of_memory(error: BaseException, snakemake: Any) -> str:
    # The last words: NumPy puts two screens of advice before the reason.
    reason = " ".join(str(error).split()).rstrip(".")[-200:] or "no memory left"
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    allowed = "" if limit == resource.RLIM_INFINITY else f", limit {limit >> 20} MiB"
    need = _need(snakemake)
    plan = f" This job {NEED} {need}." if need else ""
    return (
        f"error: memory: {reason} (address space in use {_in_use() >> 20} MiB{allowed}).{plan} "
        "Allow it more, run fewer jobs at a time (`--cores`), or choose smaller hidden sizes."
    )


def _need(snakemake: Any) -> str:
    """What the rule asks for, from `packing.memory`."""
    needed = getattr(getattr(snakemake, "resources", None), "mem_mb", None)
    return f"{needed} MiB" if needed else ""


def _in_use() -> int:
    """Bytes of address space that this process had at most, else bytes of memory."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmPeak")).split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _fail(workflow: int, line: str, log: TextIO | None = None) -> NoReturn:
    """End with exit code 2 and a last line in the log, else in the workflow's own output."""
    text = f"{line}\n".encode()
    written = 0
    with suppress(OSError):
        written = os.write(log.fileno(), text) if log else 0
    if written < len(text):
        os.write(workflow, text)
    sys.exit(2)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.stderr.write("error: killed before the result was complete\n")
    sys.exit(128 + number)
