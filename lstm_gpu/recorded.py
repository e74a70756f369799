"""A counterexample file, read: each field checked, by type and by range; and its weight set."""

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lstm_gpu import campaign, examination, explicit
from lstm_gpu.accuracy import DOCUMENTED, Accuracy
from lstm_gpu.claims import registry
from lstm_gpu.configuration import COMMAND_MEMORY_LIMIT
from lstm_gpu.errors import InputError
from lstm_gpu.fields import NAME, NUMBER, SIZE, TEXT, Each, Maybe, Rule, brief, check
from lstm_gpu.files import read_json
from lstm_gpu.formulas.loading import ARGMAX, NAMES
from lstm_gpu.weights import DISTRIBUTIONS, DTYPES, EDGES, REGIMES, Case, WeightSets, draw
from lstm_gpu.weights.trained import GIVEN, TRAINED, Trained
from lstm_gpu.weights.trained import load as load_weights

LARGEST_SIZE = 4096  # of n and m
LARGEST_DIRECTIONS = 2**24
LARGEST_FILE = 2**22  # bytes: one weight set of n = m = 64, written out, takes a fifth
_SUFFIX = "Take the file that the run wrote."
_VALUE = Rule(
    "a finite number, or an exact one as text", lambda v: NUMBER.holds(v) or TEXT.holds(v)
)
_SHOWN: dict[str, Any] = {  # in words to a reader, and in nothing else
    **dict.fromkeys(("claimed", "measured", "error", "bound"), _VALUE),
    "ratio": Maybe(SIZE),
    "parts": Each(NAME, _VALUE),
    "hex": dict.fromkeys(("claimed", "measured", "error", "bound"), TEXT),
    "likely_cause": TEXT,
    "formula": Each(NAME, TEXT),
    "weights_file": Each(NAME, TEXT),
}
_CASE = {field.name for field in fields(Case)}
_KINDS = {int: "a whole number", str: "text", list: "a list", dict: "a mapping"}


@dataclass(frozen=True)
class Recorded:
    """A counterexample file, every field checked.

    content : all of it; key, entry : the comparison and where; case, seed, index, directions : the
        weight set, None for D5 and where `weights` are given number by number
    trained : the file of weights that the case is of, if it is of one
    calls : the ranges of weight sets that a formula which mixes them is called with; none for any
        other
    """

    path: str
    content: dict[str, Any]
    key: tuple[str, str, str, str]
    entry: list[int]
    case: Case | None
    seed: int
    index: int
    directions: int
    weights: WeightSets | None
    accuracy: Accuracy = DOCUMENTED
    trained: Trained | None = None
    calls: tuple[tuple[int, int], ...] = ()

    @property
    def own(self) -> bool:
        """Whether it is to a reader's own formula, which is not in the file."""
        return "formula" in self.content

    @property
    def has_sets(self) -> bool:
        """Whether it is of a weight set; a proof for all z is of none."""
        return self.case is not None or self.weights is not None

    def sets(self, xp: Any) -> WeightSets:
        """The weight set, drawn again or as it is written.

        Raises
        ------
        InputError
            where the file has neither.
        """
        if self.weights is not None:
            names = explicit.names_of(self.weights)
            return WeightSets(**{name: xp.asarray(getattr(self.weights, name)) for name in names})
        if self.case is None:
            raise InputError(f"`case` in {self.path} must be a mapping. {_SUFFIX}")
        where = self.case, self.seed, self.index, self.index + 1
        if self.trained is not None:
            return self.trained.draw(*where, xp)
        if self.own:
            from lstm_gpu.formulas.inputs import drawn

            return drawn(*where, xp)
        return draw(*where, xp)


def read(path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> Recorded:
    """Read a counterexample file, and check each field: type, then range.

    weights : the file of trained weights, where the counterexample is on those
    """
    content, path = read_json(Path(path), "counterexample", LARGEST_FILE), str(path)

    def field(name: str, kind: type, holder: dict[str, Any] = content) -> Any:
        value = holder.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(
                f"`{name}` in {path} must be {_KINDS[kind]}, got {brief(value)}. {_SUFFIX}"
            )
        return value

    def whole(name: str, low: int, high: int, holder: dict[str, Any] = content) -> int:
        value: int = field(name, int, holder)
        if not low <= value <= high:
            got = brief(value)
            raise InputError(f"`{name}` in {path} must be from {low} to {high}, got {got}.")
        return value

    def choice(name: str, known: tuple[str, ...], holder: dict[str, Any] = content) -> str:
        value: str = field(name, str, holder)
        if value not in known:
            raise InputError(
                f"`{name}` in {path} must be one of {', '.join(known)}, got {value!r:.60}."
            )
        return value

    own = "formula" in content
    claim = choice("claim", NAMES if own else tuple(c.id for c in registry.CLAIMS))
    key = (claim, field("reading", str), field("mutant", str), field("reference", str))
    for name, value in zip(("reading", "mutant", "reference"), key[1:], strict=True):
        check(value, TEXT, path, name)
    for name, rule in _SHOWN.items():
        if name in content:
            check(content[name], rule, path, name)
    entry = field("entry", list)
    if len(entry) > 2 or not all(type(e) is int and e >= 0 for e in entry):
        raise InputError(f"`entry` in {path} must hold up to two indices, got {brief(entry)}.")
    where = Recorded(path, content, key, entry, None, 0, 0, 0, None)
    if content.get("weights") is not None:
        if own and claim == ARGMAX:
            raise InputError(f"`claim` in {path} must be a Jacobian's where `weights` are given.")
        dtype = field("dtype", str)
        return replace(where, weights=explicit.from_lists(content["weights"], dtype, path))
    if own or content.get("case") is not None:
        case = field("case", dict)
        if unknown := case.keys() - _CASE:
            raise InputError(f"`case` in {path} must not hold `{min(unknown)}`. {_SUFFIX}")
        of_file = own and "weights_file" in content
        laws = (TRAINED,) if of_file else DISTRIBUTIONS
        regimes = (*REGIMES, *((GIVEN,) if of_file else ()), *(EDGES if own else ()))
        where = replace(
            where,
            case=Case(
                hidden_size=whole("hidden_size", 1, LARGEST_SIZE, case),
                input_size=whole("input_size", 1, LARGEST_SIZE, case),
                dtype=choice("dtype", DTYPES, case),
                distribution=choice("distribution", laws, case),
                regime=choice("regime", regimes, case),
            ),
            seed=whole("seed", 0, 2**64 - 1),
            index=whole("index", 0, 2**64 - 1),
        )
        if content.get("accuracy") is not None:
            where = replace(where, accuracy=Accuracy.from_dict(field("accuracy", dict)))
        _check_memory(where)
        if of_file:
            where = replace(where, trained=_trained(where, weights))
        if content.get("calls") is not None:
            where = replace(where, calls=_calls(where, own))
        searched = not own and claim not in examination.JACOBIAN_CLAIMS  # on the sphere
        if searched or content.get("directions") is not None:
            where = replace(where, directions=whole("directions", 1, LARGEST_DIRECTIONS))
    return where


def _calls(recorded: Recorded, own: bool) -> tuple[tuple[int, int], ...]:
    """What a formula that mixes weight sets is called with: no more at once than a trial does."""
    from lstm_gpu.formulas.trial import block_size

    assert recorded.case is not None
    calls, most = recorded.content["calls"], block_size(recorded.case)

    def is_range(call: Any) -> bool:
        ends = type(call) is list and len(call) == 2 and all(type(end) is int for end in call)
        return ends and 0 <= call[0] < call[1] <= 2**64 and call[1] - call[0] <= most

    kept = own and type(calls) is list and 0 < len(calls) <= 2 and all(map(is_range, calls))
    if not kept or not calls[-1][0] <= recorded.index < calls[-1][1]:
        raise InputError(
            f"`calls` in {recorded.path} must be one or two ranges [start, stop] of up to {most} "
            f"weight sets, the last with `index`, for a formula of your own, got {brief(calls)}. "
            f"{_SUFFIX}"
        )
    return tuple((start, stop) for start, stop in calls)


def _trained(recorded: Recorded, weights: str | os.PathLike[str] | None) -> Trained:
    """The file of weights that its user names, when it is the one that was checked."""
    if weights is None:
        raise InputError(
            f"`{recorded.path}` is a counterexample on trained weights, which are not in it. Name "
            "their file: --weights FILE."
        )
    trained = load_weights(weights)
    if recorded.content["weights_file"].get("sha256") != trained.sha256:
        raise InputError(
            f"`{weights}` must be the file that `{recorded.path}` was found with, and has another "
            "digest. Name that one."
        )
    return trained


def _check_memory(recorded: Recorded) -> None:
    """A file is data, and must not make us fill the memory."""
    assert recorded.case is not None
    if campaign.memory_by_input(recorded.case) > COMMAND_MEMORY_LIMIT:
        n, m = recorded.case.hidden_size, recorded.case.input_size
        limit = f"{COMMAND_MEMORY_LIMIT / 2**30:.3g} GiB"
        raise InputError(
            f"`case` in {recorded.path} must have sizes that {limit} are enough for, got n = {n}, "
            f"m = {m}. {_SUFFIX}"
        )
