"""The plain part of YAML: mappings, lists, text, numbers, true, false and null, each written once.

A configuration is data. What else YAML offers makes a short file large (an alias repeats what it
names, and aliases of aliases multiply), hides one value behind another (a key given twice), or
asks for an object (a tag). None of it has a use here, so none of it is read.
"""

import math
import re
from typing import Any

import yaml

from lstm_gpu.errors import InputError

__all__ = ["LARGEST", "load"]

LARGEST = 2**16
"""Bytes of a file: twenty times the longest configuration of this project."""

_MOST_VALUES = 2000
_DEEPEST = 16
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")  # the schema has the ranges; a seed has 20 digits
_PLAIN = {"str", "int", "float", "bool", "null", "seq", "map"}
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Composes nodes, and refuses on the way what is not plain."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        self._values += 1
        self._depth += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _refuse("no anchors and aliases; write the value out", event)
        if self._values > _MOST_VALUES or self._depth > _DEEPEST:
            _refuse(f"up to {_MOST_VALUES} values, nested up to {_DEEPEST} deep", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node.tag.removeprefix(_TAG) not in _PLAIN or getattr(event, "tag", None):
            _refuse("mappings, lists, text, numbers, true, false and null alone", event)
        return node


def _refuse(words: str, event: Any) -> None:
    raise yaml.MarkedYAMLError(problem=f"it must have {words}", problem_mark=event.start_mark)


def _value(node: Any) -> Any:
    """A node as a Python value."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        pairs = [(_value(key), _value(value)) for key, value in node.value]
        mapping: dict[Any, Any] = {}
        for (key, value), (where, _) in zip(pairs, node.value, strict=True):
            if not isinstance(key, str):
                _refuse("text for keys", where)
            if key in mapping:
                _refuse(f"each key once, and `{key:.60}` is there twice", where)
            mapping[key] = value
        return mapping
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return node.value.lower() in ("yes", "true", "on")
        case "int":
            if not _INTEGER.fullmatch(node.value):
                _refuse("whole numbers in decimal digits, up to 30 of them", node)
            return int(node.value)
        case "float":
            try:
                number = float(node.value)
            except ValueError:
                number = math.nan  # .inf and .nan, or minutes as in 1:30.5
            if not math.isfinite(number):
                _refuse("finite numbers in decimal digits", node)
            return number
    return node.value


def load(raw: bytes, source: str) -> Any:
    """The value that a YAML document holds.

    Raises
    ------
    InputError
        It is not UTF-8, not YAML, not plain, or too large; with the line and the column.
    """
    try:
        loader = _Loader(raw.decode("utf-8"))
        try:
            node = loader.get_single_node()
            return None if node is None else _value(node)
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise InputError(f"`{source}` cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", "not readable")
        raise InputError(
            f"`{source}` must be valid YAML, but{place}: {reason}. Compare with config/config.yaml."
        ) from error
