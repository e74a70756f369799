"""Weight sets for readers' formulas: with a bias, and at the edges where numbers are exactly 0."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lstm_gpu import cell
from lstm_gpu.weights import EDGES, Case, WeightSets, draw
from lstm_gpu.weights.philox import uniforms

Draw = Callable[[Case, int, int, int, Any], WeightSets]


def drawn(case: Case, seed: int, start: int, stop: int, xp: Any = np) -> WeightSets:
    """The weight sets of a case with a bias, uniform on ±1; at an edge, its arrays are 0.

    The document has no bias, but a reader's formula may use it, and use it wrongly.
    """
    sets = draw(case, seed, start, stop, xp)
    shape = (stop - start, len(cell.GATES), case.hidden_size)
    r = uniforms(seed, case.name + "/biases", start, stop, shape[1] * shape[2])
    sets = replace(sets, b=xp.asarray((2 * r.reshape(shape) - 1).astype(case.dtype)))
    return replace(
        sets, **{name: xp.zeros_like(getattr(sets, name)) for name in EDGES.get(case.regime, ())}
    )
