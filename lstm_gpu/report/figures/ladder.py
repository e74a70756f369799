"""The step ladder: how the gap between formula and differences moves with the step."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstm_gpu.report import style
from lstm_gpu.report.style import BLUE, GREEN, QUIET, RED

RIGHT = "hidden_jacobian"
LINES = {  # reference -> name, colour, marker, order of its truncation
    "central": ("central differences", BLUE, "o", 2),
    "richardson": ("Richardson", GREEN, "s", 4),
}
CAPTION = (
    "Each dot is the largest gap over all entries of one Jacobian at one step; dashed: the "
    "predicted bound. A right formula falls with the order of the differences down to round-off "
    "(slope −1); a wrong one stops at its own error."
)


def draw(results: Path) -> Figure:
    """|formula - difference| against the step, one panel per dtype, with bounds and slopes."""
    table = style.table(results, "ladder.csv")
    table = table[table["gap"].notna()]
    if table.empty:
        return style.nothing("No step ladder was climbed", "The run has no weight set 0.")
    dtypes = sorted(table["dtype"].unique(), reverse=True)
    fig = style.figure(title(table), CAPTION, 5.2)
    for ax, dtype in zip(np.atleast_1d(fig.subplots(1, len(dtypes))), dtypes, strict=True):
        _panel(ax, representative(table[table["dtype"] == dtype]))
    return fig


def title(table: pd.DataFrame) -> str:
    """What the ladders say, over all cases."""
    keys = ["hidden_size", "input_size", "dtype", "distribution", "regime", "formula", "reference"]
    ladders = table.drop_duplicates(keys)
    right = ladders[ladders["formula"] == RIGHT]
    refuted = int((right["verdict"] == "refuted").sum())
    if refuted:
        return f"{refuted} of {style.plural(len(right), 'step ladder')} refute the hidden Jacobian"
    supported = int((right["verdict"] == "supported").sum())
    rest = len(right) - supported
    return (
        f"Truncation and round-off account for the gap in {supported} of "
        f"{style.plural(len(right), 'step ladder')}; "
        + (f"{rest} cannot tell, none shows" if rest else "none shows")
        + " a wrong formula"
    )


def representative(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the case to show: one that is supported, in a generic state, with n of 8 or more,
    with the orders seen; then the largest n, then the first.
    """
    keys = ["hidden_size", "input_size", "distribution", "regime"]
    best: tuple[Any, pd.DataFrame] | None = None
    for values, rows in table.groupby(keys, sort=False):
        right = rows[rows["formula"] == RIGHT]
        right = right.drop_duplicates("reference")
        supported = bool((right["verdict"] == "supported").all())
        seen = int(right["order"].notna().sum())
        rank = (supported, values[3] == "generic", values[0] >= 8, seen, int(values[0]))
        if best is None or rank > best[0]:
            best = (rank, rows)
    assert best is not None
    return best[1]


def _panel(ax: Axes, rows: pd.DataFrame) -> None:
    first = rows.iloc[0]
    ax.set_title(
        f"{first['dtype']}, n = {first['hidden_size']}, {style.words(first['distribution'])}, "
        f"{style.words(first['regime'])}"
    )
    for reference, (name, colour, marker, order) in LINES.items():
        right = rows[(rows["formula"] == RIGHT) & (rows["reference"] == reference)]
        if right.empty:
            continue
        ax.plot(right["step"], right["bound"], "--", color=colour, linewidth=1, alpha=0.7)
        observed = right["order"].iloc[0]
        label = f"{name}: no order to observe"
        if not pd.isna(observed):
            label = f"{name}: observed order {observed:.2f} (line: {order})"
        seen = right[right["gap"] > 0]
        ax.plot(seen["step"], seen["gap"], marker, color=colour, markersize=3.6, label=label)
        _guide(ax, right, "truncation", order, colour)
        if reference == "central":
            _guide(ax, right, "round-off", -1, QUIET)
    wrong = rows[(rows["formula"] != RIGHT) & (rows["reference"] == "central")]
    if not wrong.empty:
        name = style.words(wrong["formula"].iloc[0])
        ax.plot(
            wrong["step"], wrong["gap"], "x", color=RED, markersize=4.2, markeredgewidth=1.1,
            label=f"a wrong formula: {name}",
        )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="step s", ylabel="gap |formula − difference|")
    shown = rows[(rows["gap"] > 0)]
    if not shown.empty:
        low, high = shown["gap"].min(), max(shown["gap"].max(), 1e-300)
        ax.set_ylim(low / 30, high * 3000)  # room for the legend; a bound may leave the frame
    ax.legend(
        loc="upper left", fontsize=8.5, handletextpad=0.4, borderaxespad=0.2,
        frameon=True, facecolor="white", framealpha=0.85, edgecolor="none",
    )  # fmt: skip


def _guide(ax: Axes, rows: pd.DataFrame, label: str, slope: int, colour: str) -> None:
    """A line of the predicted slope through the middle of the steps that show it."""
    seen = rows[(rows["label"] == label) & (rows["gap"] > 0)]
    if len(seen) < 3:
        return
    x, y = np.log10(seen["step"].to_numpy()), np.log10(seen["gap"].to_numpy())
    ends = np.array([x.min(), x.max()])
    line = np.median(y - slope * x) + slope * ends + 0.35
    ax.plot(10.0**ends, 10.0**line, color=colour, linewidth=0.9)
    if slope > 0:  # named in the legend
        return
    at = float(ends.mean())
    up = float(np.interp(at, ends, line))
    ax.annotate(
        f"slope −{-slope}", (10.0**at, 10.0**up), xytext=(2, 5), textcoords="offset points",
        color=colour, fontsize=8.5, ha="left", va="bottom",
    )  # fmt: skip
