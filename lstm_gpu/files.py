"""Result files: written whole or not at all, and checked when they are read back.

A JSON file of this project is one object: `format`, `version` and `digest` first, then the content,
one line for each key. The digest is the SHA-256 of the content in canonical form (sorted keys, no
spaces), so a file that was truncated, edited or damaged is noticed before its numbers are used, and
one that was merely reformatted is not. Floats are written with the shortest text that gives the
same bits back; the words `NaN` and `Infinity` stand for themselves.
"""

import hashlib
import json
import os
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lstm_gpu import intake
from lstm_gpu.errors import InputError

__all__ = [
    "atomic_path",
    "digest",
    "read_json",
    "refuse_foreign",
    "refuse_unlike",
    "write_bytes",
    "write_json",
    "write_text",
]

VERSION = 1
HEADER = ("format", "version", "digest")

LARGEST = 2**26
"""Bytes of a file that is read. Parsed, the worst of that size (`[[],[],…`) takes 24 times this."""

PARTIAL = ".partial"  # how the name of a file ends that is being written
STAGED = ".staged-"  # how the name of a folder begins in which several are (`report.publish`)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an exception.

    A process that is stopped in between leaves the old file, or none, under `path`. The folder is
    made when it is missing. The temporary name does not keep the suffix, so that a pattern such as
    `*.json` never finds it: a writer that guesses a format from the name has to be told.

    Raises
    ------
    InputError
        The folder or the file cannot be written (no permission, no space, a folder of that name).
    """
    path = Path(path)
    try:
        if path.is_symlink():
            path = path.resolve()  # the file changes, the link stays
        special = path.exists() and not path.is_file() and not path.is_dir()
    except OSError as error:  # a name longer than the system allows
        raise InputError(
            f"`{path}` cannot be written: {error.strerror}. Choose another name."
        ) from error
    if path.name in ("", "..") or special:
        raise InputError(f"`{path}` must be a regular file to be written. Choose another name.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        at = error.filename
        if at is not None and Path(os.fsdecode(at)) not in (temporary, *path.parents):
            raise  # about another file, which the block itself has read or written
        raise InputError(
            f"`{path}` cannot be written: {error.strerror}. "
            "Free space, correct the permissions or choose another folder."
        ) from error
    finally:
        with suppress(OSError):  # already renamed, or never made
            temporary.unlink()


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write `content` to `path` as UTF-8 with the line ends as given, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def refuse_foreign(path: str | os.PathLike[str], kind: str) -> None:
    """Refuse to write a file of a kind over anything else that exists.

    Raises
    ------
    InputError
        Something stands under that name, and is no file that `write_json` wrote with this kind.
    """
    refuse_unlike(path, f'{{\n "format": "lstm_gpu {kind}"', f"a `lstm_gpu {kind}` file")


def refuse_unlike(path: str | os.PathLike[str], begins: str, what: str) -> None:
    """The same for a file that is known by its first signs, and called `what` where it is not."""
    if not os.path.lexists(path):
        return
    start, remedy = begins.encode(), "Choose another name."
    if intake.head(path, len(start), remedy) != start:
        raise InputError(f"`{path}` exists, and is not {what}: it is not written over. {remedy}")


def write_json(path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> str:
    """Write `content` to `path` as a file of this project; returns its digest.

    Parameters
    ----------
    path
        Where to write; see `atomic_path`.
    kind
        What the content is, for example "check": becomes `"format": "lstm_gpu check"`.
    content
        JSON values; NumPy scalars and arrays are written as numbers and lists. The keys `format`,
        `version` and `digest` are taken.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    taken = [key for key in HEADER if key in content]
    if taken:
        raise KeyError(f"`{taken[0]}` belongs to the header of the file, not to its content")
    content = json.loads(_encode(content))  # as a reader will see it: lists for arrays, text keys
    found = digest(content)
    header = {"format": f"lstm_gpu {kind}", "version": VERSION, "digest": found}
    lines = [f"{_encode(key)}: {_encode(value)}" for key, value in header.items()]
    for key, value in sorted(content.items()):
        text = _encode(value)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            text = "[\n  " + ",\n  ".join(_encode(item) for item in value) + "\n ]"
        lines.append(f"{_encode(key)}: {text}")
    write_text(path, "{\n " + ",\n ".join(lines) + "\n}\n")
    return found


def read_json(path: str | os.PathLike[str], kind: str, limit: int = LARGEST) -> dict[str, Any]:
    """The content of a file that `write_json` wrote with the same `kind`, without its header.

    The digest tells damage, not malice: whoever edits a file can compute it anew. So the content
    is still data to be checked.

    Raises
    ------
    InputError
        The file is missing, unreadable, larger than `limit` bytes, truncated, damaged, edited, of
        another kind or version.
    """
    raw = intake.contents(path, limit, "Check the name, or make it again.")
    try:
        data = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
        raise InputError(
            f"`{path}` is not valid JSON ({error}): truncated or damaged. "
            "Delete it and make it again."
        ) from error
    form = data.get("format") if isinstance(data, dict) else None
    if not isinstance(form, str) or not form.startswith("lstm_gpu "):
        raise InputError(f"`{path}` must be a file of lstm_gpu, but its `format` does not say so.")
    if form != f"lstm_gpu {kind}":
        raise InputError(f"`{path}` must be a `lstm_gpu {kind}` file, got `{form:.60}`.")
    if data.get("version") != VERSION:
        raise InputError(
            f"`{path}` has format version {reprlib.repr(data.get('version'))}, this program reads "
            f"{VERSION}. Make the file again with this version of lstm_gpu."
        )
    content = {key: value for key, value in data.items() if key not in HEADER}
    try:
        found = digest(content)
    except RecursionError:
        found = None  # nested deeper than anything that we write
    if data.get("digest") != found or found is None:
        raise InputError(
            f"`{path}` does not match its own digest: damaged or edited. "
            "Delete it and make it again."
        )
    return content


def digest(content: Any) -> str:
    """SHA-256, in hexadecimal, of JSON values in canonical form (sorted keys, no spaces)."""
    return hashlib.sha256(_encode(content).encode("utf-8")).hexdigest()


def _encode(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    """NumPy and CuPy scalars and arrays as Python numbers and lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
