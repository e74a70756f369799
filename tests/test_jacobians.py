"""The claims on Jacobians: supported where they hold, refuted where not, never by chance."""

from dataclasses import replace

import numpy as np
import pytest
import reference as decimals
from examples import GENERIC, cases, drawn, extremes, on, with_bias

from lstm_gpu import bounds, cell, derivatives
from lstm_gpu.claims import jacobians
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.claims.registry import CLAIMS
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.tally import Tally
from lstm_gpu.weights import DTYPES, Case

TRUE = {
    ("product_rule", "as_written"),
    ("tanh_cell_jacobian", "as_written"),
    ("tanh_cell_jacobian", "with_previous_cell_term"),
    ("hidden_jacobian", "as_written"),
    ("forget_gate_jacobian", "row_scaling"),
}
FALSE = {("forget_gate_jacobian", "column_scaling"), ("forget_gate_jacobian", "matrix_vector")}


def tally_of(block):
    tally = Tally()
    with np.errstate(all="ignore"):
        for comparison in jacobians.trials(block):
            tally.update(comparison, 0)
    return tally


def verdicts(block):
    return {
        (*key[:2], key[3]): record.verdict
        for key, record in tally_of(block).records.items()
        if not key[2]
    }


def test_every_reading_of_the_registry_s_jacobian_claims_is_tried():
    assert set(jacobians.READINGS) == TRUE | FALSE
    registered = {
        (claim.id, reading.name): reading.expected
        for claim in CLAIMS
        for reading in claim.readings
        if claim.id in jacobians.MUTATED
    }
    assert registered == {**dict.fromkeys(TRUE, "supported"), **dict.fromkeys(FALSE, "refuted")}


@pytest.mark.parametrize("bias", [False, True])
def test_true_readings_are_supported_and_false_ones_refuted(backend, bias):
    sets = with_bias(drawn(GENERIC, 6)) if bias else drawn(GENERIC, 6)
    found = verdicts(Block(on(backend, sets)))
    for reference in REFERENCES:
        for reading in TRUE:
            assert found[*reading, reference] == "supported", (reading, reference)
        for reading in FALSE:
            assert found[*reading, reference] == "refuted", (reading, reference)


def test_at_n_1_the_readings_of_d6_coincide_and_none_is_refuted():
    found = verdicts(Block(drawn(Case(1, 2, "float64", "normal_gain_1", "generic"), 6)))
    assert {found[*reading, r] for reading in TRUE | FALSE for r in REFERENCES} == {"supported"}


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_true_reading_is_refuted_at_extreme_scales(dtype):
    for name, sets in extremes(dtype):
        refuted = [key for key, verdict in verdicts(Block(sets)).items() if verdict == "refuted"]
        assert not [key for key in refuted if key[:2] in TRUE], (name, refuted)


@pytest.mark.parametrize("weight", [1e12, 1e20, 1e30, 1e37])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_true_reading_is_refuted_at_weights_near_overflow(dtype, weight):
    sets = drawn(replace(GENERIC, dtype=dtype), 3)
    for factor in (0, 1):
        big = replace(
            sets, U=sets.U * np.dtype(dtype).type(weight), h_prev=factor * sets.h_prev,
            x=factor * sets.x,
        )  # fmt: skip
        refuted = [key for key, verdict in verdicts(Block(big)).items() if verdict == "refuted"]
        assert not [key for key in refuted if key[:2] in TRUE], (factor, refuted)


@pytest.mark.parametrize("reading", sorted(TRUE))
def test_a_wrong_derivative_in_the_package_would_be_refuted(monkeypatch, reading):
    """Each true reading's own code, spoiled: the trial is of this code, not of a copy."""
    spoiled = {
        "product_rule": "product_rule",
        "tanh_cell_jacobian": "tanh_cell_jacobian"
        if reading[1] == "as_written"
        else "tanh_cell_jacobian_with_previous",
        "hidden_jacobian": "hidden_jacobian",
        "forget_gate_jacobian": "forget_gate_jacobian",
    }[reading[0]]
    right = getattr(derivatives, spoiled)
    monkeypatch.setattr(derivatives, spoiled, lambda *a: 1.001 * right(*a))
    found = verdicts(Block(drawn(GENERIC, 6)))
    assert found[*reading, "central"] == found[*reading, "complex_step"] == "refuted"


def test_one_comparison_alone_is_the_one_of_the_whole_trial():
    block = Block(drawn(GENERIC, 3))
    for whole in jacobians.trials(block):
        (alone,) = jacobians.trials(Block(drawn(GENERIC, 3)), only=whole.key)
        assert alone.key == whole.key
        for name in ("claimed", "measured", "bound"):
            assert (getattr(alone, name) == getattr(whole, name)).all(), (whole.key, name)
    assert (
        list(jacobians.trials(block, only=("hidden_jacobian", "as_written", "x", "central"))) == []
    )


def test_every_mutant_meets_both_references():
    square = replace(GENERIC, input_size=GENERIC.hidden_size)
    keys = {key for key in tally_of(Block(drawn(square, 1))).records if key[2]}
    assert {(c, m, r) for c, _, m, r in keys} == {
        (m.claim, m.name, r) for m in JACOBIAN_MUTANTS for r in REFERENCES
    }


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_bound_of_the_product_rule_is_not_vacuous(reference):
    block = Block(drawn(Case(8, 5, "float64", "pytorch_uniform", "generic"), 3))
    J = abs(block.measured(reference, "h"))
    limit = jacobians.product_rule_bound(block, reference)
    epsilon = {"central": 1e-5, "complex_step": 1e-11}[reference]
    assert (limit < epsilon * J.max(axis=(1, 2))[:, None, None]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_bound_of_the_product_rule_covers_the_errors_of_the_values(sign):
    """No rounding is that bad: t and o are taken at z^ off by 1e-6, the Jacobians at z itself."""
    sets = drawn(GENERIC)
    right, off = Block(sets), Block(sets)
    off.__dict__["complex"] = right.complex
    off.__dict__["step"] = cell.activate(right.step.z + sign * 1e-6, sets.c_prev)
    told = (1e-6 + 2.0**-53 * abs(off.step.z)) * bounds.SLACK  # z ± 1e-6 is rounded
    off.__dict__["preactivation_error"] = told
    measured = right.complex.derivatives
    claimed = derivatives.product_rule(off.step, measured["o"], measured["tanh_c"])
    ratio = abs(claimed - measured["h"]) / jacobians.product_rule_bound(off, "complex_step")
    assert 0.1 < ratio.max() <= 1, ratio.max()


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_bound_of_the_product_rule_covers_the_errors_of_all_three_jacobians(reference):
    """Each is the exact Jacobian moved by its whole bound, in the direction that hurts most."""
    block = Block(drawn(GENERIC, 1))
    exact = decimals.jacobians(decimals.inputs(block.sets))
    own = {q: block.bound(reference, q, with_formula=False) for q in ("h", "o", "tanh_c")}
    truth = {q: decimals.array(exact[q])[None] for q in own}
    away_o = truth["o"] + np.sign(block.step.tanh_c)[..., None] * own["o"]
    away_c = truth["tanh_c"] + own["tanh_c"]
    limit = jacobians.product_rule_bound(block, reference)
    claimed = derivatives.product_rule(block.step, away_o, away_c)
    ratio = abs(claimed - (truth["h"] - own["h"])) / limit
    assert 0.5 < ratio.max() <= 1, ratio.max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_false_alarm_and_every_part_of_a_bound_counts(dtype):
    """Also: the reference's part alone is below the whole bound, entry by entry."""
    for case in cases(2, 3, dtype):
        block = Block(drawn(case, 4))
        assert not [k for k, v in verdicts(block).items() if v == "refuted" and k[:2] in TRUE], case
        with np.errstate(all="ignore"):
            for reference in REFERENCES:
                own = block.bound(reference, "h", with_formula=False)
                assert (own <= block.bound(reference, "h")).all()
