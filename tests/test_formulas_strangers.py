"""What a stranger found: right formulas in other algebra, mistakes with the bias, lost marks."""

import numpy as np
import pytest

from lstm_gpu import claim, cli
from lstm_gpu.checking import Plan, check_formulas
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.loading import Formula, load
from lstm_gpu.shrink import shrink_file


def rows(v):
    return v[:, :, None]


def half_tanh(step, z):
    return (1 + step.xp.tanh(z / 2)) / 2


def hidden_with(step, i, f, o, c_f=None, i_u=None):
    """D4 with the gates i, f, o, and with other words for f c_{t-1} and for i u."""
    fc = f * step.c_prev if c_f is None else c_f
    iu = i * step.u if i_u is None else i_u
    d_c = rows(fc * (1 - f)) * step.U.f + rows(iu * (1 - i)) * step.U.i
    d_c = d_c + rows(i * (1 - step.u**2)) * step.U.u
    return rows(step.tanh_c * o * (1 - o)) * step.U.o + rows(o * (1 - step.tanh_c**2)) * d_c


def eye(step, v):
    return rows(v) * step.xp.eye(v.shape[1], dtype=v.dtype)


RIGHT = {
    "gates by tanh": (
        "hidden_jacobian",
        lambda s: hidden_with(s, *(half_tanh(s, z) for z in (s.z.i, s.z.f, s.z.o))),
    ),
    "1 - (1 - gate)": (
        "hidden_jacobian",
        lambda s: hidden_with(s, *(1 - (1 - g) for g in (s.i, s.f, s.o))),
    ),
    "f c_prev as c - i u": (
        "hidden_jacobian",
        lambda s: hidden_with(s, s.i, s.f, s.o, c_f=s.c - s.i * s.u, i_u=s.c - s.f * s.c_prev),
    ),
    "f by tanh": ("cell_by_cell_jacobian", lambda s: eye(s, half_tanh(s, s.z.f))),
    "1 - sigma(-z)": ("cell_by_cell_jacobian", lambda s: eye(s, 1 - 1 / (1 + np.exp(s.z.f)))),
    "o and f by tanh": (
        "hidden_by_cell_jacobian",
        lambda s: eye(s, half_tanh(s, s.z.o) * half_tanh(s, s.z.f) * (1 - s.tanh_c**2)),
    ),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_formulas_in_unusual_algebra_are_not_refuted(dtype):
    formulas = [Formula(name, quantity, right) for name, (quantity, right) in RIGHT.items()]
    for result in check_formulas(formulas, Plan(dtype=dtype)):
        assert result.verdict == "supported", str(result)


def z_of(step, sign):
    """The preactivations again, the bias taken with a sign."""
    return [
        (W @ step.x[..., None] + U @ step.h_prev[..., None])[..., 0] + sign * b
        for W, U, b in zip(step.W, step.U, step.b, strict=True)
    ]


def from_z(step, sign):
    i, f, o = (1 / (1 + np.exp(-z_of(step, sign)[gate])) for gate in (0, 1, 3))
    return hidden_with(step, i, f, o)


def test_a_mistake_with_the_bias_is_refuted():
    tried = [
        Formula(f"sign {sign}", "hidden_jacobian", lambda s, sign=sign: from_z(s, sign))
        for sign in (1, -1, 0)
    ]
    verdicts = [result.verdict for result in check_formulas(tried, Plan())]
    assert verdicts == ["supported", "refuted", "refuted"]


def test_a_counterexample_with_a_bias_shrinks_and_shows_itself(tmp_path, capsys):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from lstm_gpu import claim\n"
        "@claim('candidate_jacobian')\n"
        "def mine(s):\n"
        "    return (1 - s.xp.tanh(s.z.u - s.b.u) ** 2)[:, :, None] * s.U.u\n"
    )
    folder = str(tmp_path / "ce")
    assert cli.main(["check", str(mine), "--counterexamples", folder]) == 1
    [path] = (tmp_path / "ce").iterdir()
    small, program, found = shrink_file(path, mine)
    assert found.sets.b is not None
    assert cli.main(["replay", str(small), "--formula", str(mine)]) == 1
    scope: dict = {}
    capsys.readouterr()
    exec(compile(program.read_text(), str(program), "exec"), scope)
    claimed, measured = (float(line.split()[1]) for line in capsys.readouterr().out.splitlines())
    assert claimed == found.claimed
    # The script's complex step and the reference are each within the bound of the derivative.
    assert abs(measured - found.measured) <= 2 * found.bound
    assert abs(measured - claimed) > 2 * found.bound


HEAD = "from lstm_gpu import claim\nimport functools\n"
MARKED = "@claim('cell_by_cell_jacobian')\ndef {0}(s): return s.f\n"
LOST = {
    "under a plain decorator": (
        "def plain(f):\n    return lambda s: f(s)\n@plain\n" + MARKED.format("lost")
    ),
    "a method": "class A:\n    " + MARKED.format("lost").replace("\n", "\n    "),
    "deleted": MARKED.format("lost") + "del lost\n",
    "in a list": "fs = [claim('cell_by_cell_jacobian')(lambda s: s.f)]\n",
    "partial objects in a list": (
        "def f(k, s): return k * s.f\n"
        "fs = [claim('cell_by_cell_jacobian')(functools.partial(f, k)) for k in (1, 2)]\n"
    ),
    "objects that can be called, in a list": (
        "class F:\n    def __call__(self, s): return s.f\n"
        "fs = [claim('cell_by_cell_jacobian')(F())]\n"
    ),
    "made by another module": (
        "import sys, types\nother = types.ModuleType('other_of_mine')\n"
        "exec('def made(): return lambda s: s.f', vars(other))\n"
        "fs = [claim('cell_by_cell_jacobian')(other.made())]\n"
    ),
    "in another thread": (
        "import threading\nfs = []\n"
        "def work(): fs.append(claim('cell_by_cell_jacobian')(lambda s: s.f))\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()\n"
    ),
    "defined again below an if": MARKED.format("lost") + "if True:\n    def lost(s): return 0\n",
}


@pytest.mark.parametrize("name", LOST)
def test_a_marked_function_that_would_go_untried_is_refused(tmp_path, name):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + LOST[name] + "\n" + MARKED.format("right"))
    with pytest.raises(InputError, match=r"\(line \d+\) cannot be found .* would go untried"):
        load(path)


def test_the_formulas_of_a_module_that_is_imported_are_its_own_business(tmp_path):
    """They are tried where that file is named, and only once loaded are they there."""
    (tmp_path / "neighbour_with_formulas.py").write_text(
        HEAD + MARKED.format("there") + "fs = [claim('cell_jacobian')(lambda s: s.U.f)]\n"
    )
    path = tmp_path / "mine.py"
    path.write_text("import neighbour_with_formulas\n" + HEAD + MARKED.format("here"))
    assert [formula.name for formula in load(path)] == ["here"]


def test_a_file_that_loads_another_loses_nothing(tmp_path):
    other, path = tmp_path / "other.py", tmp_path / "mine.py"
    other.write_text(HEAD + MARKED.format("there"))
    inside = f"from lstm_gpu.formulas.loading import load\nload({str(other)!r})\n"
    path.write_text(HEAD + MARKED.format("here") + inside)
    assert [formula.name for formula in load(path)] == ["here"]
    path.write_text(HEAD + LOST["in a list"] + inside + MARKED.format("here"))
    with pytest.raises(InputError, match="would go untried"):
        load(path)


def test_objects_that_can_be_called_are_formulas_under_a_name(tmp_path):
    path = tmp_path / "mine.py"
    objects = LOST["objects that can be called, in a list"] + LOST["partial objects in a list"]
    path.write_text(HEAD + objects.replace("fs = [", "a, = [", 1).replace("fs = [", "b, c = ["))
    assert [formula.name for formula in load(path)] == ["a", "b", "c"]


def test_a_method_is_a_formula_under_a_name(tmp_path):
    path = tmp_path / "mine.py"
    lines = "class A:\n    " + MARKED.format("f").replace("(s)", "(self, s)").replace(
        "\n", "\n    "
    )
    path.write_text(HEAD + lines + "\nmine = A().f\n")
    assert [formula.name for formula in load(path)] == ["mine"]


def test_an_object_with_an_answer_to_every_name_is_no_formula(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from unittest.mock import call\n" + HEAD + MARKED.format("mine"))
    assert [formula.name for formula in load(path)] == ["mine"]


def test_what_cannot_be_marked_gets_one_clear_line():
    with pytest.raises(InputError, match="got builtin_function_or_method `len`, which cannot be"):
        claim("cell_jacobian")(len)


def test_a_decorator_that_says_what_it_wraps_loses_nothing(tmp_path):
    path = tmp_path / "mine.py"
    wrap = (
        "def timed(f):\n    @functools.wraps(f)\n    def g(s): return f(s)\n    return g\n@timed\n"
    )
    path.write_text(HEAD + wrap + MARKED.format("kept"))
    [formula] = load(path)
    assert formula.name == "kept"
    [result] = check_formulas([formula], Plan(hidden_sizes=(2,), weight_sets=1))
    assert "must return an array" in result.error


def test_an_exception_cannot_write_to_the_terminal_or_fill_it(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("raise ValueError('\\x1b[31mred' + 'x' * 10**5)\n")
    with pytest.raises(InputError) as caught:
        load(path)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000
