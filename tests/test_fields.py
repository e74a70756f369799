"""Rules for the fields of files: each kind accepts what it is for, and names what breaks it."""

import math

import pytest

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
    brief,
    check,
    choice,
)  # fmt: skip

GOOD = [
    (COUNT, 0), (COUNT, 2**62), (WHOLE, -5), (SIZE, 0), (SIZE, 1.5), (SHARE, 1), (NUMBER, -1e308),
    (NUMBER, 10**300), (FLAG, False), (TEXT, ""), (TEXT, "∂h × σ′"), (NAME, "U_f.x1"),
    (choice(("a", "b")), "b"), (Maybe(COUNT), None), (Maybe(COUNT), 3), ([COUNT], []),
    ([COUNT], [1, 2]), ((COUNT, TEXT), [1, "a"]), ({"a": COUNT}, {"a": 1}),
    (Each(NAME, COUNT), {"a": 1, "b": 2}), (Each(NAME, COUNT), {}),
]  # fmt: skip
BAD = [
    (COUNT, -1), (COUNT, 2**62 + 1), (COUNT, 1.0), (COUNT, True), (COUNT, "1"), (COUNT, None),
    (WHOLE, -(2**63)), (SIZE, -1e-9), (SIZE, math.nan), (SIZE, math.inf), (SHARE, 1.1),
    (NUMBER, 10**400), (NUMBER, -(10**5000)), (NUMBER, True), (NUMBER, math.nan), (FLAG, 1),
    (TEXT, "\x1b"), (TEXT, "a\nb"), (TEXT, "x" * 4001), (TEXT, "\ud800"), (TEXT, 1), (NAME, ""),
    (NAME, "../x"), (NAME, "$x$"), (NAME, "x" * 101), (NAME, "a\n"), (choice(("a",)), "b"),
    (choice(("a",)), ["a"]), (Maybe(COUNT), -1), ([COUNT], [1, -1]), ([COUNT], {}), ([COUNT], None),
    ((COUNT, TEXT), [1]), ((COUNT, TEXT), [1, "a", 2]), ((COUNT,), "1"), ({"a": COUNT}, {}),
    ({"a": COUNT}, {"a": 1, "b": 1}), ({"a": COUNT}, []), (Each(NAME, COUNT), {"a": -1}),
    (Each(NAME, COUNT), {"../x": 1}), (Each(NAME, COUNT), []),
    (Each(NAME, COUNT), {f"a{k}": 1 for k in range(10_001)}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "value"), GOOD)
def test_what_keeps_a_rule_passes(rule, value):
    assert check(value, rule, "a.json") is None


@pytest.mark.parametrize(("rule", "value"), BAD, ids=range(len(BAD)))
def test_what_breaks_a_rule_is_one_short_line(rule, value):
    with pytest.raises(InputError, match=r"in `a.json` must be .*, got ") as refusal:
        check(value, rule, "a.json", "field")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 600


def test_the_place_is_named_from_the_outside_inwards():
    rule = {"rows": [{"n": COUNT, "names": Each(NAME, (COUNT, COUNT))}]}
    with pytest.raises(InputError, match=r"`rows\[1\]\.names\.b\[1\]` in `a.json` must be a whole"):
        check({"rows": [{"n": 0, "names": {}}, {"n": 1, "names": {"b": [0, -1]}}]}, rule, "a.json")


def test_values_are_quoted_in_a_few_signs():
    assert brief(10**5000) == "a whole number of 5001 digits"
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert len(brief(deep)) <= 60
    assert len(brief("x" * 10**6)) <= 60
