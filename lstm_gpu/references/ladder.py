"""The ladder of steps: how the gap between formula and differences moves with the step.

Halving the step divides truncation by 2^p (p = 2 for central differences, 4 for Richardson's)
and doubles round-off. A gap that does neither, and stands above its bound, is the formula's own
error. The triage looks at the slope of log(gap) against log(step) and names what it sees.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from lstm_gpu import bounds, cell
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.backend import namespace_of, to_host
from lstm_gpu.majorants import Majorant, unit_majorants
from lstm_gpu.references.central import WholeDifferences, richardson, whole_differences

Array = Any

ORDERS = {"central": 2, "richardson": 4}
# Octaves of steps: 12.3 decades each. Below the spacing of the numbers at h no step is taken.
EXPONENTS = {"float64": range(-40, 2), "float32": range(-33, 9)}
_WINDOW = 2  # a slope is fitted over 2 steps to either side: 5 octaves, a factor 32

ROUND_OFF, TRUNCATION, WRONG, CONSTANT, UNDECIDED = (
    "round-off",
    "truncation",
    "wrong formula",
    "constant within bound",
    "inconclusive",
)


class Ladder(NamedTuple):
    """One formula against one kind of differences, over all steps of one weight set.

    steps, gap, bound : the step s, the largest |formula - difference| over all entries, the
        largest predicted bound; NaN gaps where no step was taken
    excess : the largest gap over bound of any entry
    label : what each step's neighbourhood shows
    order : observed order of accuracy, None where no truncation was seen
    verdict, reason : the triage of the whole ladder
    """

    reference: str
    steps: list[float]
    gap: list[float]
    bound: list[float]
    excess: list[float]
    label: list[str]
    order: float | None
    verdict: str
    reason: str


def climb(
    sets: Any,
    formulas: dict[str, tuple[Array, Array]],
    accuracy: Accuracy = DOCUMENTED,
) -> dict[tuple[str, str], Ladder]:
    """Evaluate the ladder of ∂h_t/∂h_{t-1} for the first weight set of a block.

    Parameters
    ----------
    sets : WeightSets; only index 0 is used
    formulas : name -> (Jacobian, bound on its own error), both (1, n, n)

    Returns
    -------
    (name, reference) -> Ladder, references "central" and "richardson".
    """
    xp = namespace_of(sets.U)
    u = bounds.unit_roundoff(sets.U.dtype)
    c_size = xp.abs(sets.c_prev).astype(xp.float64)
    unit = unit_majorants(c_size, 5)["h"]
    a = xp.abs(sets.U).max(axis=1).astype(xp.float64)
    along = [k[..., None] * a**r for r, k in enumerate(unit.orders[1:], start=1)]
    majorant = Majorant((1.0, *along))

    def function(h: Array) -> Array:
        return cell.step(sets, h=h).h

    def difference(step: float) -> WholeDifferences:
        reach = xp.abs(sets.h_prev) + xp.asarray(step, dtype=sets.U.dtype)
        dz = bounds.preactivation_error(sets, reach).max(axis=1)
        noise = bounds.evaluation_errors(c_size, dz, u, accuracy=accuracy)["h"]
        return whole_differences(sets, function, majorant, noise, step)

    rungs: dict[tuple[str, str], list[Rung]] = {
        (name, reference): [] for name in formulas for reference in ORDERS
    }
    finer = None
    for exponent in EXPONENTS[str(np.dtype(sets.U.dtype))]:  # two steps' arrays live at once
        step = 2.0**exponent
        found = {"central": difference(step)}
        if finer is not None:
            found["richardson"] = richardson(found["central"], finer, along[4])
        finer = found["central"]
        for reference, measured in found.items():
            for name, (J, error) in formulas.items():
                rungs[name, reference].append(_rung(step, measured, J, error))
    return {key: _judged(key[1], rungs[key]) for key in rungs}


Rung = tuple[float, float, float, float]  # step, largest gap, largest bound, largest excess


def _rung(step: float, difference: WholeDifferences, J: Array, error: Array) -> Rung:
    gap = namespace_of(J).abs(J - difference.derivative).astype("float64")
    bound = difference.bound + error
    largest = [float(to_host(array.max())) for array in (gap, bound, gap / bound)]
    return step, largest[0], largest[1], largest[2]


def _judged(reference: str, rungs: list[Rung]) -> Ladder:
    steps, gap, bound, excess = (list(column) for column in zip(*rungs, strict=True))
    label = triage(steps, gap, excess, ORDERS[reference])
    verdict, reason = judge(label, excess)
    order = observed_order(steps, gap, label)
    return Ladder(reference, steps, gap, bound, excess, label, order, verdict, reason)


def _slope(steps: list[float], gap: list[float], k: int) -> float:
    """Least-squares slope of log gap against log step around step k; NaN where undefined."""
    low, high = max(0, k - _WINDOW), min(len(steps), k + _WINDOW + 1)
    x, y = np.log2(steps[low:high]), np.array(gap[low:high])
    if len(x) < _WINDOW + 1 or not np.isfinite(y).all() or (y <= 0).any():
        return math.nan
    x = x - x.mean()
    return float((x * np.log2(y)).sum() / (x * x).sum())


def triage(steps: list[float], gap: list[float], excess: list[float], order: int) -> list[str]:
    """Name each step's neighbourhood by the nearest of the slopes -1, 0 and `order`.

    Nearest within 1/2, half the distance between the two closest models; otherwise nothing can be
    said. A step whose entries are above their bound is never put down to round-off or truncation.
    """
    labels = []
    for k, worst in enumerate(excess):
        slope = _slope(steps, gap, k)
        above = worst > 1
        if abs(slope) <= 0.5:
            labels.append(WRONG if above else CONSTANT)
        elif abs(slope + 1) <= 0.5 and not above:
            labels.append(ROUND_OFF)
        elif abs(slope - order) <= 0.5 and not above:
            labels.append(TRUNCATION)
        else:
            labels.append(UNDECIDED)
    return labels


def judge(label: list[str], excess: list[float]) -> tuple[str, str]:
    """The verdict of a ladder: refuted, supported or inconclusive, and why."""
    above = sum(1 for value in excess if value > 1)
    if WRONG in label:
        return "refuted", f"a flat gap above its bound at {label.count(WRONG)} steps: wrong formula"
    if above:
        return "refuted", f"above its bound at {above} steps"
    if _longest_constant(label) > 2 * _WINDOW + 1:
        return "inconclusive", "the gap stays constant, within its bound, over many steps"
    if TRUNCATION in label and ROUND_OFF in label:
        return "supported", "truncation and round-off account for the gap"
    if TRUNCATION in label or ROUND_OFF in label:
        seen = TRUNCATION if TRUNCATION in label else ROUND_OFF
        return "supported", f"only {seen} was seen, within its bound"
    return "inconclusive", "neither truncation nor round-off nor a constant error was seen"


def _longest_constant(label: list[str]) -> int:
    """Longest constant run before truncation sets in.

    Where round-off hands over to truncation the slope passes through 0, but the fits around that
    point are at most a window apart; beyond truncation the differences saturate.
    """
    before = label[: label.index(TRUNCATION)] if TRUNCATION in label else label
    longest = run = 0
    for name in before:
        run = run + 1 if name == CONSTANT else 0
        longest = max(longest, run)
    return longest


def observed_order(steps: list[float], gap: list[float], label: list[str]) -> float | None:
    """Slope of log gap against log step over the longest run of steps labelled truncation."""
    best: list[int] = []
    run: list[int] = []
    for k, name in enumerate([*label, UNDECIDED]):
        if name == TRUNCATION:
            run.append(k)
            continue
        best, run = max(best, run, key=len), []
    if len(best) < 2:
        return None
    x = np.log2([steps[k] for k in best])
    y = np.log2([gap[k] for k in best])
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())
