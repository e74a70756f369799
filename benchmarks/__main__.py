"""``python -m benchmarks``: measure, print tables, record and draw."""

import argparse
import sys
from pathlib import Path

from benchmarks import figure, machine, record, table
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
    parser.add_argument("--figure", type=Path, help="draw the record into this PNG file")
    options = parser.parse_args(arguments)

    measured = record.measure(
        options.sizes, options.rounds, lambda size: print(table.size_text(size) + "\n", flush=True)
    )
    for reason in measured["skipped"]:
        print(reason)
    print(table.conclusion(measured))
    path = options.results / f"{machine.name()}.json"
    try:
        write_json(path, record.KIND, measured)
        print(f"recorded in {path}")
        if options.figure:
            figure.save(measured, options.figure)
            print(f"drawn in {options.figure}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
