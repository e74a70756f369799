"""The command line: exit codes, one line for each failure, and the files that it writes."""

import json
import subprocess
import sys

import pytest

from lstm_gpu.cli import main
from lstm_gpu.files import read_json

HEAD = "from lstm_gpu import claim\n"
GOOD = """
@claim("cell_by_cell_jacobian")
def good(step):
    return step.f[:, :, None] * step.xp.eye(step.f.shape[1], dtype=step.f.dtype)
"""
WRONG = GOOD.replace("good", "wrong").replace("step.f[", "step.i[")
NAN = GOOD.replace("good", "nothing").replace(
    "return ", "return step.xp.where(step.x[:, :1, None] > 0, 1, step.xp.nan) * "
)
ERROR = GOOD.replace("good", "error").replace("step.f[", "step.nope[")
SMALL = ["--hidden-size", "2", "--weight-sets", "2", "--distribution", "sparse", "normal_gain_1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(here, text, *options):
    (here / "mine.py").write_text(HEAD + text)
    return main(["check", "mine.py", *SMALL, *options])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (GOOD, 0), (WRONG, 1), (NAN, 3), (ERROR, 2), (GOOD + WRONG, 1), (GOOD + NAN, 3),
        (WRONG + ERROR, 1), (NAN + ERROR, 2), (WRONG + NAN, 1), (GOOD + ERROR, 2),
    ],
)  # fmt: skip
def test_exit_codes_of_check(here, capsys, text, code):
    assert check(here, text) == code
    out = capsys.readouterr().out
    for word, function in (
        ("supported", "good"), ("refuted", "wrong"), ("inconclusive", "nothing"),
        ("error", "error"),
    ):  # fmt: skip
        rows = [line.split() for line in out.splitlines() if line.startswith(f"{function} ")]
        assert rows == [] if f"def {function}" not in text else rows[0][2] == word


def test_a_stranger_s_wrong_formula_comes_back_with_verdict_cause_and_replay(here, capsys):
    assert check(here, WRONG) == 1
    out = capsys.readouterr().out
    assert "likely cause: i_for_f: 1.00; next, " in out
    (command,) = [line for line in out.splitlines() if "replay: " in line]
    words = command.split("replay: ")[1].split()
    assert words[0] == "lstm-gpu"
    assert main(words[1:]) == 1
    assert "met bit for bit" in capsys.readouterr().out
    assert main(["shrink", *words[2:]]) == 1
    out = capsys.readouterr().out
    assert out.startswith("n = 1, m = 1, entry [0, 0]: claimed ")
    small, program = out.splitlines()[1:]
    assert main(["replay", small, *words[3:]]) == 1
    subprocess.run([sys.executable, "-I", program], check=True, capture_output=True)


def test_a_path_with_spaces_can_be_pasted(here, capsys):
    folder = here / "my formulas"
    folder.mkdir()
    (folder / "mine.py").write_text(HEAD + WRONG)
    main(["check", "my formulas/mine.py", *SMALL, "--counterexamples", "my formulas"])
    assert "--formula 'my formulas/mine.py'" in capsys.readouterr().out


def test_the_results_as_a_file(here):
    check(here, GOOD + WRONG, "--json", "out.json", "--seed", "7", "--input-size", "3")
    content = read_json(here / "out.json", "check of formulas")
    assert content["plan"]["seed"] == 7
    assert content["plan"]["input_size"] == 3
    assert content["plan"]["distributions"] == ["sparse", "normal_gain_1"]
    assert [row["verdict"] for row in content["results"]] == ["supported", "refuted"]
    assert content["results"][1]["likely_cause"].startswith("i_for_f")
    assert content["results"][1]["counterexample"]["seed"] == 7
    before = (here / "out.json").read_bytes()
    check(here, GOOD + WRONG, "--json", "out.json", "--seed", "7", "--input-size", "3")
    assert (here / "out.json").read_bytes() == before
    json.loads(before)


BAD = {
    "no file": (["check", "none.py"], "the formula file `none.py` cannot be read"),
    "a folder": (["check", "."], "cannot be read: Is a directory"),
    "size": (["check", "mine.py", "--hidden-size", "0"], "`hidden_size` must be a whole number"),
    "sets": (["check", "mine.py", "--weight-sets", "-1"], "`weight_sets` must be a whole number"),
    "dtype": (["check", "mine.py", "--dtype", "half"], "`dtype` must be one of float64, float32"),
    "law": (["check", "mine.py", "--distribution", "x"], "`distribution` must be one of"),
    "backend": (["check", "mine.py", "--backend", "x"], "`backend` must be one of"),
    "replay of nothing": (["replay", "none.json"], "`none.json` does not exist"),
    "replay of a formula": (["replay", "mine.py"], "`mine.py` is not valid JSON"),
    "shrink of nothing": (["shrink", "none.json"], "`none.json` does not exist"),
    "verdicts": (["verdicts", "none"], "verdicts.csv` does not exist"),
    "configuration": (["validate", "none.yaml"], "`none.yaml` does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_failure_is_one_line_and_exit_code_2(here, capsys, name):
    (here / "mine.py").write_text(HEAD + GOOD)
    arguments, says = BAD[name]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("lstm_gpu: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [[], ["chek"], ["check"], ["check", "a.py", "--seed", "x"]])
def test_wrong_usage_is_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: lstm-gpu" in capsys.readouterr().err


def test_a_results_file_that_cannot_be_written_is_one_line(here, capsys):
    (here / "full").write_text("")
    assert check(here, GOOD, "--json", "full/out.json") == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("seen", "code"),
    [(["supported"], 0), (["supported", "inconclusive"], 3), (["inconclusive", "refuted"], 1)],
)
def test_exit_codes_of_verdicts(here, capsys, seen, code):
    rows = [f"a,b,{verdict},0.5,1e-9,2,3" for verdict in seen]
    head = "claim,reading,verdict,error_over_bound,smallest_detectable,mutants_caught,mutants"
    (here / "verdicts.csv").write_text("\n".join([head, *rows]) + "\n")
    assert main(["verdicts", str(here)]) == code
    out = capsys.readouterr().out
    assert all(verdict in out for verdict in seen)
    assert "2/3" in out


def test_help_says_that_a_formula_file_is_run(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["check", "--help"])
    assert caught.value.code == 0
    assert "check only files" in " ".join(capsys.readouterr().out.split())
