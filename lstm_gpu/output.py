"""What the commands print: whole, and never with another end than the verdict's.

A reader that has seen enough (head, less) takes nothing from a verdict; a place that takes no more
(a full disk, a closed descriptor) is an error in one line, for then nobody has seen it. A formula
file may put streams of its own in the place of ours, take ours apart, or lead descriptor 1 to a
file: it changes where the formula prints, and not where we do.
"""

import errno
import fcntl
import gc
import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TextIO

from lstm_gpu.errors import InputError, printable

__all__ = ["argument", "command", "complain", "end", "need_output", "own_streams", "say"]

_REMEDY = "Write to a file or a terminal that can take it."
_OUT, _ERR = "stdout", "stderr"


class _Way:
    """To where a stream led when a command began, whatever becomes of it.

    For a stream of Python's own, through its descriptor or our duplicate of it, whichever still
    leads there; any other (a notebook's, a test's) has to take the text itself.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.descriptors: tuple[int, ...] = ()
        if type(stream) is io.TextIOWrapper:
            with suppress(OSError, ValueError):  # it is in memory, or closed
                own = stream.fileno()  # the duplicate is not 2, where that happens to be closed
                self.descriptors = fcntl.fcntl(own, fcntl.F_DUPFD_CLOEXEC, 3), own
                self.place = _place(own)

    def write(self, text: str) -> None:
        """Print the text, after what the formula has printed; OSError where that cannot be."""
        if self.stream is None:
            return
        raw = text.encode(self.encoding, "backslashreplace")
        if self.descriptors:
            _flush(self.stream)
            descriptor = next(self._open(), None)
            if descriptor is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            while raw:
                raw = raw[os.write(descriptor, raw) :]
        elif _is_whole(self.stream):
            self.stream.write(raw.decode(self.encoding))  # no `print`: a formula may replace it
            self.stream.flush()
        else:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def _open(self) -> Iterator[int]:
        """The descriptors that lead to the place; a number may have become a formula's own file."""
        return (number for number in self.descriptors if _place(number) == self.place)

    def let_go(self) -> None:
        """Nothing more goes there; what waits in the stream neither, or Python would try again when
        it ends, and fail.
        """
        null = os.open(os.devnull, os.O_WRONLY)
        for number in self._open():
            os.dup2(null, number)
        self.place = _place(null)
        os.close(null)
        self.stream = None

    def close(self) -> None:
        """Close the duplicate, after which nothing can be written."""
        for number in self.descriptors[:1]:
            if number in self._open():
                os.close(number)


_ours: dict[str, _Way] = {}  # of the command that runs


@contextmanager
def own_streams() -> Iterator[None]:
    """Inside the block `say` and `complain` print to where the streams led before it.

    At its end they are back, for Python flushes them when it ends, and what cannot be flushed
    changes the exit code; one that a formula file has taken apart is none.
    """
    streams = sys.stdout, sys.stderr
    _ours.update(zip((_OUT, _ERR), map(_Way, streams), strict=True))
    try:
        yield
    finally:
        for name in (_OUT, _ERR):
            _ours.pop(name).close()
        sys.stdout, sys.stderr = (s if s and _is_whole(s) else None for s in streams)


def _place(descriptor: int) -> tuple[int, int] | None:
    """What tells files, pipes and terminals apart; None for a closed descriptor."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_whole(stream: TextIO) -> bool:
    try:
        return not getattr(stream, "closed", False)
    except ValueError:  # its buffer is detached
        return False


def _flush(stream: TextIO) -> None:
    """By its type's own method: a formula may replace the stream's. What fails is a formula's."""
    with suppress(Exception):
        type(stream).flush(stream)


def end(code: int) -> NoReturn:
    """End the process of a formula at once, with this exit code and no other.

    What a formula has left cannot change it: a handler (atexit), a thread that goes on, a stream
    that fails as Python ends. Files that it has left open are complete, as at any other end.
    """
    for thing in gc.get_objects():
        if type(thing) in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):
            _flush(thing)
    os._exit(code)


def need_output() -> None:
    """Before a command computes anything, that there is a standard output to print to.

    Where there is none, the next file that is opened takes its place, and would be written into.
    """
    if sys.stdout is None:
        raise InputError(f"standard output is closed, so nothing can be printed. {_REMEDY}")


def say(text: str) -> bool:
    r"""Print lines that may quote files, inside `own_streams`: nothing in them steers the terminal.

    What the encoding lacks is written out, as in \xfc. Returns whether somebody reads on.

    Raises
    ------
    InputError
        The output cannot be written.
    """
    try:
        _ours[_OUT].write("\n".join(map(printable, text.splitlines())) + "\n")
    except BrokenPipeError:
        _ours[_OUT].let_go()
        return False
    except OSError as error:
        _ours[_OUT].let_go()
        why = error.strerror
        raise InputError(f"standard output cannot be written: {why}. {_REMEDY}") from error
    return True


def complain(text: str) -> None:
    """Print to stderr, inside `own_streams`, if that can be: what is lost there changes no code."""
    try:
        _ours[_ERR].write(text.rstrip() + "\n")
    except OSError:
        _ours[_ERR].let_go()


def argument(path: Path) -> str:
    """A path as an argument that is not taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def command(words: list[str]) -> str:
    r"""Words as a shell reads them; what is not printable as bash and zsh do: $'\xff'."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    signs = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{''.join(signs)}'"
