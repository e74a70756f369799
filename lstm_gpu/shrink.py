"""Shrink a counterexample: fewer units, fewer inputs, fewer gates, rounder numbers.

Greedy: each simplification is kept when the comparison still refutes, with an error at least half
as large, relative to the values, as the counterexample began with (a reader has to see it; the
verdict itself asks only for more than the bound). What is left is written with its numbers, and
with a script that needs nothing but NumPy.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lstm_gpu import examination, files
from lstm_gpu.backend import to_host
from lstm_gpu.cell import GATES
from lstm_gpu.claims import jacobians
from lstm_gpu.errors import InputError
from lstm_gpu.explicit import LARGEST_SIZE, as_lists, names_of, of_inputs, of_units
from lstm_gpu.formulas.quantities import QUANTITIES
from lstm_gpu.intake import child
from lstm_gpu.recorded import Recorded, read
from lstm_gpu.replay import as_written, comparing, formula_of, is_edited
from lstm_gpu.tally import Comparison, summarise
from lstm_gpu.weights import WeightSets

Compare = Callable[[WeightSets], Comparison]

_DECIMALS = 3  # the roundest number of up to so many decimals is taken
_MOST_SUBSETS = 64  # of hidden units or inputs that are tried at each size


@dataclass(frozen=True)
class Counterexample:
    """A refuting weight set, alone, and its worst entry.

    claimed : may be NaN or infinite, the others not
    edited : whether the reader's own formula file is another than when the original was written
    """

    sets: WeightSets
    entry: list[int]
    claimed: float
    measured: float
    bound: float
    edited: bool = False

    @property
    def relative(self) -> float:
        """The error relative to the larger of both values; infinite of what is no number."""
        if not math.isfinite(self.claimed):
            return math.inf
        size = max(abs(self.claimed), abs(self.measured))
        return abs(self.claimed - self.measured) / size if size > 0 else 0.0


def shrink_file(
    path: Path, formula: Path | None, weights: Path | None = None
) -> tuple[Path, Path, Counterexample]:
    """Shrink a counterexample file; writes NAME.small.json and NAME.small.py beside it.

    formula : the Python file of the formula, for a counterexample to a reader's own; it is run
    weights : the file of trained weights, for a counterexample that was found with them
    Returns the paths of both, and what was found.

    Raises
    ------
    InputError
        The file is not one that can be shrunk, or does not refute in float64.
    """
    recorded = read(path, weights)
    own = formula_of(recorded, formula) if recorded.own else None
    compare = comparing(recorded, own)
    sets = _in_float64(recorded)
    small, program = (child(path.parent, path.stem + end) for end in (".small.json", ".small.py"))
    title = f"{recorded.key[0]} / {recorded.key[1]}: claimed and measured, at entry"
    files.refuse_foreign(small, "counterexample")
    files.refuse_unlike(program, f"# {title}", "the script of such a counterexample")
    compare(sets)  # an error of the file or of the formula is the reader's to see
    found = shrink(sets, compare, recorded.own)
    found = replace(found, edited=own is not None and is_edited(recorded, own))
    values = examination.at_entry(compare(found.sets), found.entry)
    key = dict(zip(("claim", "reading", "mutant", "reference"), recorded.key, strict=True))
    content = {
        **key,
        "entry": found.entry,
        "dtype": "float64",
        "weights": as_lists(found.sets),
        "shrunk_from": recorded.content.get("case"),
        **{name: as_written(v) for name, v in values.items()},
        **({"formula": {"file": Path(own.file).name, "sha256": own.sha256}} if own else {}),
    }
    files.write_json(small, "counterexample", content)
    files.write_text(program, script(found, *_derivative(recorded), f"{title} {found.entry}"))
    return small, program, found


def _in_float64(recorded: Recorded) -> WeightSets:
    """What is wrong is wrong in float64 too, where its numbers can be written down."""
    sets = recorded.sets(np)
    n, m = sets.h_prev.shape[1], sets.x.shape[1]
    if max(n, m) > LARGEST_SIZE:
        raise InputError(
            f"`case` in {recorded.path} must have sizes up to {LARGEST_SIZE} to be shrunk, got "
            f"n = {n}, m = {m}. Find a counterexample with a smaller hidden size."
        )
    arrays = {name: getattr(sets, name).astype(np.float64) for name in names_of(sets)}
    return WeightSets(**arrays)


def _derivative(recorded: Recorded) -> tuple[str, str]:
    """What the claim differentiates by what, in the words of `script`."""
    claim, reading, *_ = recorded.key
    if recorded.own:
        return QUANTITIES[claim].of, QUANTITIES[claim].by
    if reading == "hidden_product_over_time":
        return "h_2", "h"
    return jacobians.READINGS.get((claim, reading), ("h", None))[0], "h"


def shrink(sets: WeightSets, compare: Compare, own: bool = False) -> Counterexample:
    """The simplest refuting weight set that a greedy search finds.

    Parameters
    ----------
    sets : one weight set that refutes
    compare : evaluates the comparison on a weight set of any size
    own : whether it is of a reader's own formula, which a value that is not finite refutes; where
        the search begins with one it looks for no other error, and where not, for none of these
    """
    find = refuting
    start = find(sets, compare, 0.0)
    if start is None and own:
        find = no_number
        start = find(sets, compare, 0.0)
    if start is None:
        raise InputError(
            "the counterexample must refute in float64, and does not. Replay it as it is."
        )
    least = start.relative / 2

    def first(best: Counterexample, candidates: Iterator[WeightSets]) -> Counterexample:
        found = (find(candidate, compare, least) for candidate in candidates)
        return next((better for better in found if better is not None), best)

    best = first(start, _fewer(start.sets, "h_prev", of_units))
    best = first(best, _fewer(best.sets, "x", of_inputs))
    for gate in range(len(GATES)):
        best = first(best, iter([_at_rest(best.sets, gate)]))
    for name in names_of(best.sets):
        for place in np.ndindex(getattr(best.sets, name).shape):
            best = first(best, _rounder(best.sets, name, place))
    best = first(best, _fewer(best.sets, "h_prev", of_units))  # what has become idle
    return first(best, _fewer(best.sets, "x", of_inputs))


def refuting(sets: WeightSets, compare: Compare, least: float) -> Counterexample | None:
    """The comparison's worst entry, if it refutes with a relative error of at least `least`."""
    try:
        record = summarise(compare(sets), 0)
    except InputError:  # a formula of the reader's that fails where a number is 0, say
        return None
    if not record.refuted_sets or record.worst is None:
        return None
    worst = record.worst
    found = Counterexample(
        sets, worst["entry"], worst["claimed"], worst["measured"], worst["bound"]
    )
    return found if found.relative >= least else None


def no_number(sets: WeightSets, compare: Compare, least: float) -> Counterexample | None:
    """The first entry where the claimed value is not finite, and the derivative is."""
    try:
        found = compare(sets)
    except InputError:
        return None
    arrays = found.claimed, found.measured, found.bound
    claimed, measured, bound = np.broadcast_arrays(*map(to_host, arrays))
    with np.errstate(all="ignore"):
        broken = np.argwhere(~np.isfinite(claimed[0]) & np.isfinite(measured[0] + bound[0]))
    if not len(broken):
        return None
    entry = [int(at) for at in broken[0]]
    at = (0, *entry)
    return Counterexample(sets, entry, float(claimed[at]), float(measured[at]), float(bound[at]))


def _fewer(sets: WeightSets, state: str, cut: Any) -> Iterator[WeightSets]:
    """Cells with fewer units or inputs, fewest first."""
    size = getattr(sets, state).shape[1]
    for count in range(1, size):
        for number, kept in enumerate(combinations(range(size), count)):
            if number == _MOST_SUBSETS:
                break
            yield cut(sets, list(kept))


def _at_rest(sets: WeightSets, gate: int) -> WeightSets:
    """A gate that neither input nor state moves: its z is 0."""
    names = [name for name in ("W", "U", "b") if getattr(sets, name) is not None]
    arrays = {name: getattr(sets, name).copy() for name in names}
    for array in arrays.values():
        array[:, gate] = 0
    return replace(sets, **arrays)


def _rounder(sets: WeightSets, name: str, place: tuple[int, ...]) -> Iterator[WeightSets]:
    """One number replaced by 0, ±1 or a rounding of itself, roundest first."""
    value = float(getattr(sets, name)[place])
    tried = [0.0, math.copysign(1.0, value), *(round(value, d) for d in range(_DECIMALS + 1))]
    for number in dict.fromkeys(tried):
        if number == value:
            return  # as round as it gets
        array = getattr(sets, name).copy()
        array[place] = number
        yield replace(sets, **{name: array})


def script(found: Counterexample, of: str, by: str, title: str) -> str:
    """A NumPy program that shows the error: the complex step against the claimed number.

    Its sigma does not overflow: `np.minimum` orders complex numbers by their real parts first.

    of : the quantity differentiated, in the names of `cell.Step`, or "h_2" for h after two steps
    by : h, c or x, the state at t - 1 or the input
    """
    k, j = found.entry

    def written(name: str) -> str:
        array = getattr(found.sets, name)[0] + 0.0  # no -0
        text = np.array2string(array, separator=",", floatmode="unique", threshold=10**6)
        return f"np.array({''.join(text.split())})"

    biased = found.sets.b is not None and bool(found.sets.b.any())
    z = f"W @ x + U @ h{' + b' if biased else ''}"
    step = f"""\
i, f, u, o = (a(z) for a, z in zip((s, s, np.tanh, s), {z}))
c = f * c + i * u
h = o * np.tanh(c)
"""
    bias = f"b = {written('b')}\n" if biased else ""
    claimed = repr(found.claimed) if math.isfinite(found.claimed) else f'float("{found.claimed}")'
    result = {"tanh_c": "np.tanh(c)", "h_2": "h"}.get(of, of)
    return f"""\
# {title}
import numpy as np
s = lambda z: np.exp(np.minimum(z, 0)) / (1 + np.exp(np.minimum(z, -z)))  # 1/(1 + e^-z)
W, U = {written("W")}, {written("U")}  # i, f, u, o
x, h, c = {written("x")} + 0j, {written("h_prev")} + 0j, {written("c_prev")} + 0j
{bias}{by}[{j}] += 1e-30j  # the complex step: nothing is subtracted
{step * (2 if of == "h_2" else 1)}print("claimed ", {claimed})
print("measured", {result}[{k}].imag / 1e-30)
"""
