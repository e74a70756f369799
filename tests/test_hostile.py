"""Hostile input for every reader: it returns, or says what is wrong in one printable line.

The readers, their seeds and the changes are those of `python -m benchmarks.fuzz`, which tries a
hundred thousand of each.
"""

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import fuzz
from lstm_gpu import files, recorded, replay
from lstm_gpu.errors import InputError
from lstm_gpu.report import page, shards, tables
from lstm_gpu.shrink import shrink_file

INPUTS = {"ranges": 20, "replay": 40}


@pytest.fixture(scope="module")
def reader(request, tmp_path_factory):
    fuzz.run()
    found = fuzz.READERS[request.param](tmp_path_factory.mktemp(request.param))
    return found, found.seeds()


@pytest.mark.parametrize("reader", fuzz.READERS, indirect=True)
def test_a_reader_takes_its_seeds_and_any_change_of_them(reader, request):
    tried, seeds = reader
    for data in seeds:
        tried.once(data)

    # Each input is changed up to three times, at places that hypothesis may choose to shrink.
    @settings(max_examples=INPUTS.get(request.node.callspec.params["reader"], 80))
    @given(
        seed=st.sampled_from(seeds), numbers=st.lists(st.integers(0, 2**32), min_size=1, max_size=3)
    )
    def any_change(seed, numbers):
        for number in numbers:
            seed = tried.change(seed, random.Random(number))
        tried.once(seed)

    any_change()


def test_every_field_of_a_counterexample_is_in_a_seed_that_is_read(tmp_path):
    """Refused, a seed leads the fuzzer no further than to the field that is wrong."""
    reader, found = fuzz.READERS["counterexample"](tmp_path), []
    for data in reader.seeds():
        reader.write(data)
        found.append(recorded.read(reader.path))
    assert any(f.weights is not None for f in found)
    assert any(f.directions for f in found)
    assert any("accuracy" in f.content for f in found)
    assert any(f.own and f.calls == ((0, 1), (2, 5)) for f in found)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_at_all(tmp_path, data):
    for name in ("configuration", "envelope", "counterexample", "tables", "weights"):
        fuzz.READERS[name](tmp_path).once(data)


def test_the_fuzzer_notices_a_traceback_a_wild_message_and_a_hang(tmp_path, monkeypatch):
    class Broken(fuzz.Reader):
        def read(self):
            raise self.error

    broken = Broken(tmp_path)
    for error, says in ((KeyError("x"), "x"), (InputError("\n"), "nothing said")):
        broken.error = error
        with pytest.raises((KeyError, AssertionError), match=says):
            broken.once(b"")
    monkeypatch.setattr(fuzz, "SECONDS", -1.0)
    broken.error = InputError("fine")
    with pytest.raises(AssertionError, match="s"):
        broken.once(b"")


# --- Sizes are checked before memory is taken -----------------------------------------------------


def peak(action):
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "claim", ["forget_gate_maximum__gate_equals_norm", "input_irrelevance__maximum_any_input"]
)
def test_a_search_without_directions_is_refused(tmp_path, claim):
    content = files.read_json(fuzz.run() / "counterexamples" / f"{claim}.json", "counterexample")
    for directions in (None, 0):
        files.write_json(
            tmp_path / "a.json", "counterexample", {**content, "directions": directions}
        )
        with pytest.raises(InputError, match=r"`directions` in .* must be"):
            recorded.read(tmp_path / "a.json")


@pytest.mark.parametrize("index", [2**53 + 1, 2**63, 2**64 - 1])
def test_any_index_that_a_seed_has_can_be_replayed(tmp_path, index):
    for claim in ("forget_gate_maximum__gate_equals_norm", "forget_gate_jacobian__matrix_vector"):
        path = fuzz.run() / "counterexamples" / f"{claim}.json"
        content = files.read_json(path, "counterexample")
        files.write_json(tmp_path / "a.json", "counterexample", {**content, "index": index})
        assert replay.replay(tmp_path / "a.json", "numpy").verdict in ("refuted", "supported")


@pytest.mark.parametrize("size", [10**9, 4096, 10**300])
def test_a_huge_counterexample_is_refused_before_it_is_drawn(tmp_path, size):
    example = next(fuzz.run().glob("counterexamples/*.json"))
    content = files.read_json(example, "counterexample")
    content["case"]["hidden_size"] = content["case"]["input_size"] = size
    files.write_json(tmp_path / "huge.json", "counterexample", content)
    assert peak(lambda: replay.replay(tmp_path / "huge.json")) < 2**20


def test_a_run_with_bounded_memory_ends_in_one_line(tmp_path):
    """Where a large file was let in, the limit of the process is the last line of defence."""
    program = (
        "import resource, sys; from lstm_gpu import cli\n"
        "def full(*_): raise MemoryError\n"
        "import lstm_gpu.files as files; files.json.loads = full\n"
        "sys.exit(cli.main(['replay', sys.argv[1]]))"
    )
    (tmp_path / "a.json").write_text("{}")
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.json")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert ended.returncode == 2
    assert ended.stderr == "lstm_gpu: no memory left. Choose smaller sizes.\n"


# --- Nothing is read or written elsewhere ---------------------------------------------------------


@pytest.fixture
def results(tmp_path):
    return Path(shutil.copytree(fuzz.run(), tmp_path / "results"))


@pytest.mark.parametrize(
    "place", ["../secret.json", "/etc/passwd", "javascript:alert(1)", "counterexamples/other.json"]
)
def test_the_page_reads_and_links_no_counterexample_elsewhere(results, place):
    path = results / "verdicts.csv"
    text = path.read_text()
    name = "counterexamples/cell_state_independence__previous_cell_moves.json"
    assert name in text
    path.write_text(text.replace(name, place))
    with pytest.raises(InputError, match=r"`counterexample` in .* must be counterexamples/cell"):
        page.write(results)


def test_shrink_writes_through_no_link(results, tmp_path):
    example = results / "counterexamples" / "forget_gate_jacobian__column_scaling.json"
    target = tmp_path / "precious"
    target.write_text("mine")
    example.with_suffix(".small.py").symlink_to(target)
    with pytest.raises(InputError, match="must not be a link"):
        shrink_file(example, None)
    assert target.read_text() == "mine"
    example.with_suffix(".small.py").unlink()
    assert shrink_file(example, None)[1].parent == example.parent


def spoiled(results, change):
    """A shard that says something else, with a digest that fits."""
    path = next(iter(sorted(results.glob("shards/check/*size=3*/0-2.json"))))
    content = files.read_json(path, "check")
    change(content)
    files.write_json(path, "check", content)
    return path


CHANGES = {
    "a record outside its range": lambda c: c["records"][0]["worst"].update(index=2),
    "more refuted sets than sets": lambda c: c["records"][0].update(refuted_sets=3),
    "a path for a mutant": lambda c: c["records"][1].update(mutant="../../x"),
    "a path for a reference": lambda c: c["records"][0].update(reference="../x"),
    "a formula of matplotlib": lambda c: c["ladder"][0].update(formula="$x"),
    "steps without gaps": lambda c: c["ladder"][0].update(gap=[]),
    "an infinite error": lambda c: c["records"][0]["worst"].update(error=math.inf),
    "no gates": lambda c: c["lint"].update(entries=0),
    "more trials than sets": lambda c: c["injections"][0].update(trials=[3] * 5),
    "a new field": lambda c: c.update(more=1),
    "a missing field": lambda c: c.pop("lint"),
    "a bias of text": lambda c: c["enclosures"][0].update(entry=["0", 0]),
    "an origin of another kind": lambda c: c.update(made_from={}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_shard_that_lies_is_refused_by_the_field(results, name):
    path = spoiled(results, CHANGES[name])
    with pytest.raises(InputError, match=r"0-2\.json` must") as refusal:
        shards.collect([path], tables_config())
    assert str(refusal.value).isprintable()


def test_tables_are_left_alone_when_a_shard_lies(results):
    before = {path.name: path.read_bytes() for path in results.glob("*.csv")}
    spoiled(results, CHANGES["a path for a mutant"])
    with pytest.raises(InputError):
        tables.aggregate(sorted(results.glob("shards/**/*.json")), tables_config(), results)
    assert {path.name: path.read_bytes() for path in results.glob("*.csv")} == before
    assert not list(results.glob(".staged*"))


def tables_config():
    import report_run

    return report_run.CONFIG


def test_the_seeds_of_the_fuzzer_are_what_a_run_writes():
    content = json.loads(fuzz.Manifest(Path()).seeds()[0])
    assert content["configuration"]["seed"] == 7
