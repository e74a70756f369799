"""``python -m benchmarks``: measure, print one table, record it."""

import argparse
import sys
from pathlib import Path

from benchmarks import machine, peers, record, table
from lstm_gpu.errors import InputError
from lstm_gpu.files import write_json

RESULTS = Path(__file__).with_name("results")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {value}")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit code 0, or 2 when the record cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=record.__doc__)
    parser.add_argument(
        "--sizes", type=_positive, nargs="+", default=list(record.SIZES), help="hidden sizes n = m"
    )
    parser.add_argument("--rounds", type=_positive, default=7, help="interleaved repetitions")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder of the record (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if peers.missing():
        print(peers.missing())

    measured = record.measure(
        options.sizes, options.rounds, lambda size: print(table.size_text(size) + "\n", flush=True)
    )
    print(table.memory_text(measured["memory"]))
    if not measured["peers_skipped"]:
        print(table.conclusion(measured["sizes"]))
    path = options.results / f"{machine.name()}.json"
    try:
        write_json(path, "benchmark", measured)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"recorded in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
