"""All float32 values: the forms of sigma', and how accurate exp, tanh and sigma are on a backend.

A range of magnitudes is one job, with a file of its own; the files of all ranges merge, in any
order, into the survey of the format and the accuracy that the bounds of this backend use.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu import files
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.claims.function_errors import FLOAT32, REFERENCE_ULP, from_dict, measure, to_dict
from lstm_gpu.claims.sigmoid_events import EVENTS
from lstm_gpu.claims.sigmoid_findings import BINS, Findings
from lstm_gpu.claims.sigmoid_regions import REASONS
from lstm_gpu.claims.sigmoid_survey import Progress, summary, survey_range
from lstm_gpu.errors import InputError
from lstm_gpu.fields import COUNT, FLAG, NUMBER, SIZE, TEXT, Each, Maybe, check, choice
from lstm_gpu.sigmoid_forms import DOCUMENT_FORMS, REMEDIES

__all__ = ["accuracy_from", "accuracy_here", "measure_range", "merge"]

_FORMS = (*DOCUMENT_FORMS, *REMEDIES)
_CELL = {
    "form": choice(_FORMS),
    "region": choice(tuple(REASONS)),
    "points": COUNT,
    "largest": NUMBER,
    "at": Maybe(NUMBER),
    "counts": dict.fromkeys(EVENTS, COUNT),
    "first": Each(choice(EVENTS), NUMBER),
}
_CURVE = {"form": choice(_FORMS), "largest": (NUMBER,) * BINS, "broken": (FLAG,) * BINS}
_ERRORS = {
    "values": COUNT,
    "ulp": SIZE,
    "at": Maybe(NUMBER),
    "subnormal": SIZE,
    "subnormal_at": Maybe(NUMBER),
    "wrong": COUNT,
    "changed": COUNT,
}
_MEASURED = {
    "dtype": choice((FLOAT32.name,)),
    "backend": TEXT,
    "device": TEXT,
    "routines": TEXT,
    "functions": dict.fromkeys(("exp", "tanh", "sigmoid"), _ERRORS),
}
_RANGE = {
    **_MEASURED,
    "start": COUNT,
    "stop": COUNT,
    "findings": {"cells": [_CELL], "curve": (_CURVE,) * len(_FORMS)},
}
_MACHINE = ("backend", "device", "routines")
_AGAIN = "Delete the files of the ranges and run the workflow again."


def measure_range(
    start: int, stop: int, backend: str = "auto", progress: Progress = None
) -> dict[str, Any]:
    """Every float32 with a magnitude (bit pattern without sign) from ``start`` to ``stop``.

    Returns
    -------
    dict with dtype, start, stop, backend, device, routines, findings (of the forms of sigma') and
    functions (errors of exp, tanh and sigma): JSON-able.
    """
    xp = backends.select(backend)
    backends.keep_freed_memory()
    values = 2 * (stop - start)

    def shown(before: int) -> Progress:
        return progress and (lambda done, _: progress(before + done, 2 * values))

    return {
        "dtype": FLOAT32.name,
        "start": start,
        "stop": stop,
        **_machine(xp),
        "findings": survey_range(FLOAT32.name, start, stop, xp, shown(0)).to_dict(),
        "functions": to_dict(measure(start, stop, xp, shown(values))),
    }


def merge(parts: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ranges of one format as one: its survey (as a sigmoid shard) and its function errors.

    Raises
    ------
    InputError
        Magnitudes are missing or there twice, or the ranges were measured on different backends.
    """
    findings = Findings(FLOAT32, ())
    functions: dict[str, Any] = {}
    machine: dict[str, str] = {}
    end = 0
    parts = list(parts)
    for part in parts:
        check(part, _RANGE, "the file of a range")
    for part in sorted(parts, key=lambda part: int(part["start"])):
        if part["start"] != end:
            state = "overlap" if part["start"] < end else "are missing"
            raise InputError(
                f"the ranges of {FLOAT32.name} must be there once each, but magnitudes between "
                f"{end} and {part['start']} {state}. {_AGAIN}"
            )
        end = part["stop"]
        own = {name: part[name] for name in _MACHINE}
        if machine and own != machine:
            raise InputError(
                f"the ranges of {FLOAT32.name} must be measured by one backend, got {own} beside "
                f"{machine}. {_AGAIN}"
            )
        machine = own
        found = Findings.from_dict(FLOAT32, part["findings"])
        if findings.forms:
            findings.merge(found)
        else:
            findings = found
        for name, errors in from_dict(part["functions"]).items():
            functions.setdefault(name, type(errors)()).merge(errors)
    if end != FLOAT32.patterns:
        raise InputError(
            f"the ranges of {FLOAT32.name} must reach {FLOAT32.patterns}, got {end}. {_AGAIN}"
        )
    survey = {**summary(findings), "records": []}
    return survey, {"dtype": FLOAT32.name, **machine, "functions": to_dict(functions)}


def accuracy_from(paths: Iterable[Path], dtype: str, backend: str = "auto") -> Accuracy:
    """The accuracy that a job of this dtype may use, by the file of a measurement, or by none."""
    for path in paths:
        return accuracy_here(files.read_json(path, "accuracy"), dtype, backend)
    return DOCUMENTED


def accuracy_here(content: Mapping[str, Any], dtype: str, backend: str = "auto") -> Accuracy:
    """The accuracy that a job of this dtype may use, by a measurement (`merge`'s second part).

    The measured one where the measurement is of all values of the dtype by the very routines that
    this process has; the documented one elsewhere, and `source` says why. A function with a result
    of the wrong kind, or too wrong below the normal range, has an infinite error: the bounds then
    decide nothing. One whose bits depend on the layout in memory was not measured in every layout:
    the larger of measured and documented counts.
    """
    check(content, _MEASURED, "the file of the accuracy")
    here = _machine(backends.select(backend))
    there = {name: content[name] for name in _MACHINE}
    if content["dtype"] != dtype:
        return _documented(f"the measurement is of {content['dtype']}")
    if there != here:
        differing = ", ".join(
            f"{k} {there[k]!r}, here {here[k]!r}" for k in here if there[k] != here[k]
        )
        return _documented(f"the measurement is of another backend: {differing}")
    functions = from_dict(content["functions"])
    if any(errors.values != 2 * FLOAT32.patterns for errors in functions.values()):
        return _documented("the measurement is not of all values")
    largest, notes = {}, []
    for name, errors in functions.items():
        documented = getattr(DOCUMENTED, f"{name}_ulp")
        largest[f"{name}_ulp"] = errors.ulp + REFERENCE_ULP
        if errors.changed:
            largest[f"{name}_ulp"] = max(largest[f"{name}_ulp"], documented)
            notes.append(f"{name} depends on the layout in memory")
        if errors.wrong or errors.subnormal > 1:
            largest[f"{name}_ulp"] = float("inf")
            notes.append(f"{name} has wrong results")
        elif errors.ulp > documented:
            notes.append(f"{name} is above the documented {documented:g} ulp")
    source = f"measured: all {2 * FLOAT32.patterns:,} values of {dtype}, {here['routines']}"
    return Accuracy(**largest, source="; ".join([source, *notes]))


def _documented(reason: str) -> Accuracy:
    values = DOCUMENTED.as_dict()
    return Accuracy(**{**values, "source": f"{values['source']}; {reason}"})


def _machine(xp: Any) -> dict[str, str]:
    return {**backends.describe(xp), "routines": backends.routines(xp)}
