"""The measurements as text: for a terminal, and for the READMEs."""

from typing import Any

from benchmarks.contest import summary
from benchmarks.peers import DRAWING, PEERS

Row = dict[str, Any]


def duration(seconds: float) -> str:
    """Two digits, in µs or ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{float(f'{seconds / size:.2g}'):g} {unit}"
    return f"{float(f'{seconds * 1e6:.2g}'):g} µs"


def times(ratio: float) -> str:
    """A ratio with two digits."""
    return f"{float(f'{ratio:.2g}'):,g}"


def median(row: Row) -> float:
    return summary(row["seconds"])["median"]


def core_seconds(row: Row) -> float:
    """What one core needs for one weight set."""
    return summary(row["processor_seconds"])["median"]


def best(size: Row, peer: str) -> Row | None:
    """The arrangement in which a peer is fastest."""
    rows = [row for row in size["peers"] if row["engine"] == peer]
    return min(rows, key=median, default=None)


def fastest_batched(size: Row, draws: bool = False) -> Row | None:
    """The fastest of the peers that take many weight sets at once: given, or with their draw."""
    rows = [row for row in size["peers"] if PEERS[row["engine"]].batched]
    own = [row for row in rows if PEERS[row["engine"]].draws == draws]
    return min(own, key=median, default=None)


def over_floor(size: Row, engine: str = "compiled") -> float | None:
    """Processor time of ours over the floor of one core."""
    if size["floor"] is None or engine not in size["ours"]:
        return None
    return core_seconds(size["ours"][engine]) / size["floor"]["whole"]


def of_dtype(record: Row, dtype: str) -> list[Row]:
    return [size for size in record["sizes"] if size["dtype"] == dtype]


def _arrangement(row: Row) -> str:
    processes, threads = row["processes"], row["threads"]
    return f"{processes} x {threads}, batch {row['batch']:,}"


def _spread(ratio: dict[str, float]) -> str:
    return f"{ratio['lower_quartile']:.1f} to {ratio['upper_quartile']:.1f}"


def size_text(size: Row) -> str:
    """All contestants at one hidden size and in one dtype."""
    lines = [
        f"n = m = {size['hidden_size']}, {size['dtype']}: one full check of one weight set",
        f"  {'':<38}{'processes x threads':<22}{'median':>10}{'/ compiled':>12}  {'quartiles':<18}"
        f"{'/ arrays':>9}",
    ]
    for name, row in size["ours"].items():
        share = min(1.0, core_seconds(row) / (median(row) * row["processes"]))
        lines.append(
            f"  {f'ours, {name}':<38}{_arrangement(row):<22}{duration(median(row)):>10}"
            f"   given {100 * share:.0f} % of its cores"
        )
    for row in sorted(size["peers"], key=lambda row: row["engine"]):
        over = row["over"]
        compiled = over.get("compiled")
        lines.append(
            f"  {row['engine']:<38}{_arrangement(row):<22}{duration(median(row)):>10}"
            f"{times(compiled['median']) if compiled else '-':>12}  "
            f"{_spread(compiled) if compiled else '':<18}{times(over['arrays']['median']):>9}"
        )
    floor = size["floor"]
    if floor:
        parts = ", ".join(f"{name} {duration(part)}" for name, part in floor.items())
        lines.append(f"  floor of one core: {parts}")
        ratios = ", ".join(f"{name} {over_floor(size, name):.2f}" for name in size["ours"])
        lines.append(f"  ours over the floor: {ratios}")
    return "\n".join(lines)


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def speed(record: Row) -> str:
    """Ours, the floor, and each peer in units of ours, in float64."""
    sizes = of_dtype(record, "float64")
    names = [name for name in PEERS if any(best(size, name) for size in sizes)]
    lines = [
        ["compiled", *(_ours(size, "compiled") for size in sizes)],
        ["compiled, over the floor", *(_over_floor(size) for size in sizes)],
        ["arrays", *(_ours(size, "arrays") for size in sizes)],
        *([f"{name} / compiled", *(_over(size, name) for size in sizes)] for name in names),
    ]
    return _markdown(["", *(f"n = {size['hidden_size']}" for size in sizes)], lines)


def _ours(size: Row, engine: str) -> str:
    return duration(median(size["ours"][engine])) if engine in size["ours"] else "-"


def _over_floor(size: Row) -> str:
    ratio = over_floor(size)
    return f"{ratio:.2f}" if ratio else "-"


def _over(size: Row, peer: str) -> str:
    row = best(size, peer)
    return times(row["over"]["compiled"]["median"]) if row and "compiled" in row["over"] else "-"


def details(record: Row) -> str:
    """Of each size and dtype, what the floor is made of, and where the peers are fastest."""
    drawn = any(fastest_batched(size, draws=True) for size in record["sizes"])
    lines = []
    for size in record["sizes"]:
        floor = size["floor"]
        parts = [
            duration(floor[name]) if floor else "-" for name in ("word", "multiply_add", "byte")
        ]
        lines.append(
            [
                *(str(size["hidden_size"]), size["dtype"], *parts),
                duration(floor["whole"]) if floor else "-",
                _core(size, "compiled"),
                _over_floor(size),
                _core(size, "arrays"),
                _fastest(size),
                *([_fastest(size, draws=True)] if drawn else []),
            ]
        )
    head = ["n", "dtype", "random words", "multiply-adds", "U in memory", "floor, one core"]
    head += ["compiled", "over the floor", "arrays", "fastest batched peer"]
    return _markdown([*head, *(["fastest that draws too"] if drawn else [])], lines)


def _fastest(size: Row, draws: bool = False) -> str:
    row = fastest_batched(size, draws)
    if row is None:
        return "-"
    name = row["engine"].removesuffix(DRAWING)
    return f"{name} ({_arrangement(row)}): {duration(median(row))}"


def _core(size: Row, engine: str) -> str:
    return duration(core_seconds(size["ours"][engine])) if engine in size["ours"] else "-"


def growth(record: Row) -> str:
    """Time and memory of scans of more and more weight sets."""
    lines = [
        [
            f"{run['weight_sets']:,}",
            f"{run['seconds']:.2f} s",
            f"{1e6 * run['seconds'] / run['weight_sets']:.2f} µs",
            f"{run['peak'] / 2**20:.0f} MiB",
            f"{run['peak_of_a_job'] / 2**20:.0f} MiB",
        ]
        for run in record["growth"]["runs"]
    ]
    head = ["weight sets", "seconds", "per weight set", "peak memory", "of a job"]
    return _markdown(head, lines)


def memory_text(memory: Row) -> str:
    """Peak memory of a check job at some weight sets and at ten times as many."""
    parts = ", ".join(
        f"{peak / 2**20:.0f} MiB with {int(sets):,} weight sets"
        for sets, peak in sorted(memory["peaks"].items(), key=lambda item: int(item[0]))
    )
    return f"peak memory of a check job, n = {memory['hidden_size']}: {parts}"


def conclusion(record: Row) -> str:
    """What is printed last."""
    return "\n\n".join(
        (speed(record), details(record), growth(record), memory_text(record["memory"]))
    )
