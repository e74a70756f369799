"""What a shard of each kind holds, field by field: a shard is data, and is checked as such."""

from typing import Any

from lstm_gpu.accuracy import FIELDS as ACCURACY
from lstm_gpu.claims.injection import FACTORS
from lstm_gpu.claims.sigmoid_events import EVENTS
from lstm_gpu.errors import InputError
from lstm_gpu.fields import (
    COUNT,
    FLAG,
    NAME,
    NUMBER,
    SHARE,
    SIZE,
    TEXT,
    WHOLE,
    Each,
    Maybe,
    Rule,
    check,
    choice,
)
from lstm_gpu.formulas.judgement import MARKS
from lstm_gpu.formulas.loading import NAMES
from lstm_gpu.ledger import MADE_FROM
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, REGIMES

DIGEST = Rule("a SHA-256", lambda value: type(value) is str and len(value) <= 64)
SEED = Rule("a seed", lambda value: type(value) is int and 0 <= value < 2**64)
_BINS = frozenset(map(str, range(-60, 61)))
BIN = Rule("a bin from -60 to 60", lambda value: value in _BINS)
# As `repr` writes a float, infinity included.
WRITTEN = Rule("a float, written out", lambda value: type(value) is str and _is_float(value))
MUTANT = Rule("a name or nothing", lambda value: value == "" or NAME.holds(value))

_SIGMOID_FORMATS = ("float16", "float32", "float64")

CASE = {
    "hidden_size": COUNT,
    "input_size": COUNT,
    "dtype": choice(DTYPES),
    "distribution": choice(DISTRIBUTIONS),
    "regime": choice(REGIMES),
}
_WORST = {
    "ratio": Maybe(SIZE),
    "error": SIZE,
    "bound": SIZE,
    "claimed": NUMBER,
    "measured": NUMBER,
    "index": COUNT,
    "entry": [COUNT],
}
_KEY = {"claim": NAME, "reading": MUTANT, "mutant": MUTANT, "reference": NAME}
RECORD = {
    **_KEY,
    "weight_sets": COUNT,
    "comparisons": COUNT,
    "refuted_sets": COUNT,
    "undecided_sets": COUNT,
    "decisive_sets": COUNT,
    "equivalent_sets": COUNT,
    "smallest_detectable": Maybe(SIZE),
    "histogram": Each(BIN, COUNT),
    "worst": Maybe(_WORST),
}
_LINT = {
    "weight_sets": COUNT,
    "saturated": COUNT,
    "entries": COUNT,
    "findings": Each(NAME, {"sets": COUNT, "hidden": [(NAME, NAME, COUNT)]}),
}
_INJECTION = {
    "claim": NAME,
    "reading": NAME,
    "reference": NAME,
    "size": NAME,
    "trials": (COUNT,) * len(FACTORS),
    "detected": (COUNT,) * len(FACTORS),
}
_ENCLOSURE = {
    "claim": NAME,
    "reading": NAME,
    "reference": NAME,
    "index": COUNT,
    "entry": (COUNT, COUNT),
    "proof": TEXT,
    "precision": COUNT,
    "derivative": TEXT,
    "formula": TEXT,
    "distance_log2_lower": Maybe(WHOLE),
    "distance_log2_upper": Maybe(WHOLE),
    "relative_log2_upper": Maybe(WHOLE),
    "reference_error_over_bound": Maybe(SIZE),
    "formula_error_over_bound": Maybe(SIZE),
    "bounds_hold": choice(("yes", "no", "undecided")),
}
_LADDER = {
    "formula": NAME,
    "reference": NAME,
    "steps": [SIZE],
    "gap": [Maybe(SIZE)],
    "bound": [Maybe(SIZE)],
    "excess": [Maybe(SIZE)],
    "label": [TEXT],
    "order": Maybe(NUMBER),
    "verdict": NAME,
    "reason": TEXT,
}
_SEARCH = {
    "weight_sets": COUNT,
    "rows": COUNT,
    "rows_without_argmax": COUNT,
    "ties_broken": COUNT,
    "samples": COUNT,
    "cap_samples": COUNT,
    "samples_above_claimed_maximum": COUNT,
    "largest_error_over_bound": Maybe(SIZE),
    "best_cosine": [NUMBER],
    "best_cosine_low": Maybe(NUMBER),
    "best_cosine_high": Maybe(NUMBER),
    "best_law": [SHARE],
    "ascent_angle": Maybe(SIZE),
    "ascent_bound": Maybe(SIZE),
    "directions": COUNT,
    "input_variants": COUNT,
    "covering_radius": Maybe(SIZE),
    "certificate": Maybe(FLAG),
}
_SHARD = {
    "case": CASE,
    "seed": SEED,
    "start": COUNT,
    "stop": COUNT,
    "backend": TEXT,
    "device": TEXT,
    "records": [RECORD],
}
_SURVEY_ROW = {
    "format": choice(_SIGMOID_FORMATS),
    "form": NAME,
    "region": NAME,
    "z_low": Maybe(NUMBER),
    "z_high": Maybe(NUMBER),
    "points": COUNT,
    "largest_ulp_error": Maybe(SIZE),
    "at": Maybe(NUMBER),
    **dict.fromkeys(EVENTS, COUNT),
    **{f"{event}_from": Maybe(NUMBER) for event in EVENTS},
}
_PLACE = {"index": COUNT, "entry": [COUNT]}
_FORMULA = {
    "quantity": choice(NAMES),
    "name": TEXT,
    "sha256": DIGEST,
    "error": TEXT,
    **{name: {"sets": COUNT, "first": Maybe(_PLACE)} for name in MARKS},
    "not_longer": FLAG,
    "decided": COUNT,
    "suspects": {
        "wrong_sets": COUNT,
        "suspects": Each(NAME, {"fits": FLAG, "scores": NUMBER, "sets": COUNT}),
        "scaling": dict.fromkeys(("low", "high", "least"), WRITTEN),
    },
}
SHARDS: dict[str, Any] = {
    "check": {
        **_SHARD,
        "accuracy": ACCURACY,
        "weights_digest": DIGEST,
        "lint": _LINT,
        "injections": [_INJECTION],
        "enclosures": [_ENCLOSURE],
        "ladder": [_LADDER],
    },
    "align": {**_SHARD, "accuracy": ACCURACY, "directions": COUNT, "search": _SEARCH},
    "formulas": {
        **_SHARD,
        "formulas": [_FORMULA],
        "records": [{**RECORD, "reading": TEXT}],  # FILE.FUNCTION, as the reader names them
    },
    "sigmoid": {
        "dtype": choice(_SIGMOID_FORMATS),
        "points": COUNT,
        "exhaustive": FLAG,
        "reference_error": SIZE,
        "rows": [_SURVEY_ROW],
        "curve": [{"form": NAME, "z": [NUMBER], "ulp": [Maybe(SIZE)], "not_finite": [FLAG]}],
        "records": [RECORD],
    },
}


def check_shard(content: Any, kind: str, source: str) -> None:
    """Refuse a shard whose fields are not what they must be, each alone and beside the others."""
    content = dict(content)
    check(content.pop(MADE_FROM, ""), DIGEST, source, MADE_FROM)
    check(content, SHARDS[kind], source)
    if kind == "sigmoid":
        for part in content["curve"]:
            _same_lengths(part, ("z", "ulp", "not_finite"), source)
        return
    start, stop = content["start"], content["stop"]
    inside = Rule(f"from {start} to {stop - 1}", lambda value: start <= value < stop)
    within = Rule(f"at most {stop - start}, as many as weight sets", lambda n: n <= stop - start)
    for record in content["records"]:
        for name in record:
            if name.endswith("_sets"):
                check(record[name], within, source, f"records.{name}")
        if record["worst"] is not None:
            check(record["worst"]["index"], inside, source, "records.worst.index")
    for row in content.get("enclosures", ()):
        check(row["index"], inside, source, "enclosures.index")
    for row in content.get("formulas", ()):
        for name in MARKS:
            marked, place = row[name], f"formulas.{name}"
            check(marked["sets"], within, source, f"{place}.sets")
            if marked["sets"]:
                check(marked["first"], _PLACE, source, f"{place}.first")
                check(marked["first"]["index"], inside, source, f"{place}.first.index")
    for part in content.get("ladder", ()):
        _same_lengths(part, ("steps", "gap", "bound", "excess", "label"), source)
    for part in content.get("injections", ()):
        for n in part["trials"]:
            check(n, within, source, "injections.trials")
    if kind == "check" and start == 0 < stop and not content["lint"]["entries"]:
        raise InputError(f"`lint.entries` in `{source}` must not be 0 where weight set 0 is.")
    if kind == "align":
        law = content["search"]["best_law"] if content["case"]["hidden_size"] > 1 else None
        wanted = len(content["search"]["best_cosine"]) if law is not None else 0
        found = len(content["search"]["best_law"])
        check(found, Rule(f"{wanted} values", lambda n: n == wanted), source, "search.best_law")


def _same_lengths(part: dict[str, Any], names: tuple[str, ...], source: str) -> None:
    lengths = {len(part[name]) for name in names}
    if len(lengths) > 1:
        raise InputError(
            f"`{', '.join(names)}` in `{source}` must be of one length, got {sorted(lengths)}. "
            "Delete the file and make it again."
        )


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) <= 30
