"""The command line: replay a counterexample, read verdicts, validate a configuration.

Exit codes: 0 everything supported, 1 something refuted, 2 wrong usage or input, 3 inconclusive and
nothing refuted. Modules are imported by the command that needs them, so that --help is quick.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstm_gpu import __version__
from lstm_gpu.errors import InputError

SUPPORTED, REFUTED, WRONG_INPUT, INCONCLUSIVE = range(4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; expected failures are one line on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except InputError as error:
        print(f"lstm_gpu: {error}", file=sys.stderr)
        return WRONG_INPUT
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        sys.stderr.close()
        return SUPPORTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lstm_gpu",
        description="Puts hand-derived LSTM derivatives on trial. The trial itself is a workflow: "
        "run `snakemake`, or `make run`.",
        epilog="exit codes: 0 supported, 1 refuted, 2 wrong usage or input, 3 inconclusive",
    )
    parser.add_argument("--version", action="version", version=f"lstm_gpu {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    replay = commands.add_parser("replay", help="recompute a counterexample from its seed")
    replay.add_argument("file", type=Path, metavar="FILE", help="results/counterexamples/*.json")
    replay.add_argument(
        "--backend", default="auto", help="auto, numpy or cupy (default: auto)", metavar="NAME"
    )
    replay.set_defaults(run=_replay)

    verdicts = commands.add_parser("verdicts", help="print the verdicts of a finished run")
    verdicts.add_argument(
        "results", type=Path, nargs="?", default=Path("results"), metavar="FOLDER"
    )
    verdicts.set_defaults(run=_verdicts)

    validate = commands.add_parser("validate", help="check a configuration without running it")
    validate.add_argument("file", type=Path, metavar="CONFIG")
    validate.set_defaults(run=_validate)
    return parser


def _replay(options: argparse.Namespace) -> int:
    from lstm_gpu.replay import describe, replay

    outcome = replay(options.file, options.backend)
    print(describe(outcome))
    return {"supported": SUPPORTED, "refuted": REFUTED}.get(outcome.verdict, INCONCLUSIVE)


def _verdicts(options: argparse.Namespace) -> int:
    path = options.results / "verdicts.csv"
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not a CSV file"
        raise InputError(f"`{path}` cannot be read: {reason}. Run the workflow first.") from None
    if not rows or not {"claim", "reading", "verdict"} <= set(rows[0]):
        raise InputError(f"`{path}` has no verdicts. Run the workflow again.")
    print(_table(rows))
    for claim, names in _missed(options.results / "mutants.csv").items():
        print(f"{claim} missed: {', '.join(names)}")
    seen = {row["verdict"] for row in rows}
    if "refuted" in seen:
        return REFUTED
    return INCONCLUSIVE if "inconclusive" in seen else SUPPORTED


def _missed(path: Path) -> dict[str, list[str]]:
    """Claim -> the wrong formulas that no case caught, of a finished run's `mutants.csv`."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        outcomes: dict[tuple[str, str], set[str]] = {}
        for row in rows:
            outcomes.setdefault((row["claim"], row["mutant"]), set()).add(row["caught"])
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        reason = getattr(error, "strerror", None) or "it is not a table of mutants"
        raise InputError(f"`{path}` cannot be read: {reason}. Run the workflow first.") from None
    missed: dict[str, list[str]] = {}
    for (claim, mutant), seen in outcomes.items():
        if "no" in seen and "yes" not in seen:
            missed.setdefault(claim, []).append(mutant)
    return missed


_COLUMNS = ("claim", "reading", "verdict", "error_over_bound", "smallest_detectable", "mutants")


def _table(rows: list[dict[str, str]]) -> str:
    """Aligned columns, numbers to three digits."""

    def cell(row: dict[str, str], name: str) -> str:
        value: Any = row.get(name) or ""
        if name == "mutants":
            return f"{row.get('mutants_caught', '?')}/{value}"
        try:
            return f"{float(value):.3g}"
        except ValueError:
            return value

    heads = ("claim", "reading", "verdict", "error/bound", "would have caught", "mutants caught")
    lines = [heads, *(tuple(cell(row, name) for name in _COLUMNS) for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(heads))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _validate(options: argparse.Namespace) -> int:
    from lstm_gpu import configuration

    configuration.load(options.file)
    print(f"{options.file}: valid")
    return SUPPORTED
