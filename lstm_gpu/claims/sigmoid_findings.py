"""What a survey of the forms of sigma' has found: merges in any order, to the same bits.

Counts add up, maxima are maxima. Where the largest error is met at several z, the z nearest to 0
stands for them, and of z and -z the negative one; so it is with the first place of an event.
"""

from __future__ import annotations

import copy
import decimal
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lstm_gpu.backend import namespace_of
from lstm_gpu.claims.sigmoid_events import EVENTS
from lstm_gpu.claims.sigmoid_regions import REASONS, Format, edges, strips

BINS = 400


def nearer(z: float, other: float | None) -> bool:
    """Whether z stands for both: it is nearer to 0, or as near and negative."""
    return other is None or (abs(z), z) < (abs(other), other)


@dataclass
class Cell:
    """What is known of one form in one region: counts, first places, and the largest error."""

    points: int = 0
    largest: float = -1.0
    at: float | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(EVENTS, 0))
    first: dict[str, float] = field(default_factory=dict)

    def take(self, z: Any, error: Any, events: dict[str, Any]) -> None:
        """Count a block, z outward, error -1 where it is not finite; for first places, `meet`.

        error and events may have one entry, which stands for all.
        """
        xp = namespace_of(z)
        self.points += len(z)
        for event, mask in events.items():
            self.counts[event] += int(xp.count_nonzero(mask)) * (len(z) // len(mask))
        index = int(error.argmax())
        self.reach(float(error[index]), float(z[index]))

    def reach(self, error: float, at: float | None) -> None:
        """An error at a place: kept when it is the largest."""
        if error < 0 or at is None:
            return
        if error > self.largest or (error == self.largest and nearer(at, self.at)):
            self.largest, self.at = error, at

    def meet(self, event: str, z: float) -> None:
        """An event at a place. Infinities and NaNs are no place: their region says it all."""
        if math.isfinite(z) and nearer(z, self.first.get(event)):
            self.first[event] = z

    def merge(self, other: Cell) -> None:
        self.points += other.points
        self.reach(other.largest, other.at)
        for event, count in other.counts.items():
            self.counts[event] += count
        for event, z in other.first.items():
            self.meet(event, z)


class Curve:
    """The largest error of each form in ``BINS`` bins of z, evenly spaced in asinh(z)."""

    def __init__(self, layout: Format, forms: Iterable[str]) -> None:
        reach = math.asinh(1.1 * float(edges(layout)["underflow"]))
        half = BINS // 2
        self.middle = [math.sinh((j + 0.5) / half * reach) for j in range(half)]
        self.starts = [  # magnitudes; the last one is where the last bin ends
            layout.magnitude(decimal.Decimal(math.sinh(j / half * reach))) for j in range(half + 1)
        ]
        self.largest = {form: np.full(BINS, -1.0) for form in forms}
        self.broken = {form: np.zeros(BINS, bool) for form in self.largest}

    def cuts(self, block: range, side: int) -> list[tuple[int, slice]]:
        """The bins that a block meets, each with its entries; none beyond the last bin."""
        found = []
        low = bisect_right(self.starts, block.start) - 1
        for j in range(low, min(bisect_right(self.starts, block[-1]), BINS // 2)):
            first, stop = (
                min(max(-(-(limit - block.start) // block.step), 0), len(block))
                for limit in self.starts[j : j + 2]
            )
            if first < stop:
                found.append((BINS // 2 + j if side > 0 else BINS // 2 - 1 - j, slice(first, stop)))
        return found

    def take(self, form: str, cuts: list[tuple[int, slice]], error: Any) -> None:
        """Count a block; error -1 where it is not finite, or one entry, which stands for all."""
        for index, part in cuts:
            part = slice(1) if len(error) == 1 else part
            largest = float(error[part].max())
            self.largest[form][index] = max(self.largest[form][index], largest)
            self.broken[form][index] |= bool(error[part].min() < 0)

    def merge(self, other: Curve) -> None:
        for form, largest in other.largest.items():
            self.largest[form] = np.maximum(self.largest[form], largest)
            self.broken[form] |= other.broken[form]

    def as_list(self) -> list[dict[str, Any]]:
        middle = np.array([-z for z in reversed(self.middle)] + self.middle)
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


class Findings:
    """Cells by form and region, and the curve."""

    def __init__(self, layout: Format, forms: Iterable[str]) -> None:
        self.layout = layout
        self.forms = tuple(forms)
        self.cells = {(form, region): Cell() for form in self.forms for region in REASONS}
        self.curve = Curve(layout, self.forms)

    def merge(self, other: Findings) -> None:
        for key, cell in other.cells.items():
            self.cells[key].merge(cell)
        self.curve.merge(other.curve)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without loss."""
        return {
            "cells": [
                {"form": form, "region": region, **asdict(cell)}
                for (form, region), cell in self.cells.items()
            ],
            "curve": [
                {"form": form, "largest": largest.tolist(), "broken": broken.tolist()}
                for (form, largest), broken in zip(
                    self.curve.largest.items(), self.curve.broken.values(), strict=True
                )
            ],
        }

    @classmethod
    def from_dict(cls, layout: Format, content: Mapping[str, Any]) -> Findings:
        found = cls(layout, [part["form"] for part in content["curve"]])
        for part in content["cells"]:
            values = copy.deepcopy(dict(part))
            key = values.pop("form"), values.pop("region")
            found.cells[key] = Cell(**values)
        for part in content["curve"]:
            found.curve.largest[part["form"]] = np.array(part["largest"])
            found.curve.broken[part["form"]] = np.array(part["broken"])
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One per form and region, as in ``sigmoid.csv``; z_low and z_high are the region's."""
        ends: dict[str, list[float]] = {region: [] for region in REASONS}
        for strip in strips(self.layout):
            corners = (strip.start, strip.stop - 1)
            ends[strip.region] += [self.layout.value(corner, strip.side) for corner in corners]
        rows = []
        for (form, region), cell in self.cells.items():
            finite = np.isfinite(ends[region]).all()
            row = {
                "format": self.layout.name,
                "form": form,
                "region": region,
                "z_low": min(ends[region]) if finite else None,
                "z_high": max(ends[region]) if finite else None,
                "points": cell.points,
                "largest_ulp_error": cell.largest if cell.largest >= 0 else None,
                "at": cell.at if cell.at is not None and math.isfinite(cell.at) else None,
            }
            for event in EVENTS:
                row[event] = cell.counts[event]
                row[f"{event}_from"] = cell.first.get(event)
            rows.append(row)
        return rows
