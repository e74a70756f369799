"""What a reader's own formula gets to see: an evaluated step, in the document's letters."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from lstm_gpu import cell
from lstm_gpu.backend import namespace_of

Array = Any


class Gates(NamedTuple):
    """One array per gate."""

    i: Array
    f: Array
    u: Array
    o: Array


@dataclass(frozen=True)
class StepView:
    """A block of weight sets and their evaluated step; axis 0 counts weight sets.

    U.g (sets, n, n), W.g (sets, n, m), b.g (sets, n) and z.g (sets, n), the preactivations, for
    the gates g = i, f, u, o; x (sets, m); h_prev, c_prev (sets, n), the state at t - 1; i, f, u,
    o, c, tanh_c, h (sets, n), the values at t; xp the namespace of the arrays, NumPy or CuPy.
    """

    U: Gates
    W: Gates
    b: Gates
    z: Gates
    x: Array
    h_prev: Array
    c_prev: Array
    i: Array
    f: Array
    u: Array
    o: Array
    c: Array
    tanh_c: Array
    h: Array
    xp: Any


def view(sets: Any, step: cell.Step) -> StepView:
    """Show weight sets and their step; without a bias, b holds zeros."""
    xp = namespace_of(sets.U)

    def gates(array: Array) -> Gates:
        return Gates(*(array[:, gate] for gate in range(len(cell.GATES))))

    b = xp.zeros_like(step.z) if sets.b is None else sets.b
    values = {name: getattr(step, name) for name in ("i", "f", "u", "o", "c", "tanh_c", "h")}
    return StepView(
        U=gates(sets.U),
        W=gates(sets.W),
        b=gates(b),
        z=gates(step.z),
        x=sets.x,
        h_prev=sets.h_prev,
        c_prev=sets.c_prev,
        **values,
        xp=xp,
    )


def _arrays(shown: StepView) -> list[tuple[str, Array]]:
    """Every array of a view by its name in formulas."""
    found = []
    for field in fields(shown):
        value = getattr(shown, field.name)
        if isinstance(value, Gates):
            pairs = zip(value._fields, value, strict=True)
            found += [(f"{field.name}.{gate}", array) for gate, array in pairs]
        elif field.name != "xp":
            found.append((field.name, value))
    return found


def _each(shown: StepView, change: Callable[[Array], Array]) -> StepView:
    """A view of every array changed."""
    others = {}
    for field in fields(shown):
        value = getattr(shown, field.name)
        if isinstance(value, Gates):
            others[field.name] = Gates(*map(change, value))
        elif field.name != "xp":
            others[field.name] = change(value)
    return replace(shown, **others)


def copy(shown: StepView) -> StepView:
    """The same view of arrays of its own, for a formula that may write into them."""
    return _each(shown, lambda array: array.copy())


def part(shown: StepView, place: slice) -> StepView:
    """Some of the weight sets of a view."""
    return _each(shown, lambda array: array[place])


def changed(shown: StepView, original: StepView) -> list[str]:
    """The names of the arrays that no longer hold what they held."""
    xp = original.xp
    pairs = zip(_arrays(shown), _arrays(original), strict=True)
    return [
        name
        for (name, now), (_, before) in pairs
        if not bool(xp.array_equal(now, before, equal_nan=True))
    ]
