"""`lstm_gpu.check`: verdicts, tables, exit codes and plans that are refused."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from formula_book import right

import lstm_gpu
from lstm_gpu import checking
from lstm_gpu.checking import (
    Plan,
    Result,
    assert_supported,
    check,
    check_formulas,
    plan_of,
)
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import Formula, claim, load
from lstm_gpu.formulas.slips import CATALOGUES
from lstm_gpu.replay import describe, replay
from lstm_gpu.weights import DISTRIBUTIONS, EDGES, REGIMES

SMALL = {"hidden_sizes": [2], "weight_sets": 2, "distributions": ["normal_gain_1"]}
CASES = len(REGIMES) + len(EDGES)  # of SMALL
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
    assert result.mutants == result.mutants_caught == len(CATALOGUES["h", "h"]) - 1  # W for U
    assert (result.cases, result.weight_sets) == (CASES, 2 * CASES)
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


def test_nan_in_some_sets_is_inconclusive_and_the_first_is_named():
    def broken(step):
        J = RIGHT(step)
        J[1:2, 0, 1] = np.nan
        return J

    result = check(broken, "hidden_jacobian", **SMALL, seed=5)
    assert result.verdict == "inconclusive"
    assert f"NaN or infinity in {CASES} of {2 * CASES}" in result.reason
    assert (
        "first at entry [0, 1] of weight set 1 (seed 5, n = 2, m = 4, float64, normal_gain_1, "
        "generic)"
    ) in result.reason
    assert checking.exit_code([result]) == 3
    assert result.reason in str(result).replace("\n    ", " ")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("quantity", ["hidden_jacobian", "forget_gate_argmax"])
def test_no_number_in_any_set_is_refuted_and_can_be_replayed(tmp_path, quantity, value):
    text = f"from lstm_gpu import claim\n@claim({quantity!r})\ndef f(s): return s.U.f + {value}\n"
    path = tmp_path / "mine.py"
    path.write_text(text.replace("inf", "float('inf')").replace("nan", "float('nan')"))
    [result] = check_formulas(load(path), Plan(**SMALL))
    assert result.verdict == "refuted"
    assert result.reason.startswith("not finite where the derivative is (first at entry ")
    assert result.likely_cause == "no match: the values are not finite"
    assert checking.exit_code([result]) == 1
    (example,) = checking.write_counterexamples([result], tmp_path).values()
    outcome = replay(example, formula=path)
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
    assert "the claimed value is not finite, and the derivative is" in describe(outcome)
    path.write_text(text.replace(f"+ {value}", "* 0"))
    assert replay(example, formula=path).found["claimed"] == 0


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

    def always(step):
        return RIGHT(step) * (3 if len(step.h) == 1 else 2)

    def by_place(step):
        J = RIGHT(step)
        J[1:2] += 1
        return J

    def squeezes(step):
        return RIGHT(step).squeeze() * 1.5

    result = check(mixes, "hidden_jacobian", **SMALL)
    assert "must treat each weight set alone" in result.error
    assert "depend on what else is in the block: entry " in result.error
    assert f"Set by set it is not refuted, on {2 * CASES} weight sets." in result.error
    assert result.counterexample["calls"] == [[0, 2]]
    assert check(by_place, "hidden_jacobian", **SMALL).error.startswith("`by_place` must treat")
    assert check(always, "hidden_jacobian", **SMALL).verdict == "refuted"
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
    with pytest.raises(InputError, match="`mine` is marked with hidden_jacobian and cell_jac"):
        check(claim("hidden_jacobian")(mine), **SMALL)  # two marks: which?
    with pytest.raises(InputError, match=r"`formula` must be a function, got 'mine.py'"):
        check("mine.py")


def test_assert_supported_fails_with_the_table():
    assert assert_supported(RIGHT, "hidden_jacobian", **SMALL).supported
    with pytest.raises(AssertionError, match=r"likely cause: the whole multiplied by 1.03"):
        assert_supported(wrong, "hidden_jacobian", **SMALL)
    with pytest.raises(AssertionError, match="raises ZeroDivisionError"):
        assert_supported(lambda s: 1 // 0, "hidden_jacobian", **SMALL)
    with pytest.raises(AssertionError, match="not finite where the derivative is"):
        assert_supported(lambda s: RIGHT(s) * np.nan, "hidden_jacobian", **SMALL)


def test_wrong_formulas_that_would_have_passed_are_named():
    """At n = 1 a transposed matrix is none: equivalent."""
    result = check(RIGHT, "hidden_jacobian", **{**SMALL, "hidden_sizes": [1]})
    assert result.missed == ()
    assert result.mutants < len(CATALOGUES["h", "h"]) - 1
    fake = Result("mine", "hidden_jacobian", "supported", missed=("off_by_0.01_percent",))
    assert "would have passed as well: off_by_0.01_percent" in str(fake)


BAD_PLANS = {
    "no sizes": ({"hidden_sizes": []}, "`hidden_size` must be a list with at least one entry"),
    "an unknown name": ({"sizes": 8}, "`sizes` must be one of hidden_sizes, input_size, weight_"),
    "a name twice": ({"hidden_size": 8, "hidden_sizes": [8]}, "`hidden_sizes` must be given once"),
    "a size alone": ({"hidden_size": -8}, "`hidden_size` must be a whole number from 1"),
    "a size of NumPy's": ({"hidden_size": np.float64(8)}, "`hidden_size` must be a list"),
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
    "text for distributions": ({"distributions": 3}, "`distribution` must be a list"),
    "a distribution alone": ({"distribution": "spars"}, "`distribution` must be one of "),
    "a dtype of NumPy's": ({"dtype": np.float16}, "`dtype` must be one of float64, float32, got"),
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


def test_sizes_and_laws_go_by_the_command_s_names_alone_and_as_numpy_has_them():
    plain = Plan(**SMALL, dtype="float32", seed=3)
    for settings in (
        {**SMALL, "dtype": np.float32, "seed": np.int64(3)},
        {"hidden_size": 2, "weight_sets": np.uint8(2), "distribution": "normal_gain_1",
         "dtype": np.dtype("float32"), "seed": 3},
        {"hidden_sizes": np.array([2]), "weight_sets": 2, "distributions": ("normal_gain_1",),
         "dtype": "float32", "seed": 3},
        {"hidden_size": np.int32(2), "weight_sets": 2, "distribution": ["normal_gain_1"],
         "dtype": "float32", "seed": 3},
    ):  # fmt: skip
        assert plan_of(**settings).cases == plain.cases
        assert plan_of(**settings).seed == 3


def test_the_default_plan_meets_every_law_and_regime_the_edges_and_every_kind_of_shape():
    cases = Plan().cases
    assert {case.distribution for case in cases} == set(DISTRIBUTIONS)
    assert {case.regime for case in cases} == {*REGIMES, *EDGES}
    sizes = {(case.hidden_size, case.input_size) for case in cases}
    assert {n for n, _ in sizes} == {1, 2, 3, 4, 5, 8, 32, 33}
    assert any(m == n for n, m in sizes)
    assert any(m < n for n, m in sizes)
    assert sum(m == n for n, m in sizes) == 1  # m = n hides mixed-up W and U
    assert len(set(cases)) == len(cases)
    one = Plan(hidden_sizes=[4, 4], input_size=4, distributions=["sparse", "sparse"]).cases
    assert all(case.input_size == 4 for case in one)
    assert len(Plan(hidden_sizes=[1024]).cases) == len(DISTRIBUTIONS) + len(EDGES)


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
