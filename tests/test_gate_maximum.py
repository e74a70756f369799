"""D7 to D9 end to end: verdicts, mutants, reproducibility, zero rows, scales, summaries."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from lstm_gpu.cell import FORGET
from lstm_gpu.claims import gate_maximum, gate_part, gate_search, registry
from lstm_gpu.claims.gate_mutants import MUTANTS, rotated
from lstm_gpu.sphere import blocks, laws
from lstm_gpu.sphere.rounding import claimed_rows
from lstm_gpu.sphere.summary import alignment_row, merge_summaries, uniformity
from lstm_gpu.tally import Tally
from lstm_gpu.weights import Case, draw

SIZES = (1, 2, 3, 8, 64)
DTYPES = ("float64", "float32")
SETS, DIRECTIONS, SEED = 6, 300, 11


def case(size, dtype="float64", distribution="pytorch_uniform", regime="generic", inputs=None):
    return Case(size, inputs or size, dtype, distribution, regime)


def tried(c, start=0, sets=SETS, directions=DIRECTIONS, change=lambda sets: sets):
    drawn = change(draw(c, SEED, start, start + sets))
    return gate_maximum.trials(drawn, c, SEED, start, directions)


def tally_of(found, start=0):
    tally = Tally()
    for comparison in found.comparisons:
        tally.update(comparison, start)
    return tally.records


def verdict(records, claim, reading):
    """Of a reading over all its references, as the report takes it."""
    verdicts = {r.verdict for k, r in records.items() if k[:3] == (claim, reading, "")}
    if "refuted" in verdicts:
        return "refuted"
    return "supported" if "supported" in verdicts else "inconclusive"


# --- Verdicts and mutants -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_every_reading_gets_the_verdict_that_the_derivation_implies(size, dtype):
    records = tally_of(tried(case(size, dtype)))
    for claim in registry.CLAIMS:
        if claim.id in gate_maximum.CLAIMS:
            for reading in claim.readings:
                assert verdict(records, claim.id, reading.name) == reading.expected, reading.name
    for key, record in records.items():
        assert record.weight_sets == SETS
        if not key[2] and registry.reading(key[0], key[1])[1].expected == "supported":
            assert record.verdict == "supported", key
            assert record.ratio <= 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_every_mutant_is_caught_or_no_mutant_here(size, dtype):
    records = tally_of(tried(case(size, dtype)))
    seen = set()
    for (claim, reading, mutant, _), record in records.items():
        if mutant:
            seen.add((claim, reading, mutant))
            assert record.refuted_sets + record.equivalent_sets >= 1
            if record.verdict != "refuted":
                assert record.equivalent_sets == SETS, mutant
            if size >= 2:
                assert record.refuted_sets == SETS, mutant
    expected = {(m.claim, reading, m.name) for m in MUTANTS for reading in m.readings}
    if size >= 2:
        assert seen == expected
    else:
        gone = {name for _, _, name in expected - seen}
        assert gone == {
            "next_row", "column_for_row", "rotated_1_degree", "rotated_5_degrees",
            "rotated_15_degrees",
        }  # fmt: skip


def test_slips_that_need_a_square_input_matrix_are_left_out():
    names = {c.mutant for c in tried(case(3, inputs=2)).comparisons}
    assert not names & {"W_for_U", "U_plus_W", "U_plus_x"}
    assert "U_plus_b" in names


def test_on_a_line_signs_over_root_n_is_the_truth():
    records = tally_of(tried(case(1)))
    for reading in gate_part.READINGS:
        record = records["forget_gate_argmax", reading, "signs_over_root_n", "directions"]
        assert record.refuted_sets == 0
        assert record.equivalent_sets == SETS


def test_at_unit_norms_over_norm_squared_is_the_truth():
    records = tally_of(tried(case(8, distribution="orthogonal")))
    record = records["forget_gate_argmax", "zero_input", "over_norm_squared", "ascent"]
    assert record.refuted_sets == 0
    assert record.equivalent_sets == SETS


@pytest.mark.parametrize("regime", ["saturated", "large_cell", "near_zero"])
@pytest.mark.parametrize(
    "distribution", ["heavy_tailed", "scaled_columns", "normal_gain_32", "sparse"]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_false_alarm_on_hard_inputs(dtype, distribution, regime):
    found = tried(case(8, dtype, distribution, regime))
    for key, record in tally_of(found).items():
        if not key[2] and registry.reading(key[0], key[1])[1].expected == "supported":
            assert record.refuted_sets == 0, key
    assert found.search["samples_above_claimed_maximum"] == 0
    assert found.search["ties_broken"] == 0


@pytest.mark.parametrize("power", [-66, -30, 66, 100])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_rows_of_1e_minus_20_and_1e20_in_float32(size, power):
    """No square overflows or vanishes: a power of two changes nothing but the scale."""

    def scaled(sets):
        U = sets.U * np.float32(2.0**power)
        return replace(sets, U=U, W=sets.W * np.float32(2.0**power))

    found = tried(case(size, "float32"), change=scaled)
    plain = tried(case(size, "float32"))
    records = tally_of(found)
    assert records["forget_gate_argmax", "zero_input", "", "directions"].verdict == "supported"
    assert verdict(records, "forget_gate_maximum", "preactivation_equals_norm") == "supported"
    assert found.search["best_cosine"] == plain.search["best_cosine"]
    assert found.search["samples_above_claimed_maximum"] == 0


# --- The checks can fail --------------------------------------------------------------------------


def wrong_claims(monkeypatch, change):
    def claimed(U_f, xp):
        return change(claimed_rows(U_f, xp))

    monkeypatch.setattr(gate_part, "claimed_rows", claimed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [2, 3, 8, 64])
def test_a_direction_off_by_twice_the_power_is_refuted(monkeypatch, size, dtype):
    degrees = 2 * laws.power_by_identity(size, DIRECTIONS, dtype)
    wrong_claims(
        monkeypatch,
        lambda rows: rows._replace(
            direction=rotated(rows.direction.astype(np.float64), np.radians(degrees), np).astype(
                dtype
            )
        ),
    )
    records = tally_of(tried(case(size, dtype)))
    assert verdict(records, "forget_gate_argmax", "zero_input") == "refuted"


@pytest.mark.parametrize("size", SIZES)
def test_a_negated_claim_has_samples_above_it(monkeypatch, size):
    wrong_claims(monkeypatch, lambda rows: rows._replace(direction=-rows.direction))
    found = tried(case(size))
    assert found.search["samples_above_claimed_maximum"] > 0
    records = tally_of(found)
    for reading in gate_part.READINGS:
        for reference in ("directions", "ascent", "gradient"):
            record = records["forget_gate_argmax", reading, "", reference]
            assert record.verdict == "refuted", reference


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_certificate_fails_for_an_inflated_norm(monkeypatch, size):
    wrong_claims(monkeypatch, lambda rows: rows._replace(norm=rows.norm * 1.01))
    found = tried(case(size))
    assert found.search["certificate"] is False
    key = ("forget_gate_maximum", "preactivation_equals_norm", "", "net")
    assert tally_of(found)[key].verdict == "refuted"


def test_an_input_that_leaks_into_the_silent_gate_is_refuted(monkeypatch):
    """D9 at x = 0 asks for the same bits: one bit more is too much."""
    monkeypatch.setattr(
        gate_search.Gate, "without_input", lambda self, h, xp: np.nextafter(self(h), np.inf)
    )
    records = tally_of(tried(case(8)))
    assert verdict(records, "input_irrelevance", "zero_input") == "refuted"


def test_a_biased_sampler_fails_the_law(monkeypatch):
    honest = gate_search.uniform_directions

    def squeezed(c, seed, sets, samples):
        h = honest(c, seed, sets, samples) * np.r_[0.3, np.ones(c.hidden_size - 1)]
        return h / np.sqrt((h * h).sum(axis=-1, keepdims=True))

    c = case(3, distribution="orthogonal")
    sets = 100

    def axes(drawn):
        U = np.broadcast_to(np.eye(3)[[0, 0, 0]], drawn.U.shape).copy()
        return replace(drawn, U=U)

    fair = tried(c, sets=sets, change=axes).search["best_law"]
    monkeypatch.setattr(gate_search, "uniform_directions", squeezed)
    biased = tried(c, sets=sets, change=axes).search["best_law"]
    assert len(fair) == sets
    distance, threshold = uniformity(fair, 1e-9)
    assert distance <= threshold
    distance, threshold = uniformity(biased, 1e-9)
    assert distance > threshold


# --- Zero rows ------------------------------------------------------------------------------------


def zero_rows(sets):
    U = sets.U.copy()
    U[0, FORGET, 0] = 0  # one row of one set
    U[1, FORGET] = 0  # all rows of another
    return replace(sets, U=U)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_zero_rows_are_counted_tie_and_blame_nobody(size, dtype):
    found = tried(case(size, dtype), change=zero_rows)
    summary = found.search
    assert summary["rows"] == SETS * size
    assert summary["rows_without_argmax"] == 1 + size
    assert summary["ties_broken"] == 0
    assert len(summary["best_cosine"]) == SETS - (2 if size == 1 else 1)
    assert summary["samples"] == (SETS * size - 1 - size) * DIRECTIONS * 2
    for c in found.comparisons:
        for values in (c.claimed, c.measured, c.bound):
            assert values[0, 0] == 0
            assert not values[1].any()
    records = tally_of(found)
    assert verdict(records, "forget_gate_argmax", "zero_input") == "supported"


def test_nothing_but_zero_rows_is_inconclusive():
    found = tried(case(3), change=lambda sets: replace(sets, U=0 * sets.U))
    records = tally_of(found)
    for claim in registry.CLAIMS:
        if claim.id in gate_maximum.CLAIMS:
            for reading in claim.readings:
                assert verdict(records, claim.id, reading.name) == "inconclusive"
    assert found.search["best_law"] == []
    assert found.search["largest_error_over_bound"] is None
    json.dumps(alignment_row(found.search, case(3), SEED, 1e-6))


# --- Reproducible ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_set_alone_gives_the_same_bits_as_in_a_block(size, dtype):
    c = case(size, dtype, "sparse" if size == 8 else "pytorch_uniform")
    whole = tried(c)
    for index in (0, 4):
        alone = tried(c, start=index, sets=1)
        for a, b in zip(whole.comparisons, alone.comparisons, strict=True):
            assert a.key == b.key
            assert a.compared == b.compared
            for name in ("claimed", "measured", "bound"):
                assert np.array_equal(getattr(a, name)[index], getattr(b, name)[0]), a.key
            if a.equivalent is not None:
                assert a.equivalent[index] == b.equivalent[0]


def test_another_seed_gives_other_bits():
    c = case(8)
    drawn = draw(c, SEED, 0, 2)
    a, b = (gate_maximum.trials(drawn, c, seed, 0, DIRECTIONS) for seed in (1, 2))
    assert not np.array_equal(a.comparisons[0].measured, b.comparisons[0].measured)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_examine_returns_the_worst_entry_of_its_set(size):
    c = case(size)
    found = tried(c)
    drawn = draw(c, SEED, 3, 4)
    for comparison in found.comparisons:
        entry = gate_maximum.examine(drawn, c, SEED, 3, comparison.key, DIRECTIONS)
        claimed, measured, bound = (
            values[3] for values in (comparison.claimed, comparison.measured, comparison.bound)
        )
        row = entry["row"]
        assert (entry["claimed"], entry["measured"], entry["bound"]) == (
            claimed[row], measured[row], bound[row],
        )  # fmt: skip
        if comparison.reference == "directions" and not comparison.mutant:
            assert 0 <= entry["sample"] < DIRECTIONS


def test_the_sample_of_an_entry_can_be_replayed():
    c = case(8)
    key = ("forget_gate_argmax", "zero_input", "", "directions")
    drawn = draw(c, SEED, 2, 3)
    entry = gate_maximum.examine(drawn, c, SEED, 2, key, DIRECTIONS)
    k = entry["sample"]
    h = gate_search.uniform_directions(c, SEED, range(2, 3), range(k, k + 1))[0, 0]
    rows = claimed_rows(drawn.U[:, FORGET], np)
    gap = rows.norm[0, entry["row"]] * ((h - rows.direction[0, entry["row"]]) ** 2).sum() / 2
    assert abs(gap - entry["claimed"]) <= entry["bound"]
    measured = drawn.U[0, FORGET, entry["row"]] @ (rows.direction[0, entry["row"]] - h)
    assert abs(measured - entry["measured"]) <= entry["bound"]


def test_examine_of_what_the_case_does_not_have():
    c = case(8)
    key = ("forget_gate_maximum", "preactivation_equals_norm", "", "net")
    with pytest.raises(KeyError, match="preactivation_equals_norm//net"):
        gate_maximum.examine(draw(c, SEED, 0, 1), c, SEED, 0, key, DIRECTIONS)


def test_large_blocks_as_a_gpu_wants_them_find_the_same(monkeypatch):
    c = case(8)
    small = tried(c)
    monkeypatch.setattr(blocks, "block_elements", lambda xp: blocks.DEVICE_ELEMENTS)
    large = tried(c)
    assert gate_maximum.sets_at_once(c) > SETS
    for a, b in zip(small.comparisons, large.comparisons, strict=True):
        assert a.key == b.key
        if not a.mutant:  # other blocks, other rounding: each within its bound of the truth
            assert np.array_equal(a.claimed.shape, b.claimed.shape)
    assert small.search["samples"] == large.search["samples"]
    assert {k: r.verdict for k, r in tally_of(small).items()} == {
        k: r.verdict for k, r in tally_of(large).items()
    }


def test_memory_does_not_grow_with_directions_and_no_faster_than_the_results():
    """Nothing of samples × rows is kept, whatever the number of weight sets."""
    c = case(32)

    def peak(sets, directions):
        drawn = draw(c, SEED, 0, sets)
        tracemalloc.start()
        found = gate_maximum.trials(drawn, c, SEED, 0, directions)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        results = sum(a.nbytes for f in found.comparisons for a in f[4:7])
        return most, results

    few, results = peak(4, 512)
    assert peak(4, 5120)[0] - few < 2**16
    many, more_results = peak(40, 512)
    assert many - few < 4 * (more_results - results)


# --- Summaries ------------------------------------------------------------------------------------

COLUMNS = (
    "hidden_size", "input_size", "dtype", "distribution", "regime", "seed", "weight_sets", "rows",
    "rows_without_argmax", "directions", "samples", "largest_error_over_bound",
    "samples_above_claimed_maximum", "best_cosine_median", "expected_best_cosine_median",
    "best_cosine_low", "best_cosine_high", "ks_distance", "ks_threshold", "certificate",
    "covering_radius_degrees", "largest_ascent_angle_degrees", "ascent_bound_degrees",
    "cap_samples", "power_by_sampling_degrees", "power_by_identity_degrees", "input_variants",
)  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_the_summary_of_shards_is_that_of_the_whole(size):
    c = case(size, distribution="sparse")
    whole = tried(c).search
    parts = [tried(c, start=0, sets=2).search, tried(c, start=2, sets=4).search]
    through_json = json.loads(json.dumps(parts))
    assert merge_summaries(through_json) == json.loads(json.dumps(whole))


def test_unlike_searches_do_not_merge():
    c = case(2)
    a, b = (tried(c, sets=1, directions=n).search for n in (20, 30))
    with pytest.raises(ValueError, match="different directions"):
        merge_summaries([a, b])
    with pytest.raises(ValueError, match="no summary"):
        merge_summaries([])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_the_alignment_row_has_every_column(size, dtype):
    c = case(size, dtype)
    row = alignment_row(tried(c).search, c, SEED, 1e-6)
    assert set(COLUMNS) <= set(row)
    json.dumps(row, allow_nan=False)
    assert row["samples_above_claimed_maximum"] == 0
    assert row["largest_error_over_bound"] <= 1
    assert row["certificate"] == ("yes" if size <= 3 else "not applicable")
    assert row["best_cosine_low"] <= row["best_cosine_median"] <= row["best_cosine_high"] <= 1
    assert row["largest_ascent_angle_degrees"] <= row["ascent_bound_degrees"]
    if size > 1:
        assert row["ks_distance"] <= row["ks_threshold"]
    else:
        assert row["ks_distance"] is None


def test_the_best_cosine_follows_its_law_over_weight_sets():
    values = [v for size in (2, 3, 8) for v in tried(case(size), sets=60).search["best_law"]]
    assert len(values) == 180
    distance, threshold = uniformity(values, 1e-9)
    assert distance <= threshold
