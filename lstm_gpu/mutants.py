"""Wrong formulas that people really wrote, put through the same comparisons as the claims.

A mutant that passes shows what the check could not have caught. Each entry names the slip, the
claim that it is a slip of, its family and where it was seen (project#issue, or "synthetic").
Facts about the slips only; no code is taken from those projects.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from lstm_gpu import cell, derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.cell import CANDIDATE, FORGET, INPUT, OUTPUT, Step
from lstm_gpu.derivatives import columns, rows, sigmoid_derivative, tanh_derivative

Array = Any


class Subject(NamedTuple):
    """What a formula may use: the weight sets, the evaluated step, measured factor Jacobians."""

    sets: Any
    step: Step
    measured: dict[str, Array]


class Mutant(NamedTuple):
    """A wrong formula: ``formula(subject) -> (sets, n, n)``."""

    name: str
    claim: str
    family: str
    seen: str
    formula: Callable[[Subject], Array]


def _swap(U: Array, first: int, second: int) -> Array:
    swapped = U.copy()
    swapped[:, first], swapped[:, second] = U[:, second], U[:, first]
    return swapped


def _combine(
    s: Subject,
    *,
    o: Array | None = None,
    f: Array | None = None,
    i: Array | None = None,
    u: Array | None = None,
    slope: Array | None = None,
    U: Array | None = None,
) -> Array:
    """D4 with some row factors replaced: t ∘ o' U_o + o ∘ t' ∘ (c f' U_f + u i' U_i + i u' U_u).

    o, f, i, u replace the row factor of that gate's U; `slope` replaces o_t ∘ (1 - tanh²(c_t)).
    """
    p = _row_factors(s)
    U = s.sets.U if U is None else U
    bracket = (
        rows(p["f"] if f is None else f) * U[:, FORGET]
        + rows(p["i"] if i is None else i) * U[:, INPUT]
        + rows(p["u"] if u is None else u) * U[:, CANDIDATE]
    )
    return (
        rows(p["o"] if o is None else o) * U[:, OUTPUT]
        + rows(p["slope"] if slope is None else slope) * bracket
    )


def _row_factors(s: Subject) -> dict[str, Array]:
    """The true row factors of D4, by gate, and the slope o_t ∘ (1 - tanh²(c_t))."""
    step = s.step
    return {
        "o": step.tanh_c * sigmoid_derivative(step.o),
        "f": s.sets.c_prev * sigmoid_derivative(step.f),
        "i": step.u * sigmoid_derivative(step.i),
        "u": step.i * tanh_derivative(step.u),
        "slope": step.o * tanh_derivative(step.tanh_c),
    }


def _true(s: Subject) -> Array:
    return derivatives.hidden_jacobian(s.step, s.sets.U, s.sets.c_prev)


def _swapped_gates(s: Subject, first: str, second: str) -> Array:
    """The formula fed with two activated gates exchanged (their U too): a gate-order slip."""
    index = {"i": INPUT, "f": FORGET, "u": CANDIDATE, "o": OUTPUT}
    fields = {name: getattr(s.step, name) for name in ("z", "i", "f", "u", "o", "c", "tanh_c", "h")}
    fields[first], fields[second] = fields[second], fields[first]
    U = _swap(s.sets.U, index[first], index[second])
    return derivatives.hidden_jacobian(Step(**fields), U, s.sets.c_prev)


def _column_scaled_forget(s: Subject) -> Array:
    """U_f diag(sigma') where diag(sigma') U_f belongs, in the forget path."""
    p = _row_factors(s)
    path = rows(s.sets.c_prev) * s.sets.U[:, FORGET] * columns(sigmoid_derivative(s.step.f))
    rest = _combine(s, f=0 * p["f"])
    return rest + rows(p["slope"]) * path


def _transposed(U: Array, gate: int | None) -> Array:
    if gate is None:
        return namespace_of(U).swapaxes(U, 2, 3)
    flipped = U.copy()
    flipped[:, gate] = namespace_of(U).swapaxes(U[:, gate], 1, 2)
    return flipped


def _at_next_state(s: Subject) -> Array:
    """Gates of the wrong step: evaluated at h_t where h_{t-1} belongs."""
    late = cell.step(s.sets, h=s.step.h)
    return derivatives.hidden_jacobian(late, s.sets.U, s.sets.c_prev)


def _scaled_part(J: Array, part: tuple[Any, ...], factor: float) -> Array:
    changed = J.copy()
    changed[part] *= factor
    return changed


_ALL = slice(None)


def _hidden(name: str, family: str, seen: str, formula: Callable[[Subject], Array]) -> Mutant:
    return Mutant(name, "hidden_jacobian", family, seen, formula)


_HIDDEN = (
    _hidden(
        "sigma_for_slope_in_f", "activation derivative", "CaptainE/RNN-LSTM-in-numpy#1",
        lambda s: _combine(s, f=s.sets.c_prev * s.step.f),
    ),
    _hidden(
        "no_tanh_slope_of_c", "activation derivative", "CaptainE/RNN-LSTM-in-numpy#1",
        lambda s: _combine(s, slope=s.step.o),
    ),
    _hidden(
        "tanh_slope_of_activated_c", "activation derivative", "wvabrinskas/Neuron#181",
        lambda s: _combine(
            s, slope=s.step.o * tanh_derivative(namespace_of(s.step.h).tanh(s.step.tanh_c))
        ),
    ),
    _hidden(
        "sigma_slope_of_activated_f", "activation derivative", "wvabrinskas/Neuron#181",
        lambda s: _combine(s, f=s.sets.c_prev * sigmoid_derivative(cell.sigmoid(s.step.f))),
    ),
    _hidden(
        "one_minus_u", "activation derivative", "wvabrinskas/Neuron#181",
        lambda s: _combine(s, u=s.step.i * (1 - s.step.u)),
    ),
    _hidden(
        "i_for_u_in_i_path", "wrong factor", "wvabrinskas/Neuron#181",
        lambda s: _combine(s, i=s.step.i * sigmoid_derivative(s.step.i)),
    ),
    _hidden(
        "c_for_previous_c", "wrong factor", "nicodjimenez/lstm#47",
        lambda s: _combine(s, f=s.step.c * sigmoid_derivative(s.step.f)),
    ),
    _hidden(
        "c_for_tanh_c_in_o_path", "wrong factor", "MartinuzziFrancesco/RecurrentLayers.jl#130",
        lambda s: _combine(s, o=s.step.c * sigmoid_derivative(s.step.o)),
    ),
    _hidden(
        "u_for_i_in_u_path", "wrong factor", "wvabrinskas/Neuron#181",
        lambda s: _combine(s, u=s.step.u * tanh_derivative(s.step.u)),
    ),
    _hidden(
        "no_o_path", "missing path", "apache/mxnet#4057",
        lambda s: _combine(s, o=0 * s.step.o),
    ),
    _hidden(
        "no_f_path", "missing path", "ooples/AiDotNet#722",
        lambda s: _combine(s, f=0 * s.step.f),
    ),
    _hidden(
        "no_i_path", "missing path", "ooples/AiDotNet#722",
        lambda s: _combine(s, i=0 * s.step.i),
    ),
    _hidden(
        "no_u_path", "missing path", "ooples/AiDotNet#722",
        lambda s: _combine(s, u=0 * s.step.u),
    ),
    _hidden(
        "assignment_for_sum", "missing path", "CaptainE/RNN-LSTM-in-numpy#2",
        lambda s: _combine(s, o=0 * s.step.o, f=0 * s.step.f, i=0 * s.step.i),
    ),
    _hidden(
        "U_i_and_U_f_swapped", "gate order", "NX-AI/xlstm#98",
        lambda s: _combine(s, U=_swap(s.sets.U, INPUT, FORGET)),
    ),
    _hidden(
        "U_u_and_U_o_swapped", "gate order", "CrispStrobe/CrispASR#106",
        lambda s: _combine(s, U=_swap(s.sets.U, CANDIDATE, OUTPUT)),
    ),
    _hidden(
        "gates_i_and_f_swapped", "gate order", "apple/coremltools#93",
        lambda s: _swapped_gates(s, "i", "f"),
    ),
    _hidden(
        "gates_f_and_o_swapped", "gate order", "elizaOS/eliza#9501",
        lambda s: _swapped_gates(s, "f", "o"),
    ),
    _hidden(
        "U_f_transposed", "matrix orientation", "ralna/RALFit#121",
        lambda s: _combine(s, U=_transposed(s.sets.U, FORGET)),
    ),
    _hidden(
        "all_U_transposed", "matrix orientation", "ralna/RALFit#121",
        lambda s: _combine(s, U=_transposed(s.sets.U, None)),
    ),
    _hidden(
        "column_scaling_in_f", "matrix orientation", "the ambiguous dot of D6",
        _column_scaled_forget,
    ),
    _hidden(
        "jacobian_transposed", "matrix orientation", "ralna/RALFit#121",
        lambda s: namespace_of(s.step.h).swapaxes(_true(s), 1, 2),
    ),
    _hidden(
        "sign_of_u_path", "sign", "MartinuzziFrancesco/torchrecurrent#22",
        lambda s: _combine(s, u=-s.step.i * tanh_derivative(s.step.u)),
    ),
    _hidden(
        "sign_of_first_row", "sign", "synthetic",
        lambda s: _scaled_part(_true(s), (_ALL, 0), -1.0),
    ),
    _hidden(
        "plus_for_times_in_u_path", "sign", "wvabrinskas/Neuron#181",
        lambda s: _combine(s, u=s.step.i + tanh_derivative(s.step.u)),
    ),
    _hidden("gates_of_the_next_step", "time index", "bayerj/arac#6", _at_next_state),
    _hidden("off_by_1_percent", "size of error", "synthetic", lambda s: 1.01 * _true(s)),
    _hidden("off_by_0.1_percent", "size of error", "synthetic", lambda s: 1.001 * _true(s)),
    _hidden("off_by_0.01_percent", "size of error", "synthetic", lambda s: 1.0001 * _true(s)),
    _hidden(
        "one_entry_off_by_10_percent", "size of error", "synthetic",
        lambda s: _scaled_part(_true(s), (_ALL, 0, -1), 1.1),
    ),
    _hidden(
        "first_row_zero", "size of error", "synthetic",
        lambda s: _scaled_part(_true(s), (_ALL, 0), 0.0),
    ),
    _hidden(
        "last_column_zero", "size of error", "synthetic",
        lambda s: _scaled_part(_true(s), (_ALL, _ALL, -1), 0.0),
    ),
    _hidden("all_zero", "zero", "synthetic", lambda s: 0 * _true(s)),
)  # fmt: skip


def _tanh_cell(
    s: Subject,
    *,
    f: Array | None = None,
    i: Array | None = None,
    u: Array | None = None,
    slope: Array | None = None,
    U: Array | None = None,
) -> Array:
    """D3 with some row factors replaced."""
    slope = tanh_derivative(s.step.tanh_c) if slope is None else slope
    return _combine(s, o=0 * s.step.o, f=f, i=i, u=u, slope=slope, U=U)


def _of(claim: str) -> Callable[[str, str, str, Callable[[Subject], Array]], Mutant]:
    return lambda name, family, seen, formula: Mutant(name, claim, family, seen, formula)


_d3 = _of("tanh_cell_jacobian")
_TANH_CELL = (
    _d3(
        "no_tanh_slope_of_c", "activation derivative", "CaptainE/RNN-LSTM-in-numpy#1",
        lambda s: _tanh_cell(s, slope=1 + 0 * s.step.o),
    ),
    _d3(
        "sigma_for_slope_in_f", "activation derivative", "CaptainE/RNN-LSTM-in-numpy#1",
        lambda s: _tanh_cell(s, f=s.sets.c_prev * s.step.f),
    ),
    _d3(
        "tanh_for_its_square", "activation derivative", "wvabrinskas/Neuron#181",
        lambda s: _tanh_cell(s, slope=1 - s.step.tanh_c),
    ),
    _d3(
        "c_for_previous_c", "wrong factor", "nicodjimenez/lstm#47",
        lambda s: _tanh_cell(s, f=s.step.c * sigmoid_derivative(s.step.f)),
    ),
    _d3(
        "no_f_path", "missing path", "ooples/AiDotNet#722",
        lambda s: _tanh_cell(s, f=0 * s.step.f),
    ),
    _d3(
        "no_i_path", "missing path", "ooples/AiDotNet#722",
        lambda s: _tanh_cell(s, i=0 * s.step.i),
    ),
    _d3(
        "sign_of_u_path", "sign", "MartinuzziFrancesco/torchrecurrent#22",
        lambda s: _tanh_cell(s, u=-s.step.i * tanh_derivative(s.step.u)),
    ),
    _d3(
        "U_f_transposed", "matrix orientation", "ralna/RALFit#121",
        lambda s: _tanh_cell(s, U=_transposed(s.sets.U, FORGET)),
    ),
    _d3(
        "off_by_0.1_percent", "size of error", "synthetic",
        lambda s: 1.001 * derivatives.tanh_cell_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ),
)  # fmt: skip

_d2 = _of("product_rule")
_PRODUCT_RULE = (
    _d2(
        "factors_swapped", "wrong factor", "synthetic",
        lambda s: rows(s.step.o) * s.measured["o"] + rows(s.step.tanh_c) * s.measured["tanh_c"],
    ),
    _d2(
        "c_for_tanh_c", "wrong factor", "MartinuzziFrancesco/RecurrentLayers.jl#130",
        lambda s: rows(s.step.c) * s.measured["o"] + rows(s.step.o) * s.measured["tanh_c"],
    ),
    _d2(
        "no_o_path", "missing path", "apache/mxnet#4057",
        lambda s: rows(s.step.o) * s.measured["tanh_c"],
    ),
    _d2(
        "no_tanh_c_path", "missing path", "synthetic",
        lambda s: rows(s.step.tanh_c) * s.measured["o"],
    ),
    _d2(
        "minus_for_plus", "sign", "synthetic",
        lambda s: rows(s.step.tanh_c) * s.measured["o"] - rows(s.step.o) * s.measured["tanh_c"],
    ),
    _d2(
        "columns_scaled", "matrix orientation", "the ambiguous product of D2",
        lambda s: columns(s.step.tanh_c) * s.measured["o"]
        + columns(s.step.o) * s.measured["tanh_c"],
    ),
)  # fmt: skip

_d6 = _of("forget_gate_jacobian")
_FORGET = (
    _d6(
        "sigma_for_slope", "activation derivative", "CaptainE/RNN-LSTM-in-numpy#1",
        lambda s: rows(s.step.f) * s.sets.U[:, FORGET],
    ),
    _d6(
        "slope_of_activated", "activation derivative", "wvabrinskas/Neuron#181",
        lambda s: rows(sigmoid_derivative(cell.sigmoid(s.step.f))) * s.sets.U[:, FORGET],
    ),
    _d6(
        "tanh_slope_for_sigma_slope", "activation derivative", "synthetic",
        lambda s: rows(tanh_derivative(s.step.f)) * s.sets.U[:, FORGET],
    ),
    _d6(
        "U_i_for_U_f", "gate order", "NX-AI/xlstm#98",
        lambda s: rows(sigmoid_derivative(s.step.f)) * s.sets.U[:, INPUT],
    ),
    _d6(
        "U_f_transposed", "matrix orientation", "ralna/RALFit#121",
        lambda s: rows(sigmoid_derivative(s.step.f))
        * namespace_of(s.step.h).swapaxes(s.sets.U[:, FORGET], 1, 2),
    ),
    _d6(
        "sign", "sign", "synthetic",
        lambda s: -derivatives.forget_gate_jacobian(s.step, s.sets.U),
    ),
    _d6(
        "off_by_0.1_percent", "size of error", "synthetic",
        lambda s: 1.001 * derivatives.forget_gate_jacobian(s.step, s.sets.U),
    ),
)  # fmt: skip

JACOBIAN_MUTANTS: tuple[Mutant, ...] = _HIDDEN + _TANH_CELL + _PRODUCT_RULE + _FORGET
