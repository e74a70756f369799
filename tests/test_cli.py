"""The command line: exit codes, one line for each failure, and the files that it writes."""

import json
import subprocess
import sys

import pytest

from lstm_gpu import checking
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


def test_a_formula_that_could_not_be_tried_has_the_table_s_word_in_the_file(here):
    check(here, ERROR + NAN + GOOD, "--json", "out.json")
    rows = read_json(here / "out.json", "check of formulas")["results"]
    assert [row["verdict"] for row in rows] == ["error", "inconclusive", "supported"]


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


@pytest.mark.parametrize("place", ["full/out.json", "a" * 300, "full/b/c/out.json"])
def test_a_place_that_cannot_be_written_loses_no_verdict(here, capsys, place):
    (here / "full").write_text("")
    assert check(here, WRONG, "--json", place) == 2
    captured = capsys.readouterr()
    assert "wrong    cell_by_cell_jacobian  refuted" in captured.out
    assert captured.err.count("\n") == 1
    assert "cannot be written" in captured.err


def test_files_go_where_their_user_has_said_wherever_a_thread_goes(here, monkeypatch, capsys):
    write = checking.write_counterexamples

    def moved(*arguments):  # by a thread of a formula, when no call of it puts that back
        (here / "elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        return write(*arguments)

    monkeypatch.setattr(checking, "write_counterexamples", moved)
    assert check(here, WRONG, "--json", "all.json") == 1
    example = "counterexamples/cell_by_cell_jacobian__mine.wrong.json"
    assert f"replay: lstm-gpu replay {example} --formula mine.py\n" in capsys.readouterr().out
    assert (here / example).exists()
    assert (here / "all.json").exists()
    assert list((here / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_written_loses_no_verdict(here, capsys):
    (here / "full").write_text("")
    assert check(here, WRONG, "--counterexamples", "full/more") == 2
    assert "refuted" in capsys.readouterr().out


FOREIGN = {
    "the formula file": (["--json", "mine.py"], "`mine.py` exists, and is not a `lstm_gpu check"),
    "a link to it": (["--json", "link.json"], "`link.json` exists, and is not a `lstm_gpu check"),
    "any file": (["--json", "notes.txt"], "`notes.txt` exists, and is not a"),
    "other JSON": (["--json", "other.json"], "`other.json` exists, and is not a"),
    "an empty file": (["--json", "empty"], "`empty` exists, and is not a"),
    "a folder": (["--json", "."], "`.` cannot be read: Is a directory"),
    "a file for a folder": (["--counterexamples", "mine.py"], "`mine.py` must be a folder for"),
    "a counterexample's name": (
        ["--counterexamples", "taken"],
        "`taken/cell_by_cell_jacobian__mine.wrong.json` exists, and is not a `lstm_gpu counter",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("end", "what"),
    [("json", "a `lstm_gpu counterexample` file"), ("py", "the script of such a counterexample")],
)
def test_shrink_writes_over_nothing_but_its_own(here, capsys, end, what):
    assert check(here, WRONG) == 1
    example = "counterexamples/cell_by_cell_jacobian__mine.wrong.json"
    command = ["shrink", example, "--formula", "mine.py"]
    assert main(command) == 1
    small = {p: p.read_bytes() for p in here.rglob("*.small.*")}
    assert len(small) == 2
    assert main(command) == 1  # over its own
    assert {p: p.read_bytes() for p in here.rglob("*.small.*")} == small
    taken = here / example.replace(".json", f".small.{end}")
    for path in small:
        path.unlink()
    taken.write_text("# my notes\n")
    capsys.readouterr()
    assert main(command) == 2
    message = f"{taken.relative_to(here)}` exists, and is not {what}: it is not written over."
    assert message in capsys.readouterr().err
    assert [(p, p.read_text()) for p in here.rglob("*.small.*")] == [(taken, "# my notes\n")]


@pytest.mark.parametrize("name", FOREIGN)
def test_no_file_but_one_s_own_is_written_over(here, capsys, name):
    (here / "notes.txt").write_text("mine")
    (here / "other.json").write_text('{"format": "lstm_gpu check of formulas of mine"}')
    (here / "empty").write_text("")
    (here / "link.json").symlink_to("mine.py")
    (here / "taken").mkdir()
    (here / "taken" / "cell_by_cell_jacobian__mine.wrong.json").write_text("[1]")
    options, says = FOREIGN[name]
    (here / "mine.py").write_text(HEAD + WRONG)
    before = {p: p.read_bytes() for p in here.rglob("*") if p.is_file()}
    assert main(["check", "mine.py", *SMALL, *options]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""  # before the check
    assert {p: p.read_bytes() for p in here.rglob("*") if p.is_file()} == before


def test_counterexamples_of_two_files_stand_beside_each_other(here, capsys):
    for name in ("one.py", "two.py"):
        (here / name).write_text(HEAD + WRONG)
        assert main(["check", name, *SMALL]) == 1
    names = sorted(p.name for p in (here / "counterexamples").iterdir())
    assert names == [f"cell_by_cell_jacobian__{n}.wrong.json" for n in ("one", "two")]


def test_a_long_name_is_cut_in_the_name_of_its_file(here, capsys):
    assert check(here, WRONG.replace("wrong", "w" * 300)) == 1
    out = capsys.readouterr().out
    (command,) = [line for line in out.splitlines() if "replay: " in line]
    assert main(command.split("replay: lstm-gpu ")[1].split()) == 1


HOSTILE = {
    "raises BaseException": ("raise BaseException('no')", "raises BaseException: no"),
    "exits": ("exit()", "raises SystemExit: None"),
    "is interrupted by itself": ("raise GeneratorExit", "raises GeneratorExit"),
    "exits in a string of its own": (
        "class E(BaseException):\n        def __str__(self): raise BaseException\n    raise E",
        "raises E",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_formula_raises_is_an_error_and_the_others_go_on(here, capsys, name):
    line, says = HOSTILE[name]
    text = f'\n@claim("cell_jacobian")\ndef bad(step):\n    {line}\n'
    assert check(here, text + GOOD) == 2
    out = capsys.readouterr().out
    assert says in out
    rows = {line.split()[0]: line.split()[2] for line in out.splitlines()[1:3]}
    assert rows == {"bad": "error", "good": "supported"}


def test_a_file_that_closes_the_output_still_gets_its_table(here):
    (here / "mine.py").write_text(HEAD + GOOD + "import sys\nsys.stdout.close()\n")
    command = [sys.executable, "-m", "lstm_gpu", "check", "mine.py", *SMALL]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "supported" in done.stdout
    assert done.stderr == ""


def test_a_defect_of_our_own_is_no_verdict(here, capsys, monkeypatch):
    monkeypatch.setattr("lstm_gpu.checking.check_formulas", lambda *a: [][0])
    assert check(here, GOOD) == 70
    captured = capsys.readouterr()
    assert "Traceback" in captured.err
    assert captured.out == ""


def test_a_coroutine_is_no_formula_and_leaves_no_warning(here, capsys):
    assert check(here, GOOD.replace("def", "async def")) == 2
    assert "must be a plain function to be a formula, got `async def`" in capsys.readouterr().err


def test_the_file_goes_first(here, capsys):
    with pytest.raises(SystemExit):
        main(["check", "--hidden-size", "2", "mine.py"])
    err = capsys.readouterr().err
    assert err.startswith("usage: lstm-gpu check FILE [options]\n")
    assert "'mine.py' is no whole number (FILE goes first: " in err


def test_shrink_says_that_the_formula_is_not_the_original(here, capsys):
    assert check(here, WRONG) == 1
    example = "counterexamples/cell_by_cell_jacobian__mine.wrong.json"
    (here / "other.py").write_text(HEAD + WRONG.replace("step.i[", "step.o["))
    said = "the formula file is not the one that this counterexample was found with"
    capsys.readouterr()
    assert main(["shrink", example, "--formula", "mine.py"]) == 1
    assert said not in capsys.readouterr().out
    assert main(["shrink", example, "--formula", "other.py"]) == 1
    assert said in capsys.readouterr().out
    small = example.replace(".json", ".small.json")
    assert main(["replay", small, "--formula", "other.py"]) == 1  # the one that it was shrunk with
    assert said not in capsys.readouterr().out


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
