"""What the inputs hide, in the table and on the page."""

from types import SimpleNamespace

import pandas as pd
import pytest
from report_run import CONFIG, aggregate

from lstm_gpu.lint import Found, Lint
from lstm_gpu.report import inputs, style
from lstm_gpu.tally import Record, Tally
from lstm_gpu.weights import Case


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return style.table(aggregate(tmp_path_factory.mktemp("run") / "results"), "lint.csv")


def test_every_case_has_its_findings_or_a_row_without(table):
    cases = table[["hidden_size", "input_size", "dtype", "distribution", "regime"]]
    assert len(cases.drop_duplicates()) == 8
    assert tuple(table.columns) == inputs.COLUMNS
    assert (table["weight_sets"] == CONFIG["weight_sets"]).all()
    assert table["saturated_share"].between(0, 1).all()


def test_a_single_unit_hides_transposes_and_equal_sizes_nothing(table):
    one = table[table["finding"] == "single_unit"]
    assert set(one["hidden_size"]) == {1}
    assert (one["with_finding"] == CONFIG["weight_sets"]).all()
    assert one["hides"].str.contains("hidden_jacobian/jacobian_transposed").all()
    same = table[table["finding"] == "equal_sizes"]
    assert len(same) > 4
    assert not same["hides"].str.replace("/W_for_U", "").str.contains("/", na=False).any()


def test_what_no_finding_explains_is_a_line_of_its_own():
    """m = n, a u that saturates and one transpose: each is put down to what can be the reason."""
    slips = {"W_for_U": 8, "one_minus_u": 8, "no_f_path": 7}
    case = Case(3, 3, "float64", "normal_gain_32", "generic")
    lint = Lint(weight_sets=8, entries=72)
    lint.findings["equal_sizes"] = Found(8, {("hidden_jacobian", m): n for m, n in slips.items()})
    tally = Tally()
    for mutant, equal in slips.items():
        key = ("hidden_jacobian", "as_written", mutant, "central")
        tally.records[key] = Record(weight_sets=8, equivalent_sets=equal)
    evidence = SimpleNamespace(
        cases=[case], lint={case: lint}, tallies={case: tally}, config={"seed": 0}
    )
    rows = list(inputs.rows(evidence))
    assert [(row["finding"], row["with_finding"], row["hides"]) for row in rows] == [
        ("equal_sizes", 8, "hidden_jacobian/W_for_U"),
        ("unexplained", 8, "hidden_jacobian/one_minus_u"),
    ]
    summary = inputs.summary(pd.DataFrame(rows))
    assert [part["finding"] for part in summary] == ["equal_sizes", "unexplained"]
    assert "no finding" in summary[1]["about"]


def test_the_summary_names_each_finding_once_with_what_it_is(table):
    listed = inputs.summary(table)
    names = [row["finding"] for row in listed]
    assert len(names) == len(set(names))
    assert {"single_unit", "equal_sizes"} <= set(names)
    one = next(row for row in listed if row["finding"] == "single_unit")
    assert one["cases"] == 4
    assert one["weight_sets"] == 4 * CONFIG["weight_sets"]
    assert one["about"].startswith("n = 1")
    assert "hidden_jacobian/jacobian_transposed" in one["hides"]
