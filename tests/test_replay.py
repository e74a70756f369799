"""Counterexample files: the same bits again, and one clear line for what is no such file."""

import math
import sys

import pytest
from examples import GENERIC, drawn

from lstm_gpu import checking, files
from lstm_gpu.checking import Plan
from lstm_gpu.errors import InputError
from lstm_gpu.explicit import as_lists
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import load
from lstm_gpu.replay import comparing, describe, read, replay
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


def own(**changed):
    return {
        "claim": "hidden_jacobian", "reading": "mine", "mutant": "", "reference": "central",
        "entry": [0, 0], "case": GENERIC.as_dict(), "seed": 0, "index": 0, "formula": {},
        **changed,
    }  # fmt: skip


def small(**changed):
    weights = {**as_lists(drawn(GENERIC, 1)), **changed}
    return own(case=None, dtype="float64", weights=weights)


def case(**changed):
    return own(case={**GENERIC.as_dict(), **changed})


def deep(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE = {
    "claim": (own(claim="no_such"), "`claim` in .* must be one of"),
    "claim of a number": (own(claim=3), "`claim` in .* must be text, got 3"),
    "another's claim": (own(claim="sigmoid_derivative"), "`claim` in .* must be one of"),
    "own claim without formula": (
        {k: v for k, v in own(claim="cell_jacobian").items() if k != "formula"}, "`claim`",
    ),
    "formula": (own(formula="import os"), "`formula` in .* must be a mapping"),
    "reading": (own(reading=["mine"]), "`reading` in .* must be text"),
    "reference": (own(reference="oracle"), "`reference` must be one that measures"),
    "no entry": (own(entry=None), "`entry` in .* must be a list"),
    "negative entry": (own(entry=[0, -1]), "`entry` in .* must hold up to two indices"),
    "bool entry": (own(entry=[True, False]), "`entry` in .* must hold up to two indices"),
    "entry of floats": (own(entry=[0.0, 0]), "`entry` in .* must hold up to two indices"),
    "long entry": (own(entry=[0] * 1000), "`entry` in .* must hold up to two indices"),
    "deep entry": (own(entry=deep(400)), "`entry` in .* must hold up to two indices"),
    "deep seed": (own(seed=deep(400)), "`seed` in .* must be a whole number"),
    "entry out of range": (own(entry=[0, 3]), r"`entry` must index an array of shape \(3, 3\)"),
    "short entry": (own(entry=[0]), "`entry` must index"),
    "huge entry": (own(entry=[0, 10**30]), "`entry` must index"),
    "no case": (own(case=None), "`case` in .* must be a mapping"),
    "size 0": (case(hidden_size=0), "`hidden_size` in .* must be from 1 to"),
    "size of text": (case(hidden_size="3"), "`hidden_size` in .* must be a whole number"),
    "size of bool": (case(input_size=True), "`input_size` in .* must be a whole number, got True"),
    "size of NaN": (case(hidden_size=math.nan), "`hidden_size`"),
    "size": (case(hidden_size=10**9), "`hidden_size` in .* must be from 1 to"),
    "memory": (case(hidden_size=4000), "`case` in .* must have sizes that 4 GiB are enough for"),
    "wide": (case(hidden_size=999, input_size=4096), "`case` in .* must have sizes that 4 GiB"),
    "dtype": (case(dtype="float128"), "`dtype` in .* must be one of"),
    "law": (case(distribution="x" * 10**5), "`distribution` in .* must be one of"),
    "regime": (case(regime=None), "`regime` in .* must be text"),
    "seed": (own(seed=-1), "`seed` in .* must be from 0"),
    "huge index": (own(index=10**3000), "`index` in .* must be from 0"),
    "weights": (small(W=[[1.0]]), "`weights.W` in .* must be finite numbers in the shape"),
    "weights of NaN": (small(x=[math.nan, 0.0]), "`weights.x`"),
    "deep weights": (small(U=deep(400)), "`weights.U`"),
    "weights of text": (own(weights="all", dtype="float64"), "`weights` in .* must hold"),
    "weights without dtype": ({**small(), "dtype": None}, "`dtype` in .* must be text"),
    "directions of weights": (
        {**small(), "claim": "forget_gate_argmax"}, "`claim` in .* must be a Jacobian's",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_one_line(tmp_path, name):
    content, says = HOSTILE[name]
    formula, path = tmp_path / "mine.py", tmp_path / "hostile.json"
    formula.write_text(FILE)
    files.write_json(path, "counterexample", content)
    with pytest.raises(InputError, match=says) as caught:
        replay(path, "numpy", formula)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_the_hostile_files_are_spoiled_good_ones(tmp_path):
    formula, path = tmp_path / "mine.py", tmp_path / "good.json"
    formula.write_text(FILE)
    for content in (own(), small(), own(index=2**64 - 1), own(seed=2**64 - 1)):
        files.write_json(path, "counterexample", content)
        assert replay(path, "numpy", formula).verdict == "refuted"


@pytest.mark.parametrize("depth", [900, 960, 990, 2000, 100_000])
def test_a_file_nested_beyond_reason_gets_one_line(tmp_path, depth):
    path = tmp_path / "deep.json"
    nested = "[" * depth + "]" * depth
    path.write_text(
        f'{{"format": "lstm_gpu counterexample", "version": 1, "digest": "", "entry": {nested}}}'
    )
    with pytest.raises(InputError, match=r"deep.json` (is not valid JSON|does not match)"):
        read(path)


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


def test_a_file_without_a_weight_set_says_so(tmp_path):
    path = tmp_path / "proof.json"
    content = {k: v for k, v in own().items() if k not in ("case", "formula")}
    files.write_json(path, "counterexample", content)
    with pytest.raises(InputError, match=r"`case` in .* must be a mapping"):
        read(path).sets(None)
