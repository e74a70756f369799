"""Readers' own formulas in a run: their rows, verdicts, causes, counterexamples; wrong shards."""

import csv

import pytest
from report_run import CONFIG, write_shards

from lstm_gpu import configuration, files
from lstm_gpu.checking import check_formulas
from lstm_gpu.errors import InputError
from lstm_gpu.formulas.loading import load
from lstm_gpu.formulas.shard import formulas_shard, load_all, merge_rows
from lstm_gpu.plan import Plan
from lstm_gpu.replay import replay
from lstm_gpu.report import own, page, tables
from lstm_gpu.weights import Case

FORMULAS = """
from lstm_gpu import claim

def rows(v): return v[:, :, None]

def jacobian(s, du):
    d_c = rows(s.c_prev * s.f * (1 - s.f)) * s.U.f + rows(s.u * s.i * (1 - s.i)) * s.U.i
    d_c = d_c + rows(s.i * du) * s.U.u
    return rows(s.tanh_c * s.o * (1 - s.o)) * s.U.o + rows(s.o * (1 - s.tanh_c**2)) * d_c

@claim("hidden_jacobian")
def right(s): return jacobian(s, 1 - s.u**2)

@claim("hidden_jacobian")
def slip(s): return jacobian(s, 1 - s.u)

@claim("candidate_jacobian")
def nan(s): return rows(1 - s.u**2) * s.U.u * s.xp.nan

@claim("forget_gate_jacobian")
def lossy(s):
    f = (s.f + 10000) - 10000
    return rows(f * (1 - f)) * s.U.f

@claim("forget_gate_jacobian")
def narrow(s): return (rows(s.f * (1 - s.f)) * s.U.f).astype("float64")

@claim("hidden_jacobian")
def large_only(s):
    if s.f.shape[1] > 1:
        raise ValueError("not for me")
    return right(s)
"""
VERDICTS = {
    "mine.right": "supported",
    "mine.slip": "refuted",
    "mine.nan": "refuted",  # no number anywhere
    "mine.lossy": "inconclusive",  # by rounding
    "mine.narrow": "supported",  # in float64 alone
    "mine.large_only": "error",  # tried in some cases only
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with own formulas: (results, config, paths of the shards)."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(FORMULAS, encoding="utf-8")
    config = {**CONFIG, "formulas": [str(folder / "mine.py")]}
    results = folder / "results"
    paths = write_shards(results)
    for case in configuration.case_table(config):
        for start, stop in configuration.shards(config["weight_sets"], config["shard_size"]):
            arguments = (config["formulas"], case, config["seed"], start, stop, "numpy")
            path = results / f"shards/formulas/{case.name}/{start}-{stop}.json"
            files.write_json(path, "formulas", formulas_shard(*arguments))
            paths.append(path)
    tables.aggregate(paths, config, results)
    return results, config, paths


def table(results, name):
    with (results / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_formula_has_a_row_with_its_verdict_and_cause(run):
    results, _, _ = run
    found = {row["formula"]: row for row in table(results, "formulas.csv")}
    assert {name: row["verdict"] for name, row in found.items()} == VERDICTS
    assert found["mine.slip"]["likely_cause"].startswith("one_minus_u: 1.00; next, ")
    assert found["mine.right"]["likely_cause"] == ""
    assert "not for me" in found["mine.large_only"]["reason"]
    assert found["mine.nan"]["reason"] == ""
    assert found["mine.nan"]["likely_cause"] == "no match: the values are not finite"


def test_a_run_and_a_check_say_the_same_words(run):
    results, config, _ = run
    rows = {row["formula"]: row for row in table(results, "formulas.csv")}
    found = {f"mine.{r.formula}": r for r in check_formulas(load(config["formulas"][0]), Plan())}
    for name, row in rows.items():
        word = "error" if found[name].error else found[name].verdict
        assert word == row["verdict"], name
    said = rows["mine.narrow"]["reason"].replace("`mine.narrow`", "`narrow`")
    assert said == found["mine.narrow"].note
    assert found["mine.narrow"].note.startswith(
        "in float64 alone: in float32 it cannot be tried. `"
    )
    assert rows["mine.lossy"]["reason"].startswith("right to rounding in ")
    assert found["mine.lossy"].reason.startswith("right to rounding in ")


def test_the_other_tables_have_them_too_after_the_registrys_readings(run):
    results, _, _ = run
    rows = table(results, "verdicts.csv")
    last = {row["reading"]: row for row in rows[-len(VERDICTS) :]}
    words = {name: row["verdict"] for name, row in last.items()}
    assert words == VERDICTS | {"mine.large_only": "inconclusive"}  # for want of a verdict
    assert last["mine.right"]["claim"] == "hidden_jacobian"
    cases = {row["reading"] for row in table(results, "cases.csv")}
    assert set(VERDICTS) <= cases


def test_a_refuted_formula_has_a_counterexample_that_replays_with_its_file(run):
    results, config, _ = run
    [row] = [row for row in table(results, "verdicts.csv") if row["reading"] == "mine.slip"]
    path = results / row["counterexample"]
    outcome = replay(path, formula=config["formulas"][0])
    assert outcome.verdict == "refuted"
    assert outcome.same_bits
    with pytest.raises(InputError, match="--formula"):
        replay(path)


def test_the_page_shows_them_in_a_group_of_their_own(run):
    results, _, _ = run
    verdicts, cases = (page.style.table(results, name) for name in ("verdicts.csv", "cases.csv"))
    [group] = page._own(results, verdicts, cases)
    assert [row["reading"] for row in group["rows"]] == list(VERDICTS)
    assert group["rows"][1]["likely_cause"].startswith("one_minus_u")


def test_without_formulas_there_is_an_empty_table_and_no_group(tmp_path):
    tables.aggregate(write_shards(tmp_path / "results"), CONFIG, tmp_path / "results")
    assert table(tmp_path / "results", "formulas.csv") == []
    header = (tmp_path / "results" / "formulas.csv").read_text().strip()
    assert header == ",".join(own.COLUMNS)


def test_shards_in_any_order_give_the_same_tables(run, tmp_path):
    results, config, paths = run
    tables.aggregate(reversed(paths), config, tmp_path / "again")
    for name in ("formulas.csv", "verdicts.csv", "cases.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (results / name).read_bytes()


def test_a_missing_shard_of_formulas_is_refused(run, tmp_path):
    _, config, paths = run
    with pytest.raises(InputError, match=r"formulas shards of .* lack weight sets"):
        tables.aggregate(paths[:-1], config, tmp_path)
    assert not list(tmp_path.iterdir())


def test_shards_of_another_version_of_the_file_are_refused(run, tmp_path):
    _, config, paths = run
    (tmp_path / "mine.py").write_text(FORMULAS + "\n# edited\n", encoding="utf-8")
    with pytest.raises(InputError, match="another version"):
        tables.aggregate(paths, {**config, "formulas": [str(tmp_path / "mine.py")]}, tmp_path)


def test_shards_of_formulas_that_the_run_does_not_have_are_refused(run, tmp_path):
    _, _, paths = run
    with pytest.raises(InputError, match="other formulas"):
        tables.aggregate(paths, CONFIG, tmp_path)


def test_a_record_of_another_formula_is_refused(run, tmp_path):
    _, config, paths = run
    content = files.read_json(paths[-1], "formulas")
    content["records"][-1]["reading"] = "mine.forged"
    content["records"][-1]["mutant"] = ""
    files.write_json(tmp_path / "forged.json", "formulas", content)
    with pytest.raises(InputError, match="not a complete shard"):
        tables.aggregate([*paths[:-1], tmp_path / "forged.json"], config, tmp_path)


def test_merged_shards_say_what_one_shard_says(run):
    _, config, _ = run
    case = Case(3, 2, "float64", "normal_gain_1", "generic")
    parts = [
        formulas_shard(config["formulas"], case, 7, start, stop, "numpy")
        for start, stop in ((0, 3), (3, 4), (4, 9))
    ]
    merged = merge_rows(parts)
    whole = merge_rows([formulas_shard(config["formulas"], case, 7, 0, 9, "numpy")])
    for key, formula in merged.items():
        assert formula.suspects.describe() == whole[key].suspects.describe()
        assert formula.not_finite == whole[key].not_finite
        assert formula.error == whole[key].error


def test_two_formulas_of_one_name_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(FORMULAS, encoding="utf-8")
    with pytest.raises(InputError, match=r"two mine\.right"):
        load_all([tmp_path / "a" / "mine.py", tmp_path / "b" / "mine.py"])
