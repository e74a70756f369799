"""The command `lstm-gpu`, and `python -m lstm_gpu`: see cli.py."""

import sys

from lstm_gpu import output
from lstm_gpu.cli import main


def run() -> int:
    """One command in a process of its own, which ends with its exit code whatever a formula does.

    Python's own end is kept where no formula was run, which nothing is imported to find out.
    """
    code = main()
    surroundings = sys.modules.get("lstm_gpu.formulas.surroundings")
    if surroundings is not None and surroundings.entered:
        output.end(code)
    return code


if __name__ == "__main__":
    sys.exit(run())
