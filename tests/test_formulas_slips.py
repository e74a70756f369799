"""Columns scaled for rows, in each gate's path: named as that, in every quantity that has one."""

import pytest
from test_formulas_cause import COMPOUND, investigate, materials, sigma_slope, with_paths

from lstm_gpu.checking import check
from lstm_gpu.derivatives import columns
from lstm_gpu.formulas.quantities import slips_of

# U_g diag(slope) as a reader would write it, in D4 and in the gate's own Jacobian.
D4 = {
    "i": lambda s: with_paths(s, i=s.u, U_i=s.U.i * columns(sigma_slope(s.i))),
    "u": lambda s: with_paths(s, u=s.i, U_u=s.U.u * columns(1 - s.u * s.u)),
    "o": lambda s: with_paths(s, o=s.tanh_c, U_o=s.U.o * columns(sigma_slope(s.o))),
    "f": lambda s: with_paths(s, f=s.c_prev, U_f=s.U.f * columns(sigma_slope(s.f))),
}
GATES = {
    "input_gate_jacobian": ("i", lambda s: s.U.i * columns(sigma_slope(s.i))),
    "forget_gate_jacobian": ("f", lambda s: s.U.f * columns(sigma_slope(s.f))),
    "output_gate_jacobian": ("o", lambda s: s.U.o * columns(sigma_slope(s.o))),
    "candidate_jacobian": ("u", lambda s: s.U.u * columns(1 - s.u * s.u)),
}


@pytest.mark.parametrize("gate", D4)
def test_columns_scaled_in_a_path_of_d4_are_named(gate):
    assert investigate(D4[gate], materials()).matches == [f"column_scaling_in_{gate}"]


@pytest.mark.parametrize("quantity", GATES)
def test_columns_scaled_in_a_gate_are_named(quantity):
    gate, formula = GATES[quantity]
    result = check(formula, quantity)
    assert result.verdict == "refuted"
    assert result.likely_cause.startswith(f"column_scaling_in_{gate}: 1.00; next, ")
    others = {f"column_scaling_in_{g}" for g in "ifuo" if g != gate}
    assert not others & slips_of(quantity)  # the other paths are no part of it


def test_no_match_cannot_be_read_as_a_match():
    said = investigate(COMPOUND["two slips"], materials()).describe()
    assert said.startswith("no match: the nearest slip, ")
    assert said.endswith(" of the error, not all of it")
    assert "100 %" not in said
    nearly = investigate(lambda s: D4["i"](s) * (1 + 1e-9), materials()).describe()
    assert nearly == (
        "no match: the nearest slip, column_scaling_in_i, explains 99 % of the error, not all of it"
    )
