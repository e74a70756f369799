"""A shard of readers' formulas: what a job of the workflow runs, and what the jobs add up to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lstm_gpu import backend as backends
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.cause import Scaling, Suspect, Suspects
from lstm_gpu.formulas.judgement import MARKS, Key, Marked, Trial, in_one_dtype
from lstm_gpu.formulas.loading import Formula, load
from lstm_gpu.formulas.trial import try_case
from lstm_gpu.tally import Tally
from lstm_gpu.weights import Case


def names_of(paths: Iterable[str | Path]) -> list[str]:
    """What each file is called in the names of its formulas: FILE, or FOLDER.FILE where another is.

    As many folders as it takes to tell the files apart, by more than capitals, which the file
    systems that counterexamples are written to may not know.
    """
    parts = [(*path.parent.resolve().parts, path.stem) for path in map(Path, paths)]
    depths = [1] * len(parts)
    while True:
        names = [".".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        folded = [name.casefold() for name in names]
        longer = [
            min(depth + (folded.count(name) > 1), len(part) - 1)  # but for the root
            for name, depth, part in zip(folded, depths, parts, strict=True)
        ]
        if longer == depths:
            return names
        depths = longer


def load_all(paths: Iterable[str | Path], names: Sequence[str] | None = None) -> list[Formula]:
    """The formulas of several files, named FILE.FUNCTION.

    names : of the files; those of `names_of` where they are left out

    Raises
    ------
    InputError
        A file cannot be read or run, or two formulas would have one name and claim the same.
    """
    paths = list(map(Path, paths))
    formulas: dict[tuple[str, str], Formula] = {}
    for path, name in zip(paths, names or names_of(paths), strict=True):
        for formula in (f._replace(name=f"{name}.{f.name}") for f in load(path)):
            twin = formulas.setdefault(formula.key, formula)
            if twin is not formula:
                raise InputError(
                    f"`formulas` must have each name once, but `{twin.file}` and `{formula.file}` "
                    f"both have {formula.name} for {formula.quantity}. Name each file once, or "
                    "rename one."
                )
    return list(formulas.values())


def formulas_shard(
    paths: Iterable[str | Path],
    case: Case,
    seed: int,
    start: int,
    stop: int,
    backend: str = "auto",
    progress: Any = None,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Put the formulas of some files on trial over weight sets ``range(start, stop)`` of a case.

    names : of the files, as in `load_all`

    Returns
    -------
    dict with case, seed, start, stop, backend, device, sources, records, and per formula what
    `Evidence` merges.
    """
    xp = backends.select(backend)
    formulas = load_all(paths, names)
    trial = Trial()
    try_case(formulas, case, seed, start, stop, xp, trial, progress)
    return {
        "case": case.as_dict(),
        "seed": seed,
        "start": start,
        "stop": stop,
        **backends.describe(xp),
        "records": trial.tallies[case].to_list(),
        "formulas": [
            {
                "quantity": formula.quantity,
                "name": formula.name,
                "sha256": formula.sha256,
                "error": trial.errors.get(formula.key, ""),
                **{
                    name: _marked_to_dict(getattr(trial, name).get(formula.key, Marked()))
                    for name in MARKS
                },
                "not_longer": formula.key in trial.not_longer,
                "decided": trial.decided.get(formula.key, 0),
                "suspects": _suspects_to_dict(trial.suspects.get(formula.key, Suspects())),
            }
            for formula in formulas
        ],
    }


@dataclass
class FormulaEvidence:
    """What all shards say of one formula, besides the records.

    errors : dtype -> why it cannot be tried in it, "" if it can; of several, the first by name
    """

    quantity: str
    name: str
    sha256: str
    errors: dict[str, str] = field(default_factory=dict)
    not_finite: Marked = field(default_factory=Marked)
    rounded: Marked = field(default_factory=Marked)
    out_of_range: Marked = field(default_factory=Marked)
    not_longer: bool = False
    decided: int = 0
    suspects: Suspects = field(default_factory=Suspects)

    @property
    def key(self) -> Key:
        return self.quantity, self.name

    @property
    def error(self) -> str:
        """Why it has no verdict: it cannot be tried in any dtype."""
        return "" if "" in self.errors.values() else "; ".join(dict.fromkeys(self._failures()))

    @property
    def note(self) -> str:
        """Of one that has a verdict in some dtype, why not in another; "" if in all."""
        tried = " and ".join(sorted(dtype for dtype, error in self.errors.items() if not error))
        failed = sorted(dtype for dtype, error in self.errors.items() if error)
        if not tried or not failed:
            return ""
        return in_one_dtype(tried, failed[0], self.errors[failed[0]])

    def _failures(self) -> list[str]:
        return [error for _, error in sorted(self.errors.items()) if error]

    def merge(self, row: Mapping[str, Any], case: Case) -> None:
        """Add the row of a shard of a case, after those of the cases and indices before it."""
        known, error = self.errors.get(case.dtype, ""), str(row["error"])
        self.errors[case.dtype] = min(known, error) if known and error else known or error
        for name in MARKS:
            getattr(self, name).merge(_marked_from_dict(row[name], case))
        self.not_longer |= row["not_longer"]
        self.decided += int(row["decided"])
        self.suspects.merge(_suspects_from_dict(row["suspects"]))


def merge_rows(shards: Iterable[Mapping[str, Any]]) -> dict[Key, FormulaEvidence]:
    """The formulas of all shards, in the order of the files."""
    merged: dict[Key, FormulaEvidence] = {}
    for content in shards:
        case = Case.from_dict(content["case"])
        for row in content["formulas"]:
            key = row["quantity"], row["name"]
            evidence = merged.setdefault(key, FormulaEvidence(*key, row["sha256"]))
            evidence.merge(row, case)
    return merged


def _marked_to_dict(marked: Marked) -> dict[str, Any]:
    """How many, and the first: its case is the shard's."""
    first = {"index": marked.index, "entry": list(marked.entry)} if marked.case else None
    return {"sets": marked.sets, "first": first}


def _marked_from_dict(content: Mapping[str, Any], case: Case) -> Marked:
    first = content["first"]
    if first is None:
        return Marked(content["sets"])
    return Marked(content["sets"], case, first["index"], tuple(first["entry"]))


def _suspects_to_dict(suspects: Suspects) -> dict[str, Any]:
    return {
        "wrong_sets": suspects.wrong_sets,
        "suspects": {name: asdict(s) for name, s in suspects.suspects.items()},
        "scaling": {name: repr(value) for name, value in asdict(suspects.scaling).items()},
    }


def _suspects_from_dict(content: Mapping[str, Any]) -> Suspects:
    return Suspects(
        {name: Suspect(**s) for name, s in content["suspects"].items()},
        Scaling(**{name: float(value) for name, value in content["scaling"].items()}),
        content["wrong_sets"],
    )


def tally_of(content: Mapping[str, Any]) -> Tally:
    """The records of a shard; each must be of one of its formulas, or of a mutant.

    Raises
    ------
    ValueError
        for any other.
    """
    tally = Tally.from_list(content["records"])
    known = {(row["quantity"], row["name"]) for row in content["formulas"]}
    quantities = {quantity for quantity, _ in known}
    for claim, reading, mutant, _ in tally.records:
        if not (claim in quantities if mutant else (claim, reading) in known):
            raise ValueError(f"a record of {claim}/{reading}/{mutant}, which the shard has not")
    return tally
