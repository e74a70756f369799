"""Shrunk counterexamples: smaller, rounder, still refuting, and shown by plain NumPy alone."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from examples import GENERIC, drawn

from lstm_gpu import checking, files
from lstm_gpu.bounds import COMPLEX_UNITS, SIGMOID_UNITS
from lstm_gpu.cell import sigmoid, step
from lstm_gpu.checking import Plan
from lstm_gpu.errors import InputError
from lstm_gpu.explicit import NAMES
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import load
from lstm_gpu.recorded import read
from lstm_gpu.replay import comparing, replay
from lstm_gpu.shrink import refuting, shrink, shrink_file

FILE = """
from lstm_gpu import claim

def column(v):
    return v[:, :, None]

def slope(a):
    return a * (1 - a)

def bracket(step, W, one):
    return (
        column(step.c_prev * slope(step.f)) * W.f
        + column(step.u * slope(step.i)) * W.i
        + column(step.i * (one - step.u)) * W.u
    )

@claim("hidden_jacobian")
def one_minus_u(step):
    rest = column(step.tanh_c * slope(step.o)) * step.U.o
    return rest + column(step.o * (1 - step.tanh_c**2)) * bracket(step, step.U, 1)

@claim("tanh_cell_jacobian")
def tanh_slip(step):
    return column(1 - step.tanh_c**2) * bracket(step, step.U, 1)

@claim("cell_jacobian")
def cell_slip(step):
    return bracket(step, step.U, 1)

@claim("output_gate_jacobian")
def transposed(step):
    return column(slope(step.o)) * step.U.o.swapaxes(1, 2)

@claim("candidate_jacobian")
def no_slope(step):
    return 1 * step.U.u

@claim("hidden_by_cell_jacobian")
def no_output(step):
    n = step.f.shape[1]
    return column((1 - step.tanh_c**2) * step.f) * step.xp.eye(n, dtype=step.f.dtype)

@claim("cell_by_cell_jacobian")
def i_for_f(step):
    return column(step.i) * step.xp.eye(step.f.shape[1], dtype=step.f.dtype)

@claim("hidden_by_input_jacobian")
def by_input(step):
    rest = column(step.tanh_c * slope(step.o)) * step.W.o
    return rest + column(step.o * (1 - step.tanh_c**2)) * bracket(step, step.W, 1)

@claim("forget_gate_argmax")
def direction(step):
    return step.U.f
"""
REGISTRY = [
    ("forget_gate_jacobian", "column_scaling", "complex_step"),
    ("forget_gate_jacobian", "matrix_vector", "central"),
    ("cell_state_independence", "previous_cell_moves", "complex_step"),
    ("cell_state_independence", "hidden_product_over_time", "central"),
]


def made(folder, dtype="float64", text=FILE, **plan):
    formula = folder / "mine.py"
    formula.write_text(text)
    plan = {"hidden_sizes": [3], "weight_sets": 2, "distributions": ["normal_gain_1"], **plan}
    results = checking.check_formulas(load(formula), Plan(**plan, dtype=dtype))
    written = checking.write_counterexamples(results, folder)
    return formula, {name: path for (_, name), path in written.items()}


def shown_by(program, tmp_path):
    """What the script prints, run with NumPy and nothing of this package."""
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", str(program)],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["claimed", "measured"]
    return [float(line[1].removeprefix("np.float64(").removesuffix(")")) for line in lines]


def check_shrunk(path, formula, tmp_path):
    """Shrink a file; whatever comes out must refute again and be shown by its script."""
    before = read(path)
    small, program, found = shrink_file(path, formula)
    after = read(small)
    was, now = before.sets(np), after.sets(np)
    assert now.h_prev.shape[1] <= was.h_prev.shape[1]
    assert now.x.shape[1] <= was.x.shape[1]
    assert after.key == before.key
    outcome = replay(small, "numpy", formula)
    assert outcome.verdict == "refuted"
    assert outcome.same_bits
    content = read_json(small, "counterexample")
    claimed, measured = shown_by(program, tmp_path)
    assert claimed == content["claimed"] == found.claimed
    # The file's reference is within its bound of the truth, and so is the script's complex step.
    assert abs(measured - content["measured"]) <= 2 * content["bound"]
    assert abs(claimed - measured) > content["bound"]
    assert "lstm_gpu" not in program.read_text()
    start = refuting(_as_float64(was), comparing(before, formula), 0.0)
    assert found.relative >= start.relative / 2
    return now, program


def _as_float64(sets):
    return replace(sets, **{n: getattr(sets, n).astype(np.float64) for n in NAMES})


def test_counterexamples_to_formulas_of_every_kind_shrink(tmp_path):
    formula, paths = made(tmp_path)
    for name in set(paths) - {"direction"}:
        sets, program = check_shrunk(paths[name], formula, tmp_path)
        n, m = sets.h_prev.shape[1], sets.x.shape[1]
        assert (n, m) == (2 if name == "transposed" else 1, 1), name
        numbers = np.concatenate([getattr(sets, array).ravel() for array in NAMES])
        assert np.mean(np.isin(numbers, (-1.0, 0.0, 1.0))) > 0.5, name
        assert len(program.read_text().splitlines()) <= 12


@pytest.mark.parametrize(("claim", "reading", "reference"), REGISTRY)
def test_counterexamples_of_the_registry_shrink(tmp_path, claim, reading, reference):
    content = {
        "claim": claim, "reading": reading, "mutant": "", "reference": reference,
        "entry": [0, 0], "case": GENERIC.as_dict(), "seed": 1, "index": 0, "directions": 64,
    }  # fmt: skip
    path = tmp_path / "counterexample.json"
    files.write_json(path, "counterexample", content)
    sets, program = check_shrunk(path, None, tmp_path)
    assert sets.h_prev.shape[1] == (2 if claim == "forget_gate_jacobian" else 1)
    assert f"# {claim} / {reading}:" in program.read_text()


def test_a_float32_counterexample_shrinks_in_float64(tmp_path):
    formula, paths = made(tmp_path, "float32")
    sets, _ = check_shrunk(paths["one_minus_u"], formula, tmp_path)
    assert sets.U.dtype == np.float64


def test_claims_on_the_sphere_cannot_be_shrunk(tmp_path):
    formula, paths = made(tmp_path)
    with pytest.raises(
        InputError, match="must be one on a Jacobian to be shrunk, got forget_gate_a"
    ):
        shrink_file(paths["direction"], formula)
    content = {
        "claim": "forget_gate_maximum", "reading": "gate_equals_norm", "mutant": "",
        "reference": "ascent", "entry": [0], "case": GENERIC.as_dict(), "seed": 1, "index": 0,
        "directions": 64,
    }  # fmt: skip
    path = tmp_path / "sphere.json"
    files.write_json(path, "counterexample", content)
    with pytest.raises(
        InputError, match="must be one on a Jacobian to be shrunk, got forget_gate_m"
    ):
        shrink_file(path, None)


def test_without_its_formula_nothing_is_shrunk(tmp_path):
    _, paths = made(tmp_path)
    with pytest.raises(InputError, match="--formula FILE"):
        shrink_file(paths["one_minus_u"], None)
    assert not list(tmp_path.glob("*.small.*"))


def test_a_mended_formula_has_nothing_to_shrink(tmp_path):
    formula, paths = made(tmp_path)
    formula.write_text(FILE.replace("(one - step.u)", "(one - step.u**2)"))
    with pytest.raises(InputError, match="must refute in float64, and does not"):
        shrink_file(paths["one_minus_u"], formula)


def test_an_error_of_the_formula_is_said_and_one_on_the_way_is_stepped_over(tmp_path):
    formula, paths = made(tmp_path)
    formula.write_text(FILE.replace("column(slope(step.o)) *", "step.nope *"))
    with pytest.raises(InputError, match="`transposed` raises AttributeError"):
        shrink_file(paths["transposed"], formula)
    singular = FILE.replace(
        "    return 1 * step.U.u", "    step.xp.linalg.inv(step.U.u)\n    return 1 * step.U.u"
    )
    formula, paths = made(tmp_path, text=singular)
    sets, _ = check_shrunk(paths["no_slope"], formula, tmp_path)
    assert sets.U[0, 2, 0, 0] != 0


LOW = """
import numpy as np
from lstm_gpu import claim

@claim("forget_gate_jacobian")
def low_f(step):
    return np.where(step.z.f < -720, 1, step.f * (1 - step.f))[:, :, None] * step.U.f

@claim("output_gate_jacobian")
def low_o(step):
    return np.where(step.z.o < -400, 1, step.o * (1 - step.o))[:, :, None] * step.U.o
"""


def test_the_script_does_not_overflow_where_a_gate_is_shut(tmp_path):
    """1/(1 + np.exp(-z)) is NaN at complex z below -710."""
    law = {"hidden_sizes": [2], "weight_sets": 8, "distributions": ["normal_gain_32"]}
    formula, paths = made(tmp_path, text=LOW, **law)
    for name in ("low_f", "low_o"):
        sets, program = check_shrunk(paths[name], formula, tmp_path)
        assert step(sets).z.min() < -400
    (sigma,) = [line for line in program.read_text().splitlines() if line.startswith("s = ")]
    names = {"np": np}
    exec(sigma, names)
    z = np.array([-1e308, -800, -709, -690, -40, -1, -1e-9, -0.0, 0, 1e-9, 1, 40, 800, 1e308])
    with np.errstate(all="raise", under="ignore"):
        for sign in (1, -1):  # on both sides of 0, and at it
            found, right = names["s"](z + sign * 1e-30j), sigmoid(z + sign * 1e-30j)
            for part, units in (("real", SIGMOID_UNITS), ("imag", COMPLEX_UNITS)):
                one, two = getattr(found, part), getattr(right, part)
                assert (abs(one - two) <= 2 * units * 2.0**-53 * abs(two) + 2.0**-1022).all()


BROKEN = """
from lstm_gpu import claim

@claim("forget_gate_jacobian")
def one_entry(step):
    J = 2 * (step.f * (1 - step.f))[:, :, None] * step.U.f
    J[:, 0, 0] = step.xp.nan
    return J

@claim("output_gate_jacobian")
def endless(step):
    return step.U.o - step.xp.inf

@claim("cell_jacobian")
def only_large(step):
    return step.U.f * (step.xp.nan if step.f.shape[1] > 1 else 1)

@claim("input_gate_jacobian")
def nan_at_zero(step):
    h = step.h_prev[:, None, :]
    return 2 * (step.i * (1 - step.i))[:, :, None] * step.U.i * h / h
"""


@pytest.mark.parametrize(
    ("name", "said", "n"),
    [("one_entry", "nan", 1), ("endless", "-inf", 1), ("only_large", "nan", 2)],
)
def test_a_value_that_is_no_number_is_shrunk_to_one_that_is_none(tmp_path, name, said, n):
    formula, paths = made(tmp_path, text=BROKEN)
    small, program, found = shrink_file(paths[name], formula)
    assert repr(found.claimed) == said
    assert found.sets.h_prev.shape[1] == n
    assert read_json(small, "counterexample")["claimed"] == said
    outcome = replay(small, "numpy", formula)
    assert outcome.verdict == "refuted"
    assert outcome.same_bits
    claimed, measured = shown_by(program, tmp_path)
    assert repr(claimed) == said
    assert abs(measured - found.measured) <= 2 * found.bound


def test_an_error_is_not_shrunk_to_a_value_that_is_no_number(tmp_path):
    formula, paths = made(tmp_path, text=BROKEN)
    sets, _ = check_shrunk(paths["nan_at_zero"], formula, tmp_path)
    assert (sets.h_prev != 0).all()


def test_the_document_s_claims_are_not_refuted_by_what_is_no_number(tmp_path):
    formula, paths = made(tmp_path, text=BROKEN)
    recorded = read(paths["one_entry"])
    sets, compare = recorded.sets(np), comparing(recorded, formula)
    assert shrink(sets, compare, own=True).relative == np.inf
    with pytest.raises(InputError, match="must refute in float64"):
        shrink(sets, compare)


def test_a_large_counterexample_is_refused(tmp_path):
    formula, paths = made(tmp_path, hidden_sizes=[65], distributions=["pytorch_uniform"])
    with pytest.raises(
        InputError, match="must have sizes up to 64 to be shrunk, got n = 65, m = 98"
    ):
        shrink_file(paths["no_slope"], formula)


def test_a_comparison_that_does_not_refute_is_not_shrunk(tmp_path):
    formula, paths = made(tmp_path)
    recorded = read(paths["i_for_f"])
    compare = comparing(recorded, formula)
    sets = drawn(GENERIC, 1)
    same = replace(sets, W=0 * sets.W, U=0 * sets.U)  # i = f = 1/2
    assert refuting(same, compare, 0.0) is None
    with pytest.raises(InputError, match="must refute in float64"):
        shrink(same, compare)
    assert refuting(sets, compare, 0.0).relative < 1
    assert refuting(sets, compare, 1.0) is None
