"""The registry names every claim and reading of the trial, each once, with what is expected."""

import pytest

from lstm_gpu.claims import cell_state, gate_maximum, jacobians, sigmoid
from lstm_gpu.claims.registry import CLAIMS, REFUTED, SUPPORTED, reading

READINGS = [(claim, reading) for claim in CLAIMS for reading in claim.readings]


def test_the_claims_are_those_of_the_contract_in_its_order():
    assert [(claim.id, claim.number) for claim in CLAIMS] == [
        ("cell_state_independence", "D1"),
        ("product_rule", "D2"),
        ("tanh_cell_jacobian", "D3"),
        ("hidden_jacobian", "D4"),
        ("sigmoid_derivative", "D5"),
        ("forget_gate_jacobian", "D6"),
        ("forget_gate_argmax", "D7"),
        ("forget_gate_maximum", "D8"),
        ("input_irrelevance", "D9"),
    ]


def test_the_readings_of_the_contract_are_there_with_the_verdicts_of_the_derivation():
    expected = {(c.id, r.name): r.expected for c, r in READINGS}
    assert len(expected) == len(READINGS), "a reading is named twice"
    for name, verdict in {
        "row_scaling": SUPPORTED, "column_scaling": REFUTED, "matrix_vector": REFUTED,
    }.items():  # fmt: skip
        assert expected["forget_gate_jacobian", name] == verdict
    assert expected["forget_gate_argmax", "zero_input"] == SUPPORTED
    assert expected["forget_gate_argmax", "any_input"] == SUPPORTED
    assert expected["forget_gate_maximum", "gate_equals_norm"] == REFUTED
    assert expected["forget_gate_maximum", "preactivation_equals_norm"] == SUPPORTED
    assert expected["forget_gate_maximum", "gate_equals_sigmoid_of_norm"] == SUPPORTED
    assert expected["input_irrelevance", "zero_input"] == SUPPORTED
    assert expected["input_irrelevance", "argmax_any_input"] == SUPPORTED
    assert expected["input_irrelevance", "maximum_any_input"] == REFUTED
    assert expected["cell_state_independence", "as_written"] == SUPPORTED
    rivals = {(c.id, r.name) for c, r in READINGS if r.rival}
    assert rivals == {
        ("cell_state_independence", "previous_cell_moves"),
        ("cell_state_independence", "hidden_product_over_time"),
    }
    assert all(expected[rival] == REFUTED for rival in rivals)


@pytest.mark.parametrize(("claim", "reading_"), READINGS, ids=lambda x: getattr(x, "id", x))
def test_every_reading_is_stated_in_words_and_in_mathematics(claim, reading_):
    assert claim.title
    assert len(reading_.statement) > 20
    assert reading_.latex.count("{") == reading_.latex.count("}")
    assert reading_.latex.count(r"\left") == reading_.latex.count(r"\right")
    assert reading_.expected in (SUPPORTED, REFUTED)


def test_every_reading_can_be_found_and_nothing_else():
    for claim, reading_ in READINGS:
        assert reading(claim.id, reading_.name) == (claim, reading_)
    with pytest.raises(KeyError, match="hidden_jacobian/row_scaling"):
        reading("hidden_jacobian", "row_scaling")
    with pytest.raises(KeyError, match="nothing/as_written"):
        reading("nothing", "as_written")


def test_every_claim_has_a_module_that_tries_it():
    tried = {cell_state.CLAIM, *jacobians.MUTATED, *gate_maximum.CLAIMS, "sigmoid_derivative"}
    assert tried == {claim.id for claim in CLAIMS}
    proved = {comparison.reading for comparison in sigmoid.trials() if not comparison.mutant}
    assert proved == {r.name for c, r in READINGS if c.id == "sigmoid_derivative"}
