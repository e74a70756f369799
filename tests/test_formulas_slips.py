"""Each quantity's own slips: those that a reader makes are named, and no other formula is."""

import re

import pytest
from examples import drawn
from test_formulas_cause import COMPOUND, flip, investigate, materials, sigma_slope, with_paths

from lstm_gpu.checking import Plan, check_formulas
from lstm_gpu.derivatives import columns, rows
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.formulas.slips import CATALOGUES, TRUTHS
from lstm_gpu.weights import Case

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


def causes(tried):
    """The likely cause of each formula, given as (quantity, formula), of one trial of them all."""
    formulas = [Formula(f"formula_{k}", *one) for k, one in enumerate(tried)]
    for result in check_formulas(formulas, Plan()):
        assert result.verdict == "refuted", str(result)
        yield result.likely_cause


def test_columns_scaled_in_a_gate_are_named():
    found = causes((quantity, formula) for quantity, (_, formula) in GATES.items())
    for (gate, _), cause in zip(GATES.values(), found, strict=True):
        assert cause.startswith(f"column_scaling_in_{gate}: 1.00; next, ")


SIGMA_GATES = {
    "input_gate_jacobian": "i",
    "forget_gate_jacobian": "f",
    "output_gate_jacobian": "o",
}
ONE_GATE = {**SIGMA_GATES, "candidate_jacobian": "u"}


def catalogue(quantity):
    return CATALOGUES[QUANTITIES[quantity].of, QUANTITIES[quantity].by]


def bracket(s, f=None, i=None, o=None, U=None):
    """∂c_t in a reader's words: f and i are the gates there, o is none of it."""
    f, i, U = (s.f if f is None else f), (s.i if i is None else i), U or s.U
    d_c = rows(s.c_prev * sigma_slope(f)) * U.f + rows(s.u * sigma_slope(i)) * U.i
    return d_c + rows(i * (1 - s.u**2)) * U.u


def with_matrices(s, M, **order):
    """D4 with the gates' matrices taken from M, in another order: f="o" reads M.o for M.f."""
    return with_paths(s, **{f"U_{g}": getattr(M, order.get(g, g)) for g in "ifuo"})


def with_i_and_o_swapped(s, M):
    """D4, of matrices M, with i and its matrix where o belongs, and the other way round."""
    return with_paths(
        s, o=s.tanh_c * sigma_slope(s.i), i=s.u * sigma_slope(s.o), u=s.o * (1 - s.u**2),
        slope=s.i * (1 - s.tanh_c**2), U_o=M.i, U_i=M.o, U_f=M.f, U_u=M.u,
    )  # fmt: skip


def of_square(s, slip):
    """As a reader's formula that has one shape to mix up; right where m is not n."""
    return slip(s) if s.W.f.shape == s.U.f.shape else with_matrices(s, s.W)


def of_gate(s, gate):
    value = getattr(s, gate)
    slope = 1 - value**2 if gate == "u" else sigma_slope(value)
    return rows(slope) * getattr(s.U, gate)


NAMED = [
    ("forget_gate_jacobian", lambda s: of_gate(s, "i"), "gates_i_and_f_swapped"),
    ("forget_gate_jacobian", lambda s: of_gate(s, "o"), "gates_f_and_o_swapped"),
    ("forget_gate_jacobian", lambda s: of_gate(s, "u"), "gates_f_and_u_swapped"),
    ("input_gate_jacobian", lambda s: of_gate(s, "f"), "gates_i_and_f_swapped"),
    ("input_gate_jacobian", lambda s: of_gate(s, "o"), "gates_i_and_o_swapped"),
    ("output_gate_jacobian", lambda s: of_gate(s, "f"), "gates_f_and_o_swapped"),
    ("candidate_jacobian", lambda s: of_gate(s, "i"), "gates_i_and_u_swapped"),
    ("candidate_jacobian", lambda s: of_gate(s, "o"), "gates_u_and_o_swapped"),
    ("forget_gate_jacobian", lambda s: rows(sigma_slope(s.f)) * s.U.i, "U_i_for_U_f"),
    ("output_gate_jacobian", lambda s: rows(sigma_slope(s.o)) * s.U.u, "U_u_for_U_o"),
    ("candidate_jacobian", lambda s: rows(1 - s.u) * s.U.u, "one_minus_u"),
    ("candidate_jacobian", lambda s: rows(s.u**2 - 1) * s.U.u, "sign"),
    ("candidate_jacobian", lambda s: rows(s.u) * s.U.u, "tanh_for_slope_in_u"),
    (
        "candidate_jacobian",
        lambda s: rows(sigma_slope(s.u)) * s.U.u,
        "sigma_slope_for_tanh_slope_in_u",
    ),
    (
        "forget_gate_jacobian",
        lambda s: rows(1 - s.f**2) * s.U.f,
        "tanh_slope_for_sigma_slope_in_f",
    ),
    ("forget_gate_jacobian", lambda s: 0 * s.U.f, "all_zero"),
    (
        "cell_jacobian",
        lambda s: bracket(s, f=s.o, U=s.U._replace(f=s.U.o)),
        "gates_f_and_o_swapped",
    ),
    (
        "tanh_cell_jacobian",
        lambda s: rows(1 - s.tanh_c**2) * bracket(s, f=s.o, U=s.U._replace(f=s.U.o)),
        "gates_f_and_o_swapped",
    ),
    (
        "cell_jacobian",
        lambda s: bracket(s, f=s.i, i=s.f, U=s.U._replace(f=s.U.i, i=s.U.f)),
        "gates_i_and_f_swapped",
    ),
    (
        "cell_jacobian",
        lambda s: bracket(s, i=s.o, U=s.U._replace(i=s.U.o)),
        "gates_i_and_o_swapped",
    ),
    (
        "tanh_cell_jacobian",
        lambda s: rows(1 - s.tanh_c**2) * bracket(s, i=s.o, U=s.U._replace(i=s.U.o)),
        "gates_i_and_o_swapped",
    ),
    ("hidden_jacobian", lambda s: with_i_and_o_swapped(s, s.U), "gates_i_and_o_swapped"),
    ("hidden_by_input_jacobian", lambda s: with_i_and_o_swapped(s, s.W), "gates_i_and_o_swapped"),
    (
        "hidden_by_cell_jacobian",
        lambda s: rows(s.i * s.f * (1 - s.tanh_c**2)) * s.xp.eye(len(s.f[0]), dtype=s.f.dtype),
        "i_for_o",
    ),
    ("cell_jacobian", lambda s: bracket(s, U=s.U._replace(u=s.U.o)), "U_o_for_U_u"),
    (
        "hidden_by_input_jacobian",
        lambda s: with_matrices(s, s.W, i="f", f="i"),
        "W_i_and_W_f_swapped",
    ),
    (
        "hidden_by_input_jacobian",
        lambda s: with_matrices(s, s.W, f="o", u="f", o="u"),
        "W_in_ONNX_order",
    ),
    (
        "hidden_by_input_jacobian",
        lambda s: of_square(s, lambda s: with_matrices(s, s.U)),
        "U_for_W",
    ),
    (
        "hidden_by_input_jacobian",
        lambda s: of_square(s, lambda s: with_matrices(s, s.W._replace(f=flip(s.W.f)))),
        "W_f_transposed",
    ),
]  # fmt: skip


def test_a_reader_s_slips_are_named():
    found = causes((quantity, formula) for quantity, formula, _ in NAMED)
    for (quantity, _, name), cause in zip(NAMED, found, strict=True):
        assert cause.startswith(f"{name}: 1.00; next, "), (quantity, name, cause)


def paths_of_i_and_u(s):
    return rows(s.u * sigma_slope(s.i)) * s.U.i + rows(s.i * (1 - s.u**2)) * s.U.u


# What D4 with some paths off would take for a slip of its own; of the quantity it is none.
NO_SLIPS = [
    ("forget_gate_jacobian", lambda s: rows(s.f) * s.U.u),
    ("forget_gate_jacobian", lambda s: rows(s.c * sigma_slope(s.f)) * s.U.f),
    ("input_gate_jacobian", lambda s: rows(s.f * sigma_slope(s.i)) * s.U.i),
    ("input_gate_jacobian", lambda s: rows(s.i * sigma_slope(s.i)) * s.U.i),
    ("output_gate_jacobian", lambda s: rows(s.c * sigma_slope(s.o)) * s.U.o),
    ("candidate_jacobian", lambda s: rows(s.u * (1 - s.u**2)) * s.U.u),
    ("candidate_jacobian", lambda s: rows(s.f * (1 - s.u**2)) * s.U.u),
    ("candidate_jacobian", lambda s: rows(2 - s.u**2) * s.U.u),
    (
        "candidate_jacobian",
        lambda s: rows(s.u * sigma_slope(s.f)) * s.U.f + rows(s.f * (1 - s.u**2)) * s.U.u,
    ),
    ("cell_jacobian", lambda s: rows(s.f) * paths_of_i_and_u(s)),
    # Two slips at once.
    ("forget_gate_jacobian", lambda s: 1.01 * of_gate(s, "i")),
    ("output_gate_jacobian", lambda s: -rows(sigma_slope(s.o)) * flip(s.U.o)),
    ("candidate_jacobian", lambda s: rows(1 - s.u) * s.U.o),
    ("cell_jacobian", lambda s: bracket(s, f=s.o)),  # the values of f and o, not their matrices
    (
        "hidden_by_input_jacobian",
        lambda s: with_matrices(s, s.W, i="f", f="i") - rows(s.h) * s.W.o,
    ),
    ("tanh_cell_jacobian", lambda s: rows(s.f * (1 - s.tanh_c**2)) * paths_of_i_and_u(s)),
]


def test_formulas_that_no_slip_of_their_quantity_makes_have_no_match():
    for k, cause in enumerate(causes(NO_SLIPS)):
        assert cause.startswith("no match: "), (k, cause)


@pytest.mark.parametrize("quantity", ONE_GATE)
def test_every_other_gate_swapped_for_a_gate_is_the_other_s_jacobian(quantity):
    sets = drawn(Case(3, 2, "float64", "normal_gain_1", "generic"), 2)
    slips = dict(Material(QUANTITIES[quantity], sets).mutants())
    for other, gate in ONE_GATE.items():
        first, second = sorted((gate, ONE_GATE[quantity]), key="ifuo".index)
        swapped = slips.get(f"gates_{first}_and_{second}_swapped")
        if other == quantity:
            assert swapped is None
        else:
            assert (swapped == Material(QUANTITIES[other], sets).truth).all(), other


@pytest.mark.parametrize("quantity", ["cell_jacobian", "tanh_cell_jacobian", *ONE_GATE])
def test_no_name_speaks_of_what_its_quantity_has_not(quantity):
    gates = ONE_GATE.get(quantity, "ifu")
    for name in catalogue(quantity):
        for pattern in ("_(?:in|activated)_([ifuo])\\b", "U_([ifuo])_transposed", "(.)_path$"):
            found = re.search(pattern, name)
            assert not found or found[1] in gates or found[1] == "l", name  # previous_cell_path
        if quantity in ONE_GATE:
            assert not re.search("path|previous_c|tanh_c|sum|all_U|ONNX", name), name
        if quantity == "cell_jacobian":
            assert "tanh_c" not in name, name


def test_the_derivative_by_the_input_has_w_in_all_its_names_where_that_by_the_state_has_u():
    for name in catalogue("hidden_by_input_jacobian"):
        assert name == "U_for_W" or "U_" not in name, name
    for quantity in (*ONE_GATE, "cell_jacobian", "tanh_cell_jacobian", "hidden_jacobian"):
        assert all(n == "W_for_U" or "W_" not in n for n in catalogue(quantity)), quantity


def test_every_quantity_has_a_truth_and_a_catalogue():
    keys = [(quantity.of, quantity.by) for quantity in QUANTITIES.values()]
    assert sorted(keys) == sorted(TRUTHS) == sorted(CATALOGUES)


def test_no_match_cannot_be_read_as_a_match():
    said = investigate(COMPOUND["two slips"], materials()).describe()
    assert said.startswith("no match: the nearest slip, ")
    assert said.endswith(" of the error, not all of it")
    assert "100 %" not in said
    nearly = investigate(lambda s: D4["i"](s) * (1 + 1e-9), materials()).describe()
    assert nearly == (
        "no match: the nearest slip, column_scaling_in_i, explains 99 % of the error, not all of it"
    )
