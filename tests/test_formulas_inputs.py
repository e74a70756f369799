"""Weight sets at the edges: exact zeros, which a formula may treat as a case of its own."""

import numpy as np
import pytest
from formula_book import right

from lstm_gpu import checking
from lstm_gpu.checking import check, check_formulas
from lstm_gpu.formulas.inputs import drawn
from lstm_gpu.formulas.loading import load
from lstm_gpu.plan import Plan
from lstm_gpu.replay import replay
from lstm_gpu.shrink import shrink_file
from lstm_gpu.weights import EDGES, REGIMES, Case

ARRAYS = ("W", "U", "x", "h_prev", "c_prev", "b")
HEAD = """
from lstm_gpu import claim
@claim("hidden_jacobian")
def mine(step):
    rows = lambda v: v[:, :, None]
    d_c = rows(step.c_prev * step.f * (1 - step.f)) * step.U.f
    d_c = d_c + rows(step.u * step.i * (1 - step.i)) * step.U.i
    d_c = d_c + rows(step.i * (1 - step.u**2)) * step.U.u
    J = rows(step.tanh_c * step.o * (1 - step.o)) * step.U.o
    J = J + rows(step.o * (1 - step.tanh_c**2)) * d_c
"""
AT_ZERO = {
    "c_prev": "step.c_prev", "h_prev": "step.h_prev", "x": "step.x[:, :1]", "b": "step.b.f",
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_has_its_arrays_exactly_zero_and_no_other(edge, dtype, backend):
    case = Case(3, 4, dtype, "normal_gain_1", edge)
    sets = drawn(case, 1, 2, 6, backend)
    for name in ARRAYS:
        array = getattr(sets, name)
        assert array.dtype == dtype
        zero = array.reshape(4, -1) == 0
        assert bool(zero.all() if name in EDGES[edge] else not zero.any()), name
    alone = drawn(case, 1, 3, 4, backend)
    for name in ARRAYS:
        assert bool((getattr(alone, name)[0] == getattr(sets, name)[1]).all())


def test_a_regime_has_no_zeros():
    for regime in REGIMES:
        sets = drawn(Case(3, 4, "float64", "normal_gain_1", regime), 1, 0, 4)
        assert all(bool((getattr(sets, name) != 0).all()) for name in ARRAYS)


@pytest.mark.parametrize("name", AT_ZERO)
def test_a_formula_that_is_wrong_at_zero_alone_is_refuted_and_replayed(tmp_path, name):
    path = tmp_path / "mine.py"
    wrong = f"    return J + step.xp.where({AT_ZERO[name]} == 0, 5.0, 0.0)[:, :, None]\n"
    path.write_text(HEAD + wrong.replace("5.0, 0.0", "5 * step.h[:, :1] ** 0, 0 * step.h[:, :1]"))
    [result] = check_formulas(load(path), Plan(hidden_sizes=[2], weight_sets=2))
    assert result.verdict == "refuted"
    assert name in EDGES[result.counterexample["case"]["regime"]]
    assert result.likely_cause.startswith("no match")
    (example,) = checking.write_counterexamples([result], tmp_path).values()
    outcome = replay(example, formula=path)
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
    small, _, found = shrink_file(example, path)
    assert replay(small, formula=path).verdict == "refuted"
    assert not found.edited


def test_mutants_that_equal_the_truth_at_an_edge_are_caught_elsewhere():
    result = check(right("hidden_jacobian", "product"), "hidden_jacobian", hidden_size=[2, 4])
    assert result.supported
    assert result.mutants == result.mutants_caught
    assert result.inputs["zero_cell_state"] == 2 * checking.Plan().weight_sets
    slip = check(
        lambda s: right("hidden_jacobian", "product")(s) * s.h.dtype.type(1.01), "hidden_jacobian"
    )
    assert slip.likely_cause.startswith("off_by_1_percent: ")  # with every shape and edge


def test_W_for_U_is_named_where_it_can_be_made_and_is_all_that_is_wrong():
    def as_wide(step):
        U = step.U.f if step.U.f.shape != step.W.f.shape else step.W.f
        return (step.f * (1 - step.f))[:, :, None] * U

    result = check(as_wide, "forget_gate_jacobian")
    assert result.verdict == "refuted"
    assert result.likely_cause.startswith("W_for_U: 1.00")

    def wrong_elsewhere(step):
        return as_wide(step) * (1 if step.U.f.shape == step.W.f.shape else np.float64(1.5))

    result = check(wrong_elsewhere, "forget_gate_jacobian")
    assert result.likely_cause.startswith("no match: ")
