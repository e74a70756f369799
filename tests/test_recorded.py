"""Counterexample files: one clear line for what is no such file, before anything is computed."""

import math

import pytest
from examples import GENERIC, drawn
from test_replay import FILE

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.explicit import as_lists
from lstm_gpu.recorded import read
from lstm_gpu.replay import replay


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


def test_a_file_without_a_weight_set_says_so(tmp_path):
    path = tmp_path / "proof.json"
    content = {k: v for k, v in own().items() if k not in ("case", "formula")}
    files.write_json(path, "counterexample", content)
    with pytest.raises(InputError, match=r"`case` in .* must be a mapping"):
        read(path).sets(None)
