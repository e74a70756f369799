"""What is wrong with a formula besides its mathematics: one clear line each."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from examples import GENERIC, drawn
from formula_book import right

from lstm_gpu.backend import to_host
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.evaluation import evaluate, evaluate_apart
from lstm_gpu.formulas.loading import Formula
from lstm_gpu.formulas.quantities import QUANTITIES, Material
from lstm_gpu.formulas.view import changed, copy

RIGHT = right("hidden_jacobian", "product")


def shown(xp=np):
    return Material(QUANTITIES["hidden_jacobian"], drawn(GENERIC, 2, xp=xp)).view


def evaluated(function, xp=np, shape=(2, 3, 3)):
    return evaluate(Formula("mine", "hidden_jacobian", function), shown(xp), shape)


def writes_slice(step):
    step.U.f[:, 0] = 0
    return RIGHT(step)


def writes_attribute(step):
    step.c_prev *= 2
    return RIGHT(step)


def writes_gate(step):
    step.z.o *= 2
    return RIGHT(step)


def writes_and_fails(step):
    step.x[:] = 0
    raise ValueError("late")


def assigns(step):
    step.h = step.h + 1
    return RIGHT(step)


def exits(step):
    sys.exit("enough")


def masked(step):
    return np.ma.masked_array(RIGHT(step), mask=True)


async def awaited(step):
    return RIGHT(step)


def leaves(step):
    raise BaseException("for good")


class Counter:
    calls = 0

    def __call__(self, step):
        self.calls += 1
        return self.calls * RIGHT(step)


def in_a_buffer(factor):
    """RIGHT times factor(), in one array that is returned at every call."""
    buffers = {}

    def fills(step):
        buffer = buffers.setdefault((step.U.f.shape, step.h.dtype), np.zeros_like(step.U.f))
        buffer[...] = RIGHT(step) * factor()
        return buffer

    return fills


RANDOM = np.random.default_rng(0)
TURNS = iter([1, 1.5] * 9)
BAD = {
    "raises": (lambda s: s.nope, "raises AttributeError: 'StepView' object has no"),
    "divides": (lambda s: 1 // 0, "raises ZeroDivisionError"),
    "exits": (exits, "raises SystemExit: enough"),
    "vector": (lambda s: s.h, "got (2, 3). A diagonal matrix is vector[:, :, None]"),
    "one set": (lambda s: RIGHT(s)[0], "got (3, 3). Keep the first axis"),
    "square": (lambda s: RIGHT(s)[:, :2], "got (2, 2, 3). Check the broadcasting"),
    "scalar array": (lambda s: RIGHT(s).sum(), "got float64"),
    "float32": (lambda s: RIGHT(s).astype("float32"), "must return float64, as its inputs are"),
    "complex": (lambda s: RIGHT(s) + 0j, "got complex128"),
    "object": (lambda s: RIGHT(s).astype(object), "got object"),
    "byte order": (lambda s: RIGHT(s).astype(">f8"), "got >f8"),
    "list": (lambda s: RIGHT(s).tolist(), "must return an array (2, 3, 3) of float64, got list"),
    "none": (lambda s: None, "got NoneType"),
    "masked": (masked, "got MaskedArray"),
    "writes a slice": (writes_slice, "but writes into step.U.f. Work on a copy"),
    "writes an attribute": (writes_attribute, "but writes into step.c_prev"),
    "writes a gate": (writes_gate, "but writes into step.z.o"),
    "writes and fails": (writes_and_fails, "but writes into step.x"),
    "assigns": (assigns, "must not assign to step (cannot assign to field 'h')"),
    "coroutine": (awaited, "got coroutine"),
    "exits for good": (leaves, "raises BaseException: for good"),
    "random": (lambda s: RIGHT(s) * RANDOM.random(), "two evaluations of the same step differ"),
    "remembers": (Counter(), "two evaluations of the same step differ"),
    "random, in a buffer": (in_a_buffer(RANDOM.random), "two evaluations of the same step differ"),
    "in turns, in a buffer": (
        in_a_buffer(lambda: next(TURNS)), "two evaluations of the same step differ"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_formula_gets_one_clear_line(name):
    function, says = BAD[name]
    with pytest.raises(InputError, match=r"^`mine` ") as caught:
        evaluated(function)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_transposed_shape_is_told_to_transpose():
    with pytest.raises(InputError, match=r"got \(2, 2, 3\). Transpose it"):
        evaluated(lambda s: s.W.f.swapaxes(1, 2), shape=(2, 3, 2))


def test_the_line_of_a_failure_is_named():
    with pytest.raises(InputError, match=r"enough \(line \d+\)"):
        evaluated(exits)


def test_an_interrupt_is_no_fault_of_the_formula():
    def interrupted(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluated(interrupted)


def test_good_formulas_pass_as_they_are(backend, capsys):
    def prints(step):
        sys.stdout.write("here")
        return RIGHT(step)

    material = Material(QUANTITIES["hidden_jacobian"], drawn(GENERIC, 2, xp=backend))
    for function in (RIGHT, prints):
        assert (to_host(evaluated(function, backend)) == to_host(RIGHT(material.view))).all()
    assert "here" in capsys.readouterr().out


def test_a_buffer_that_a_later_call_fills_again_changes_nothing():
    function = in_a_buffer(lambda: 1)
    first = evaluated(function)
    kept = first.copy()
    function(SimpleNamespace(**{**vars(shown()), "o": 0 * shown().o}))
    assert (first == kept).all()


@pytest.mark.parametrize("sets", [1, 2, 3, 8])
def test_one_set_alone_and_the_two_after_it_are_smaller_calls(sets):
    material = Material(QUANTITIES["hidden_jacobian"], drawn(GENERIC, sets))
    whole = RIGHT(material.view)
    found = list(evaluate_apart(Formula("f", "hidden_jacobian", RIGHT), material.view, whole))
    assert [place for place, _ in found] == [slice(0, 1), slice(1, 3)][: sets - 1]
    for place, values in found:
        assert (values == whole[place]).all()


def test_what_fails_in_a_smaller_call_alone_is_said_to():
    material = Material(QUANTITIES["hidden_jacobian"], drawn(GENERIC, 3))
    whole = RIGHT(material.view)
    for sets, said in ((1, "for a weight set alone"), (2, "for two weight sets")):

        def fails(step, sets=sets):
            return RIGHT(step)[0] if len(step.h) == sets else RIGHT(step)

        with pytest.raises(InputError, match=said):
            list(evaluate_apart(Formula("f", "hidden_jacobian", fails), material.view, whole))


def test_nan_is_left_for_the_verdict_and_differs_from_nothing():
    result = evaluated(lambda s: RIGHT(s) * np.nan)
    assert np.isnan(result).all()


def test_numpy_warnings_of_a_formula_are_not_the_reader_s_trouble():
    result = evaluated(lambda s: RIGHT(s) / (0 * s.h)[:, :, None])
    assert not np.isfinite(result).any()


def test_every_array_is_watched_for_writes():
    original = shown()
    names = changed(copy(original), original)
    assert names == []
    own = copy(original)
    for holder in (own.U, own.W, own.b, own.z):
        for array in holder:
            array += 1
    for name in ("x", "h_prev", "c_prev", "i", "f", "u", "o", "c", "tanh_c", "h"):
        array = getattr(own, name)
        array += 1
    gates = [f"{a}.{g}" for a in ("U", "W", "b", "z") for g in "ifuo"]
    values = ["x", "h_prev", "c_prev", "i", "f", "u", "o", "c", "tanh_c", "h"]
    assert changed(own, original) == gates + values


def test_a_failure_in_a_callable_object_has_no_line_to_name():
    formula = Formula("mine", "hidden_jacobian", SimpleNamespace())
    with pytest.raises(InputError, match=r"raises TypeError: .*not callable"):
        evaluate(formula, shown(), (2, 3, 3))
