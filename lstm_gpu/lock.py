"""One workflow at a time in a folder, by locks that end with the process that holds them.

Snakemake's own lock is a file, which a killed run leaves behind. The system's lock on a file
(`flock`) is released when its holder dies, however it dies: so a plain rerun after `kill -9` or a
power cut goes on, and a second workflow that is started beside a living one is refused.

The workflow holds `.snakemake/workflow.lock` alone. Its jobs share `.snakemake/jobs.lock`: they
outlive a workflow that was killed alone, and the next one must not start beside them.
"""

import fcntl
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from lstm_gpu.errors import InputError
from lstm_gpu.files import PARTIAL, STAGED

__all__ = ["free", "hold", "join"]

FOLDER = Path(".snakemake")  # of the working directory; Snakemake makes it before any job
_LOOKS = 5
_held: list[IO[str]] = []  # open until the process ends


def hold() -> None:
    """Make this process the one workflow of the working directory, until it ends.

    What killed runs left half-written is removed then, for nobody can be writing it: temporary
    files, and Snakemake's copies of the tables, which would stop the job that makes them.

    Where the file system has no locks (some network ones) this does nothing: a profile for such
    a place leaves Snakemake its own lock (no `nolock`).

    Raises
    ------
    InputError
        Another workflow, or a job of one that was killed, is at work in the directory.
    """
    workflow = _open("workflow")
    if workflow is None or not _alone(workflow, "another workflow"):
        return
    _held.append(workflow)
    jobs = _open("jobs")
    if jobs is not None and _alone(jobs, "a job of a killed workflow"):
        with jobs:
            _sweep(Path("results"))
            shutil.rmtree(FOLDER / "backups", ignore_errors=True)


def free() -> bool:
    """Whether nobody is at work in the working directory."""
    for name, kind in (("workflow", fcntl.LOCK_SH), ("jobs", fcntl.LOCK_EX)):
        lock = _open(name)
        if lock is not None:
            with lock:
                try:
                    fcntl.flock(lock, kind | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                except OSError:  # no such locks here
                    return True
    return True


def join() -> None:
    """Count this process among the jobs at work in the working directory, until it ends."""
    lock = _open("jobs")
    if lock is not None:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH)
        _held.append(lock)


def _alone(lock: IO[str], who: str) -> bool:
    """Lock it against all others; False, and closed, where there are no such locks."""
    for _ in range(_LOOKS):  # somebody may be looking whether it is `free`
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            lock.close()
            return False
    holders = _holders(lock)
    lock.close()
    raise InputError(
        f"`{Path.cwd()}` must have one workflow at a time, but {who} is running in it{holders}. "
        "Wait until it has ended, end it, or run in another folder (`snakemake --directory`)."
    )


def _open(name: str) -> IO[str] | None:
    """None where there is no Snakemake, or the folder cannot be written."""
    with suppress(OSError):
        return (FOLDER / f"{name}.lock").open("a")
    return None


def _holders(lock: IO[str]) -> str:
    """Their process numbers, where the system lists them and they are on this machine."""
    with suppress(OSError):
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        inode = str(os.fstat(lock.fileno()).st_ino)
        found = {row[4] for row in rows if row[1] == "FLOCK" and row[5].split(":")[-1] == inode}
        if found:
            return f" (process {', '.join(sorted(found, key=int))})"
    return ""


def _sweep(results: Path) -> None:
    for folder, folders, names in os.walk(results):
        for name in names:
            if name.startswith(".") and name.endswith(PARTIAL):
                with suppress(OSError):
                    Path(folder, name).unlink()
        for name in folders:
            if name.startswith(STAGED):
                shutil.rmtree(Path(folder, name), ignore_errors=True)
