"""Counterexamples to readers' formulas: names that tell them apart, and what they may replace."""

import pytest

from lstm_gpu import checking
from lstm_gpu.checking import check_formulas
from lstm_gpu.counterexample import counterexample_path, refuse_foreign
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json, write_json
from lstm_gpu.formulas.loading import Formula, load
from lstm_gpu.intake import LONGEST_NAME
from lstm_gpu.plan import Plan
from lstm_gpu.replay import replay


def test_names_are_cut_to_what_a_file_may_have_and_still_differ(tmp_path):
    long = [counterexample_path(tmp_path, "q", "ü" * 300 + end, "file.py") for end in "ab"]
    assert long[0] != long[1]
    assert all(len(path.name.encode()) <= LONGEST_NAME - 40 for path in long)  # .NAME.PID.partial
    assert counterexample_path(tmp_path, "q", "f", "").name == "q__f.json"
    assert counterexample_path(tmp_path, "q", "f", "file.py").name == "q__file.f.json"


PLAN = Plan(hidden_sizes=[2], weight_sets=2, distributions=["normal_gain_1"])
WRONG = """
from lstm_gpu import claim

@claim("forget_gate_jacobian")
def mine(step):
    return {factor} * step.U.f
"""


def test_formulas_of_files_of_one_name_have_counterexamples_of_their_own(tmp_path):
    written = {}
    for folder in ("a", "b", "a"):  # the third time it is the first one's, to be written over
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / "mine.py"
        path.write_text(WRONG.format(factor=ord(folder)))
        [result] = check_formulas(load(path), PLAN)
        refuse_foreign(load(path), tmp_path)
        (example,) = checking.write_counterexamples([result], tmp_path).values()
        assert written.setdefault(path, example) == example
    assert [path.name for path in written.values()] == [
        "forget_gate_jacobian__mine.mine.json",
        "forget_gate_jacobian__b.mine.mine.json",
    ]
    for path, example in written.items():
        outcome = replay(example, formula=path)
        assert (outcome.verdict, outcome.same_bits, outcome.edited) == ("refuted", True, False)


def test_functions_told_apart_by_capitals_alone_have_counterexamples_of_their_own(
    tmp_path, monkeypatch
):
    """On a file system that knows no capitals: its names are made small here."""
    monkeypatch.setattr("lstm_gpu.counterexample.child", lambda folder, name: folder / name.lower())
    path = tmp_path / "mine.py"
    text = WRONG.format(factor=2)
    path.write_text(text + text.replace("mine", "Mine").replace("2", "3"))
    for _ in range(2):  # the second time over the same files
        formulas = load(path)
        refuse_foreign(formulas, tmp_path)
        written = checking.write_counterexamples(check_formulas(formulas, PLAN), tmp_path)
        names = [example.name for example in written.values()]
        assert names[0] == "forget_gate_jacobian__mine.mine.json"
        assert names[1].startswith("forget_gate_jacobian__mine.mine-")
        assert len(list(tmp_path.glob("*.json"))) == 2
        for (_, name), example in written.items():
            assert read_json(example, "counterexample")["reading"] == name
            assert replay(example, formula=path).same_bits


def test_the_counterexample_of_a_run_is_written_over_by_that_of_the_same_formula(tmp_path):
    path = counterexample_path(tmp_path, "q", "f", "mine.py")
    for reading, same in (("mine.f", True), ("f", True), ("mine.F", False), ("F", False)):
        write_json(path, "counterexample", {"reading": reading})
        assert (counterexample_path(tmp_path, "q", "f", "mine.py") == path) == same, reading


def test_a_damaged_counterexample_is_written_over(tmp_path):
    path = counterexample_path(tmp_path, "q", "f", "mine.py")
    write_json(path, "counterexample", {"formula": {"place": "elsewhere"}})
    assert counterexample_path(tmp_path, "q", "f", "mine.py") != path
    path.write_text(path.read_text()[:-3])
    assert counterexample_path(tmp_path, "q", "f", "mine.py") == path


def test_what_is_no_counterexample_is_not_written_over(tmp_path):
    formula = Formula("f", "cell_jacobian", len, "mine.py")
    refuse_foreign([formula], tmp_path / "new")
    path = tmp_path / "cell_jacobian__mine.f.json"
    write_json(path, "counterexample", {})
    refuse_foreign([formula], tmp_path)
    write_json(path, "check of formulas", {})
    with pytest.raises(InputError, match="is not a `lstm_gpu counterexample` file"):
        refuse_foreign([formula], tmp_path)
    with pytest.raises(InputError, match="must be a folder for counterexamples"):
        refuse_foreign([formula], path)
