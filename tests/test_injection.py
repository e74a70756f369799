"""Injected errors: found as theory says, and a wrong size or a wrong bound shows."""

import json

import numpy as np
import pytest
from examples import GENERIC, drawn

from lstm_gpu import campaign
from lstm_gpu.claims import injection, jacobians
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.claims.injection import FACTORS, Injections, detected, places
from lstm_gpu.tally import Comparison, summarise
from lstm_gpu.weights import Case

CASE = Case(3, 2, "float64", "normal_gain_1", "generic")
SETS = 400
KEY = ("hidden_jacobian", "as_written", "", "central")


def injected(case=CASE, sets=SETS, xp=np, scale=1.0):
    """Inject into all readings; `scale` spoils the bound of the comparison."""
    found = Injections()
    block = Block(drawn(case, sets, xp=xp))
    with np.errstate(all="ignore"):
        for c in jacobians.trials(block):
            found.update(c._replace(bound=c.bound * c.bound.dtype.type(scale)), case, 1, 0)
    return found


def rates(found, size):
    """Over all readings and references: detected / trials per factor."""
    counts = sum(c for key, c in found.counts.items() if key[3] == size)
    return dict(zip(FACTORS, counts[1] / counts[0], strict=True))


def a_comparison(claimed, measured, bound, key=KEY):
    shape = (len(claimed), 1, 1)
    return Comparison(*key, *(np.reshape(a, shape) for a in (claimed, measured, bound)))


def test_the_supported_readings_of_the_jacobian_claims_take_part():
    assert set(injection.READINGS) == {
        ("product_rule", "as_written"),
        ("tanh_cell_jacobian", "as_written"),
        ("tanh_cell_jacobian", "with_previous_cell_term"),
        ("hidden_jacobian", "as_written"),
        ("forget_gate_jacobian", "row_scaling"),
    }
    assert set(injected(sets=2).counts) == {
        (*reading, reference, size)
        for reading in injection.READINGS
        for reference in REFERENCES
        for size in injection.SIZES
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 3, 8])
def test_the_rates_are_those_that_theory_predicts(backend, dtype, n):
    found = injected(Case(n, 2, dtype, "normal_gain_1", "generic"), xp=backend)
    for size in injection.SIZES:
        seen = rates(found, size)
        assert (seen[0.0], seen[1.0], seen[2.0], seen[5.0]) == (0, 1, 1, 1), (size, seen)
    # 4000 trials, of which those of one reading share their places: 0.5 within 6 deviations of 800
    assert abs(rates(found, "entry")[0.5] - 0.5) < 6 * 0.5 / np.sqrt(800)
    assert rates(found, "set")[0.5] >= rates(found, "entry")[0.5]
    assert n == 1 or rates(found, "set")[0.5] > 0.6


def test_a_size_that_is_too_small_is_not_always_found(monkeypatch):
    monkeypatch.setattr(injection, "_TIMES_THE_BOUND", 1)
    assert rates(injected(), "entry")[1.0] < 0.6


def test_a_size_that_is_too_large_is_found_at_half_of_it(monkeypatch):
    monkeypatch.setattr(injection, "_TIMES_THE_BOUND", 4)
    assert rates(injected(), "entry")[0.5] == 1


def test_a_bound_that_is_too_small_raises_alarms_without_error_and_misses_errors():
    found = rates(injected(scale=1e-4), "entry")
    assert found[0.0] > 0.05
    assert found[1.0] < 1


def test_the_size_at_the_sets_worst_place_is_the_one_that_the_tally_prints():
    """The two modules must mean the same: one number more than it, and the set is refuted."""
    (c,) = jacobians.trials(Block(drawn(GENERIC, 1)), only=KEY)
    at = np.unravel_index(c.bound.argmax(), c.bound.shape)
    size = injection._TIMES_THE_BOUND * c.bound.max()
    assert summarise(c, 0).smallest_detectable == size
    for sign in (-1, 1):
        claimed = c.claimed.copy()
        claimed[at] += sign * size
        assert summarise(c._replace(claimed=claimed), 0).refuted_sets == 1


def test_what_cannot_be_decided_is_no_trial():
    claimed = [np.nan, 1.0, 1.0, 1.0, 1.0, 2.0**1022]
    measured = [1.0, np.inf, 1.0, 1.0, 1.0, 2.0**1022]
    bound = [1.0, 1.0, np.nan, 0.0, 0.5, 2.0**1022]
    found = detected(
        a_comparison(claimed, measured, bound),
        np.zeros((6, len(FACTORS)), int),
        np.ones((6, len(FACTORS))),
    )
    for trials, hits in found.values():
        assert trials.tolist() == [2, 0, 2, 1, 1]  # no gap; 2^1022 + 2^1024 is no number
        assert hits.tolist() == [0, 0, 2, 1, 1]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("seed", range(3))
def test_where_the_gap_is_clear_of_rounding_the_sign_alone_decides(dtype, seed):
    """Values, gaps and bounds of all sizes: at half the size found if and only if signs agree."""
    rng = np.random.default_rng(seed)
    measured = (rng.normal(size=4000) * 10.0 ** rng.integers(-12, 12, 4000)).astype(dtype)
    bound = (10.0 ** rng.uniform(-14, 12, 4000)).astype(dtype)
    gap = bound * (rng.uniform(-1, 1, 4000) * 10.0 ** rng.integers(-9, 1, 4000)).astype(dtype)
    claimed = measured + gap
    compared = 0
    for k in range(4000):
        one = a_comparison(claimed[k : k + 1], measured[k : k + 1], bound[k : k + 1])
        signs = np.where(rng.random((1, len(FACTORS))) < 0.5, -1.0, 1.0)
        entry = np.zeros((1, len(FACTORS)), int)
        trials, hits = detected(one, entry, signs)["entry"]
        compared += trials[1]
        if trials[1]:
            assert hits[1] == (signs[0, 1] * (float(claimed[k]) - float(measured[k])) > 0), k
    assert 500 < compared < 4000


def test_a_value_elsewhere_in_the_set_that_is_not_finite_makes_it_undecided():
    claimed = np.ones((1, 2, 2))
    measured, bound = claimed.copy(), 0.5 * claimed
    measured[0, 1, 1] = np.nan
    entries, signs = np.zeros((1, len(FACTORS)), int), np.ones((1, len(FACTORS)))
    for trials, _ in detected(Comparison(*KEY, claimed, measured, bound), entries, signs).values():
        assert not trials.any()


def test_mutants_and_wrong_readings_take_no_injections():
    found = Injections()
    for key in (
        ("hidden_jacobian", "as_written", "all_zero", "central"),
        ("forget_gate_jacobian", "column_scaling", "", "central"),
    ):
        found.update(a_comparison([1.0], [1.0], [0.5], key), CASE, 1, 0)
    assert not found.counts


def test_places_are_a_pure_function_of_the_index():
    whole = places(CASE, 5, KEY[:2], 0, 50)
    part = places(CASE, 5, KEY[:2], 17, 31)
    for w, p in zip(whole, part, strict=True):
        assert (w[17:31] == p).all()
    other = places(CASE, 5, ("product_rule", "as_written"), 0, 50)
    assert (other[0] != whole[0]).any()


def test_every_entry_and_both_signs_are_drawn():
    entries, signs = places(CASE, 5, KEY[:2], 0, 200)
    assert set(entries.ravel()) == set(range(9))
    assert set(signs.ravel()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 6 / np.sqrt(signs.size)


def test_shards_add_up_to_the_whole():
    whole = campaign.check_shard(CASE, 5, 0, 20, "numpy")["injections"]
    assert len(whole) == 5 * 2 * 2
    total = Injections()
    for start, stop in ((7, 20), (0, 7)):
        rows = campaign.check_shard(CASE, 5, start, stop, "numpy")["injections"]
        total.merge(Injections.from_list(json.loads(json.dumps(rows))))
    assert total.to_list() == whole


@pytest.mark.parametrize(
    "change",
    [
        {"trials": [1, 1]},
        {"detected": [9, 0, 0, 0, 0]},
        {"reading": "column_scaling"},
        {"size": "whole"},
    ],
)
def test_rows_that_cannot_be_are_refused(change):
    row = {"claim": KEY[0], "reading": KEY[1], "reference": "central", "size": "entry"}
    row |= {"trials": [4] * 5, "detected": [0, 2, 4, 4, 4]}
    assert Injections.from_list([row]).to_list() == [row]
    with pytest.raises(ValueError, match=r"injections|due|inhomogeneous"):
        Injections.from_list([row | change])
