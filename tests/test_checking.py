"""`lstm_gpu.check`: verdicts, tables, exit codes and plans that are refused."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from formula_book import right

import lstm_gpu
from lstm_gpu import checking
from lstm_gpu.checking import Plan, Result, assert_supported, check, check_formulas
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import Formula, claim
from lstm_gpu.formulas.quantities import slips_of
from lstm_gpu.weights import DISTRIBUTIONS, REGIMES

SMALL = {"hidden_sizes": [2], "weight_sets": 2, "distributions": ["normal_gain_1"]}
RIGHT = right("hidden_jacobian", "product")


def wrong(step):
    return right("hidden_jacobian", "product")(step) * step.h.dtype.type(1.03)


def test_the_package_s_three_names_are_these():
    assert lstm_gpu.check is check
    assert lstm_gpu.assert_supported is assert_supported
    assert lstm_gpu.claim is claim
    with pytest.raises(AttributeError, match="no attribute 'chek'"):
        lstm_gpu.chek  # noqa: B018


def test_a_right_formula_is_supported_with_what_would_have_been_caught(backend):
    result = check(RIGHT, "hidden_jacobian", **SMALL)
    assert (result.verdict, result.supported, result.error, result.reason) == (
        "supported", True, "", "",
    )  # fmt: skip
    assert 0 < result.error_over_bound < 1
    assert result.worst_error < result.error_bound
    assert (
        result.mutants == result.mutants_caught == len(slips_of("hidden_jacobian")) - 1
    )  # W for U
    assert (result.cases, result.weight_sets) == (len(REGIMES), 2 * len(REGIMES))
    assert result.comparisons == 2 * 4 * result.weight_sets
    assert result.counterexample is None
    assert result.likely_cause == ""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_error_of_the_smallest_detectable_size_is_refuted(dtype):
    plan = {**SMALL, "dtype": dtype}
    size = check(RIGHT, "hidden_jacobian", **plan).smallest_detectable
    for factor, verdict in ((2.0, "refuted"), (1e-3, "supported")):
        result = check(
            lambda s, e=factor * size: RIGHT(s) + s.h.dtype.type(e), "hidden_jacobian", **plan
        )
        assert result.verdict == verdict, (factor, str(result))


def test_a_wrong_formula_is_refuted_with_a_cause_and_a_counterexample(tmp_path):
    result = check(wrong, "hidden_jacobian", **SMALL)
    assert result.verdict == "refuted"
    assert result.likely_cause.startswith("the whole multiplied by 1.03; next, ")
    c = result.counterexample
    assert c["error"] > c["bound"] > 0
    assert c["error"] == abs(c["claimed"] - c["measured"])
    assert c["ratio"] == c["error"] / c["bound"]
    assert float.fromhex(c["hex"]["claimed"]) == c["claimed"]
    assert f"claimed {c['claimed']:.17g}" in str(result).replace("\n    ", " ")
    (path,) = checking.write_counterexamples([result], tmp_path).values()
    assert path == tmp_path / "hidden_jacobian__wrong.json"
    assert read_json(path, "counterexample")["claimed"] == c["claimed"]


def test_nan_anywhere_is_inconclusive_and_never_supported():
    def broken(step):
        J = RIGHT(step)
        J[0, 0, 0] = np.nan
        return J

    everywhere = check(lambda s: RIGHT(s) * np.nan, "hidden_jacobian", **SMALL)
    once = check(broken, "hidden_jacobian", **SMALL)
    for result, sets in ((everywhere, 2 * len(REGIMES)), (once, len(REGIMES))):
        assert result.verdict == "inconclusive"
        assert f"NaN or infinity in {sets} of {2 * len(REGIMES)}" in result.reason
        assert checking.exit_code([result]) == 3
        assert result.reason in str(result).replace("\n    ", " ")


def test_nan_in_one_set_does_not_save_a_formula_that_is_wrong_in_another():
    def broken(step):
        J = wrong(step)
        J[0] = np.inf
        return J

    assert check(broken, "hidden_jacobian", **SMALL).verdict in ("refuted", "inconclusive")
    assert check(broken, "hidden_jacobian", **SMALL).verdict != "supported"


def test_a_formula_that_cannot_be_tried_is_an_error_and_the_others_get_theirs():
    formulas = [
        Formula("bad", "hidden_jacobian", lambda s: s.nope),
        Formula("good", "hidden_jacobian", RIGHT),
        Formula("wrong", "cell_jacobian", wrong),
    ]
    results = check_formulas(formulas, Plan(**SMALL))
    assert [r.verdict for r in results] == ["inconclusive", "supported", "refuted"]
    assert results[0].error.startswith("`bad` raises AttributeError")
    assert checking.exit_code(results) == 1
    assert checking.exit_code(results[:2]) == 2
    assert checking.exit_code(results[1:2]) == 0
    text = checking.table(results)
    rows = [line.split()[:3] for line in text.splitlines()[1:4]]
    assert rows == [
        ["bad", "hidden_jacobian", "error"],
        ["good", "hidden_jacobian", "supported"],
        ["wrong", "cell_jacobian", "refuted"],
    ]


def test_a_formula_that_mixes_weight_sets_is_told_so():
    """Wrong among others and right alone: no counterexample would show it."""

    def mixes(step):
        return RIGHT(step) * (1 if len(step.h) == 1 else 2)

    def squeezes(step):
        return RIGHT(step).squeeze() * 1.5

    result = check(mixes, "hidden_jacobian", **SMALL)
    assert "must treat each weight set alone" in result.error
    assert (result.verdict, checking.exit_code([result])) == ("inconclusive", 2)
    result = check(squeezes, "hidden_jacobian", **SMALL)
    assert "got (2, 2)" in result.error
    assert "for a weight set alone" in result.error


def test_a_marked_function_needs_no_quantity():
    @claim("cell_jacobian")
    def mine(step):
        return right("cell_jacobian", "product")(step)

    assert check(mine, **SMALL).quantity == "cell_jacobian"
    assert check(RIGHT, "hidden_jacobian", **SMALL).formula == "hidden_jacobian_as_product"
    with pytest.raises(InputError, match="`quantity` must be one of"):
        check(RIGHT, **SMALL)
    with pytest.raises(InputError, match="`quantity` must be one of"):
        check(claim("hidden_jacobian")(mine), **SMALL)  # two marks: which?


def test_assert_supported_fails_with_the_table():
    assert assert_supported(RIGHT, "hidden_jacobian", **SMALL).supported
    with pytest.raises(AssertionError, match=r"likely cause: the whole multiplied by 1.03"):
        assert_supported(wrong, "hidden_jacobian", **SMALL)
    with pytest.raises(AssertionError, match="raises ZeroDivisionError"):
        assert_supported(lambda s: 1 // 0, "hidden_jacobian", **SMALL)
    with pytest.raises(AssertionError, match="inconclusive"):
        assert_supported(lambda s: RIGHT(s) * np.nan, "hidden_jacobian", **SMALL)


def test_wrong_formulas_that_would_have_passed_are_named():
    """At n = 1 a transposed matrix is none: equivalent."""
    result = check(RIGHT, "hidden_jacobian", **{**SMALL, "hidden_sizes": [1]})
    assert result.missed == ()
    assert result.mutants < len(slips_of("hidden_jacobian")) - 1
    fake = Result("mine", "hidden_jacobian", "supported", missed=("off_by_0.01_percent",))
    assert "would have passed as well: off_by_0.01_percent" in str(fake)


BAD_PLANS = {
    "no sizes": ({"hidden_sizes": []}, "`hidden_size` must be a list with at least one entry"),
    "a size alone": ({"hidden_sizes": 8}, "`hidden_size` must be a list"),
    "text for sizes": ({"hidden_sizes": "8"}, "`hidden_size` must be a list"),
    "size 0": ({"hidden_sizes": [0]}, "`hidden_size` must be a whole number from 1 to 4096"),
    "a negative size": ({"hidden_sizes": [2, -3]}, "got -3."),
    "a large size": ({"hidden_sizes": [5000]}, "got 5000."),
    "a size of 2.0": ({"hidden_sizes": [2.0]}, "got 2.0."),
    "a size of True": ({"hidden_sizes": [True]}, "got True."),
    "more than memory": ({"hidden_sizes": [4000]}, "must leave a weight set below 4 GiB, got 4000"),
    "wide inputs": ({"hidden_sizes": [999], "input_size": 4096}, "got 999 and 4096, which may"),
    "input size": ({"input_size": 0}, "`input_size` must be a whole number"),
    "no sets": ({"weight_sets": 0}, "`weight_sets` must be a whole number from 1"),
    "seed": ({"seed": -1}, "`seed` must be a whole number from 0"),
    "large seed": ({"seed": 2**64}, "`seed` must be a whole number from 0"),
    "dtype": ({"dtype": "float16"}, "`dtype` must be one of float64, float32, got 'float16'."),
    "no dtype": ({"dtype": None}, "`dtype` must be one of"),
    "distribution": ({"distributions": ["cauchy"]}, "`distribution` must be one of "),
    "text for distributions": ({"distributions": "sparse"}, "`distribution` must be a list"),
    "no distributions": ({"distributions": []}, "`distribution` must be a list"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_bad_plan_gets_one_clear_line(name):
    plan, says = BAD_PLANS[name]
    with pytest.raises(InputError) as caught:
        check(RIGHT, "hidden_jacobian", **plan)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bad_backend_gets_one_clear_line():
    with pytest.raises(InputError, match="`backend` must be one of auto, numpy, cupy"):
        check(RIGHT, "hidden_jacobian", **SMALL, backend="torch")


def test_the_default_plan_meets_every_law_and_regime_and_never_m_equal_to_n():
    cases = Plan().cases
    assert {case.distribution for case in cases} == set(DISTRIBUTIONS)
    assert {case.regime for case in cases} == set(REGIMES)
    assert {case.hidden_size for case in cases} == {2, 3, 8, 32}
    assert all(case.input_size != case.hidden_size for case in cases)
    assert len(set(cases)) == len(cases)
    one = Plan(hidden_sizes=[4, 4], input_size=4, distributions=["sparse", "sparse"]).cases
    assert all(case.input_size == 4 for case in one)
    assert len(Plan(hidden_sizes=[1024]).cases) == len(DISTRIBUTIONS)


def test_the_results_as_json_have_no_nan_and_no_infinity(tmp_path):
    plan = Plan(**SMALL)
    formulas = [
        Formula("bad", "hidden_jacobian", lambda s: s.nope),
        Formula("w", "cell_jacobian", wrong),
    ]
    results = check_formulas(formulas, plan)
    assert math.isinf(results[0].smallest_detectable)
    content = checking.as_json(results, plan)
    text = json.dumps(content, allow_nan=False)
    bad, refuted = json.loads(text)["results"]
    assert bad["smallest_detectable"] is None
    assert bad["error"] == results[0].error
    assert refuted["counterexample"]["case"]["hidden_size"] == 2
    assert refuted["error_over_bound"] == results[1].error_over_bound
    assert json.loads(text)["plan"]["hidden_sizes"] == [2]


def test_a_second_check_gives_the_same_results():
    first, second = (check(wrong, "hidden_jacobian", **SMALL) for _ in range(2))
    assert first == second
    assert check(wrong, "hidden_jacobian", **SMALL, seed=1) != first


def test_a_callable_object_has_the_name_of_its_class():
    class Mine(SimpleNamespace):
        def __call__(self, step):
            return RIGHT(step)

    assert check(Mine(), "hidden_jacobian", **SMALL).formula == "Mine"
