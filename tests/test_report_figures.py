"""The figures: the same bytes twice, titles that follow the data, and thin data survived."""

import shutil
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from report_run import finished

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.report import digests, figures, style
from lstm_gpu.report.figures import error_over_bound, ladder, mutants, sigmoid, worst_entry

NAMES = (
    "ladder",
    "error_over_bound",
    "mutants",
    "detection",
    "alignment",
    "sigmoid",
    "worst_entry",
)
TABLES = ("cases.csv", "mutants.csv", "alignment.csv", "best_cosine.csv", "ladder.csv",
          "sigmoid.csv", "sigmoid_curve.csv", "detection.csv")  # fmt: skip


@pytest.fixture
def results(tmp_path):
    """A copy of the tables, to be changed."""
    for path in finished().iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path


def draw(results, name):
    """Lay the figure out and render it, which is where thin data would fail."""
    with style.settings():
        fig = figures.FIGURES[name](results)
        fig.canvas.draw()
    return fig


def heading(fig):
    return " ".join(fig.get_suptitle().split())


def test_every_figure_twice_gives_the_same_bytes(results):
    figures.draw(results)
    folder = results / "figures"
    names = {f"{name}.{suffix}" for name in NAMES for suffix in ("svg", "png")}
    assert {path.name for path in folder.iterdir()} == names | {"digests.json"}
    digests.check(results, ["figures/digests.json"])
    for path in folder.iterdir():
        assert path.read_bytes() == (finished() / "figures" / path.name).read_bytes(), path.name


def test_nothing_is_fetched_and_no_date_is_told(results):
    with style.settings():
        style.save(figures.FIGURES["alignment"](results), results / "one")
    text = (results / "one.svg").read_text(encoding="utf-8")
    assert "<image" not in text
    assert "dc:date" not in text
    assert "@import" not in text


@pytest.mark.parametrize("name", NAMES)
def test_one_case_of_one_unit_is_enough(results, name):
    for table in TABLES:
        frame = pd.read_csv(results / table)
        if "hidden_size" in frame:
            frame = frame[(frame["hidden_size"] == 1) & (frame["dtype"] == "float32")]
            if "distribution" in frame:
                frame = frame[frame["distribution"] == "pytorch_uniform"]
            frame.to_csv(results / table, index=False)
    lonely = {"formula": [[0.5]], "reference": [[0.5]], "bound": [[0.0]], "entry": [0, 0]}
    content = files.read_json(results / "worst_entry.json", "worst_entry")
    lonely["case"] = {**content["case"], "hidden_size": 1}
    files.write_json(results / "worst_entry.json", "worst_entry", {**content, **lonely})
    draw(results, name)


@pytest.mark.parametrize("name", NAMES)
def test_no_data_at_all_is_said(results, name):
    for table in TABLES:
        pd.read_csv(results / table).iloc[:0].to_csv(results / table, index=False)
    files.write_json(results / "worst_entry.json", "worst_entry", {})
    assert heading(draw(results, name))


@pytest.mark.parametrize("name", NAMES)
def test_values_that_are_missing_leave_gaps(results, name):
    missing = {
        "cases.csv": ["error_over_bound"],
        "ladder.csv": ["gap", "order"],
        "best_cosine.csv": ["best_law"],
        "sigmoid_curve.csv": ["largest_ulp_error"],
    }
    for table, columns in missing.items():
        frame = pd.read_csv(results / table)
        frame[columns] = np.nan
        frame.to_csv(results / table, index=False)
    draw(results, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_table_is_one_line(tmp_path, name):
    with pytest.raises(InputError) as caught:
        draw(tmp_path, name)
    assert "\n" not in str(caught.value)


def test_a_damaged_table_is_one_line(results):
    (results / "mutants.csv").write_bytes(b"\xff\xfe\x00" * 9)
    with pytest.raises(InputError, match="is not a table") as caught:
        draw(results, "mutants")
    assert "\n" not in str(caught.value)


def test_titles_follow_the_data(results):
    cases = pd.read_csv(results / "cases.csv")
    assert "16 readings without one error" in error_over_bound.title(cases)
    steps = pd.read_csv(results / "ladder.csv")
    assert "none shows a wrong formula" in ladder.title(steps)
    steps.loc[steps["formula"] == "hidden_jacobian", "verdict"] = "refuted"
    assert "refute the hidden Jacobian" in ladder.title(steps)
    table = pd.read_csv(results / "mutants.csv")
    assert mutants.title(table).startswith("Every one of 127 ")
    spoiled = (table["mutant"] == "all_zero") & (table["claim"] == "hidden_jacobian")
    table.loc[spoiled, "caught"] = "no"
    assert mutants.title(table).startswith("126 of 127")
    assert "all zero (D4)" in mutants.title(table)
    survey = pd.read_csv(results / "sigmoid.csv")
    assert "7.62, 16.64, 36.74" in sigmoid.title(survey)
    survey.loc[survey["form"] == "stable", "half_lost"] = 1
    assert "digits stay" not in sigmoid.title(survey)


def test_a_worst_entry_beyond_its_bound_is_called_refuted(results):
    content = files.read_json(results / "worst_entry.json", "worst_entry")
    k, j = content["entry"]
    content["formula"][k][j] += 1.0
    files.write_json(results / "worst_entry.json", "worst_entry", content)
    assert "refuted" in heading(draw(results, "worst_entry"))


def test_outcome_of_a_cell():
    assert mutants.outcome(["yes", "equivalent here"]) == "yes"
    assert mutants.outcome(["yes", "no"]) == "in some"
    assert mutants.outcome(["no", "equivalent here"]) == "no"
    assert mutants.outcome(["equivalent here"]) == "equivalent here"


def test_columns_of_the_matrix_are_in_order_and_about_equal():
    groups = [("", f"{k}", ["x"] * size) for k, size in enumerate((3, 8, 21, 46, 11, 15, 10, 7, 6))]
    head = Fraction("1.6")
    for count, longest in ((1, 127 + 9 * head), (2, 78 + 4 * head), (3, 49 + 5 * head)):
        columns = mutants._columns(groups, count)
        assert [group for column in columns for group in column] == groups
        assert len(columns) == count
        lengths = [sum(len(names) + head for *_, names in column) for column in columns]
        assert max(lengths) == longest, lengths
    assert mutants._columns(groups[:1], 3) == [groups[:1]]


@pytest.mark.parametrize(("n", "size"), [(1, 1), (64, 1), (65, 2), (128, 2), (200, 4)])
def test_blocks_are_means(n, size):
    assert worst_entry.block_size(n) == size
    matrix = np.arange(n * n, dtype=float).reshape(n, n)
    means = worst_entry.block_means(matrix, size)
    assert len(means) <= worst_entry.MOST_CELLS
    assert means[0, 0] == matrix[:size, :size].mean()
    last = (len(means) - 1) * size
    assert means[-1, -1] == matrix[last:, last:].mean()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (0.0518, "0.052"),
        (12.3, "12"),
        (-0.5, "−0.50"),
        (3.14e-16, "3.1×10⁻¹⁶"),
        (1e6, "1.0×10⁶"),
        (9.99e-7, "1.0×10⁻⁶"),
        (5e-324, "4.9×10⁻³²⁴"),
    ],
)
def test_numbers_for_people(value, text):
    assert style.number(value) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("row_scaling", "row scaling"),
        ("U_f_transposed", "U_f transposed"),
        ("U_i_and_U_f_swapped", "U_i and U_f swapped"),
        ("U_plus_W", "U plus W"),
        ("W_for_U", "W for U"),
    ],
)
def test_ids_as_words(name, text):
    assert style.words(name) == text
