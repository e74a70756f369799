"""One comparison of a claim again: of one weight set, at one entry.

For a counterexample, when it is written and when it is replayed, and for the picture of the worst
entry: the same values, bit for bit, as the shard's.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_gpu import backend as backends
from lstm_gpu import derivatives, references
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.claims import cell_state, jacobians
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.errors import InputError
from lstm_gpu.references import two_steps
from lstm_gpu.tally import Comparison
from lstm_gpu.weights import Case, WeightSets, draw

if TYPE_CHECKING:
    from lstm_gpu.references.ball import Enclosure

Key = tuple[str, str, str, str]  # claim, reading, mutant ("" for the reading itself), reference

JACOBIAN_CLAIMS = (cell_state.CLAIM, *jacobians.MUTATED)
_LARGEST_ENCLOSED = 1024  # of n, where a formula needs all weights as balls: seconds and a GiB


def examine(
    key: Key,
    entry: list[int],
    case: Case | None = None,
    seed: int = 0,
    index: int = 0,
    directions: int = 0,
    backend: str = "auto",
    accuracy: Accuracy = DOCUMENTED,
) -> dict[str, Any]:
    """Evaluate one comparison at one entry of one weight set again, from the seed.

    Parameters
    ----------
    key : claim, reading, mutant ("" for the reading itself), reference
    entry : indices after the weight set's, as in a tally's worst entry
    case, seed, index : the weight set; not used by D5, which is proved for all z
    directions : for the sphere's claims, as in the shard
    accuracy : of the backend's functions, as in the shard

    Returns
    -------
    dict with claimed, measured, error, bound and what else is known of the entry ("parts").

    Raises
    ------
    InputError
        when there is no such comparison, or no such entry.
    """
    from lstm_gpu.claims import gate_maximum, sigmoid, sigmoid_mutants

    claim, reading, mutant, _ = key
    if claim == sigmoid_mutants.CLAIM:
        return sigmoid.examine(reading, mutant, entry[0] if entry else 0)
    if case is None:
        raise InputError(f"`case` is needed to replay {claim}, and is missing.")
    xp = backends.select(backend)
    sets = draw(case, seed, index, index + 1, xp)
    if claim in gate_maximum.CLAIMS:
        with np.errstate(all="ignore"):
            trials = gate_maximum.trials(sets, case, seed, index, directions, xp, accuracy)
        found = [c for c in trials.comparisons if c.key == key]
        return at_entry(_only(found, key), entry) | {"parts": {}}
    return examine_sets(key, entry, sets, accuracy)


def examine_sets(
    key: Key,
    entry: list[int],
    sets: WeightSets,
    accuracy: Accuracy = DOCUMENTED,
) -> dict[str, Any]:
    """`examine` on one weight set however it was made, for the claims on Jacobians."""
    comparison = compare_sets(key, sets, accuracy)
    found = at_entry(comparison, entry)
    with np.errstate(all="ignore"):
        return {**found, "parts": _parts(Block(sets, accuracy), comparison, entry)}


def compare_sets(key: Key, sets: WeightSets, accuracy: Accuracy = DOCUMENTED) -> Comparison:
    """One comparison of a claim on Jacobians, on weight sets however they were made.

    Raises
    ------
    InputError
        when there is no such comparison.
    """
    block = Block(sets, accuracy)
    with np.errstate(all="ignore"):
        if key[0] == cell_state.CLAIM:
            return _only([c for c in cell_state.trials(block) if c.key == key], key)
        return _only(list(jacobians.trials(block, only=key)), key)


def _only(found: list[Comparison], key: Key) -> Comparison:
    if not found:
        raise InputError(f"`claim` names no comparison of this version: {'/'.join(key)}.")
    return found[0]


def at_entry(comparison: Comparison, entry: list[int]) -> dict[str, float]:
    """Claimed, measured, bound and error of a block's first weight set at an entry.

    Raises
    ------
    InputError
        when there is no such entry.
    """
    shape = np.broadcast_shapes(
        *(getattr(comparison, name).shape for name in ("claimed", "measured", "bound"))
    )
    if len(entry) != len(shape) - 1 or any(
        not 0 <= e < size for e, size in zip(entry, shape[1:], strict=True)
    ):
        raise InputError(f"`entry` must index an array of shape {shape[1:]}, got {entry}.")
    where = (0, *entry)
    values = {
        name: float(np.broadcast_to(backends.to_host(getattr(comparison, name)), shape)[where])
        for name in ("claimed", "measured", "bound")
    }
    dtype = backends.to_host(comparison.claimed).dtype.type
    error = abs(dtype(values["claimed"]) - dtype(values["measured"]))
    return {**values, "error": float(error)}


def _parts(block: Block, comparison: Comparison, entry: list[int]) -> dict[str, float]:
    """How the bound of a Jacobian's entry is made up: the formula's part and the reference's."""
    if comparison.reference not in REFERENCES or comparison.claim == "product_rule":
        return {}
    quantity = jacobians.READINGS.get((comparison.claim, comparison.reading), ("h", None))[0]
    where = (0, *entry)
    if comparison.reading == "hidden_product_over_time":
        own = two_steps.hidden_over_two_steps(block.sets, block.accuracy).bound
        reference = float(own[where])
        return {"reference": reference, "formula": float(comparison.bound[where]) - reference}
    own = block.bound(comparison.reference, quantity, with_formula=False)
    whole = block.bound(comparison.reference, quantity)
    parts = {"reference": float(own[where]), "formula": float(whole[where] - own[where])}
    if comparison.reference == "central":
        parts["step"] = float(block.central.step[0, entry[1]])
    return parts


def enclose(key: Key, entry: list[int], sets: WeightSets) -> "Enclosure | None":
    """Prove what a comparison says at one entry of one weight set, in ball arithmetic.

    None for a claim that is no statement on derivatives, where the formula needs the whole weight
    set and that is too large for balls, and on a machine without python-flint.
    """
    if not references.has_balls():
        return None
    from lstm_gpu.claims import enclosures

    claim, reading, mutant, _ = key
    if (claim, reading) not in enclosures.ENCLOSED:
        return None
    n = sets.h_prev.shape[1]
    if n > _LARGEST_ENCLOSED and enclosures.needs_everything(claim, reading, mutant):
        return None
    return enclosures.enclose(sets, claim, reading, (entry[0], entry[1]), mutant)


def jacobian_gap(
    case: Case,
    seed: int,
    index: int,
    reference: str,
    backend: str = "auto",
    accuracy: Accuracy = DOCUMENTED,
) -> dict[str, Any]:
    """Formula, reference and bound of D4 for one weight set, as nested lists (n, n)."""
    block = Block(draw(case, seed, index, index + 1, backends.select(backend)), accuracy)
    with np.errstate(all="ignore"):
        formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
        arrays = {
            "formula": formula,
            "reference": block.measured(reference, "h"),
            "bound": block.bound(reference, "h"),
        }
    return {name: backends.to_host(array)[0].tolist() for name, array in arrays.items()}
