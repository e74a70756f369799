"""Wrong answers to "which unit vector drives a forget gate highest, and how high?".

Slips of the argmax family, put through the same trials on the same inputs as the claims D7 to
D9. Where a slip does not exist (another row at n = 1, W for U with m ≠ n) its formula is None.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from lstm_gpu import cell
from lstm_gpu.sphere.rounding import Rows, unit

Array = Any


class GateSubject(NamedTuple):
    """What a wrong formula may use.

    W_f (sets, n, m), U_f (sets, n, n), x (sets, m), b (sets, n), the claims' own `rows`, and
    the namespace of the arrays.
    """

    W_f: Array
    U_f: Array
    x: Array
    b: Array
    rows: Rows
    xp: Any


class GateMutant(NamedTuple):
    """A wrong formula for directions (sets, n, n) or for maxima (sets, n).

    readings : the readings that it is a slip of
    """

    name: str
    claim: str
    readings: tuple[str, ...]
    family: str
    seen: str
    formula: Callable[[GateSubject], Array | None]


def _unit(vectors: Array, s: GateSubject) -> Array:
    return unit(vectors, s.xp)[0]


def _another(formula: Callable[[GateSubject], Array]) -> Callable[[GateSubject], Array | None]:
    """A slip that needs a second row or a second component to exist."""
    return lambda s: None if s.U_f.shape[-1] == 1 else formula(s)


def rotated(direction: Array, radians: float, xp: Any) -> Array:
    """Turn unit vectors by an angle, towards the axis that they are furthest from."""
    n = direction.shape[-1]
    axis = xp.abs(direction).argmin(axis=-1)[..., None] == xp.arange(n)
    axis = axis.astype(direction.dtype)
    along = (axis * direction).sum(axis=-1, keepdims=True)
    tangent, _ = unit(axis - along * direction, xp)
    return math.cos(radians) * direction + math.sin(radians) * tangent


def _rotation(degrees: float) -> Callable[[GateSubject], Array | None]:
    return _another(lambda s: rotated(s.rows.direction, math.radians(degrees), s.xp))


def _over_norm_squared(s: GateSubject) -> Array:
    return s.rows.direction / s.xp.where(s.rows.norm > 0, s.rows.norm, 1)[..., None]


def _largest_component_negated(s: GateSubject) -> Array:
    n = s.U_f.shape[-1]
    largest = s.xp.abs(s.U_f).argmax(axis=-1)[..., None] == s.xp.arange(n)
    return s.xp.where(largest, -s.rows.direction, s.rows.direction)


def _row_of_w(s: GateSubject) -> Array | None:
    return _unit(s.W_f, s) if s.W_f.shape == s.U_f.shape else None


def _joint_row(s: GateSubject) -> Array | None:
    return _unit(s.U_f + s.W_f, s) if s.W_f.shape == s.U_f.shape else None


def _towards_input(s: GateSubject) -> Array | None:
    return _unit(s.U_f + s.x[:, None, :], s) if s.W_f.shape == s.U_f.shape else None


def _argmax(name: str, formula: Callable[[GateSubject], Array | None]) -> GateMutant:
    readings = ("zero_input", "any_input")
    return GateMutant(name, "forget_gate_argmax", readings, "argmax", "synthetic", formula)


ARGMAX_MUTANTS: tuple[GateMutant, ...] = (
    _argmax("negated", lambda s: -s.rows.direction),
    _argmax("next_row", _another(lambda s: s.xp.roll(s.rows.direction, -1, axis=1))),
    _argmax(
        "column_for_row",
        _another(lambda s: _unit(s.xp.ascontiguousarray(s.xp.swapaxes(s.U_f, 1, 2)), s)),
    ),
    _argmax("over_norm_squared", _over_norm_squared),
    _argmax("W_for_U", _row_of_w),
    _argmax("largest_component_negated", _largest_component_negated),
    _argmax("signs_over_root_n", lambda s: s.xp.sign(s.U_f) / math.sqrt(s.U_f.shape[-1])),
    _argmax("rotated_1_degree", _rotation(1)),
    _argmax("rotated_5_degrees", _rotation(5)),
    _argmax("rotated_15_degrees", _rotation(15)),
)


def _norm_1(s: GateSubject) -> Array:
    return s.xp.abs(s.U_f).sum(axis=-1)


def _maximum(name: str, reading: str, formula: Callable[[GateSubject], Array | None]) -> GateMutant:
    return GateMutant(name, "forget_gate_maximum", (reading,), "argmax", "synthetic", formula)


_PREACTIVATION, _GATE = "preactivation_equals_norm", "gate_equals_sigmoid_of_norm"
MAXIMUM_MUTANTS: tuple[GateMutant, ...] = (
    _maximum("norm_1", _PREACTIVATION, _norm_1),
    _maximum("norm_infinity", _PREACTIVATION, lambda s: s.xp.abs(s.U_f).max(axis=-1)),
    _maximum("norm_squared", _PREACTIVATION, lambda s: s.rows.norm * s.rows.norm),
    _maximum("sigmoid_of_norm_1", _GATE, lambda s: cell.sigmoid(_norm_1(s))),
    _maximum("sigmoid_of_norm_squared", _GATE, lambda s: cell.sigmoid(s.rows.norm * s.rows.norm)),
    _maximum("tanh_of_norm", _GATE, lambda s: s.xp.tanh(s.rows.norm)),
    _maximum("one", _GATE, lambda s: s.xp.ones_like(s.rows.norm)),
)


def _irrelevance(name: str, formula: Callable[[GateSubject], Array | None]) -> GateMutant:
    readings = ("argmax_any_input",)
    return GateMutant(name, "input_irrelevance", readings, "argmax", "synthetic", formula)


IRRELEVANCE_MUTANTS: tuple[GateMutant, ...] = (
    _irrelevance("U_plus_W", _joint_row),
    _irrelevance("U_plus_x", _towards_input),
    _irrelevance("U_plus_b", lambda s: _unit(s.U_f + s.b[..., None], s)),
)

# D9 at x = 0 compares two runs of the search. Its slips are what a run may forget to leave out
# (evaluated by the search itself), and the smallest change that a float can hold.
KEPT_MUTANTS: tuple[GateMutant, ...] = tuple(
    GateMutant(name, "input_irrelevance", ("zero_input",), "argmax", "synthetic", lambda s: None)
    for name in ("input_kept", "bias_kept", "last_bit")
)

MUTANTS = ARGMAX_MUTANTS + MAXIMUM_MUTANTS + IRRELEVANCE_MUTANTS + KEPT_MUTANTS
