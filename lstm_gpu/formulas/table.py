"""The table of a check in text, and under it, formula by formula, what a reader needs next."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_HEADS = (
    "formula",
    "claims to equal",
    "verdict",
    "error/bound",
    "would have caught",
    "mutants caught",
)
_WIDTH = 100
_TELLING = 1e9  # an error this many times its bound: how many more says nothing


def table(results: Sequence[Any], commands: Mapping[tuple[str, str], str] | None = None) -> str:
    """One table, and below it, formula by formula, what a reader needs next.

    commands : (quantity, name) -> the command that replays its counterexample
    """

    def number(value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return "-"
        return f"{value:.3g}" if value <= _TELLING else f"> {_TELLING:.0e}"

    lines = [_HEADS]
    for r in results:
        caught = f"{r.mutants_caught}/{r.mutants}" if r.mutants else "-"
        lines.append(
            (
                r.formula,
                r.quantity,
                word_of(r),
                number(r.error_over_bound),
                number(r.smallest_detectable),
                caught,
            )
        )
    widths = [max(len(line[k]) for line in lines) for k in range(len(_HEADS))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    for r in results:
        said, command = _notes(r), (commands or {}).get((r.quantity, r.formula))
        if said:
            text += ["", f"{r.formula}:"]
            for line in said:
                text += textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
            text += [f"  replay: {command}"] if command else []
    return "\n".join(text)


def word_of(r: Any) -> str:
    """The verdict on a result; "error" where the formula could not be tried, and there is none."""
    return "error" if r.error else str(r.verdict)


def _notes(r: Any) -> list[str]:
    if r.error:
        return [r.error]
    said = []
    if r.reason:
        said.append(f"{r.verdict}: {r.reason}")
    if r.verdict == "refuted" and r.counterexample:
        c = r.counterexample
        case = c["case"]
        error = "" if isinstance(c["error"], str) else f", error {c['error']:.3g}"
        said.append(
            f"the simplest refuted entry: {c['entry']} of weight set {c['index']} (seed "
            f"{c['seed']}, n = {case['hidden_size']}, m = {case['input_size']}, "
            f"{case['distribution']}, {case['regime']}): claimed {_digits(c['claimed'])}, measured "
            f"{_digits(c['measured'])} by {c['reference']}{error}, bound {c['bound']:.3g} (the "
            "table has the worst of all)"
        )
    if r.likely_cause:
        said.append(f"likely cause: {r.likely_cause}")
    if r.note:
        said.append(r.note)
    if r.hidden:
        found = [name for name, sets in r.inputs.items() if sets == r.weight_sets]
        why = f" (all inputs have {', '.join(found)})" if found else ""
        said.append(f"inconclusive for these, equal on every input{why}: {', '.join(r.hidden)}")
    if r.missed and r.verdict != "refuted":
        said.append(f"these wrong formulas would have passed as well: {', '.join(r.missed)}")
    return said


def _digits(value: float | str) -> str:
    """A number in full; what is not finite is written as text."""
    return value if isinstance(value, str) else f"{value:.17g}"
