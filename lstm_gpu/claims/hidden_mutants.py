"""Wrong formulas for D4, the hidden-state Jacobian."""

from lstm_gpu import derivatives
from lstm_gpu.cell import FORGET
from lstm_gpu.claims.mutation import (
    ALL,
    Array,
    Subject,
    W_for_U,
    activated,
    at_next_state,
    at_zero_state,
    hidden,
    of_claim,
    other_slope,
    read_as,
    rival_cell_path,
    scaled,
    swapped_gates,
    tanh_twice,
    transposed,
    transposed_U,
    true_hidden,
    twice_activated,
    without,
)
from lstm_gpu.derivatives import columns, rows, sigmoid_derivative, tanh_derivative


def _column_scaled_forget(s: Subject) -> Array:
    """U_f diag(sigma') where diag(sigma') U_f belongs, in the forget path."""
    path = rows(s.sets.c_prev) * s.sets.U[:, FORGET] * columns(sigmoid_derivative(s.step.f))
    rest = hidden(s, f=0 * s.step.f)
    return rest + rows(s.step.o * tanh_derivative(s.step.tanh_c)) * path


def _with_rival_path(s: Subject) -> Array:
    o_path = derivatives.output_gate_jacobian(s.step, s.sets.U)
    return derivatives.product_rule(s.step, o_path, rival_cell_path(s))


_ACTIVATION, _FACTOR, _MISSING = "activation derivative", "wrong factor", "missing path"
_ORDER, _ORIENTATION, _SIZE = "gate order", "matrix orientation", "size of error"
_PYTHON, _NEURON = "CaptainE/RNN-LSTM-in-numpy#1", "wvabrinskas/Neuron#181"
_AIDOTNET, _ASR, _RALFIT = "ooples/AiDotNet#722", "CrispStrobe/CrispASR#106", "ralna/RALFit#121"
_d4 = of_claim("hidden_jacobian")

HIDDEN_MUTANTS = (
    *(
        _d4(
            f"sigma_for_slope_in_{gate}", _ACTIVATION, _PYTHON,
            other_slope(hidden, gate, activated),
        )
        for gate in "fio"
    ),
    *(
        _d4(
            f"sigma_slope_of_activated_{gate}", _ACTIVATION, _NEURON,
            other_slope(hidden, gate, twice_activated),
        )
        for gate in "fio"
    ),
    _d4("no_tanh_slope_of_c", _ACTIVATION, _PYTHON, lambda s: hidden(s, slope=s.step.o)),
    _d4(
        "tanh_slope_of_activated_c", _ACTIVATION, _NEURON,
        lambda s: hidden(s, slope=s.step.o * tanh_twice(s.step.tanh_c)),
    ),
    _d4(
        "tanh_slope_of_activated_u", _ACTIVATION, _NEURON,
        lambda s: hidden(s, u=s.step.i * tanh_twice(s.step.u)),
    ),
    _d4(
        "tanh_c_for_its_square", _ACTIVATION, _NEURON,
        lambda s: hidden(s, slope=s.step.o * (1 - s.step.tanh_c)),
    ),
    _d4("one_minus_u", _ACTIVATION, _NEURON, lambda s: hidden(s, u=s.step.i * (1 - s.step.u))),
    _d4(
        "i_for_u_in_i_path", _FACTOR, _NEURON,
        lambda s: hidden(s, i=s.step.i * sigmoid_derivative(s.step.i)),
    ),
    _d4(
        "c_for_previous_c", _FACTOR, "nicodjimenez/lstm#47",
        lambda s: hidden(s, f=s.step.c * sigmoid_derivative(s.step.f)),
    ),
    _d4(
        "c_for_tanh_c_in_o_path", _FACTOR, "MartinuzziFrancesco/RecurrentLayers.jl#130",
        lambda s: hidden(s, o=s.step.c * sigmoid_derivative(s.step.o)),
    ),
    _d4(
        "u_for_i_in_u_path", _FACTOR, _NEURON,
        lambda s: hidden(s, u=s.step.u * tanh_derivative(s.step.u)),
    ),
    _d4("no_o_path", _MISSING, "apache/mxnet#4057", without(hidden, "o")),
    *(_d4(f"no_{gate}_path", _MISSING, _AIDOTNET, without(hidden, gate)) for gate in "fiu"),
    _d4(
        "assignment_for_sum", _MISSING, "CaptainE/RNN-LSTM-in-numpy#2",
        without(hidden, "o", "f", "i"),
    ),
    _d4("previous_cell_path", "extra path", "the rival reading of D1", _with_rival_path),
    _d4("U_i_and_U_f_swapped", _ORDER, "NX-AI/xlstm#98", read_as(hidden, i="f", f="i")),
    _d4("U_u_and_U_o_swapped", _ORDER, _ASR, read_as(hidden, u="o", o="u")),
    _d4("U_in_ONNX_order", _ORDER, _ASR, read_as(hidden, f="o", u="f", o="u")),
    _d4(
        "gates_i_and_f_swapped", _ORDER, "apple/coremltools#93",
        swapped_gates(derivatives.hidden_jacobian, "i", "f"),
    ),
    _d4(
        "gates_f_and_o_swapped", _ORDER, "elizaOS/eliza#9501",
        swapped_gates(derivatives.hidden_jacobian, "f", "o"),
    ),
    *(
        _d4(f"U_{gate}_transposed", _ORIENTATION, _RALFIT, transposed_U(hidden, gate))
        for gate in "fiuo"
    ),
    _d4("all_U_transposed", _ORIENTATION, _RALFIT, transposed_U(hidden, *"ifuo")),
    _d4("column_scaling_in_f", _ORIENTATION, "the ambiguous dot of D6", _column_scaled_forget),
    _d4("jacobian_transposed", _ORIENTATION, _RALFIT, transposed(true_hidden)),
    _d4("W_for_U", _ORIENTATION, "synthetic", W_for_U(hidden)),
    _d4(
        "sign_of_u_path", "sign", "MartinuzziFrancesco/torchrecurrent#22",
        lambda s: hidden(s, u=-s.step.i * tanh_derivative(s.step.u)),
    ),
    _d4("sign_of_first_row", "sign", "synthetic", scaled(true_hidden, -1.0, 0)),
    _d4(
        "plus_for_times_in_u_path", "sign", _NEURON,
        lambda s: hidden(s, u=s.step.i + tanh_derivative(s.step.u)),
    ),
    _d4(
        "gates_of_the_next_step", "time index", "bayerj/arac#6",
        lambda s: true_hidden(at_next_state(s)),
    ),
    _d4(
        "right_in_the_first_step_only", "time index", "Element-Research/rnn#31",
        lambda s: true_hidden(at_zero_state(s)),
    ),
    _d4("off_by_1_percent", _SIZE, "synthetic", scaled(true_hidden, 1.01)),
    _d4("off_by_0.1_percent", _SIZE, "synthetic", scaled(true_hidden, 1.001)),
    _d4("off_by_0.01_percent", _SIZE, "synthetic", scaled(true_hidden, 1.0001)),
    _d4("one_entry_off_by_10_percent", _SIZE, "synthetic", scaled(true_hidden, 1.1, 0, -1)),
    _d4("first_row_zero", _SIZE, "synthetic", scaled(true_hidden, 0.0, 0)),
    _d4("last_column_zero", _SIZE, "synthetic", scaled(true_hidden, 0.0, ALL, -1)),
    _d4("all_zero", "zero", "synthetic", lambda s: 0 * s.sets.U[:, FORGET]),
)  # fmt: skip
