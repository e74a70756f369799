"""What every job of the workflow does around its work: a log whose last line says why it failed."""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

from lstm_gpu import devices
from lstm_gpu.errors import InputError

__all__ = ["job"]


@contextmanager
def job(snakemake: Any) -> Iterator[TextIO]:
    """Run the block with everything it prints going to the rule's log; yields the open log.

    The process's own output stays redirected afterwards, so that a traceback ends up in the log
    too: this is meant to wrap the whole of a script. An expected failure becomes one line of the
    log and exit code 2. A polite kill (SIGTERM) unwinds the block, so that the temporary file of
    an unfinished result is removed. A job of a rule that asks for a `gpu` has one for itself.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as log:
        sys.stdout.flush()
        for stream in (1, 2):  # of the process, so that libraries in C are heard as well
            os.dup2(log.fileno(), stream)
        signal.signal(signal.SIGTERM, _leave)
        asked = snakemake.resources.get("mem_mb")
        if asked:  # the last line of a job that the system kills for its memory
            log.write(f"may need {asked} MiB of memory (`mem_mb`)\n")
        try:
            with devices.reserved(log) if snakemake.resources.get("gpu") else nullcontext():
                yield log
        except InputError as error:
            _fail(log, f"error: {error}")
        except MemoryError as error:
            _fail(log, f"error: memory: {_memory(error, asked)}")


def _memory(error: MemoryError, asked: int | None) -> str:
    """What was wanted, what the job had, and what to do."""
    wanted = " ".join(str(error).split()).rstrip(".") or "no memory left"
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # Linux counts in KiB
    announced = f" and had asked for {asked} MiB (`mem_mb`)" if asked else ""
    return (
        f"{wanted}. The job held {held:.0f} MiB at its peak{announced}. It needs both together. "
        "Run fewer jobs at a time (`--cores`), allow it more (`--set-resources RULE:mem_mb=MIB`) "
        "or choose smaller hidden sizes."
    )


def _fail(log: TextIO, line: str) -> NoReturn:
    log.write(line + "\n")
    log.flush()
    sys.exit(2)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.stderr.write("error: killed before the result was complete\n")
    sys.exit(128 + number)
