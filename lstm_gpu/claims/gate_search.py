"""D7 by samples, and D9 at x = 0: the streamed search of a part, and the caps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_gpu.backend import to_host
from lstm_gpu.claims.gate_part import READINGS, Finding, Part, everywhere, turn
from lstm_gpu.sphere import blocks, search, squares
from lstm_gpu.sphere.directions import CAP_SAMPLES, cap_draws, caps, uniform_directions
from lstm_gpu.sphere.gate import Gate
from lstm_gpu.sphere.rounding import tree_sum, unit

Array = Any

MUTANT_SAMPLES = 16  # per row; the mutants are gross, and see the first samples only


@dataclass
class Search:
    """What the streamed search of a part found; lists run over the two gates."""

    worst: list[search.Worst]
    best: list[search.Best]
    without_input: search.Best
    deficit: np.ndarray  # (sets,) 1 - best cosine of the law's row, NaN where all rows are zero
    first_block: Array  # (sets, up to MUTANT_SAMPLES, n)


def _law_rows(part: Part) -> np.ndarray:
    """One row per set for the law of the best cosine, chosen without a look at any direction.

    The first that is not zero, from row index mod n on; -1 where there is none.
    """
    alive = ~to_host(part.zero)
    n = alive.shape[1]
    first_rows = np.array([index % n for index in part.indices], dtype=int)  # of any size
    order = (first_rows[:, None] + np.arange(n)) % n
    found = np.take_along_axis(alive, order, axis=1)
    first = np.take_along_axis(order, found.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(found.any(axis=1), first, -1)


def _deficit(w: Array, h: Array, xp: Any) -> Array:
    """1 - best cosine between w (sets, n) and h (sets, points, n), in float64.

    In float32 the rounding of z would be as large as the deficit itself at n = 2.
    """
    h = h.astype(xp.float64)
    direction, _ = unit(w.astype(xp.float64), xp)
    cosine = xp.matmul(h, direction[..., None])[..., 0] / xp.sqrt(tree_sum(h * h))
    return 1 - cosine.max(axis=-1)


def search_part(part: Part, samples: list[range]) -> Search:
    xp = part.xp
    n, dtype = part.case.hidden_size, part.U_f.dtype
    shape = (len(part.indices), n)
    claims = [search.claim_of(g, part.rows.direction, part.rows.norm, 1.0, xp) for g in part.gates]
    worst = [search.Worst.none(shape, dtype, xp) for _ in claims]
    best = [search.Best.none((*shape, n), dtype, xp) for _ in claims]
    without = search.Best.none((*shape, n), dtype, xp)
    law_rows = _law_rows(part)
    w = part.U_f[xp.arange(shape[0]), xp.asarray(np.maximum(law_rows, 0))]
    deficit = xp.full(shape[0], xp.inf)
    first_block = None
    for columns in samples:
        h = xp.asarray(uniform_directions(part.case, part.seed, part.indices, columns))
        worst, best = search.search_block(part.gates, claims, h, columns.start, worst, best, xp)
        z = part.gates[0].without_input(h, xp)
        z = xp.ascontiguousarray(xp.swapaxes(z, 1, 2))
        without = search.keep_best(z, h, columns.start, without, xp)
        deficit = xp.minimum(deficit, _deficit(w, h, xp))
        if first_block is None:
            first_block = h[:, :MUTANT_SAMPLES]
    deficit = np.where(law_rows >= 0, to_host(deficit), np.nan)
    return Search(worst, best, without, deficit, first_block)


def identity(part: Part, found: Search, directions: int) -> Iterator[Finding]:
    count = part.case.hidden_size * directions
    for reading, w in zip(READINGS, found.worst, strict=True):
        key = ("forget_gate_argmax", reading, "", "directions")
        yield part.finding(key, w.claimed, w.measured, w.bound, w.sample, compared=count)


def identity_of_mutants(part: Part, h: Array) -> Iterator[Finding]:
    """The identity with wrong directions for the claimed one, at the first samples."""
    xp = part.xp
    n = part.case.hidden_size
    z = [xp.ascontiguousarray(xp.swapaxes(gate(h), 1, 2)) for gate in part.gates]
    wrongs = part.wrong_directions
    square_of_all = squares.by_products(h, xp.concatenate(list(wrongs.values()), axis=1), xp)
    for k, (name, wrong) in enumerate(wrongs.items()):
        square = square_of_all[:, k * n : (k + 1) * n]
        length = unit(wrong, xp)[1]
        for reading, gate, values in zip(READINGS, part.gates, z, strict=True):
            claim = search.claim_of(gate, wrong, part.rows.norm, length, xp)
            none = search.Worst.none(part.zero.shape, h.dtype, xp)
            w = search.compare(claim, values, square, 0, none, xp)
            key = ("forget_gate_argmax", reading, name, "directions")
            # A turn of δ moves the identity by 2 ‖w‖ δ at most.
            same = 2 * part.rows.norm * turn(part, wrong) <= claim.fixed
            yield part.finding(
                key, w.claimed, w.measured, w.bound, w.sample,
                compared=n * h.shape[1], equivalent=everywhere(part, same),
            )  # fmt: skip


def in_caps(part: Part) -> tuple[list[Finding], int]:
    """The identity near each claimed direction; and how many samples lie above the maximum."""
    xp, case = part.xp, part.case
    n = case.hidden_size
    if n == 1:
        return [], 0  # a cap holds nothing but the claimed point
    angles, normals = (xp.asarray(a) for a in cap_draws(case, part.seed, part.indices))
    sets = len(part.indices)
    step = max(1, blocks.block_elements(xp) // (sets * CAP_SAMPLES * n))
    found: list[list[search.Worst]] = [[] for _ in READINGS]
    rows, error = part.rows, squares.differences_error
    claims = [search.claim_of(g, rows.direction, rows.norm, 1.0, xp, error) for g in part.gates]
    for first in range(0, n, step):
        cut = slice(first, first + step)
        h = caps(part.U_f[:, cut], angles, normals, xp)
        for gate, claim, parts in zip(part.gates, claims, found, strict=True):
            parts.append(search.search_caps(gate.of_rows(cut), claim.of_rows(cut), h, xp))
    findings, above = [], 0
    for reading, parts in zip(READINGS, found, strict=True):
        claimed, measured, bound, sample = (
            xp.concatenate([getattr(w, name) for w in parts], axis=1)
            for name in ("claimed", "measured", "bound", "sample")
        )
        key = ("forget_gate_argmax", reading, "", "caps")
        count = n * CAP_SAMPLES
        findings.append(part.finding(key, claimed, measured, bound, sample, compared=count))
        counts = xp.concatenate([w.above for w in parts], axis=1)
        above += int(xp.where(part.zero, 0, counts).sum())
    return findings, above


def input_struck_out(part: Part, found: Search, directions: int) -> Iterator[Finding]:
    """D9 at x = 0: the search with the term W_f x and without it, bit for bit."""
    xp = part.xp
    n = part.case.hidden_size
    a, b = found.without_input, found.best[0]
    exact = xp.zeros_like(a.z)
    count = n * directions
    key = ("input_irrelevance", "zero_input")
    yield part.finding((*key, "", "directions"), a.z, b.z, exact, b.sample, compared=count)
    first, second = ((best.sample + 1).astype(xp.float64) for best in (a, b))  # counted from 1
    zero = exact.astype(xp.float64)
    yield part.finding((*key, "", "winning_sample"), first, second, zero, b.sample, compared=count)

    h = found.first_block
    z = part.gates[0](h)
    wrong = {
        "input_kept": Gate.of(part.sets, part.sets.x)(h),
        "bias_kept": Gate.of(part.sets, None, part.b)(h),
        "last_bit": xp.nextafter(z, xp.full_like(z, xp.inf)),
    }
    for name, values in wrong.items():
        claimed, measured = values.max(axis=1), z.max(axis=1)
        yield part.finding(
            (*key, name, "directions"), claimed, measured, exact, z.argmax(axis=1),
            compared=n * h.shape[1], equivalent=everywhere(part, claimed == measured),
        )  # fmt: skip
