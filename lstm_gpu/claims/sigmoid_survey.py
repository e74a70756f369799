"""Claim D5 in floating point: where each form of sigma' overflows, cancels or flushes to zero.

Each form runs on NumPy arrays of the format, rounding after every operation as written. NumPy
evaluates float16 by converting to float32, computing and rounding each result back; for
``+ - * /`` that is the correctly rounded float16 result (24 bits are at least 2 · 11 + 2), and for
``exp`` and ``**`` it is correct but next to a tie (a processor with half-precision instructions may
be given another routine). Float32 and float64 use the platform's vector routines. So the last
digits of a finding may differ between kinds of processor; on one they never do.

Events (``sigmoid_events``) are counted per form and region (``sigmoid_regions``), each with the z
nearest to 0 where it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstm_gpu.claims import sigmoid_truth
from lstm_gpu.claims.sigmoid_events import EVENTS, evaluate
from lstm_gpu.claims.sigmoid_regions import REASONS, Format, Strip, edges, shares
from lstm_gpu.sigmoid_forms import DOCUMENT_FORMS, REMEDIES, Form

SURVEYED: dict[str, Form] = {**DOCUMENT_FORMS, **REMEDIES}
BINS = 400
FAN = 64


@dataclass
class Cell:
    """What is known of one form in one region: counts, first places, and the largest error."""

    points: int = 0
    largest: float = -1.0
    at: float | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(EVENTS, 0))
    first: dict[str, float] = field(default_factory=dict)

    def take(self, z: Any, error: Any, events: dict[str, Any]) -> None:
        """Count a block; first places are the business of `_first`."""
        self.points += len(z)
        for event, mask in events.items():
            self.counts[event] += int(np.count_nonzero(mask))
        finite = np.where(np.isfinite(error), error, -1.0)
        index = int(np.argmax(finite))
        if finite[index] > self.largest:
            self.largest, self.at = float(finite[index]), float(z[index])

    def meet(self, event: str, z: float) -> None:
        if event not in self.first or abs(z) < abs(self.first[event]):
            self.first[event] = z


class Curve:
    """The largest error of each form in ``BINS`` bins of z, evenly spaced in asinh(z)."""

    def __init__(self, layout: Format, forms: Mapping[str, Form]) -> None:
        self.reach = float(np.arcsinh(1.1 * float(edges(layout)["underflow"])))
        self.largest = {form: np.full(BINS, -1.0) for form in forms}
        self.broken = {form: np.zeros(BINS, bool) for form in forms}

    def bins(self, z: Any) -> Any:
        """The bin of each z, -1 beyond the last."""
        place = np.arcsinh(z.astype(np.float64)) / self.reach
        inside = np.abs(place) < 1
        index = np.floor((np.where(inside, place, 0.0) + 1) / 2 * BINS).astype(np.int64)
        return np.where(inside, np.minimum(index, BINS - 1), -1)

    def take(self, form: str, bins: Any, error: Any) -> None:
        finite = np.isfinite(error)
        inside = bins >= 0
        np.maximum.at(self.largest[form], bins[inside & finite], error[inside & finite])
        self.broken[form][bins[inside & ~finite]] = True

    def as_list(self) -> list[dict[str, Any]]:
        middle = np.sinh(((np.arange(BINS) + 0.5) / BINS * 2 - 1) * self.reach)
        curves = []
        for form, largest in self.largest.items():
            seen = (largest >= 0) | self.broken[form]
            ulp = [float(value) if value >= 0 else None for value in largest[seen]]
            curves.append(
                {
                    "form": form,
                    "z": [float(value) for value in middle[seen]],
                    "ulp": ulp,
                    "not_finite": [bool(value) for value in self.broken[form][seen]],
                }
            )
        return curves


def survey(
    dtype: str,
    points: int,
    progress: Callable[[int, int], None] | None = None,
    forms: Mapping[str, Form] = SURVEYED,
) -> dict[str, Any]:
    """Survey the forms over one format; JSON-able, and a pure function of its arguments.

    Parameters
    ----------
    dtype : str
        float16, float32 or float64.
    points : int
        About how many values of z to try, at least 168, spread over the regions
        (``sigmoid_regions.shares``). With 2^bits or more every bit pattern is tried once. Float16
        is always tried in full, whatever ``points`` says.
    progress : callable, optional
        Called with (points done, points in all).
    forms : mapping
        The forms by name; the tests put broken ones here.

    Returns
    -------
    dict
        ``dtype``, ``points`` (tried), ``exhaustive``, ``reference_error`` (bound, ulp), ``rows``
        (one per form and region; ``*_from`` is the z nearest to 0 at which the event was found,
        ``z_low`` and ``z_high`` the region's least and greatest float, None where there is none)
        and ``curve`` (per form: middles of the bins of z, the largest error in ulp in each, None
        where no result was finite, and whether a result was not finite).

    Notes
    -----
    Memory does not grow with ``points``. Where a sample and not every value is tried, the largest
    errors are lower bounds. The first places are refined down to neighbouring floats, so they are
    exact for an event that, once begun, goes on: the forms' ``overflow``, ``nan``, ``zero`` do so.
    ``half_lost`` and ``lost`` come and go where they set in, as the rounding errors fall; for them
    the first place found may lie a little further out than the first there is.
    """
    layout = Format.of(dtype)
    plan = shares(layout, 2 * layout.patterns if dtype == "float16" else points)
    planned = sum(len(part) for strip, share in plan for part in strip.ranges(share))
    table = {(form, region): Cell() for form in forms for region in REASONS}
    curve = Curve(layout, forms)
    done = 0
    with np.errstate(all="ignore"):
        for strip, share in plan:
            met: dict[str, set[str]] = {form: set() for form in forms}
            for block in strip.blocks(share):
                z = layout.values(block, strip.side)
                truth = sigmoid_truth.truth(layout, z)
                bins = curve.bins(z)
                for name, form in forms.items():
                    error, events = evaluate(form, layout, z, truth)
                    cell = table[name, strip.region]
                    cell.take(z, error, events)
                    curve.take(name, bins, error)
                    for event, mask in events.items():
                        if event not in met[name] and mask.any():
                            met[name].add(event)
                            loud = int(block[np.argmax(mask)])
                            cell.meet(event, _first(form, event, layout, strip, loud))
                done += len(block)
                if progress is not None:
                    progress(done, planned)
    return {
        "dtype": dtype,
        "points": done,
        "exhaustive": done == 2 * layout.patterns,
        "reference_error": sigmoid_truth.bound(layout),
        "rows": _rows(layout, plan, table),
        "curve": curve.as_list(),
    }


def _first(form: Form, event: str, layout: Format, strip: Strip, loud: int) -> float:
    """The z of the strip's first magnitude with the event, by fanning out from its start.

    ``loud`` is a magnitude with the event, the first of the sample.
    """
    quiet = strip.start
    while loud - quiet > 1:
        step = -(-(loud - quiet) // FAN)
        fan = np.append(np.arange(quiet + step, loud, step, dtype=np.int64), loud)
        z = layout.values(fan, strip.side)
        mask = evaluate(form, layout, z, sigmoid_truth.truth(layout, z))[1][event]
        index = int(np.argmax(mask))
        quiet, loud = (int(fan[index - 1]) if index else quiet), int(fan[index])
    return float(layout.values(np.array([loud]), strip.side)[0])


def _rows(
    layout: Format, plan: list[tuple[Strip, int]], table: dict[tuple[str, str], Cell]
) -> list[dict[str, Any]]:
    ends: dict[str, list[float]] = {region: [] for region in REASONS}
    for strip, _ in plan:
        corners = np.array([strip.start, strip.stop - 1])
        ends[strip.region] += [float(z) for z in layout.values(corners, strip.side)]
    rows = []
    for (form, region), cell in table.items():
        finite = np.isfinite(ends[region]).all()
        row = {
            "format": layout.name,
            "form": form,
            "region": region,
            "z_low": min(ends[region]) if finite else None,
            "z_high": max(ends[region]) if finite else None,
            "points": cell.points,
            "largest_ulp_error": cell.largest if cell.largest >= 0 else None,
            "at": _number(cell.at),
        }
        for event in EVENTS:
            row[event] = cell.counts[event]
            row[f"{event}_from"] = _number(cell.first.get(event))
        rows.append(row)
    return rows


def _number(z: float | None) -> float | None:
    """A place for the table: JSON has no infinities and no NaN, whose region says it all."""
    return z if z is not None and np.isfinite(z) else None
