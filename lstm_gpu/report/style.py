"""How every figure looks: colours that the colour-blind can tell apart, and the same bytes twice.

The palette is Okabe and Ito's. A figure is to be understood alone: its title says what was found,
its last line how to read it.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lstm_gpu import files
from lstm_gpu.report import columns

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PINK, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
INK, QUIET, FAINT = "#1A1A1A", "#5F6368", "#D5D8DC"
DTYPE_COLOURS = {"float16": PINK, "float32": ORANGE, "float64": BLUE}
DTYPE_MARKERS = {"float16": "v", "float32": "s", "float64": "o"}
OUTCOME_COLOURS = {"yes": BLUE, "equivalent here": FAINT, "no": RED}

WIDTH = 9.6  # inches
DOTS_PER_INCH = 144
_SETTINGS = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same letters everywhere
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E8EAED",
    "grid.linewidth": 0.7,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "lstm_gpu",
    "path.simplify": True,
}


@contextmanager
def settings() -> Iterator[None]:
    """Draw in this style, whatever the reader's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def figure(title: str, caption: str, height: float, width: float = WIDTH) -> Figure:
    """A figure with its finding on top and how to read it below, both at the left edge."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04, hspace=0.04)
    fig = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout=layout)
    FigureCanvasAgg(fig)
    characters = width * 8.4
    fig.suptitle(
        textwrap.fill(title, int(characters)), x=0.012, ha="left", fontsize=13, fontweight="bold"
    )
    fig.supxlabel(
        textwrap.fill(caption, int(width * 14.6)),
        x=0.012, ha="left", fontsize=9, color=QUIET, linespacing=1.35,
    )  # fmt: skip
    return fig


def nothing(title: str, why: str) -> Figure:
    """A figure for data that a run does not have."""
    fig = figure(title, why, 1.6)
    ax = fig.add_subplot()
    ax.axis("off")
    ax.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=QUIET, fontsize=12)
    return fig


def settle(fig: Figure) -> None:
    """Lay the figure out once, for good, with places rounded to 10⁻⁵ of its size.

    The layout's solver adds in an order that depends on memory addresses: from run to run its
    places differ in their last bit, and so would the files.
    """
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for ax in fig.axes:
        left, bottom, width, height = ax.get_position(original=True).bounds
        ax.set_position((round(left, 5), round(bottom, 5), round(width, 5), round(height, 5)))
    for text in fig.texts:
        x, y = text.get_position()
        text.set_position((round(float(x), 5), round(float(y), 5)))


def save(fig: Figure, stem: Path) -> None:
    """Write `stem`.svg and `stem`.png: the same bytes for the same figure, no date inside.

    Printed by the canvas: `savefig` would draw each file twice, for a layout that is settled. PNG
    comes first, from the canvas that has measured all text for the layout.
    """
    settle(fig)
    with files.atomic_path(stem.with_suffix(".png")) as temporary:
        fig.canvas.print_png(temporary, metadata={"Software": None})  # type: ignore[attr-defined]
    with files.atomic_path(stem.with_suffix(".svg")) as temporary:
        FigureCanvasSVG(fig).print_svg(temporary, metadata={"Date": None, "Creator": None})


def table(results: Path, name: str) -> pd.DataFrame:
    """Read a table of the run; see `columns.table`."""
    return columns.table(results / name, name)


def number(value: Any, digits: int = 2) -> str:
    """A number for people: 0, 0.052, 3.1e-16 as 3.1×10⁻¹⁶, a dash for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    value = float(value)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 <= exponent < 5:
        text = f"{value:.{max(0, digits - 1 - exponent)}f}"
        return text.replace("-", "−")
    mantissa = f"{value / 10.0**exponent:.{digits - 1}f}" if exponent > -300 else f"{value:e}"[:3]
    if mantissa.lstrip("-").startswith("10"):
        mantissa, exponent = mantissa.replace("10", "1", 1), exponent + 1
    power = f"10{superscript(exponent)}"
    return power if mantissa == "1" else f"{mantissa}×{power}".replace("-", "−")


def superscript(integer: int) -> str:
    """An integer in superscript digits."""
    return str(integer).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def words(name: str) -> str:
    """An id as words: `row_scaling` -> `row scaling`, but `U_f_transposed` -> `U_f transposed`."""
    return re.sub(r"(?<![UW])_|(?<=[UW])_(?![a-z](_|$))", " ", str(name))


def plural(count: int, noun: str) -> str:
    """`1 case`, `2 cases`, `20,160 weight sets`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
