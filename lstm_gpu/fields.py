"""What the content of a file must look like: the fields, their types and their ranges.

A rule is one of: a `Rule` for a value; `{"key": rule, …}` for a mapping with just these keys;
`[rule]` for a list; `(rule, …)` for a list of that length; `Each(rule, rule)` for a mapping with
any keys that keep the first; `Maybe(rule)` for a value that may be None.
"""

import math
import re
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lstm_gpu.errors import InputError

__all__ = [
    "COUNT",
    "FLAG",
    "NAME",
    "NUMBER",
    "SHARE",
    "SIZE",
    "TEXT",
    "WHOLE",
    "Each",
    "Maybe",
    "Rule",
    "brief",
    "check",
    "choice",
]

_LONGEST_TEXT = 4000
_MOST_KEYS = 10_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}")


class Rule(NamedTuple):
    """A condition on one value, in words and as a function."""

    words: str
    holds: Callable[[Any], bool]


class Each(NamedTuple):
    """A mapping whose keys and values keep one rule each."""

    key: Any
    value: Any


class Maybe(NamedTuple):
    """None, or what the rule asks for."""

    rule: Any


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _number(value: Any) -> bool:
    """Finite, also as a float: an integer may be beyond all of them."""
    return type(value) in (int, float) and abs(value) <= 1.7976931348623157e308


COUNT = Rule("a whole number from 0 to 2^62", _whole(0, 2**62))
WHOLE = Rule("a whole number of up to 62 bits", _whole(-(2**62), 2**62))
SIZE = Rule("a number of at least 0", lambda value: _number(value) and value >= 0)
SHARE = Rule("a number from 0 to 1", lambda value: _number(value) and 0 <= value <= 1)
NUMBER = Rule("a finite number", _number)
FLAG = Rule("true or false", lambda value: type(value) is bool)
TEXT = Rule(
    f"printable text of up to {_LONGEST_TEXT} signs",
    lambda value: type(value) is str and len(value) <= _LONGEST_TEXT and value.isprintable(),
)
NAME = Rule(
    "a name (letters, digits, _ and points)",
    lambda value: type(value) is str and _NAME.fullmatch(value) is not None,
)


def choice(known: Sequence[str]) -> Rule:
    """One of some words."""
    return Rule(f"one of {', '.join(known)}", lambda value: type(value) is str and value in known)


def check(value: Any, rule: Any, source: str, place: str = "") -> None:
    """Compare a value with a rule, from the outside inwards.

    Raises
    ------
    InputError
        The first thing that breaks it: the place, the rule and the value.
    """

    def refuse(words: str) -> InputError:
        return InputError(
            f"`{place or 'content'}` in `{source}` must be {words}, got {brief(value)}. "
            "Delete the file and make it again."
        )

    if isinstance(rule, Maybe):
        if value is not None:
            check(value, rule.rule, source, place)
    elif isinstance(rule, Rule):
        if not rule.holds(value):
            raise refuse(rule.words)
    elif isinstance(rule, Each):
        if not isinstance(value, dict) or len(value) > _MOST_KEYS:
            raise refuse(f"a mapping of up to {_MOST_KEYS} keys")
        for key, item in value.items():
            check(key, rule.key, source, f"{place} (a key)")
            check(item, rule.value, source, f"{place}.{key}")
    elif isinstance(rule, dict):
        if not isinstance(value, dict) or value.keys() != rule.keys():
            raise refuse(f"a mapping of {', '.join(rule)}")
        for key, inner in rule.items():
            check(value[key], inner, source, f"{place}.{key}".lstrip("."))
    elif isinstance(rule, list):
        if not isinstance(value, list):
            raise refuse("a list")
        for index, item in enumerate(value):
            check(item, rule[0], source, f"{place}[{index}]")
    else:
        if not isinstance(value, list) or len(value) != len(rule):
            raise refuse(f"a list of {len(rule)}")
        for index, (item, inner) in enumerate(zip(value, rule, strict=True)):
            check(item, inner, source, f"{place}[{index}]")


def brief(value: Any) -> str:
    """A value of a hostile file, however long or deep, in a few signs."""
    if (
        type(value) is int and value.bit_length() > 200
    ):  # its decimals may be more than Python writes
        return f"a whole number of {math.floor(value.bit_length() * math.log10(2)) + 1} digits"
    return f"{reprlib.repr(value):.60}"
