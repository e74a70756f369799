"""A comparison again: the bits of the shard, the parts of its bound, one line for what is not."""

from itertools import product

import numpy as np
import pytest
from examples import GENERIC

from lstm_gpu import campaign, examination
from lstm_gpu.errors import InputError
from lstm_gpu.weights import DTYPES, Case


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("regime", ["generic", "saturated"])
def test_the_worst_entry_of_every_record_is_replayed_bit_for_bit(dtype, regime):
    case = Case(3, 2, dtype, "normal_gain_4", regime)
    for row in campaign.check_shard(case, 9, 0, 11, "numpy")["records"]:
        worst = row["worst"]
        if worst is None:
            continue
        key = (row["claim"], row["reading"], row["mutant"], row["reference"])
        again = examination.examine(key, worst["entry"], case, 9, worst["index"], backend="numpy")
        for name in ("claimed", "measured", "bound", "error"):
            assert again[name] == worst[name], (key, name, again[name], worst[name])
        if worst["ratio"] is not None and worst["bound"] > 0:
            ratio = np.dtype(dtype).type(again["error"]) / np.dtype(dtype).type(again["bound"])
            assert float(ratio) == worst["ratio"], key


def test_the_parts_of_a_bound_add_up_to_it():
    records = campaign.check_shard(GENERIC, 9, 0, 4, "numpy")["records"]
    told = 0
    for row in records:
        key = (row["claim"], row["reading"], row["mutant"], row["reference"])
        worst = row["worst"]
        found = examination.examine(
            key, worst["entry"], GENERIC, 9, worst["index"], backend="numpy"
        )
        parts = found["parts"]
        if "reference" in parts:
            told += 1
            total = parts["reference"] + parts["formula"]
            # One part is the bound less the other: that difference and the sum are rounded.
            assert abs(total - found["bound"]) <= 2 * 2.0**-53 * found["bound"], (key, parts, found)
            assert parts["reference"] > 0
    assert told > 50


@pytest.mark.parametrize(
    ("key", "entry", "says"),
    [
        (("hidden_jacobian", "as_written", "no_such", "central"), [0, 0], "no comparison"),
        (("hidden_jacobian", "as_written", "", "central"), [3, 0], "must index"),
        (("hidden_jacobian", "as_written", "", "central"), [0, -1], "must index"),
        (("hidden_jacobian", "as_written", "", "central"), [0], "must index"),
        (("cell_state_independence", "as_written", "", "intervention"), [0, 0], "must index"),
        (("nothing", "as_written", "", "central"), [0, 0], "no comparison"),
    ],
)
def test_a_replay_of_what_is_not_there_is_one_clear_message(key, entry, says):
    with pytest.raises(InputError, match=says):
        examination.examine(key, entry, GENERIC, 9, 0, backend="numpy")


def test_a_replay_without_its_case_says_so():
    with pytest.raises(InputError, match="`case`"):
        examination.examine(("hidden_jacobian", "as_written", "", "central"), [0, 0])


def test_the_gap_of_a_jacobian_is_that_of_the_trial():
    found = examination.jacobian_gap(GENERIC, 9, 2, "central", "numpy")
    key = ("hidden_jacobian", "as_written", "", "central")
    for k, j in product(range(3), repeat=2):
        at = examination.examine(key, [k, j], GENERIC, 9, 2, backend="numpy")
        assert found["formula"][k][j] == at["claimed"]
        assert found["reference"][k][j] == at["measured"]
        assert found["bound"][k][j] == at["bound"]
