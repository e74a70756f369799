"""Formulas of a file side by side on the weight sets of a case."""

import tracemalloc

import numpy as np
import pytest
from examples import GENERIC, cases, drawn
from formula_book import right

from lstm_gpu.campaign import memory_by_input
from lstm_gpu.errors import InputError
from lstm_gpu.formulas import trial
from lstm_gpu.formulas.loading import ARGMAX, Formula
from lstm_gpu.formulas.trial import Trial, compare_sets, examine, try_case
from lstm_gpu.weights import DTYPES, Case

RIGHT = Formula("right", "hidden_jacobian", right("hidden_jacobian", "product"))
CELL = Formula("cell", "cell_jacobian", right("cell_jacobian", "matmul"))
WRONG = Formula("wrong", "hidden_jacobian", right("cell_jacobian", "product"))


def norms(step):
    return step.xp.sqrt((step.U.f**2).sum(axis=-1))[:, :, None]


def direction(step):
    """0/0 in a row of zeros, which has no direction."""
    return step.U.f / norms(step)


def longer(rows):
    """Lengths of rows, 1 for those of zeros."""
    length = np.sqrt((rows**2).sum(axis=-1, keepdims=True))
    return np.where(length > 0, length, 1)


def slow(step):
    return step.U.f / step.xp.linalg.norm(step.U.f, axis=-1, keepdims=True)


ARGMAXES = {
    "right": (direction, True),
    "by the library": (slow, True),
    "negated": (lambda s: -direction(s), False),
    "of the input gate": (lambda s: s.U.i / norms(s), False),
    "not of length 1": (lambda s: s.U.f, False),
    "columns": (lambda s: s.U.f.swapaxes(1, 2) / longer(s.U.f.swapaxes(1, 2)), False),
    "1e-4 too long": (lambda s: direction(s) * s.h.dtype.type(1 + 1e-4), False),
    "turned": (lambda s: s.xp.roll(direction(s), 1, axis=2), False),
}  # fmt: skip


def tried(formulas, case=GENERIC, stop=6, xp=np, found=None):
    found = Trial() if found is None else found
    try_case(formulas, case, 0, 0, stop, xp, found)
    return found


def verdicts(found, formula):
    return {
        record.verdict
        for tally in found.tallies.values()
        for key, record in tally.records.items()
        if key[:2] == formula.key
    }


def test_right_formulas_are_supported_and_wrong_ones_refuted_beside_each_other(backend):
    found = tried([RIGHT, CELL, WRONG], xp=backend)
    assert [verdicts(found, f) for f in (RIGHT, CELL, WRONG)] == [
        {"supported"}, {"supported"}, {"refuted"},
    ]  # fmt: skip
    assert found.errors == {}
    assert {marked.sets for marked in found.not_finite.values()} == {0}
    assert found.suspects[RIGHT.key].describe() == ""
    assert found.suspects[WRONG.key].describe().startswith("no match")


def test_a_formula_that_fails_is_reported_once_and_the_others_go_on():
    calls = []

    def fails(step):
        calls.append(step)
        raise ValueError("no")

    bad = Formula("bad", "hidden_jacobian", fails)
    found = tried([bad, RIGHT])
    tried([bad, RIGHT], cases(2, 3, "float64")[0], found=found)
    assert len(calls) == 1
    assert list(found.errors) == [bad.key]
    assert verdicts(found, RIGHT) == {"supported"}
    assert len(found.tallies) == 2


def test_a_file_of_failures_alone_costs_no_measurement(monkeypatch):
    bad = [Formula("bad", q, lambda s: None) for q in ("hidden_jacobian", ARGMAX)]
    found = tried(bad)
    assert set(found.errors) == {f.key for f in bad}
    monkeypatch.setattr(trial, "Directions", None)
    tried(bad, found=found)


def test_values_that_are_not_finite_are_counted_by_set():
    def broken(step):
        J = RIGHT.function(step)
        J[1:2, 0, 0] = np.nan
        J[2:3, 0, 0] = np.inf
        return J

    formula = Formula("broken", "hidden_jacobian", broken)
    found = tried([formula])
    marked = found.not_finite[formula.key]
    assert (marked.sets, marked.index, marked.entry) == (2, 1, (0, 0))
    assert found.decided == {formula.key: 6}
    assert verdicts(found, formula) == {"supported"}  # for the caller to weigh


def test_blocks_are_small_enough_for_the_larger_size(monkeypatch):
    sizes = []
    monkeypatch.setattr(trial, "_ENTRIES", 600)
    monkeypatch.setattr(trial, "_try_jacobians", lambda *a: sizes.append(len(a[1].sets)))
    tried([RIGHT], Case(3, 10, "float64", "normal_gain_1", "generic"), stop=14)
    assert sizes == [6, 6, 2]


def test_blocks_do_not_change_what_is_found(monkeypatch):
    whole = tried([RIGHT, WRONG])
    monkeypatch.setattr(trial, "_ENTRIES", 2 * 9)
    parts = tried([RIGHT, WRONG])
    assert parts.tallies[GENERIC].to_list() == whole.tallies[GENERIC].to_list()
    assert parts.suspects[WRONG.key].describe() == whole.suspects[WRONG.key].describe()


@pytest.mark.parametrize("quantity", ["hidden_jacobian", "hidden_by_input_jacobian"])
@pytest.mark.parametrize("size", [(4, 300), (80, 120), (120, 4)])
@pytest.mark.parametrize("factor", [1, 2])  # a wrong one is evaluated in extended precision, too
def test_a_weight_set_needs_no_more_memory_than_announced(quantity, size, factor):
    def formula(step):
        return factor * right(quantity, "product")(step)

    case = Case(*size, "float64", "normal_gain_1", "generic")
    tried([Formula("mine", quantity, right(quantity, "product"))], GENERIC, 1)  # imports
    tracemalloc.start()
    tried([Formula("mine", quantity, formula)], case, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= memory_by_input(case), peak


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ARGMAXES)
def test_directions_are_supported_where_right_and_refuted_where_wrong(dtype, name):
    function, is_right = ARGMAXES[name]
    formula = Formula("mine", ARGMAX, function)
    for law in ("normal_gain_1", "sparse"):
        found = tried([formula], Case(4, 3, dtype, law, "generic"), 3)
        assert found.errors == {}
        assert verdicts(found, formula) == {"supported" if is_right else "refuted"}, law
        assert found.not_finite[formula.key].sets == 0


def test_directions_run_on_every_backend(backend):
    formula = Formula("mine", ARGMAX, direction)
    assert verdicts(tried([formula], stop=2, xp=backend), formula) == {"supported"}


@pytest.mark.parametrize(("name", "slip"), [("negated", "negated"), ("columns", "column_for_row")])
def test_the_slips_of_directions_are_named(name, slip):
    formula = Formula("mine", ARGMAX, ARGMAXES[name][0])
    found = tried([formula], Case(4, 3, "float64", "normal_gain_1", "generic"), 3)
    suspects = found.suspects[formula.key]
    assert suspects.matches == [slip], suspects.describe()


@pytest.mark.parametrize("reference", ["central", "complex_step"])
def test_one_comparison_alone_is_the_one_of_the_trial(reference):
    found = tried([WRONG]).tallies[GENERIC].records["hidden_jacobian", "wrong", "", reference]
    index, entry = found.worst["index"], found.worst["entry"]
    alone = examine(WRONG, GENERIC, 0, index, reference, np)
    for name in ("claimed", "measured", "bound"):
        assert getattr(alone, name)[0][tuple(entry)] == found.worst[name]


def test_an_unknown_reference_is_one_clear_line():
    for formula in (RIGHT, Formula("mine", ARGMAX, direction)):
        with pytest.raises(InputError, match="`reference` must be one that measures"):
            examine(formula, GENERIC, 0, 0, "an oracle", np)
    with pytest.raises(InputError, match="`reference`"):
        compare_sets(RIGHT, drawn(GENERIC, 1), "x" * 1000)
