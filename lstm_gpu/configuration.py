"""The experiment: reading it, refusing a wrong one in one line, its cases and its shards.

The rules are data, in workflow/schemas/config.schema.yaml; here they become messages.
"""

import ast
import difflib
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from lstm_gpu import intake
from lstm_gpu.errors import InputError
from lstm_gpu.fields import brief
from lstm_gpu.formulas.helpers import folder_of, helpers
from lstm_gpu.weights.case import Case

__all__ = [
    "COMMAND_MEMORY_LIMIT",
    "MEMORY_LIMIT",
    "case_table",
    "check_writable",
    "exhaustive",
    "formula_helpers",
    "formula_paths",
    "load",
    "shards",
    "sigmoid_points",
    "sigmoid_ranges",
    "validate",
]

SCHEMA = Path(__file__).parents[1] / "workflow" / "schemas" / "config.schema.yaml"

MEMORY_LIMIT = 2**30
"""Bytes that one job may use."""

COMMAND_MEMORY_LIMIT = 4 * MEMORY_LIMIT
"""Bytes that a command may use, which runs alone."""

SHARD_LIMIT = 100_000
"""Shards of one run, each a file: more are a burden for file systems, and say nothing more."""

CASE_LIMIT = 5_000
"""Cases of one run: each has the steps of four ladders in ladder.csv, and more of them would make
that table too large to be read again."""

SEARCH_LIMIT = 1_000_000
"""Weight sets of one run whose sphere is searched, each a line of best_cosine.csv, and a part of an
align shard: more of them would make files too large to be read again."""

LEAST_RISK = 1e-300
"""Shared out over all cases it must stay a number above 0."""

VALUES = {"float16": 2**16, "float32": 2**32}
"""How many values a format has, where all of them can be measured."""

_PLACEHOLDER = set("<>{}")  # in a path that a rule of the workflow names

SIGMOID_RANGE = 2**26
"""Magnitudes (bit patterns without the sign) of one job of the exhaustive survey: 32 jobs."""


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and validate the configuration file at `path`.

    Raises
    ------
    InputError
        The file is missing, unreadable, not YAML, or breaks a rule of the schema.
    """
    from lstm_gpu import plain_yaml  # late: the core needs no YAML

    raw = intake.contents(path, plain_yaml.LARGEST, "Name a configuration file.")
    content = plain_yaml.load(raw, os.fspath(path))
    return validate(content, source=os.fspath(path))


def validate(config: Any, source: str = "configuration", formulas: bool = True) -> dict[str, Any]:
    """Return `config` as a plain dictionary when it keeps every rule.

    formulas : whether the files that it names must be there

    Raises
    ------
    InputError
        The first broken rule, in one line: the field, the rule, the value and the remedy.
    """
    if not isinstance(config, Mapping):
        raise InputError(
            f"`{source}` must be a mapping of keys to values, got {_quote(config)}. "
            "Compare with config/config.yaml."
        )
    broken = sorted(
        _validator().iter_errors(config),
        # A mistyped key first: it is also the reason why its right spelling is missing.
        key=lambda error: (error.validator != "additionalProperties", list(map(str, error.path))),
    )
    if broken:
        raise InputError(_message(broken[0], source))
    if not LEAST_RISK <= config["false_alarm_risk"] < 1:  # nor NaN
        raise InputError(
            f"{source}: `false_alarm_risk` must be finite and at least {LEAST_RISK}. Choose 1.0e-6."
        )
    searched, drawn = config["sphere"]["weight_sets"], config["weight_sets"]
    if searched > drawn:
        raise InputError(
            f"{source}: `sphere.weight_sets` must be at most `weight_sets`, got {searched} and "
            f"{drawn}. Choose {drawn} or less."
        )
    if formulas:
        for path in formula_paths(config, source):
            _check_syntax(path, source)
    _check_cases(config, source)
    _check_shards(config, source)
    _check_search(config, source)
    _check_memory(config, source)
    return dict(config)


def formula_paths(config: Mapping[str, Any], source: str = "configuration") -> list[Path]:
    """The files of readers' own formulas; relative ones are in the checkout.

    Raises
    ------
    InputError
        There is no such file, or its name cannot stand in tables and rules.
    """
    paths = [SCHEMA.parents[2] / name for name in config.get("formulas", ())]
    for name, path in zip(config.get("formulas", ()), paths, strict=True):
        if not path.is_file():
            raise InputError(
                f"{source}: `formulas` must name Python files, but there is no `{name}`. Give its "
                "path from the folder of the Snakefile, or from /."
            )
        whole = f"{path}{path.parent.resolve()}{folder_of(path)}"
        if not whole.isprintable() or _PLACEHOLDER & set(whole):
            raise InputError(
                f"{source}: `formulas` must have names of printable signs other than <>{{}}, which "
                f"Snakemake reads as placeholders, but `{name}` or its folder has not. Rename it."
            )
    return paths


def formula_helpers(config: Mapping[str, Any]) -> list[str]:
    """The paths of the modules that those files import from beside them, each once."""
    found = [
        str(folder_of(path) / name)
        for path in formula_paths(config)
        for name in helpers(path, path.read_bytes())
    ]
    return list(dict.fromkeys(found))


def _check_syntax(path: Path, source: str) -> None:
    """Refuse a file that is no Python, without running it.

    Raises
    ------
    InputError
        It cannot be read, or not be parsed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # they come again when the file is run
            ast.parse(path.read_bytes())
    except OSError as error:
        why = str(error.strerror)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", None) or str(error) or type(error).__name__
        if isinstance(error, SyntaxError) and error.lineno:
            why = f"line {error.lineno}: {why}"
    else:
        return
    raise InputError(
        f"{source}: `formulas` must name Python files, but `{path}` cannot be read as one: {why}. "
        "Correct it."
    )


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Refuse a results folder that no job could write to, before any job has computed something.

    Raises
    ------
    InputError
        A file is in the way, or the folder (or the one it would be made in) is read-only.
    """
    folder = Path(folder)
    nearest = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    if not nearest.is_dir():
        reason = "it is a file" if nearest == folder else f"`{nearest}` is a file"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        reason = f"no permission to write in `{nearest.resolve()}`"
    else:
        return
    raise InputError(
        f"`{folder}` must be a folder that can be written, but {reason}. Remove it, correct the "
        "permissions or run in another folder (`snakemake --directory`)."
    )


def case_table(config: Mapping[str, Any]) -> list[Case]:
    """The cases of the experiment, in a fixed order.

    Hidden sizes and dtypes are crossed in full. Within each pair the distributions, regimes and
    input sizes are walked through together, each cycled up to the longest of the three and started
    at another place for each pair (as in a Latin square): so each of them meets every hidden size
    and every dtype, and over the hidden sizes every pairing of two axes occurs.
    """
    axes = config["cases"]
    distributions, regimes, rules = axes["distribution"], axes["regime"], axes["input_size"]
    steps = max(len(distributions), len(regimes), len(rules))
    cases = [
        Case(
            hidden_size=n,
            input_size=_input_size(n, rules[(step + 2 * row + column) % len(rules)]),
            dtype=dtype,
            distribution=distributions[step % len(distributions)],
            regime=regimes[(step + row + column) % len(regimes)],
        )
        for (row, n), (column, dtype), step in product(
            enumerate(axes["hidden_size"]), enumerate(axes["dtype"]), range(steps)
        )
    ]
    return list(dict.fromkeys(cases))  # at n = 1 `smaller` is `equal`


def shards(weight_sets: int, shard_size: int) -> Iterator[tuple[int, int]]:
    """The index ranges (start, stop) of the shards of one case, in order."""
    for start in range(0, weight_sets, shard_size):
        yield start, min(start + shard_size, weight_sets)


def sigmoid_points(config: Mapping[str, Any], dtype: str) -> int:
    """How many values of `dtype` the survey of sigma' takes."""
    points = config["sigmoid"][dtype]
    return VALUES[dtype] if points == "all" else int(points)


def exhaustive(config: Mapping[str, Any]) -> bool:
    """Whether every float32 is measured, which takes many jobs."""
    return sigmoid_points(config, "float32") == VALUES["float32"]


def sigmoid_ranges() -> Iterator[tuple[int, int]]:
    """The ranges (start, stop) of float32 magnitudes, one for each job of the exhaustive survey."""
    yield from shards(VALUES["float32"] // 2, SIGMOID_RANGE)


def _input_size(n: int, rule: str) -> int:
    half = max(1, n // 2)
    return {"equal": n, "smaller": half, "larger": n + half}[rule]


def _check_cases(config: Mapping[str, Any], source: str) -> None:
    if (cases := len(case_table(config))) > CASE_LIMIT:
        raise InputError(
            f"{source}: `cases` must be at most {CASE_LIMIT} together, got {cases}. Choose fewer "
            "of `hidden_size`."
        )


def _check_shards(config: Mapping[str, Any], source: str) -> None:
    axes = config["cases"]
    steps = max(len(axes[axis]) for axis in ("distribution", "regime", "input_size"))
    cases = len(axes["hidden_size"]) * len(axes["dtype"]) * steps
    kinds = 2 if config.get("formulas") else 1
    files = cases * (1 + kinds * math.ceil(config["weight_sets"] / config["shard_size"]))
    if files > SHARD_LIMIT:
        raise InputError(
            f"{source}: `shard_size` must leave at most {SHARD_LIMIT} shards, got "
            f"{config['shard_size']}, which makes {files}. Make `shard_size` larger or "
            "`weight_sets` smaller."
        )


def _check_search(config: Mapping[str, Any], source: str) -> None:
    cases, searched = len(case_table(config)), config["sphere"]["weight_sets"]
    if cases * searched > SEARCH_LIMIT:
        raise InputError(
            f"{source}: `sphere.weight_sets` must leave at most {SEARCH_LIMIT} searched weight "
            f"sets in all cases together, got {searched}, which makes {cases * searched}. Choose "
            f"{SEARCH_LIMIT // cases} or less."
        )


def _check_memory(config: Mapping[str, Any], source: str) -> None:
    from lstm_gpu.campaign import job_memory  # late: the array code is slow to import

    for case in sorted(case_table(config), key=lambda case: -case.hidden_size):
        needed = job_memory(case)
        if needed > MEMORY_LIMIT:
            raise InputError(
                f"{source}: `cases.hidden_size` must leave every job below "
                f"{MEMORY_LIMIT / 2**30:.3g} GiB, got {_quote(case.hidden_size)}, for which "
                f"one {case.dtype} weight set takes {min(needed, 2**1000) / 2**30:.3g} GiB. "
                "Choose a smaller hidden size."
            )


@cache
def _validator() -> Any:
    import yaml
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # JSON Schema lets 2.0 pass as an integer; here a count is written as one.
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    try:
        schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"`{SCHEMA}` cannot be read: {error.strerror}. Run from a complete checkout."
        ) from error
    return extend(Draft202012Validator, type_checker=checker)(schema)


def _message(error: Any, source: str) -> str:
    """One line for one broken rule of the schema (a jsonschema ValidationError)."""
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path)
    field, value, rule = field.lstrip("."), error.instance, error.validator_value
    where = f"{source}: `{field}`"
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in value if key not in known)
            inside = f" in `{field}`" if field else ""
            return (
                f"{source}: unknown key `{unknown!s:.60}`{inside}. "
                f"{_nearest(unknown, known) or 'The keys are ' + ', '.join(known) + '.'}"
            )
        case "required":
            missing = next(key for key in rule if key not in value)
            full = f"{field}.{missing}".lstrip(".")
            about = error.schema["properties"][missing]["description"]
            return f"{source}: `{full}` is missing ({about}). Add it, as in config/config.yaml."
        case "enum":
            return (
                f"{where} must be one of {', '.join(rule)}; got {_quote(value)}. "
                f"{_nearest(value, rule) or 'Choose one of them.'}"
            )
        case "const":
            must, remedy = f"be `{rule}`", f"Write `{rule}`."
        case "type":
            words = {"integer": "an integer", "number": "a number", "array": "a list"}
            must = f"be {words.get(rule, 'a mapping of keys to values')}"
            remedy = _retype(value, rule)
        case "minimum":
            must = "be a positive integer" if rule == 1 else f"be at least {rule}"
            remedy = f"Choose {rule} or more."
        case "maximum":
            must, remedy = f"be at most {rule}", f"Choose {rule} or less."
        case "exclusiveMinimum" | "exclusiveMaximum":
            must, remedy = "lie strictly between 0 and 0.1", "Choose 1.0e-6."
        case "minItems":
            must, remedy = "have at least one entry", "Add one, as in config/config.yaml."
        case "uniqueItems":
            must, remedy = "have each entry once", "Remove the second one."
        case other:
            must, remedy = f"keep the rule {other}: {rule}", "Compare with config/config.yaml."
    return f"{where} must {must}, got {_quote(value)}. {remedy} ({error.schema['description']})"


def _nearest(word: Any, known: list[str]) -> str:
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    return f"Did you mean `{close[0]}`?" if close else ""


def _retype(value: Any, wanted: str) -> str:
    if wanted == "array" and not isinstance(value, (dict, type(None))):
        return f"Write [{_quote(value).strip('`')}]."
    if wanted == "number" and isinstance(value, str):
        return "Write it with a point and without quotes, as in 1.0e-6."
    return "Compare with config/config.yaml."


def _quote(value: Any, width: int = 60) -> str:
    """A value of the configuration, cut: one that was not read here may be of any size."""
    if value is None:
        return "nothing"
    text = f"`{value[:width]}`" if isinstance(value, str) else brief(value)
    return text if len(text) <= width else text[: width - 3] + "..."
