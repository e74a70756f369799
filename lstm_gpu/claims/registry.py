"""What is on trial: every claim and reading, with its statement and what an honest trial finds.

`expected` is what the derivation's own document implies for a correct implementation; it is
shown beside the verdict and used by the tests, never by a verdict.
"""

from typing import NamedTuple


class Reading(NamedTuple):
    """One way to read a claim.

    statement : plain text; latex : the same, to be typeset; expected : supported or refuted
    rival : True for a reading that the document does not make, tried because a reader might
    """

    name: str
    statement: str
    latex: str
    expected: str
    rival: bool = False


class Claim(NamedTuple):
    """A claim of the derivation: its id, its number there, a title and its readings."""

    id: str
    number: str
    title: str
    readings: tuple[Reading, ...]


SUPPORTED, REFUTED = "supported", "refuted"
_DH = r"\frac{\partial h_t}{\partial h_{t-1}}"
_SIGMA_PRIME_F = r"\sigma'(W_f x_t + U_f h_{t-1})"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "cell_state_independence",
        "D1",
        "Only the new cell state depends on the old hidden state",
        (
            Reading(
                "as_written",
                "c_t is a function of h_{t-1}, and c_{t-1} never is: set h_{t-1} and c_{t-1} "
                "keeps every bit",
                r"\frac{\partial c_{t-1}}{\partial h_{t-1}} = 0",
                SUPPORTED,
            ),
            Reading(
                "previous_cell_moves",
                "c_{t-1} moves with h_{t-1}, as h_{t-1} = o_{t-1} ∘ tanh(c_{t-1}) suggests: the "
                "hidden Jacobian has the extra term f ∘ ∂c_{t-1}/∂h_{t-1}",
                _DH + r" = \dots + o_t \circ (1 - \tanh^2 c_t) \circ f_t \circ "
                r"\frac{\partial\, \mathrm{atanh}(h_{t-1} / o_{t-1})}{\partial h_{t-1}}",
                REFUTED,
                rival=True,
            ),
            Reading(
                "hidden_product_over_time",
                "dh_T/dh_0 is the product of the hidden Jacobians (measured at T = 2); the path "
                "through the cell state is missing",
                r"\frac{d h_2}{d h_0} = \frac{\partial h_2}{\partial h_1} "
                r"\frac{\partial h_1}{\partial h_0}",
                REFUTED,
                rival=True,
            ),
        ),
    ),
    Claim(
        "product_rule",
        "D2",
        "Product rule for the hidden state",
        (
            Reading(
                "as_written",
                "∂h_t/∂h_{t-1} = tanh(c_t) ∘ ∂o_t/∂h_{t-1} + o_t ∘ ∂tanh(c_t)/∂h_{t-1}, with ∘ "
                "scaling rows",
                _DH + r" = \tanh(c_t) \circ \frac{\partial o_t}{\partial h_{t-1}} + o_t \circ "
                r"\frac{\partial \tanh(c_t)}{\partial h_{t-1}}",
                SUPPORTED,
            ),
        ),
    ),
    Claim(
        "tanh_cell_jacobian",
        "D3",
        "Jacobian of tanh of the cell state",
        (
            Reading(
                "as_written",
                "∂tanh(c_t)/∂h_{t-1} = (1 - tanh²(c_t)) ∘ (c_{t-1} ∘ ∂f_t + u_t ∘ ∂i_t + "
                "i_t ∘ ∂u_t)/∂h_{t-1}",
                r"\frac{\partial \tanh(c_t)}{\partial h_{t-1}} = (1 - \tanh^2(c_t)) \circ \left("
                r"c_{t-1} \circ \frac{\partial f_t}{\partial h_{t-1}} + u_t \circ "
                r"\frac{\partial i_t}{\partial h_{t-1}} + i_t \circ "
                r"\frac{\partial u_t}{\partial h_{t-1}}\right)",
                SUPPORTED,
            ),
            Reading(
                "with_previous_cell_term",
                "the same with f_t ∘ ∂c_{t-1}/∂h_{t-1} carried along, which D1 makes zero",
                r"\dots + (1 - \tanh^2(c_t)) \circ f_t \circ "
                r"\frac{\partial c_{t-1}}{\partial h_{t-1}}, \quad "
                r"\frac{\partial c_{t-1}}{\partial h_{t-1}} = 0",
                SUPPORTED,
            ),
        ),
    ),
    Claim(
        "hidden_jacobian",
        "D4",
        "The full hidden-state Jacobian",
        (
            Reading(
                "as_written",
                "∂h_t/∂h_{t-1} = tanh(c_t) ∘ ∂o_t/∂h_{t-1} + o_t ∘ (1 - tanh²(c_t)) ∘ (c_{t-1} ∘ "
                "∂f_t + u_t ∘ ∂i_t + i_t ∘ ∂u_t)/∂h_{t-1}",
                _DH + r" = \tanh(c_t) \circ \frac{\partial o_t}{\partial h_{t-1}} + o_t \circ "
                r"(1 - \tanh^2(c_t)) \circ \left(c_{t-1} \circ "
                r"\frac{\partial f_t}{\partial h_{t-1}} + u_t \circ "
                r"\frac{\partial i_t}{\partial h_{t-1}} + i_t \circ "
                r"\frac{\partial u_t}{\partial h_{t-1}}\right)",
                SUPPORTED,
            ),
        ),
    ),
    Claim(
        "sigmoid_derivative",
        "D5",
        "Derivative of the sigmoid",
        (
            Reading(
                "exponential_square",
                "σ'(z) = e^{-z} (1 + e^{-z})^{-2}, in exact arithmetic",
                r"\sigma'(z) = e^{-z} (1 + e^{-z})^{-2}",
                SUPPORTED,
            ),
            Reading(
                "product_of_quotients",
                "σ'(z) = e^{-z}/(1 + e^{-z}) · 1/(1 + e^{-z}), in exact arithmetic",
                r"\sigma'(z) = \frac{e^{-z}}{1 + e^{-z}} \cdot \frac{1}{1 + e^{-z}}",
                SUPPORTED,
            ),
            Reading(
                "difference_of_quotients",
                "σ'(z) = ((1 + e^{-z})/(1 + e^{-z}) - 1/(1 + e^{-z})) σ(z), in exact arithmetic",
                r"\sigma'(z) = \left(\frac{1 + e^{-z}}{1 + e^{-z}} - \frac{1}{1 + e^{-z}}\right) "
                r"\sigma(z)",
                SUPPORTED,
            ),
            Reading(
                "sigma_one_minus_sigma",
                "σ'(z) = (1 - σ(z)) σ(z), in exact arithmetic",
                r"\sigma'(z) = (1 - \sigma(z))\, \sigma(z)",
                SUPPORTED,
            ),
        ),
    ),
    Claim(
        "forget_gate_jacobian",
        "D6",
        "Jacobian of the forget gate",
        (
            Reading(
                "row_scaling",
                "∂f_t/∂h_{t-1} = diag(σ') U_f: row k of U_f times σ'_k",
                r"\frac{\partial f_t}{\partial h_{t-1}} = \mathrm{diag}("
                + _SIGMA_PRIME_F
                + ") U_f",
                SUPPORTED,
            ),
            Reading(
                "column_scaling",
                "∂f_t/∂h_{t-1} = U_f diag(σ'): column j of U_f times σ'_j",
                r"\frac{\partial f_t}{\partial h_{t-1}} = U_f\, \mathrm{diag}("
                + _SIGMA_PRIME_F
                + ")",
                REFUTED,
            ),
            Reading(
                "matrix_vector",
                "∂f_t/∂h_{t-1} = U_f σ', the matrix-vector product: n numbers where n × n are "
                "due, spread here over the columns",
                r"\frac{\partial f_t}{\partial h_{t-1}} = U_f\, " + _SIGMA_PRIME_F,
                REFUTED,
            ),
        ),
    ),
    Claim(
        "forget_gate_argmax",
        "D7",
        "The unit vector that drives a forget gate highest",
        (
            Reading(
                "zero_input",
                "with x_t = 0, argmax over ‖h‖ = 1 of f_t^(d) is U_f^(d)/‖U_f^(d)‖, given "
                "U_f^(d) ≠ 0",
                r"\arg\max_{\|h\| = 1} f_t^{(d)} = \frac{U_f^{(d)}}{\|U_f^{(d)}\|}, \quad x_t = 0",
                SUPPORTED,
            ),
            Reading(
                "any_input",
                "the same with any x_t, and with a bias",
                r"\arg\max_{\|h\| = 1} f_t^{(d)} = \frac{U_f^{(d)}}{\|U_f^{(d)}\|}, \quad "
                r"\text{any } x_t",
                SUPPORTED,
            ),
        ),
    ),
    Claim(
        "forget_gate_maximum",
        "D8",
        "The maximum of a forget gate",
        (
            Reading(
                "gate_equals_norm",
                "as written: the maximum of f_t^(d) is ‖U_f^(d)‖",
                r"\max_{\|h\| = 1} f_t^{(d)} = \|U_f^{(d)}\|",
                REFUTED,
            ),
            Reading(
                "preactivation_equals_norm",
                "the maximum of the preactivation is ‖U_f^(d)‖",
                r"\max_{\|h\| = 1} U_f^{(d)} h = \|U_f^{(d)}\|",
                SUPPORTED,
            ),
            Reading(
                "gate_equals_sigmoid_of_norm",
                "the maximum of f_t^(d) is σ(‖U_f^(d)‖)",
                r"\max_{\|h\| = 1} f_t^{(d)} = \sigma(\|U_f^{(d)}\|)",
                SUPPORTED,
            ),
        ),
    ),
    Claim(
        "input_irrelevance",
        "D9",
        "What the input does to argmax and maximum",
        (
            Reading(
                "zero_input",
                "with x_t = 0, W_f^(d) x_t changes neither argmax nor maximum",
                r"x_t = 0: \quad W_f^{(d)} x_t \text{ moves neither argmax nor max}",
                SUPPORTED,
            ),
            Reading(
                "argmax_any_input",
                "with any x_t, and with a bias, the argmax stays",
                r"x_t \neq 0: \quad W_f^{(d)} x_t \text{ does not move the argmax}",
                SUPPORTED,
            ),
            Reading(
                "maximum_any_input",
                "with any x_t, and with a bias, the maximum stays",
                r"x_t \neq 0: \quad W_f^{(d)} x_t \text{ does not move the max}",
                REFUTED,
            ),
        ),
    ),
)


def reading(claim_id: str, name: str) -> tuple[Claim, Reading]:
    """Find a claim and a reading by their ids; KeyError with the id where there is none."""
    for claim in CLAIMS:
        if claim.id == claim_id:
            for candidate in claim.readings:
                if candidate.name == name:
                    return claim, candidate
    raise KeyError(f"{claim_id}/{name}")
