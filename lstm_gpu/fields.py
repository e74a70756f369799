"""What the content of a file must look like: the fields, their types and their ranges.

A rule is one of: a `Rule` for a value; `{"key": rule, …}` for a mapping with just these keys;
`[rule]` for a list; `(rule, …)` for a list of that length; `Each(rule, rule)` for a mapping with
any keys that keep the first; `Maybe(rule)` for a value that may be None.
"""

import math
import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count, repeat
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


class _RuleError(Exception):
    """The innermost value that breaks its rule, and the steps to it, the last one first."""

    def __init__(self, words: str, value: Any) -> None:
        self.words, self.value, self.steps = words, value, list[str | int]()


def check(value: Any, rule: Any, source: str, place: str = "") -> None:
    """Compare a value with a rule, from the outside inwards.

    Raises
    ------
    InputError
        The first thing that breaks it: the place, the rule and the value.
    """
    try:
        _compare(value, rule)
    except _RuleError as broken:
        for step in reversed(broken.steps):
            place += f"[{step}]" if isinstance(step, int) else step
        raise InputError(
            f"`{place.lstrip('.') or 'content'}` in `{source}` must be {broken.words}, "
            f"got {brief(broken.value)}. Delete the file and make it again."
        ) from None


def _compare(value: Any, rule: Any) -> None:
    """`check`, without the place: only the value that breaks its rule has it put together."""
    if isinstance(rule, Rule):
        if not rule.holds(value):
            raise _RuleError(rule.words, value)
    elif isinstance(rule, Maybe):
        if value is not None:
            _compare(value, rule.rule)
    else:
        for step, item, inner in _parts(value, rule):
            try:
                _compare(item, inner)
            except _RuleError as broken:
                broken.steps.append(step if isinstance(step, int) else f".{step}")
                raise


def _parts(value: Any, rule: Any) -> Iterator[tuple[str | int, Any, Any]]:
    """What a mapping or a list is made of, each with the rule for it."""
    if isinstance(rule, Each):
        if not isinstance(value, dict) or len(value) > _MOST_KEYS:
            raise _RuleError(f"a mapping of up to {_MOST_KEYS} keys", value)
        for key, item in value.items():
            yield "(a key)", key, rule.key
            yield key, item, rule.value
    elif isinstance(rule, dict):
        if not isinstance(value, dict) or value.keys() != rule.keys():
            raise _RuleError(f"a mapping of {', '.join(rule)}", value)
        for key, inner in rule.items():
            yield key, value[key], inner
    else:
        if not isinstance(value, list):
            raise _RuleError("a list", value)
        if isinstance(rule, tuple) and len(value) != len(rule):
            raise _RuleError(f"a list of {len(rule)}", value)
        rules = rule if isinstance(rule, tuple) else repeat(rule[0])
        yield from zip(count(), value, rules, strict=False)  # two of them have no end


def brief(value: Any) -> str:
    """A value of a hostile file, however long or deep, in a few signs."""
    if (
        type(value) is int and value.bit_length() > 200
    ):  # its decimals may be more than Python writes
        return f"a whole number of {math.floor(value.bit_length() * math.log10(2)) + 1} digits"
    return f"{reprlib.repr(value):.60}"
