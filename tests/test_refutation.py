"""Formulas whose values for a weight set depend on the others, and the calls that show it."""

import pytest

from lstm_gpu import checking
from lstm_gpu.checking import check_formulas
from lstm_gpu.errors import InputError
from lstm_gpu.files import write_json
from lstm_gpu.formulas.loading import load
from lstm_gpu.plan import Plan
from lstm_gpu.replay import describe, replay

PLAN = Plan(hidden_sizes=[2], weight_sets=3, distributions=["normal_gain_1"])
HEAD = """
from lstm_gpu import claim

kept = {}

def right(step):
    return (step.f * (1 - step.f))[:, :, None] * step.U.f

@claim("forget_gate_jacobian")
def mine(step):
"""
MIXED = {
    "keeps by shape": "    return kept.setdefault(step.f.shape, right(step))",
    "wrong in set 2 only": "    J = right(step)\n    J[1:2] += 1\n    return J",
    "sum over axis 0": "    return right(step) + step.h.sum(axis=0)[:, None] - step.h[:, :, None]",
    "keeps the first": "    return kept.setdefault(1, right(step))[: len(step.f)]",
}


def found(tmp_path, body):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + body + "\n")
    [result] = check_formulas(load(path), PLAN)
    return path, result


@pytest.mark.parametrize("name", MIXED)
def test_a_formula_that_mixes_weight_sets_is_told_so_in_plain_words(tmp_path, name):
    path, result = found(tmp_path, MIXED[name])
    assert (result.verdict, checking.exit_code([result])) == ("inconclusive", 2)
    assert "must treat each weight set alone, but its values depend on what else is" in result.error
    assert "of weight set " in result.error
    assert "kept from an earlier call" in result.error
    (example,) = checking.write_counterexamples([result], tmp_path).values()
    outcome = replay(example, formula=path)
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
    assert outcome.alone["error"] <= outcome.alone["bound"]
    said = describe(outcome).splitlines()
    assert said[2].startswith("called with  weight set")
    assert said[-1] == "alone it is within the bound: the formula mixes weight sets"


DEPENDS = {
    "wrong for one": ("    return right(step) * (1.5 if len(step.f) == 1 else 1)", True),
    "by their number": ("    return right(step) * len(step.f) / 3", False),
}


@pytest.mark.parametrize("name", DEPENDS)
def test_a_formula_that_depends_on_how_many_sets_there_are_is_refuted(tmp_path, name):
    """Nor is it excused in extended precision, where it is called with the same numbers of them."""
    body, right_for_two = DEPENDS[name]
    path, result = found(tmp_path, body)
    assert result.verdict == "refuted", str(result)
    (example,) = checking.write_counterexamples([result], tmp_path).values()
    assert replay(example, formula=path).verdict == "refuted"
    assert ("wrong alone and right beside another" in result.note) == right_for_two


def test_one_that_mixes_and_cannot_be_shown_again_is_said_so(tmp_path):
    """Wrong from the second case on, by what it remembers of sizes that no call alone has."""
    body = """
    first = kept.setdefault(len(step.f), right(step))[0, 0, 0]
    J = right(step)
    J *= 1 + (next(iter(kept)) == 3 == len(J) and bool(first != J[0, 0, 0]))
    return J"""
    _, result = found(tmp_path, body)
    assert result.error.endswith("it is right in that block, too: nothing to replay.")
    assert result.counterexample is None


CALLS = {
    "a number": 3,
    "none": [],
    "three": [[0, 1], [0, 1], [0, 1]],
    "no range": [[0, 1, 2]],
    "halves": [[0, 1.5]],
    "flags": [[False, True]],
    "empty": [[1, 1]],
    "below 0": [[-1, 1]],
    "beyond all": [[0, 2**64 + 1]],
    "too many at once": [[0, 10**6]],
    "without the index": [[1, 2]],
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_no_trial_makes_are_refused(tmp_path, name):
    path, result = found(tmp_path, MIXED["keeps the first"])
    content = result.counterexample | {"index": 0, "calls": CALLS[name]}
    write_json(tmp_path / "a.json", "counterexample", content)
    with pytest.raises(InputError, match=r"`calls` in .* must be one or two ranges"):
        replay(tmp_path / "a.json", formula=path)
    del content["formula"]
    known = {"claim": "hidden_jacobian", "reading": "as_written", "calls": [[0, 2]]}
    write_json(tmp_path / "a.json", "counterexample", content | known)
    with pytest.raises(InputError, match="for a formula of your own"):
        replay(tmp_path / "a.json")


def test_one_that_is_wrong_alone_too_is_refuted_with_a_counterexample(tmp_path):
    """Right for a weight set alone whose h[0] is positive, wrong among others throughout."""
    body = (
        "    wrong = (step.h[:, :1] < 0) | (len(step.h) > 1)\n"
        "    return right(step) + 1.0 * wrong[:, :, None]"
    )
    path, result = found(tmp_path, body)
    assert result.verdict == "refuted"
    (example,) = checking.write_counterexamples([result], tmp_path).values()
    outcome = replay(example, formula=path)
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
