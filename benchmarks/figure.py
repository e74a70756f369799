"""The record as a figure: weight sets per second against n; ours, the floor, and the peers that are
given their weight sets (those that draw them too are in the tables).

``python -m benchmarks.figure RECORD PNG`` draws a record.
"""

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from benchmarks import table
from benchmarks.peers import PEERS
from benchmarks.record import KIND
from lstm_gpu.files import atomic_path, read_json
from lstm_gpu.report import style
from lstm_gpu.report.style import BLUE, FAINT, GREEN, INK, ORANGE, PINK, QUIET, RED, SKY, YELLOW

CAPTION = (
    "One weight set: drawn, formula, central differences, bounds, tally, in float64; the peers "
    "shown draw nothing and bound nothing. Each on {cores} cores of {processor}, in the "
    "arrangement of processes, threads and batches that suits it best. Grey: what the operations "
    "of the compiled check take in tight loops on this machine, one after the other; a program of "
    "this algorithm stays below."
)
SHOWN = [name for name, peer in PEERS.items() if not peer.draws]
STYLES = dict(zip(SHOWN, ((RED, "v"), (ORANGE, "^"), (GREEN, "s"), (SKY, "D"), (PINK, "P"),
                          (YELLOW, "X"), (QUIET, "d")), strict=True))  # fmt: skip


def rates(record: dict[str, Any]) -> dict[str, dict[int, float]]:
    """Weight sets per second by n: of the floor, of ours, of each peer at its best."""
    found: dict[str, dict[int, float]] = {}

    def add(name: str, n: int, seconds: float | None) -> None:
        if seconds:
            found.setdefault(name, {})[n] = 1 / seconds

    for size in table.of_dtype(record, "float64"):
        n, ours = size["hidden_size"], size["ours"]
        if size["floor"]:  # of one core
            add("floor", n, size["floor"]["whole"] / max(r["processes"] for r in ours.values()))
        for name in sorted(ours, reverse=True):
            add(f"ours, {name}", n, table.median(ours[name]))
        for name in SHOWN:
            row = table.best(size, name)
            add(name, n, table.median(row) if row else None)
    return found


def title(record: dict[str, Any]) -> str:
    """How far the compiled check is from the floor, and the fastest batched peer from it."""
    floors, peers = [], []
    for size in table.of_dtype(record, "float64"):
        ratio, rival = table.over_floor(size), table.fastest_batched(size)
        floors += [ratio] if ratio else []
        if rival and "compiled" in rival["over"]:
            peers.append(rival["over"]["compiled"]["median"])
    if not floors:
        return "Weight sets per second"
    text = f"The compiled check takes {min(floors):.1f} to {max(floors):.1f} times its floor"
    if peers:
        text += (
            f"; the fastest batched peer {table.times(min(peers))} to {table.times(max(peers))} "
            "times the check"
        )
    return text


def draw(record: dict[str, Any]) -> Figure:
    """Weight sets per second against n, both on logarithmic axes."""
    described = record["machine"]
    caption = CAPTION.format(cores=described["cores"], processor=described["processor"])
    fig = style.figure(title(record), caption, 5.6)
    ax = fig.add_subplot()
    found = rates(record)
    for name, series in found.items():
        _line(ax, name, series)
    sizes = sorted({n for series in found.values() for n in series})
    ax.set(xscale="log", yscale="log", xlabel="n = m", ylabel="weight sets per second")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def _line(ax: Axes, name: str, series: dict[int, float]) -> None:
    n, values = list(series), list(series.values())
    if name == "floor":
        ax.plot(n, values, color=QUIET, linestyle="--", label="floor")
        ax.fill_between(n, values, [2 * max(values)] * len(n), color=FAINT, alpha=0.4, linewidth=0)
    elif name.startswith("ours"):
        full = name.endswith("compiled")
        ax.plot(
            *(n, values),
            color=BLUE, marker="o", linewidth=2.4 if full else 1.6,
            markerfacecolor=BLUE if full else "white", label=name,
        )  # fmt: skip
    else:
        colour, marker = STYLES[name]
        ax.plot(
            *(n, values),
            color=colour, marker=marker, markeredgecolor=INK, markeredgewidth=0.4, label=name,
        )  # fmt: skip


def save(record: dict[str, Any], path: Path) -> None:
    """Write the figure as a PNG file.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    with style.settings(), atomic_path(path) as temporary:
        fig = draw(record)
        style.settle(fig)
        fig.savefig(temporary, format="png", dpi=style.DOTS_PER_INCH, metadata={"Software": None})


if __name__ == "__main__":
    save(read_json(Path(sys.argv[1]), KIND), Path(sys.argv[2]))
