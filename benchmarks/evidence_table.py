"""The evidence as text: for a terminal, and for the READMEs, whose numbers are all made here."""

from typing import Any

import numpy as np

Row = dict[str, Any]


def caught(row: Row) -> list[str]:
    """Mutants refuted on a weight set on which the true formula passed."""
    return [name for name, count in row["caught"].items() if count]


def counted(row: Row) -> list[str]:
    """Mutants that were tried and differ from the true formula on some weight set."""
    return [m for m, equal in row["equivalent"].items() if equal < row["weight_sets"]]


def passed(row: Row) -> list[str]:
    """Mutants that a checker took for right on every weight set on which it could tell."""
    return [m for m in counted(row) if row["asked"][m] and not row["caught"][m]]


def seconds(row: Row) -> str:
    """Median seconds per formula and weight set, two digits."""
    value = float(np.median(row["seconds"]))
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{float(f'{value / size:.2g}'):g} {unit}"
    return "< 1 µs"


def _sizes(record: Row) -> list[int]:
    return sorted({row["hidden_size"] for row in record["trials"]})


def _by_checker(record: Row) -> dict[tuple[str, str], dict[int, Row]]:
    found: dict[tuple[str, str], dict[int, Row]] = {}
    for row in record["trials"]:
        found.setdefault((row["checker"], row["dtype"]), {})[row["hidden_size"]] = row
    return found


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    return (
        f"{len(caught(row))}/{len(counted(row))}, {row['false_alarms']}/{row['weight_sets']}, "
        f"{seconds(row)}"
    )


def text(record: Row) -> str:
    """One table for a terminal, and what passed."""
    sizes = _sizes(record)
    lines = [
        "caught / mutants, false alarms / weight sets, time per formula and weight set",
        f"{'':<42}{'':<8}" + "".join(f"{f'n = {n}':>22}" for n in sizes),
    ]
    for (checker, dtype), rows in _by_checker(record).items():
        cells = "".join(f"{_cell(rows.get(n)):>22}" for n in sizes)
        lines.append(f"{checker:<42}{dtype:<8}{cells}")
    lines += [
        f"n = {row['hidden_size']}, {row['checker']}, {row['dtype']} let pass: "
        + ", ".join(passed(row))
        for row in record["trials"]
        if passed(row)
    ]
    lines += [
        f"n = {row['hidden_size']}, {row['checker']}, {row['dtype']}: no time for "
        f"{len(row['left_out'])} of {len(record['mutants'])} mutants (named in the record)"
        for row in record["trials"]
        if row["left_out"]
    ]
    lines += [f"{reason}: left out" for reason in record["skipped"]]
    return "\n".join(lines)


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def summary(record: Row) -> str:
    """The README's table: each cell is caught, false alarms, seconds."""
    sizes = _sizes(record)
    return _table(
        ["", *(f"n = {n}" for n in sizes)],
        [
            [f"{checker}, {dtype}", *(_cell(rows.get(n)) for n in sizes)]
            for (checker, dtype), rows in _by_checker(record).items()
        ],
    )


def escapes(record: Row) -> str:
    """The benchmarks' table: which mutants passed whom, at which n, on how many weight sets."""
    by_checker = _by_checker(record).items()
    lines = []
    for mutant in (m["name"] for m in record["mutants"]):
        where = []
        for (checker, dtype), rows in by_checker:
            at = [_escaped(n, rows[n], mutant) for n in sorted(rows)]
            if any(at):
                where.append(f"{checker}, {dtype}: " + ", ".join(filter(None, at)))
        if where:
            lines.append([f"`{mutant}`", "; ".join(where)])
    return _table(["mutant", "passed, at n (weight sets)"], lines)


def _escaped(n: int, row: Row, mutant: str) -> str:
    asked = row["asked"].get(mutant, 0)
    missed = asked - row["caught"].get(mutant, 0)
    return f"{n} ({missed}/{asked})" if missed else ""


def markdown(record: Row) -> str:
    """Both tables."""
    return f"{summary(record)}\n\n{escapes(record)}"
