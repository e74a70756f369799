"""The claims on Jacobians as proofs: right ones agree to 2^-200, wrong ones provably do not."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import reference
from examples import cases, drawn
from flint import arb
from test_ball import assert_is_truth, one, scale

from lstm_gpu import campaign, examination, references
from lstm_gpu.claims import cell_state, enclosures, jacobians
from lstm_gpu.claims.block import Block
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.references import ball
from lstm_gpu.weights import Case, draw

GENERIC = Case(3, 2, "float64", "normal_gain_1", "generic")
HIDDEN = ("hidden_jacobian", "as_written")
COLUMNS = enclosures.COLUMN_SCALING
WRONG = {COLUMNS, enclosures.MATRIX_VECTOR, enclosures.RIVAL, enclosures.PRODUCT}
TRUE = sorted(enclosures.ENCLOSED - WRONG)


def proofs(sets, key, mutant=""):
    """The proof at every entry [k, j], as a dict."""
    n = sets.h_prev.shape[-1]
    return {
        entry: enclosures.enclose(sets, *key, entry, mutant).proof
        for entry in product(range(n), repeat=2)
    }


# --- Formulas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_formulas_agree_in_every_law_and_regime(dtype):
    for case in cases(2, 2, dtype):
        sets = one(drawn(case))
        for key in TRUE:
            assert set(proofs(sets, key).values()) == {ball.WITHIN}, (case, key)


def test_column_scaling_is_wrong_off_the_diagonal_alone():
    for (k, j), proof in proofs(one(drawn(GENERIC)), COLUMNS).items():
        assert proof == (ball.WITHIN if k == j else ball.REFUTED)


def test_the_rival_term_is_wrong_on_the_diagonal_alone():
    for (k, j), proof in proofs(one(drawn(GENERIC)), enclosures.RIVAL).items():
        assert proof == (ball.REFUTED if k == j else ball.WITHIN)


@pytest.mark.parametrize("key", [enclosures.MATRIX_VECTOR, enclosures.PRODUCT])
def test_wrong_readings_are_proved_wrong_everywhere(key):
    assert set(proofs(one(drawn(GENERIC)), key).values()) == {ball.REFUTED}


def test_at_n_1_the_readings_of_d6_coincide():
    sets = one(drawn(replace(GENERIC, hidden_size=1)))
    for key in (COLUMNS, enclosures.MATRIX_VECTOR):
        assert proofs(sets, key) == {(0, 0): ball.WITHIN}


def test_the_product_over_time_is_that_of_decimals():
    sets = one(drawn(GENERIC))
    truth = reference.two_steps(reference.inputs(sets))["hidden_product"]
    rows = [
        [enclosures.enclose(sets, *enclosures.PRODUCT, (k, j)).claimed for j in range(3)]
        for k in range(3)
    ]
    assert_is_truth(np.array([rows], object), truth, sets)


@pytest.mark.parametrize("key", sorted(enclosures.ENCLOSED - {enclosures.PRODUCT}))
def test_a_part_of_the_weight_set_gives_what_the_whole_does(monkeypatch, key):
    sets = one(drawn(GENERIC))
    entries = list(product(range(3), repeat=2))
    part = [enclosures.enclose(sets, *key, entry).claimed for entry in entries]
    monkeypatch.setattr(enclosures, "_LOCAL", frozenset())
    whole = [enclosures.enclose(sets, *key, entry).claimed for entry in entries]
    assert all(a.overlaps(b) for a, b in zip(part, whole, strict=True))
    # And what the floats do, which fewer than 2^13 roundings of numbers below `scale` made.
    block = Block(sets)
    if key == enclosures.RIVAL:
        floats = cell_state.rival_jacobian(block)
    else:
        floats = jacobians.READINGS[key][1](jacobians.subject(block, "complex_step"))
    limit = 2.0**-40 * float(scale(sets))
    for (k, j), value in zip(entries, whole, strict=True):
        assert abs(value - float(floats[0, k, j])) <= limit


def test_a_formula_that_nobody_knows_gets_the_whole_weight_set(monkeypatch):
    seen = []
    monkeypatch.setitem(
        jacobians.READINGS,
        ("hidden_jacobian", "mine"),
        ("h", lambda s: seen.append(s.sets.U.shape) or s.sets.U[:, 0]),
    )
    assert enclosures.enclose(one(drawn(GENERIC)), "hidden_jacobian", "mine", (0, 1)).proof
    assert set(seen) == {(1, 4, 3, 3)}


def test_a_reading_is_refuted_where_no_float_could_tell():
    """Near zero σ' is 1/4 in every row, to 10^-12: column scaling passes in float32."""
    case = Case(8, 8, "float32", "normal_gain_1", "near_zero")
    content = campaign.check_shard(case, 1, 0, 4, "numpy")
    for record in content["records"]:
        if (record["claim"], record["reading"]) == COLUMNS:
            assert record["refuted_sets"] == 0
    found = enclosures.enclose(draw(case, 1, 0, 1), *COLUMNS, (0, 1))
    assert found.proof == ball.REFUTED


@pytest.mark.parametrize(("error", "proof"), [("1e-40", ball.REFUTED), ("1e-90", ball.WITHIN)])
def test_a_formula_wrong_by_1e_40_is_proved_wrong(monkeypatch, error, proof):
    """By 10^-90 it is within 2^-200 all the same."""
    quantity, right = jacobians.READINGS[HIDDEN]
    wrong = lambda s: right(s) * (1 + arb(error))  # noqa: E731
    monkeypatch.setitem(jacobians.READINGS, HIDDEN, (quantity, wrong))
    assert set(proofs(one(drawn(GENERIC)), HIDDEN).values()) == {proof}


def test_every_mutant_is_proved_wrong_somewhere():
    sets = one(drawn(replace(GENERIC, input_size=GENERIC.hidden_size)))  # W for U exists
    for mutant in JACOBIAN_MUTANTS:
        key = mutant.claim, jacobians.MUTATED[mutant.claim]
        assert ball.REFUTED in proofs(sets, key, mutant.name).values(), mutant.name


def test_what_is_no_statement_on_a_derivative_is_refused():
    sets = one(drawn(GENERIC))
    for key in (("cell_state_independence", "as_written"), ("hidden_jacobian", "no_such")):
        with pytest.raises(KeyError):
            enclosures.enclose(sets, *key, (0, 0))
    for key in (HIDDEN, COLUMNS):
        with pytest.raises(KeyError):
            enclosures.enclose(sets, *key, (0, 0), "no_such")
    with pytest.raises(KeyError):
        enclosures.enclose(sets, *HIDDEN, (0, 0), "W_for_U")  # m is not n


# --- Shards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_worst_entry_is_decided_and_every_bound_holds(dtype):
    for case in cases(5, 4, dtype):
        content = campaign.check_shard(case, 3, 0, 3, "numpy")
        for row in content["enclosures"]:
            assert row["bounds_hold"] == "yes", (case, row)
            assert row["proof"] != ball.UNDECIDED, (case, row)
            if (row["claim"], row["reading"]) in TRUE:
                assert row["proof"] == ball.WITHIN, (case, row)


def test_one_row_for_each_record_at_its_worst_entry():
    content = campaign.check_shard(GENERIC, 3, 0, 9, "numpy")
    records = {
        (r["claim"], r["reading"], r["reference"]): r["worst"]
        for r in content["records"]
        if not r["mutant"] and (r["claim"], r["reading"]) in enclosures.ENCLOSED
    }
    rows = {(r["claim"], r["reading"], r["reference"]): r for r in content["enclosures"]}
    assert len(rows) == len(content["enclosures"]) == len(records) == 17
    for key, row in rows.items():
        assert (row["index"], row["entry"]) == (records[key]["index"], records[key]["entry"])
        assert arb(row["derivative"]).overlaps(arb(records[key]["measured"], records[key]["bound"]))


def test_the_same_bytes_twice():
    again = [campaign.check_shard(GENERIC, 3, 0, 9, "numpy")["enclosures"] for _ in range(2)]
    assert json.dumps(again[0]) == json.dumps(again[1])


def test_a_bound_that_is_too_small_is_proved_wrong(monkeypatch):
    """A thousandth of each bound on a reference's own error, and of each on a formula's."""
    right = Block.bound
    monkeypatch.setattr(Block, "bound", lambda self, *a, **k: right(self, *a, **k) / 1000)
    rows = campaign.check_shard(GENERIC, 3, 0, 9, "numpy")["enclosures"]
    broken = {(r["claim"], r["reading"]) for r in rows if r["bounds_hold"] == "no"}
    assert broken >= {HIDDEN, ("forget_gate_jacobian", "row_scaling")}
    assert all(
        max(r["reference_error_over_bound"], r["formula_error_over_bound"] or 0) > 1
        for r in rows
        if r["bounds_hold"] == "no"
    )


@pytest.mark.parametrize("name", ["measured", "claimed"])
def test_a_float_beyond_its_bound_is_seen(name):
    content = campaign.check_shard(GENERIC, 3, 0, 1, "numpy")
    worst = next(
        r["worst"]
        for r in content["records"]
        if (r["claim"], r["reading"], r["mutant"], r["reference"]) == (*HIDDEN, "", "central")
    )
    sets = draw(GENERIC, 3, 0, 1)
    found = enclosures.enclose(sets, *HIDDEN, tuple(worst["entry"]))

    def hold(worst):
        key = (*HIDDEN, "", "central")
        return enclosures.floats_on_trial(found, Block(sets), key, worst)["bounds_hold"]

    assert hold(worst) == "yes"
    assert hold({**worst, name: worst[name] + 2 * worst["bound"]}) == "no"


def test_an_enclosure_of_nothing_decides_no_bound():
    worst = {"entry": [0, 0], "measured": 0.5, "claimed": 0.5}
    nothing = ball.Enclosure(arb("nan"), arb("nan"), 256)
    block = Block(draw(GENERIC, 3, 0, 1))
    record = enclosures.floats_on_trial(nothing, block, (*HIDDEN, "", "central"), worst)
    assert record["bounds_hold"] == "undecided"
    assert record["reference_error_over_bound"] is None
    assert enclosures.as_record(nothing)["proof"] == ball.UNDECIDED


def test_without_python_flint_a_shard_has_none(monkeypatch):
    monkeypatch.setattr(references, "has_balls", lambda: False)
    assert campaign.check_shard(GENERIC, 3, 0, 2, "numpy")["enclosures"] == []
    assert examination.enclose((*HIDDEN, "", "central"), [0, 0], drawn(GENERIC, 1, 3)) is None


@pytest.mark.parametrize("regime", ["generic", "saturated"])
def test_at_n_128_every_reading_is_decided(regime):
    case = Case(128, 128, "float64", "normal_gain_32", regime)
    sets = draw(case, 1, 0, 1)
    for key in sorted(enclosures.ENCLOSED):
        for entry in ((0, 127), (64, 64)):
            assert enclosures.enclose(sets, *key, entry).proof != ball.UNDECIDED


def test_a_formula_that_needs_too_many_balls_is_left_out(monkeypatch):
    monkeypatch.setattr(examination, "_LARGEST_ENCLOSED", 2)
    for key, left_out in ((HIDDEN, False), (COLUMNS, False), (enclosures.PRODUCT, True)):
        found = examination.enclose((*key, "", "central"), [0, 0], drawn(GENERIC, 1, 3))
        assert (found is None) == left_out
    assert (
        examination.enclose((*HIDDEN, "all_zero", "central"), [0, 0], drawn(GENERIC, 1, 3)) is None
    )
    sphere = ("forget_gate_argmax", "zero_input", "", "identity")
    assert examination.enclose(sphere, [0, 0], drawn(GENERIC, 1, 3)) is None


def test_the_formulas_are_those_of_the_trial(monkeypatch):
    """No second copy: what the trial's function returns is what is enclosed."""
    monkeypatch.setattr(cell_state, "rival_jacobian", lambda s: 0 * s.sets.U[:, 0])
    assert enclosures.enclose(one(drawn(GENERIC)), *enclosures.RIVAL, (1, 1)).claimed == 0
