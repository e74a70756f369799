"""Formula files loaded in a process of their own, to see whether they can be: what they do to that
process (print replaced, streams closed, an exit) is not done to the one that asks.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lstm_gpu.errors import InputError

_ROOT = Path(__file__).parents[2]  # where this very package is, installed or not


def check_loads(paths: Sequence[str]) -> None:
    """Load the files once, as `shard.load_all` does; what they print is printed.

    Raises
    ------
    InputError
        What `load_all` says; or their process has ended before it could say anything.
    """
    if not paths:
        return
    where = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer")
        done = subprocess.run(
            (sys.executable, "-m", __name__, str(answer), *paths),
            env={**os.environ, "PYTHONPATH": where},
            check=False,
        )
        if not answer.exists():
            raise InputError(
                "`formulas` must be files that can be loaded, but loading them ended the process "
                f"(exit code {done.returncode}). Take out what ends it: os._exit, a crash in C."
            )
        if words := answer.read_text("utf-8", "surrogateescape"):
            raise InputError(words)


def _answer(answer: Path, paths: Sequence[str]) -> None:
    from lstm_gpu.formulas.shard import load_all

    words = ""
    try:
        load_all(paths)
    except InputError as error:
        words = str(error)
    answer.write_text(words, "utf-8", "surrogateescape")  # names of files may be anything


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), sys.argv[2:])
