"""The vocabulary of the mutants: the true formulas with parts of them exchanged."""

from collections.abc import Callable
from typing import Any, NamedTuple

from lstm_gpu import cell, derivatives
from lstm_gpu.backend import namespace_of
from lstm_gpu.cell import CANDIDATE, FORGET, INPUT, OUTPUT, Step
from lstm_gpu.derivatives import rows, sigmoid_derivative, tanh_derivative

Array = Any

GATE = {"i": INPUT, "f": FORGET, "u": CANDIDATE, "o": OUTPUT}
ALL = slice(None)


class Subject(NamedTuple):
    """What a formula may use: the weight sets, the evaluated step, measured factor Jacobians."""

    sets: Any
    step: Step
    measured: dict[str, Array]


Formula = Callable[[Subject], Any]


class Mutant(NamedTuple):
    """A wrong formula: ``formula(subject) -> (sets, n, n)``, or None where the slip cannot be made.

    seen : project#issue, or "synthetic"
    """

    name: str
    claim: str
    family: str
    seen: str
    formula: Formula


def of_claim(claim: str) -> Callable[[str, str, str, Formula], Mutant]:
    return lambda name, family, seen, formula: Mutant(name, claim, family, seen, formula)


# --- The formulas, with row factors, slopes and matrices that may be replaced ---------------------


def row_factors(s: Subject) -> dict[str, Array]:
    """The true row factors of D4 (sets, n) by gate: what scales the rows of that gate's U."""
    step = s.step
    return {
        "o": step.tanh_c * sigmoid_derivative(step.o),
        "f": s.sets.c_prev * sigmoid_derivative(step.f),
        "i": step.u * sigmoid_derivative(step.i),
        "u": step.i * tanh_derivative(step.u),
    }


def tanh_cell(
    s: Subject, slope: Array | None = None, U: Array | None = None, **factors: Any
) -> Any:
    """D3 with parts replaced: t' ∘ (c f' U_f + u i' U_i + i u' U_u).

    slope replaces t' = 1 - tanh²(c_t); f, i, u replace the row factor of that gate's U.
    """
    p = row_factors(s) | factors
    U = s.sets.U if U is None else U
    bracket = (
        rows(p["f"]) * U[:, FORGET] + rows(p["i"]) * U[:, INPUT] + rows(p["u"]) * U[:, CANDIDATE]
    )
    return rows(tanh_derivative(s.step.tanh_c) if slope is None else slope) * bracket


def hidden(s: Subject, slope: Array | None = None, U: Array | None = None, **factors: Any) -> Any:
    """D4 with parts replaced: t ∘ o' U_o + o ∘ D3, where o replaces the row factor of U_o.

    slope replaces o_t ∘ (1 - tanh²(c_t)).
    """
    o = factors.pop("o", None)
    o = row_factors(s)["o"] if o is None else o
    slope = s.step.o * tanh_derivative(s.step.tanh_c) if slope is None else slope
    matrices = s.sets.U if U is None else U
    return rows(o) * matrices[:, OUTPUT] + tanh_cell(s, slope, U, **factors)


Changed = Callable[..., Any]  # `hidden` or `tanh_cell`


def true_hidden(s: Subject) -> Array:
    return derivatives.hidden_jacobian(s.step, s.sets.U, s.sets.c_prev)


def true_tanh_cell(s: Subject) -> Array:
    return derivatives.tanh_cell_jacobian(s.step, s.sets.U, s.sets.c_prev)


def true_forget(s: Subject) -> Array:
    return derivatives.forget_gate_jacobian(s.step, s.sets.U)


# --- Slips that several formulas share ------------------------------------------------------------


def other_slope(of: Changed, gate: str, slope: Callable[[Array], Array]) -> Formula:
    """Another function of the activated gate (i, f or o) where sigma' belongs."""

    def formula(s: Subject) -> Array:
        beside = {"o": s.step.tanh_c, "f": s.sets.c_prev, "i": s.step.u}[gate]
        return of(s, **{gate: beside * slope(getattr(s.step, gate))})

    return formula


def activated(value: Array) -> Array:
    """Sigma in place of sigma'."""
    return value


def twice_activated(value: Array) -> Array:
    """sigma' taken of an already activated value."""
    return sigmoid_derivative(cell.sigmoid(value))


def tanh_twice(value: Array) -> Array:
    """tanh' taken of an already activated value."""
    return tanh_derivative(namespace_of(value).tanh(value))


def without(of: Changed, *gates: str) -> Formula:
    """The paths of these gates are missing."""
    return lambda s: of(s, **dict.fromkeys(gates, 0 * s.step.o))


def read_as(of: Changed, **order: str) -> Formula:
    """U_f = "o" reads: where U_f belongs stands the matrix U_o; and so for the other gates."""

    def formula(s: Subject) -> Array:
        U = s.sets.U.copy()
        for gate, other in order.items():
            U[:, GATE[gate]] = s.sets.U[:, GATE[other]]
        return of(s, U=U)

    return formula


def swapped_gates(of: Callable[..., Array], first: str, second: str) -> Formula:
    """A formula of `derivatives` with two gates exchanged: the activated values and their U."""

    def formula(s: Subject) -> Array:
        names = ("z", "i", "f", "u", "o", "c", "tanh_c", "h")
        values = {name: getattr(s.step, name) for name in names}
        values[first], values[second] = values[second], values[first]
        U = s.sets.U.copy()
        U[:, GATE[first]] = s.sets.U[:, GATE[second]]
        U[:, GATE[second]] = s.sets.U[:, GATE[first]]
        return of(Step(**values), U, s.sets.c_prev)

    return formula


def transposed_U(of: Changed, *gates: str) -> Formula:
    """The matrices of these gates are transposed."""

    def formula(s: Subject) -> Array:
        U = s.sets.U.copy()
        for gate in gates:
            U[:, GATE[gate]] = namespace_of(U).swapaxes(s.sets.U[:, GATE[gate]], 1, 2)
        return of(s, U=U)

    return formula


def transposed(of: Formula) -> Formula:
    """The whole Jacobian is transposed."""
    return lambda s: namespace_of(s.step.h).swapaxes(of(s), 1, 2)


def at_next_state(s: Subject) -> Subject:
    """The gates of the wrong step: evaluated at h_t where h_{t-1} belongs."""
    return s._replace(step=cell.step(s.sets, h=s.step.h))


def at_zero_state(s: Subject) -> Subject:
    """The gates without U h_{t-1}: right in the first step, which starts from zero."""
    return s._replace(step=cell.step(s.sets, h=0 * s.sets.h_prev))


def W_for_U(of: Changed) -> Formula:
    """W in place of U, which only m = n lets pass."""
    return lambda s: of(s, U=s.sets.W) if s.sets.W.shape == s.sets.U.shape else None


def rival_cell_path(s: Subject) -> Array:
    """D3 with f_t ∘ ∂c_{t-1}/∂h_{t-1} as c_{t-1} = atanh(h_{t-1}/o_{t-1}) would have it."""
    moved = derivatives.rival_previous_cell_jacobian(s.sets.h_prev, s.sets.o_prev)
    J = true_tanh_cell(s)
    at = namespace_of(J).arange(J.shape[-1])
    J[:, at, at] += tanh_derivative(s.step.tanh_c) * s.step.f * moved
    return J


def scaled(of: Formula, factor: float, *part: Any) -> Formula:
    """The right Jacobian with a part of it, [sets, rows, columns], multiplied."""

    def formula(s: Subject) -> Array:
        J = of(s)
        J[(ALL, *part)] *= factor
        return J

    return formula
