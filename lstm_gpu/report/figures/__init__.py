"""The figures of a run, from its result files alone."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from lstm_gpu.report import digests, style
from lstm_gpu.report.figures import (
    alignment,
    detection,
    error_over_bound,
    ladder,
    mutants,
    sigmoid,
    worst_entry,
)

FIGURES: dict[str, Callable[[Path], Figure]] = {
    "ladder": ladder.draw,
    "error_over_bound": error_over_bound.draw,
    "mutants": mutants.draw,
    "detection": detection.draw,
    "alignment": alignment.draw,
    "sigmoid": sigmoid.draw,
    "worst_entry": worst_entry.draw,
}


def draw(results: Path) -> None:
    """Draw every figure as `figures/<name>.svg` and `.png` under `results`, and list their digests.

    Raises
    ------
    InputError
        A table is missing or damaged, or the folder cannot be written.
    """
    results = Path(results)
    folder = results / "figures"
    with style.settings():
        for name, figure in FIGURES.items():
            style.save(figure(results), folder / name)
    drawn = [f"{name}{suffix}" for name in FIGURES for suffix in (".svg", ".png")]
    digests.list_figures(folder, drawn)
