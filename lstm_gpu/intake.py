"""Bytes of files that somebody else may have written: regular files, of bounded size.

A configuration, a shard, a counterexample, a table and a file of weights are data. Whatever stands
under such a name (a pipe that nobody writes, a device that never ends, a file as large as the
memory), reading it ends in a moment, and in one line.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lstm_gpu.errors import InputError

__all__ = ["child", "contents", "head", "is_plain", "opened"]

LONGEST_NAME = 255  # bytes, as file systems have it


@contextmanager
def opened(path: str | os.PathLike[str], remedy: str) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Parameters
    ----------
    remedy : what to do where there is no such file, a sentence

    Raises
    ------
    InputError
        It is missing or cannot be read, or is a folder, a pipe or a device.
    """
    try:
        # Not to wait for a writer, should it be a pipe; regular files know no waiting.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise InputError(f"`{path}` does not exist. {remedy}") from error
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a NUL or a lone surrogate in the name
        raise InputError(f"`{path}` cannot be the name of a file ({error}). {remedy}") from error
    with closing(descriptor):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"`{path}` cannot be read: Is a directory.")
        if not stat.S_ISREG(mode):
            raise InputError(
                f"`{path}` must be a regular file to be read, no pipe, socket or device. "
                "Copy it into one."
            )
        with open(descriptor, "rb", closefd=False) as file:
            yield file


@contextmanager
def closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def contents(path: str | os.PathLike[str], limit: int, remedy: str = "Check the name.") -> bytes:
    """All bytes of a file of at most `limit`; its size is looked at before anything is read."""
    with opened(path, remedy) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            # No more than there is: a buffer of the limit would be taken for the smallest file.
            found = file.read(size + 1) if size <= limit else b""
            if len(found) > size:  # it grows, or its size is not told, as under /proc
                found += file.read(limit + 1 - len(found))
        except OSError as error:
            raise InputError(f"`{path}` cannot be read: {error.strerror}.") from error
    if size > limit or len(found) > limit:
        raise InputError(
            f"`{path}` must have at most {limit} bytes, got {max(size, len(found))}. It is not "
            "what it should be: name another file, or make it again."
        )
    return found


def head(path: str | os.PathLike[str], count: int, remedy: str = "Check the name.") -> bytes:
    """The first `count` bytes of a file, or all where there are fewer."""
    with opened(path, remedy) as file:
        return file.read(count)


def is_plain(name: str) -> bool:
    """Whether a name is that of a file in a folder, and of none above or below it."""
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:  # of a locale that has no such sign
        return False
    shown = name.isprintable() and "/" not in name and "\\" not in name
    return shown and not name.startswith(".") and 0 < size <= LONGEST_NAME


def child(folder: Path, name: str) -> Path:
    """The path of a file that lies in `folder` itself, for a name that is made from data.

    Raises
    ------
    InputError
        The name leads elsewhere (a link of that name does, too), or no file can have it.
    """
    if not is_plain(name):
        raise InputError(
            f"`{name[:60]}` must be a plain file name to stand in `{folder}`: printable, no "
            "folders, no point in front, up to 255 bytes. Choose another name."
        )
    if (folder / name).is_symlink():
        raise InputError(f"`{folder / name}` must not be a link. Remove it.")
    return folder / name
