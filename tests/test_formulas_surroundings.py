"""Modules beside a formula file are found when it is called, and the path stays as it was."""

import sys

import numpy as np
import pytest

from lstm_gpu import cli
from lstm_gpu.formulas.inputs import drawn
from lstm_gpu.formulas.shard import load_all
from lstm_gpu.formulas.trial import compare_sets
from lstm_gpu.weights import Case

FILE = """
from lstm_gpu import claim

@claim("forget_gate_jacobian")
def mine(step):
    from {helper} import slope
    return slope(step.f)[:, :, None] * step.U.f
"""
SMALL = ["--hidden-size", "2", "--weight-sets", "2", "--distribution", "normal_gain_1"]


@pytest.fixture(autouse=True)
def path_as_it_was():
    before = sys.path.copy()
    yield
    assert sys.path == before


def written(folder, helper, value):
    """A formula and its helper."""
    folder.mkdir(exist_ok=True)
    (folder / f"{helper}.py").write_text(f"def slope(f):\n    return {value}\n")
    (folder / "mine.py").write_text(FILE.format(helper=helper))
    return folder / "mine.py"


def test_check_replay_and_shrink_find_what_a_formula_imports_when_it_is_called(tmp_path):
    file = str(written(tmp_path, "helper_of_check", "f"))
    folder = tmp_path / "counterexamples"
    assert cli.main(["check", file, *SMALL, "--counterexamples", str(folder)]) == cli.REFUTED
    example = str(folder / "forget_gate_jacobian__mine.mine.json")
    for command in ("replay", "shrink"):
        assert "helper_of_check" not in sys.modules
        assert cli.main([command, example, "--formula", file]) == cli.REFUTED


def test_so_does_a_job_of_the_workflow(tmp_path):
    (formula,) = load_all([written(tmp_path, "helper_of_jobs", "f * (1 - f)")])
    sets = drawn(Case(2, 3, "float64", "normal_gain_1", "generic"), 1, 0, 1, np)
    found = compare_sets(formula, sets, "complex_step")
    assert (abs(found.claimed - found.measured) <= found.bound).all()


def test_the_folder_is_the_first_place_while_the_file_runs_and_the_last_when_it_is_called(tmp_path):
    text = FILE.replace("from {helper} import slope", f"assert sys.path[-1] == {str(tmp_path)!r}")
    text = f"import sys\nassert sys.path[0] == {str(tmp_path)!r}\n" + text.replace("slope(", "(")
    (tmp_path / "mine.py").write_text(text)
    command = ["check", str(tmp_path / "mine.py"), *SMALL, "--counterexamples", str(tmp_path)]
    assert cli.main(command) == cli.REFUTED
