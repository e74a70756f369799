"""Errors put in and errors found: whether an error above twice its bound is found."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from lstm_gpu.report import detection, style
from lstm_gpu.report.style import INK, QUIET
from lstm_gpu.report.verdicts import readings

CAPTION = (
    "Each error goes into one random entry of one weight set, with random sign, and the set is "
    "compared again. Filled: in units of twice the entry's own bound, so that an error of 0.5 is "
    "found when it happens to point away from the reference: one time in two (black lines: "
    "predicted; entries where formula and reference agree to rounding are left out there). Open: "
    "in units of twice the set's largest bound, which most entries undercut. Bars: exact 95 % "
    "intervals. All hidden sizes, distributions and regimes together."
)
REFERENCES = {"central": ("central differences", "o"), "complex_step": ("complex step", "D")}


def draw(results: Path) -> Figure:
    """Detection rate against the size of the error, one panel per reading."""
    table = style.table(results, "detection.csv")
    if table.empty or table["trials"].sum() == 0:
        return style.nothing("No error was put in", "No weight set could be decided.")
    table = table[table["trials"] > 0]
    present = set(zip(table["claim"], table["reading"], strict=True))
    shown = [(c, r) for c, r in readings() if (c.id, r.name) in present]
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    fig = style.figure(title(table), CAPTION, 1.5 + 2.5 * down)
    axes = np.atleast_1d(fig.subplots(down, across, sharey=True)).ravel()
    factors = sorted(table["factor"].unique())
    rates = detection.pooled(table)
    for ax, (claim, reading) in zip(axes, shown, strict=False):
        mine = rates[(rates["claim"] == claim.id) & (rates["reading"] == reading.name)]
        ax.set_title(f"{claim.number}  {style.words(reading.name)}")
        _panel(ax, mine, factors)
    for ax in axes[::across]:
        ax.set_ylabel("found")
    for ax in axes[max(0, len(shown) - across) : len(shown)]:
        ax.set_xlabel("size / twice the bound")
    if len(axes) == len(shown):
        axes[-1].legend(loc="lower right", fontsize=8)
    else:
        axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="center", fontsize=8.5)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    return fig


def title(table: pd.DataFrame) -> str:
    """What was found from twice the bound on, at the bound, and without error."""
    large, none = table[table["factor"] >= 1], table[table["factor"] == 0]
    half = table[(table["factor"] == 0.5) & (table["size"] == "entry")]
    of, found = int(large["trials"].sum()), int(large["detected"].sum())
    share = half["detected"].sum() / max(1, half["trials"].sum())
    alarms = int(none["detected"].sum())
    missed = f"All {of:,}" if found == of else f"Only {found:,} of {of:,}"
    return (
        f"{missed} errors of twice their bound or more, put in on purpose, are found, "
        f"{100 * share:.1f} % of those of their bound, {alarms or 'none'} where there is none"
    )


def _panel(ax: Axes, rates: pd.DataFrame, factors: list[float]) -> None:
    place = {factor: k for k, factor in enumerate(factors)}
    due = [(detection.expected(factor, "entry"), place[factor]) for factor in factors]
    for value, at in due:
        if value is not None:
            label = "predicted" if at == 0 else None
            ax.plot([at - 0.42, at + 0.42], [value, value], color=INK, linewidth=1, label=label)
    offsets = iter(np.linspace(-0.27, 0.27, 8))
    for dtype, colour in style.DTYPE_COLOURS.items():
        for reference, (name, marker) in REFERENCES.items():
            for size, fill in (("entry", colour), ("set", "white")):
                mine = rates[
                    (rates["dtype"] == dtype)
                    & (rates["reference"] == reference)
                    & (rates["size"] == size)
                ]
                if mine.empty:
                    continue
                offset = next(offsets)
                rate = mine["rate"].to_numpy(dtype=float)
                bars = np.abs(mine[["low", "high"]].to_numpy(dtype=float).T - rate)
                ax.errorbar(
                    [place[factor] + offset for factor in mine["factor"]],
                    rate, yerr=bars, fmt=marker, markersize=4, color=colour, elinewidth=1,
                    markerfacecolor=fill, markeredgewidth=0.9,
                    label=f"{dtype}, {name}" if size == "entry" else None,
                )  # fmt: skip
    ax.set(xlim=(-0.5, len(factors) - 0.5), ylim=(-0.04, 1.06))
    ax.set_xticks(range(len(factors)), [f"{factor:g}" for factor in factors])
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    if 1.0 in place:
        ax.axvspan(place[1.0] - 0.5, len(factors), color=style.SKY, alpha=0.13, linewidth=0)
        ax.text(place[1.0] - 0.42, 0.05, "guaranteed", color=QUIET, fontsize=8.5)
