"""The refuted readings of the derivation, and what is said of their cause."""

from lstm_gpu.claims.registry import CLAIMS, REFUTED
from lstm_gpu.formulas.readings import likely_cause
from lstm_gpu.weights import Case

CASE = Case(3, 2, "float64", "normal_gain_1", "generic")


def test_column_scaling_is_named():
    text = likely_cause("forget_gate_jacobian", "column_scaling", CASE, 1)
    assert text.startswith("column_scaling_in_f: 1.00; next, ")


def test_the_rival_of_d1_is_the_slip_of_its_extra_path():
    text = likely_cause("cell_state_independence", "previous_cell_moves", CASE, 1)
    assert text.startswith("previous_cell_path: 1.00; next, ")


def test_what_no_slip_explains_has_no_match():
    text = likely_cause("forget_gate_jacobian", "matrix_vector", CASE, 1)
    assert text.startswith("no match")


def test_right_readings_and_claims_that_are_no_jacobians_have_no_cause():
    for claim in CLAIMS:
        for reading in claim.readings:
            if reading.expected != REFUTED:
                assert likely_cause(claim.id, reading.name, CASE, 1) == ""
    assert likely_cause("forget_gate_maximum", "gate_equals_norm", CASE, 1) == ""
    assert likely_cause("cell_state_independence", "hidden_product_over_time", CASE, 1) == ""
