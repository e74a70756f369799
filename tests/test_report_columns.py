"""Tables are read as what was written, and refused when they were edited into something else."""

import shutil

import pandas as pd
import pytest
from report_run import CONFIG, aggregate

from lstm_gpu.errors import InputError
from lstm_gpu.report import columns


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return aggregate(tmp_path_factory.mktemp("run") / "results")


@pytest.fixture
def results(run, tmp_path):
    for path in run.glob("*.csv"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", columns.TABLES)
def test_every_table_of_a_run_is_read_as_it_is(results, name):
    table = columns.table(results / name, name)
    plain = pd.read_csv(results / name, keep_default_na=False, na_values=[""])
    if "seed" in plain:
        plain["seed"] = plain["seed"].astype("UInt64")
    pd.testing.assert_frame_equal(table, plain)
    assert tuple(table.columns) == columns.TABLES[name]


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63, 2**64 - 1])
def test_every_seed_of_the_schema_is_read_beside_the_proofs_which_have_none(results, seed):
    path = results / "cases.csv"
    path.write_text(path.read_text().replace(f",{CONFIG['seed']},", f",{seed},"))
    seeds = columns.table(path, "cases.csv")["seed"]
    assert seeds.isna().any()
    assert set(seeds.dropna()) == {seed}


def test_a_header_alone_is_an_empty_table(results):
    path = results / "cases.csv"
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    assert columns.table(path, "cases.csv").empty


CHANGES = {
    "another header": ("verdicts.csv", lambda t: t.replace("claim,", "claims,", 1), "its header"),
    "a million columns": ("verdicts.csv", lambda t: "," * 10**6, "its header"),
    "no text": ("verdicts.csv", lambda t: "", "its header"),
    "a seed of text": ("cases.csv", lambda t: t.replace(",7,", ",x,"), "Unable to parse string"),
    "a seed below 0": ("ladder.csv", lambda t: t.replace(",7,", ",-7,"), "cannot safely cast"),
    "a seed beyond all": ("ladder.csv", lambda t: t.replace(",7,", f",{2**64},"), "too large"),
    "a short line": ("verdicts.csv", lambda t: t + "product_rule,as_written\n", "`verdict`"),
    "a case without a size": ("alignment.csv", lambda t: t.replace("\n3,", "\n,"), "`hidden_size`"),
    "a longer line": ("cases.csv", lambda t: t + "," * 40 + "\n", "Expected 23 fields"),
    "every line longer": (
        "sigmoid_curve.csv", lambda t: t.partition("\n")[0] + "\n1,2,3,4,5,6\n", "are longer",
    ),
    "a size of 0": ("alignment.csv", lambda t: t.replace("\n3,", "\n0,"), "`hidden_size`"),
    "a huge size": ("alignment.csv", lambda t: t.replace("\n3,", "\n1e9,"), "`hidden_size`"),
    "a half": ("alignment.csv", lambda t: t.replace("\n3,", "\n2.5,"), "`hidden_size`"),
    "a size of text": ("alignment.csv", lambda t: t.replace("\n3,", "\nx,"), "`hidden_size`"),
    "an unknown verdict": ("verdicts.csv", lambda t: t.replace("supported", "true"), "`verdict`"),
    "an unknown dtype": ("ladder.csv", lambda t: t.replace("float32", "float8"), "`dtype`"),
    "a formula of matplotlib": ("mutants.csv", lambda t: t.replace("all_zero", "$x"), "`mutant`"),
    "an escape sequence": ("mutants.csv", lambda t: t.replace("synthetic", "\x1b[2J"), "`seen`"),
    "a number of text": ("detection.csv", lambda t: t.replace(",0.5,", ",half,"), "`factor`"),
    "a count below 0": ("detection.csv", lambda t: t.replace(",8,", ",-8,"), "`trials`"),
    "a flag of text": ("sigmoid_curve.csv", lambda t: t.replace("True", "maybe"), "`not_finite`"),
    "a long text": ("cases.csv", lambda t: t.replace("c_t is a", "x" * 20_001), "`statement`"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_an_edited_table_is_refused_in_one_line(results, change):
    name, edit, says = CHANGES[change]
    path = results / name
    text = path.read_text()
    path.write_text(edit(text))
    assert path.read_text() != text
    with pytest.raises(InputError, match="is not a table") as refusal:
        columns.table(path, name)
    assert says in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_bytes_that_are_no_text_are_refused(results):
    path = results / "mutants.csv"
    path.write_bytes(path.read_bytes() + b"\xff" * 8 + b"," * 8 + b"\n")
    with pytest.raises(InputError, match="is not a table"):
        columns.table(path, "mutants.csv")
