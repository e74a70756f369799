"""The measurements as text for a terminal."""

from typing import Any

from benchmarks.contest import summary

_NAMES = {
    "ours": "ours",
    "ours_given": "ours, weights given",
    "ours_compiled": "ours, compiled",
    "gradcheck": "torch.autograd.gradcheck",
    "torch_func": "torch.func",
}
_BATCHES = {
    **{"fixed": "same", "compiled": "same", "single": "one", "best": "best"},
    **dict.fromkeys(("shard", "given"), "shard"),
}


def _arrangement(row: dict[str, Any]) -> str:
    processes, threads = row["processes"], row["threads"]
    return (
        f"{processes} process{'es' if processes > 1 else ''} x "
        f"{threads} thread{'s' if threads > 1 else ''}"
    )


def _microseconds(seconds: float) -> str:
    value = 1e6 * seconds
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _line(row: dict[str, Any], end: str) -> str:
    time = summary(row["seconds"])
    return (
        f"  {_NAMES[row['engine']]:<26}{_BATCHES[row['kind']]:<6}{row['batch']:>6}  "
        f"{_arrangement(row):<24}{_microseconds(time['median']):>10}"
        f"{_microseconds(time['least']):>10}{end}"
    )


def _peer_line(row: dict[str, Any]) -> str:
    ratio = row["ratio"]
    spread = f"{ratio['lower_quartile']:.1f} to {ratio['upper_quartile']:.1f}"
    return _line(
        row, f"{ratio['median']:>9.1f}   {spread:<16}{row['processor_ratio']['median']:>9.1f}"
    )


def _our_line(row: dict[str, Any]) -> str:
    return _line(row, f"{'':>9}   given {100 * share(row):.0f} % of its cores")


def share(row: dict[str, Any]) -> float:
    """The part of its cores that a contestant of ours was given: below 1 on a busy machine."""
    wall, processor = summary(row["seconds"]), summary(row["processor_seconds"])
    return min(1.0, processor["median"] / (wall["median"] * row["processes"]))


def _floor_lines(size: dict[str, Any]) -> str:
    floor, core = size["floor"], summary(size["ours"]["shard"]["processor_seconds"])["median"]
    return (
        f"  floor, of one core: {_microseconds(floor['arithmetic'])} us of arithmetic "
        f"({_microseconds(floor['uniforms'])} of it random numbers), "
        f"{_microseconds(floor['with_passes'])} us with the passes over arrays\n"
        f"  ours, of one core: {_microseconds(core)} us, "
        f"{core / floor['arithmetic']:.2f} and {core / floor['with_passes']:.2f} times as long"
    )


def size_text(size: dict[str, Any]) -> str:
    """All contestants at one hidden size."""
    lines = [
        f"n = m = {size['hidden_size']}, float64: one full check of one weight set",
        f"  {'':<26}{'batch':>12}  {'processes x threads':<24}{'median us':>10}{'least us':>10}"
        f"{'/ ours':>9}   {'quartiles':<16}{'cpu/ours':>9}",
        *(_our_line(row) for row in size["ours"].values()),
        *(_peer_line(row) for row in sorted(size["peers"], key=lambda r: (r["engine"], r["kind"]))),
        _floor_lines(size),
    ]
    return "\n".join(lines)


def best(size: dict[str, Any], engine: str, kind: str) -> dict[str, Any] | None:
    """The row of the arrangement in which a peer is fastest."""
    rows = [r for r in size["peers"] if (r["engine"], r["kind"]) == (engine, kind)]
    return min(rows, key=lambda row: summary(row["seconds"])["median"], default=None)


_COLUMNS = (
    ("gradcheck", "gradcheck", "single"),
    ("torch.func, same batch", "torch_func", "fixed"),
    ("torch.func, best batch", "torch_func", "best"),
)
_RIVALS = (
    ("the array code", "ratio"),
    ("the array code, weights given", "ratio_given"),
    ("the compiled check", "ratio_compiled"),
)


def conclusion(sizes: list[dict[str, Any]]) -> str:
    """How many times as long each peer takes, in its fastest arrangement."""
    lines = ["times as long as ours, each peer in the arrangement that suits it best:"]
    for rival, ratio in _RIVALS:
        titles = "".join(f"{title:>26}" for title, *_ in _COLUMNS)
        lines.append(f"  {rival:<32}{'n':>5}{titles}")
        for size in sizes:
            cells = []
            for _, engine, kind in _COLUMNS:
                row = best(size, engine, kind)
                known = row is not None and ratio in row
                cells.append(f"{row[ratio]['median']:.1f}" if row and known else "-")
            line = "".join(f"{cell:>26}" for cell in cells)
            lines.append(f"  {'':<32}{size['hidden_size']:>5}{line}")
    return "\n".join(lines)


def memory_text(memory: dict[str, Any]) -> str:
    """Peak memory of a check job at some weight sets and at ten times as many."""
    parts = ", ".join(
        f"{peak / 2**20:.0f} MiB with {int(sets):,} weight sets"
        for sets, peak in sorted(memory["peaks"].items(), key=lambda item: int(item[0]))
    )
    return f"peak memory of a check job, n = {memory['hidden_size']}: {parts}"
