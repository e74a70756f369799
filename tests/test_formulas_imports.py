"""Modules of one name in several folders: each formula has its own, and everybody else theirs."""

import importlib
import sys

import numpy as np
import pytest

from lstm_gpu.checking import Plan, check_formulas
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.evaluation import called
from lstm_gpu.formulas.inputs import drawn
from lstm_gpu.formulas.loading import load
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.weights import Case

HEAD = "from lstm_gpu import claim\n{top}\n"
MINE = '@claim("hidden_jacobian")\ndef mine(step):\n    {inside}\n    return {value}\n'
WHERE = {
    "at the top": ("from helper import value", "pass"),
    "in the formula": ("", "from helper import value"),
    "in both": ("import helper", "from helper import value; assert helper.value is value"),
    "a package": ("from pkg.sub import value", "pass"),
    "a package, later": ("", "from pkg.sub import value"),
    "a package, half of it later": ("import pkg", "from pkg.sub import value"),
    "a folder without __init__": ("", "from ns.sub import value"),
    "by a call": ("", "import importlib as i; value = i.import_module('helper').value"),
    "below the folder": (
        "import os, sys; sys.path.insert(0, os.path.dirname(__file__) + '/lib'); import below",
        "value = below.value",
    ),
    "one that takes its own place": ("", "import placed; value = placed.value"),
    "one that is thrown out first": (
        "import sys; sys.modules.pop('helper', None); from helper import value", "pass",
    ),
}  # fmt: skip
PLACED = """
import sys
class Thing:
    value = {0!r}
sys.modules[__name__] = Thing()
"""

COMPILED = """
import os, sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
if "fast" not in sys.modules:
    path = os.path.join(os.path.dirname(__file__), "fast.so")
    fast = sys.modules["fast"] = type(os)("fast")
    fast.__file__, fast.__spec__ = path, ModuleSpec("fast", ExtensionFileLoader("fast", path))
import fast
"""


@pytest.fixture(autouse=True)
def modules_as_they_were():
    before, path, meta = sys.modules.copy(), sys.path.copy(), sys.meta_path.copy()
    yield
    new = {name for name in sys.modules.keys() - before if not name.startswith("lstm_gpu_formulas")}
    sys.modules.update(before)
    for name in new:
        del sys.modules[name]
    sys.path[:] = path
    assert sys.meta_path == meta


def written(folder, where):
    """A formula file whose formula returns the name of its folder."""
    top, inside = WHERE[where]
    for name in ("pkg", "ns", "lib"):
        (folder / name).mkdir(parents=True)
    value = f"value = {folder.name!r}\n"
    (folder / "helper.py").write_text(value)
    (folder / "pkg" / "__init__.py").write_text("from . import other\n")
    (folder / "pkg" / "other.py").write_text(value)
    (folder / "pkg" / "sub.py").write_text("from .other import value\n")
    (folder / "ns" / "sub.py").write_text(value)
    (folder / "lib" / "below.py").write_text(value)
    (folder / "placed.py").write_text(PLACED.format(folder.name))
    file = folder / "mine.py"
    file.write_text(HEAD.format(top=top) + MINE.format(inside=inside, value="value"))
    return file


@pytest.mark.parametrize("where", WHERE)
def test_each_folder_has_its_own(tmp_path, where):
    loaded = [load(written(tmp_path / folder, where))[0] for folder in ("a", "b")]
    names = set(sys.modules)
    for _ in range(2):
        assert [value_of(formula) for formula in loaded] == ["a", "b"]
        assert [value_of(formula) for formula in reversed(loaded)] == ["b", "a"]
    assert set(sys.modules) == names
    assert not names & {"helper", "pkg", "pkg.sub", "ns", "ns.sub", "below", "placed"}


def value_of(formula):
    return called(formula, Material(QUANTITIES["hidden_jacobian"], SETS).view)


SETS = drawn(Case(2, 2, "float64", "normal_gain_1", "generic"), 1, 0, 1, np)


def test_a_right_formula_and_a_wrong_one_get_the_verdicts_that_are_theirs(tmp_path):
    text = HEAD.format(top="") + MINE.replace("hidden", "forget_gate").format(
        inside="from helper import slope", value="slope(step.f)[:, :, None] * step.U.f"
    )
    loaded = []
    for folder, slope in (("right", "f * (1 - f)"), ("wrong", "f")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helper.py").write_text(f"def slope(f):\n    return {slope}\n")
        (tmp_path / folder / "mine.py").write_text(text)
        (formula,) = load(tmp_path / folder / "mine.py")
        loaded.append(formula._replace(name=folder))
    for order in (loaded, loaded[::-1]):
        results = check_formulas(order, Plan(hidden_sizes=(2,), weight_sets=2))
        found = {result.formula: result.verdict for result in results}
        assert found == {"right": "supported", "wrong": "refuted"}


@pytest.mark.parametrize("where", ["at the top", "in the formula", "in both", "a package, later"])
def test_others_keep_theirs(tmp_path, where, monkeypatch):
    """A test imports its helper, and checks formulas of other folders that have one, too."""
    file, _ = written(tmp_path / "a", where), written(tmp_path / "mine", where)
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    theirs = {name: importlib.import_module(name) for name in ("helper", "pkg", "pkg.sub")}
    (formula,) = load(file)
    assert value_of(formula) == value_of(formula) == "a"
    for name, module in theirs.items():
        assert sys.modules[name] is module
    assert theirs["helper"].value == "mine"


def test_what_was_imported_from_the_folder_before_is_the_one(tmp_path, monkeypatch):
    file = written(tmp_path / "a", "in both")
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    theirs = importlib.import_module("helper")
    package = importlib.import_module("pkg")
    theirs.value = "changed"
    (formula,) = load(file)
    assert value_of(formula) == "changed"
    assert sys.modules["helper"] is theirs
    with formula.imports.at_hand():
        submodule = importlib.import_module("pkg.sub")  # more of a package that is others'
    assert sys.modules["pkg.sub"] is submodule
    assert package.sub is submodule


def test_a_folder_on_the_path_does_not_come_before_the_files_own(tmp_path, monkeypatch):
    file, _ = written(tmp_path / "a", "in the formula"), written(tmp_path / "here", "at the top")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    assert value_of(load(file)[0]) == "a"


def test_what_is_installed_below_the_folder_stays(tmp_path):
    place = tmp_path / ".venv" / "lib" / "site-packages"
    place.mkdir(parents=True)
    (place / "installed_below.py").write_text("value = 1\n")
    file = tmp_path / "mine.py"
    top = f"import sys; sys.path.append({str(place)!r}); import installed_below"
    file.write_text(HEAD.format(top=top) + MINE.format(inside="pass", value="0"))
    load(file)
    assert sys.modules["installed_below"].value == 1


def test_a_file_loaded_again_remembers_nothing_and_sees_an_edit(tmp_path):
    file = written(tmp_path / "a", "in the formula")
    (first,) = load(file)
    assert value_of(first) == "a"
    (tmp_path / "a" / "helper.py").write_text("value = 'edited'\n")
    importlib.invalidate_caches()
    (second,) = load(file)
    assert (value_of(second), value_of(first)) == ("edited", "a")
    assert first.sha256 != second.sha256


def test_a_compiled_module_is_loaded_once(tmp_path):
    """Many refuse to be loaded twice; one is only said to be compiled here."""
    (tmp_path / "import_fast.py").write_text(COMPILED)
    file = tmp_path / "mine.py"
    file.write_text(
        HEAD.format(top="from import_fast import fast") + MINE.format(inside="", value=0)
    )
    one, other = load(file) + load(file)
    assert one.function.__globals__["fast"] is other.function.__globals__["fast"]
    assert not {"fast", "import_fast"} & set(sys.modules)


def test_a_file_that_cannot_be_run_leaves_nothing_behind(tmp_path):
    file = written(tmp_path / "a", "at the top")
    file.write_text("import helper\n1 / 0\n")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        load(file)
    assert "helper" not in sys.modules


def test_a_module_with_the_name_of_one_of_python_s_is_refused(tmp_path):
    """Which of the two it is would depend on what was imported before."""
    text = HEAD.format(top="") + MINE.format(inside="import statistics", value="statistics.value")
    (tmp_path / "mine.py").write_text(text)
    load(tmp_path / "mine.py")
    (tmp_path / "statistics.py").write_text("value = 1\n")
    with pytest.raises(InputError, match=r"`statistics.py` .* must not have the name of a module"):
        load(tmp_path / "mine.py")
