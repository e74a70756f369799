"""What the commands print: whole, and never with another end than the verdict's.

A reader that has seen enough (head, less) takes nothing from a verdict; a place that takes no more
(a full disk, a closed descriptor) is an error in one line, for then nobody has seen it. A formula
file may put streams of its own in the place of ours, or take ours apart: it changes where the
formula prints, and not where we do.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from lstm_gpu.errors import InputError, printable

__all__ = ["argument", "command", "complain", "need_output", "own_streams", "say"]

_REMEDY = "Write to a file or a terminal that can take it."
_OUT, _ERR = 1, 2  # descriptors
_NAMES = {_OUT: "stdout", _ERR: "stderr"}
_ours: dict[int, TextIO | None] = {}  # the streams that a command began with


@contextmanager
def own_streams() -> Iterator[None]:
    """Inside the block `say` and `complain` print to the streams that there were before it.

    At its end they are back, for Python flushes them when it ends, and what cannot be flushed
    changes the exit code; one that a formula file has taken apart is none.
    """
    _ours.update({_OUT: sys.stdout, _ERR: sys.stderr})
    try:
        yield
    finally:
        out, err = _ours.pop(_OUT), _ours.pop(_ERR)
        sys.stdout, sys.stderr = (s if s and _is_whole(s) else None for s in (out, err))


def _is_whole(stream: TextIO) -> bool:
    try:
        return not stream.closed
    except ValueError:  # its buffer is detached
        return False


def _stream(descriptor: int) -> TextIO | None:
    """Ours, opened anew where a formula file has closed it: the descriptor is still there."""
    found = _ours.get(descriptor, getattr(sys, _NAMES[descriptor], None))
    if found is not None and not _is_whole(found):
        found = open(  # noqa: SIM115
            descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False
        )
        if descriptor in _ours:
            _ours[descriptor] = found
    return found


def need_output() -> None:
    """Before a command computes anything, that there is a standard output to print to.

    Where there is none, the next file that is opened takes its place, and would be written into.
    """
    if sys.stdout is None:
        raise InputError(f"standard output is closed, so nothing can be printed. {_REMEDY}")


def say(text: str) -> bool:
    r"""Print lines that may quote files: nothing in them steers the terminal.

    What the encoding lacks is written out, as in \xfc. Returns whether somebody reads on.

    Raises
    ------
    InputError
        The output cannot be written.
    """
    try:
        out = _stream(_OUT)
        assert out is not None  # `need_output`
        encoding = getattr(out, "encoding", None) or "utf-8"
        lines = "\n".join(map(printable, text.splitlines())).encode(encoding, "backslashreplace")
        out.write(lines.decode(encoding) + "\n")  # no `print`, which a formula file may replace
        out.flush()
    except BrokenPipeError:
        _let_go(_OUT)
        return False
    except OSError as error:
        _let_go(_OUT)
        why = error.strerror
        raise InputError(f"standard output cannot be written: {why}. {_REMEDY}") from error
    return True


def complain(text: str) -> None:
    """Print to stderr, if that can be: what is lost there changes no exit code."""
    try:
        err = _stream(_ERR)
        if err is not None:
            err.write(text.rstrip() + "\n")
            err.flush()
    except OSError:
        _let_go(_ERR)


def _let_go(descriptor: int) -> None:
    """Nothing more goes there, or Python would try again when it ends, and fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


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
