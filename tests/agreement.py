"""How far apart two right evaluations of one bound may lie: for the compiled bounds."""

from dataclasses import replace

import numpy as np

from lstm_gpu import bounds
from lstm_gpu.claims.block import Block

# `bounds.SLACK` has room for so many roundings of 2^-24 each: more than a bound is computed with.
ROUNDINGS = (bounds.SLACK - 1) * 2**24


def ends_of_bound(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest that `block.bound("central", "h")` may be, (sets, n, n) each.

    For another evaluation of the same formulas, with slopes as cuda/bounds.cuh has them, in the
    dtype of the sets. Both evaluations are off by what the block's own bounds say: z by dz, a value
    v by e, so that they are 2 dz and 2 e apart. Of a row, with x = 1 + the largest relative change:

    dz        sums of n + m products: gamma_(n+m), and four roundings by weights and units
    slope     sigma' changes by e^(2 dz) at most over 2 dz. The array code takes it where it is
              largest within 2 dz, the compiled one at its own value, where it may be off by 24 u v,
              times 1 + 4 dz. tanh': twice that, and 32 u. `reach` is dz for one, 2 dz for the other
    e         slope dz + (8 or 20) u v + tiny. That of c_t is a sum of the products e_f |c|, e_i s_u
              and s_i e_u, whose sizes s = |v| + 2 e move by 4 e, relatively by 4 e/s
    delta     `evaluation_errors` where the largest |z| is 2 dz larger; with it r, and r³

    A bound grows with all of them, so its ends are at theirs.
    """
    errors, sets = block.errors, block.sets
    u, (_, _, n, m) = errors.u, sets.W.shape
    sums = 1 + 2 * bounds.gamma(n + m + 4, u)
    reach = np.maximum.reduce(list(errors.reach.values()))
    slope = np.minimum.reduce(list(errors.slopes.values()))
    share = np.maximum.reduce([errors.values[v].error / errors.values[v].size for v in "ifo"])
    x = ((1 + 4 * reach) * (np.exp(2 * reach) + 32 * u / slope)) ** 2 * sums * (1 + 4 * share)
    x = x + 40 * u  # 20 u 2 e of an e that holds at least 20 u v

    c_size, dz = abs(sets.c_prev).astype(float), block.preactivation_error.max(axis=1)
    largest = abs(block.step.z).max(axis=1).astype(float) + 1
    near, far = (
        bounds.evaluation_errors(c_size, u * (largest + shift), u)["h"] for shift in (0, 2 * dz)
    )
    growth = (far / near).max(axis=1)[:, None]
    last = 1 + 2 * bounds.gamma(int(ROUNDINGS), 2.0**-53) + 2 * u  # and one to the dtype in each

    def end(way: int) -> np.ndarray:
        values = dict(errors.values)
        for name in "ifuoct":
            e = values[name].error
            value = np.maximum(values[name].size - 2 * e + way * 2 * e * x, 0)
            values[name] = bounds.Factor(value + 2 * e * x**way, e * x**way)
        slopes = {name: size * x**way for name, size in errors.slopes.items()}
        factors = bounds.formula_factors(replace(errors, values=values, slopes=slopes))
        formula = sum(bounds.coefficient_errors(factors, "h", u).values())
        found = block.central
        rows = found.noise["h"] * (growth * sums) ** way
        rows = rows + found.radius[:, None] * formula * growth**way
        return (rows * bounds.SLACK * last**way)[..., None] / found.step[:, None, :]

    return end(-1), end(1)
