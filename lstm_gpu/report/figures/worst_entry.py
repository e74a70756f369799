"""The Jacobian with the largest error over bound, entry by entry."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from lstm_gpu.report import style, worst
from lstm_gpu.report.style import INK
from lstm_gpu.weights.case import Case

MOST_CELLS = 64  # per side; larger matrices are shown in blocks
CAPTION = (
    "Both panels show the same Jacobian ∂h_t[k]/∂h_(t−1)[j]{blocks}. The ring marks the entry "
    "with the largest error over bound of {cases}. A row, column or block that stands out points "
    "at a term that is wrong; speckle is rounding, the darkest cells agree exactly or almost."
)


def draw(results: Path) -> Figure:
    """|formula - reference| and the same over its bound, the worst entry marked."""
    content = worst.read(results)
    if not content:
        return style.nothing("No worst entry", "No case was decided.")
    case = Case.from_dict(content["case"])
    error, ratio = gaps(content)
    k, j = content["entry"]
    size = block_size(len(error))
    times = style.number(float(ratio[k, j]))
    fig = style.figure(
        f"Even the worst entry of the hidden Jacobian reaches only {times} of its bound"
        if ratio[k, j] <= 1
        else f"The worst entry of the hidden Jacobian is {times} times its bound: refuted",
        CAPTION.format(
            blocks=f", in blocks of {size} × {size} (mean of each)" if size > 1 else "",
            cases=style.plural(content["cases"], "case"),
        )
        + f" {case.dtype}, n = {case.hidden_size}, {style.words(case.distribution)}, "
        f"{style.words(case.regime)}, weight set {content['index']}, against "
        f"{style.words(content['reference_name'])}.",
        5.2,
    )
    left, right = fig.subplots(1, 2)
    _panel(left, error, size, (k, j), "|formula − reference|", "absolute error")
    _panel(right, ratio, size, (k, j), "the same over its bound", "error / bound (1 = refuted)")
    return fig


def gaps(content: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """|formula - reference| and that over its bound; NaN where it is not finite."""
    arrays = (np.array(content[name], dtype=float) for name in ("formula", "reference", "bound"))
    formula, reference, bound = arrays
    with np.errstate(all="ignore"):
        error = np.abs(formula - reference)
        return error, np.where(error == 0, 0.0, error / bound)


def block_size(n: int) -> int:
    """Entries per side of a block, so that no more than `MOST_CELLS` are drawn per side."""
    return -(-n // MOST_CELLS)


def block_means(matrix: np.ndarray, size: int) -> np.ndarray:
    """Means of blocks of size × size; the last row and column of blocks may be smaller."""
    n = -(-len(matrix) // size)
    edges = range(0, len(matrix), size)
    means = np.empty((n, n))
    for a, row in enumerate(edges):
        for b, column in enumerate(edges):
            means[a, b] = np.mean(matrix[row : row + size, column : column + size])
    return means


def _panel(
    ax: Axes, matrix: np.ndarray, size: int, at: tuple[int, int], title: str, label: str
) -> None:
    n = len(matrix)
    means = block_means(matrix, size)
    positive = means[np.isfinite(means) & (means > 0)]
    norm = None
    if len(positive) and positive.max() > 1e3 * positive.min():
        lowest = float(max(positive.min(), positive.max() * 1e-6))
        norm = LogNorm(lowest, float(positive.max()))
        means = np.where(means > 0, means, lowest)
    extent = (-0.5, means.shape[1] * size - 0.5, means.shape[0] * size - 0.5, -0.5)
    image = ax.imshow(
        means, cmap="cividis", norm=norm, extent=extent, interpolation="nearest",
        vmin=None if norm else 0,
    )  # fmt: skip
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label=label, pad=0.02)
    for colour, width in (("white", 3.2), (style.RED, 1.6)):
        ax.plot(
            at[1], at[0], "o", markersize=13, markerfacecolor="none", color=colour,
            markeredgewidth=width, clip_on=False,
        )  # fmt: skip
    value = float(matrix[at])
    ax.annotate(
        style.number(value), (at[1], at[0]), xytext=(11, 9 if at[0] > n / 8 else -13),
        textcoords="offset points", fontsize=9, fontweight="bold", color=INK,
        ha="left" if at[1] < 0.75 * n else "right",
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
    )  # fmt: skip
    ax.set(
        title=title, xlabel="column j", ylabel="row k", xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5)
    )
    if n <= 12:
        ax.set_xticks(range(n))
        ax.set_yticks(range(n))
    ax.grid(visible=False)
