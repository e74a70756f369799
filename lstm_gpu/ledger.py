"""A job of many shards: it makes those that are missing, then its ledger says that all are there.

Each shard is written as soon as it is complete, so a job that is killed loses at most the one in
hand. A shard says what it was made from, so one of other sources, seeds or parameters is never
taken for one of this run. The ledger is what the workflow sees: one file per job, not per shard.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.packing import Job
from lstm_gpu.weights.case import Case

__all__ = ["drop_untrue", "fill"]

MADE_FROM = "made_from"
Progress = Callable[[int, int], None]


def fill(
    ledger: str | os.PathLike[str],
    kind: str,
    work: Iterable[Mapping[str, Any]],
    make: Callable[..., dict[str, Any]],
    settings: Mapping[str, Any],
    sources: Iterable[str | os.PathLike[str]],
    progress: Progress,
) -> str:
    """Make every shard of a job that is not there, whole and made from the same; write the ledger.

    Returns one line on what was done, with the processor time that the shards took.

    Parameters
    ----------
    ledger : the file to write when all shards are there: the digest of each, by its path
    kind : of the shards
    work : `packing.Job.work`
    make : (case, start=, stop=, progress=, **settings) -> the content of a shard
    settings : seed, backend and what else the shards depend on
    sources : the files that they depend on
    progress : (done, total) in weight sets
    """
    basis = [kind, _plain(settings), _sources_digest(sources)]
    parts = [
        (Case.from_dict(part["case"]), Path(part["folder"], f"{start}-{stop}.json"), start, stop)
        for part in work
        for start, stop in part["ranges"]
    ]
    total, done = sum(stop - start for *_, start, stop in parts), 0

    def shown(here: int, _: int) -> None:
        progress(done + here, total)

    digests, made, seconds = {}, 0, 0.0
    for case, path, start, stop in parts:
        origin = files.digest([*basis, case.as_dict(), start, stop])
        found = _usable(path, kind, origin)
        if found is None:
            began = time.process_time()
            content = make(case, start=start, stop=stop, progress=shown, **settings)
            seconds += time.process_time() - began
            made += 1
            digests[str(path)] = files.write_json(path, kind, {**content, MADE_FROM: origin})
        else:
            digests[str(path)] = files.digest(found)
        done += stop - start
        progress(done, total)
    files.write_json(ledger, "ledger", {"kind": kind, "shards": digests})
    return f"{kind}: {len(parts)} shards, {made} made in {seconds:.2f} s of processor time"


def _usable(path: Path, kind: str, origin: str) -> dict[str, Any] | None:
    """The content of a shard, when it is there, whole and of this origin."""
    try:
        content = files.read_json(path, kind)
    except InputError:
        return None
    if content.get(MADE_FROM) != origin:
        return None
    if path.stat().st_mtime_ns > time.time_ns():
        os.utime(path)  # written before the clock was set back: else no ledger would be younger
    return content


def drop_untrue(jobs: Iterable[Job]) -> list[str]:
    """Remove the ledgers that are not true any more, and return them.

    A ledger is untrue when one of its shards is missing, empty, or younger than the ledger. Its job
    then runs again, and makes again what is missing or damaged. Cost: a stat per shard.

    Raises
    ------
    InputError
        It cannot be removed.
    """
    untrue = [job.ledger for job in jobs if _is_untrue(job)]
    for path in untrue:
        try:
            Path(path).unlink()
        except OSError as error:
            raise InputError(
                f"`{path}` speaks of shards that are gone and cannot be removed: {error.strerror}. "
                "Correct the permissions."
            ) from error
    return untrue


def _is_untrue(job: Job) -> bool:
    try:
        written = Path(job.ledger).stat().st_mtime_ns
    except OSError:
        return False  # no ledger: the job runs anyway
    for shard in job.shards:
        try:
            found = Path(shard.path).stat()
        except OSError:
            return True
        if not found.st_size or found.st_mtime_ns > written:
            return True
    return False


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as JSON values; of the backend, the one that answers."""
    found = {
        name: value.as_dict() if hasattr(value, "as_dict") else value
        for name, value in settings.items()
    }
    return found | {"backend": backends.describe(backends.select(settings["backend"]))["backend"]}


def _sources_digest(paths: Iterable[str | os.PathLike[str]]) -> str:
    """One digest of all files, by content, in their order: several may have one name. Where the
    package lies is left out.
    """
    root = Path(__file__).parent
    found = []
    for path in (Path(path).resolve() for path in paths):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        found.append([name, hashlib.sha256(path.read_bytes()).hexdigest()])
    return files.digest(found)
