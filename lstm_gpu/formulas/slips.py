"""Slips of readers' formulas that the claims' catalogue lacks."""

from collections.abc import Callable
from typing import Any

from lstm_gpu import derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.cell import CANDIDATE, INPUT, OUTPUT
from lstm_gpu.derivatives import columns, rows, sigmoid_derivative, tanh_derivative
from lstm_gpu.mutants import Subject

Array = Any
Slip = Callable[[Subject], Array]


def _o_columns(s: Subject) -> Array:
    step = s.step
    right = derivatives.output_gate_jacobian(step, s.sets.U)
    wrong = s.sets.U[:, OUTPUT] * columns(sigmoid_derivative(step.o))
    return derivatives.hidden_jacobian(step, s.sets.U, s.sets.c_prev) + rows(step.tanh_c) * (
        wrong - right
    )


def _cell_columns(gate: int, beside: str, slope: Callable[[Subject], Array]) -> Slip:
    """U_g diag(slope) where diag(slope) U_g belongs, in the path of i or u."""

    def formula(s: Subject) -> Array:
        step, U = s.step, s.sets.U[:, gate]
        swapped = U * columns(slope(s)) - rows(slope(s)) * U
        whole = rows(step.o * tanh_derivative(step.tanh_c) * getattr(step, beside))
        return derivatives.hidden_jacobian(step, s.sets.U, s.sets.c_prev) + whole * swapped

    return formula


# Of D4 and, with its paths off, of the quantities that it holds; that of f is in the catalogue.
COLUMNS: dict[str, Slip] = {
    "column_scaling_in_i": _cell_columns(INPUT, "u", lambda s: sigmoid_derivative(s.step.i)),
    "column_scaling_in_u": _cell_columns(CANDIDATE, "i", lambda s: tanh_derivative(s.step.u)),
    "column_scaling_in_o": _o_columns,
}

# Slips of the diagonals of ∂c_t/∂c_{t-1} = f and of ∂h_t/∂c_{t-1} = o ∘ (1 - tanh²(c_t)) ∘ f.
BY_CELL_MUTANTS: dict[str, dict[str, Callable[[Subject], Array]]] = {
    "c": {
        "i_for_f": lambda s: s.step.i,
        "o_for_f": lambda s: s.step.o,
        "slope_for_f": lambda s: sigmoid_derivative(s.step.f),
        "one_minus_f": lambda s: 1 - s.step.f,
        "no_forget_gate": lambda s: 0 * s.step.f + 1,
        "sign": lambda s: -s.step.f,
        "off_by_1_percent": lambda s: 1.01 * s.step.f,
        "off_by_0.01_percent": lambda s: 1.0001 * s.step.f,
        "all_zero": lambda s: 0 * s.step.f,
    },
    "h": {
        "i_for_f": lambda s: s.step.o * tanh_derivative(s.step.tanh_c) * s.step.i,
        "slope_for_f": lambda s: (
            s.step.o * tanh_derivative(s.step.tanh_c) * sigmoid_derivative(s.step.f)
        ),
        "no_forget_gate": lambda s: s.step.o * tanh_derivative(s.step.tanh_c),
        "no_output_gate": lambda s: tanh_derivative(s.step.tanh_c) * s.step.f,
        "no_tanh_slope_of_c": lambda s: s.step.o * s.step.f,
        "tanh_for_its_square": lambda s: s.step.o * (1 - s.step.tanh_c) * s.step.f,
        "tanh_for_its_slope": lambda s: s.step.h * s.step.f,
        "slope_of_previous_cell": lambda s: (
            s.step.o * tanh_derivative(namespace_of(s.step.h).tanh(s.sets.c_prev)) * s.step.f
        ),
        "sign": lambda s: -derivatives.hidden_by_cell_jacobian(s.step),
        "off_by_1_percent": lambda s: 1.01 * derivatives.hidden_by_cell_jacobian(s.step),
        "off_by_0.01_percent": lambda s: 1.0001 * derivatives.hidden_by_cell_jacobian(s.step),
        "all_zero": lambda s: 0 * s.step.f,
    },
}
