"""Weight sets: pure functions of (seed, case, index), and of the laws that they claim."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from examples import GENERIC, cases
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.accuracy import DOCUMENTED_ULP
from lstm_gpu.backend import to_host
from lstm_gpu.bounds import gamma
from lstm_gpu.weights import (
    DISTRIBUTIONS,
    DTYPES,
    REGIMES,
    Case,
    digest,
    distributions,
    draw,
    words_per_set,
)
from lstm_gpu.weights.philox import uniforms
from lstm_gpu.weights.portable import atanh, standard_normal

FIELDS = ("W", "U", "x", "h_prev", "c_prev", "o_prev")
RISK = 1e-9  # of each statistical limit below, were the numbers drawn anew


def dkw(n, risk=RISK):
    """Massart: P(sup |F_n - F| > e) <= 2 exp(-2 n e²)."""
    return math.sqrt(math.log(2 / risk) / (2 * n))


def distance(sample, cdf):
    """sup |F_n - F| over the sample's points."""
    x = np.sort(np.ravel(sample))
    ranks, F = np.arange(len(x)), cdf(x)
    return max((F - ranks / len(x)).max(), ((ranks + 1) / len(x) - F).max())


def weights(law, rows, columns, n, sets=200):
    """Gate matrices (sets, 4, rows, columns) of one law, hidden size n."""
    words = distributions.words(law, rows, columns)
    r = uniforms(11, f"test {law}", 0, sets, 4 * words).reshape(sets, 4, words)
    return distributions.LAWS[law](r, rows, columns, n)


# --- The same bits from any draw ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 5)])
def test_a_set_alone_has_the_bits_that_it_has_in_a_block(size, dtype):
    for case in cases(*size, dtype):
        block = draw(case, 3, 5, 14)
        for index in (5, 8, 13):
            alone = draw(case, 3, index, index + 1)
            for name in FIELDS:
                a, b = getattr(alone, name)[0], getattr(block, name)[index - 5]
                assert a.tobytes() == b.tobytes(), (case.name, index, name)


@pytest.mark.parametrize("law", DISTRIBUTIONS)
def test_larger_sets_alone_have_their_bits_too(law):
    """More words than one tile holds."""
    case = Case(67, 41, "float64", law, "generic")
    block, alone = draw(case, 3, 0, 5), draw(case, 3, 3, 4)
    for name in FIELDS:
        assert getattr(alone, name)[0].tobytes() == getattr(block, name)[3].tobytes(), name


def test_a_device_gets_the_host_s_bits(backend):
    for case in cases(3, 2, "float32"):
        here, there = draw(case, 1, 0, 2), draw(case, 1, 0, 2, backend)
        for name in FIELDS:
            assert (to_host(getattr(there, name)) == getattr(here, name)).all()
        assert digest(there).hexdigest() == digest(here).hexdigest()


@given(cuts=st.lists(st.integers(0, 20), max_size=5))
def test_the_digest_does_not_depend_on_the_blocks(cuts):
    sha256 = None
    edges = sorted({0, 20, *cuts})
    for a, b in itertools.pairwise(edges):
        sha256 = digest(draw(GENERIC, 1, a, b), sha256)
    assert sha256.hexdigest() == digest(draw(GENERIC, 1, 0, 20)).hexdigest()


def test_the_digest_sees_every_field_and_the_order():
    sets = draw(GENERIC, 1, 0, 2)
    seen = {digest(sets).hexdigest()}
    for name in FIELDS:
        changed = getattr(sets, name).copy()
        changed.ravel()[-1] = np.nextafter(changed.ravel()[-1], np.inf)
        seen.add(digest(replace(sets, **{name: changed})).hexdigest())
    swapped = replace(sets, **{name: getattr(sets, name)[::-1].copy() for name in FIELDS})
    assert len(seen | {digest(swapped).hexdigest()}) == len(FIELDS) + 2


def test_seed_case_and_index_all_matter():
    base = draw(GENERIC, 1, 0, 1).U
    others = [
        draw(GENERIC, 2, 0, 1),
        draw(GENERIC, 1, 1, 2),
        draw(replace(GENERIC, regime="saturated"), 1, 0, 1),
    ]
    assert all((base != sets.U).all() for sets in others)


def test_an_empty_range_is_an_empty_block():
    for case in cases(3, 2, "float32"):
        sets = draw(case, 1, 4, 4)
        assert len(sets) == 0
        assert sets.U.shape == (0, 4, 3, 3)


# Digests of sets 0 … 2 at seed 20261123, by case. A change of one bit invalidates every recorded
# counterexample: it wants a new version, and then `python tests/test_weights.py` writes them anew.
GOLDEN = Path(__file__).with_name("golden_digests.json")
GOLDEN_CASES = [
    Case(*size, dtype, law, REGIMES[(k + size[0]) % 4])
    for k, law in enumerate(DISTRIBUTIONS)
    for size in ((1, 2), (5, 5), (16, 9))
    for dtype in DTYPES
]


def golden(case):
    return digest(draw(case, 20261123, 0, 3)).hexdigest()[:16]


@pytest.mark.parametrize("case", GOLDEN_CASES, ids=lambda case: case.name)
def test_the_bits_never_change_and_are_the_same_on_every_machine(case):
    recorded = json.loads(GOLDEN.read_text())
    assert golden(case) == recorded[case.name], f"{case.name}: a drawn bit has changed"


# --- The laws -------------------------------------------------------------------------------------


def test_every_law_and_regime_gives_finite_numbers_of_its_dtype_and_shape():
    for dtype in DTYPES:
        for case in cases(3, 2, dtype):
            sets = draw(case, 1, 0, 20)
            shapes = [(20, 4, 3, 2), (20, 4, 3, 3), (20, 2), (20, 3), (20, 3), (20, 3)]
            for name, shape in zip(FIELDS, shapes, strict=True):
                array = getattr(sets, name)
                assert (array.shape, array.dtype) == (shape, dtype)
                assert np.isfinite(array).all()
            assert sets.b is None


@pytest.mark.parametrize("law", DISTRIBUTIONS)
def test_a_law_takes_the_words_that_it_says(law):
    for rows, columns in ((1, 1), (3, 3), (3, 2), (2, 5)):
        words = distributions.words(law, rows, columns)
        r = uniforms(1, "words", 0, 1, 4 * words).reshape(1, 4, words)
        w = distributions.LAWS[law](r, rows, columns, rows)
        assert w.shape == (1, 4, rows, columns)
        for word in range(words):  # every one of them is used
            flipped = r.copy()
            flipped[..., word] = (flipped[..., word] + 0.5) % 1
            changed = distributions.LAWS[law](flipped, rows, columns, rows)
            assert law == "sparse" or (changed != w).any(), (law, rows, columns, word)
        assert distributions.LAWS[law](r, rows, columns, rows).tobytes() == w.tobytes()


def test_words_per_set_is_what_a_draw_takes():
    for case in cases(3, 2, "float64"):
        law, words = case.distribution, distributions.words
        assert words_per_set(case) == 4 * (words(law, 3, 2) + words(law, 3, 3)) + 2 + 9


@pytest.mark.parametrize(
    ("law", "limit"),
    [("pytorch_uniform", 1 / math.sqrt(16)), ("glorot_uniform", math.sqrt(6 / (16 + 9)))],
)
def test_uniform_laws(law, limit):
    w = weights(law, 16, 9, 16)
    assert abs(w).max() <= limit
    cell = 2.0**-24 + 2.0**-50  # a draw stands for its cell of the grid
    assert distance(w, lambda x: (x / limit + 1) / 2) <= dkw(w.size) + cell


@pytest.mark.parametrize("gain", [0.5, 1, 4, 32])
def test_normal_laws(gain):
    law = f"normal_gain_{gain}"
    w = weights(law, 16, 9, 16) * math.sqrt(16) / gain
    phi = np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2)
    assert distance(w, phi) <= dkw(w.size) + 2.0**-24


def test_heavy_tails_follow_their_exact_law_out_to_the_cut():
    w = weights("heavy_tailed", 16, 9, 16, sets=400) * math.sqrt(16)
    assert distance(abs(w), lambda y: y / (1 + y)) <= dkw(w.size) + 2.0**-22
    assert abs(w).max() <= 2.0**20
    assert abs(w).max() > 1000  # P(all below) < e^-200
    low, high = (w < 0).mean(), (w > 0).mean()
    assert abs(low - high) <= 2 * dkw(w.size) + 2.0**-22


def test_sparse_matrices_have_zero_rows_and_few_entries():
    w = weights("sparse", 16, 16, 16)
    nonzero, rows = (w != 0).mean(), (w != 0).any(axis=-1)
    expected = 0.1 * 0.75
    # Rows are independent: Hoeffding for the means over 12800 of them.
    e = math.sqrt(math.log(2 / RISK) / (2 * rows.size))
    assert abs(nonzero - expected) <= e + 2.0**-20
    assert abs(rows.mean() - 0.75 * (1 - 0.9**16)) <= e + 2.0**-20
    kept = w[w != 0]
    assert distance(kept, lambda x: (x + 1) / 2) <= dkw(kept.size) + 2.0**-22
    small = draw(Case(3, 3, "float64", "sparse", "generic"), 1, 0, 200).U
    assert (small == 0).all(axis=-1).any()


def test_scaled_columns_differ_by_powers_of_two_over_the_whole_range():
    w = weights("scaled_columns", 16, 9, 16)
    largest = abs(w).max(axis=-2) * math.sqrt(16)
    exponents = np.frexp(largest)[1]  # of 2^e v with v nearly 1: e or a little less
    assert exponents.max() <= 4
    assert exponents.min() <= -20
    assert len(np.unique(exponents)) >= 25
    plain = np.ldexp(w, -exponents[..., None, :])
    assert abs(plain).max() <= 1 / math.sqrt(16)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
def test_orthogonal_matrices_are_orthogonal(n):
    q = weights("orthogonal", n, n, n, sets=20)
    gram = np.matmul(np.swapaxes(q, -1, -2), q)
    # n - 1 reflections, each with about 2n + 10 roundings per entry of columns of length 1
    # (Higham, ch. 19: gamma of a constant times n per reflection), and the Gram matrix's sum.
    limit = 2 * (n - 1) * math.sqrt(n) * gamma(4 * n + 20, 2.0**-53) + gamma(n, 2.0**-53)
    assert abs(gram - np.eye(n)).max() <= limit, abs(gram - np.eye(n)).max()


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_orthogonal_matrices_are_haar_distributed(n):
    """Every entry has the law of a coordinate of a uniform point of the sphere; the signs are fair.

    t² ~ Beta(1/2, (n-1)/2): at n = 3, t itself is uniform. One entry per independent matrix.
    """
    q = weights("orthogonal", n, n, n, sets=500).reshape(2000, n, n)
    limit = dkw(2000)
    grid = np.cos((np.arange(20001) + 0.5) * math.pi / 20001)[::-1]
    density = np.maximum(1 - grid**2, 0) ** ((n - 2) / 2)  # times sin of the midpoint rule
    mass = np.concatenate([[0], np.cumsum(density) / density.sum()])

    def cdf(t):
        if n == 1:
            return (t >= 0) * 0.5 + (t >= 1) * 0.5
        return np.interp(np.arccos(-np.clip(t, -1, 1)), np.linspace(0, math.pi, 20002), mass)

    if n == 1:
        assert set(np.unique(q)) == {-1.0, 1.0}
        assert abs((q > 0).mean() - 0.5) <= limit
        return
    for k, j in np.ndindex(n, n):
        assert distance(q[:, k, j], cdf) <= limit, (k, j, distance(q[:, k, j], cdf), limit)
    # Products of two entries lie in [-1, 1] and have mean 0 for n > 2: Hoeffding.
    if n > 2:
        spread = math.sqrt(2 * math.log(2 / RISK) / 2000)
        assert abs((q[:, 0, 0] * q[:, 1, 1]).mean()) <= spread
        assert abs((q[:, 0, 1] * q[:, 1, 0]).mean()) <= spread
    determinant = np.linalg.det(q)
    assert abs((determinant > 0).mean() - 0.5) <= limit


def test_orthogonal_matrices_have_the_bits_of_scalar_loops():
    """Sums in one order, each operation rounded once: written out without arrays."""
    for n in (2, 3, 5):
        words = distributions.words("orthogonal", n, n)
        r = uniforms(4, "loops", 0, 1, words)[0]
        q = [[float(k == j) for j in range(n)] for k in range(n)]
        q[n - 1][n - 1] = -1.0 if r[0] < 0.5 else 1.0
        used = 1
        for length in range(2, n + 1):
            v = standard_normal(r[used : used + length]).tolist()
            used += length
            sign = -1.0 if v[0] < 0 else 1.0
            total = v[0] * v[0]
            for value in v[1:]:
                total = total + value * value
            norm = math.sqrt(total)
            square = 2 * norm * (norm + abs(v[0]))
            v[0] = v[0] + sign * norm
            first = n - length
            for j in range(first, n):
                dot = v[0] * q[first][j]
                for k in range(1, length):
                    dot = dot + v[k] * q[first + k][j]
                for k in range(length):
                    value = q[first + k][j] - v[k] * ((2 / square) * dot)
                    q[first + k][j] = value * -sign
        array = distributions.orthogonal(r.reshape(1, 1, -1), n, n, n)[0, 0]
        assert array.tolist() == q


def test_a_matrix_that_is_not_square_cannot_be_orthogonal_and_is_normal():
    words = distributions.words("orthogonal", 3, 2)
    r = uniforms(1, "s", 0, 2, 4 * words).reshape(2, 4, words)
    one = distributions.LAWS["orthogonal"](r, 3, 2, 3)
    assert (one == distributions.LAWS["normal_gain_1"](r, 3, 2, 3)).all()


# --- The states -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_previous_states_are_consistent(dtype):
    """h = o tanh(c): y is drawn and c = atanh(y) rounded; tanh moves by that times 1 - y² <= 1."""
    u = float(np.finfo(dtype).eps) / 2
    for regime in REGIMES:
        sets = draw(replace(GENERIC, dtype=dtype, regime=regime), 1, 0, 200)
        h, c, o = (getattr(sets, f).astype(float) for f in ("h_prev", "c_prev", "o_prev"))
        gap = abs(h - o * np.tanh(c))
        # y, o y and c are rounded to u; (1 - tanh²) |c| <= |tanh c| for the change of c by u |c|.
        # In float64: atanh to 2^-48 (tests/test_portable.py), tanh as documented, and a product.
        limit = 3 * u + 2.0**-48 + (2 * DOCUMENTED_ULP + 1) * 2.0**-53
        assert (gap <= limit * abs(o * np.tanh(c)) + 2.0**-1022).all(), regime
        assert (o >= 0.05 * (1 - 4 * u)).all()
        assert (o <= 1).all()


def test_each_regime_is_what_its_name_says():
    n = {}
    for regime in REGIMES:
        n[regime] = draw(Case(64, 64, "float64", "pytorch_uniform", regime), 1, 0, 20)
    assert abs(n["generic"].x).max() <= 1
    assert 0.9 < abs(n["generic"].h_prev).max() < 1
    assert 16 < abs(n["saturated"].x).max() <= 32
    c = abs(n["large_cell"].c_prev)
    assert (c.min() >= 20, c.max() <= 100, c.max() - c.min() > 70) == (True, True, True)
    near = n["near_zero"]
    assert max(abs(getattr(near, f)).max() for f in ("x", "h_prev", "c_prev")) <= 2.0**-20
    assert (near.h_prev != 0).any()
    assert distance(n["generic"].x, lambda x: (x + 1) / 2) <= dkw(20 * 64) + 2.0**-23
    y = np.tanh(n["generic"].c_prev)
    assert distance(y, lambda x: (x / 0.95 + 1) / 2) <= dkw(20 * 64) + 2.0**-22
    assert atanh(np.array([0.0]))[0] == 0


# --- Cases ----------------------------------------------------------------------------------------


def test_a_case_survives_the_way_through_a_dict_and_through_strings():
    for case in cases(3, 2, "float32"):
        assert Case.from_dict(case.as_dict()) == case
        assert Case.from_dict({k: str(v) for k, v in case.as_dict().items()}) == case


def test_names_tell_all_cases_apart():
    some = [c for dtype in DTYPES for n in (1, 12) for m in (1, 12) for c in cases(n, m, dtype)]
    assert len({case.name for case in some}) == len(some)
    assert GENERIC.name == (
        "hidden_size=3,input_size=2,dtype=float64,distribution=normal_gain_1,regime=generic"
    )


if __name__ == "__main__":
    GOLDEN.write_text(
        json.dumps({case.name: golden(case) for case in GOLDEN_CASES}, indent=1) + "\n"
    )
