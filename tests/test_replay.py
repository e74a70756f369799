"""Counterexamples replayed: the same bits again, said in words; no program that a file names."""

import sys

import pytest
from examples import GENERIC, drawn

from lstm_gpu import checking, files
from lstm_gpu.checking import Plan
from lstm_gpu.errors import InputError
from lstm_gpu.explicit import as_lists
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import load
from lstm_gpu.recorded import read
from lstm_gpu.replay import comparing, describe, replay
from lstm_gpu.shrink import shrink_file
from lstm_gpu.weights import DTYPES

FILE = """
from lstm_gpu import claim

@claim("hidden_jacobian")
def mine(step):
    return step.U.f

@claim("cell_by_cell_jacobian")
def gate(step):
    return step.i[:, :, None] * step.xp.eye(step.i.shape[1], dtype=step.i.dtype)

@claim("hidden_by_input_jacobian")
def by_input(step):
    return step.W.o

@claim("forget_gate_argmax")
def direction(step):
    return step.U.f
"""
PLAN = {"hidden_sizes": [3], "weight_sets": 2, "distributions": ["glorot_uniform"]}


def made(folder, dtype="float64", text=FILE):
    """A formula file, and the counterexample files to its formulas by name."""
    formula = folder / "mine.py"
    formula.write_text(text)
    results = checking.check_formulas(load(formula), Plan(**PLAN, dtype=dtype))
    written = checking.write_counterexamples(results, folder)
    return formula, {name: path for (_, name), path in written.items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_counterexample_to_a_formula_is_replayed_bit_for_bit(tmp_path, dtype):
    formula, paths = made(tmp_path, dtype)
    assert set(paths) == {"mine", "gate", "by_input", "direction"}
    for path in paths.values():
        outcome = replay(path, "numpy", formula)
        assert outcome.verdict == "refuted"
        assert outcome.same_bits
        assert not outcome.edited
        for name in ("claimed", "measured", "bound", "error"):
            assert outcome.found[name] == outcome.file[name], (path, name)
        said = describe(outcome)
        assert "met bit for bit" in said
        assert "claims to equal" in said
        assert "seed 0, index " in said


def test_without_its_formula_a_counterexample_says_what_is_missing(tmp_path):
    formula, paths = made(tmp_path)
    with pytest.raises(InputError, match=r"formula of your own.* --formula FILE"):
        replay(paths["mine"])
    other = tmp_path / "other.py"
    other.write_text(FILE.replace("def mine", "def renamed"))
    with pytest.raises(InputError, match=r"other.py` has no formula `mine` that claims to equal"):
        replay(paths["mine"], formula=other)
    formula.unlink()
    with pytest.raises(InputError, match=r"mine.py` cannot be read"):
        replay(paths["mine"], formula=formula)


def test_a_file_is_never_told_to_run_by_a_counterexample(tmp_path):
    """The file names a program; only the one that the user names is run."""
    trap = tmp_path / "trap.py"
    trap.write_text("import sys\nsys.trapped = True\n" + FILE)
    _, paths = made(tmp_path)
    content = read_json(paths["mine"], "counterexample")
    content["formula"] = {"file": str(trap), "sha256": ""}
    files.write_json(paths["mine"], "counterexample", content)
    assert replay(paths["mine"], formula=tmp_path / "mine.py").same_bits
    assert not hasattr(sys, "trapped")


def test_an_edited_formula_is_said_to_be_one(tmp_path):
    formula, paths = made(tmp_path)
    formula.write_text(FILE.replace("return step.U.f\n", "return 2 * step.U.f\n", 1))
    outcome = replay(paths["mine"], "numpy", formula)
    assert outcome.edited
    assert not outcome.same_bits
    said = describe(outcome)
    assert "the formula file is not the one that this counterexample was found with" in said
    assert "(other bits: another formula)" in said


def test_a_formula_is_edited_where_what_it_imports_from_beside_it_is(tmp_path):
    helper = tmp_path / "helper.py"
    helper.write_text("factor = 1\n")
    text = FILE.replace("return step.U.f\n", "import helper; return helper.factor * step.U.f\n", 1)
    formula, paths = made(tmp_path, text=text)
    assert not replay(paths["mine"], "numpy", formula).edited
    helper.write_text("factor = 2.0\n")
    outcome = replay(paths["mine"], "numpy", formula)
    assert outcome.edited
    assert not outcome.same_bits  # what it says now is what is replayed
    assert shrink_file(paths["mine"], formula)[2].edited


def test_a_mended_formula_is_no_longer_refuted(tmp_path):
    formula, paths = made(tmp_path)
    formula.write_text(FILE.replace("step.i", "step.f"))
    outcome = replay(paths["gate"], "numpy", formula)
    assert outcome.verdict == "supported"
    assert "not refuted" in describe(outcome)
    formula.write_text(FILE.replace("return step.i", "return step.xp.nan * step.i"))
    outcome = replay(paths["gate"], "numpy", formula)
    assert outcome.verdict == "refuted"  # a value that is not finite is no Jacobian
    assert "the claimed value is not finite, and the derivative is" in describe(outcome)


@pytest.mark.parametrize("kind", ["own", "registry"])
def test_weights_that_are_written_out_are_replayed(tmp_path, kind):
    sets = drawn(GENERIC, 1)
    content = {
        "claim": "hidden_jacobian", "reading": "mine", "mutant": "", "reference": "complex_step",
        "entry": [1, 0], "dtype": "float64", "weights": as_lists(sets), "formula": {"sha256": ""},
    }  # fmt: skip
    if kind == "registry":
        del content["formula"]
        content |= {"claim": "forget_gate_jacobian", "reading": "column_scaling"}
    formula, path = made(tmp_path)[0], tmp_path / "small.json"
    files.write_json(path, "counterexample", content)
    outcome = replay(path, "numpy", formula)
    assert outcome.verdict == "refuted"
    assert "written out in the file: n = 3, m = 2, float64" in describe(outcome)
    if kind == "own":
        assert outcome.found["claimed"] == sets.U[0, 1, 1, 0]


def test_only_claims_on_jacobians_can_be_compared_on_other_weight_sets(tmp_path):
    formula, paths = made(tmp_path)
    for path in (paths["direction"],):
        with pytest.raises(
            InputError, match=r"`claim` in .* must be one on a Jacobian to be shrunk"
        ):
            comparing(read(path), formula)
    recorded = read(paths["mine"])
    comparison = comparing(recorded, formula)(drawn(GENERIC, 1))
    assert comparison.key == recorded.key
