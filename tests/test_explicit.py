"""Weight sets written out: the same bits again, and nothing but weight sets."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from examples import GENERIC, drawn, in_eighths, with_bias

from lstm_gpu import cell
from lstm_gpu.errors import InputError
from lstm_gpu.explicit import LARGEST_SIZE, NAMES, as_lists, from_lists, of_inputs, of_units
from lstm_gpu.weights import DTYPES


def lists():
    return as_lists(drawn(GENERIC, 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_round_trip_through_json_keeps_every_bit(dtype):
    sets = drawn(replace(GENERIC, dtype=dtype), 1)
    back = from_lists(json.loads(json.dumps(as_lists(sets))), dtype, "here.json")
    for name in NAMES:
        assert getattr(back, name).dtype == dtype
        assert getattr(back, name).tobytes() == getattr(sets, name).tobytes()
    assert back.b is None


def spoiled(name, value):
    content = lists()
    content[name] = value
    return content


def deep(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def with_number(number):
    content = copy.deepcopy(lists())
    content["U"][3][2][1] = number
    return content


BAD = {
    "no mapping": ([], "must hold W, U, x, h_prev, c_prev, o_prev"),
    "text": ("weights", "must hold"),
    "one missing": ({k: v for k, v in lists().items() if k != "x"}, "must hold"),
    "one more": ({**lists(), "d": []}, "must hold"),
    "a bias of another shape": ({**lists(), "b": [[0.0]]}, "weights.b"),
    "W of another shape": (spoiled("W", [[[0.0]]]), "`weights.W` in here.json must be finite"),
    "ragged": (spoiled("c_prev", [1.0, [2.0], 3.0]), "`weights.c_prev`"),
    "short": (spoiled("o_prev", [1.0, 2.0]), "`weights.o_prev` in here.json must be finite"),
    "no state": (spoiled("h_prev", []), "must have sizes from 1 to 64, got n = 0"),
    "no input": (spoiled("x", 1.0), "got n = 3, m = 0"),
    "too many": (spoiled("x", [0.0] * (LARGEST_SIZE + 1)), "got n = 3, m = 65"),
    "deep": (spoiled("c_prev", deep(500)), "`weights.c_prev`"),
    "deep state": (spoiled("h_prev", deep(500)), "`weights.W` in here.json"),
    "NaN": (with_number(math.nan), "`weights.U`"),
    "infinity": (with_number(-math.inf), "`weights.U`"),
    "huge": (with_number(10**400), "`weights.U`"),
    "bool": (with_number(True), "`weights.U`"),
    "text for a number": (with_number("1"), "`weights.U`"),
    "nothing for a number": (with_number(None), "`weights.U`"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_weights_get_one_clear_line(name):
    content, says = BAD[name]
    with pytest.raises(InputError) as caught:
        from_lists(content, "float64", "here.json")
    assert says in str(caught.value)


def test_a_number_beyond_float32_is_refused_there():
    assert from_lists(with_number(1e200), "float64", "here.json").U.max() == 1e200
    with pytest.raises(InputError, match=r"`weights.U`"):
        from_lists(with_number(1e200), "float32", "here.json")


@pytest.mark.parametrize("dtype", ["float16", None, [], 3])
def test_a_bad_dtype_gets_one_clear_line(dtype):
    with pytest.raises(InputError, match=r"`dtype` in here.json must be one of float64, float32"):
        from_lists(lists(), dtype, "here.json")


def test_the_cell_of_some_units_is_that_cell_with_the_others_silent():
    """Units 2 and 0 with h_{t-1} of unit 1 set to zero: the same bits as within the whole, as the
    sums are exact."""
    sets = in_eighths(with_bias(drawn(GENERIC, 2)))
    sets.h_prev[:, 1] = 0
    small = of_units(sets, [2, 0])
    assert small.U.shape == (2, 4, 2, 2)
    assert small.W.shape == (2, 4, 2, 2)
    whole = cell.step(sets).h[:, [2, 0]]
    assert (cell.step(small).h == whole).all()
    assert (small.o_prev == sets.o_prev[:, [2, 0]]).all()
    assert of_units(drawn(GENERIC, 1), [1]).b is None


def test_the_cell_of_some_inputs_is_that_cell_with_the_others_zero():
    sets = in_eighths(drawn(GENERIC, 2))
    sets.x[:, 0] = 0
    assert (cell.step(of_inputs(sets, [1])).h == cell.step(sets).h).all()
    assert np.shape(of_inputs(sets, [1]).W) == (2, 4, 3, 1)
