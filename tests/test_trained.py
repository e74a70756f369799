"""Files of trained weights: PyTorch's layout, read as data."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from lstm_gpu import bounds, checking, plan
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import load as load_formulas
from lstm_gpu.recorded import read
from lstm_gpu.replay import describe, replay
from lstm_gpu.shrink import shrink_file
from lstm_gpu.weights import EDGES, REGIMES
from lstm_gpu.weights.trained import GIVEN, TRAINED, load

N, M = 3, 2
FORMULAS = """
from lstm_gpu import claim

@claim("cell_by_cell_jacobian")
def right(step):
    return step.f[:, :, None] * step.xp.eye(step.f.shape[1], dtype=step.f.dtype)

@claim("cell_by_cell_jacobian")
def wrong(step):
    return step.i[:, :, None] * step.xp.eye(step.i.shape[1], dtype=step.i.dtype)
"""


def arrays(dtype="float64", n=N, m=M, sets=None, **changed):
    rng = np.random.default_rng(0)
    shapes = {"weight_ih": (4 * n, m), "weight_hh": (4 * n, n)}
    shapes |= {"bias_ih": (4 * n,), "bias_hh": (4 * n,)}
    if sets is not None:
        rows = (sets,) if sets else ()
        shapes |= {"x": (*rows, m), "h": (*rows, n), "c": (*rows, n)}
    found = {name: rng.uniform(-1, 1, shape).astype(dtype) for name, shape in shapes.items()}
    return {name: array for name, array in {**found, **changed}.items() if array is not None}


def saved(folder, found, save=np.savez):
    save(folder / "weights.npz", **found)
    return folder / "weights.npz"


@pytest.mark.parametrize("dtype", ["float64", "float32", ">f8"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_in_pytorch_s_layout(tmp_path, dtype, save):
    found = arrays(dtype, sets=5)
    trained = load(saved(tmp_path, found, save))
    case = trained.cases[0]
    assert (case.hidden_size, case.input_size, case.distribution) == (N, M, TRAINED)
    assert case.regime == GIVEN
    sets = trained.draw(case, 0, 1, 4)
    assert len(sets) == 3
    for gate in range(4):
        rows = slice(gate * N, (gate + 1) * N)
        np.testing.assert_array_equal(sets.W[2, gate], found["weight_ih"][rows])
        np.testing.assert_array_equal(sets.U[2, gate], found["weight_hh"][rows])
        np.testing.assert_array_equal(
            sets.b[2, gate], found["bias_ih"][rows] + found["bias_hh"][rows]
        )
    for name, stored in (("x", "x"), ("h_prev", "h"), ("c_prev", "c")):
        np.testing.assert_array_equal(getattr(sets, name), found[stored][1:4])
        assert getattr(sets, name).dtype.isnative


def test_a_layer_s_own_names_a_single_bias_and_none(tmp_path):
    full = arrays()
    named = {f"{name}_l0": array for name, array in full.items()}
    np.testing.assert_array_equal(load(saved(tmp_path, named)).U, load(saved(tmp_path, full)).U)
    assert load(saved(tmp_path, arrays(bias_ih=None, bias_hh=None))).b is None
    one = load(saved(tmp_path, arrays(bias_hh=None)))
    np.testing.assert_array_equal(one.b.ravel(), full["bias_ih"])


def test_one_state_needs_no_first_axis(tmp_path):
    trained = load(saved(tmp_path, arrays(sets=0)))
    assert trained.states[0].shape == (1, M)


def test_states_are_drawn_by_the_seed_where_there_are_none(tmp_path):
    trained = load(saved(tmp_path, arrays()))
    assert [case.regime for case in trained.cases][: len(REGIMES)] == list(REGIMES)
    case = trained.cases[0]
    whole, part = trained.draw(case, 7, 0, 5), trained.draw(case, 7, 3, 4)
    np.testing.assert_array_equal(whole.h_prev[3:4], part.h_prev)
    assert (whole.x[0] != whole.x[1]).all()
    assert (trained.draw(case, 8, 0, 1).x != whole.x[:1]).all()
    np.testing.assert_array_equal(whole.U[0], whole.U[4])


@pytest.mark.parametrize("sets", [None, 3])
def test_the_edges_are_zeros_of_the_state_with_all_that_is_the_layer_s_own(tmp_path, sets):
    trained = load(saved(tmp_path, arrays(sets=sets)))
    edges = [case for case in trained.cases if case.regime in EDGES]
    wanted = ["first_step"] if sets else ["first_step", "zero_input", "all_zero"]
    assert [case.regime for case in edges] == wanted
    for case in edges:
        found = trained.draw(case, 7, 1, 3)
        for name in ("x", "h_prev", "c_prev"):
            array = getattr(found, name)
            assert bool((array == 0).all() if name in EDGES[case.regime] else array.all()), name
        if sets:
            np.testing.assert_array_equal(found.x, trained.states[0][1:3])
        np.testing.assert_array_equal(found.b[0], trained.b)
        np.testing.assert_array_equal(found.U[0], trained.U)


@pytest.mark.parametrize("sets", [None, 3])
@pytest.mark.parametrize("edge", ["first_step", "zero_input"])
def test_a_formula_that_is_wrong_at_an_edge_alone_is_refuted_and_replayed(tmp_path, edge, sets):
    at_zero = {"first_step": "step.c_prev[:, :1]", "zero_input": "step.x[:, :1]"}[edge]
    formula = tmp_path / "mine.py"
    right = FORMULAS.partition("@claim")[0] + "@claim" + FORMULAS.split("@claim")[1]
    formula.write_text(right.rstrip() + f" * (1 + ({at_zero} == 0))[:, :, None]\n")
    weights = saved(tmp_path, arrays(sets=sets))
    wanted = checking.Plan(weights=weights, weight_sets=2)
    [result] = checking.check_formulas(load_formulas(formula), wanted)
    if sets and edge == "zero_input":  # x is what the layer meets, and never 0
        assert result.verdict == "supported"
        return
    assert result.verdict == "refuted"
    assert result.counterexample["case"]["regime"] in (edge, "all_zero")
    ((_, path),) = checking.write_counterexamples([result], tmp_path).items()
    outcome = replay(path, "numpy", formula, weights)
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)


@pytest.mark.torch
def test_the_layer_is_pytorch_s(tmp_path):
    reason = "torch is not installed (optional: pip install lstm_gpu[torch])"
    torch = pytest.importorskip("torch", reason=reason)
    layer = torch.nn.LSTM(M, N, dtype=torch.float64)
    torch.nn.init.zeros_(layer.bias_hh_l0)  # the sum of both biases would be rounded once more
    found = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    sizes = {"x": M, "h": N, "c": N}
    states = {name: torch.rand(2, size, dtype=torch.float64) for name, size in sizes.items()}
    path = saved(tmp_path, {**found, **{name: array.numpy() for name, array in states.items()}})
    with torch.no_grad():
        _, (h, c) = layer(states["x"][None], (states["h"][None], states["c"][None]))
    trained = load(path)
    block = Block(trained.draw(trained.cases[0], 0, 0, 2))
    for name, theirs in (("h", h), ("c", c)):
        gap = abs(theirs[0].numpy() - getattr(block.step, name))
        # torch's own error obeys the same analysis: any order of summation.
        limit = 2 * block.errors.values[name].error * bounds.SLACK
        assert (gap <= limit).all(), (name, gap, limit)


# --- On trial -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", [None, 3])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_formulas_on_trained_weights_and_their_counterexamples(tmp_path, sets, dtype):
    weights = saved(tmp_path, arrays(dtype, sets=sets))
    formula = tmp_path / "mine.py"
    formula.write_text(FORMULAS)
    wanted = checking.Plan(weights=weights, weight_sets=2)
    results = checking.check_formulas(load_formulas(formula), wanted)
    assert [result.verdict for result in results] == ["supported", "refuted"]
    assert results[0].weight_sets == (2 * sets if sets else 2 * (len(REGIMES) + 3))
    ((_, path),) = checking.write_counterexamples(results, tmp_path).items()
    content = read_json(path, "counterexample")
    assert content["weights_file"]["file"] == "weights.npz"
    outcome = replay(path, "numpy", formula, weights)
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
    assert "distribution trained" in describe(outcome)
    with pytest.raises(InputError, match=r"trained weights, which are not in it.* --weights FILE"):
        replay(path, "numpy", formula)
    small, _, found = shrink_file(path, formula, weights)
    assert found.sets.U.shape[-1] == 1
    assert replay(small, "numpy", formula).verdict == "refuted"  # its numbers stand in it
    saved(tmp_path, arrays(dtype, sets=sets, bias_ih=None))
    with pytest.raises(InputError, match="has another digest"):
        read(path, weights)
    assert checking.as_json(results, wanted)["plan"]["weights"] == str(weights)


@pytest.mark.parametrize(
    "fixed",
    [{"hidden_sizes": [3]}, {"input_size": 2}, {"dtype": "float32"}, {"distributions": ["sparse"]}],
)
def test_what_the_file_fixes_cannot_be_asked_for(tmp_path, fixed):
    with pytest.raises(InputError, match="`weights` must stand without"):
        checking.Plan(weights=saved(tmp_path, arrays()), **fixed)


def test_weights_that_memory_does_not_suffice_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "COMMAND_MEMORY_LIMIT", 2**10)
    with pytest.raises(InputError, match="`hidden_size` and `input_size` must leave"):
        checking.Plan(weights=saved(tmp_path, arrays()))


# --- Refused --------------------------------------------------------------------------------------

WRONG = {
    "no recurrent weights": ({"weight_hh": None}, "must hold the array weight_hh"),
    "an array more": ({"extra": np.ones(1)}, "must hold arrays named weight_ih.* got 'extra'"),
    "a whole number": ({"weight_hh": np.ones((12, 3), int)}, "must be of float64 or float32"),
    "half precision": ({"weight_hh": np.ones((12, 3), "f2")}, "must be of float64 or float32"),
    "complex": ({"weight_hh": np.ones((12, 3), complex)}, "must be of float64 or float32"),
    "two types": ({"bias_ih": np.ones(12, "f4")}, "arrays of one type, got float32, float64"),
    "a row too few": ({"weight_ih": np.ones((11, 2))}, r"must have the shape \(12, 2\)"),
    "a square too few": ({"weight_hh": np.ones((11, 3))}, r"must have the shape \(12, 3\)"),
    "three axes": ({"weight_hh": np.ones((12, 3, 1))}, "must have the shape"),
    "no axis": ({"weight_hh": np.array(1.0)}, "must have sizes from 1 to"),
    "no units": ({"weight_hh": np.ones((0, 0))}, "must have sizes from 1 to"),
    "NaN": ({"bias_ih": np.full(12, np.nan)}, "`bias_ih` in .* must hold finite numbers"),
    "infinity": ({"weight_hh": np.full((12, 3), np.inf)}, "`weight_hh` in .* finite numbers"),
    "a sum beyond all floats": (
        {"bias_ih": np.full(12, 1.7e308), "bias_hh": np.full(12, 1.7e308)}, r"bias_ih \+ bias_hh",
    ),
    "one state of three": ({"x": np.ones((1, 2))}, "x, h and c, or none, got x"),
    "states of other counts": (
        {"x": np.ones((2, 2)), "h": np.ones((1, 3)), "c": np.ones((2, 3))}, "`h` in .* the shape",
    ),
    "no state": (
        {"x": np.ones((0, 2)), "h": np.ones((0, 3)), "c": np.ones((0, 3))}, "must hold 1 to",
    ),
    "objects": ({"weight_hh": np.array([{}], object)}, "must be of float64 or float32"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_wrong_file_is_one_line(tmp_path, name):
    changed, says = WRONG[name]
    with pytest.raises(InputError, match=says) as refusal:
        load(saved(tmp_path, arrays(**changed)))
    assert str(refusal.value).isprintable()


def test_nothing_is_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("it was run",)

    path = tmp_path / "trap.npz"
    for content in (pickle.dumps(Trap()), packed({"weight_ih.npy": pickle.dumps(Trap())})):
        path.write_bytes(content)
        with pytest.raises(InputError):
            load(path)


def packed(parts, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(file := io.BytesIO(), "w", kind) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def header(shape, dtype="<f8"):
    file = io.BytesIO()
    described = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"weight_ih.npy": header((4, 10**12)), "weight_hh.npy": header((4, 1))}, "bytes of its"),
        ({"weight_ih.npy": header((10**400, 0)), "weight_hh.npy": header((4, 1))}, "bytes of its"),
        ({"weight_ih.npy": header((-4, 1)), "weight_hh.npy": header((4, 1))}, "shape of counts"),
        ({"weight_ih.npy": b"", "weight_hh.npy": b""}, "is not an archive of arrays"),
        ({"weight_ih.npy": b"\x93NUMPY\x01\x00\x02\x00{(", "weight_hh.npy": b""}, "not an archive"),
        ({"../weight_ih.npy": b"", "weight_hh.npy": b""}, "must hold arrays named"),
        ({f"{k}.npy": b"" for k in range(100)}, "must hold up to 7 arrays"),
    ],
)  # fmt: skip
def test_a_forged_archive_is_one_line_before_memory_is_taken(tmp_path, parts, says):
    (tmp_path / "a.npz").write_bytes(packed(parts))
    with pytest.raises(InputError, match=says):
        load(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_more_than_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("lstm_gpu.weights.trained.LARGEST", 2**16)
    bomb = packed({
        "weight_ih.npy": header((4, 4096)) + bytes(8 * 4 * 4096),
        "weight_hh.npy": header((4, 1)) + bytes(32),
    })  # fmt: skip
    assert len(bomb) < 2**12
    (tmp_path / "a.npz").write_bytes(bomb)
    with pytest.raises(InputError, match="must unpack to at most"):
        load(tmp_path / "a.npz")
