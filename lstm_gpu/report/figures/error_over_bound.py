"""Error over bound of every case: below 1 a reading survives, above it is refuted."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstm_gpu.report import style
from lstm_gpu.report.style import INK, QUIET, RED
from lstm_gpu.report.verdicts import REFUTED, SUPPORTED, readings

LEFT, RIGHT = 1e-6, 1e18  # the frame; what lies beyond is drawn at its edge
CAPTION = (
    "Each mark is the worst entry of all weight sets of one case; marks at an edge lie at or "
    "beyond it. One case right of the line refutes a reading; where a wrong reading coincides "
    "with a true one (as at n = 1) its marks stay left, and a case left of it may yet be refuted, "
    "by a proof in ball arithmetic. The net that covers the sphere (D8, n ≤ 3) is tight by "
    "construction: close to 1 is no alarm there."
)


def draw(results: Path) -> Figure:
    """One row per claim and reading, one mark per case."""
    table = style.table(results, "cases.csv")
    present = set(zip(table["claim"], table["reading"], strict=True))
    rows = [(c, r) for c, r in readings() if (c.id, r.name) in present]
    if not rows or table["error_over_bound"].isna().all():
        return style.nothing("No case was decided", "Neither errors nor bounds were finite.")
    fig = style.figure(title(table), CAPTION, 2.0 + 0.27 * len(rows))
    ax = fig.subplots()
    labels = []
    for y, (claim, reading) in enumerate(rows):
        labels.append(f"{claim.number}  {style.words(reading.name)}")
        of_reading = table[(table["claim"] == claim.id) & (table["reading"] == reading.name)]
        _row(ax, y, of_reading)
        if y and rows[y - 1][0] != claim:
            ax.axhline(y - 0.5, color=style.FAINT, linewidth=0.8)
    ax.axvspan(1, RIGHT * 10, color=RED, alpha=0.06, linewidth=0)
    ax.axvline(1, color=RED, linewidth=1.6)
    ax.set(
        xscale="log", xlim=(LEFT / 4, RIGHT * 4), ylim=(len(rows) - 0.4, -1.3),
        xlabel="largest error / proven bound (log scale)",
    )  # fmt: skip
    ax.set_yticks(range(len(rows)), labels)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.text(0.55, -0.75, "supported ◂", ha="right", va="center", color=INK, fontsize=9)
    ax.text(1.8, -0.75, "▸ refuted", ha="left", va="center", color=RED, fontsize=9)
    ticks = [10.0**e for e in range(-6, 19, 3)]
    names = ["0 … 10⁻⁶", *(style.number(t, 1) for t in ticks[1:-1]), "more"]
    ax.set_xticks(ticks, names)
    ax.minorticks_off()
    for dtype, colour in style.DTYPE_COLOURS.items():
        if (table["dtype"] == dtype).any():
            marker = style.DTYPE_MARKERS[dtype]
            ax.plot([], [], marker, color=colour, markerfacecolor="none", label=dtype)
    if table["dtype"].isna().any():
        ax.plot([], [], "D", color=QUIET, markerfacecolor="none", label="exact")
    ax.legend(loc="lower right", fontsize=8.5, bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0)
    return fig


def title(table: pd.DataFrame) -> str:
    """How close the supported readings came to their bounds, and how far the refuted are off."""
    verdict = table.groupby(["claim", "reading"])["verdict"].agg(
        lambda v: REFUTED if (v == REFUTED).any() else SUPPORTED if (v == SUPPORTED).any() else ""
    )
    refuted = int((verdict == REFUTED).sum())
    keys = pd.MultiIndex.from_frame(table[["claim", "reading"]])
    holds = table[(verdict.reindex(keys) == SUPPORTED).to_numpy()]
    parts = []
    if not holds.empty:
        parts.append(
            f"{style.plural(holds.groupby(['claim', 'reading']).ngroups, 'reading')} without one "
            f"error beyond its bound in {style.plural(len(holds), 'trial')}"
        )
    if refuted:
        parts.append(f"{style.plural(refuted, 'reading')} beyond it and refuted")
    return "; ".join(parts) or "No reading was decided"


def _row(ax: Axes, y: int, rows: pd.DataFrame) -> None:
    """The cases of one reading: float64 above the line of the row, float32 below."""
    for dtype, offset in (("float64", -0.17), ("float32", 0.17), (None, 0.0)):
        mine = rows[rows["dtype"].isna()] if dtype is None else rows[rows["dtype"] == dtype]
        values = mine["error_over_bound"].dropna().to_numpy(dtype=float)
        if not len(values):
            continue
        spread = np.linspace(-0.09, 0.09, len(values)) if len(values) > 1 else np.zeros(1)
        ax.plot(
            np.clip(values, LEFT, RIGHT), y + offset + spread,
            style.DTYPE_MARKERS.get(dtype or "", "D"), markersize=3.4, markeredgewidth=0.8,
            color=style.DTYPE_COLOURS.get(dtype or "", QUIET), markerfacecolor="none",
            clip_on=False,
        )  # fmt: skip
