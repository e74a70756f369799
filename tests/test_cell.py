"""The forward equations against scalar loops, exact decimals and PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from examples import GENERIC, cases, drawn, extremes, on, with_bias

from lstm_gpu import bounds, cell
from lstm_gpu.backend import to_host
from lstm_gpu.claims.block import Block
from lstm_gpu.weights import DTYPES, Case, draw

VALUES = {"i": "i", "f": "f", "u": "u", "o": "o", "c": "c", "t": "tanh_c", "h": "h"}


def worst_value(sets, step=None):
    """The value of the step with the largest error over `bounds.step_errors`, against decimals."""
    block = Block(sets)
    step = block.step if step is None else step
    found = []
    for s in range(len(sets)):
        truth = reference.forward(reference.inputs(sets, s))
        for name, attribute in VALUES.items():
            error = block.errors.values[name].error[s]
            found.append(reference.excess(getattr(step, attribute)[s], truth[attribute], error))
    return max(found, key=lambda e: e.ratio)


def test_the_gates_are_stored_in_the_order_i_f_u_o():
    assert cell.GATES == ("i", "f", "u", "o")
    order = [cell.INPUT, cell.FORGET, cell.CANDIDATE, cell.OUTPUT]
    assert [cell.GATES[gate] for gate in order] == ["i", "f", "u", "o"]


@pytest.mark.parametrize("gate", range(4))
def test_each_gate_is_driven_by_its_own_weights(gate):
    sets = drawn(GENERIC, 1)
    W = sets.W.copy()
    W[:, gate] = 100.0
    step = cell.step(replace(sets, W=W, x=np.ones_like(sets.x), h_prev=0 * sets.h_prev))
    full = [name for name in cell.GATES if (getattr(step, name) == 1).all()]
    assert full == [cell.GATES[gate]]


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 2), (8, 5)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [False, True])
def test_values_are_within_their_bounds_of_exact_decimals(backend, size, dtype, bias):
    some = cases(*size, dtype) if size[0] == 3 else [Case(*size, dtype, "normal_gain_1", "generic")]
    for case in some:
        sets = drawn(case)
        sets = on(backend, with_bias(sets) if bias else sets)
        with np.errstate(all="ignore"):
            worst = worst_value(sets)
        assert worst.ratio <= 1, f"{case.name}: {worst}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_within_their_bounds_at_extreme_scales(dtype):
    for name, sets in extremes(dtype):
        with np.errstate(all="ignore"):
            worst = worst_value(sets)
        assert worst.ratio <= 1, f"{name}: {worst}"


@pytest.mark.parametrize("wrong", ["two gates", "no bias", "c for tanh c"])
def test_a_wrong_forward_step_is_far_outside_its_bounds(wrong):
    sets = with_bias(drawn(GENERIC))
    step = cell.step(sets)
    if wrong == "two gates":
        step = replace(step, i=step.f, f=step.i)
    elif wrong == "no bias":
        step = cell.step(replace(sets, b=None))
    else:
        step = replace(step, h=step.o * step.c)
    assert worst_value(sets, step).ratio > 1e6


@pytest.mark.parametrize("bias", [False, True])
def test_scalar_loops_in_python_floats_agree_within_both_errors(bias):
    for case in cases(3, 2, "float64"):
        sets = with_bias(drawn(case)) if bias else drawn(case)
        block = Block(sets)
        with np.errstate(all="ignore"):
            errors = block.errors.values
        for s in range(len(sets)):
            loops = reference.forward(reference.inputs(sets, s, float))
            for name, attribute in VALUES.items():
                gap = abs(getattr(block.step, attribute)[s] - np.array(loops[attribute]))
                # The loops' own error obeys the same analysis: a sum in another order, math.exp.
                limit = 2 * errors[name].error[s] * bounds.SLACK
                k = int((gap - limit).argmax())
                assert gap[k] <= limit[k], (case.name, attribute, k, gap[k], limit[k])


@pytest.mark.parametrize("dtype", DTYPES)
def test_points_are_evaluated_each_like_a_step_of_its_own(backend, exact, dtype):
    sets = drawn(replace(GENERIC, dtype=dtype), xp=backend)
    h = backend.stack([sets.h_prev, sets.h_prev / 2, 0 * sets.h_prev], axis=1)
    together = cell.step(sets, h=h)
    for point in range(3):
        alone = cell.step(replace(sets, h_prev=h[:, point]))
        dz = bounds.preactivation_error(sets, backend.abs(h[:, point]))
        gap = to_host(backend.abs(together.z[:, :, point] - alone.z))
        assert (gap <= 2 * to_host(dz)).all(), gap.max()


def test_a_complex_step_of_zero_is_the_real_step(backend):
    sets = drawn(GENERIC, xp=backend)
    real, complex_ = cell.step(sets), cell.step(sets, h=sets.h_prev.astype(complex))
    errors = Block(sets).errors.values
    for name, attribute in VALUES.items():
        value = to_host(getattr(complex_, attribute))
        gap = abs(value.real - to_host(getattr(real, attribute)))
        assert (gap <= 2 * to_host(errors[name].error)).all(), (attribute, gap.max())
        assert (value.imag == 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128", "complex64"])
def test_sigmoid_neither_overflows_nor_warns_far_out(backend, dtype):
    z = backend.asarray(np.array([-1e4, -800, -100, 0, 100, 800, 1e4], dtype=dtype))
    value = to_host(cell.sigmoid(z))
    assert value.dtype == dtype
    truth = [float(reference.sigma(reference.Decimal(float(v.real)))) for v in to_host(z)]
    tiny = float(np.finfo(dtype).tiny)
    u = bounds.unit_roundoff(np.finfo(dtype).dtype)
    for z_k, got, right in zip(to_host(z), value, truth, strict=True):
        assert abs(got - right) <= bounds.SIGMOID_UNITS * u * right + tiny, (z_k, got, right)


def test_the_branches_of_the_complex_sigmoid_meet_in_one_analytic_function():
    """A wrong branch would still be right on the real axis: compare derivatives on both sides."""
    for x in (-1e-3, -1e-300, 0.0, 1e-300, 1e-3):
        value = cell.sigmoid(np.array([x + 1e-30j]))[0]
        slope = reference.Jet([reference.Decimal(x), reference.Decimal(1)])
        right = float(reference.sigma(slope).a[1])
        assert abs(value.imag / 1e-30 - right) <= bounds.COMPLEX_UNITS * 2.0**-53 * right


# --- PyTorch -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    reason = "torch is not installed (optional: pip install lstm_gpu[torch])"
    return pytest.importorskip("torch", reason=reason)


def torch_cell(torch, sets, s):
    """torch.nn.LSTMCell with the weights of one set; its gate order is i, f, g, o."""
    n, m = sets.h_prev.shape[-1], sets.x.shape[-1]
    dtype = getattr(torch, str(sets.U.dtype))
    module = torch.nn.LSTMCell(m, n, bias=sets.b is not None, dtype=dtype)
    with torch.no_grad():
        module.weight_ih.copy_(torch.from_numpy(sets.W[s].reshape(4 * n, m)))
        module.weight_hh.copy_(torch.from_numpy(sets.U[s].reshape(4 * n, n)))
        if sets.b is not None:
            module.bias_ih.copy_(torch.from_numpy(sets.b[s].reshape(4 * n)))
            module.bias_hh.zero_()
    return module


@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 2), (3, 2), (8, 8), (64, 40)])
@pytest.mark.parametrize("bias", [False, True])
def test_forward_agrees_with_torch_within_both_errors(torch, dtype, size, bias):
    for law in ("pytorch_uniform", "normal_gain_4"):
        sets = drawn(Case(*size, dtype, law, "generic"))
        sets = with_bias(sets) if bias else sets
        block = Block(sets)
        for s in range(len(sets)):
            state = [torch.from_numpy(a[s : s + 1]) for a in (sets.h_prev, sets.c_prev)]
            with torch.no_grad():
                h, c = torch_cell(torch, sets, s)(torch.from_numpy(sets.x[s : s + 1]), state)
            for name, theirs in (("h", h), ("c", c)):
                gap = abs(theirs.numpy()[0].astype(float) - getattr(block.step, name)[s])
                # torch's own error obeys the same analysis: any order of summation.
                limit = 2 * block.errors.values[name].error[s] * bounds.SLACK
                k = int((gap - limit).argmax())
                assert gap[k] <= limit[k], (law, name, s, k, gap[k], limit[k])


@pytest.mark.torch
def test_another_gate_order_would_not_agree_with_torch(torch):
    sets = drawn(GENERIC, 1)
    swapped = replace(sets, W=sets.W[:, [1, 0, 2, 3]], U=sets.U[:, [1, 0, 2, 3]])
    state = [torch.from_numpy(a) for a in (sets.h_prev, sets.c_prev)]
    with torch.no_grad():
        h, _ = torch_cell(torch, swapped, 0)(torch.from_numpy(sets.x), state)
    block = Block(sets)
    gap = abs(h.numpy() - block.step.h)
    assert (gap > 1e6 * block.errors.values["h"].error).any()


def test_one_set_of_a_block_is_the_set_alone(backend):
    together, alone = drawn(GENERIC, 5, xp=backend), draw(GENERIC, 1, 3, 4, backend)
    for name in ("z", "i", "f", "u", "o", "c", "tanh_c", "h"):
        a, b = (to_host(getattr(cell.step(sets), name)) for sets in (together, alone))
        assert (a[3] == b[0]).all()
