"""A run is only summed up when every weight set is there exactly once, and of this run."""

import copy
import random

import pytest
from report_run import CONFIG, aggregate, write_shards

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.report import tables
from lstm_gpu.report.shards import collect


def changed(**values):
    """The configuration with some of its keys replaced; sections are merged."""
    config = copy.deepcopy(CONFIG)
    for key, value in values.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    return config


def refused(paths, config=CONFIG):
    with pytest.raises(InputError) as caught:
        collect(paths, config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_everything_is_counted_once(tmp_path):
    evidence = collect(write_shards(tmp_path), CONFIG)
    assert evidence.counts == {"check": 16, "align": 8, "sigmoid": 3}
    for case in evidence.cases:
        key = ("hidden_jacobian", "as_written", "", "central")
        assert evidence.tallies[case].records[key].weight_sets == CONFIG["weight_sets"]
        assert evidence.searches[case]["weight_sets"] == CONFIG["sphere"]["weight_sets"]
        assert len(evidence.ladders[case]) == 4
    proofs = {key[1] for key in evidence.proofs.records if not key[2]}
    assert len(proofs) == 4
    assert {r.weight_sets for r in evidence.proofs.records.values()} == {1}


def test_order_does_not_matter(tmp_path):
    paths = write_shards(tmp_path)
    first = collect(paths, CONFIG)
    random.Random(1).shuffle(paths)
    second = collect([*paths, paths[0]], CONFIG)  # a path named twice is one file
    assert first.searches == second.searches
    assert first.digests == second.digests
    assert first.enclosures == second.enclosures
    for case in first.cases:
        assert first.tallies[case].to_list() == second.tallies[case].to_list()


@pytest.mark.parametrize("kind", ["check", "align", "sigmoid"])
@pytest.mark.parametrize("which", [0, -1])
def test_a_missing_shard_is_named(tmp_path, kind, which):
    paths = write_shards(tmp_path)
    missing = [path for path in paths if f"/{kind}/" in str(path)][which]
    paths.remove(missing)
    message = refused(paths)
    assert kind in message
    assert ("lack weight sets" in message) == (kind != "sigmoid")


def test_a_path_without_a_file_is_named(tmp_path):
    paths = write_shards(tmp_path)
    paths[3].unlink()
    assert str(paths[3]) in refused(paths)


def test_overlapping_ranges_are_refused(tmp_path):
    paths = write_shards(tmp_path)
    content = files.read_json(paths[0], "check")
    files.write_json(tmp_path / "again.json", "check", content)
    assert "overlap" in refused([*paths, tmp_path / "again.json"])


def test_the_shards_of_another_shard_size_are_refused(tmp_path):
    paths = write_shards(tmp_path)
    others = write_shards(tmp_path, shard_size=4)
    assert "overlap" in refused({*paths, *others})


def test_a_format_surveyed_twice_is_refused(tmp_path):
    paths = write_shards(tmp_path)
    content = files.read_json(paths[-1], "sigmoid")
    files.write_json(tmp_path / "again.json", "sigmoid", content)
    assert "float64" in refused([*paths, tmp_path / "again.json"])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (changed(seed=8), "seed 7"),
        (changed(weight_sets=3), "has 3"),
        (changed(weight_sets=5), "lack weight sets 4 to 5"),
        (changed(cases={"hidden_size": [1]}), "hidden_size=3"),
        (changed(cases={"hidden_size": [1, 3, 4]}), "hidden_size=4"),
        (changed(sphere={"directions": 65}), "64 directions"),
        (changed(sigmoid={"float64": 300}), "values of float64"),
    ],
)
def test_shards_of_another_experiment_are_refused(tmp_path, config, words):
    assert words in refused(write_shards(tmp_path), config)


def test_shards_judged_by_two_accuracies_are_refused(tmp_path):
    def sharpen(kind, content):
        if kind == "check" and content["start"] and content["case"]["dtype"] == "float32":
            content["accuracy"]["tanh_ulp"] = 1.5

    message = refused(write_shards(tmp_path, sharpen))
    assert "accuracy of float32 functions" in message
    assert "one kind of machine" in message


def test_a_shard_that_does_not_say_its_accuracy_is_refused(tmp_path):
    def strip(kind, content):
        if kind == "align":
            del content["accuracy"]

    assert "accuracy" in refused(write_shards(tmp_path, strip))


def test_a_claim_that_is_not_in_the_registry_is_refused(tmp_path):
    def rename(kind, content):
        if kind == "check":
            content["records"][0]["claim"] = "hidden_jacobean"

    assert "hidden_jacobean" in refused(write_shards(tmp_path, rename))


@pytest.mark.parametrize("key", ["records", "start", "case", "weights_digest", "device", "ladder"])
def test_an_incomplete_shard_is_refused(tmp_path, key):
    def strip(kind, content):
        if kind == "check":
            del content[key]

    assert key in refused(write_shards(tmp_path, strip))


@pytest.mark.parametrize("size", [0, 20, 5000])
def test_a_truncated_shard_is_refused(tmp_path, size):
    paths = write_shards(tmp_path)
    paths[5].write_bytes(paths[5].read_bytes()[:size])
    assert str(paths[5]) in refused(paths)


def test_a_file_of_another_kind_is_refused(tmp_path):
    paths = write_shards(tmp_path)
    files.write_json(tmp_path / "m.json", "manifest", {"a": 1})
    assert "manifest" in refused([*paths, tmp_path / "m.json"])


def test_a_refusal_overwrites_nothing(tmp_path):
    results = aggregate(tmp_path)
    before = {p: p.read_bytes() for p in results.rglob("*") if p.is_file()}
    paths = sorted((results / "shards").rglob("*.json"))
    with pytest.raises(InputError):
        tables.aggregate(paths[1:], CONFIG, results)
    assert {p: p.read_bytes() for p in results.rglob("*") if p.is_file()} == before


def test_a_failure_half_way_overwrites_nothing(tmp_path, monkeypatch):
    results = aggregate(tmp_path)
    (results / "verdicts.csv").write_text("of an earlier run\n")
    before = {p: p.read_bytes() for p in results.rglob("*") if p.is_file()}

    def full(evidence):
        raise InputError("no space")

    monkeypatch.setattr(tables, "ladder_rows", full)
    with pytest.raises(InputError):
        tables.aggregate(sorted((results / "shards").rglob("*.json")), CONFIG, results)
    assert {p: p.read_bytes() for p in results.rglob("*") if p.is_file()} == before
    assert not list(results.glob(".staged*"))


def test_results_that_cannot_be_written_are_one_line(tmp_path):
    paths = write_shards(tmp_path)
    (tmp_path / "results").write_text("a file, not a folder")
    with pytest.raises(InputError, match="results` cannot be written"):
        tables.aggregate(paths, CONFIG, tmp_path / "results")
