"""D1: the intervention sees a program that changes c_{t-1}; rivals are refuted, the control not."""

from dataclasses import replace

import numpy as np
import pytest
from examples import GENERIC, cases, drawn, on, with_bias

from lstm_gpu import cell
from lstm_gpu.backend import to_host
from lstm_gpu.claims import cell_state
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.tally import Tally, summarise
from lstm_gpu.weights import DTYPES, Case

CLAIM = cell_state.CLAIM


def records(block):
    tally = Tally()
    with np.errstate(all="ignore"):
        for comparison in cell_state.trials(block):
            tally.update(comparison, 0)
    return {key[1:]: record for key, record in tally.records.items()}


def test_d1_is_supported_and_both_rivals_are_refuted(backend):
    found = records(Block(drawn(GENERIC, 6, xp=backend)))
    assert found["as_written", "", "intervention"].verdict == "supported"
    for reference in REFERENCES:
        assert found["previous_cell_moves", "", reference].verdict == "refuted"
    assert found["hidden_product_over_time", "", "central"].verdict == "refuted"


@pytest.mark.parametrize("name", cell_state.MUTANTS)
def test_every_wrong_program_is_caught(name):
    for n in (1, 2, 8):
        found = records(Block(drawn(replace(GENERIC, hidden_size=n), 6)))
        record = found["as_written", name, "intervention"]
        assert (record.refuted_sets, record.equivalent_sets) == (6, 0), n


def test_a_forward_step_that_writes_over_the_previous_cell_state_is_refuted(monkeypatch):
    """The trial is of the package's own forward code: spoil it, and D1 falls."""
    right = cell.activate

    def overwriting(z, c_prev):
        step = right(z, c_prev)
        c_prev[...] = step.c
        return step

    block = Block(drawn(GENERIC, 6))
    monkeypatch.setattr(cell, "activate", overwriting)
    found = [c for c in cell_state.intervention(block) if not c.mutant]
    assert summarise(found[0], 0).verdict == "refuted"


def test_a_recurrence_that_recomputes_c_from_h_is_refuted(monkeypatch):
    right = cell_state.recurrence

    def rival(sets, set_h1=None):
        world = right(sets, set_h1)
        return world._replace(c1=np.arctanh(world.h1 / world.o1))

    monkeypatch.setattr(cell_state, "recurrence", rival)
    assert records(Block(drawn(GENERIC, 6)))["as_written", "", "intervention"].verdict == "refuted"


def test_where_h_moves_nothing_the_constant_program_is_no_mistake():
    sets = drawn(GENERIC, 3)
    for still in (replace(sets, U=0 * sets.U), replace(sets, W=0 * sets.W, U=0 * sets.U)):
        record = records(Block(still))["as_written", "new_cell_state_constant", "intervention"]
        assert (record.equivalent_sets, record.refuted_sets) == (3, 0)


def test_the_intervention_leaves_the_inputs_alone():
    sets = drawn(GENERIC, 2)
    before = sets.c_prev.copy()
    actual, changed = cell_state.recurrence(sets), cell_state.recurrence(sets, sets.h_prev)
    assert (sets.c_prev == before).all()
    assert (actual.c1 == changed.c1).all()
    assert (actual.c2 != changed.c2).any()
    assert (changed.h1 == sets.h_prev).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_the_control_with_the_cell_path_is_never_refuted(backend, dtype, bias):
    """So the refutation of the product is the product's fault, not the reference's."""
    supported = 0
    for case in cases(3, 2, dtype):
        sets = with_bias(drawn(case)) if bias else drawn(case)
        with np.errstate(all="ignore"):
            control = cell_state.over_two_steps(Block(on(backend, sets)), with_cell_path=True)
        record = summarise(control, 0)
        assert record.refuted_sets == 0, (case.name, record.worst)
        supported += record.verdict == "supported"
    assert supported >= {"float64": 25, "float32": 8}[dtype], supported


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_without_the_cell_path_the_product_is_refuted_where_the_control_is_supported(n):
    block = Block(drawn(Case(n, 2, "float64", "pytorch_uniform", "generic"), 4))
    control = summarise(cell_state.over_two_steps(block, with_cell_path=True), 0)
    product = summarise(cell_state.over_two_steps(block), 0)
    assert (control.verdict, product.verdict) == ("supported", "refuted")
    assert control.decisive_sets == product.refuted_sets == 4


def test_the_rival_is_refuted_by_the_very_term_that_it_adds():
    block = Block(drawn(GENERIC, 4))
    rival = cell_state.rival_jacobian(block)
    truth = block.measured("complex_step", "h")
    off = ~np.eye(rival.shape[-1], dtype=bool)
    gap, bound = abs(rival - truth), block.bound("complex_step", "h")
    assert (gap[:, off] <= bound[:, off]).all()
    diagonal = np.arange(rival.shape[-1])
    assert (gap > 1e6 * bound)[:, diagonal, diagonal].all()


def test_where_the_rival_s_term_is_infinite_it_decides_nothing():
    """|tanh c| rounds to 1 in the large cell regime: the rival divides by zero."""
    block = Block(drawn(replace(GENERIC, regime="large_cell"), 4))
    record = records(block)["previous_cell_moves", "", "central"]
    assert record.undecided_sets == 4
    assert "not finite" in record.reason


def test_every_comparison_names_the_claim(backend):
    block = Block(drawn(GENERIC, 2, xp=backend))
    found = list(cell_state.trials(block))
    assert {c.claim for c in found} == {CLAIM}
    assert len({c.key for c in found}) == len(found) == 1 + 3 + 2 + 1
    assert (to_host(found[0].bound) == 0).all()
