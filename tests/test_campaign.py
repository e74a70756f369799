"""Shards: any cut gives the same bits, no false alarm, and memory as announced."""

import json
import tracemalloc
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from examples import GENERIC, cases
from test_jacobians import TRUE

from lstm_gpu import backend as backends
from lstm_gpu import campaign
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.tally import Tally
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, REGIMES, Case

SUPPORTED = TRUE | {("cell_state_independence", "as_written")}
SIZES = {1: 1, 2: 3, 3: 2, 8: 5}


def tally(content):
    return Tally.from_list(json.loads(json.dumps(content["records"])))


def false_alarms(content):
    return [
        (key, record.worst)
        for key, record in tally(content).records.items()
        if key[:2] in SUPPORTED and not key[2] and record.refuted_sets
    ]


# --- False alarms ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_false_alarm_in_any_law_and_regime(n, dtype):
    for case in cases(n, SIZES[n], dtype):
        content = campaign.check_shard(case, 42, 1000, 1036, "numpy")
        assert not false_alarms(content), case.name


@pytest.mark.parametrize("size", [(32, 48), (64, 64)])
@pytest.mark.parametrize("law", ["heavy_tailed", "normal_gain_32", "orthogonal"])
def test_no_false_alarm_at_larger_sizes(size, law):
    for dtype, regime in product(DTYPES, REGIMES):
        content = campaign.check_shard(Case(*size, dtype, law, regime), 42, 7, 9, "numpy")
        assert not false_alarms(content), (dtype, regime)


def test_the_search_for_false_alarms_can_find_one(monkeypatch):
    right = campaign.jacobians.derivatives.hidden_jacobian
    monkeypatch.setattr(
        campaign.jacobians.derivatives, "hidden_jacobian", lambda *a: right(*a) * (1 + 1e-4)
    )
    found = false_alarms(campaign.check_shard(GENERIC, 42, 0, 4, "numpy"))
    assert {key[0] for key, _ in found} == {"hidden_jacobian"}


# --- The same bits from any cut -------------------------------------------------------------------


def _without_place(content):
    return {k: v for k, v in content.items() if k not in ("backend", "device")}


@pytest.mark.parametrize(("n", "m"), [(1, 2), (3, 2), (8, 8), (33, 20)])
def test_block_boundaries_do_not_change_a_bit(monkeypatch, n, m):
    laws = DISTRIBUTIONS if n < 33 else ("orthogonal", "normal_gain_4")
    for k, law in enumerate(laws):
        case = Case(n, m, DTYPES[k % 2], law, REGIMES[k % 4])
        whole = json.dumps(campaign.check_shard(case, 5, 0, 5, "numpy"))
        for sets_per_block in (1, 3):
            with monkeypatch.context() as patched:
                patched.setattr(campaign, "_BLOCK_ENTRIES", sets_per_block * n * n)
                assert campaign.block_size(case) == sets_per_block
                cut = json.dumps(campaign.check_shard(case, 5, 0, 5, "numpy"))
            assert cut == whole, (case.name, sets_per_block)


def test_shards_merged_in_any_order_are_one_run():
    case = replace(GENERIC, distribution="sparse")
    whole = tally(campaign.check_shard(case, 5, 0, 20, "numpy")).to_list()
    for edges in ((0, 7, 20), (0, 1, 2, 19, 20)):
        total = Tally()
        for a, b in reversed(list(pairwise(edges))):
            total.merge(tally(campaign.check_shard(case, 5, a, b, "numpy")))
        assert json.dumps(total.to_list()) == json.dumps(whole)


def test_every_backend_gives_the_same_content(backend, exact):
    for dtype in DTYPES:
        case = replace(GENERIC, dtype=dtype)
        here = campaign.check_shard(case, 5, 0, 6)
        assert here["backend"] == ("numpy" if backend is np else "cupy")
        assert not false_alarms(here)
        if exact:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(backends, "select", lambda name: np)
                there = campaign.check_shard(case, 5, 0, 6)
            assert json.dumps(_without_place(here)) == json.dumps(_without_place(there))


def test_an_empty_shard_is_an_empty_result():
    content = campaign.check_shard(GENERIC, 5, 3, 3, "numpy")
    assert (content["records"], content["ladder"], content["weights_digest"]) == ([], [], "")


def test_only_the_shard_with_index_0_has_the_ladder():
    assert len(campaign.check_shard(GENERIC, 5, 0, 1, "numpy")["ladder"]) == 4
    assert campaign.check_shard(GENERIC, 5, 1, 2, "numpy")["ladder"] == []


def test_progress_counts_weight_sets_up_to_all(monkeypatch):
    monkeypatch.setattr(campaign, "_BLOCK_ENTRIES", 9 * 4)
    seen = []
    campaign.check_shard(GENERIC, 5, 10, 20, "numpy", progress=lambda *a: seen.append(a))
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_content_is_json_without_nan():
    for case in cases(2, 2, "float32"):
        json.dumps(campaign.check_shard(case, 5, 0, 2, "numpy"), allow_nan=False)


# --- What cannot be decided -----------------------------------------------------------------------


def test_a_saturated_case_says_inconclusive_with_a_reason():
    case = Case(2, 64, "float32", "normal_gain_32", "saturated")
    records = tally(campaign.check_shard(case, 1, 0, 4, "numpy")).records
    record = records["hidden_jacobian", "as_written", "", "central"]
    assert record.verdict == "inconclusive", record
    assert "the bound is larger than the quantity" in record.reason
    assert record.undecided_sets == 0


def test_values_that_overflow_are_undecided_with_a_reason(monkeypatch):
    right = campaign.draw

    def huge(*args):
        sets = right(*args)
        return replace(sets, W=sets.W * 1e300, x=sets.x * 1e300)

    monkeypatch.setattr(campaign, "draw", huge)
    records = tally(campaign.check_shard(GENERIC, 1, 1, 4, "numpy")).records
    record = records["hidden_jacobian", "as_written", "", "central"]
    assert (record.verdict, record.undecided_sets) == ("inconclusive", 3)
    assert "not finite" in record.reason


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_generic_case_decides_every_true_reading_and_catches_every_mutant(dtype):
    case = Case(8, 8, dtype, "normal_gain_1", "generic")
    records = tally(campaign.check_shard(case, 1, 0, 24, "numpy")).records
    for claim, reading in TRUE:
        assert records[claim, reading, "", "complex_step"].verdict == "supported"
    missed = {
        mutant.name
        for mutant in JACOBIAN_MUTANTS
        if not any(
            r.refuted_sets
            for k, r in records.items()
            if (k[0], k[2]) == (mutant.claim, mutant.name)
        )
    }
    assert missed <= ({"off_by_0.01_percent"} if dtype == "float32" else set()), missed


# --- Memory ---------------------------------------------------------------------------------------


@pytest.fixture
def traced(monkeypatch):
    """After the caches and imports of a first run; without the array that is asked for and never
    touched: it takes no memory, but is traced."""
    monkeypatch.setattr(backends, "keep_freed_memory", lambda: None)
    campaign.check_shard(GENERIC, 3, 0, 1, "numpy")


def peak(case, start, stop):
    tracemalloc.start()
    try:
        campaign.check_shard(case, 3, start, stop, "numpy")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("n", [64, 96])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", ["pytorch_uniform", "orthogonal", "sparse"])
@pytest.mark.usefixtures("traced")
def test_the_announced_memory_is_enough_and_not_far_too_much(monkeypatch, n, dtype, law):
    """For blocks of one set: the first, whose work is that of any other and the ladder."""
    monkeypatch.setattr(campaign, "_BLOCK_ENTRIES", 1)
    case = Case(n, n, dtype, law, "generic")
    announced, measured = campaign.job_memory(case), peak(case, 0, 1)
    assert measured <= announced <= 4 * measured, announced / measured


@pytest.mark.usefixtures("traced")
def test_memory_does_not_grow_with_the_number_of_weight_sets(monkeypatch):
    monkeypatch.setattr(campaign, "MUTANT_SETS", 10**9)  # else its end cuts the first block
    case = Case(32, 32, "float64", "pytorch_uniform", "generic")
    size = campaign.block_size(case)
    few, many = peak(case, 1, 1 + size), peak(case, 1, 1 + 4 * size)
    # Four blocks leave three more rows of small results behind, no array.
    assert many <= few * 1.2, (few, many)


def test_mutants_are_tried_on_the_first_weight_sets_of_a_case(monkeypatch):
    """However the case is cut into shards and blocks; the readings on all of them."""
    monkeypatch.setattr(campaign, "MUTANT_SETS", 5)
    case = Case(2, 3, "float64", "normal_gain_1", "generic")

    def counts(records):
        tally = Tally.from_list(records)
        return {
            (bool(mutant) and claim != "cell_state_independence", record.weight_sets)
            for (claim, _, mutant, _), record in tally.records.items()
        }

    whole = campaign.check_shard(case, 1, 0, 12, "numpy")
    assert counts(whole["records"]) == {(False, 12), (True, 5)}
    assert whole["lint"]["weight_sets"] == 5
    monkeypatch.setattr(campaign, "_BLOCK_ENTRIES", 3 * 4)
    parts = [campaign.check_shard(case, 1, *r, "numpy") for r in ((0, 2), (2, 7), (7, 12))]
    merged = Tally()
    for part in parts:
        merged.merge(Tally.from_list(part["records"]))
    assert merged.to_list() == whole["records"]
    assert parts[2]["lint"]["weight_sets"] == 0


def test_progress_goes_on_over_the_cut(monkeypatch):
    monkeypatch.setattr(campaign, "MUTANT_SETS", 5)
    seen = []
    campaign.check_shard(GENERIC, 1, 2, 9, "numpy", progress=lambda *state: seen.append(state))
    assert seen == [(3, 7), (7, 7)]
