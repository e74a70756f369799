"""The derivation's formulas, one function per equation, and nothing else.

Every function takes an evaluated `Step` and what else its equation names, and returns
Jacobians (sets, n, n) with entry [s, k, j] = ∂(quantity)[k]/∂h_{t-1}[j] at fixed W, U, x_t
and c_{t-1}. A vector times a Jacobian scales its rows: `rows(v) * J` is the `v ∘ J` of the text.
The equation numbers are those of the derivation (D1 to D9); docs/derivation.md lists them.
"""

from typing import Any

from lstm_gpu.cell import CANDIDATE, FORGET, INPUT, OUTPUT, Step

Array = Any


def rows(vector: Array) -> Array:
    """A vector (sets, n) as the row scaling (sets, n, 1) of a Jacobian."""
    return vector[..., :, None]


def columns(vector: Array) -> Array:
    """A vector (sets, n) as the column scaling (sets, 1, n) of a Jacobian."""
    return vector[..., None, :]


def sigmoid_derivative(activated: Array) -> Array:
    """D5, last form: sigma' = (1 - sigma) sigma, of the activated value sigma."""
    return (1 - activated) * activated


def tanh_derivative(activated: Array) -> Array:
    """tanh' = 1 - tanh², of the activated value tanh."""
    return 1 - activated * activated


def input_gate_jacobian(step: Step, U: Array) -> Array:
    """D6's form for i: ∂i_t/∂h_{t-1} = diag(sigma'(z_i)) U_i."""
    return rows(sigmoid_derivative(step.i)) * U[:, INPUT]


def forget_gate_jacobian(step: Step, U: Array) -> Array:
    """D6, row-scaling reading: ∂f_t/∂h_{t-1} = diag(sigma'(z_f)) U_f."""
    return rows(sigmoid_derivative(step.f)) * U[:, FORGET]


def forget_gate_column_scaling(step: Step, U: Array) -> Array:
    """D6, column-scaling reading: U_f diag(sigma'(z_f))."""
    return U[:, FORGET] * columns(sigmoid_derivative(step.f))


def forget_gate_matrix_vector(step: Step, U: Array) -> Array:
    """D6, matrix-vector reading: U_f sigma'(z_f), n numbers where n × n are due.

    The vector is spread over the columns, [k, j] -> v[k], as array libraries broadcast it.
    """
    vector = (U[:, FORGET] * columns(sigmoid_derivative(step.f))).sum(axis=-1)
    return rows(vector) + 0 * U[:, FORGET]


def candidate_jacobian(step: Step, U: Array) -> Array:
    """∂u_t/∂h_{t-1} = diag(1 - u²) U_u."""
    return rows(tanh_derivative(step.u)) * U[:, CANDIDATE]


def output_gate_jacobian(step: Step, U: Array) -> Array:
    """D6's form for o: ∂o_t/∂h_{t-1} = diag(sigma'(z_o)) U_o."""
    return rows(sigmoid_derivative(step.o)) * U[:, OUTPUT]


def product_rule(step: Step, d_output: Array, d_tanh_c: Array) -> Array:
    """D2: ∂h_t/∂h_{t-1} = tanh(c_t) ∘ ∂o_t/∂h_{t-1} + o_t ∘ ∂tanh(c_t)/∂h_{t-1}."""
    return rows(step.tanh_c) * d_output + rows(step.o) * d_tanh_c


def cell_jacobian(step: Step, U: Array, c_prev: Array) -> Array:
    """∂c_t/∂h_{t-1} = c_{t-1} ∘ ∂f_t + u_t ∘ ∂i_t + i_t ∘ ∂u_t (the bracket of D3)."""
    return (
        rows(c_prev) * forget_gate_jacobian(step, U)
        + rows(step.u) * input_gate_jacobian(step, U)
        + rows(step.i) * candidate_jacobian(step, U)
    )


def tanh_cell_jacobian(step: Step, U: Array, c_prev: Array) -> Array:
    """D3: ∂tanh(c_t)/∂h_{t-1} = (1 - tanh²(c_t)) ∘ ∂c_t/∂h_{t-1}."""
    return rows(tanh_derivative(step.tanh_c)) * cell_jacobian(step, U, c_prev)


def tanh_cell_jacobian_with_previous(step: Step, U: Array, c_prev: Array, d_c_prev: Array) -> Array:
    """D3 before D1 is used: the bracket still carries f_t ∘ ∂c_{t-1}/∂h_{t-1}."""
    bracket = cell_jacobian(step, U, c_prev) + rows(step.f) * d_c_prev
    return rows(tanh_derivative(step.tanh_c)) * bracket


def hidden_jacobian(step: Step, U: Array, c_prev: Array) -> Array:
    """D4: ∂h_t/∂h_{t-1}, D3 put into D2."""
    return product_rule(step, output_gate_jacobian(step, U), tanh_cell_jacobian(step, U, c_prev))


def hidden_by_cell_jacobian(step: Step) -> Array:
    """Diagonal (sets, n) of ∂h_t/∂c_{t-1} = o_t ∘ (1 - tanh²(c_t)) ∘ f_t at fixed h_{t-1}."""
    return step.o * tanh_derivative(step.tanh_c) * step.f


def rival_previous_cell_jacobian(h_prev: Array, o_prev: Array) -> Array:
    """The rival reading of D1: diagonal (sets, n) of ∂c_{t-1}/∂h_{t-1} if c moved with h.

    From h_{t-1} = o_{t-1} ∘ tanh(c_{t-1}): c_{t-1} = atanh(h_{t-1}/o_{t-1}), so the derivative
    is 1/(o_{t-1} (1 - (h_{t-1}/o_{t-1})²)).
    """
    ratio = h_prev / o_prev
    return 1 / (o_prev * (1 - ratio * ratio))
