"""What a formula sees is the step, in the document's letters."""

import numpy as np
import pytest
from examples import GENERIC, drawn, in_eighths, with_bias

from lstm_gpu import cell
from lstm_gpu.formulas.view import copy, view


@pytest.mark.parametrize("bias", [False, True])
def test_the_letters_are_the_document_s(bias):
    """To the bit: z is exact for such sets, and the rest is computed with the cell's operations."""
    sets = in_eighths(with_bias(drawn(GENERIC, 2)) if bias else drawn(GENERIC, 2))
    step = cell.step(sets)
    shown = view(sets, step)
    sigma = {"i": shown.i, "f": shown.f, "o": shown.o}
    for number, gate in enumerate(cell.GATES):
        U, W, b, z = (getattr(getattr(shown, name), gate) for name in ("U", "W", "b", "z"))
        assert (sets.U[:, number] == U).all()
        assert (sets.W[:, number] == W).all()
        assert b.shape == shown.h.shape
        assert (b == (sets.b[:, number] if bias else 0)).all()
        for s in range(2):
            assert (z[s] == W[s] @ shown.x[s] + U[s] @ shown.h_prev[s] + b[s]).all()
    for gate, value in sigma.items():
        assert (value == 1 / (1 + np.exp(-getattr(shown.z, gate)))).all()
    assert (shown.u == np.tanh(shown.z.u)).all()
    assert (shown.c == shown.f * shown.c_prev + shown.i * shown.u).all()
    assert (shown.tanh_c == np.tanh(shown.c)).all()
    assert (shown.h == shown.o * shown.tanh_c).all()
    assert shown.xp is np


def test_a_copy_shares_no_memory(backend):
    sets = drawn(GENERIC, 2, xp=backend)
    shown = view(sets, cell.step(sets))
    own = copy(shown)
    assert own.xp is backend
    for array in (own.U.f, own.b.o, own.z.u, own.h):
        array += 1
    before = view(sets, cell.step(sets))
    assert bool((shown.U.f == before.U.f).all())
    assert bool((shown.h == before.h).all())
    assert not bool((own.h == shown.h).any())
