"""The survey's findings: they merge to the bits of a single survey, however they were cut."""

import json
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_gpu import files
from lstm_gpu.claims.sigmoid_events import EVENTS
from lstm_gpu.claims.sigmoid_findings import BINS, Cell, Curve, Findings, nearer
from lstm_gpu.claims.sigmoid_regions import Format
from lstm_gpu.claims.sigmoid_survey import SURVEYED, summary, survey, survey_range

FLOAT16, FLOAT32 = Format.of("float16"), Format.of("float32")
CUTS = st.lists(st.integers(1, FLOAT16.patterns - 1), max_size=6, unique=True)


def through_json(found):
    return Findings.from_dict(found.layout, json.loads(json.dumps(found.to_dict())))


@pytest.fixture(scope="module")
def whole():
    return files.digest(survey("float16", 2**16))


@settings(max_examples=6)
@given(CUTS, st.randoms(use_true_random=False))
def test_ranges_merge_in_any_order_to_the_survey_of_all(whole, cuts, order):
    edges = [0, *sorted(cuts), FLOAT16.patterns]
    parts = [through_json(survey_range("float16", *ends)) for ends in pairwise(edges)]
    order.shuffle(parts)
    merged = Findings(FLOAT16, SURVEYED)
    for part in parts:
        merged.merge(part)
    assert files.digest(summary(merged)) == whole


# Around: 0, where 1/4 begins to stand for the truth, e^z = 2, 1 - sigma rounds to 0, subnormal
# results, nothing left, where 0 stands for the truth, and infinity with the first NaNs.
PLACES = [0, 0x32800000, 0x3F317218, 0x41851592, 0x42AEAC50, 0x42CFF1B5, 0x43500000, 0x7F800000]


@pytest.mark.parametrize("place", PLACES)
def test_float32_ranges_merge_across_every_limit(place):
    start, stop = max(0, place - 700), place + 900
    whole = survey_range("float32", start, stop)
    for cut in (start + 1, place or 5, stop - 3):
        parts = [survey_range("float32", start, cut), survey_range("float32", cut, stop)]
        random.Random(cut).shuffle(parts)
        parts[0].merge(parts[1])
        assert parts[0].to_dict() == whole.to_dict()


def test_a_range_is_cut_at_the_strips_and_counts_both_signs():
    found = survey_range("float32", 0x7F800000 - 2, 0x7F800000 + 3)
    points = {region: c.points for (form, region), c in found.cells.items() if form == "stable"}
    assert points["infinite"] == 2
    assert points["not_a_number"] == 4
    assert points["underflow_negative"] == points["underflow_positive"] == 2
    nan = found.cells["stable", "not_a_number"]
    assert nan.counts["nan"] == 4
    assert nan.at is None
    zero = survey_range("float32", 0, 1)
    assert zero.cells["stable", "centre"].points == 2  # +0 and -0
    assert zero.cells["stable", "centre"].largest == 0


def test_a_device_finds_the_same(backend, exact):
    for place in PLACES:
        found = survey_range("float32", place, place + 300, backend)
        if exact:
            assert found.to_dict() == survey_range("float32", place, place + 300).to_dict()


def test_a_wrong_value_is_found_wherever_it_is():
    """One value in a stretch where one result stands for many, and one among many results."""
    for wrong in (0x32000123, 0x43600042, 0x40000001):

        def form(z, exp, wrong=wrong):
            value = SURVEYED["stable"](z, exp)
            values = value.values
            hit = z.values.view(np.uint32) == wrong
            value.values = np.where(hit, np.float32(0.3), values)
            return value

        found = survey_range("float32", wrong - 500, wrong + 500, forms={"form": form})
        cells = [cell for cell in found.cells.values() if cell.points and cell.largest > 10]
        assert len(cells) == 1
        at = float(np.array([wrong], np.uint32).view(np.float32)[0])
        assert cells[0].at == at
        right = survey_range("float32", wrong - 500, wrong + 500)
        assert max(right.cells["stable", region].largest for _, region in right.cells) < 10


def test_of_equal_errors_the_nearest_to_zero_stands_for_all_and_of_two_signs_the_negative():
    assert nearer(1.0, None)
    assert nearer(-1.0, 1.0)
    assert nearer(0.5, -1.0)
    assert not nearer(1.0, -1.0)
    assert not nearer(1.0, 1.0)
    cell = Cell()
    for error, at in ((1.0, 3.0), (2.0, 2.0), (2.0, -2.0), (2.0, 5.0), (-1.0, 0.0)):
        cell.reach(error, at)
    assert (cell.largest, cell.at) == (2.0, -2.0)
    for z in (np.inf, 3.0, -2.0, 2.0, np.nan):
        cell.meet("zero", z)
    assert cell.first == {"zero": -2.0}


@given(
    st.integers(0, FLOAT16.patterns - 2),
    st.integers(1, 400),
    st.integers(1, 60),
    st.sampled_from([-1, 1]),
)
def test_cuts_of_a_block_are_the_bins_of_its_values(start, count, step, side):
    curve = Curve(FLOAT16, ["form"])
    block = range(start, min(start + count * step, FLOAT16.patterns), step)
    bins = np.full(len(block), -1)
    for index, part in curve.cuts(block, side):
        assert (bins[part] == -1).all()
        bins[part] = index
    z = FLOAT16.values(block, side).astype(float)
    limits = [float(FLOAT16.value(m, 1)) for m in curve.starts]
    expected = np.searchsorted(limits, abs(z), side="right") - 1
    inside = abs(z) < limits[-1]
    half = BINS // 2
    expected = half + expected if side > 0 else half - 1 - expected
    assert np.array_equal(bins, np.where(inside, expected, -1))


def test_counts_of_a_single_entry_stand_for_the_block():
    cell = Cell()
    one = {event: np.array([event == "zero"]) for event in EVENTS}
    cell.take(np.arange(1, 6, dtype=np.float32), np.array([0.5]), one)
    assert cell.points == cell.counts["zero"] == 5
    assert cell.counts["nan"] == 0
    assert (cell.largest, cell.at) == (0.5, 1.0)
