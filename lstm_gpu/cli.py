"""The command line: check formulas, replay and shrink counterexamples, read verdicts.

Exit codes: 0 everything supported, 1 something refuted, 2 wrong usage or input, 3 inconclusive and
nothing refuted; 70 for a defect of this program, which keeps its traceback. A reader of our output
that goes early changes none of these, but that it stops a `scan`: 141, if nothing was refuted until
then. Modules are imported by the command that needs them, so that --help is quick.
"""

import argparse
import csv
import io
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lstm_gpu import __version__, output
from lstm_gpu.errors import InputError
from lstm_gpu.output import complain, say

SUPPORTED, REFUTED, WRONG_INPUT, INCONCLUSIVE = range(4)
INTERRUPTED = 130  # as shells have it
UNREAD = 141  # the same, of SIGPIPE
DEFECT = 70  # as sysexits.h has it: an error of this program's own, which says nothing of a formula
_MOST_MUTANTS = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; expected failures are one line on stderr."""
    options = _parser().parse_args(arguments)
    with output.own_streams():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        output.need_output()
        return options.run(options)
    except InputError as error:
        complain(f"lstm_gpu: {error}")
        return WRONG_INPUT
    except MemoryError:
        complain("lstm_gpu: no memory left. Choose smaller sizes.")
        return WRONG_INPUT
    except KeyboardInterrupt:
        complain("lstm_gpu: interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # of stderr, under the progress of a scan
        complain("lstm_gpu: nobody reads on: stopped without a verdict")
        return UNREAD
    except Exception:
        complain(traceback.format_exc())
        return DEFECT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lstm-gpu",
        description="Puts hand-derived LSTM derivatives on trial. The trial of the derivation is a "
        "workflow: run `snakemake`, or `make run`.",
        epilog="exit codes: 0 supported, 1 refuted, 2 wrong usage or input, 3 inconclusive",
    )
    parser.add_argument("--version", action="version", version=f"lstm_gpu {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_check(commands)

    _add_scan(commands)

    replay = commands.add_parser("replay", help="recompute a counterexample from its seed")
    replay.add_argument("file", type=Path, metavar="FILE", help="results/counterexamples/*.json")
    replay.add_argument(
        "--formula",
        type=Path,
        metavar="FILE",
        help="the Python file of the formula, for a counterexample of `check`; it is run",
    )
    replay.add_argument(
        "--backend", default="auto", help="auto, numpy or cupy (default: auto)", metavar="NAME"
    )
    replay.add_argument(
        "--weights", type=Path, metavar="FILE", help="the file given to `check`, if one was"
    )
    replay.set_defaults(run=_replay)

    shrink = commands.add_parser(
        "shrink",
        help="make a counterexample small, with a script that shows it",
        description="Writes a smaller counterexample beside FILE, with rounder numbers, and a "
        "NumPy script that shows the error without this package.",
    )
    shrink.add_argument("file", type=Path, metavar="FILE", help="a counterexample to a Jacobian")
    shrink.add_argument("--formula", type=Path, metavar="FILE", help="as in replay")
    shrink.add_argument("--weights", type=Path, metavar="FILE", help="as in replay")
    shrink.set_defaults(run=_shrink)

    verdicts = commands.add_parser("verdicts", help="print the verdicts of a finished run")
    verdicts.add_argument(
        "results", type=Path, nargs="?", default=Path("results"), metavar="FOLDER"
    )
    verdicts.set_defaults(run=_verdicts)

    validate = commands.add_parser("validate", help="check a configuration without running it")
    validate.add_argument("file", type=Path, metavar="CONFIG")
    validate.set_defaults(run=_validate)
    return parser


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        usage="%(prog)s FILE [options]",
        help="put the formulas of a Python file on trial",
        description="Runs FILE, and compares each function marked with @claim(QUANTITY) with "
        "references that do not know the formula. A formula file is a program: check only files "
        "that you would run.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="a Python file")
    check.add_argument("--hidden-size", type=_size, nargs="+", metavar="N", help="2 3 8 32")
    check.add_argument("--input-size", type=int, metavar="M", help="about 1.5 N, never N")
    check.add_argument("--weight-sets", type=int, metavar="K", help="per case: 8")
    check.add_argument("--dtype", metavar="NAME", help="float64 or float32: float64")
    check.add_argument("--distribution", nargs="+", metavar="NAME", help="of the weights: all")
    check.add_argument("--seed", type=int, metavar="S", help="0")
    check.add_argument("--backend", metavar="NAME", help="auto, numpy or cupy: auto")
    check.add_argument(
        "--weights", type=Path, metavar="FILE", help="trained ones instead: .npz, see the README"
    )
    check.add_argument("--json", type=Path, metavar="OUT", help="write the results here, too")
    check.add_argument(
        "--counterexamples",
        type=Path,
        default=Path("counterexamples"),
        metavar="FOLDER",
        help="where those of refuted formulas go (default: counterexamples)",
    )
    check.set_defaults(run=_check)


def _size(text: str) -> int:
    """A whole number; a word that is none may be FILE, which `--hidden-size 2 3` would swallow."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number (FILE goes first: lstm-gpu check FILE --hidden-size 2)"
        ) from None


def _check(options: argparse.Namespace) -> int:
    from lstm_gpu import checking, files
    from lstm_gpu.counterexample import refuse_foreign
    from lstm_gpu.formulas.loading import load
    from lstm_gpu.formulas.table import table
    from lstm_gpu.plan import plan_of

    names = (
        "hidden_size",
        "input_size",
        "weight_sets",
        "dtype",
        "distribution",
        "seed",
        "backend",
        "weights",
    )
    given = {name: getattr(options, name) for name in names}
    plan = plan_of(**{name: v for name, v in given.items() if v is not None})
    if options.json:
        files.refuse_foreign(options.json, _CHECK)
    folder, whole = _in_full(options.counterexamples), options.json and _in_full(options.json)
    formulas = load(options.file)
    refuse_foreign(formulas, options.counterexamples)
    results = checking.check_formulas(formulas, plan)
    written: dict[tuple[str, str], Path] = {}
    unwritten = None  # a place that cannot be written is no reason to lose the verdict
    try:
        written = checking.write_counterexamples(results, folder)
        if whole:
            files.write_json(whole, _CHECK, checking.as_json(results, plan))
    except InputError as error:
        unwritten = error
    named = ["--formula", output.argument(options.file)]
    named += ["--weights", output.argument(options.weights)] if options.weights else []
    examples = {key: options.counterexamples / path.name for key, path in written.items()}
    commands = {
        key: output.command(["lstm-gpu", "replay", output.argument(path), *named])
        for key, path in examples.items()
    }
    say(table(results, commands))
    if unwritten is not None:
        raise unwritten
    return checking.exit_code(results)


def _in_full(path: Path) -> Path:
    """The path, wherever a thread of a formula may go while we write."""
    with suppress(OSError):  # the folder that we are in has been removed
        return path.absolute()
    return path


_CHECK = "check of formulas"


def _add_scan(commands: Any) -> None:
    scan = commands.add_parser(
        "scan",
        help="check ∂h_t/∂h_{t-1} alone on very many weight sets",
        description="Compares D4 with central differences on as many weight sets as you ask for, "
        "by a check compiled for this processor where there is a C++ compiler.",
    )
    scan.add_argument("--hidden-size", type=int, nargs="+", default=[8, 32, 64], metavar="N")
    scan.add_argument("--input-size", type=int, metavar="M", help="N where it is left out")
    scan.add_argument("--weight-sets", type=int, default=100_000, metavar="K", help="per size")
    scan.add_argument("--dtype", default="float64", metavar="NAME", help="float64 or float32")
    scan.add_argument("--distribution", default="pytorch_uniform", metavar="NAME")
    scan.add_argument("--regime", default="generic", metavar="NAME", help="of states and input")
    scan.add_argument("--seed", type=int, default=0, metavar="S")
    scan.add_argument(
        "--engine", default="auto", metavar="NAME", help="auto, compiled, cuda, numpy"
    )
    scan.add_argument("--jobs", type=int, metavar="J", help="processes: one per core")
    scan.set_defaults(run=_scan)


def _scan(options: argparse.Namespace) -> int:
    from lstm_gpu import scanning

    plan = scanning.Scan(**{name: getattr(options, name) for name in scanning.OPTIONS})
    read, seen = say(scanning.line(scanning.HEADS)), []
    for verdict, cells in plan.run():
        seen.append(verdict)
        read = read and say(scanning.line(cells))
        if not read:
            break
    if "refuted" in seen:
        return REFUTED
    if len(seen) < len(plan.cases):
        return UNREAD
    return INCONCLUSIVE if "inconclusive" in seen else SUPPORTED


def _replay(options: argparse.Namespace) -> int:
    from lstm_gpu.replay import describe, replay

    outcome = replay(options.file, options.backend, options.formula, options.weights)
    say(describe(outcome))
    return {"supported": SUPPORTED, "refuted": REFUTED}.get(outcome.verdict, INCONCLUSIVE)


def _shrink(options: argparse.Namespace) -> int:
    from lstm_gpu.replay import EDITED
    from lstm_gpu.shrink import shrink_file

    small, program, found = shrink_file(options.file, options.formula, options.weights)
    n, m = found.sets.h_prev.shape[1], found.sets.x.shape[1]
    say(
        f"n = {n}, m = {m}, entry {found.entry}: claimed {found.claimed!r}, measured "
        f"{found.measured!r}, bound {found.bound:.3g}\n{small}\n{program}"
        + (f"\n{EDITED}" if found.edited else "")
    )
    return REFUTED


def _verdicts(options: argparse.Namespace) -> int:
    path = options.results / "verdicts.csv"
    if (options.results / "manifest.json").exists():  # else a table that is looked at alone
        from lstm_gpu.report import digests

        digests.check(options.results, ["manifest.json"], only=["verdicts.csv", "mutants.csv"])
    rows = list(_rows(path, {"claim", "reading", "verdict"}))
    if not rows:
        raise InputError(f"`{path}` has no verdicts. Run the workflow again.")
    seen = {row["verdict"] for row in rows}
    if not seen <= {"supported", "refuted", "inconclusive"}:
        raise InputError(f"`{path}` has rows without a verdict: damaged. Run the workflow again.")
    missed = _missed(options.results / "mutants.csv")
    say(_table(rows))
    for claim, names in missed.items():
        say(f"{claim} missed: {', '.join(names)}")
    if "refuted" in seen:
        return REFUTED
    return INCONCLUSIVE if "inconclusive" in seen else SUPPORTED


def _missed(path: Path) -> dict[str, list[str]]:
    """Claim -> the wrong formulas that no case caught, of a finished run's `mutants.csv`.

    None where there is no such table: verdicts.csv may be looked at alone.
    """
    if not path.exists():
        return {}
    outcomes: dict[tuple[str, str], set[str]] = {}
    for row in _rows(path, {"claim", "mutant", "caught"}):
        outcomes.setdefault((row["claim"], row["mutant"]), set()).add(row["caught"])
        if len(outcomes) > _MOST_MUTANTS:
            raise InputError(f"`{path}` has too many mutants: damaged. Run the workflow again.")
    missed: dict[str, list[str]] = {}
    for (claim, mutant), seen in outcomes.items():
        if "no" in seen and "yes" not in seen:
            missed.setdefault(claim, []).append(mutant)
    return missed


def _rows(path: Path, wanted: set[str]) -> Iterator[dict[str, str]]:
    """The lines of a table, one at a time; each must have all columns, and `wanted` among them."""
    from lstm_gpu import intake
    from lstm_gpu.report import columns

    raw = intake.contents(path, columns.LARGEST, "Run the workflow first.")
    try:
        lines = (line.decode("utf-8") for line in io.BytesIO(raw))
        reader = csv.DictReader(lines, strict=True)
        heads = reader.fieldnames or ()
        if len(heads) > len(set(heads)):
            raise csv.Error("a column is there twice")
        for row in reader:
            if not wanted <= row.keys() or None in row or None in row.values():
                raise csv.Error("a line has other columns")
            yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"`{path}` cannot be read: it is not a table of this project ({error}). "
            "Run the workflow again."
        ) from None


_COLUMNS = ("claim", "reading", "verdict", "error_over_bound", "smallest_detectable", "mutants")


def _table(rows: list[dict[str, str]]) -> str:
    """Aligned columns, numbers to three digits."""
    from lstm_gpu.report.verdicts import would_have_caught

    def cell(row: dict[str, str], name: str) -> str:
        value: Any = row.get(name) or ""
        if name == "mutants":
            return f"{row.get('mutants_caught', '?')}/{value}"
        try:
            number = float(value)
        except ValueError:
            return value
        if name == "smallest_detectable":
            return would_have_caught(row["verdict"], {"": number}, "{:.3g}".format)
        return f"{number:.3g}"

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
    say(f"{options.file}: valid")
    return SUPPORTED
