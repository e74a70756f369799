"""Several GPUs in one machine: each job takes one for itself, and waits while all are taken.

Snakemake counts devices (`resources: gpu`) but hands out no numbers, so all jobs would meet on the
first. Here a job locks a file that stands for one device and shows CuPy that device alone. The
lock is the system's (`flock`): it ends with the process that holds it, however that ends, so that
a killed job leaves no device taken.
"""

import hashlib
import os
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from lstm_gpu.errors import InputError

__all__ = ["reserved", "visible"]

VARIABLE = "CUDA_VISIBLE_DEVICES"
WAIT = 0.5
"""Seconds between two looks at devices that were all taken."""

_ID = re.compile(r"[0-9]{1,4}|(?:GPU|MIG)-[0-9A-Za-z/-]{1,80}")
_LISTED = re.compile(r"\(UUID: ((?:GPU|MIG)-[0-9A-Za-z/-]+)\)")


def visible() -> list[str] | None:
    """The ids of the devices that this process may use; None where nothing tells.

    Those of `CUDA_VISIBLE_DEVICES` (numbers, UUIDs, MIG names), which the user or a scheduler has
    set, as CUDA reads it: up to the first that cannot be an id. Else those that the driver's
    `nvidia-smi -L` lists; it is asked because CuPy would choose a device when it is imported.
    A device's number and its UUID are two ids here: runs side by side name it in one way.
    """
    named = os.environ.get(VARIABLE)
    if named is None:
        return _listed()
    found: list[str] = []
    for name in map(str.strip, named.split(",")):
        if not _ID.fullmatch(name):
            break
        found.append(str(int(name)) if name.isdecimal() else name)
    return list(dict.fromkeys(found))


def _listed() -> list[str] | None:
    try:
        answer = subprocess.run(
            ("nvidia-smi", "-L"), capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    found: list[str] = []
    for line in answer.stdout.splitlines():
        if uuid := _LISTED.search(line):
            if uuid[1].startswith("MIG-") and found and found[-1].startswith("GPU-"):
                found.pop()  # a divided GPU is used by its parts alone
            found.append(uuid[1])
    return found or None


@contextmanager
def reserved(log: TextIO) -> Iterator[str | None]:
    """Reserve one device for the block and show it alone to CuPy, which must not be imported yet.

    Yields its id; None where no device is visible, which is for `backend.select` to say, and where
    nothing tells which there are: then jobs take turns on what CUDA finds. Waits, with a line
    in `log`, while other jobs of this user hold all of them.

    Raises
    ------
    InputError
        The folder of the locks cannot be made, or belongs to somebody else.
    """
    ids = visible()
    if ids == []:
        yield None
        return
    with ExitStack() as held:
        chosen = _take(held, ids or [""], log)
        if chosen:
            log.write(f"device {chosen}\n")
            os.environ[VARIABLE] = chosen
        yield chosen or None


def _take(held: ExitStack, ids: list[str], log: TextIO) -> str:
    import filelock  # late: only where there are devices

    folder = _folder()
    locks = {name: filelock.FileLock(folder / _file(name), blocking=False) for name in ids}
    told = False
    while True:
        for name, lock in locks.items():
            try:
                held.enter_context(lock)
            except filelock.Timeout:
                continue
            except OSError as error:
                raise InputError(
                    f"`{lock.lock_file}` cannot be locked: {error.strerror}. Free space, or set "
                    "TMPDIR to a folder on a local disk."
                ) from error
            return name
        if not told:
            log.write(f"waiting: other jobs have all devices ({', '.join(ids)})\n")
            told = True
        time.sleep(WAIT)


def _folder() -> Path:
    """The user's folder of locks, the same for all runs on a machine."""
    folder = Path(tempfile.gettempdir(), f"lstm_gpu-devices-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise InputError(
            f"`{folder}` cannot be made: {error.strerror}. Set TMPDIR to a folder that can be "
            "written."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise InputError(
            f"`{folder}` must be a folder of the user who runs this, but it is not. Delete it, or "
            "set TMPDIR to another folder."
        )
    return folder


def _file(name: str) -> str:
    """A safe file name for a device. Inside a step of Slurm numbers count from its own devices."""
    step = [os.environ.get(f"SLURM_{part}", "") for part in ("JOB_ID", "STEP_ID")]
    return hashlib.sha256("\n".join([*step, name]).encode()).hexdigest()[:32] + ".lock"
