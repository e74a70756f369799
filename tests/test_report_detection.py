"""Detection rates: exact intervals, and every departure from what is due is on the page."""

import pandas as pd
import pytest
from report_run import CONFIG, aggregate, write_shards, written
from scipy.stats import binomtest

from lstm_gpu.errors import InputError
from lstm_gpu.report import detection, figures, style, tables

RISK = 1e-6


def row(factor, trials, detected, size="entry"):
    table = pd.DataFrame(
        {"size": [size], "factor": [factor], "trials": [trials], "detected": [detected]}
    )
    return detection.with_rates(table, RISK).iloc[0]


@pytest.mark.parametrize(
    ("trials", "detected"), [(8, 0), (8, 8), (8, 3), (1000, 500), (20160, 20159)]
)
def test_intervals_are_the_exact_ones(trials, detected):
    found = row(0.5, trials, detected)
    ci = binomtest(detected, trials).proportion_ci(detection.CONFIDENCE, "exact")
    assert found["rate"] == detected / trials
    root = 2e-12  # what SciPy's search for either end stops at: brentq's `xtol`
    assert abs(found["low"] - ci.low) <= root
    assert abs(found["high"] - ci.high) <= root


@pytest.mark.parametrize(
    ("factor", "size", "trials", "detected", "as_expected"),
    [
        (1.0, "entry", 1000, 1000, "yes"),
        (1.0, "entry", 1000, 999, "no"),
        (5.0, "set", 1000, 999, "no"),
        (0.0, "entry", 1000, 0, "yes"),
        (0.0, "set", 1000, 1, "no"),
        (0.5, "entry", 1000, 480, "yes"),
        (0.5, "entry", 1000, 540, "yes"),  # two deviations and a half: chance
        (0.5, "entry", 1000, 600, "no"),
        (0.5, "entry", 1000, 400, "no"),
        (0.5, "set", 1000, 1000, "yes"),
        (0.5, "entry", 8, 8, "yes"),  # too few to tell
        (1.0, "entry", 0, 0, "yes"),
    ],
)
def test_what_is_not_due_is_said(factor, size, trials, detected, as_expected):
    assert row(factor, trials, detected, size)["as_expected"] == as_expected


def test_the_table_holds_every_trial_once(tmp_path):
    table = pd.read_csv(aggregate(tmp_path) / "detection.csv")
    assert tuple(table.columns) == detection.COLUMNS
    assert (table["as_expected"] == "yes").all()
    per_place = CONFIG["weight_sets"] * 2  # two distributions in a place (n, dtype)
    assert (table.loc[table["factor"] != 0.5, "trials"] == per_place).all()
    assert (table["trials"] <= per_place).all()
    assert len(table) == 5 * 2 * 2 * 2 * 2 * 5
    assert table["claim"].iloc[0] == "product_rule"


def spoiled(results, factor, by):
    """A run in which one reading's detections at a factor are changed in the shards of n = 3."""

    def change(kind, content):
        if kind == "check" and content["case"]["hidden_size"] == 3:
            content["injections"][0]["detected"][factor] += by

    tables.aggregate(write_shards(results, change), CONFIG, results)
    with style.settings():
        style.settle(figures.FIGURES["detection"](results))
    return written(results)


@pytest.mark.parametrize(("factor", "by"), [(2, -1), (0, 1)])
def test_a_defect_stands_in_the_first_sentence_and_by_its_place(tmp_path, factor, by):
    text = spoiled(tmp_path, factor, by)
    assert "in 2 places the errors found are not those that are due" in text
    assert 'class="summary alarm"' in text
    assert "A defect of the tool" in text
    assert "n = 3, float32: of the errors of" in text
    assert text.count("forget gate jacobian / row scaling, central") == 2


def test_a_run_without_defects_says_how_many_were_found(tmp_path):
    text = spoiled(tmp_path, 0, 0)
    assert "1,920 were found; no place" in text
    assert "not the median in that column" in text  # what the injections do not confirm
    assert "defect of the tool" not in text


def test_a_shard_with_impossible_counts_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a complete shard"):
        spoiled(tmp_path, 2, 1)


def test_the_figure_says_what_was_missed(tmp_path):
    table = pd.read_csv(aggregate(tmp_path) / "detection.csv")
    title = figures.detection.title
    assert title(table).startswith("All 1,920 errors of twice their bound")
    table.loc[table["factor"] == 1, "detected"] -= 1
    assert title(table).startswith("Only 1,840 of 1,920")
    table.loc[table["factor"] == 0, "detected"] += 1
    assert "80 where there is none" in title(table)
