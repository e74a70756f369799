"""Weight sets that several tests use: small cases of every law and regime, and extreme ones."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import reference

from lstm_gpu import bounds, derivatives
from lstm_gpu.claims.block import Block
from lstm_gpu.weights import DISTRIBUTIONS, REGIMES, Case, WeightSets, draw

GENERIC = Case(3, 2, "float64", "normal_gain_1", "generic")


def cases(hidden_size: int, input_size: int, dtype: str) -> list[Case]:
    """Every distribution with every regime."""
    return [
        Case(hidden_size, input_size, dtype, law, regime)
        for law, regime in product(DISTRIBUTIONS, REGIMES)
    ]


def with_bias(sets: WeightSets, seed: int = 0) -> WeightSets:
    """The same sets with a bias uniform on ±2."""
    shape = (len(sets), 4, sets.h_prev.shape[-1])
    bias = np.random.default_rng(seed).uniform(-2, 2, shape).astype(sets.U.dtype)
    return replace(sets, b=bias)


def in_eighths(sets: WeightSets) -> WeightSets:
    """The same sets, all but c_{t-1} rounded to eighths: z is exact, in any order of summation.

    Of float64: a product of two numbers below 2^10 has 26 bits at most, a sum of 2^20 of them 46.
    """
    names = ["W", "U", "x", "h_prev", *(["b"] if sets.b is not None else [])]
    arrays = {name: np.round(8 * getattr(sets, name)) / 8 for name in names}
    return replace(sets, **arrays)


def on(xp: Any, sets: WeightSets) -> WeightSets:
    """The same sets on a device."""
    arrays = {name: getattr(sets, name) for name in ("W", "U", "x", "h_prev", "c_prev", "o_prev")}
    b = None if sets.b is None else xp.asarray(sets.b)
    return WeightSets(**{name: xp.asarray(array) for name, array in arrays.items()}, b=b)


def made(
    dtype: str, weight: float, cell: float, hidden: float, drive: float, seed: int = 0
) -> WeightSets:
    """Two sets with n = 2, m = 3 of given scales: |W|, |U|; |c|; |h| exactly `hidden`; |x|."""
    rng = np.random.default_rng(seed)
    real = np.dtype(dtype).type

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(dtype)

    return WeightSets(
        W=normal(2, 4, 2, 3) * real(weight),
        U=normal(2, 4, 2, 2) * real(weight),
        x=normal(2, 3) * real(drive),
        h_prev=np.sign(normal(2, 2)) * real(hidden),
        c_prev=normal(2, 2) * real(cell),
        o_prev=np.ones((2, 2), dtype),
    )


def extremes(dtype: str) -> list[tuple[str, WeightSets]]:
    """Scales far outside the drawn ones: huge and tiny weights, states and inputs, exact zeros."""
    grid = product((0, 1e-30, 1e-6, 1, 1e3, 1e6), (0, 1e-30, 1, 1e3, 1e8), (0, 1), (0, 1, 1e3))
    return [
        (f"weight={w}, cell={c}, hidden={h}, input={x}", made(dtype, w, c, h, x))
        for w, c, h, x in grid
    ]


def drawn(case: Case, sets: int = 2, seed: int = 1, xp: Any = np) -> WeightSets:
    return draw(case, seed, 0, sets, xp)


# The derivation's formula of each quantity's Jacobian.
FORMULAS = {
    "i": lambda b: derivatives.input_gate_jacobian(b.step, b.sets.U),
    "f": lambda b: derivatives.forget_gate_jacobian(b.step, b.sets.U),
    "u": lambda b: derivatives.candidate_jacobian(b.step, b.sets.U),
    "o": lambda b: derivatives.output_gate_jacobian(b.step, b.sets.U),
    "c": lambda b: derivatives.cell_jacobian(b.step, b.sets.U, b.sets.c_prev),
    "tanh_c": lambda b: derivatives.tanh_cell_jacobian(b.step, b.sets.U, b.sets.c_prev),
    "h": lambda b: derivatives.hidden_jacobian(b.step, b.sets.U, b.sets.c_prev),
}


def worst_of(found: Any) -> Any:
    """The finding with the largest error over bound."""
    return max(found, key=lambda e: e.ratio)


def worst_formula(block: Block, formulas: dict[str, Any] = FORMULAS) -> Any:
    """Formulas against exact decimals, over the bound of the formulas' own rounding."""
    found = []
    with np.errstate(all="ignore"):
        claimed = {q: formula(block) for q, formula in formulas.items()}
        bound = {q: bounds.entries(block.formula_errors(q), block.sets.U) for q in formulas}
    for s in range(len(block.sets)):
        truth = reference.jacobians(reference.inputs(block.sets, s))
        found += [reference.excess(claimed[q][s], truth[q], bound[q][s]) for q in formulas]
    return worst_of(found)


def worst_reference(block: Block, name: str, quantities: tuple[str, ...], factor: Any = 1) -> Any:
    """A reference's Jacobians (times `factor`) against exact decimals, over its own bound."""
    found = []
    with np.errstate(all="ignore"):
        measured = {q: factor * block.measured(name, q) for q in quantities}
        bound = {q: block.bound(name, q, with_formula=False) for q in quantities}
    for s in range(len(block.sets)):
        truth = reference.jacobians(reference.inputs(block.sets, s))
        found += [reference.excess(measured[q][s], truth[q], bound[q][s]) for q in quantities]
    return worst_of(found)
