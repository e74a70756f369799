"""The error of each form of sigma' over z, in every floating-point format."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstm_gpu.report import style
from lstm_gpu.report.style import BLUE, GREEN, INK, ORANGE, PINK, QUIET, RED, SKY
from lstm_gpu.sigmoid_forms import DOCUMENT_FORMS, REMEDIES

FORMULAS = {
    "exponential_square": "e⁻ᶻ (1 + e⁻ᶻ)⁻²",
    "product_of_quotients": "e⁻ᶻ/(1 + e⁻ᶻ) · 1/(1 + e⁻ᶻ)",
    "difference_of_quotients": "((1 + e⁻ᶻ)/(1 + e⁻ᶻ) − 1/(1 + e⁻ᶻ)) σ(z)",
    "sigma_one_minus_sigma": "(1 − σ(z)) σ(z)",
    "reflected": "σ(z) σ(−z)",
    "stable": "σ(z) σ(−z) with e^(−|z|) alone",
}
COLOURS = dict(zip(FORMULAS, (BLUE, SKY, PINK, RED, ORANGE, GREEN), strict=True))
# Forms that often coincide with another lie under it, wider.
WIDTHS = {"exponential_square": 3.4, "difference_of_quotients": 4.4}
PRECISION = {"float16": 11, "float32": 24, "float64": 53}
CAPTION = (
    "Largest error found in each of 400 bins of z, in units in the last place (ulp) of the true "
    "value; crosses on the upper edge: infinite or not a number. Above the dotted line no digit "
    "is right. All six are equal in exact arithmetic; the first four are the document's, the last "
    "two are remedies."
)
FLOOR = 0.3  # ulp: half an ulp is the best that rounding allows


def draw(results: Path) -> Figure:
    """One panel per format over z; the forms in their colours."""
    curve = style.table(results, "sigmoid_curve.csv")
    table = style.table(results, "sigmoid.csv")
    formats = [name for name in PRECISION if (curve["format"] == name).any()]
    if not formats:
        return style.nothing("sigma' was not surveyed", "This run has no survey.")
    fig = style.figure(title(table), CAPTION, 2.1 + 2.25 * len(formats))
    heights = [0.3] + [1.0] * len(formats)
    key, *axes = fig.subplots(len(formats) + 1, 1, height_ratios=heights)
    for ax, name in zip(axes, formats, strict=True):
        _panel(ax, curve[curve["format"] == name], name)
    axes[-1].set_xlabel("z")
    key.axis("off")
    key.legend(
        *axes[0].get_legend_handles_labels(), loc="center left", ncols=3, fontsize=9,
        title="sigma'(z) computed as", alignment="left", borderaxespad=0,
    )  # fmt: skip
    return fig


def title(table: pd.DataFrame) -> str:
    """Where the textbook's form runs out of digits, against the stable one."""
    found = []
    for name in PRECISION:
        rows = table[(table["format"] == name) & (table["form"] == "sigma_one_minus_sigma")]
        first = rows.loc[rows["zero_from"] > 0, "zero_from"]
        if len(first):
            found.append((f"{first.min():.2f}", name))
    if not found:
        return "How far each form of sigma' can be trusted"
    first = ", ".join(place for place, _ in found)
    names = ", ".join(name for _, name in found)
    text = f"(1 − σ)σ returns exactly 0 from z = {first} on ({names})"
    stable = table[table["form"] == "stable"]
    if len(stable) and (stable["half_lost"] == 0).all():
        text += "; with e^(−|z|) alone the digits stay"
    return text


def _panel(ax: Axes, curve: pd.DataFrame, name: str) -> None:
    top = 2.0 ** (PRECISION[name] + 3)
    lost = 2.0 ** (PRECISION[name] - 1)
    order = [*DOCUMENT_FORMS, *REMEDIES]
    for form in order:
        rows = curve[curve["form"] == form]
        if rows.empty:
            continue
        ulp = rows["largest_ulp_error"].to_numpy(dtype=float)
        z = rows["z"].to_numpy(dtype=float)
        wide = WIDTHS.get(form, 1.3)
        ax.plot(
            z, np.clip(ulp, FLOOR, top), color=COLOURS[form], linewidth=wide,
            alpha=0.6 if wide > 2 else 1, label=FORMULAS.get(form, form),
        )  # fmt: skip
        broken = rows["not_finite"].to_numpy(dtype=bool)
        height = top * 2.0 ** (2 - order.index(form))
        ax.plot(z[broken], np.full(broken.sum(), height), "x", color=COLOURS[form], markersize=2.5)
    ax.axhline(lost, color=INK, linestyle=":", linewidth=1)
    ax.annotate(
        "no digit right", (0, lost), xytext=(0, 3), textcoords="offset points",
        fontsize=8, ha="center", color=QUIET,
    )  # fmt: skip
    ax.set(yscale="log", ylabel="largest error (ulp)", title=name, ylim=(FLOOR, top * 16))
