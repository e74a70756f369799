"""The floating-point survey of the sigma' forms: regions, truth, events and known thresholds."""

import json
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.claims import sigmoid_truth
from lstm_gpu.claims.sigmoid_events import EVENTS, Sample
from lstm_gpu.claims.sigmoid_regions import DTYPES, REASONS, Format, edges, shares, strips
from lstm_gpu.claims.sigmoid_survey import SURVEYED, survey
from lstm_gpu.errors import InputError
from lstm_gpu.sigmoid_forms import stable

POINTS = {"float16": 1 << 16, "float32": 40_000, "float64": 4_000}
# numerics: e^(-|z|) is good to 4 ulp, which is 8 unit roundoffs; five roundings follow; and an
# ulp is at least one unit roundoff of the value.
STABLE_ULPS = 13


@pytest.fixture(scope="module")
def surveys():
    return {dtype: survey(dtype, POINTS[dtype]) for dtype in DTYPES}


def row(result, form, region):
    (found,) = (r for r in result["rows"] if r["form"] == form and r["region"] == region)
    return found


def first_zero(result, form, sign):
    places = [r["zero_from"] for r in result["rows"] if r["form"] == form and r["zero"]]
    return min((z for z in places if z * sign > 0), key=abs, default=None)


def exact_derivative(z):
    """sigma'(z) for a float z to 2^-400 of its value, in integer arithmetic alone."""
    x = abs(Fraction(float(z)))
    scale, halvings = 500, 12
    reduced = (x.numerator << (scale - halvings)) // x.denominator
    term = total = 1 << scale
    order = 1
    while term:
        term = term * reduced // order >> scale
        total += term
        order += 1
    for _ in range(halvings):
        total = total * total >> scale
    e = Fraction(total, 1 << scale)
    return e / (1 + e) ** 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_strips_tile_every_bit_pattern_exactly_once(dtype):
    layout = Format.of(dtype)
    for side in (-1, 1):
        tiles = [strip for strip in strips(layout) if strip.side == side]
        assert tiles[0].start == 0
        assert tiles[-1].stop == layout.patterns
        assert all(a.stop == b.start < b.stop for a, b in pairwise(tiles))
    assert {strip.region for strip in strips(layout)} == set(REASONS)


def test_exhaustive_plan_meets_every_float16_once():
    layout = Format.of("float16")
    seen = np.concatenate(
        [
            layout.values(block, strip.side).view(np.uint16)
            for strip, share in shares(layout, 1 << 16)
            for block in strip.blocks(share)
        ]
    )
    assert np.array_equal(np.sort(seen), np.arange(1 << 16))


@given(st.floats(width=64), st.sampled_from(DTYPES))
def test_a_value_lies_in_the_region_its_size_says(value, dtype):
    layout = Format.of(dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        z = np.array([value]).astype(dtype)
    pattern = int(z.view(f"i{layout.bits // 8}")[0]) & (layout.patterns - 1)
    side = -1 if np.signbit(z[0]) else 1
    (strip,) = (s for s in strips(layout) if s.side == side and s.start <= pattern < s.stop)
    edge = {name: float(limit) for name, limit in edges(layout).items()}
    size = abs(float(z[0]))
    if np.isnan(size):
        expected = "not_a_number"
    elif np.isinf(size):
        expected = "infinite"
    elif size < edge["centre"]:
        expected = "centre"
    elif size >= edge["underflow"]:
        expected = "underflow_positive" if side > 0 else "underflow_negative"
    elif side > 0:
        expected = (
            "positive"
            if size < edge["cancelled"]
            else "cancelled"
            if size < edge["subnormal"]
            else "subnormal"
        )
    else:
        expected = (
            "negative"
            if size < edge["square"]
            else "square_underflow"
            if size < edge["overflow"]
            else "exponential_overflow"
        )
    assert size in edge.values() or strip.region == expected


def test_magnitudes_round_trip_and_start_beyond_their_edge():
    for dtype in DTYPES:
        layout = Format.of(dtype)
        for limit in edges(layout).values():
            magnitude = layout.magnitude(limit)
            below, above = layout.values(range(magnitude - 1, magnitude + 1), 1)
            assert Fraction(float(below)) < Fraction(limit) <= Fraction(float(above))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("points", [168, 200, 3000])
def test_a_sample_stays_within_its_points_and_its_strip(dtype, points):
    layout = Format.of(dtype)
    plan = shares(layout, points)
    total = 0
    for strip, share in plan:
        blocks = list(strip.blocks(share))
        magnitudes = np.concatenate(blocks)
        assert 0 < len(magnitudes) <= share
        assert (np.diff(magnitudes) > 0).all()
        assert magnitudes[0] == strip.start
        assert magnitudes[-1] < strip.stop
        total += len(magnitudes)
    assert total <= points


def test_float32_can_be_planned_in_full():
    layout = Format.of("float32")
    plan = shares(layout, 1 << 32)
    assert sum(len(part) for strip, share in plan for part in strip.ranges(share)) == 1 << 32


@pytest.mark.parametrize("dtype", DTYPES)
def test_truth_agrees_with_integer_arithmetic_within_its_bound(dtype):
    layout = Format.of(dtype)
    limit = Fraction(sigmoid_truth.bound(layout))
    values = [0.0, 1e-30, 0.1, 0.6875, 1.0, -3.3, 7.625, 16.6, 36.7, -88.7, 104.0, -709.9, 745.2]
    with np.errstate(under="ignore"):
        z = np.array([v for v in values if abs(v) < layout.largest]).astype(dtype)
    found = sigmoid_truth.truth(layout, z)
    for i, value in enumerate(z):
        exact = exact_derivative(value) / Fraction(2) ** int(found.exponent[i])
        low = np.broadcast_to(found.low, z.shape)[i]
        error = abs(Fraction(float(found.high[i])) + Fraction(float(low)) - exact)
        assert error <= limit
        normal = int(found.exponent[i]) > layout.spacing_exponent
        assert exact <= 2**layout.precision
        assert not normal or exact >= 2 ** (layout.precision - 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_is_zero_or_one_ulp_where_it_must_be(dtype):
    layout = Format.of(dtype)
    z = np.zeros(3, dtype)
    quarter = np.array([0.25], dtype)
    up, down = np.nextafter(quarter, quarter + 1), np.nextafter(quarter, 0 * quarter)
    computed = np.concatenate([quarter, up, down])
    error = sigmoid_truth.truth(layout, z).error(computed)
    assert error.tolist() == [0.0, 1.0, 0.5]


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_is_the_distance_in_ulps(dtype):
    layout = Format.of(dtype)
    z = np.linspace(-6, 7, 40).astype(dtype)
    truth = sigmoid_truth.truth(layout, z)
    computed = stable(z, np.exp)
    # The error's own last rounding, and what the truth may be off by.
    limit = Fraction(sigmoid_truth.bound(layout)) + Fraction(STABLE_ULPS, 2**53)
    for value, result, ulp, k in zip(
        z, computed, truth.error(computed), truth.exponent, strict=True
    ):
        distance = abs(Fraction(float(result)) - exact_derivative(value)) / Fraction(2) ** int(k)
        assert abs(Fraction(float(ulp)) - distance) <= limit


def test_binade_is_not_rounded_up():
    below_one = Decimal("0." + "9" * 30)
    assert [sigmoid_truth._floor_log2(value) for value in (below_one, Decimal(1))] == [-1, 0]


def test_ulp_below_a_quarter_is_that_of_the_floats_there():
    layout = Format.of("float64")
    z = np.array([0.0, 1e-300, -1e-20, 1e-3])
    exponents = sigmoid_truth.truth(layout, z).exponent
    assert exponents.tolist() == [-54, -55, -55, -55]


def test_truth_is_one_value_where_it_is_said_to_be():
    layout = Format.of("float32")
    near, far = (layout.magnitude(Decimal(limit)) for limit in sigmoid_truth.CONSTANT)
    infinity = layout.magnitude(Decimal("Infinity"))
    for block in (range(1, near, 2**21 - 1), range(far, infinity + 1, 2**19 - 1)):
        assert sigmoid_truth.constant(layout, block)
        for side in (-1, 1):
            found = sigmoid_truth.truth(layout, layout.values(block, side))
            assert len(np.unique(found.high)) == len(np.unique(found.exponent)) == 1
    for block in (range(2), range(near - 1, near + 1), range(far - 1, far + 1)):
        assert not sigmoid_truth.constant(layout, block)
    assert not sigmoid_truth.constant(layout, range(infinity, infinity + 2))
    assert not sigmoid_truth.constant(Format.of("float64"), range(1, 3))
    # The first and the last value for which a constant stands, against integer arithmetic.
    limit = Fraction(sigmoid_truth.bound(layout))
    for magnitude in (near - 1, far):
        z = layout.values(range(magnitude, magnitude + 1), 1)
        found = sigmoid_truth.truth(layout, z)
        exact = exact_derivative(z[0]) / Fraction(2) ** int(found.exponent[0])
        assert abs(Fraction(float(found.high[0])) - exact) <= limit


def test_float32_truth_is_far_better_than_claimed_for_the_exhaustive_survey():
    """2^-20 ulp, on every exponent; the least subnormal results and their end included."""
    layout = Format.of("float32")
    assert sigmoid_truth.bound(layout) <= 2.0**-20
    rng = np.random.default_rng(3)
    near_zero = layout.magnitude(edges(layout)["subnormal"])
    gone = layout.magnitude(edges(layout)["underflow"])
    infinity = layout.magnitude(Decimal("Infinity"))
    magnitudes = np.concatenate(
        [
            rng.integers(0, infinity, 60),
            rng.integers(layout.magnitude(Decimal(2) ** -27), gone, 300),
            rng.integers(near_zero, gone, 100),
            np.arange(gone - 20, gone + 20),
        ]
    )
    z = magnitudes.astype(np.uint32).view(np.float32)
    found = sigmoid_truth.truth(layout, z)
    for i, value in enumerate(z):
        if abs(value) > 1000:
            assert found.high[i] == 0
            continue
        exact = exact_derivative(value) / Fraction(2) ** int(found.exponent[i])
        assert abs(Fraction(float(found.high[i])) - exact) <= Fraction(1, 2**20), value


@pytest.mark.parametrize("dtype", DTYPES)
def test_points_add_up(surveys, dtype):
    result = surveys[dtype]
    assert result["exhaustive"] == (dtype == "float16")
    for form in SURVEYED:
        rows = [r for r in result["rows"] if r["form"] == form]
        assert [r["region"] for r in rows] == list(REASONS)
        assert sum(r["points"] for r in rows) == result["points"]
    assert result["points"] <= POINTS[dtype]
    assert result["points"] > 0.8 * POINTS[dtype]


@pytest.mark.parametrize(
    ("dtype", "rounded"), [("float16", 7.62), ("float32", 16.64), ("float64", 36.74)]
)
def test_textbook_form_is_zero_from_the_known_thresholds_on(surveys, dtype, rounded):
    # An independent search: every float from well before the threshold to well beyond it.
    start = np.array([Format.of(dtype).precision * np.log(2)], dtype)
    pattern = int(start.view(f"i{start.itemsize}")[0])
    reach = 100 if dtype == "float16" else 20_000
    z = np.arange(pattern - reach, pattern + reach, dtype=f"i{start.itemsize}").view(dtype)
    one = np.ones((), dtype)
    s = one / (one + np.exp(-z))
    zero = (one - s) * s == 0
    assert not zero[0]
    first = float(z[np.argmax(zero)])
    assert zero[np.argmax(zero) :].all()
    assert round(first, 2) == rounded
    for form in ("sigma_one_minus_sigma", "difference_of_quotients"):
        assert first_zero(surveys[dtype], form, 1) == first


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_first_place_has_the_event_and_its_inner_neighbour_does_not(surveys, dtype):
    layout = Format.of(dtype)
    for found in surveys[dtype]["rows"]:
        for event in EVENTS:
            place = found[f"{event}_from"]
            if place is None:
                continue
            z = np.array([place], dtype)
            inner = np.nextafter(z, 0 * z)
            both = np.concatenate([z, inner])
            with np.errstate(all="ignore"):
                mask = Sample(layout, both).evaluate(SURVEYED[found["form"]])[1][event]
            at_the_edge = place in (found["z_low"], found["z_high"])
            assert mask[0]
            assert at_the_edge or not mask[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_stable_form_is_accurate_everywhere_and_nothing_happens_to_it(surveys, dtype):
    for found in surveys[dtype]["rows"]:
        if found["form"] != "stable" or found["region"] == "not_a_number":
            continue
        assert found["largest_ulp_error"] <= STABLE_ULPS
        assert not any(found[event] for event in EVENTS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_form_of_the_document_stops_holding_somewhere(surveys, dtype):
    result = surveys[dtype]
    overflow = row(result, "exponential_square", "exponential_overflow")
    assert overflow["nan"] == overflow["overflow"] == overflow["points"]
    assert row(result, "exponential_square", "square_underflow")["zero"]
    for form in ("product_of_quotients", "difference_of_quotients"):
        assert row(result, form, "exponential_overflow")["nan"]
        assert not row(result, form, "square_underflow")["lost"]
    textbook = row(result, "sigma_one_minus_sigma", "exponential_overflow")
    assert textbook["zero"] == textbook["points"]
    assert textbook["nan"] == 0
    assert row(result, "sigma_one_minus_sigma", "cancelled")["lost"]
    assert not row(result, "product_of_quotients", "cancelled")["lost"]
    assert row(result, "reflected", "subnormal")["zero"]
    assert not row(result, "reflected", "cancelled")["lost"]


def test_nan_goes_in_and_comes_out(surveys):
    for form in SURVEYED:
        found = row(surveys["float16"], form, "not_a_number")
        assert found["points"] == found["nan"] == 2046
        assert found["lost"] == found["zero"] == 0
    assert row(surveys["float16"], "exponential_square", "infinite")["nan"] == 1
    assert row(surveys["float16"], "sigma_one_minus_sigma", "infinite")["nan"] == 0


BROKEN = {
    "one_percent_off": lambda z, exp: stable(z, exp) * 101 / 100,
    "half": lambda z, exp: stable(z, exp) / 2,
    "zero": lambda z, exp: 0 * stable(z, exp),
    "negative": lambda z, exp: -stable(z, exp),
    "through_infinity": lambda z, exp: stable(z, exp) + 1 / (exp(z * 0 + 800) * 2),
    "odd": lambda z, exp: exp(-z) / (1 + exp(-abs(z))) ** 2,
}


def test_broken_forms_are_flagged():
    result = survey("float16", 1000, forms=BROKEN)
    assert (
        row(result, "one_percent_off", "centre")["largest_ulp_error"] > 0.01 * 2**10 - STABLE_ULPS
    )
    assert row(result, "one_percent_off", "centre")["half_lost"] == 0
    for form in ("half", "zero", "negative"):
        found = row(result, form, "positive")
        assert found["half_lost"] == found["points"]
    for form in ("zero", "negative"):
        found = row(result, form, "negative")
        assert found["lost"] == found["points"]
    for region in ("centre", "cancelled"):
        found = row(result, "zero", region)
        assert found["zero"] == found["points"]
    found = row(result, "through_infinity", "centre")
    assert found["overflow"] == found["points"]
    assert found["largest_ulp_error"] <= STABLE_ULPS
    assert row(result, "odd", "positive")["lost"] == 0
    assert row(result, "odd", "negative")["lost"] > 0


def test_curve_holds_the_maxima_of_its_bins(surveys):
    for dtype in DTYPES:
        curves = surveys[dtype]["curve"]
        assert [curve["form"] for curve in curves] == list(SURVEYED)
        for curve in curves:
            rows = [r for r in surveys[dtype]["rows"] if r["form"] == curve["form"]]
            largest = max(r["largest_ulp_error"] or 0 for r in rows)
            assert len(curve["z"]) == len(curve["ulp"]) == len(curve["not_finite"]) <= 400
            assert curve["z"] == sorted(curve["z"])
            assert max(ulp for ulp in curve["ulp"] if ulp is not None) == largest
            assert all(
                broken
                for broken, ulp in zip(curve["not_finite"], curve["ulp"], strict=True)
                if ulp is None
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_second_survey_gives_the_same_bytes(surveys, dtype):
    again = survey(dtype, POINTS[dtype])
    text = json.dumps(again, sort_keys=True, allow_nan=False)
    assert text == json.dumps(surveys[dtype], sort_keys=True, allow_nan=False)


def test_progress_reaches_the_total():
    calls = []
    survey("float32", 2000, progress=lambda done, total: calls.append((done, total)))
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert len({total for _, total in calls}) == 1
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_forms_keep_the_dtype_of_plain_arrays(dtype):
    z = np.linspace(-2, 2, 9).astype(dtype)
    for form in SURVEYED.values():
        assert form(z, np.exp).dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "points", "field"),
    [
        ("bfloat16", 1000, "dtype"),
        ("float32", 167, "points"),
        ("float64", 2000.0, "points"),
        ("float64", True, "points"),
    ],
)
def test_bad_arguments_are_named(dtype, points, field):
    with pytest.raises(InputError, match=f"`{field}`"):
        survey(dtype, points)
