"""What the commands print: whole, and never with another end than the verdict's.

A reader that has seen enough (head, less) takes nothing from a verdict; a place that takes no more
(a full disk, a closed descriptor) is an error in one line, for then nobody has seen it.
"""

import os
import shlex
import sys
from pathlib import Path

from lstm_gpu.errors import InputError, printable

__all__ = ["argument", "command", "complain", "need_output", "say"]

_REMEDY = "Write to a file or a terminal that can take it."


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
        out = sys.stdout
        if out is None or getattr(out, "closed", False):  # by a formula file; it is still ours
            out = sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        encoding = getattr(out, "encoding", None) or "utf-8"
        lines = "\n".join(map(printable, text.splitlines())).encode(encoding, "backslashreplace")
        print(lines.decode(encoding), file=out, flush=True)
    except BrokenPipeError:
        _let_go(1)
        return False
    except OSError as error:
        _let_go(1)
        why = error.strerror
        raise InputError(f"standard output cannot be written: {why}. {_REMEDY}") from error
    return True


def complain(text: str) -> None:
    """Print to stderr, if that can be: what is lost there changes no exit code."""
    try:
        print(text.rstrip(), file=sys.stderr, flush=True)
    except OSError:
        _let_go(2)


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
