"""The shards of a run, read, checked against the configuration and merged.

A table over a run is only worth reading when every weight set is in it exactly once. So a shard
that is missing, there twice, of another run or damaged is refused here, before anything is
written.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lstm_gpu import configuration, files, intake
from lstm_gpu.accuracy import Accuracy
from lstm_gpu.claims import injection
from lstm_gpu.claims.registry import CLAIMS
from lstm_gpu.claims.sigmoid_regions import Format, shares
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.helpers import helpers, sha256_of
from lstm_gpu.formulas.shard import FormulaEvidence, merge_rows, names_of, tally_of
from lstm_gpu.lint import Lint
from lstm_gpu.report.contents import check_shard
from lstm_gpu.sphere.summary import merge_summaries
from lstm_gpu.tally import Tally
from lstm_gpu.weights.case import Case

FORMATS = ("float16", "float32", "float64")
_KIND = re.compile(rb'"format"\s*:\s*"lstm_gpu (check|align|sigmoid|formulas)"')
_PEEK = 4096  # bytes: the header stands first in a file


@dataclass
class Evidence:
    """All that a run has found, merged.

    Attributes
    ----------
    config : the configuration
    cases : the cases in the configuration's order
    tallies : per case, the records of the checks and of the sphere search
    injections : per case, the errors put into the checks and those detected
    proofs : the records of sigma' in exact arithmetic, which belong to no case
    enclosures : per case, what ball arithmetic proved at the worst entry of every record
    ladders : per case, the step ladders of its weight set 0
    searches : per case, the statistics of the sphere search
    surveys : per floating-point format, the survey of the forms of sigma'
    digests : per case, the combined digest of its drawn weights
    lint : per case, what its weight sets hide
    own_tallies : per case, the records of readers' own formulas
    own : what else is known of each of them
    devices : (backend, device) of every kind of machine that computed, sorted
    accuracies : per dtype, the accuracy of exp, tanh and sigma that its bounds took
    counts : how many shards of each kind
    """

    config: Mapping[str, Any]
    cases: list[Case]
    tallies: dict[Case, Tally] = field(default_factory=dict)
    injections: dict[Case, injection.Injections] = field(default_factory=dict)
    proofs: Tally = field(default_factory=Tally)
    enclosures: dict[Case, list[dict[str, Any]]] = field(default_factory=dict)
    ladders: dict[Case, list[dict[str, Any]]] = field(default_factory=dict)
    searches: dict[Case, dict[str, Any]] = field(default_factory=dict)
    surveys: dict[str, dict[str, Any]] = field(default_factory=dict)
    digests: dict[Case, str] = field(default_factory=dict)
    lint: dict[Case, Lint] = field(default_factory=dict)
    own_tallies: dict[Case, Tally] = field(default_factory=dict)
    own: dict[tuple[str, str], FormulaEvidence] = field(default_factory=dict)
    devices: list[tuple[str, str]] = field(default_factory=list)
    accuracies: dict[str, Accuracy] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = frozenset(self.cases)

    @cached_property
    def formulas(self) -> set[tuple[str, str]]:
        """Name and digest of the configuration's formula files: read once, not for each shard."""
        paths = configuration.formula_paths(self.config)
        codes = [(file, file.read_bytes()) for file in paths]
        digests = [sha256_of(code, helpers(file, code)) for file, code in codes]
        return set(zip(names_of(paths), digests, strict=True))


def collect(paths: Iterable[Path], config: Mapping[str, Any]) -> Evidence:
    """Read and merge the shards of one run.

    Memory: one shard at a time besides the merged tallies, and the range and digest of each (about
    1 KiB a shard). Time: proportional to the shards, whatever number of weight sets is in them.

    Raises
    ------
    InputError
        A shard is unreadable, damaged, of another seed or experiment; weight sets are missing
        or there twice; a format of sigma' is missing or there twice.
    """
    evidence = Evidence(config, configuration.case_table(config))
    ranges: dict[tuple[str, Case], list[tuple[int, int, Path]]] = {}
    drawn: dict[Case, list[tuple[int, int, str]]] = {}
    searched: dict[Case, list[tuple[int, dict[str, Any]]]] = {}
    devices: set[tuple[str, str]] = set()
    own: list[tuple[Case, int, dict[str, Any]]] = []
    for path in sorted(set(map(Path, paths))):
        kind = kind_of(path)
        content = files.read_json(path, kind)
        check_shard(content, kind, str(path))
        try:
            if kind == "sigmoid":
                _add_survey(evidence, content, path)
            else:
                case, start, stop = _identify(evidence, content, path)
                ranges.setdefault((kind, case), []).append((start, stop, path))
                devices.add((content["backend"], content["device"]))
                if kind == "formulas":
                    _check_formulas(evidence, content, path)
                    evidence.own_tallies.setdefault(case, Tally()).merge(tally_of(content))
                    own.append(
                        (case, start, {name: content[name] for name in ("case", "formulas")})
                    )
                    evidence.counts[kind] = evidence.counts.get(kind, 0) + 1
                    continue
                tally = evidence.tallies.setdefault(case, Tally())
                tally.merge(_records(content, path))
                if kind == "align":
                    searched.setdefault(case, []).append((start, content["search"]))
                else:
                    drawn.setdefault(case, []).append((start, stop, content["weights_digest"]))
                    rows = [*evidence.enclosures.get(case, []), *content["enclosures"]]
                    evidence.enclosures[case] = _of_worst_entries(rows, tally)
                    evidence.ladders.setdefault(case, []).extend(content["ladder"])
                    evidence.lint.setdefault(case, Lint()).merge(Lint.from_dict(content["lint"]))
                    injected = injection.Injections.from_list(content["injections"])
                    evidence.injections.setdefault(case, injection.Injections()).merge(injected)
                _add_accuracy(evidence, case.dtype, content["accuracy"], path)
        except InputError:
            raise
        except ValueError as error:  # of what merges: counts that do not fit together
            raise InputError(
                f"`{path}` is not a complete shard ({error}). "
                "Delete it and make it again with this version of lstm_gpu."
            ) from error
        evidence.counts[kind] = evidence.counts.get(kind, 0) + 1
    wanted = {"check": config["weight_sets"], "align": config["sphere"]["weight_sets"]}
    if config.get("formulas"):
        wanted["formulas"] = config["weight_sets"]
    for kind, sets in wanted.items():
        for case in evidence.cases:
            _check_ranges(kind, case, ranges.get((kind, case), []), sets)
    for name in FORMATS:
        if name not in evidence.surveys:
            raise InputError(f"the sigmoid shard of {name} is missing. {_REMEDY}")
    for case in evidence.cases:
        evidence.enclosures[case].sort(key=_enclosure_place)
        evidence.digests[case] = files.digest(sorted(drawn[case]))
        in_order = sorted(searched[case], key=lambda part: part[0])
        try:
            evidence.searches[case] = merge_summaries([summary for _, summary in in_order])
        except ValueError as error:
            raise InputError(
                f"the align shards of {case.name} do not fit together ({error}). Delete them and "
                "run the workflow again."
            ) from error
    rank = {case: place for place, case in enumerate(evidence.cases)}
    own.sort(key=lambda part: (rank[part[0]], part[1]))
    evidence.own = merge_rows(content for _, _, content in own)
    evidence.devices = sorted(devices)
    return evidence


_REMEDY = "Run the workflow again: it makes what is missing."


def kind_of(path: Path) -> str:
    """What a shard file says that it is: "check", "align", "sigmoid" or "formulas"."""
    found = _KIND.search(intake.head(path, _PEEK, _REMEDY))
    if found is None:
        files.read_json(path, "check")  # says what is wrong with it
        raise InputError(f"`{path}` must be a shard: a check, align, sigmoid or formulas file.")
    return found[1].decode()


def _identify(evidence: Evidence, content: dict[str, Any], path: Path) -> tuple[Case, int, int]:
    case = Case.from_dict(content["case"])
    seed = evidence.config["seed"]
    if content["seed"] != seed:
        raise InputError(
            f"`{path}` has seed {content['seed']}, but this run has {seed}. "
            "Delete it and run the workflow again."
        )
    directions = evidence.config["sphere"]["directions"]
    if content.get("directions", directions) != directions:
        raise InputError(
            f"`{path}` searched {content['directions']} directions, but this run has "
            f"{directions}. Delete it and run the workflow again."
        )
    if case not in evidence.known:
        raise InputError(
            f"`{path}` is of case {case.name}, which the configuration does not have. "
            "Delete it, or use the configuration it was made with."
        )
    return case, content["start"], content["stop"]


def _check_formulas(evidence: Evidence, content: dict[str, Any], path: Path) -> None:
    """Refuse a shard of formulas that the configuration does not have, or not in this version."""
    found = {(row["name"].rpartition(".")[0], row["sha256"]) for row in content["formulas"]}
    if found != evidence.formulas:
        raise InputError(
            f"`{path}` tried other formulas, or another version of their file, or one of another "
            "name, than `formulas` has now. Delete it and run the workflow again."
        )


def _add_survey(evidence: Evidence, content: dict[str, Any], path: Path) -> None:
    name = content["dtype"]
    if name not in FORMATS:
        raise InputError(f"`{path}` surveys the unknown format {name!r}. Delete it.")
    if name in evidence.surveys:
        raise InputError(f"`{path}` surveys {name}, which another shard does too. Delete one.")
    planned = planned_points(name, configuration.sigmoid_points(evidence.config, name))
    if content["points"] != planned:
        raise InputError(
            f"`{path}` tried {content['points']} values of {name}, but this run plans {planned}. "
            "Delete it and run the workflow again."
        )
    evidence.surveys[name] = {"rows": content["rows"], "curve": content["curve"]}
    proofs = _records(content, path)
    for key, record in proofs.records.items():
        # The proofs are the same for every format: they count once, wherever they are found.
        evidence.proofs.records.setdefault(key, record)


def _add_accuracy(evidence: Evidence, dtype: str, content: Mapping[str, Any], path: Path) -> None:
    """One accuracy for all bounds of a dtype: a counterexample is replayed with it."""
    accuracy = Accuracy.from_dict(content)
    known = evidence.accuracies.setdefault(dtype, accuracy)
    if accuracy != known:
        raise InputError(
            f"`{path}` took an accuracy of {dtype} functions ({accuracy.source}) that other shards "
            f"did not take ({known.source}). Delete the check and align shards of {dtype}, and run "
            "the workflow again on one kind of machine."
        )


def planned_points(name: str, points: int) -> int:
    """How many values of a format the survey tries when asked for about `points`."""
    layout = Format.of(name)
    asked = 2 * layout.patterns if name == "float16" else points
    plan = shares(layout, asked)
    return sum(len(part) for strip, share in plan for part in strip.ranges(share))


def _records(content: dict[str, Any], path: Path) -> Tally:
    """The records of a shard; each must be of a claim and reading that the registry has."""
    tally = Tally.from_list(content["records"])
    known = {(claim.id, reading.name) for claim in CLAIMS for reading in claim.readings}
    for claim, reading, *_ in tally.records:
        if (claim, reading) not in known:
            raise InputError(
                f"`{path}` tries {claim}/{reading}, which this version does not know. "
                "Delete it and run the workflow again."
            )
    return tally


def _of_worst_entries(rows: list[dict[str, Any]], tally: Tally) -> list[dict[str, Any]]:
    """Of the enclosures in a case's shards those at its worst entries, so that the shards' size
    leaves no trace; one that proves a bound wrong stays, wherever it is.
    """

    def is_worst(row: dict[str, Any]) -> bool:
        record = tally.records.get((row["claim"], row["reading"], "", row["reference"]))
        worst = record.worst if record else None
        return worst is not None and all(worst[name] == row[name] for name in ("index", "entry"))

    return [row for row in rows if row["bounds_hold"] == "no" or is_worst(row)]


def _enclosure_place(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("claim", "reading", "reference", "index"))


def _check_ranges(kind: str, case: Case, ranges: list[tuple[int, int, Path]], sets: int) -> None:
    """Refuse ranges that do not cover 0 .. sets exactly once."""
    where = f"{kind} shards of {case.name}"
    end = 0
    for start, stop, path in sorted(ranges, key=lambda part: part[:2]):
        if start < end:
            raise InputError(
                f"the {where} overlap: `{path}` starts at weight set {start}, but those before "
                f"{end} are there already. Delete the shards of an earlier `shard_size`."
            )
        if start > end:
            raise InputError(f"the {where} lack weight sets {end} to {start}. {_REMEDY}")
        if not start < stop <= sets:
            raise InputError(
                f"`{path}` ends at weight set {stop}, but the configuration has {sets}. "
                "Delete it, or use the configuration it was made with."
            )
        end = stop
    if end < sets:
        raise InputError(f"the {where} lack weight sets {end} to {sets}. {_REMEDY}")
