"""Lint: every finding is seen where it is, and nowhere else; what it hides is found, not listed."""

from dataclasses import replace

import numpy as np
import pytest
from examples import GENERIC, drawn, on

from lstm_gpu import campaign, cell
from lstm_gpu.lint import EXPLAINS, FINDINGS, Found, Lint, saturation
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import DTYPES, Case, WeightSets

PLAIN = Case(3, 2, "float64", "normal_gain_1", "generic")


def _repeat_a_row(s: WeightSets) -> WeightSets:
    U = s.U.copy()
    U[:, 2, 1] = U[:, 2, 0]
    return replace(s, U=U)


def _constant(s: WeightSets) -> WeightSets:
    U = s.U.copy()
    U[:, 1] = 0.25
    return replace(s, U=U)


def _symmetric(s: WeightSets) -> WeightSets:
    U = s.U.copy()
    U[:, 3] = U[:, 3] + U[:, 3].swapaxes(1, 2)
    return replace(s, U=U)


def _equal(s: WeightSets) -> WeightSets:
    U = s.U.copy()
    U[:, 3] = U[:, 0]
    return replace(s, U=U)


# finding -> how to give it to weight sets that have none, and what else comes with it
GIVEN = {
    "constant_weights": (_constant, {"repeated_rows", "symmetric_weights"}),
    "repeated_rows": (_repeat_a_row, set()),
    "symmetric_weights": (_symmetric, set()),
    "equal_gates": (_equal, set()),
    "zero_hidden_state": (lambda s: replace(s, h_prev=0 * s.h_prev), set()),
    "zero_cell_state": (lambda s: replace(s, c_prev=0 * s.c_prev), set()),
    "zero_input": (lambda s: replace(s, x=0 * s.x), set()),
    "saturated_gates": (lambda s: replace(s, W=100 * s.W, x=100 + 0 * s.x), set()),
    "equal_sizes": (lambda s: replace(s, W=s.U.copy(), x=s.h_prev), set()),
}


def found_in(sets: WeightSets) -> set[str]:
    lint = Lint()
    lint.begin(sets, cell.step(sets))
    return set(lint.findings)


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_weight_sets_have_no_finding(backend, dtype):
    assert found_in(on(backend, drawn(replace(PLAIN, dtype=dtype), 8))) == set()


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_each_finding_is_seen_in_the_very_sets_that_have_it(backend, name):
    give, besides = GIVEN[name]
    sets = drawn(PLAIN, 4)
    given = on(backend, give(sets))
    assert found_in(given) == {name} | besides
    present = FINDINGS[name](given, cell.step(given))
    assert bool(present.all())
    if name == "equal_sizes":
        return  # a property of all sets of a case
    mixed = {
        field: np.concatenate([getattr(sets, field), getattr(give(sets), field)])
        for field in ("W", "U", "x", "h_prev", "c_prev", "o_prev")
    }
    both = on(backend, WeightSets(**mixed))
    assert FINDINGS[name](both, cell.step(both)).tolist() == [False] * 4 + [True] * 4


def test_a_single_unit_is_a_finding_of_its_own():
    assert found_in(drawn(replace(PLAIN, hidden_size=1), 2)) == {"single_unit"}


def test_every_finding_is_tested():
    assert set(FINDINGS) == set(GIVEN) | {"single_unit"}


@pytest.mark.parametrize(("dtype", "limit"), [("float64", 37.5), ("float32", 17.5)])
def test_saturation_begins_where_one_minus_sigma_falls_below_the_unit_roundoff(dtype, limit):
    z = np.zeros((1, 4, 2), dtype)
    z[:, :, 0] = limit
    step = cell.activate(z, np.zeros((1, 2), dtype))
    assert saturation(step).tolist() == [0.5]
    z[:, 1] = 1.0
    # Halves of three gates: (1/2 + 0 + 1/2)/3, which is rounded once.
    assert saturation(cell.activate(z, np.zeros((1, 2), dtype))).tolist() == [1 / 3]


def tried(sets: WeightSets) -> Lint:
    """The lint of the trial of these weight sets."""
    from lstm_gpu.claims import jacobians
    from lstm_gpu.claims.block import Block

    lint, block = Lint(), Block(sets)
    lint.begin(sets, block.step)
    with np.errstate(all="ignore"):
        for comparison in jacobians.trials(block):
            lint.see(comparison)
    return lint


def hidden_by(finding: str, sets: WeightSets) -> list[tuple[str, str]]:
    """What the trial of these weight sets says that a finding hides."""
    return tried(sets).explained(finding)


def test_constant_weights_hide_transposes():
    sets = drawn(PLAIN, 3)
    constant = replace(sets, U=0.25 + 0 * sets.U)
    hides = hidden_by("constant_weights", constant)
    assert ("hidden_jacobian", "all_U_transposed") in hides
    assert ("hidden_jacobian", "no_f_path") not in hides


def test_zero_states_hide_the_slips_of_the_forget_path():
    sets = drawn(PLAIN, 3)
    hides = hidden_by("zero_cell_state", replace(sets, c_prev=0 * sets.c_prev))
    for slip in ("sigma_for_slope_in_f", "no_f_path", "U_f_transposed"):
        assert ("hidden_jacobian", slip) in hides, slip
    assert ("hidden_jacobian", "no_u_path") not in hides


def test_what_one_set_of_the_finding_shows_is_not_hidden():
    found = Found(3, {("c", "everywhere"): 3, ("c", "mostly"): 2, ("c", "never"): 0})
    assert found.hides == [("c", "everywhere")]


def test_a_mutant_counts_once_and_not_for_each_reference():
    sets = drawn(replace(PLAIN, hidden_size=1), 2)
    lint = Lint()
    lint.begin(sets, cell.step(sets))
    same = np.ones(2, bool)
    for reference in ("central", "complex_step"):
        zero = np.zeros((2, 1, 1))
        lint.see(Comparison("c", "r", "m", reference, zero, zero, zero, equivalent=same))
    assert lint.findings["single_unit"].hidden == {("c", "m"): 2}


def test_shards_merge_to_the_lint_of_one_run():
    case = Case(1, 2, "float64", "sparse", "saturated")
    parts = [campaign.check_shard(case, 5, *r, "numpy")["lint"] for r in ((0, 3), (3, 7), (7, 8))]
    merged = Lint()
    for part in reversed(parts):
        merged.merge(Lint.from_dict(part))
    assert merged.to_dict() == campaign.check_shard(case, 5, 0, 8, "numpy")["lint"]
    assert merged.weight_sets == 8
    assert merged.findings["single_unit"].sets == 8


def test_blocks_make_no_difference(monkeypatch):
    whole = campaign.check_shard(GENERIC, 5, 0, 6, "numpy")["lint"]
    monkeypatch.setattr(campaign, "_BLOCK_ENTRIES", 2 * GENERIC.hidden_size**2)
    assert campaign.check_shard(GENERIC, 5, 0, 6, "numpy")["lint"] == whole


def _all_constant(s: WeightSets) -> WeightSets:
    U = s.U.copy()
    U[:] = (np.arange(4) / 8 + 0.25)[:, None, None]  # another constant for each gate
    return replace(s, U=U)


def _two_rows_zero(s: WeightSets) -> WeightSets:
    U = s.U.copy()
    U[:, :, [0, 2]] = 0
    return replace(s, U=U)


# finding -> how to give it, in full, to weight sets that are plain in all else
IN_FULL = {
    "constant_weights": _all_constant,
    "symmetric_weights": lambda s: replace(s, U=s.U + s.U.swapaxes(2, 3)),
    "equal_gates": lambda s: replace(s, U=s.U[:, :1].repeat(4, axis=1)),
    "repeated_rows": _two_rows_zero,
    "zero_hidden_state": GIVEN["zero_hidden_state"][0],
    "zero_cell_state": GIVEN["zero_cell_state"][0],
    "zero_input": GIVEN["zero_input"][0],
    "equal_sizes": GIVEN["equal_sizes"][0],
    "single_unit": lambda s: drawn(replace(PLAIN, hidden_size=1), 6),
}


@pytest.mark.parametrize("finding", sorted(IN_FULL))
def test_a_finding_explains_the_very_mutants_that_it_hides_alone(finding):
    """What the table says of a finding is what weight sets show that have nothing else."""
    given = IN_FULL[finding](drawn(PLAIN, 6))
    every = {(m.claim, m.name) for m in JACOBIAN_MUTANTS}
    said = {key for key in every if EXPLAINS[finding].search("/".join(key))}
    if finding == "equal_sizes":  # here W = U, which makes the slip no slip
        assert ("hidden_jacobian", "W_for_U") in said
    assert set(tried(given).findings[finding].hides) == said


def test_what_a_saturated_gate_explains_leaves_out_the_path_of_the_candidate():
    pattern = EXPLAINS["saturated_gates"]
    assert pattern.search("hidden_jacobian/no_f_path")
    assert pattern.search("forget_gate_jacobian/all_zero")
    assert not pattern.search("forget_gate_jacobian/gates_f_and_u_swapped")
    for slip in ("no_u_path", "one_minus_u", "U_u_transposed", "tanh_slope_of_activated_u"):
        assert not pattern.search(f"hidden_jacobian/{slip}"), slip


def test_equal_sizes_are_not_blamed_for_what_a_saturated_candidate_hides():
    """m = n is on every weight set of such a case; it hides no slip in tanh'."""
    found = Found(3, {("hidden_jacobian", "one_minus_u"): 3, ("hidden_jacobian", "W_for_U"): 3})
    lint = Lint({"equal_sizes": found}, weight_sets=3)
    assert found.hides == [("hidden_jacobian", "W_for_U"), ("hidden_jacobian", "one_minus_u")]
    assert lint.explained("equal_sizes") == [("hidden_jacobian", "W_for_U")]


def test_every_finding_says_what_it_explains():
    assert set(EXPLAINS) == set(FINDINGS)
