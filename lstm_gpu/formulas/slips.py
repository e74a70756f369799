"""The derivation's formula of each quantity, and the wrong ones that people write for it.

A catalogue holds only slips that can be made in the formula of its quantity, under names that are
true of it: ∂f_t has no u that i could stand for, and ∂h_t/∂x_t has W where ∂h_t/∂h_{t-1} has U. So
each quantity has its own. That of D4 is the claims', with the columns of every path and the swap of
the gates i and o besides.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lstm_gpu import cell, derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.claims.hidden_mutants import HIDDEN_MUTANTS
from lstm_gpu.claims.mutation import (
    ALL,
    GATE,
    Changed,
    Subject,
    W_for_U,
    activated,
    hidden,
    other_slope,
    read_as,
    rival_cell_path,
    scaled,
    swapped_gates,
    tanh_cell,
    tanh_twice,
    transposed,
    transposed_U,
    twice_activated,
    without,
)
from lstm_gpu.derivatives import columns, rows, sigmoid_derivative, tanh_derivative

Array = Any
Slip = Callable[[Subject], Array | None]  # None where it cannot be made: W for U wants m = n
Catalogue = dict[str, Slip]

# (of, by) as in `Quantity` -> the derivation's formula; by c_{t-1} its diagonal (sets, n). By x_t
# it is the one by h_{t-1} of a subject in which (W, x) and (U, h) have changed places.
TRUTHS: dict[tuple[str, str], Callable[[Subject], Array]] = {
    ("h", "h"): lambda s: derivatives.hidden_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ("h", "x"): lambda s: derivatives.hidden_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ("tanh_c", "h"): lambda s: derivatives.tanh_cell_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ("c", "h"): lambda s: derivatives.cell_jacobian(s.step, s.sets.U, s.sets.c_prev),
    ("i", "h"): lambda s: derivatives.input_gate_jacobian(s.step, s.sets.U),
    ("f", "h"): lambda s: derivatives.forget_gate_jacobian(s.step, s.sets.U),
    ("o", "h"): lambda s: derivatives.output_gate_jacobian(s.step, s.sets.U),
    ("u", "h"): lambda s: derivatives.candidate_jacobian(s.step, s.sets.U),
    ("c", "c"): lambda s: s.step.f,
    ("h", "c"): lambda s: derivatives.hidden_by_cell_jacobian(s.step),
}


# --- Slips that every matrix has ------------------------------------------------------------------


def _at(state: Callable[[Subject], Array], of: tuple[str, str]) -> Slip:
    """The formula with the gates of another previous hidden state."""
    entry = "x" if of[1] == "x" else "h_prev"  # by x_t it stands in the place of x

    def formula(s: Subject) -> Array:
        moved = cell.step(replace(s.sets, **{entry: state(s)}))
        return TRUTHS[of](s._replace(step=moved))

    return formula


def _any(of: tuple[str, str]) -> Catalogue:
    truth = TRUTHS[of]
    previous = "x" if of[1] == "x" else "h_prev"
    return {
        "sign_of_first_row": scaled(truth, -1.0, 0),
        "gates_of_the_next_step": _at(lambda s: s.step.h, of),
        "right_in_the_first_step_only": _at(lambda s: 0 * getattr(s.sets, previous), of),
        "off_by_1_percent": scaled(truth, 1.01),
        "off_by_0.1_percent": scaled(truth, 1.001),
        "off_by_0.01_percent": scaled(truth, 1.0001),
        "one_entry_off_by_10_percent": scaled(truth, 1.1, 0, -1),
        "first_row_zero": scaled(truth, 0.0, 0),
        "last_column_zero": scaled(truth, 0.0, ALL, -1),
        "all_zero": scaled(truth, 0.0),
    }


def _slope(gate: str) -> Callable[[Array], Array]:
    return tanh_derivative if gate == "u" else sigmoid_derivative


def _column_scaling(of: Changed, gate: str, factor: Callable[[Subject], Array]) -> Slip:
    """factor ∘ U_g diag(g') where factor ∘ diag(g') U_g belongs, in the path of gate g."""
    rest = without(of, gate)

    def formula(s: Subject) -> Array:
        slope = _slope(gate)(getattr(s.step, gate))
        return rest(s) + rows(factor(s)) * s.sets.U[:, GATE[gate]] * columns(slope)

    return formula


# --- ∂h_t -----------------------------------------------------------------------------------------


def _hidden() -> Catalogue:
    beside: dict[str, Callable[[Subject], Array]] = {
        "i": lambda s: s.step.u * s.step.o * tanh_derivative(s.step.tanh_c),
        "u": lambda s: s.step.i * s.step.o * tanh_derivative(s.step.tanh_c),
        "o": lambda s: s.step.tanh_c,
    }
    return {
        **{mutant.name: mutant.formula for mutant in HIDDEN_MUTANTS},
        "gates_i_and_o_swapped": swapped_gates(derivatives.hidden_jacobian, "i", "o"),
        **{f"column_scaling_in_{g}": _column_scaling(hidden, g, f) for g, f in beside.items()},
    }


def _if_square(slip: Slip) -> Slip:
    return lambda s: slip(s) if s.sets.U.shape[-1] == s.sets.U.shape[-2] else None


def _hidden_by_input() -> Catalogue:
    """D4's with W_g, n × m, in the place of U_g: only m = n lets a transpose pass.

    c_{t-1} has no path to x_t, and the gates of another step are those of another h_{t-1}.
    """
    orientation = {m.name for m in HIDDEN_MUTANTS if m.family == "matrix orientation"}
    absent = {m.name for m in HIDDEN_MUTANTS if m.family in ("extra path", "time index")}
    found: Catalogue = {}
    for name, slip in _hidden().items():
        if name == "W_for_U":
            found["U_for_W"] = slip  # of the exchanged weight sets
        elif name not in absent:
            needs_square = name in orientation or name.startswith("column_scaling")
            found[name.replace("U_", "W_")] = _if_square(slip) if needs_square else slip
    return {**found, **_any(("h", "x"))}


# --- ∂tanh(c_t) and ∂c_t --------------------------------------------------------------------------


def _cell(s: Subject, U: Array | None = None, **factors: Any) -> Array:
    """The bracket of D3 with parts replaced, as in `tanh_cell`."""
    return tanh_cell(s, 1 + 0 * s.step.o, U, **factors)


def _of_cell(name: str, of: Changed, whole: Callable[..., Array], outer: Slip) -> Catalogue:
    """Slips in the paths of f, i and u.

    whole(step, U, c_prev) is the formula, `of` the one with parts replaced, outer what scales the
    rows of the whole bracket.
    """
    beside: dict[str, Callable[[Subject], Array]] = {
        "f": lambda s: outer(s) * s.sets.c_prev,
        "i": lambda s: outer(s) * s.step.u,
        "u": lambda s: outer(s) * s.step.i,
    }
    return {
        **{f"sigma_for_slope_in_{g}": other_slope(of, g, activated) for g in "fi"},
        **{f"sigma_slope_of_activated_{g}": other_slope(of, g, twice_activated) for g in "fi"},
        "tanh_slope_of_activated_u": lambda s: of(s, u=s.step.i * tanh_twice(s.step.u)),
        "one_minus_u": lambda s: of(s, u=s.step.i * (1 - s.step.u)),
        "i_for_u_in_i_path": lambda s: of(s, i=s.step.i * sigmoid_derivative(s.step.i)),
        "c_for_previous_c": lambda s: of(s, f=s.step.c * sigmoid_derivative(s.step.f)),
        "u_for_i_in_u_path": lambda s: of(s, u=s.step.u * tanh_derivative(s.step.u)),
        **{f"no_{g}_path": without(of, g) for g in "fiu"},
        "assignment_for_sum": without(of, "f", "i"),
        "U_i_and_U_f_swapped": read_as(of, i="f", f="i"),
        "U_o_for_U_u": read_as(of, u="o"),
        "U_in_ONNX_order": read_as(of, f="o", u="f"),
        "gates_i_and_f_swapped": swapped_gates(whole, "i", "f"),
        "gates_f_and_o_swapped": swapped_gates(whole, "f", "o"),
        "gates_i_and_o_swapped": swapped_gates(whole, "i", "o"),
        **{f"U_{g}_transposed": transposed_U(of, g) for g in "fiu"},
        "all_U_transposed": transposed_U(of, *"fiu"),
        **{f"column_scaling_in_{g}": _column_scaling(of, g, f) for g, f in beside.items()},
        "jacobian_transposed": transposed(TRUTHS[name, "h"]),
        "W_for_U": W_for_U(of),
        "sign_of_u_path": lambda s: of(s, u=-s.step.i * tanh_derivative(s.step.u)),
        "plus_for_times_in_u_path": lambda s: of(s, u=s.step.i + tanh_derivative(s.step.u)),
        **_any((name, "h")),
    }


def _tanh_cell() -> Catalogue:
    def slope(s: Subject) -> Array:
        return tanh_derivative(s.step.tanh_c)

    return {
        **_of_cell("tanh_c", tanh_cell, derivatives.tanh_cell_jacobian, slope),
        "previous_cell_path": rival_cell_path,
        "no_tanh_slope_of_c": _cell,
        "tanh_slope_of_activated_c": lambda s: tanh_cell(s, tanh_twice(s.step.tanh_c)),
        "tanh_c_for_its_square": lambda s: tanh_cell(s, 1 - s.step.tanh_c),
    }


def _cell_with_rival_path(s: Subject) -> Array:
    """∂c_t with f_t ∘ ∂c_{t-1}/∂h_{t-1} as c_{t-1} = atanh(h_{t-1}/o_{t-1}) would have it."""
    moved = derivatives.rival_previous_cell_jacobian(s.sets.h_prev, s.sets.o_prev)
    J = TRUTHS["c", "h"](s)
    at = namespace_of(J).arange(J.shape[-1])
    J[:, at, at] += s.step.f * moved
    return J


def _cell_state() -> Catalogue:
    return {
        **_of_cell("c", _cell, derivatives.cell_jacobian, lambda s: 1 + 0 * s.step.o),
        "previous_cell_path": _cell_with_rival_path,
    }


# --- ∂i_t, ∂f_t, ∂u_t and ∂o_t --------------------------------------------------------------------


def _other_slopes(gate: str) -> dict[str, Callable[[Array], Array]]:
    """Other functions of the activated gate where its slope belongs."""
    if gate == "u":
        return {
            "tanh_for_slope_in_u": activated,
            "tanh_slope_of_activated_u": tanh_twice,
            "one_minus_u": lambda u: 1 - u,
            "sigma_slope_for_tanh_slope_in_u": sigmoid_derivative,
        }
    return {
        f"sigma_for_slope_in_{gate}": activated,
        f"sigma_slope_of_activated_{gate}": twice_activated,
        f"tanh_slope_for_sigma_slope_in_{gate}": tanh_derivative,
    }


def _gate(gate: str) -> Catalogue:
    """Slips of diag(g') U_g.

    Two swapped gates are the Jacobian of the other: its values, its slope and its matrix.
    """

    def of(s: Subject, U: Array | None = None, **factors: Array) -> Array:
        factor = factors.get(gate, _slope(gate)(getattr(s.step, gate)))
        return rows(factor) * (s.sets.U if U is None else U)[:, GATE[gate]]

    def with_slope(slope: Callable[[Array], Array]) -> Slip:
        return lambda s: of(s, **{gate: slope(getattr(s.step, gate))})

    truth = TRUTHS[gate, "h"]
    others = [other for other in GATE if other != gate]
    pairs = {other: sorted((gate, other), key=cell.GATES.index) for other in others}
    return {
        **{name: with_slope(slope) for name, slope in _other_slopes(gate).items()},
        **{f"U_{other}_for_U_{gate}": read_as(of, **{gate: other}) for other in others},
        **{f"gates_{a}_and_{b}_swapped": TRUTHS[o, "h"] for o, (a, b) in pairs.items()},
        f"U_{gate}_transposed": transposed_U(of, gate),
        f"column_scaling_in_{gate}": _column_scaling(of, gate, lambda s: 1 + 0 * s.step.o),
        "jacobian_transposed": transposed(truth),
        "W_for_U": W_for_U(of),
        "sign": scaled(truth, -1.0),
        **_any((gate, "h")),
    }


# --- The diagonals of ∂c_t/∂c_{t-1} = f and of ∂h_t/∂c_{t-1} = o ∘ (1 - tanh²(c_t)) ∘ f -----------

_CELL_BY_CELL: Catalogue = {
    "i_for_f": lambda s: s.step.i,
    "o_for_f": lambda s: s.step.o,
    "slope_for_f": lambda s: sigmoid_derivative(s.step.f),
    "one_minus_f": lambda s: 1 - s.step.f,
    "no_forget_gate": lambda s: 0 * s.step.f + 1,
    "sign": lambda s: -s.step.f,
    "off_by_1_percent": lambda s: 1.01 * s.step.f,
    "off_by_0.01_percent": lambda s: 1.0001 * s.step.f,
    "all_zero": lambda s: 0 * s.step.f,
}

_HIDDEN_BY_CELL: Catalogue = {
    "i_for_f": lambda s: s.step.o * tanh_derivative(s.step.tanh_c) * s.step.i,
    "i_for_o": lambda s: s.step.i * tanh_derivative(s.step.tanh_c) * s.step.f,
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
}

# (of, by) -> name -> wrong formula
CATALOGUES: dict[tuple[str, str], Catalogue] = {
    ("h", "h"): _hidden(),
    ("h", "x"): _hidden_by_input(),
    ("tanh_c", "h"): _tanh_cell(),
    ("c", "h"): _cell_state(),
    **{(gate, "h"): _gate(gate) for gate in cell.GATES},
    ("c", "c"): _CELL_BY_CELL,
    ("h", "c"): _HIDDEN_BY_CELL,
}
