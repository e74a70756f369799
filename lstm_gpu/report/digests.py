"""Digests of what a run has written, for files that have no room for their own: tables, pictures.

Those of the tables stand in `manifest.json`, those of the figures in `figures/digests.json`. A file
that was truncated, edited or comes from another run does not match; a rerun makes it again.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lstm_gpu import files, intake
from lstm_gpu.errors import InputError

__all__ = ["check", "drop_damaged", "list_figures", "of_files"]

# list -> what it is a file of
LISTS = {"manifest.json": "manifest", "figures/digests.json": "figures"}


def of_files(folder: Path) -> dict[str, str]:
    """Path relative to `folder` -> SHA-256 of the bytes, of every file in it."""
    return {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def list_figures(folder: Path, names: Iterable[str]) -> None:
    """Write down the digests of a run's figures."""
    found = {name: _digest(folder / name) for name in names}
    files.write_json(folder / "digests.json", "figures", {"digests": found})


def check(results: Path, lists: Collection[str] = tuple(LISTS), only: Collection[str] = ()) -> None:
    """Refuse results that are not what the run wrote; of the listed files, all or `only` some.

    Raises
    ------
    InputError
        A list is missing or damaged, or a file of it is missing or does not match.
    """
    for name in lists:
        for path, digest in _listed(results, name):
            if only and path.name not in only:
                continue
            if not path.exists():
                raise InputError(f"`{path}` does not exist. Run the workflow again.")
            if _digest(path) != digest:
                raise InputError(
                    f"`{path}` does not match its digest in {name}: damaged, edited or of another "
                    "run. Delete it and run the workflow again."
                )


def drop_damaged(results: Path) -> list[Path]:
    """Remove tables and figures that are not what a run wrote, so that the next makes them again.

    A list that is damaged itself goes, too. Cost: every table is read.
    """
    dropped = []
    for name in LISTS:
        if not (results / name).exists():
            continue
        try:
            untrue = [
                path
                for path, digest in _listed(results, name)
                if path.is_file() and _digest(path) != digest
            ]
        except InputError:
            untrue = [results / name]
        for path in untrue:
            with suppress(OSError):  # of a read-only folder, which no job will like either
                path.unlink()
                dropped.append(path)
    return dropped


def _listed(results: Path, name: str) -> Iterator[tuple[Path, str]]:
    """What a list names: files of its folder, and of no other."""
    place = results / name
    for path, digest in files.read_json(place, LISTS[name]).get("digests", {}).items():
        parts = path.split("/")
        if len(parts) > 2 or not all(map(intake.is_plain, parts)):
            raise InputError(f"`{place}` names `{path:.60}`, which no run writes. Delete it.")
        yield place.parent / path, digest


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}.") from error
