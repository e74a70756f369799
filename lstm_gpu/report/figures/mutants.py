"""The kill matrix: which wrong formula was caught at which hidden size."""

from itertools import combinations, pairwise
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from lstm_gpu.claims.registry import CLAIMS
from lstm_gpu.report import style
from lstm_gpu.report.style import OUTCOME_COLOURS, QUIET
from lstm_gpu.report.verdicts import CAUGHT, EQUIVALENT, MISSED

CAPTION = (
    "Each cell: one wrong formula on the weight sets of one hidden size n, left half float64, "
    "right half float32. Equivalent: the slip changes nothing there (as a transpose at n = 1); "
    "blank: it does not exist there (another row at n = 1). Sigma' is proved, whatever n. In which "
    "distributions: mutants.csv; the share caught, by claim, n and dtype: mutation_score.csv."
)
SOME = "in some"  # distributions, not in all
_COLOURS = {**OUTCOME_COLOURS, SOME: style.SKY}
_MARKS = {CAUGHT: "", EQUIVALENT: "=", MISSED: "✗"}
Cells = dict[tuple[str, str], dict[tuple[int, str], list[str]]]


def draw(results: Path) -> Figure:
    """Mutants by claim down, hidden sizes across, in as many columns as keep it on a page."""
    table = style.table(results, "mutants.csv")
    if table.empty:
        return style.nothing("No wrong formula was tried", "This run says nothing of its power.")
    sizes = sorted(int(n) for n in table["hidden_size"].dropna().unique())
    groups = []
    for claim in CLAIMS:
        names = list(dict.fromkeys(table.loc[table["claim"] == claim.id, "mutant"]))
        if names:
            groups.append((f"{claim.number}  {claim.title}", claim.id, names))
    rows = sum(len(names) for *_, names in groups)
    columns = _columns(groups, 3 if rows > 80 else 2 if rows > 24 else 1)
    height = max(sum(len(names) + 1.6 for *_, names in column) for column in columns)
    width = style.WIDTH if len(columns) < 3 else 1.45 * style.WIDTH
    fig = style.figure(title(table), CAPTION, 1.9 + 0.2 * height, width)
    grid = fig.add_gridspec(2, len(columns), height_ratios=(1, height))
    key = fig.add_subplot(grid[0, :])
    key.axis("off")
    axes = [fig.add_subplot(grid[1, k]) for k in range(len(columns))]
    found = cells(table)
    outcomes = [
        _panel(ax, found, column, sizes, height) for ax, column in zip(axes, columns, strict=True)
    ]
    present = set().union(*outcomes)
    legend = {
        CAUGHT: "caught in every distribution",
        SOME: "caught in some distributions (how many)",
        MISSED: "✗ missed",
        EQUIVALENT: "= equivalent there",
    }
    handles = [
        Patch(facecolor=_COLOURS[k], label=name) for k, name in legend.items() if k in present
    ]
    key.legend(handles=handles, loc="center left", ncols=4, fontsize=9, borderaxespad=0)
    return fig


def cells(table: pd.DataFrame) -> Cells:
    """(claim, mutant) -> (hidden size, dtype) -> the outcomes in its distributions.

    Hidden size 0 and no dtype stand for a proof, which is of no case.
    """
    found: Cells = {}
    columns = [table[name] for name in ("claim", "mutant", "hidden_size", "dtype", "caught")]
    for claim, mutant, n, dtype, outcome in zip(*columns, strict=True):
        place = (0, "") if pd.isna(n) else (int(n), dtype)
        found.setdefault((claim, mutant), {}).setdefault(place, []).append(outcome)
    return found


def title(table: pd.DataFrame) -> str:
    """How many mutants were caught somewhere, and which never."""
    caught = table.groupby(["claim", "mutant"])["caught"].agg(lambda c: (c == CAUGHT).any())
    if caught.all():
        return f"Every one of {style.plural(len(caught), 'wrong formula')} is caught"
    numbers = {claim.id: claim.number for claim in CLAIMS}
    missed = ", ".join(
        f"{style.words(name)} ({numbers.get(claim, claim)})"
        for claim, name in caught[~caught].index[:4]
    )
    more = ", …" if (~caught).sum() > 4 else ""
    return f"{int(caught.sum())} of {len(caught)} wrong formulas are caught; not: {missed}{more}"


def _columns(groups: list, count: int) -> list[list]:
    """Deal the groups, in order, into columns of about equal length."""

    def dealt(cuts: tuple[int, ...]) -> list[list]:
        return [groups[a:b] for a, b in pairwise((0, *cuts, len(groups))) if a < b]

    def longest(cuts: tuple[int, ...]) -> float:
        return max(sum(len(names) + 1.6 for *_, names in column) for column in dealt(cuts))

    cuts = combinations(range(1, len(groups)), min(count, len(groups)) - 1)
    return dealt(min(cuts, key=longest))


def _panel(ax: Axes, found: Cells, groups: list, sizes: list[int], height: float) -> set[str]:
    """Draw one column of the matrix; returns the outcomes in it."""
    across = max(len(sizes), 4)
    left = -0.95 * across  # room for the names
    y, outcomes = 1.0, set()
    boxes: list[Rectangle] = []
    for k, n in enumerate(sizes):
        ax.text(k + 0.5, 0.6, f"{n}", ha="center", fontsize=8.5)
    ax.text(-0.15, 0.6, "n =", ha="right", fontsize=8.5)
    for heading, claim, names in groups:
        ax.text(left, y + 0.6, heading, fontweight="bold", fontsize=9, va="center")
        y += 1.2
        for name in names:
            ax.text(-0.15, y + 0.5, style.words(name), ha="right", va="center", fontsize=8.5)
            outcomes |= _cells(ax, boxes, y, found[claim, name], sizes, across)
            y += 1
        y += 0.4
    # One collection: some 1,600 patches of their own cost the figure a second.
    ax.add_collection(PatchCollection(boxes, match_original=True), autolim=False)
    ax.set(xlim=(left, across), ylim=(height + 1, 0))
    ax.axis("off")
    return outcomes


def _cells(
    ax: Axes,
    boxes: list[Rectangle],
    y: float,
    row: dict[tuple[int, str], list[str]],
    sizes: list[int],
    across: int,
) -> set[str]:
    if (0, "") in row:
        return {_cell(ax, boxes, 0, y, len(sizes) or across, row[0, ""])}
    return {
        _cell(ax, boxes, k + half / 2, y, 0.5, row[n, dtype])
        for k, n in enumerate(sizes)
        for half, dtype in enumerate(("float64", "float32"))
        if (n, dtype) in row
    }


def outcome(outcomes: list[str]) -> str:
    """Of the outcomes of one cell (in its distributions): caught, in some, missed or equivalent."""
    if CAUGHT in outcomes:
        return SOME if MISSED in outcomes else CAUGHT
    return MISSED if MISSED in outcomes else EQUIVALENT


def _cell(
    ax: Axes, boxes: list[Rectangle], x: float, y: float, width: float, outcomes: list[str]
) -> str:
    shown = outcome(outcomes)
    colour = _COLOURS[shown]
    boxes.append(Rectangle((x + 0.02, y + 0.07), width - 0.04, 0.86, linewidth=0, facecolor=colour))
    mark = f"{outcomes.count(CAUGHT)}" if shown == SOME else _MARKS[shown]
    if mark:
        ax.text(
            x + width / 2, y + 0.53, mark, ha="center", va="center", fontsize=7.5,
            color="white" if shown == MISSED else QUIET,
        )  # fmt: skip
    return shown
