"""The claims on the unit sphere: D7 (argmax), D8 (maximum) and D9 (what the input does to both).

Five references, none of which looks at U_f except through the forward equations:

- "directions": uniform samples, with the exact identity of `sphere.search` at every one
- "caps": samples near each claimed direction, at all distances down to rounding
- "ascent": Riemannian ascent from the best uniform sample
- "gradient": first-order optimality at the claimed direction
- "net": for n <= 3, a net that leaves no direction out

and "winning_sample" for D9 at x = 0: whether the same sample wins with and without W_f x.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.backend import to_host
from lstm_gpu.claims.gate_ascent import (
    Ascent,
    argmax_by_ascent,
    ascend,
    by_net,
    first_order,
    input_moves,
    maximum,
)
from lstm_gpu.claims.gate_part import Finding, Key, Part, cut, part_of
from lstm_gpu.claims.gate_search import (
    Search,
    identity,
    identity_of_mutants,
    in_caps,
    input_struck_out,
    search_part,
)
from lstm_gpu.sphere import blocks, laws
from lstm_gpu.sphere.directions import CAP_SAMPLES
from lstm_gpu.sphere.net import net_of
from lstm_gpu.sphere.summary import Summary, merge_summaries
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import Case, WeightSets

__all__ = ["CLAIMS", "Trials", "examine", "merge_summaries", "sets_at_once", "trials"]

CLAIMS = ("forget_gate_argmax", "forget_gate_maximum", "input_irrelevance")

Array = Any


class Trials(NamedTuple):
    """Comparisons with arrays (sets, rows), and the statistics of the search."""

    comparisons: list[Comparison]
    search: Summary


def _summary(
    part: Part, found: Search, ascents: list[Ascent], proved: bool | None,
    above_caps: int, directions: int,
) -> Summary:  # fmt: skip
    n = part.case.hidden_size
    zero = to_host(part.zero)
    alive = ~zero
    rows = int(alive.sum())

    def largest(*arrays: Array) -> float | None:
        values = [float(to_host(a)[alive].max()) for a in arrays if rows]
        return max(values) if values else None

    cosine = to_host(found.best[0].z / part.xp.where(part.zero, 1, part.rows.norm))[alive]
    cosine = np.minimum(cosine, 1)  # above it only by rounding
    known = found.deficit[~np.isnan(found.deficit)]
    tied = [to_host(b.z == b.lowest) for b in found.best]
    above = sum(int(to_host(w.above)[alive].sum()) for w in found.worst)
    covering = net_of(n)
    return {
        "directions": directions,
        "input_variants": len(part.gates),
        "covering_radius": None if covering is None else covering.radius,
        "weight_sets": len(part.indices),
        "rows": zero.size,
        "rows_without_argmax": zero.size - rows,
        "ties_broken": sum(int((zero & ~t).sum()) for t in tied),
        "samples": rows * directions * len(part.gates),
        "cap_samples": 0 if n == 1 else rows * CAP_SAMPLES * len(part.gates),
        "samples_above_claimed_maximum": above + above_caps,
        "largest_error_over_bound": largest(*[w.ratio for w in found.worst]),
        "best_cosine_low": float(cosine.min()) if rows else None,
        "best_cosine_high": float(cosine.max()) if rows else None,
        "ascent_angle": largest(*[a.turned for a in ascents]),
        "ascent_bound": largest(*[a.turn_bound for a in ascents]),
        "best_cosine": [float(1 - d) for d in known],
        "best_law": [] if n == 1 else laws.best_law(known, n, directions).tolist(),
        "certificate": proved,
    }


def _try_part(part: Part, samples: list[range]) -> tuple[list[Finding], Summary]:
    directions = samples[-1].stop
    found = search_part(part, samples)
    with np.errstate(all="ignore"):  # wrong formulas may overflow
        of_mutants = list(identity_of_mutants(part, found.first_block))
    near, above_caps = in_caps(part)
    proofs, proved = by_net(part)
    ascents = [ascend(part, g, b) for g, b in zip(part.gates, found.best, strict=True)]
    with np.errstate(all="ignore"):
        findings = [
            *identity(part, found, directions),
            *of_mutants,
            *near,
            *input_struck_out(part, found, directions),
            *argmax_by_ascent(part, ascents),
            *first_order(part),
            *maximum(part, ascents[0]),
            *proofs,
            *input_moves(part, ascents),
        ]
    return findings, _summary(part, found, ascents, proved, above_caps, directions)


def _join(parts: list[list[Finding]], xp: Any) -> list[Finding]:
    """Put the findings of consecutive parts together, comparison by comparison."""

    def whole(arrays: list[Array | None]) -> Array | None:
        return None if arrays[0] is None else xp.concatenate(arrays)

    joined = []
    for same in zip(*parts, strict=True):
        each = [finding.comparison for finding in same]
        comparison = each[0]._replace(
            claimed=whole([c.claimed for c in each]),
            measured=whole([c.measured for c in each]),
            bound=whole([c.bound for c in each]),
            equivalent=whole([c.equivalent for c in each]),
        )
        joined.append(Finding(comparison, whole([finding.sample for finding in same])))
    return joined


def sets_at_once(case: Case, xp: Any = np) -> int:
    """Weight sets that one pass of the search takes: what to hand to `trials` at a time.

    Fewer waste time on small arrays; more are cut into such parts, for the same bits.
    """
    return blocks.block_shape(case.hidden_size, blocks.block_elements(xp))[0]


def _try(
    sets: WeightSets,
    case: Case,
    seed: int,
    start: int,
    directions: int,
    xp: Any,
    accuracy: Accuracy = DOCUMENTED,
) -> tuple[list[Finding], Summary]:
    elements = blocks.block_elements(xp)
    tried = []
    for block, samples in blocks.cut(len(sets), directions, case.hidden_size, elements):
        part_sets = cut(sets, block.start, block.stop)
        indices = range(start + block.start, start + block.stop)
        tried.append(_try_part(part_of(part_sets, case, seed, indices, xp, accuracy), samples))
    findings = _join([findings for findings, _ in tried], xp)
    return findings, merge_summaries([summary for _, summary in tried])


def trials(
    sets: WeightSets,
    case: Case,
    seed: int,
    start: int,
    directions: int,
    xp: Any = np,
    accuracy: Accuracy = DOCUMENTED,
) -> Trials:
    """Try D7, D8 and D9 on a block of weight sets.

    Parameters
    ----------
    sets : the weight sets start, start + 1, … of the case
    directions : uniform directions per set, at least 1
    accuracy : of the backend's sigma in the case's dtype

    Returns
    -------
    Trials: comparisons of the readings and of the mutants, in a fixed order, with arrays
    (sets, rows) that hold the worst sample or component of each row; rows of zeros have
    no argmax and hold zeros. And the summary of the search (`sphere.summary`).
    """
    findings, summary = _try(sets, case, seed, start, directions, xp, accuracy)
    return Trials([f.comparison for f in findings], summary)


def examine(
    sets: WeightSets, case: Case, seed: int, index: int, key: Key, directions: int, xp: Any = np
) -> dict[str, Any]:
    """Recompute one comparison on a single weight set: what a replay prints.

    Parameters
    ----------
    sets : the weight set `index` of the case, alone
    key : claim, reading, mutant, reference

    Returns
    -------
    row; sample (the index of the direction, None where no one sample decides); claimed,
    measured, bound and error over bound of the worst row. The same bits as in any block.

    Raises
    ------
    KeyError
        where the case has no such comparison (caps at n = 1, a net at n = 8).
    """
    findings, _ = _try(sets, case, seed, index, directions, xp)
    for finding in findings:
        if finding.comparison.key == key:
            break
    else:
        raise KeyError("/".join(key))
    claimed, measured, bound = (to_host(a)[0].astype(np.float64) for a in finding.comparison[4:7])
    error = np.abs(claimed - measured)
    with np.errstate(all="ignore"):
        ratio = np.where(error == 0, 0.0, error / bound)
    row = int(ratio.argmax())
    sample = None if finding.sample is None else int(to_host(finding.sample)[0, row])
    return {
        "row": row,
        "sample": sample,
        "claimed": float(claimed[row]),
        "measured": float(measured[row]),
        "bound": float(bound[row]),
        "ratio": float(ratio[row]),
    }
