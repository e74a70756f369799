"""Wrong formulas for the parts of D4: D2 (product rule), D3 (tanh of the cell), D6 (a gate)."""

from lstm_gpu import derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.cell import FORGET, INPUT, OUTPUT
from lstm_gpu.claims.mutation import (
    ALL,
    Array,
    Subject,
    activated,
    at_next_state,
    at_zero_state,
    of_claim,
    other_slope,
    read_as,
    rival_cell_path,
    scaled,
    swapped_gates,
    tanh_cell,
    tanh_twice,
    transposed,
    transposed_U,
    true_forget,
    true_tanh_cell,
    twice_activated,
    without,
)
from lstm_gpu.derivatives import columns, rows, sigmoid_derivative, tanh_derivative

_ACTIVATION, _FACTOR, _MISSING = "activation derivative", "wrong factor", "missing path"
_ORDER, _ORIENTATION, _SIZE = "gate order", "matrix orientation", "size of error"
_PYTHON, _NEURON = "CaptainE/RNN-LSTM-in-numpy#1", "wvabrinskas/Neuron#181"
_AIDOTNET, _ASR, _RALFIT = "ooples/AiDotNet#722", "CrispStrobe/CrispASR#106", "ralna/RALFit#121"

_d3 = of_claim("tanh_cell_jacobian")
TANH_CELL_MUTANTS = (
    _d3(
        "no_tanh_slope_of_c", _ACTIVATION, _PYTHON,
        lambda s: tanh_cell(s, slope=1 + 0 * s.step.o),
    ),
    _d3("sigma_for_slope_in_f", _ACTIVATION, _PYTHON, other_slope(tanh_cell, "f", activated)),
    _d3("tanh_for_its_square", _ACTIVATION, _NEURON, lambda s: tanh_cell(s, 1 - s.step.tanh_c)),
    _d3(
        "tanh_slope_of_activated_c", _ACTIVATION, _NEURON,
        lambda s: tanh_cell(s, tanh_twice(s.step.tanh_c)),
    ),
    _d3("one_minus_u", _ACTIVATION, _NEURON, lambda s: tanh_cell(s, u=s.step.i * (1 - s.step.u))),
    _d3(
        "i_for_u_in_i_path", _FACTOR, _NEURON,
        lambda s: tanh_cell(s, i=s.step.i * sigmoid_derivative(s.step.i)),
    ),
    _d3(
        "c_for_previous_c", _FACTOR, "nicodjimenez/lstm#47",
        lambda s: tanh_cell(s, f=s.step.c * sigmoid_derivative(s.step.f)),
    ),
    _d3(
        "u_for_i_in_u_path", _FACTOR, _NEURON,
        lambda s: tanh_cell(s, u=s.step.u * tanh_derivative(s.step.u)),
    ),
    *(_d3(f"no_{gate}_path", _MISSING, _AIDOTNET, without(tanh_cell, gate)) for gate in "fiu"),
    _d3(
        "assignment_for_sum", _MISSING, "CaptainE/RNN-LSTM-in-numpy#2",
        without(tanh_cell, "f", "i"),
    ),
    _d3("previous_cell_path", "extra path", "the rival reading of D1", rival_cell_path),
    _d3("U_i_and_U_f_swapped", _ORDER, "NX-AI/xlstm#98", read_as(tanh_cell, i="f", f="i")),
    _d3(
        "gates_i_and_f_swapped", _ORDER, "apple/coremltools#93",
        swapped_gates(derivatives.tanh_cell_jacobian, "i", "f"),
    ),
    _d3("U_f_transposed", _ORIENTATION, _RALFIT, transposed_U(tanh_cell, "f")),
    _d3("jacobian_transposed", _ORIENTATION, _RALFIT, transposed(true_tanh_cell)),
    _d3(
        "sign_of_u_path", "sign", "MartinuzziFrancesco/torchrecurrent#22",
        lambda s: tanh_cell(s, u=-s.step.i * tanh_derivative(s.step.u)),
    ),
    _d3(
        "gates_of_the_next_step", "time index", "bayerj/arac#6",
        lambda s: true_tanh_cell(at_next_state(s)),
    ),
    _d3("off_by_0.1_percent", _SIZE, "synthetic", scaled(true_tanh_cell, 1.001)),
    _d3("all_zero", "zero", "synthetic", lambda s: 0 * s.sets.U[:, FORGET]),
)  # fmt: skip


def _true_product(s: Subject) -> Array:
    return derivatives.product_rule(s.step, s.measured["o"], s.measured["tanh_c"])


_d2 = of_claim("product_rule")
PRODUCT_RULE_MUTANTS = (
    _d2(
        "factors_swapped", _FACTOR, "synthetic",
        lambda s: rows(s.step.o) * s.measured["o"] + rows(s.step.tanh_c) * s.measured["tanh_c"],
    ),
    _d2(
        "c_for_tanh_c", _FACTOR, "MartinuzziFrancesco/RecurrentLayers.jl#130",
        lambda s: rows(s.step.c) * s.measured["o"] + rows(s.step.o) * s.measured["tanh_c"],
    ),
    _d2(
        "no_o_path", _MISSING, "apache/mxnet#4057",
        lambda s: rows(s.step.o) * s.measured["tanh_c"],
    ),
    _d2(
        "no_tanh_c_path", _MISSING, "CaptainE/RNN-LSTM-in-numpy#2",
        lambda s: rows(s.step.tanh_c) * s.measured["o"],
    ),
    _d2(
        "minus_for_plus", "sign", "synthetic",
        lambda s: rows(s.step.tanh_c) * s.measured["o"] - rows(s.step.o) * s.measured["tanh_c"],
    ),
    _d2(
        "columns_scaled", _ORIENTATION, "the ambiguous product of D2",
        lambda s: columns(s.step.tanh_c) * s.measured["o"]
        + columns(s.step.o) * s.measured["tanh_c"],
    ),
    _d2("off_by_0.1_percent", _SIZE, "synthetic", scaled(_true_product, 1.001)),
    _d2("all_zero", "zero", "synthetic", lambda s: 0 * s.sets.U[:, FORGET]),
)  # fmt: skip


def _slope_times(s: Subject, matrix: Array) -> Array:
    return rows(sigmoid_derivative(s.step.f)) * matrix


def _with_W(s: Subject) -> Array | None:
    W = s.sets.W[:, FORGET]
    return _slope_times(s, W) if W.shape == s.sets.U[:, FORGET].shape else None


_d6 = of_claim("forget_gate_jacobian")
FORGET_MUTANTS = (
    _d6(
        "sigma_for_slope", _ACTIVATION, _PYTHON,
        lambda s: rows(s.step.f) * s.sets.U[:, FORGET],
    ),
    _d6(
        "slope_of_activated", _ACTIVATION, _NEURON,
        lambda s: rows(twice_activated(s.step.f)) * s.sets.U[:, FORGET],
    ),
    _d6(
        "tanh_slope_for_sigma_slope", _ACTIVATION, "synthetic",
        lambda s: rows(tanh_derivative(s.step.f)) * s.sets.U[:, FORGET],
    ),
    _d6("U_i_for_U_f", _ORDER, "NX-AI/xlstm#98", lambda s: _slope_times(s, s.sets.U[:, INPUT])),
    _d6("U_o_for_U_f", _ORDER, _ASR, lambda s: _slope_times(s, s.sets.U[:, OUTPUT])),
    _d6(
        "U_f_transposed", _ORIENTATION, _RALFIT,
        lambda s: _slope_times(s, namespace_of(s.sets.U).swapaxes(s.sets.U[:, FORGET], 1, 2)),
    ),
    _d6("jacobian_transposed", _ORIENTATION, _RALFIT, transposed(true_forget)),
    _d6("W_for_U", _ORIENTATION, "synthetic", _with_W),
    _d6("sign", "sign", "synthetic", scaled(true_forget, -1.0)),
    _d6("sign_of_first_row", "sign", "synthetic", scaled(true_forget, -1.0, 0)),
    _d6(
        "gates_of_the_next_step", "time index", "bayerj/arac#6",
        lambda s: true_forget(at_next_state(s)),
    ),
    _d6(
        "right_in_the_first_step_only", "time index", "Element-Research/rnn#31",
        lambda s: true_forget(at_zero_state(s)),
    ),
    _d6("off_by_0.1_percent", _SIZE, "synthetic", scaled(true_forget, 1.001)),
    _d6("last_column_zero", _SIZE, "synthetic", scaled(true_forget, 0.0, ALL, -1)),
    _d6("all_zero", "zero", "synthetic", lambda s: 0 * s.sets.U[:, FORGET]),
)  # fmt: skip
