"""Formula files: what is found in them, and what is said of bad ones."""

import sys

import pytest

from lstm_gpu import claim
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.loading import NAMES, known, load, marks

HEAD = "from lstm_gpu import claim\n"
MINE = '@claim("hidden_jacobian")\ndef mine(step):\n    return step.U.f\n'


@pytest.fixture
def write(tmp_path):
    def to_file(text, name="mine.py"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to_file


def names(path):
    return [(formula.name, formula.quantity) for formula in load(path)]


def test_the_formulas_of_a_file_in_their_order(write):
    text = HEAD + MINE + MINE.replace("mine", "other").replace("hidden", "cell") + "def no(s): 1\n"
    path = write(text)
    assert names(path) == [("mine", "hidden_jacobian"), ("other", "cell_jacobian")]
    first = load(path)[0]
    assert first.file == str(path)
    assert len(first.sha256) == 64
    assert load(write(text + "\n", "b.py"))[0].sha256 != first.sha256


def test_a_function_with_two_marks_claims_both(write):
    path = write(HEAD + '@claim("cell_jacobian")\n' + MINE)
    assert names(path) == [("mine", "cell_jacobian"), ("mine", "hidden_jacobian")]
    assert names(write(HEAD + '@claim("hidden_jacobian")\n' + MINE)) == [
        ("mine", "hidden_jacobian")
    ]


def test_an_alias_is_no_second_formula(write):
    path = write(HEAD + MINE + "alias = mine\n")
    assert names(path) == [("mine", "hidden_jacobian")]


def test_a_formula_is_called_as_the_file_calls_it(write):
    """Functions made by a function share one __name__; a lambda has none."""
    text = """
def make(factor):
    @claim("hidden_jacobian")
    def inner(step):
        return factor * step.U.f
    return inner
a, b = make(1), make(2)
c = claim("cell_jacobian")(lambda step: step.U.f)
"""
    path = write(HEAD + text)
    assert names(path) == [
        ("a", "hidden_jacobian"), ("b", "hidden_jacobian"), ("c", "cell_jacobian"),
    ]  # fmt: skip


def test_a_neighbour_module_can_be_imported_and_the_path_is_left_as_it_was(write):
    write("factor = 3\n", "neighbour_of_mine.py")
    before = sys.path.copy()
    path = write(HEAD + "from neighbour_of_mine import factor\n" + MINE)
    assert load(path)[0].function.__globals__["factor"] == 3
    assert "neighbour_of_mine" not in sys.modules
    assert sys.path == before
    load(write(HEAD + "import sys\nsys.path.insert(0, 'elsewhere')\n" + MINE))
    assert sys.path == before


def test_dataclasses_in_a_formula_file_work(write):
    text = "from dataclasses import dataclass\n@dataclass\nclass A:\n    b: 'int' = 1\n"
    assert names(write("from __future__ import annotations\n" + HEAD + text + MINE))


BAD = {
    "syntax": (HEAD + "def mine(:\n", "cannot be run: SyntaxError: invalid syntax"),
    "not UTF-8": (b"\xff\xfe\x00", "cannot be run: SyntaxError"),
    "null bytes": (b"a = 1\x00", "cannot be run: "),
    "empty": ("", "must mark a function with @claim(quantity), got none"),
    "no mark": ("def mine(step): return 1\n", "must mark a function"),
    "unknown quantity": (
        HEAD + MINE.replace("hidden_jacobian", "hiden_jacobean"),
        "`quantity` must be one of hidden_jacobian, tanh_cell_jacobian",
    ),
    "near name": (HEAD + MINE.replace("hidden_j", "hiden_j"), "Did you mean `hidden_jacobian`?"),
    "mark without a quantity": (
        HEAD + MINE.replace('("hidden_jacobian")', ""),
        "must name a quantity",
    ),
    "import error": ("import no_such_module_at_all\n", "ModuleNotFoundError: No module named"),
    "raises": (HEAD + "\n1 / 0\n" + MINE, "ZeroDivisionError: division by zero (line 3)"),
    "exits": ("import sys; sys.exit(0)", "SystemExit: 0 (line 1)"),
    "leaves": ("raise BaseException('no')", "cannot be run: BaseException: no (line 1)"),
    "a coroutine": (HEAD + MINE.replace("def", "async def"), "a plain function to be a formula"),
    "two of one name": (HEAD + MINE + MINE, "must define `mine` once, got 2. Give each formula"),
    "a helper of the same name": (HEAD + MINE + "def mine(step): return 1\n", "`mine` once, got 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_clear_line(write, name):
    text, says = BAD[name]
    with pytest.raises(InputError) as caught:
        load(write(text))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_is_no_python_file_gets_one_clear_line(write, tmp_path):
    for path, says in (
        (tmp_path / "none.py", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (write(HEAD + MINE, "mine.txt"), r"must be a Python file: its name ends in .py"),
    ):
        with pytest.raises(InputError, match=says):
            load(path)


def test_a_failed_file_leaves_nothing_behind(write):
    modules, path = set(sys.modules), sys.path.copy()
    with pytest.raises(InputError):
        load(write(HEAD + "1 / 0\n"))
    assert not [name for name in set(sys.modules) - modules if "formulas_" in name]
    assert sys.path == path


def test_functions_with_one_name_that_are_no_formulas_are_the_file_s_own_business(write):
    text = "from functools import singledispatch\n@singledispatch\ndef g(a): 1\n"
    text += "@g.register\ndef _(a: int): 2\n@g.register\ndef _(a: str): 3\n"
    assert names(write(HEAD + text + MINE)) == [("mine", "hidden_jacobian")]


def test_claim_marks_a_function_and_leaves_it_a_function():
    @claim("cell_jacobian")
    def mine(step):
        return step

    assert mine(3) == 3
    assert marks(mine) == ("cell_jacobian",)
    assert marks(len) == ()
    assert marks("text") == ()


@pytest.mark.parametrize("bad", ["", "jacobian", None, 3, "Hidden_Jacobian", ["hidden_jacobian"]])
def test_unknown_quantities_are_refused(bad):
    with pytest.raises(InputError, match="`quantity` must be one of"):
        known(bad)
    assert [known(name) for name in NAMES] == list(NAMES)
