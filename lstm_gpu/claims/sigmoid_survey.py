"""Claim D5 in floating point: where each form of sigma' overflows, cancels or flushes to zero.

Each form runs on arrays of the format, rounding after every operation as written. NumPy
evaluates float16 by converting to float32, computing and rounding each result back; for
``+ - * /`` that is the correctly rounded float16 result (24 bits are at least 2 · 11 + 2), and for
``exp`` and ``**`` it is correct but next to a tie (a processor with half-precision instructions may
be given another routine). Float32 and float64 use the platform's vector routines. So the last
digits of a finding may differ between kinds of processor; on one they never do.

Events (``sigmoid_events``) are counted per form and region (``sigmoid_regions``), each with the z
nearest to 0 where it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from lstm_gpu.claims import sigmoid_truth
from lstm_gpu.claims.sigmoid_events import EVENTS, Sample
from lstm_gpu.claims.sigmoid_findings import Findings
from lstm_gpu.claims.sigmoid_regions import Format, Strip, shares, strips
from lstm_gpu.sigmoid_forms import DOCUMENT_FORMS, REMEDIES, Form

SURVEYED: dict[str, Form] = {**DOCUMENT_FORMS, **REMEDIES}
FAN = 64
CACHED, LARGE = 1 << 15, 1 << 22  # values of a block on a processor and on a device

Progress = Callable[[int, int], None] | None


def survey(
    dtype: str,
    points: int,
    progress: Progress = None,
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
        As ``summary`` says.

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
    return summary(_walk(layout, plan, forms, np, progress))


def survey_range(
    dtype: str,
    start: int,
    stop: int,
    xp: Any = np,
    progress: Progress = None,
    forms: Mapping[str, Form] = SURVEYED,
) -> Findings:
    """Every value whose magnitude is from ``start`` to ``stop`` (exclusive), on both sides.

    The findings of ranges that cover the format merge to those of ``survey`` with all points.
    """
    layout = Format.of(dtype)
    parts = [strip.within(start, stop) for strip in strips(layout)]
    plan = [(part, part.stop - part.start) for part in parts if part.start < part.stop]
    return _walk(layout, plan, forms, xp, progress)


def summary(found: Findings) -> dict[str, Any]:
    """The findings as the shard of a format holds them.

    ``dtype``, ``points`` (tried), ``exhaustive``, ``reference_error`` (bound, ulp), ``rows`` (one
    per form and region; ``*_from`` is the z nearest to 0 at which the event was found, ``z_low``
    and ``z_high`` the region's least and greatest float, None where there is none) and ``curve``
    (per form: middles of the bins of z, the largest error in ulp in each, None where no result was
    finite, and whether a result was not finite).
    """
    layout = found.layout
    points = sum(cell.points for (form, _), cell in found.cells.items() if form == found.forms[0])
    return {
        "dtype": layout.name,
        "points": points,
        "exhaustive": points == 2 * layout.patterns,
        "reference_error": sigmoid_truth.bound(layout),
        "rows": found.rows(),
        "curve": found.curve.as_list(),
    }


def _walk(
    layout: Format,
    plan: Iterable[tuple[Strip, int]],
    forms: Mapping[str, Form],
    xp: Any,
    progress: Progress,
) -> Findings:
    """Try the forms on each strip's share of points, outward."""
    plan = list(plan)
    planned = sum(len(part) for strip, share in plan for part in strip.ranges(share))
    found = Findings(layout, forms)
    done = 0
    with np.errstate(all="ignore"):
        for strip, share in plan:
            met: dict[str, set[str]] = {form: set() for form in forms}
            whole = share >= strip.stop - strip.start
            for block in strip.blocks(share, CACHED if xp is np else LARGE):
                flat = sigmoid_truth.constant(layout, block)
                sample = Sample(layout, layout.values(block, strip.side, xp), flat)
                cuts = found.curve.cuts(block, strip.side)
                for name, form in forms.items():
                    error, events = sample.evaluate(form)
                    error = xp.where(xp.isfinite(error), error, -1.0)
                    cell = found.cells[name, strip.region]
                    cell.take(sample.z, error, events)
                    found.curve.take(name, cuts, error)
                    for event in set(EVENTS) - met[name]:
                        hit = int(events[event].argmax())
                        if events[event][hit]:
                            met[name].add(event)
                            loud = block[hit]
                            first = loud if whole else _first(form, event, layout, strip, loud)
                            cell.meet(event, layout.value(first, strip.side))
                done += len(block)
                if progress is not None:
                    progress(done, planned)
    return found


def _first(form: Form, event: str, layout: Format, strip: Strip, loud: int) -> int:
    """The strip's first magnitude with the event, by fanning out from its start.

    ``loud`` is a magnitude with the event, the first of the sample.
    """
    quiet = strip.start
    while loud - quiet > 1:
        step = -(-(loud - quiet) // FAN)
        fan = range(quiet + step, loud, step)
        mask = Sample(layout, layout.values(fan, strip.side)).evaluate(form)[1][event]
        hit = int(mask.argmax()) if mask.any() else len(fan)
        quiet, loud = (fan[hit - 1] if hit else quiet), (fan[hit] if hit < len(fan) else loud)
    return loud
