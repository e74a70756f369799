"""The sphere search: the best of N random directions against the exact law of the best."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstm_gpu.report import manifest, style
from lstm_gpu.report.style import BLUE, INK, QUIET, SKY
from lstm_gpu.sphere import laws
from lstm_gpu.sphere.summary import uniformity

BAND = 0.98
CAPTION = (
    "Left: the best cosine between the claimed direction and {N} random directions, per weight "
    "set; the band holds 98 % of the exact law. Right: its place in that law is uniform on (0, 1) "
    "when sampler and claim are right. In high dimension even the best of many is far away, so "
    "the checks that count there are the identity at every sample and the caps around the claim."
)


def draw(results: Path) -> Figure:
    """Best cosine against n with its law, and the uniformity of its place in the law."""
    cases = style.table(results, "alignment.csv")
    sets = style.table(results, "best_cosine.csv")
    if sets.empty:
        return style.nothing("No direction was searched", "Every row of every U_f is zero.")
    samples = int(cases["directions"].iloc[0])
    risk = float(manifest.read(results)["configuration"]["false_alarm_risk"])
    fig = style.figure(title(cases, sets, risk), CAPTION.format(N=f"{samples:,}"), 4.9)
    left, right = fig.subplots(1, 2, width_ratios=(3, 2))
    _law(left, sets, samples)
    _uniform(right, sets["best_law"].dropna().to_numpy(dtype=float), risk)
    return fig


def title(cases: pd.DataFrame, sets: pd.DataFrame, risk: float) -> str:
    """Whether any sample lies above the claimed maximum, and whether the law is met.

    By all weight sets together: a case alone has too few to miss the law by more than chance may.
    """
    above = int(cases["samples_above_claimed_maximum"].sum())
    samples = int(cases["samples"].sum() + cases["cap_samples"].sum())
    off = int((cases["ks_distance"] > cases["ks_threshold"]).sum())
    distance, threshold = uniformity(sets["best_law"].dropna().tolist(), risk)
    if distance is None or threshold is None or threshold >= 1:
        law = "too few weight sets to test the law of the best cosine"
    elif distance <= threshold:
        law = "over all weight sets the best cosine follows its exact law"
    else:
        law = "over all weight sets the best cosine does not follow its exact law"
    if off:
        law = f"in {style.plural(off, 'case')} the best cosine does not follow its law"
    none = "None" if above == 0 else f"{above:,}"
    return (
        f"{none} of {style.plural(samples, 'sample')} on the sphere "
        f"lie{'' if above else 's'} above the claimed maximum; {law}"
    )


def _law(ax: Axes, sets: pd.DataFrame, samples: int) -> None:
    sizes = sorted(int(n) for n in sets["hidden_size"].unique())
    place = np.arange(len(sizes), dtype=float)
    tail = (1 - BAND) / 2
    for k, n in enumerate(sizes):
        low, middle, high = (
            1.0 if n == 1 else 1 - laws.best_deficit(p, n, samples) for p in (tail, 0.5, 1 - tail)
        )
        ax.fill_between([k - 0.4, k + 0.4], low, high, color=SKY, alpha=0.45, linewidth=0)
        ax.plot([k - 0.4, k + 0.4], [middle, middle], color=BLUE, linewidth=1.4)
        for dtype, offset in (("float64", -0.18), ("float32", 0.18)):
            mine = sets[(sets["hidden_size"] == n) & (sets["dtype"] == dtype)]
            values = mine["best_cosine"].to_numpy(dtype=float)
            if len(values):
                spread = 0.13 * np.sin(np.arange(len(values)) * 2.4)  # apart, the same every time
                ax.plot(
                    k + offset + spread, values, style.DTYPE_MARKERS[dtype], markersize=2.2,
                    color=style.DTYPE_COLOURS[dtype], alpha=0.5, markeredgewidth=0,
                )  # fmt: skip
        degrees = np.degrees(np.arccos(np.clip(middle, -1, 1)))
        ax.annotate(
            f"{style.number(float(degrees))}°", (k, low), xytext=(0, -9),
            textcoords="offset points", ha="center", va="top", fontsize=8, color=QUIET,
        )  # fmt: skip
    ax.set_xticks(place, [str(n) for n in sizes])
    ax.set(
        xlabel="hidden size n", ylabel="best cosine (1 = the claimed direction)",
        xlim=(-0.7, len(sizes) - 0.3), ylim=(min(0.0, ax.get_ylim()[0]), 1.06),
        title="Best cosine, and the median angle it stands for",
    )  # fmt: skip
    ax.fill_between([], [], [], color=SKY, alpha=0.45, linewidth=0, label="exact law: 98 % band")
    ax.plot([], [], color=BLUE, linewidth=1.4, label="exact law: median")
    for dtype in ("float64", "float32"):
        ax.plot(
            [], [], style.DTYPE_MARKERS[dtype], color=style.DTYPE_COLOURS[dtype],
            markersize=4, label=f"a weight set, {dtype}",
        )  # fmt: skip
    ax.legend(loc="lower left", fontsize=8.5)


def _uniform(ax: Axes, values: np.ndarray, risk: float) -> None:
    ax.set(
        xlabel="place F(t)ᴺ of the best cosine t in its law", ylabel="share of weight sets",
        xlim=(0, 1), ylim=(0, 1.0), title="All weight sets together (n ≥ 2)",
    )  # fmt: skip
    ax.set_aspect("equal")
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=1)
    if not len(values):
        ax.text(0.5, 0.5, "no set with n ≥ 2", ha="center", color=QUIET)
        return
    grid = np.linspace(0, 1, 101)
    reach = laws.ks_threshold(len(values), risk)
    ax.fill_between(
        grid, np.clip(grid - reach, 0, 1), np.clip(grid + reach, 0, 1),
        color=SKY, alpha=0.45, linewidth=0,
    )  # fmt: skip
    ordered = np.sort(values)
    ax.step(ordered, np.arange(1, len(values) + 1) / len(values), where="post", color=INK)
    ax.text(0.97, 0.03, "band: where it may lie", ha="right", color=QUIET, fontsize=8.5)
    ax.text(
        0.03, 0.97, f"{style.plural(len(values), 'weight set')}\nlargest distance "
        f"{laws.ks_distance(values.tolist()):.3f}\n"
        f"allowed {reach:.3f} (risk {style.number(risk, 1)})",
        va="top", fontsize=8.5,
    )  # fmt: skip
