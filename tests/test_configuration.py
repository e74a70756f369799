"""The experiment's configuration: what is refused, in which words, and what cases it asks for."""

import copy
import math
from itertools import pairwise, product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu import campaign, configuration, files, recorded, weights
from lstm_gpu.claims.sigmoid_regions import Format, shares
from lstm_gpu.errors import InputError
from lstm_gpu.references import ladder
from lstm_gpu.report import columns
from lstm_gpu.weights import DISTRIBUTIONS, REGIMES, Case

ROOT = Path(__file__).parents[1]
SHIPPED = ("config", "test/config", "large", "million")
CONFIGS = [ROOT / "config" / f"{name}.yaml" for name in SHIPPED]
DEFAULT = yaml.safe_load(CONFIGS[0].read_text())
REMOVE = object()


def changed(place: str, value: object) -> dict:
    """The default configuration with the value at a dotted place replaced, added or removed."""
    config = copy.deepcopy(DEFAULT)
    *path, last = place.split(".")
    inner = config
    for key in path:
        inner = inner[key]
    if value is REMOVE:
        del inner[last]
    else:
        inner[last] = value
    return config


@pytest.mark.parametrize("path", CONFIGS, ids=SHIPPED)
def test_the_shipped_configurations_are_valid(path):
    assert configuration.load(path) == yaml.safe_load(path.read_text())


def test_the_search_for_false_alarms_is_as_large_as_it_says():
    config = configuration.load(ROOT / "config" / "million.yaml")
    cases = configuration.case_table(config)
    assert len(cases) * config["weight_sets"] >= 10**6
    assert {case.distribution for case in cases} == set(DISTRIBUTIONS)
    assert {case.regime for case in cases} == set(REGIMES)


BAD = [
    # place, value, what the message has to say
    ("sed", 1, ["unknown key `sed`", "Did you mean `seed`?"]),
    ("cases.hiden_size", [1], ["unknown key `hiden_size`", "`cases`", "`hidden_size`"]),
    ("zzz", 1, ["unknown key `zzz`", "The keys are seed, backend"]),
    (
        "sphere.samples",
        1,
        ["unknown key `samples`", "`sphere`", "The keys are weight_sets, directions"],
    ),
    (
        "sphere.weight_sets",
        DEFAULT["weight_sets"] + 1,
        ["`sphere.weight_sets` must be at most `weight_sets`", "got 145 and 144", "Choose 144"],
    ),
    ("seed", REMOVE, ["`seed` is missing", "Add it"]),
    ("cases.dtype", REMOVE, ["`cases.dtype` is missing"]),
    ("sphere", REMOVE, ["`sphere` is missing"]),
    ("seed", -1, ["`seed` must be at least 0", "got -1"]),
    ("seed", 2**64, ["`seed` must be at most 18446744073709551615", "got 18446744073709551616"]),
    ("seed", 1.5, ["`seed` must be an integer", "got 1.5"]),
    ("seed", "1", ["`seed` must be an integer", "got `1`"]),
    ("seed", True, ["`seed` must be an integer", "got True"]),
    ("seed", None, ["`seed` must be an integer", "got nothing"]),
    ("backend", "cuda", ["`backend` must be one of auto, numpy, cupy", "got `cuda`"]),
    ("backend", "cupyy", ["Did you mean `cupy`?"]),
    (
        "cases.hidden_size",
        [8, 0],
        ["`cases.hidden_size[1]` must be a positive integer, got 0", "Choose 1 or more"],
    ),
    ("cases.hidden_size", [-3], ["`cases.hidden_size[0]` must be a positive integer, got -3"]),
    ("cases.hidden_size", [2.5], ["`cases.hidden_size[0]` must be an integer, got 2.5"]),
    ("cases.hidden_size", [2.0], ["`cases.hidden_size[0]` must be an integer, got 2.0"]),
    ("cases.hidden_size", 8, ["`cases.hidden_size` must be a list, got 8", "Write [8]"]),
    ("cases.hidden_size", [], ["`cases.hidden_size` must have at least one entry"]),
    ("cases.hidden_size", [8, 8], ["`cases.hidden_size` must have each entry once"]),
    ("cases.hidden_size", [10**6], ["below 1 GiB", "got 1000000", "GiB. Choose a smaller"]),
    ("cases.hidden_size", [10**30], ["below 1 GiB", "GiB. Choose a smaller"]),
    ("cases.dtype", ["float16"], ["`cases.dtype[0]` must be one of float64, float32"]),
    ("cases.dtype", ["flaot32"], ["Did you mean `float32`?"]),
    ("cases.distribution", ["pytorch_unifrom"], ["Did you mean `pytorch_uniform`?"]),
    ("cases.regime", ["near_zer"], ["Did you mean `near_zero`?"]),
    ("cases.input_size", ["bigger"], ["must be one of equal, smaller, larger"]),
    ("cases", [1], ["`cases` must be a mapping of keys to values"]),
    ("weight_sets", 0, ["`weight_sets` must be a positive integer, got 0"]),
    ("weight_sets", "many", ["`weight_sets` must be an integer, got `many`"]),
    ("weight_sets", 10**9, ["`shard_size`", "at most 100000 shards"]),
    ("shard_size", 0, ["`shard_size` must be a positive integer, got 0"]),
    ("shard_size", -1, ["`shard_size` must be a positive integer, got -1"]),
    ("sphere.directions", 0, ["`sphere.directions` must be a positive integer, got 0"]),
    ("sigmoid.float16", 100, ["`sigmoid.float16` must be `all`, got 100"]),
    ("sphere.directions", 2**24 + 1, ["`sphere.directions` must be at most 16777216", "Choose"]),
    ("sigmoid.float32", 167, ["`sigmoid.float32` must be at least 168, got 167", "of each region"]),
    ("sigmoid.float64", 16, ["`sigmoid.float64` must be at least 168, got 16", "Choose 168 or"]),
    ("sigmoid.float32", "every", ["`sigmoid.float32` must be `all`, got `every`", "sample"]),
    ("sigmoid.float32", None, ["`sigmoid.float32` must be an integer, got nothing"]),
    ("sigmoid.float32", 2**40, ["`sigmoid.float32` must be at most 4294967296"]),
    ("false_alarm_risk", 0, ["`false_alarm_risk` must lie strictly between 0 and 0.1"]),
    ("false_alarm_risk", 0.5, ["`false_alarm_risk` must lie strictly between 0 and 0.1"]),
    ("false_alarm_risk", math.nan, ["`false_alarm_risk` must be finite"]),
    ("false_alarm_risk", "1e-6", ["`false_alarm_risk` must be a number", "as in 1.0e-6"]),
]


@pytest.mark.parametrize(
    ("place", "value", "says"), BAD, ids=[f"{place}={str(value)[:20]}" for place, value, _ in BAD]
)
def test_a_broken_rule_is_one_line_with_field_rule_value_and_remedy(place, value, says):
    with pytest.raises(InputError) as refusal:
        configuration.validate(changed(place, value), source="mine.yaml")
    message = str(refusal.value)
    assert message.startswith("mine.yaml: ")
    assert "\n" not in message
    for words in says:
        assert words in message, message


@pytest.mark.parametrize("content", [None, [1], "text", 3])
def test_a_configuration_that_is_no_mapping(content):
    with pytest.raises(InputError, match="must be a mapping of keys to values"):
        configuration.validate(content)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed: [1", "must be valid YAML, but at line"),
        ("a: b: c", "line 1, column 5"),
        ("\tseed: 1", "must be valid YAML"),
        ("", "must be a mapping of keys to values, got nothing"),
        ("[1]", "must be a mapping"),
        ("seed: 1", "`backend` is missing"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, text, says):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refusal:
        configuration.load(path)
    assert says in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_or_binary_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        configuration.load(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        configuration.load(tmp_path / "b.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        configuration.load(tmp_path)


def test_the_schema_knows_the_names_of_the_package():
    schema = yaml.safe_load(configuration.SCHEMA.read_text())
    axes = schema["properties"]["cases"]["properties"]
    assert axes["distribution"]["items"]["enum"] == list(weights.DISTRIBUTIONS)
    assert axes["regime"]["items"]["enum"] == list(weights.REGIMES)
    assert axes["dtype"]["items"]["enum"] == list(weights.DTYPES)


def test_the_numbers_of_the_schema_are_those_that_jobs_and_replays_can_take():
    properties = yaml.safe_load(configuration.SCHEMA.read_text())["properties"]
    directions = properties["sphere"]["properties"]["directions"]
    assert directions["maximum"] == recorded.LARGEST_DIRECTIONS
    sigmoid = properties["sigmoid"]["properties"]
    for name, rule in (("float32", sigmoid["float32"]["else"]), ("float64", sigmoid["float64"])):
        least = rule["minimum"]
        assert sum(share for _, share in shares(Format.of(name), least)) == least
        with pytest.raises(InputError, match="so that every region gets one"):
            shares(Format.of(name), least - 1)


def test_the_searched_weight_sets_of_a_run_stand_in_files_that_can_be_read_again():
    few = changed("cases.distribution", ["sparse"])
    few["cases"] |= {"hidden_size": [1], "dtype": ["float32"], "regime": ["generic"]}
    few["cases"]["input_size"] = ["equal"]
    few |= {"weight_sets": 10**7, "shard_size": 10**6}
    most = configuration.SEARCH_LIMIT
    assert configuration.validate(few | {"sphere": {"weight_sets": most, "directions": 1}})
    two = few | {"cases": few["cases"] | {"dtype": ["float32", "float64"]}}
    with pytest.raises(
        InputError, match=r"`sphere.weight_sets` .* 2000000\. Choose 500000 or less"
    ):
        configuration.validate(two | {"sphere": {"weight_sets": most, "directions": 1}})
    line = CASE_CELLS + 2 * DIGITS + 8
    assert most * line <= columns.LARGEST
    assert most * 2 * DIGITS <= files.LARGEST


DIGITS = 25  # of a float with its sign, exponent and comma
CASE_CELLS = sum(map(len, (max(DISTRIBUTIONS, key=len), max(REGIMES, key=len), "float64")))
CASE_CELLS += len(f"{2**64}") + 2 * len("4096")


def test_the_cases_of_a_run_stand_in_tables_that_can_be_read_again():
    many = changed("cases.hidden_size", list(range(1, 251)))
    assert len(configuration.case_table(many)) == configuration.CASE_LIMIT == 5000
    assert configuration.validate(many)
    with pytest.raises(InputError, match=r"`cases` must be at most 5000 together, got 5020\. "):
        configuration.validate(changed("cases.hidden_size", list(range(1, 252))))
    rungs = campaign.step_ladder(Case(2, 1, "float64", "orthogonal", "generic"), 1)
    lines = sum(len(rung["steps"]) for rung in rungs)
    names = max((rung["formula"] for rung in rungs), key=len), max(ladder.ORDERS, key=len)
    words = ladder.ROUND_OFF, ladder.TRUNCATION, ladder.WRONG, ladder.CONSTANT, ladder.UNDECIDED
    reason = "neither truncation nor round-off nor a constant error was seen"  # the longest
    cells = *names, max(words, key=len), "inconclusive", reason
    line = CASE_CELLS + sum(map(len, cells)) + 5 * DIGITS + 15
    assert configuration.CASE_LIMIT * lines * line <= columns.LARGEST


def test_the_default_run_covers_all_names_and_enough_weight_sets():
    cases = configuration.case_table(DEFAULT)
    assert {case.distribution for case in cases} == set(weights.DISTRIBUTIONS)
    assert {case.regime for case in cases} == set(weights.REGIMES)
    assert {case.hidden_size for case in cases} == {1, 2, 3, 8, 32, 64, 128}
    assert len(cases) * DEFAULT["weight_sets"] >= 20_000


def test_every_property_of_the_schema_is_described_and_closed():
    def walk(node, place):
        if node.get("type") == "object":
            assert node["additionalProperties"] is False, place
            optional = {"formulas"} if place == "config" else set()
            assert set(node["required"]) == set(node["properties"]) - optional, place
            for key, inner in node["properties"].items():
                assert inner.get("description"), f"{place}.{key}"
                walk(inner, f"{place}.{key}")

    walk(yaml.safe_load(configuration.SCHEMA.read_text()), "config")


def test_in_the_default_table_each_axis_meets_each_other_one():
    cases = configuration.case_table(DEFAULT)
    axes = DEFAULT["cases"]
    assert len(cases) == len(set(cases)) == 7 * 2 * len(axes["distribution"])
    for first, second in [
        ("hidden_size", "dtype"),
        ("hidden_size", "distribution"),
        ("dtype", "distribution"),
        ("hidden_size", "regime"),
        ("dtype", "regime"),
        ("distribution", "regime"),
    ]:
        met = {(getattr(case, first), getattr(case, second)) for case in cases}
        assert met == set(product(axes[first], axes[second])), (first, second)
    for n, dtype in product(axes["hidden_size"], axes["dtype"]):
        here = [case for case in cases if (case.hidden_size, case.dtype) == (n, dtype)]
        half = max(1, n // 2)
        assert {case.input_size for case in here} == {n, half, n + half}
    assert sum(case.input_size != case.hidden_size for case in cases) > len(cases) / 2


NAMES = {
    "dtype": list(weights.DTYPES),
    "distribution": list(weights.DISTRIBUTIONS),
    "regime": list(weights.REGIMES),
    "input_size": ["equal", "smaller", "larger"],
}
AXES = st.fixed_dictionaries(
    {
        "hidden_size": st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True),
        **{
            axis: st.lists(st.sampled_from(names), min_size=1, unique=True)
            for axis, names in NAMES.items()
        },
    }
)


@given(axes=AXES)
def test_in_any_table_every_name_meets_every_size_and_dtype_once(axes):
    cases = configuration.case_table({"cases": axes})
    assert len(cases) == len(set(cases))
    for n, dtype in product(axes["hidden_size"], axes["dtype"]):
        here = [case for case in cases if (case.hidden_size, case.dtype) == (n, dtype)]
        assert {case.distribution for case in here} == set(axes["distribution"])
        assert {case.regime for case in here} == set(axes["regime"])
        half = max(1, n // 2)
        sizes = {"equal": n, "smaller": half, "larger": n + half}
        assert {case.input_size for case in here} == {sizes[rule] for rule in axes["input_size"]}


@given(weight_sets=st.integers(1, 300), shard_size=st.integers(1, 300))
def test_shards_cover_each_index_once_in_order(weight_sets, shard_size):
    ranges = list(configuration.shards(weight_sets, shard_size))
    assert [index for start, stop in ranges for index in range(start, stop)] == list(
        range(weight_sets)
    )
    assert all(0 < stop - start <= shard_size for start, stop in ranges)


def test_every_float32_can_be_asked_for():
    every = changed("sigmoid.float32", "all")
    assert configuration.validate(every) == every
    assert configuration.sigmoid_points(every, "float32") == 2**32
    assert configuration.exhaustive(every)
    assert configuration.exhaustive(changed("sigmoid.float32", 2**32))
    assert not configuration.exhaustive(DEFAULT)
    ranges = list(configuration.sigmoid_ranges())
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 2**31
    assert all(a[1] == b[0] for a, b in pairwise(ranges))


def test_points_of_the_survey():
    assert configuration.sigmoid_points(DEFAULT, "float16") == 65536
    assert configuration.sigmoid_points(DEFAULT, "float64") == DEFAULT["sigmoid"]["float64"]


def test_an_incomplete_checkout_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(configuration, "SCHEMA", tmp_path / "none.yaml")
    configuration._validator.cache_clear()
    try:
        with pytest.raises(InputError, match="Run from a complete checkout"):
            configuration.validate(DEFAULT)
    finally:
        configuration._validator.cache_clear()


def test_a_results_folder_that_exists_or_can_be_made(tmp_path):
    configuration.check_writable(tmp_path)
    configuration.check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_results_folder_with_a_file_in_the_way(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(InputError, match="must be a folder that can be written, but it is a file"):
        configuration.check_writable(tmp_path / "results")
    with pytest.raises(InputError, match="is a file"):
        configuration.check_writable(tmp_path / "results" / "inner")


def test_a_results_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(configuration.os, "access", lambda path, mode: False)  # root may do all
    with pytest.raises(InputError, match="no permission to write in"):
        configuration.check_writable(tmp_path / "results")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (b"def f(:\n", "line 1: invalid syntax"),
        (b"x = 1\nwhile\n", "line 2: invalid syntax"),
        (b"\xff\xfe", "codec can't decode"),
        (b"a\0b", "null bytes"),
    ],
)
def test_a_formula_file_that_is_no_python_is_named_and_not_run(tmp_path, code, says):
    path = tmp_path / "mine.py"
    path.write_bytes(code)
    with pytest.raises(InputError) as caught:
        configuration.validate(changed("formulas", [str(path)]), source="mine.yaml")
    message = str(caught.value)
    assert message.startswith("mine.yaml: `formulas` must name Python files")
    assert str(path) in message
    assert says in message
    assert "\n" not in message


def test_a_formula_file_is_read_and_not_run_by_validation(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(r"raise SystemExit('\d')", encoding="utf-8")  # warns when it is compiled
    assert configuration.validate(changed("formulas", [str(path)]))["formulas"] == [str(path)]


@pytest.mark.parametrize("name", ["a{b}.py", "a<b>.py", "a\nb.py", "a\udcffb.py", "{n}/mine.py"])
def test_a_formula_file_whose_name_no_rule_can_have_is_named(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    with pytest.raises(InputError, match="`formulas` must have names of printable signs other"):
        configuration.validate(changed("formulas", [str(path)]))


def test_a_key_given_twice_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text(CONFIGS[0].read_text() + "\nseed: 3\n")
    with pytest.raises(InputError, match="`seed` is there twice"):
        configuration.load(path)
