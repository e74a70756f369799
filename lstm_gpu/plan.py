"""The plan of a check: on what weight sets a reader's formulas are tried."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from lstm_gpu.campaign import memory_by_input
from lstm_gpu.configuration import COMMAND_MEMORY_LIMIT
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.inputs import Draw, drawn
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, EDGES, REGIMES, Case
from lstm_gpu.weights.trained import Trained
from lstm_gpu.weights.trained import load as load_weights

HIDDEN_SIZES = (2, 3, 8, 32)
WEIGHT_SETS = 8
# (n, m) that the default plan tries besides, with one law each: no rows to mix up, W as large as U,
# fewer inputs than units, and more units than a tile of the bounds' cheap sizes.
SHAPES = ((1, 2), (4, 4), (5, 3), (33, 20))
LARGEST_SIZE, LARGEST_SEED, MOST_SETS = 4096, 2**64 - 1, 10**7


@dataclass(frozen=True)
class Plan:
    """On what formulas are tried.

    hidden_sizes : each n; input_size : m, None for one beside n (m = n hides mixed-up W and U)
        and, where hidden_sizes are left out, too, for those of `SHAPES` besides
    weight_sets : per case; distributions : None for all, each in a regime of states
    weights : a file of trained weights instead, which fixes sizes and dtype (`weights.trained`);
        with states of its own, all of them are tried, and `weight_sets` counts for nothing; edges
        of the state are tried, none of the bias, which is the layer's own
    """

    hidden_sizes: Sequence[int] = HIDDEN_SIZES
    input_size: int | None = None
    weight_sets: int = WEIGHT_SETS
    dtype: str = "float64"
    distributions: Sequence[str] | None = None
    seed: int = 0
    backend: str = "auto"
    weights: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        fixed = self.hidden_sizes, self.input_size, self.dtype, self.distributions
        if self.weights is not None and fixed != (HIDDEN_SIZES, None, "float64", None):
            raise InputError(
                "`weights` must stand without hidden_size, input_size, dtype and distribution, "
                "which the file has. Leave them out."
            )
        _several("hidden_size", self.hidden_sizes)
        if self.distributions is not None:
            _several("distribution", self.distributions)
        for n in self.hidden_sizes:
            whole("hidden_size", n, 1, LARGEST_SIZE)
        if self.input_size is not None:
            whole("input_size", self.input_size, 1, LARGEST_SIZE)
        whole("weight_sets", self.weight_sets, 1, MOST_SETS)
        whole("seed", self.seed, 0, LARGEST_SEED)
        choice("dtype", self.dtype, DTYPES)
        for name in self.distributions or ():
            choice("distribution", name, DISTRIBUTIONS)
        for case in self.cases:
            needed = memory_by_input(case)
            if needed > COMMAND_MEMORY_LIMIT:
                raise InputError(
                    "`hidden_size` and `input_size` must leave a weight set below "
                    f"{COMMAND_MEMORY_LIMIT / 2**30:.3g} GiB, got {case.hidden_size} and "
                    f"{case.input_size}, which may take {needed / 2**30:.3g} GiB. Choose smaller."
                )

    @property
    def cases(self) -> list[Case]:
        """Every size with every distribution; the regimes of states take turns.

        Then the edges (`weights.EDGES`: h_{t-1} = c_{t-1} = 0, …) at the smallest size.
        """
        if self.trained is not None:
            return self.trained.cases
        laws = self.distributions or DISTRIBUTIONS

        def case(n: int, law: str, regime: str, m: int | None = self.input_size) -> Case:
            return Case(n, m or n + 1 + n // 2, self.dtype, law, regime)

        cases = [
            case(n, law, regime)
            for row, n in enumerate(dict.fromkeys(self.hidden_sizes))
            for column, law in enumerate(dict.fromkeys(laws))
            for regime in (REGIMES if len(laws) == 1 else (REGIMES[(row + column) % len(REGIMES)],))
        ]
        cases += [case(min(self.hidden_sizes), laws[0], edge) for edge in EDGES]
        if (self.hidden_sizes, self.input_size) == (HIDDEN_SIZES, None):
            cases += [case(n, laws[0], REGIMES[0], m) for n, m in SHAPES]
        return cases

    @cached_property
    def trained(self) -> Trained | None:
        """The file of weights, read once."""
        return None if self.weights is None else load_weights(self.weights)

    @property
    def draw(self) -> Draw:
        """Weight sets of a case of this plan."""
        return drawn if self.trained is None else self.trained.draw

    @property
    def sets(self) -> int:
        """Weight sets per case."""
        given = self.trained.states if self.trained is not None else None
        return self.weight_sets if given is None else len(given[0])


def _several(name: str, values: Any) -> None:
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise InputError(
            f"`{name}` must be a list with at least one entry, got {values!r:.60}. "
            "Write it in brackets, or leave it out."
        )


def whole(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(
            f"`{name}` must be a whole number from {low} to {high}, got {value!r:.60}."
        )


def choice(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(f"`{name}` must be one of {', '.join(known)}, got {value!r:.60}.")


# The command's names for what it takes one or more of.
_SYNONYMS = {"hidden_size": "hidden_sizes", "distribution": "distributions"}


def plan_of(**settings: Any) -> Plan:
    """A plan from `Plan`'s fields, or from the command's names for them.

    One size or distribution may stand alone, and NumPy's integers and dtypes for Python's.

    Raises
    ------
    InputError
        for a name that there is not, or twice in two forms, and for a value out of range.
    """
    known = [f.name for f in fields(Plan)]
    plan: dict[str, Any] = {}
    for name, value in settings.items():
        of = _SYNONYMS.get(name, name)
        if of not in known:
            raise InputError(f"`{name}` must be one of {', '.join([*known, *_SYNONYMS])}.")
        if of in plan:
            raise InputError(f"`{name}` must be given once, got it as `{of}`, too.")
        plan[of] = _plain(of, value)
    return Plan(**plan)


def _plain(name: str, value: Any) -> Any:
    """NumPy's scalars and dtypes as Python's; one of several without its brackets."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.integer):
        value = int(value)
    if name == "dtype" and not isinstance(value, str) and value is not None:
        with suppress(TypeError):
            return np.dtype(value).name
    if name == "hidden_sizes" and isinstance(value, int):
        return (value,)
    if name == "distributions" and isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return [_plain("", item) for item in value]
    return value
