"""Tallies: merging in any order is one run, NaN and infinity decide nothing, every verdict."""

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.tally import Comparison, Record, Tally, summarise, worse

KEY = ("claim", "reading", "", "central")


def comparison(claimed, measured=0.0, bound=1.0, key=KEY, xp=np, dtype="float64", **more):
    """A comparison from lists: one list per weight set."""
    arrays = [np.asarray(a, dtype=dtype) for a in np.broadcast_arrays(claimed, measured, bound)]
    return Comparison(*key, *(xp.asarray(np.ascontiguousarray(a)) for a in arrays), **more)


def tallied(*parts):
    tally = Tally()
    for found, start in parts:
        tally.update(found, start)
    return tally


# --- What a record counts -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_record_by_hand(backend, dtype):
    found = comparison(
        [[1.0, 2.0], [0.0, 0.25], [4.0, 1.0]],
        [[1.0, 1.5], [0.0, 0.0], [1.0, 1.0]],
        [[1.0, 1.0], [0.5, 0.5], [1.0, 2.0]],
        xp=backend, dtype=dtype,
    )  # fmt: skip
    record = summarise(found, 7)
    assert (record.weight_sets, record.comparisons) == (3, 6)
    assert (record.refuted_sets, record.undecided_sets) == (1, 0)
    assert record.decisive_sets == 1  # 1.5 > 1; nothing; 1 = 1, not above it
    # twice the largest bound of the decisive set; the second has a smaller one, and no power
    assert record.smallest_detectable == 2.0
    assert record.worst == {
        "ratio": 3.0, "error": 3.0, "bound": 1.0, "claimed": 4.0, "measured": 1.0,
        "index": 9, "entry": [0],
    }  # fmt: skip
    assert record.histogram == {-1: 2, 0: 1}  # 2 log10 of 0.5, 0.5 and 3: -0.6, -0.6, 0.95


def test_shapes_are_broadcast_and_entries_are_indices_of_the_whole():
    claimed, measured = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    claimed[1, 2, 1] = 5.0
    record = summarise(Comparison(*KEY, claimed, measured, np.ones((2, 1, 1))), 0)
    assert record.comparisons == 24
    assert (record.worst["index"], record.worst["entry"]) == (1, [2, 1])


def test_mutants_have_no_power_of_their_own_but_count_where_they_are_no_mistake():
    key = ("claim", "reading", "wrong", "central")
    found = comparison([[3.0], [0.1]], [[2.0], [0.0]], key=key, equivalent=np.array([False, True]))
    record = summarise(found, 0)
    assert (record.equivalent_sets, record.decisive_sets) == (1, 0)
    assert math.isinf(record.smallest_detectable)


def test_sets_in_which_a_zero_would_pass_do_not_flatter_the_power():
    """Where all is saturated, quantity and bound vanish together: 1e-246 is no power."""
    vanishing = comparison([[0.0], [1.0]], [[1e-250], [1.0]], [[5e-247], [1e-12]])
    assert summarise(vanishing, 0).smallest_detectable == 2e-12
    none = summarise(comparison([[0.0]], [[1e-250]], [[5e-247]]), 0)
    assert (none.decisive_sets, none.smallest_detectable) == (0, math.inf)
    assert none.worst is not None


def test_an_error_equal_to_its_bound_is_no_refutation_and_the_next_number_is():
    assert summarise(comparison([[1.0]]), 0).refuted_sets == 0
    assert summarise(comparison([[np.nextafter(1.0, 2.0)]]), 0).refuted_sets == 1


def test_a_bound_of_zero_wants_equality(backend):
    equal = summarise(comparison([[2.0]], [[2.0]], [[0.0]], xp=backend), 0)
    assert (equal.refuted_sets, equal.worst["ratio"], equal.decisive_sets) == (0, 0.0, 1)
    other = summarise(comparison([[2.0]], [[np.nextafter(2.0, 3.0)]], [[0.0]], xp=backend), 0)
    assert (other.refuted_sets, other.worst["ratio"]) == (1, math.inf)
    assert (equal.histogram, other.histogram) == ({-60: 1}, {60: 1})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["claimed", "measured", "bound"])
def test_a_set_with_an_entry_that_is_not_finite_decides_nothing(backend, bad, place):
    arrays = {"claimed": [[9.0, 0.0], [0.0, 0.5]], "measured": [[0.0, 0.0], [0.0, 2.0]]}
    arrays["bound"] = [[1.0, 1.0], [1.0, 2.0]]
    if bad == -math.inf and place == "bound":
        bad = math.nan
    arrays[place][0][1] = bad
    record = summarise(comparison(**arrays, xp=backend), 3)
    assert (record.weight_sets, record.undecided_sets, record.refuted_sets) == (2, 1, 0)
    assert record.worst["index"] == 4
    assert sum(record.histogram.values()) == 1


def test_where_no_set_can_be_decided_there_is_no_worst_and_no_detectable_error():
    record = summarise(comparison([[math.nan]]), 0)
    assert (record.worst, record.smallest_detectable, record.histogram) == (None, math.inf, {})
    assert math.isnan(record.ratio)


def test_an_empty_block_adds_nothing(backend):
    found = comparison(np.zeros((0, 2, 2)), xp=backend)
    assert summarise(found, 0) == Record()
    one = tallied((comparison([[2.0]]), 0)).to_list()
    assert tallied((comparison([[2.0]]), 0), (found, 1)).to_list() == one


def test_of_equal_ratios_the_set_and_the_entry_drawn_first_stand_for_all():
    record = summarise(comparison([[0.0, 2.0, 2.0], [2.0, 0.0, 0.0]]), 5)
    assert (record.worst["index"], record.worst["entry"]) == (5, [1])
    first, second = ({"ratio": 2.0, "index": i} for i in (3, 9))
    assert worse(first, second) == worse(second, first) == first
    infinite = [{"ratio": math.inf, "index": i} for i in (8, 1)]
    assert worse(*infinite)["index"] == worse(*infinite[::-1])["index"] == 1
    assert worse(None, first) == worse(first, None) == first


def test_the_power_is_what_it_says():
    """An error above it, at any one entry, the same in every set, is refuted in one of them."""
    rng = np.random.default_rng(0)
    measured, bound = rng.normal(size=(5, 3)), rng.uniform(0.1, 1, (5, 3))
    claimed = measured + 0.9 * bound * rng.uniform(-1, 1, (5, 3))
    record = summarise(comparison(claimed, measured, bound), 0)
    for sign in (-1, 1):
        for entry in range(3):
            off = claimed.copy()
            off[:, entry] += sign * record.smallest_detectable * (1 + 2.0**-50)
            assert summarise(comparison(off, measured, bound), 0).refuted_sets > 0, (sign, entry)


# --- Verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "verdict", "reason"),
    [
        (comparison([[5.0]], [[5.5]]), "supported", ""),
        (comparison([[5.0]], [[6.5]]), "refuted", ""),
        (comparison([[0.5]], [[0.6]]), "inconclusive", "a zero would pass"),
        (comparison([[math.nan]]), "inconclusive", "not finite in every weight set"),
        (comparison(np.zeros((0, 1))), "inconclusive", "no weight set was drawn"),
    ],
)
def test_every_verdict_is_reached(found, verdict, reason):
    record = tallied((found, 0)).records[KEY]
    assert record.verdict == verdict
    assert reason in record.reason
    assert bool(record.reason) == (verdict == "inconclusive")


def test_one_refuted_set_refutes_and_an_undecided_one_does_not_hide_it():
    record = summarise(comparison([[math.nan], [5.0], [3.0]], [[0.0], [5.1], [5.0]]), 0)
    assert record.verdict == "refuted"


# --- Merging --------------------------------------------------------------------------------------

# Numbers with ties, zeros and what is not finite; the sums in a record are then exact or not
# sums at all, so equality is equality of bits.
numbers = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 3.0, 1e-300, 1e300, math.nan, math.inf])
limits = st.sampled_from([0.0, 1.0, 0.5, 2.0, 1e-300, math.nan, math.inf])
blocks = st.lists(st.tuples(*[numbers] * 4, *[limits] * 2), min_size=1, max_size=12)


def _part(rows, start, stop, key=KEY):
    rows = np.array(rows[start:stop], dtype=float).reshape(-1, 6)
    return Comparison(*key, rows[:, :2], rows[:, 2:4], rows[:, 4:])


def _same(a, b):
    return json.dumps(a) == json.dumps(b)


@given(rows=blocks, cuts=st.lists(st.integers(0, 12)), order=st.randoms(use_true_random=False))
def test_any_partition_merged_in_any_order_is_one_run(rows, cuts, order):
    whole = tallied((_part(rows, 0, len(rows)), 0)).to_list()
    edges = sorted({0, len(rows), *(c for c in cuts if c < len(rows))})
    shards = [tallied((_part(rows, a, b), a)) for a, b in itertools.pairwise(edges)]
    order.shuffle(shards)
    total = Tally()
    for shard in shards:
        total.merge(Tally.from_list(json.loads(json.dumps(shard.to_list()))))
    assert _same(total.to_list(), whole)


@given(rows=blocks)
def test_json_keeps_every_bit(rows):
    tally = tallied((_part(rows, 0, len(rows)), 0), (_part(rows, 0, 1, ("a", "b", "c", "d")), 0))
    text = json.dumps(tally.to_list(), allow_nan=False)
    again = Tally.from_list(json.loads(text))
    assert again.records == tally.records
    assert _same(again.to_list(), tally.to_list())


def test_records_are_listed_in_a_fixed_order():
    keys = [("b", "r", "", "x"), ("a", "r", "m", "x"), ("a", "r", "", "x")]
    tally = tallied(*((comparison([[1.0]], key=key), 0) for key in keys))
    assert [row["claim"] + row["mutant"] for row in tally.to_list()] == ["a", "am", "b"]


def test_merging_keeps_the_records_of_both():
    one, two = (tallied((comparison([[1.0]], key=(c, "r", "", "x")), 0)) for c in "ab")
    one.merge(two)
    assert {key[0] for key in one.records} == {"a", "b"}
    one.merge(two)
    assert one.records["b", "r", "", "x"].weight_sets == 2


def test_a_reading_goes_with_its_claim_s_mutants():
    keys = [("a", "r", "", "x"), ("a", "s", "", "x"), ("a", "", "m", "x"), ("b", "r", "", "x")]
    tally = tallied(*((comparison([[0.0]], key=key), 0) for key in [*keys, ("b", "", "m", "x")]))
    assert list(tally.of("a", "r").records) == [keys[0], keys[2]]
    assert tally.of("a", "r").records[keys[0]] is tally.records[keys[0]]


@given(exponent=st.integers(-250, 250), mantissa=st.floats(1, 9.99))
def test_the_histogram_bins_half_decades(exponent, mantissa):
    ratio = mantissa * 10.0 ** (exponent / 10)
    (bin_,) = summarise(comparison([[ratio]]), 0).histogram
    square = Fraction(ratio) ** 2
    clipped = max(-60, min(60, bin_))
    assert bin_ == clipped
    # 2 log10 is at most 60 at an edge. An ulp of it is 120 u, or 120 ln 10 u = 277 u of the square.
    slack = Fraction(277, 2**53)
    if bin_ > -60:
        assert square * (1 + slack) >= Fraction(10) ** bin_
    if bin_ < 60:
        assert square * (1 - slack) < Fraction(10) ** (bin_ + 1)
