"""The errors of exp, tanh and sigma at float32 values: the truth behind them; wrong functions."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import reference

from lstm_gpu import cell
from lstm_gpu.claims import function_errors
from lstm_gpu.claims.function_errors import (
    FAR,
    MEASURED,
    NAN,
    NEAR,
    REFERENCE_ULP,
    TRUTHS,
    from_dict,
    measure,
    to_dict,
)

TINY = float(np.finfo(np.float32).tiny)
ONE = 0x3F800000  # the pattern of 1.0


def floats(magnitudes):
    return np.asarray(magnitudes, np.uint32).view(np.float32)


def exact(name, z):
    with localcontext(reference.DIGITS):
        return getattr(reference, "sigma" if name == "sigmoid" else name)(Decimal(float(z)))


def ulp(value):
    """The ulp of a decimal in float32, by the definition: the spacing around it."""
    exponent = -126
    while exponent < 127 and abs(value) >= Decimal(2) ** (exponent + 1):
        exponent += 1
    return Decimal(2) ** (exponent - 23)


def sample():
    rng = np.random.default_rng(5)
    z = floats(
        np.concatenate(
            [
                rng.integers(NEAR, FAR, 120),
                rng.integers(floats([1.0]).view(np.uint32)[0], FAR, 120),
                np.arange(0x42AEAC4F - 12, 0x42AEAC4F + 12),  # e^z = smallest normal, at -87.34
                np.arange(0x42B17218 - 4, 0x42B17218 + 4),  # e^z = largest
                np.arange(0x42CFF1B5 - 4, 0x42CFF1B5 + 4),  # e^z = half the least subnormal
                [NEAR, FAR - 1],
            ]
        )
    )
    return np.concatenate([z, -z])


@pytest.mark.parametrize("name", TRUTHS)
def test_the_truth_is_as_good_as_claimed(name):
    z = sample()
    with np.errstate(over="ignore", under="ignore"):
        found = TRUTHS[name](z.astype(np.float64))
    worst = 0.0
    with localcontext(reference.DIGITS):
        for value, truth in zip(z, found, strict=True):
            right = exact(name, value)
            if right > Decimal(2) ** 128:
                assert truth >= 2.0**128
                continue
            worst = max(worst, float(abs(Decimal(float(truth)) - right) / ulp(right)))
    assert worst <= 11 * 2.0**-29  # derived in the module
    assert REFERENCE_ULP > 11 * 2.0**-29


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize(("magnitude", "zone"), [(NEAR - 1, 0), (1, 0), (FAR, FAR)])
def test_limits_are_as_good_as_claimed(name, magnitude, zone):
    for z in (floats([magnitude]), -floats([magnitude])):
        limit = Decimal(float(function_errors._limit(name, z, zone)[0]))
        with localcontext(reference.DIGITS):
            right = exact(name, z[0])
            if right > 2**128:
                assert limit == Decimal("Infinity")
            else:
                assert float(abs(limit - right) / ulp(right)) <= REFERENCE_ULP / 4


@pytest.mark.parametrize("name", MEASURED)
def test_errors_are_those_of_exact_decimals(name):
    """On both sides of a stretch of values, by the definition of the ulp."""
    for start in (ONE, 0x42AEAC50 - 20, 0x3E000000):
        found = measure(start, start + 40)[name]
        z = floats(range(start, start + 40))
        z = np.concatenate([z, -z])
        with np.errstate(over="ignore", under="ignore"):
            computed = MEASURED[name](z)
        normal, below = 0.0, 0.0
        with localcontext(reference.DIGITS):
            for value, result in zip(z, computed, strict=True):
                right = exact(name, value)
                gap = abs(Decimal(float(result)) - right)
                if abs(right) >= Decimal(TINY):
                    normal = max(normal, float(gap / ulp(right)))
                else:
                    below = max(below, float(gap) / TINY)
        assert found.values == 80
        assert abs(found.ulp - normal) <= REFERENCE_ULP
        assert abs(found.subnormal - below) <= REFERENCE_ULP * 2.0**-23
        assert found.wrong == found.changed == 0


def wrong_at(name, magnitude, result, side=1):
    """The function with another result at one value."""

    def function(z):
        hit = z == np.float32(side) * floats([magnitude])[0]
        return np.where(hit, np.float32(result), MEASURED[name](z)).astype(z.dtype)

    return function


# By zone: where 1, z or 1/2 stands for the truth; where it is computed; beyond all limits.
PLACES = {"near": 0x20000010, "computed": ONE + 77, "far": 0x50000123}


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
@pytest.mark.parametrize("side", [1, -1])
def test_one_wrong_value_is_caught(name, place, side):
    z = floats([place]) * np.float32(side)
    with np.errstate(over="ignore"):
        right = MEASURED[name](z)[0]
    result = np.nextafter(right, np.float32(0.25)) if np.isfinite(right) else np.float32(1)
    for _ in range(20):
        result = np.nextafter(result, np.float32(0.25))
    function = wrong_at(name, place, result, side)
    start = place - 100
    found = measure(start, start + 300, functions={name: function})[name]
    clean = measure(start, start + 300)[name]
    at = found.at if found.ulp > clean.ulp else found.subnormal_at
    assert (found.ulp, found.subnormal) != (clean.ulp, clean.subnormal)
    assert found.ulp > 8 or found.subnormal > clean.subnormal
    assert at == float(z[0])


@pytest.mark.parametrize("name", MEASURED)
def test_results_of_the_wrong_kind_are_counted(name):
    here = ONE + 3
    nan = measure(ONE, ONE + 9, functions={name: wrong_at(name, here, np.nan)})[name]
    negative = measure(ONE, ONE + 9, functions={name: wrong_at(name, here, -1.0)})[name]
    assert nan.wrong == negative.wrong == 1
    number = measure(NAN, NAN + 5, functions={name: np.zeros_like})[name]
    assert number.wrong == number.values == 10
    assert measure(NAN, NAN + 5)[name].wrong == 0
    infinite = measure(NAN - 1, NAN, functions={name: lambda z: z + np.float32(np.nan)})[name]
    assert infinite.wrong == 2


def test_both_zeros_and_both_infinities_have_their_results():
    for start in (0, NAN - 1):
        found = measure(start, start + 1)
        for errors in found.values():
            assert (errors.values, errors.ulp, errors.subnormal, errors.wrong) == (2, 0, 0, 0)
    lost = measure(0, 1, functions={"tanh": lambda z: abs(np.tanh(z))})["tanh"]
    assert lost.wrong == 1  # -0 became +0


def test_flush_to_zero_is_an_error_of_less_than_the_smallest_normal_number():
    def flushed(z):
        value = np.exp(z)
        return np.where(abs(value) < TINY, np.float32(0), value)

    start = 0x42AEAC50 - 30  # from e^-87.34 on the results are subnormal
    found = measure(start, start + 500, functions={"exp": flushed})["exp"]
    assert 0.99 < found.subnormal <= 1
    assert found.ulp < 4
    assert found.wrong == 0
    # Flushing what is normal is no flush to zero: it is wrong.
    early = measure(
        start, start + 500, functions={"exp": lambda z: np.where(z < -87, np.float32(0), np.exp(z))}
    )
    assert early["exp"].ulp > 2**22


def test_results_that_depend_on_the_layout_are_seen():
    def by_layout(z):
        value = np.exp(z)
        return value if z.flags.contiguous else np.nextafter(value, np.float32(9))

    assert measure(ONE, ONE + 999)["exp"].changed == 0
    assert measure(ONE, ONE + 999, functions={"exp": by_layout})["exp"].changed > 0


@pytest.mark.parametrize("start", [0, NEAR - 50, ONE, 0x42AEAC50 - 50, FAR - 50, NAN - 50])
def test_ranges_merge_in_any_order(start):
    whole = to_dict(measure(start, start + 400))
    for cut in (start + 1, start + 50, start + 399):
        parts = [measure(start, cut), measure(cut, start + 400)]
        for a, b in (parts, parts[::-1]):
            merged = from_dict(to_dict(a))
            for name, errors in merged.items():
                errors.merge(b[name])
            assert to_dict(merged) == whole


def test_a_device_measures_the_same(backend, exact):
    for start in (0, NEAR - 9, ONE, FAR - 9, NAN - 9):
        found = measure(start, start + 90, backend)
        assert {e.values for e in found.values()} == {180}
        assert all(e.wrong == 0 for e in found.values())
        if exact:
            assert to_dict(found) == to_dict(measure(start, start + 90))


def test_sigma_is_the_cells_own():
    assert MEASURED["sigmoid"] is cell.sigmoid


def test_progress_reaches_the_end():
    calls = []
    measure(NEAR - 10, NEAR + 10, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(20, 40), (40, 40)]
