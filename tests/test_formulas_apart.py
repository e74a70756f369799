"""Formula files loaded apart: what is wrong with them is said, what they do is not done to us."""

import builtins

import pytest

from lstm_gpu.errors import InputError
from lstm_gpu.formulas.apart import check_loads

GOOD = """from lstm_gpu import claim


@claim("forget_gate_jacobian")
def mine(step):
    return (step.f * (1 - step.f))[:, :, None] * step.U.f
"""


def load(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    check_loads([str(path)])


def test_good_files_load_and_print(tmp_path, capfd):
    check_loads([])
    load(tmp_path, GOOD + "print('printed')\n")
    assert capfd.readouterr().out == "printed\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import os; os._exit(0)", r"ended the process \(exit code 0\)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"\(exit code -9\)"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, line, says):
    with pytest.raises(InputError, match=says):
        load(tmp_path, GOOD + line + "\n")


def test_a_name_that_is_no_text_is_said(tmp_path):
    with pytest.raises(InputError, match="invalid syntax"):
        load(tmp_path, "no formula", "non\udcffutf.py")


def test_what_a_file_does_to_its_process_is_not_done_to_ours(tmp_path):
    before = builtins.print
    load(tmp_path, GOOD + "import builtins\nbuiltins.print = None\n")
    assert builtins.print is before
