"""What the inputs hide, in the table and on the page."""

import pytest
from report_run import CONFIG, aggregate

from lstm_gpu.report import inputs, style


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
    large = table[(table["finding"] == "equal_sizes") & (table["hidden_size"] == 3)]
    assert len(large) == 4
    assert not large["hides"].str.contains("transposed", na=False).any()


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
