"""Hostile input for every reader, by the hundred thousand: no crash, no traceback, no hang.

    python -m benchmarks.fuzz [--inputs 100000] [--record FILE] [READER ...]

Each reader is tried in a process of its own, with bounded memory. With atheris installed
(optional) the inputs follow the coverage of the package's code; without it they are random. Some
are changed byte by byte, most as what they are: a value of a JSON file becomes another one, and the
digest is made to fit, for whoever edits a file can compute it. A reader may do two things: return,
or raise `InputError` with one printable line.
"""

import argparse
import contextlib
import copy
import functools
import io
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import machine

MEMORY = 2 * 2**30  # bytes of address space beyond what the libraries take
SECONDS = 1.0  # of processor time for one input
RUN = "LSTM_GPU_FUZZ_RUN"  # where the processes of the readers find the run
LONGEST = 2**17  # bytes of an input
NASTY = [
    None, True, 0, -1, 10**9, 2**63, 2**64, 10**30, 10**4000, 0.5, -0.0, 1e308, 5e-324,
    float("inf"), float("nan"), "", "x" * 5000, "\x00", "\ud800", "\x1b[31m", "\u202e", "../../x",
    "/etc/passwd", "$x$", "<script>", "1", [], {}, [[]], {"": 0}, json.loads("[" * 90 + "]" * 90),
]  # fmt: skip
HEADERS = (  # of stored arrays, as they are and as they may be forged
    (b"<f8", b"|O8"), (b"<f4", b"<f2"), (b"<f8", b">f8"), (b"(8, 3)", b"(9999999999, 3)"),
    (b"(4, 1)", b"(-4, 1)"), (b"(4,)", b"()"), (b"(8,)", b"(1e9,)"), (b"False", b"True"),
)  # fmt: skip
TOKENS = b"0 -1 1e400 NaN [ ] { } , : & * ! \x00 \xff \x1b[31m \n \r \" ' 99999999999".split(b" ")


def mutated(value: Any, chance: random.Random) -> Any:
    """A JSON value, changed in place: a part is replaced, dropped, doubled or put elsewhere."""
    if not isinstance(value, dict | list) or not value:
        return copy.deepcopy(chance.choice(NASTY))
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        holder, key = _place(value, chance)
        match chance.randrange(5):
            case 0 if len(value) > 1 or holder is not value:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 2:
                other, at = _place(value, chance)
                holder[key] = copy.deepcopy(other[at])
            case _:
                holder[key] = copy.deepcopy(chance.choice(NASTY))
    return value


def _place(value: Any, chance: random.Random) -> tuple[Any, Any]:
    """A random place in a value: the mapping or list that holds it, and its key."""
    while True:
        key = (
            chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        )
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.2:
            return value, key
        value = inner


def bytes_mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes with a few changed, cut, doubled or put in."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(5):
            case 0:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del found[at : at + chance.choice((1, 4, 64))]
            case 2:
                found[at:at] = found[at : at + chance.choice((1, 4, 64))]
            case 3:
                found[at:at] = chance.choice(TOKENS)
            case _:
                start = chance.randrange(len(found) + 1)
                found[at:at] = found[start : start + chance.choice((1, 8, 64))]
    return bytes(found[:LONGEST])


class Reader:
    """One reader: its seeds, and what it does with an input that lies in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "input"

    kind = ""  # of a JSON file of this project; "" for any other
    memory = MEMORY

    def seeds(self) -> list[bytes]:
        raise NotImplementedError

    def read(self) -> None:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Put the input where it is read; the content of a JSON file gets a header that fits."""
        if self.kind:
            from lstm_gpu import files

            with contextlib.suppress(ValueError, RecursionError):
                content = json.loads(data)
                if isinstance(content, dict) and not content.keys() & set(files.HEADER):
                    files.write_json(self.path, self.kind, content)
                    return
        self.path.write_bytes(data)

    def change(self, data: bytes, chance: random.Random) -> bytes:
        if self.kind and chance.random() < 0.8:
            with contextlib.suppress(ValueError, RecursionError):
                return json.dumps(mutated(json.loads(data), chance)).encode()[:LONGEST]
        return bytes_mutated(data, chance)

    def once(self, data: bytes) -> None:
        """Read one input; anything but success or one printable line is a finding."""
        from lstm_gpu.errors import InputError

        self.write(data)
        began = time.process_time()
        try:
            self.read()
        except InputError as error:
            said = str(error)
            assert said.isprintable(), f"not printable: {said!r}"
            assert said, "nothing said"
        took = time.process_time() - began
        assert took < SECONDS, f"{took:.1f} s"


def _contents(paths: list[Path]) -> list[bytes]:
    """The contents of JSON files without their headers, their lists cut to a few entries."""
    found = []
    for path in paths:
        content = json.loads(path.read_bytes())
        for name in ("format", "version", "digest"):
            content.pop(name, None)
        for name in ("records", "enclosures", "injections", "rows", "curve"):
            if isinstance(content.get(name), list):
                content[name] = content[name][:2]
        for ladder in content.get("ladder", [])[:1]:
            for name in ("steps", "gap", "bound", "excess", "label"):
                ladder[name] = ladder[name][:3]
        if "ladder" in content:
            content["ladder"] = content["ladder"][:1]
        found.append(json.dumps(content).encode())
    return found


@functools.cache
def run() -> Path:
    """The results of a very small run, made once; gone when the process ends."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    given = os.environ.get(RUN)
    if given:
        return Path(given)
    import report_run

    return report_run.finished()


class Configuration(Reader):
    def seeds(self) -> list[bytes]:
        found = Path(__file__).parents[1].glob("config/**/*.yaml")
        return [
            *(path.read_bytes() for path in found),
            b"a: &x [1]\nb: *x\n",
            b"? [a]\n: !!set {b}\n",
        ]

    def read(self) -> None:
        from lstm_gpu import configuration

        configuration.load(self.path)


class Envelope(Reader):
    """The header and digest of every JSON file."""

    def seeds(self) -> list[bytes]:
        return [next(run().glob("counterexamples/*.json")).read_bytes(), b"[" * 2000]

    def read(self) -> None:
        from lstm_gpu import files

        files.read_json(self.path, "counterexample")


class Shards(Reader):
    """A shard among those of a run: of three kinds, by what is in it."""

    def seeds(self) -> list[bytes]:
        shards = sorted(run().glob("shards/**/*.json"))
        chosen = [path for path in shards if "size=3" in str(path) and "float64" in str(path)]
        return _contents([*chosen[:3], *(p for p in shards if p.parent.name == "sigmoid")])

    def write(self, data: bytes) -> None:
        self.kind = "align" if b'"search"' in data else "check"
        self.kind = "sigmoid" if b'"curve"' in data else self.kind
        super().write(data)

    def change(self, data: bytes, chance: random.Random) -> bytes:
        self.kind = "check"
        return super().change(data, chance)

    def read(self) -> None:
        import report_run

        from lstm_gpu.report.shards import collect

        collect([self.path], report_run.CONFIG)


class Counterexample(Reader):
    kind = "counterexample"

    def seeds(self) -> list[bytes]:
        from lstm_gpu.explicit import as_lists
        from lstm_gpu.weights import Case, draw

        found = _contents(sorted(run().glob("counterexamples/*.json")))
        written = {**json.loads(found[0]), "case": None, "dtype": "float64"}
        case = Case(2, 1, "float64", "sparse", "generic")
        written["weights"] = as_lists(draw(case, 0, 0, 1))
        # Of a reader's own formula, which mixes weight sets.
        mixed = {**written, "claim": "cell_jacobian", "reading": "mine.f", "weights": None}
        mixed |= {"case": case.as_dict(), "seed": 0, "index": 3, "calls": [[0, 1], [2, 5]]}
        mixed |= {"formula": {"file": "mine.py", "sha256": "0" * 64, "place": "0" * 16}}
        return [*found, *(json.dumps(content).encode() for content in (written, mixed))]

    def read(self) -> None:
        from lstm_gpu import recorded

        recorded.read(self.path)


class Replay(Counterexample):
    """Reading, recomputing and describing, where the sizes are small."""

    def read(self) -> None:
        from lstm_gpu import recorded, replay

        found = recorded.read(self.path)
        case = found.case
        small = case is None or case.hidden_size * case.input_size <= 64
        if small and found.directions <= 4096:
            said = replay.describe(replay.replay(self.path, "numpy"))
            assert all(line.isprintable() for line in said.split("\n")), said


class Tables(Reader):
    """A table for figures and page; its name is told from its header."""

    def seeds(self) -> list[bytes]:
        found = [path.read_bytes() for path in sorted(run().glob("*.csv"))]
        return [b"\n".join(data.split(b"\n")[:8]) + b"\n" for data in found]

    def read(self) -> None:
        from lstm_gpu.report import columns

        data = self.path.read_bytes()
        header = data.partition(b"\n")[0].decode("utf-8", "replace").split(",")
        names = {len(names): name for name, names in columns.TABLES.items()}
        columns.table(self.path, names.get(len(header), "verdicts.csv"))


class Verdicts(Reader):
    """The command `verdicts`, on both tables that it reads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.count = 0

    def seeds(self) -> list[bytes]:
        return [
            b"\n".join((run() / name).read_bytes().split(b"\n")[:12]) + b"\n"
            for name in ("verdicts.csv", "mutants.csv")
        ]

    def read(self) -> None:
        from lstm_gpu import cli

        good = self.seeds() if not self.count else self.good
        self.good, self.count = good, self.count + 1
        data = self.path.read_bytes()
        (self.folder / "verdicts.csv").write_bytes(data if b"statement" in data else good[0])
        (self.folder / "mutants.csv").write_bytes(good[1] if b"statement" in data else data)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(["verdicts", str(self.folder)])
        said = (out.getvalue() + err.getvalue()).rstrip("\n").split("\n")
        assert code in (0, 1, 2, 3), code
        assert code != 2 or len(said) == 1, said
        assert all(line.isprintable() for line in said), said


class Accuracy(Reader):
    kind = "accuracy"

    def seeds(self) -> list[bytes]:
        errors = {"values": 2**32, "ulp": 2.5, "at": -1.0, "subnormal": 0.1, "subnormal_at": None}
        errors |= {"wrong": 0, "changed": 0}
        functions = dict.fromkeys(("exp", "tanh", "sigmoid"), errors)
        machine = {"backend": "numpy", "device": "x86_64", "routines": "NumPy"}
        return [json.dumps({"dtype": "float32", **machine, "functions": functions}).encode()]

    def read(self) -> None:
        from lstm_gpu import exhaustive

        exhaustive.accuracy_from([self.path], "float32", "numpy")


class Ranges(Reader):
    """The file of a range of float32 values; its envelope is that of all others."""

    def seeds(self) -> list[bytes]:
        from lstm_gpu import exhaustive

        return [json.dumps(exhaustive.measure_range(0, 256, "numpy")).encode()]

    def write(self, data: bytes) -> None:
        try:
            self.content = json.loads(data)
        except (ValueError, RecursionError):
            self.content = None

    def change(self, data: bytes, chance: random.Random) -> bytes:
        try:
            return json.dumps(mutated(json.loads(data), chance)).encode()
        except (ValueError, RecursionError):
            return bytes_mutated(data, chance)

    def read(self) -> None:
        from lstm_gpu import exhaustive

        exhaustive.merge([self.content])


class Weights(Reader):
    """A file of weights: its zip directory, its headers and its numbers."""

    def seeds(self) -> list[bytes]:
        import numpy as np

        found = []
        for dtype, n, m, save in (("f4", 2, 3, np.savez), ("f8", 1, 1, np.savez_compressed)):
            ones = {"weight_ih": (4 * n, m), "weight_hh": (4 * n, n), "bias_ih": (4 * n,)}
            ones |= {"x": (2, m), "h": (2, n), "c": (2, n)} if n == 1 else {}
            save(file := io.BytesIO(), **{name: np.ones(k, dtype) for name, k in ones.items()})
            found.append(file.getvalue())
        return found

    def change(self, data: bytes, chance: random.Random) -> bytes:
        """Half of the time the members are changed, and the directory is made to fit."""
        if chance.random() < 0.5:
            return bytes_mutated(data, chance)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(member.file_size for member in archive.infolist()) > LONGEST:
                    return bytes_mutated(data, chance)
                parts = [(member.filename, archive.read(member)) for member in archive.infolist()]
        except Exception:  # of a seed that was spoiled before, whatever zipfile says of it
            return bytes_mutated(data, chance)
        at = chance.randrange(len(parts)) if parts else 0
        name, part = parts[at] if parts else ("x.npy", b"")
        match chance.randrange(5):
            case 0:
                parts[at:at] = [(name, part)]
            case 1:
                name = chance.choice(
                    ("h.npy", "c.npy", "../x.npy", "bias_hh_l0.npy", "a", "x" * 999)
                )
                parts[at : at + 1] = [(name, part)]
            case 2:
                old, new = chance.choice(HEADERS)
                parts[at : at + 1] = [(name, part.replace(old, new))]
            case 3:
                parts[at : at + 1] = [
                    (name, part[:128] + chance.randbytes(max(1, len(part) - 128)))
                ]
            case _:
                parts[at : at + 1] = [(name, bytes_mutated(part, chance))]
        kind = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
        with warnings.catch_warnings(), zipfile.ZipFile(file := io.BytesIO(), "w", kind) as archive:
            warnings.simplefilter("ignore")  # of a name that is there twice: as wanted
            for name, part in parts:
                archive.writestr(name, part)
        return file.getvalue()

    def read(self) -> None:
        from lstm_gpu.weights import trained

        found = trained.load(self.path)
        found.draw(found.cases[0], 0, 0, 1)


class Manifest(Reader):
    kind = "manifest"

    def seeds(self) -> list[bytes]:
        return _contents([run() / "manifest.json"])

    def read(self) -> None:
        from lstm_gpu.report import manifest

        (self.folder / "manifest.json").write_bytes(self.path.read_bytes())
        manifest.read(self.folder)


class WorstEntry(Reader):
    kind = "worst_entry"

    def seeds(self) -> list[bytes]:
        return _contents([run() / "worst_entry.json"])

    def read(self) -> None:
        from lstm_gpu.report import worst

        (self.folder / "worst_entry.json").write_bytes(self.path.read_bytes())
        worst.read(self.folder)


class Page(Tables):
    """The whole page, with one of its tables spoiled."""

    def read(self) -> None:
        from lstm_gpu.report import columns, page

        data = self.path.read_bytes()
        width = data.partition(b"\n")[0].count(b",") + 1
        name = {len(names): name for name, names in columns.TABLES.items()}.get(width)
        for path in self.tables() if not (self.folder / "manifest.json").exists() else ():
            shutil.copy(path, self.folder)
        if name is not None:
            kept = (self.folder / name).read_bytes()
            (self.folder / name).write_bytes(data)
            try:
                page.render(page.context(self.folder))
            finally:
                (self.folder / name).write_bytes(kept)

    def tables(self) -> list[Path]:
        for name in ("figures", "counterexamples"):
            shutil.copytree(run() / name, self.folder / name)
        return [*run().glob("*.csv"), *run().glob("*.json")]


class Figures(Page):
    """All figures, with one table spoiled."""

    def read(self) -> None:
        from matplotlib import pyplot

        from lstm_gpu.report import columns, figures, style

        data = self.path.read_bytes()
        width = data.partition(b"\n")[0].count(b",") + 1
        name = {len(names): name for name, names in columns.TABLES.items()}.get(width)
        for path in self.tables() if not (self.folder / "manifest.json").exists() else ():
            shutil.copy(path, self.folder)
        drawn_from = {
            "cases.csv": "error_over_bound", "mutants.csv": "mutants", "ladder.csv": "ladder",
            "detection.csv": "detection", "alignment.csv": "alignment", "sigmoid.csv": "sigmoid",
            "best_cosine.csv": "alignment", "sigmoid_curve.csv": "sigmoid",
        }  # fmt: skip
        if name in drawn_from:
            kept = (self.folder / name).read_bytes()
            (self.folder / name).write_bytes(data)
            try:
                with style.settings():
                    style.settle(figures.FIGURES[drawn_from[name]](self.folder))
            finally:
                (self.folder / name).write_bytes(kept)
                pyplot.close("all")


READERS: dict[str, Callable[[Path], Reader]] = {
    "configuration": Configuration,
    "envelope": Envelope,
    "shards": Shards,
    "counterexample": Counterexample,
    "replay": Replay,
    "tables": Tables,
    "verdicts": Verdicts,
    "accuracy": Accuracy,
    "ranges": Ranges,
    "weights": Weights,
    "manifest": Manifest,
    "worst_entry": WorstEntry,
}
SLOW = {"page": Page, "figures": Figures}  # made of the readers above, and tried less often


def one_reader(name: str, inputs: int, seed: int) -> None:
    """Try one reader in this process; ends with the first finding, as a traceback."""
    try:
        import atheris
    except ImportError:
        atheris = None
    if atheris:
        with atheris.instrument_imports(include=["lstm_gpu", "yaml", "jsonschema"]):
            _imports()
    else:
        _imports()
    folder = Path(tempfile.mkdtemp(prefix="lstm_gpu-fuzz-", dir=_memory_folder()))
    reader = (READERS | SLOW)[name](folder)
    seeds = reader.seeds()
    for data in seeds:
        reader.once(data)  # also fills every cache
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    print(f"{'atheris' if atheris else 'random'}", flush=True)
    tried = 0
    last = b""

    def once(data: bytes) -> None:
        nonlocal tried, last
        tried, last = tried + 1, data
        try:
            reader.once(data)
        except BaseException:
            Path(f"finding-{name}").write_bytes(data)
            traceback.print_exc()
            sys.stderr.flush()
            raise

    if atheris is None:
        chance = random.Random(seed)
        pool = list(seeds)
        for _ in range(inputs):
            data = reader.change(chance.choice(pool), chance)
            if chance.random() < 0.02 and len(pool) < 4096:
                pool.append(data)
            once(data)
        print(f"tried {tried}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        return
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds):
        (corpus / str(number)).write_bytes(data)

    def custom(data: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        if chance.random() < 0.3:
            return atheris.Mutate(data, most)
        return reader.change(data, chance)[:most]

    options = [f"-runs={inputs}", f"-seed={seed}", f"-max_len={LONGEST}", "-timeout=20"]
    options += ["-rss_limit_mb=0", "-len_control=0", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], once, custom_mutator=custom)
    atheris.Fuzz()


def _covered(said: str) -> int:
    """Places in the code that the inputs reached, by the last line of the fuzzer; 0 for none."""
    found = re.findall(r"DONE +cov: (\d+)", said)
    return int(found[-1]) if found else 0


def _traceback(said: str) -> str:
    """The last traceback, without what the fuzzer says around it."""
    lines = said.partition("Traceback")[2].splitlines() or said.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("INFO", "#")))[:3000]


def _imports() -> None:
    """Everything that the readers import, at once, so that it is instrumented."""
    from lstm_gpu import cli, configuration, exhaustive, replay  # noqa: F401
    from lstm_gpu.report import columns, contents, figures, manifest, page, shards, worst  # noqa: F401


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS | SLOW)}")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--slow-inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.readers or [*READERS, *SLOW]
    os.environ[RUN] = str(run())
    if options.here:
        one_reader(names[0], options.inputs, options.seed)
        return 0
    rows = []
    print(f"{'reader':<16}{'inputs':>9}{'seconds':>9}  findings")
    for name in names:
        inputs = options.slow_inputs if name in SLOW else options.inputs
        command = [sys.executable, "-m", "benchmarks.fuzz", "--here", name]
        command += ["--inputs", str(inputs), "--seed", str(options.seed)]
        began = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        finding = "" if ended.returncode == 0 else _traceback(ended.stderr)
        guided = ended.stdout.startswith("atheris")
        places = _covered(ended.stderr) if guided else None
        if guided and not finding and not places:
            finding = "the inputs followed no coverage: the readers' code is not instrumented"
        rows.append(
            {"reader": name, "inputs": inputs, "guided": guided, "places_covered": places}
            | {"seconds": round(seconds, 1), "findings": int(bool(finding)), "finding": finding}
        )
        print(
            f"{name:<16}{inputs:>9}{seconds:>9.1f}  {finding or 'none'}",
            flush=True,
        )
    if options.record:
        content = {"machine": machine.describe(), "memory_bytes": MEMORY, "limit_seconds": SECONDS}
        if options.record.exists():  # of other readers, tried before
            before = json.loads(options.record.read_text())["readers"]
            rows = [row for row in before if row["reader"] not in names] + rows
        options.record.write_text(json.dumps({**content, "readers": rows}, indent=1) + "\n")
    return int(any(row["findings"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
