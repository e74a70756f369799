"""YAML that is plain is read as YAML reads it; what multiplies, hides or asks for code is not."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.errors import InputError
from lstm_gpu.plain_yaml import load

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**29), 10**29)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(value=PLAIN)
def test_what_yaml_writes_is_read_as_yaml_reads_it(value):
    text = yaml.safe_dump(value, allow_unicode=True)
    if "&id" not in text:  # a list that is there twice, as an alias
        assert load(text.encode(), "a") == yaml.safe_load(text)


def test_the_project_s_own_configurations_are_plain(pytestconfig):
    for path in (pytestconfig.rootpath / "config").rglob("*.yaml"):
        assert load(path.read_bytes(), str(path)) == yaml.safe_load(path.read_text())


LAUGHS = "a: &a [x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases": (LAUGHS, "no anchors and aliases"),
    "an alias of itself": ("a: &a [*a]\n", "no anchors and aliases"),
    "a merge key": ("<<: {a: 1}\n", "mappings, lists, text"),
    "a key given twice": ("seed: 1\nseed: 2\n", "each key once, and `seed` is there twice"),
    "a number for a key": ("1: 2\n", "text for keys"),
    "a list for a key": ("? [a]\n: 1\n", "text for keys"),
    "code": ("a: !!python/object/apply:os.system [ls]\n", "mappings, lists, text"),
    "a tag": ("a: !!set {b}\n", "mappings, lists, text"),
    "a known tag": ('a: !!int "x"\n', "mappings, lists, text"),
    "binary": ("a: !!binary x\n", "mappings, lists, text"),
    "no date": ("a: 2001-13-45\n", "mappings, lists, text"),
    "depth": ("[" * 5000 + "]" * 5000, "nested up to"),
    "width": ("[" + "1," * 3000 + "]", "up to 2000 values"),
    "a long number": ("a: " + "9" * 5000, "up to 30 of them"),
    "a number in base 16": ("a: 0x" + "f" * 5000, "decimal digits"),
    "a number in base 60": ("a: 1:30\n", "decimal digits"),
    "not a number": ("a: .nan\n", "finite numbers"),
    "infinity": ("a: 1.0e+999\n", "finite numbers"),
    "two documents": ("a: 1\n---\na: 2\n", "but found another document"),
    "NUL": ("a: \0", "must be valid YAML"),
    "an escape sequence": ("a: \x1b[31m", "must be valid YAML"),
    "an open bracket": ("a: [", "must be valid YAML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_one_line(name):
    text, says = HOSTILE[name]
    with pytest.raises(InputError, match=says) as refusal:
        load(text.encode(), "mine.yaml")
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


def test_bytes_that_are_no_text_are_one_line():
    with pytest.raises(InputError, match="cannot be read: 'utf-8'"):
        load(b"a: \xff", "mine.yaml")
