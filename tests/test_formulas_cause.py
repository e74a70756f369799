"""The likely cause: every slip is named, and nothing else is."""

import numpy as np
import pytest
from examples import cases, drawn
from formula_book import right

from lstm_gpu import bounds, derivatives
from lstm_gpu.derivatives import columns, rows
from lstm_gpu.formulas.cause import Scaling, Suspects
from lstm_gpu.formulas.quantities import FREE_ROUNDINGS, QUANTITIES, Material
from lstm_gpu.mutants import JACOBIAN_MUTANTS
from lstm_gpu.weights import DTYPES, Case

SIZES = [
    Case(3, 2, "float64", "normal_gain_1", "generic"),
    Case(4, 4, "float64", "orthogonal", "generic"),
]


def investigate(formula, materials):
    """Suspects after all the materials; formula(view) as a reader would write it."""
    return investigate_each({"": formula}, materials)[""]


def investigate_each(formulas, materials):
    """The same of many formulas by their names; a material's mutants are made once for them all."""
    found = {name: Suspects() for name in formulas}
    with np.errstate(all="ignore"):
        for material in materials:
            slips = list(material.mutants())
            for name, formula in formulas.items():
                values = formula(material.view), material.truth, material.rounding
                found[name].update(*values, slips, material.slip_rounding)
    return found


def materials(name="hidden_jacobian", cases_=SIZES, sets=3):
    return [Material(QUANTITIES[name], drawn(case, sets)) for case in cases_]


def sigma_slope(a):
    """Other than the package's (1 - a) a."""
    return a - a * a


def with_paths(step, **changed):
    """D4 in a reader's words, some row factors or matrices replaced."""
    p = {
        "o": step.tanh_c * sigma_slope(step.o), "f": step.c_prev * sigma_slope(step.f),
        "i": step.u * sigma_slope(step.i), "u": step.i * (1 - step.u) * (1 + step.u),
        "slope": step.o / step.xp.cosh(step.c) ** 2,
        "U_o": step.U.o, "U_f": step.U.f, "U_i": step.U.i, "U_u": step.U.u,
        **changed,
    }  # fmt: skip
    bracket = sum(rows(p["slope"] * p[g]) * p["U_" + g] for g in ("u", "i", "f"))
    return bracket + rows(p["o"]) * p["U_o"]


def swapped(step):
    """The gates i and f exchanged, with their matrices."""
    return with_paths(
        step, f=step.c_prev * sigma_slope(step.i), i=step.u * sigma_slope(step.f),
        u=step.f * (1 - step.u**2), U_f=step.U.i, U_i=step.U.f,
    )  # fmt: skip


def o_and_f_swapped(step):
    return with_paths(
        step, f=step.c_prev * sigma_slope(step.o), o=step.tanh_c * sigma_slope(step.f),
        slope=step.f * (1 - step.tanh_c**2), U_f=step.U.o, U_o=step.U.f,
    )  # fmt: skip


def late(step):
    """The gates of the next step, evaluated at h_t: in words of one's own."""
    z = [
        (W @ step.x[..., None] + U @ step.h[..., None])[..., 0]
        for W, U in zip(step.W, step.U, strict=True)
    ]
    return d4_at(step, z)


def d4_at(step, z):
    """D4 from other preactivations than the step's."""
    i, f, o = (1 / (1 + np.exp(-z[gate])) for gate in (0, 1, 3))
    u = np.tanh(z[2])
    t = np.tanh(f * step.c_prev + i * u)
    bracket = (
        rows(step.c_prev * f * (1 - f)) * step.U.f
        + rows(u * i * (1 - i)) * step.U.i
        + rows(i * (1 - u * u)) * step.U.u
    )
    return rows(t * o * (1 - o)) * step.U.o + rows(o * (1 - t * t)) * bracket


def part(step, where, factor):
    J = with_paths(step).copy()
    J[where] *= factor
    return J


def flip(a):
    return a.transpose(0, 2, 1)


def first_step(step):
    """The gates without U h_{t-1}: right for T = 1 alone, which starts from zero."""
    z = [(W @ step.x[..., None])[..., 0] for W in step.W]
    return d4_at(step, z)


def with_previous_cell(step, o_prev):
    """D1's rival: c_{t-1} = atanh(h_{t-1}/o_{t-1}) moves with h_{t-1}."""
    slope = 1 / (o_prev * (1 - (step.h_prev / o_prev) ** 2))
    extra = step.o / np.cosh(step.c) ** 2 * step.f * slope
    return with_paths(step) + rows(extra) * np.eye(step.h.shape[1], dtype=step.h.dtype)


# Each slip of the catalogue, written again as a reader would.
SLIPS = {
    "sigma_for_slope_in_i": lambda s: with_paths(s, i=s.i * s.u),
    "sigma_for_slope_in_o": lambda s: with_paths(s, o=s.h),
    "sigma_slope_of_activated_i": lambda s: with_paths(
        s, i=s.u * np.exp(-s.i) / (1 + np.exp(-s.i)) ** 2
    ),
    "sigma_slope_of_activated_o": lambda s: with_paths(
        s, o=s.tanh_c * np.exp(-s.o) / (1 + np.exp(-s.o)) ** 2
    ),
    "tanh_slope_of_activated_u": lambda s: with_paths(s, u=s.i / np.cosh(s.u) ** 2),
    "tanh_c_for_its_square": lambda s: with_paths(s, slope=s.o - s.o * s.tanh_c),
    "U_in_ONNX_order": lambda s: with_paths(s, U_f=s.U.o, U_u=s.U.f, U_o=s.U.u),
    "U_i_transposed": lambda s: with_paths(s, U_i=flip(s.U.i)),
    "U_u_transposed": lambda s: with_paths(s, U_u=flip(s.U.u)),
    "U_o_transposed": lambda s: with_paths(s, U_o=flip(s.U.o)),
    "right_in_the_first_step_only": first_step,
    "sigma_for_slope_in_f": lambda s: with_paths(s, f=s.f * s.c_prev),
    "no_tanh_slope_of_c": lambda s: with_paths(s, slope=s.o),
    "tanh_slope_of_activated_c": lambda s: with_paths(s, slope=s.o / np.cosh(np.tanh(s.c)) ** 2),
    "sigma_slope_of_activated_f": lambda s: with_paths(
        s, f=s.c_prev * np.exp(-s.f) / (1 + np.exp(-s.f)) ** 2
    ),
    "one_minus_u": lambda s: with_paths(s, u=s.i - s.i * s.u),
    "i_for_u_in_i_path": lambda s: with_paths(s, i=s.i * s.i * (1 - s.i)),
    "c_for_previous_c": lambda s: with_paths(s, f=sigma_slope(s.f) * s.c),
    "c_for_tanh_c_in_o_path": lambda s: with_paths(s, o=s.c * sigma_slope(s.o)),
    "u_for_i_in_u_path": lambda s: with_paths(s, u=s.u - s.u**3),
    "no_o_path": lambda s: with_paths(s, o=0 * s.o),
    "no_f_path": lambda s: with_paths(s, f=0 * s.o),
    "no_i_path": lambda s: with_paths(s, i=0 * s.o),
    "no_u_path": lambda s: with_paths(s, u=0 * s.o),
    "assignment_for_sum": lambda s: rows(s.o / np.cosh(s.c) ** 2 * s.i * (1 - s.u**2)) * s.U.u,
    "U_i_and_U_f_swapped": lambda s: with_paths(s, U_i=s.U.f, U_f=s.U.i),
    "U_u_and_U_o_swapped": lambda s: with_paths(s, U_u=s.U.o, U_o=s.U.u),
    "gates_i_and_f_swapped": swapped,
    "gates_f_and_o_swapped": o_and_f_swapped,
    "U_f_transposed": lambda s: with_paths(s, U_f=flip(s.U.f)),
    "all_U_transposed": lambda s: with_paths(
        s, U_f=flip(s.U.f), U_i=flip(s.U.i), U_u=flip(s.U.u), U_o=flip(s.U.o)
    ),
    "column_scaling_in_f": lambda s: with_paths(
        s, f=s.c_prev, U_f=s.U.f * columns(sigma_slope(s.f))
    ),
    "jacobian_transposed": lambda s: flip(with_paths(s)),
    "sign_of_u_path": lambda s: with_paths(s, u=s.i * (s.u**2 - 1)),
    "sign_of_first_row": lambda s: part(s, np.s_[:, 0], -1),
    "plus_for_times_in_u_path": lambda s: with_paths(s, u=s.i + 1 - s.u**2),
    "gates_of_the_next_step": late,
    "off_by_1_percent": lambda s: with_paths(s) * 1.01,
    "off_by_0.1_percent": lambda s: with_paths(s) * 1.001,
    "off_by_0.01_percent": lambda s: with_paths(s) * 1.0001,
    "one_entry_off_by_10_percent": lambda s: part(s, np.s_[:, 0, -1], 1.1),
    "first_row_zero": lambda s: part(s, np.s_[:, 0], 0),
    "last_column_zero": lambda s: part(s, np.s_[:, :, -1], 0),
    "all_zero": lambda s: s.U.f - s.U.f,
}  # fmt: skip


AT_ANOTHER_Z = {"gates_of_the_next_step", "right_in_the_first_step_only"}


def test_every_slip_of_the_catalogue_is_written_again_here():
    names = {m.name for m in JACOBIAN_MUTANTS if m.claim == "hidden_jacobian"}
    assert set(SLIPS) | {"W_for_U", "previous_cell_path"} == names  # these two: see below


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_named_alone_and_explains_all_of_the_error(name):
    found = investigate(SLIPS[name], materials())
    assert found.matches == [name]
    assert found.ranking()[0][0] == name
    assert found.describe().startswith(f"{name}: 1.00; next, ")


def test_W_for_U_is_named_where_both_have_one_shape():
    tried = materials(cases_=[Case(3, 3, "float64", "normal_gain_1", "generic")])
    found = investigate(lambda s: with_paths(s, U_f=s.W.f, U_i=s.W.i, U_u=s.W.u, U_o=s.W.o), tried)
    assert found.matches == ["W_for_U"]


def test_the_rival_path_is_named_though_a_reader_cannot_see_o_of_the_step_before():
    [material] = materials(cases_=SIZES[-1:])
    value = with_previous_cell(material.view, material.sets.o_prev)
    found = investigate(lambda s: value, [material])
    assert found.matches == ["previous_cell_path"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_slips_are_named_over_all_laws_and_regimes(dtype):
    """Float32 constants: a formula may not turn its inputs into float64."""
    # At another z they are evaluated again, rounded again.
    slips = {name: slip for name, slip in SLIPS.items() if name not in AT_ANOTHER_Z}
    found = investigate_each(slips, materials(cases_=cases(3, 2, dtype), sets=2))
    for name, suspects in found.items():
        assert suspects.matches == [name], suspects.describe()


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(
    ("n", "m", "dtype"), [(3, 2, "float64"), (4, 4, "float64"), (4, 4, "float32")]
)
def test_the_slips_of_every_quantity_are_named_alone(quantity, n, m, dtype):
    """Their own values, moved by rounding, over all laws and regimes."""
    tried = materials(quantity, cases(n, m, dtype), 1)
    one = 1 + np.finfo(dtype).eps  # of the dtype
    with np.errstate(all="ignore"):  # as in `investigate`
        slips = [dict(material.mutants()) for material in tried]
        for name in slips[0]:
            found = Suspects()
            for material, values in zip(tried, slips, strict=True):
                rounding = material.rounding, values.items(), material.slip_rounding
                found.update(values[name] * one, material.truth, *rounding)
            assert found.matches == [name], found.describe()
            assert found.describe().startswith(f"{name}: "), found.describe()


COMPOUND = {
    "two slips": lambda s: with_paths(s, u=s.i * (1 - s.u), o=s.c * sigma_slope(s.o)),
    "a slip and a factor": lambda s: 1.03 * with_paths(s, u=s.i * (1 - s.u)),
    "two paths missing": lambda s: with_paths(s, i=0 * s.o, f=0 * s.o),
    "a slip twice": lambda s: with_paths(s, u=s.i * (1 - s.u), f=s.f * s.c_prev),
    "1 % and a transposed U_f": lambda s: 1.01 * with_paths(s, U_f=flip(s.U.f)),
}  # fmt: skip
UNKNOWN = {
    "squared gate": lambda s: with_paths(s, f=s.c_prev * sigma_slope(s.f) ** 2),
    "h for c in f": lambda s: with_paths(s, f=s.h_prev * sigma_slope(s.f)),
    "absolute value": lambda s: abs(with_paths(s)),
    "identity added": lambda s: with_paths(s) + np.eye(s.h.shape[1]),
    "rows reversed": lambda s: with_paths(s)[:, ::-1],
    "half of one path": lambda s: with_paths(s, i=s.u * sigma_slope(s.i) / 2),
    "1e-9 in one entry": lambda s: part(s, np.s_[:, 1, 1], 1 + 1e-9),
}


@pytest.mark.parametrize("name", {**COMPOUND, **UNKNOWN})
def test_compound_and_unknown_slips_end_in_no_match(name):
    found = investigate({**COMPOUND, **UNKNOWN}[name], materials())
    assert found.wrong_sets == 6
    assert found.matches == []
    assert found.scaling.factor is None
    assert found.describe().startswith("no match"), found.describe()


@pytest.mark.parametrize("name", COMPOUND)
def test_compound_slips_end_in_no_match_in_float32_over_all_laws_and_regimes(name):
    found = investigate(COMPOUND[name], materials(cases_=cases(3, 2, "float32"), sets=2))
    assert found.matches == []
    assert found.describe().startswith("no match"), found.describe()


def nearness(claimed, material):
    """The least e of a block's entries where claimed = a · truth ± e (1 + |a|) |truth|."""
    free = bounds.gamma(FREE_ROUNDINGS, bounds.unit_roundoff(claimed.dtype)) * abs(claimed)
    size = abs(material.truth)
    return float(((material.rounding + free)[size > 0] / size[size > 0]).min(initial=np.inf))


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [1.03, 0.5, -2.0, 1000.0, -0.001])
def test_a_scaled_truth_is_named_with_its_factor(quantity, dtype, factor):
    def scaled(step):
        return step.h.dtype.type(factor) * right(quantity, "difference")(step)

    tried = materials(quantity, cases(3, 2, dtype)[::5], 2)
    found = investigate(scaled, tried)
    assert found.matches == []
    assert found.describe().startswith("the whole multiplied by "), found.describe()
    low, high = found.scaling.low, found.scaling.high
    assert low <= factor <= high
    # No wider than the entry allows that says most. With s = |claimed/truth|, which is at most
    # |a| + e (1 + |a|), that is (s + e)/(1 - e) - (s - e)/(1 + e); each end is moved outwards by
    # 8 unit roundoffs, which cover those that moved it before.
    with np.errstate(all="ignore"):  # as in `investigate`
        e, u = min(nearness(scaled(m.view), m) for m in tried), bounds.unit_roundoff(dtype)
    assert high - low <= 2 * e * (1 + abs(factor)) / (1 - e) + 16 * u * (abs(low) + abs(high))


@pytest.mark.parametrize("way", ["product", "difference", "matmul", "preactivations"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_formula_has_no_cause(way, dtype):
    found = investigate(right("hidden_jacobian", way), materials(cases_=cases(3, 2, dtype)))
    assert (found.wrong_sets, found.matches, found.describe()) == (0, [], "")


def test_a_slip_that_shows_on_some_sets_only_is_named():
    """c_{t-1} = 0 hides the forget path in half of the sets."""
    tried = materials()
    for material in tried:
        material.sets.c_prev[1:] = 0
    found = investigate(SLIPS["sigma_for_slope_in_f"], tried)
    assert found.wrong_sets == 2
    assert found.matches == ["sigma_for_slope_in_f"]


def test_a_formula_that_is_a_slip_on_some_sets_and_another_on_others_is_no_slip():
    tried = materials()
    found = investigate(SLIPS["no_f_path"], tried[:1])
    found.merge(investigate(SLIPS["no_i_path"], tried[1:]))
    assert found.matches == []
    assert found.describe().startswith("no match")


def test_slips_that_nothing_tells_apart_are_all_named():
    """At n = m = 1 the first row and the last column are the whole."""
    one = Case(1, 1, "float64", "normal_gain_1", "generic")
    found = investigate(lambda s: 0 * s.U.f, materials(cases_=[one]))
    assert found.matches == ["first_row_zero", "last_column_zero", "all_zero"]
    assert found.describe().startswith("first_row_zero or last_column_zero or all_zero: 1.00; ")


def test_sets_without_a_number_are_left_out():
    def broken(step):
        J = SLIPS["one_minus_u"](step)
        J[0, 0, 0] = np.nan
        return J

    found = investigate(broken, materials())
    assert found.wrong_sets == 4
    assert found.matches == ["one_minus_u"]
    nothing = investigate(lambda s: np.nan * s.U.f, materials())
    assert (nothing.wrong_sets, nothing.describe()) == (0, "")


@pytest.mark.parametrize("name", ["one_minus_u", "two slips"])
def test_merged_suspects_are_those_of_one_run(name):
    formula = {**SLIPS, **COMPOUND}[name]
    tried = materials(cases_=cases(3, 2, "float64")[:6])
    whole, parts = investigate(formula, tried), Suspects()
    for material in reversed(tried):
        parts.merge(investigate(formula, [material]))
    assert parts.wrong_sets == whole.wrong_sets
    assert parts.matches == whole.matches
    assert parts.scaling == whole.scaling
    # Six shares, of which none is below 0, added in two orders and divided: either sum is within
    # gamma_6 of the exact one. A share left out or counted twice is not.
    apart = 2 * bounds.gamma(len(tried) + 1, bounds.unit_roundoff("float64"))
    scores, others = dict(whole.ranking()), dict(parts.ranking())
    assert others.keys() == scores.keys()
    assert all(abs(others[n] - score) <= apart * score for n, score in scores.items())
    assert parts.describe() == whole.describe()


def test_the_constants_of_a_scaling_are_all_that_its_entries_allow():
    scaling = Scaling()
    scaling.update(np.array([1.75]), np.array([0.75]), np.array([0.25]))
    slack = 8 * 2.0**-53  # the ends' own rounding, by which they are moved outwards
    assert scaling.low == 1.5 / 1 * (1 - slack)  # 1.75 = 0.75 a + 0.25 (1 + a) at a = low
    assert scaling.high == 2 / 0.5 * (1 + slack)  # 1.75 = 0.75 a - 0.25 (1 + a) at a = high
    scaling.update(np.array([-5.0]), np.array([-2.0]), np.array([2.0**-1000]))
    assert scaling.factor == 2.5
    scaling.update(np.array([2.75]), np.array([1.0]), np.array([2.0**-10]))
    assert scaling.factor is None


@pytest.mark.parametrize("a", [-3.0, -0.25, 0.0, 0.75, 5.0])
@pytest.mark.parametrize("truth", [-2.0, 0.375])
def test_no_constant_that_an_entry_allows_is_left_out(a, truth):
    """claimed at the ends of a · truth ± near (1 + |a|), which are exact; just beyond, it is."""
    near = 0.125
    for end in (-1, 1):
        claimed = a * truth + end * near * (1 + abs(a))
        for beyond in (0, end * 2.0**-40):
            scaling = Scaling()
            scaling.update(np.array([claimed + beyond]), np.array([truth]), np.array([near]))
            assert (scaling.low <= a <= scaling.high) == (beyond == 0)


def test_an_entry_whose_truth_is_lost_asks_for_a_large_constant():
    scaling = Scaling()
    scaling.update(np.array([1.03, 1.0]), np.array([1.0, 1e-9]), np.array([1e-6, 2.0**-10]))
    assert scaling.least == 511.5  # 1 = (1 + 2 |a|)/2^10, where |truth| is as large as near
    assert scaling.factor is None


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1 + 1e-6, "1 + 1.0e-06"), (1 - 2.5e-9, "1 - 2.5e-09"), (1.03, "1.03"), (-1.0, "-1")],
)
def test_a_constant_near_1_is_told_by_its_difference(factor, said):
    found = investigate(lambda s: with_paths(s) * factor, materials())
    assert found.describe().startswith(f"the whole multiplied by {said}; next, ")


def test_the_constant_1_is_no_cause():
    scaling = Scaling()
    scaling.update(np.array([1.15]), np.array([1.0]), np.array([0.1]))
    assert scaling.low <= 1 <= scaling.high
    assert scaling.factor is None


def test_the_slips_here_use_nothing_of_the_package_s_formulas(monkeypatch):
    """Were they the catalogue's own code, naming them would show nothing."""
    before = {n: f(materials(cases_=SIZES[:1])[0].view) for n, f in SLIPS.items()}
    for name in ("sigmoid_derivative", "tanh_derivative", "hidden_jacobian"):
        monkeypatch.setattr(derivatives, name, None)
    material = Material(QUANTITIES["hidden_jacobian"], drawn(SIZES[0], 3))
    for name, formula in SLIPS.items():
        assert (formula(material.view) == before[name]).all()
