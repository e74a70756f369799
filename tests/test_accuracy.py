"""The accuracy of the functions: documented or measured, and that the bounds really use it."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
import reference
from examples import GENERIC, drawn

from lstm_gpu import bounds, campaign, cell, examination
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.claims import gate_maximum
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.references.two_steps import hidden_over_two_steps
from lstm_gpu.tally import Tally
from lstm_gpu.weights import Case

FLOAT32 = replace(GENERIC, dtype="float32")
SHARP = Accuracy(exp_ulp=1, tanh_ulp=1, sigmoid_ulp=1, source="a test")
TOO_SHARP = Accuracy(exp_ulp=0, tanh_ulp=0, sigmoid_ulp=0, source="a test")
WORSE = Accuracy(exp_ulp=1000, tanh_ulp=1000, sigmoid_ulp=1000, source="a test")


def test_documented_sigma_follows_from_the_documented_exponential():
    """An error of k ulp is at most 2k unit roundoffs; a sum and a quotient add one each."""
    assert DOCUMENTED.sigmoid_ulp == 2 * DOCUMENTED.exp_ulp + 2
    assert (DOCUMENTED.tanh_units, DOCUMENTED.sigmoid_units) == (8, 20)
    assert DOCUMENTED.source.startswith("documented: numpy/numpy#19478")


def test_an_accuracy_survives_its_file():
    assert Accuracy.from_dict(SHARP.as_dict()) == SHARP


@pytest.mark.parametrize(
    "change",
    [{"tanh_ulp": -1}, {"exp_ulp": None}, {"sigmoid_ulp": True}, {"source": 3}, {"exp_ulp": "2"}],
)
def test_what_is_no_accuracy_is_one_clear_message(change):
    with pytest.raises(InputError, match=r"`accuracy\.\w+` in `the file` must be") as refusal:
        Accuracy.from_dict({**SHARP.as_dict(), **change})
    assert "\n" not in str(refusal.value)


def test_nan_is_no_accuracy():
    with pytest.raises(InputError, match=r"`accuracy\.tanh_ulp`"):
        Accuracy.from_dict({**SHARP.as_dict(), "tanh_ulp": float("nan")})


def bound_of(accuracy, of):
    return of(Block(drawn(FLOAT32, 4), accuracy))


# Every bound that an evaluation of real functions enters.
BOUNDS = {
    "formula": lambda block: sum(block.formula_errors("h").values()),
    "central": lambda block: block.bound("central", "h", with_formula=False),
    "two_steps": lambda block: hidden_over_two_steps(block.sets, block.accuracy).bound,
    "product": lambda block: campaign.cell_state.two_step_formulas(block).bound,
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_change_with_the_accuracy(name):
    sharp, documented, worse = (
        bound_of(accuracy, BOUNDS[name]) for accuracy in (SHARP, DOCUMENTED, WORSE)
    )
    assert (sharp < documented).all()
    assert (documented < worse).all()


def test_the_complex_steps_own_bound_takes_no_advantage_of_real_functions():
    """Measured real functions say nothing of complex ones: the bound stays, or grows."""
    own = [
        bound_of(accuracy, lambda block: block.bound("complex_step", "h", with_formula=False))
        for accuracy in (SHARP, DOCUMENTED, WORSE)
    ]
    assert np.array_equal(own[0], own[1])
    assert (own[1] < own[2]).all()


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_an_accuracy_that_the_function_does_not_have_is_contradicted(function):
    """The computed gates against decimals, at preactivations without error."""
    rng = np.random.default_rng(8)
    z = rng.normal(size=(1, 4, 300)).astype(np.float32) * 3
    step = cell.activate(z, np.zeros((1, 300), np.float32))
    name, gate = {"sigmoid": ("f", cell.FORGET), "tanh": ("u", cell.CANDIDATE)}[function]
    with localcontext(reference.DIGITS):
        truth = getattr(reference, "sigma" if function == "sigmoid" else "tanh")
        exact = [truth(Decimal(float(value))) for value in z[0, gate]]
    found = {
        accuracy.sigmoid_ulp: reference.excess(
            getattr(step, name)[0],
            exact,
            bounds.step_errors(step, step.c, np.zeros(z.shape), accuracy=accuracy)
            .values[name]
            .error[0],
        ).ratio
        for accuracy in (TOO_SHARP, SHARP, DOCUMENTED)
    }
    assert found[DOCUMENTED.sigmoid_ulp] <= 1
    assert found[TOO_SHARP.sigmoid_ulp] > 1
    assert found[TOO_SHARP.sigmoid_ulp] > found[SHARP.sigmoid_ulp]


def largest(content, claim, reading):
    return max(
        record.worst["ratio"]
        for key, record in Tally.from_list(content["records"]).records.items()
        if key[:2] == (claim, reading) and not key[2]
    )


def test_a_shard_is_judged_by_its_accuracy_and_says_so():
    case = Case(2, 3, "float32", "normal_gain_1", "generic")
    ratios = []
    for accuracy in (SHARP, DOCUMENTED, WORSE):
        content = campaign.check_shard(case, 3, 0, 3, "numpy", accuracy=accuracy)
        assert content["accuracy"] == accuracy.as_dict()
        ratios.append(largest(content, "hidden_jacobian", "as_written"))
    assert ratios[0] > ratios[1] > ratios[2] > 0


def test_the_ladder_takes_the_accuracy():
    case = Case(2, 3, "float32", "normal_gain_1", "generic")
    bound = [
        max(campaign.step_ladder(case, 3, np, accuracy)[0]["bound"]) for accuracy in (SHARP, WORSE)
    ]
    assert bound[0] < bound[1]


def test_the_sphere_takes_the_accuracy():
    case = Case(3, 2, "float32", "normal_gain_1", "generic")
    found = {}
    for accuracy in (SHARP, WORSE):
        trials = gate_maximum.trials(drawn(case, 2), case, 5, 0, 32, np, accuracy)
        key = ("forget_gate_maximum", "gate_equals_sigmoid_of_norm", "", "ascent")
        found[accuracy.source, accuracy.exp_ulp] = next(
            c.bound for c in trials.comparisons if c.key == key
        )
    sharp, worse = found.values()
    assert (sharp < worse).all()
    content = campaign.align_shard(case, 5, 0, 1, 32, "numpy", accuracy=SHARP)
    assert content["accuracy"] == SHARP.as_dict()


def test_a_replay_takes_the_accuracy():
    case = Case(2, 3, "float32", "normal_gain_1", "generic")
    key = ("hidden_jacobian", "as_written", "", "central")
    sharp, documented = (
        examination.examine(key, [0, 1], case, 3, 0, backend="numpy", accuracy=accuracy)
        for accuracy in (SHARP, DOCUMENTED)
    )
    assert sharp["bound"] < documented["bound"]
    assert sharp["error"] == documented["error"]
    gaps = [
        examination.jacobian_gap(case, 3, 0, "central", "numpy", a) for a in (SHARP, DOCUMENTED)
    ]
    assert gaps[0]["bound"][0][1] == sharp["bound"]
    assert gaps[1]["bound"][0][1] == documented["bound"]
