"""Readers' own formulas in a run: their rows, verdicts, causes, counterexamples; wrong shards."""

import csv
import re
import shlex
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from report_run import CONFIG, write_shards

from lstm_gpu import configuration, files
from lstm_gpu.checking import check_formulas
from lstm_gpu.errors import InputError
from lstm_gpu.formulas import hints, trial
from lstm_gpu.formulas.loading import load
from lstm_gpu.formulas.shard import formulas_shard, load_all, merge_rows, names_of
from lstm_gpu.plan import Plan
from lstm_gpu.replay import describe, replay
from lstm_gpu.report import digests, own, page, shards, tables
from lstm_gpu.shrink import shrink_file
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

@claim("candidate_jacobian")
def NaN(s): return nan(s)

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
    "mine.NaN": "refuted",  # of a name that many file systems take for the one before
    "mine.lossy": "inconclusive",  # by rounding
    "mine.narrow": "supported",  # in float64 alone
    "mine.large_only": "error",  # tried in some cases only
}


HEAD = """
from lstm_gpu import claim
kept = {}
def right(s): return (s.f * (1 - s.f))[:, :, None] * s.U.f
"""
MIXED = {  # wrong among others: its body, and how many weight sets are in the calls that show it
    "beside": ("return right(s) * (1 if len(s.f) == 1 else 2)", [2]),
    "by_place": ("J = right(s); J[1:2] += 1; return J", [2]),
    "remembers": ("return kept.setdefault(s.f.shape, right(s))", [1, 1]),
    "by_four": ("J = right(s); J[::2] *= 1 + (len(s.f) == 4); return J", [4]),
}
ALONE = {  # wrong alone, too; and one that is wrong among others and cannot be tried alone
    "and_wrong": "return right(s) * (3 if len(s.f) == 1 else 2)",
    "not_longer": "assert s.f.itemsize < 9; f = (s.f + 9999) - 9999\n"
    "    return (f * (1 - f))[:, :, None] * s.U.f",
    "broken": "return right(s) * s.xp.inf",
    "not_alone": "return 2 * right(s)[[0, 1, *range(2, len(s.f))]]",
}


def a_run(folder, texts, **changes):
    """A run with own formulas, the content of files by name: (results, config, paths of shards)."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    config = {**CONFIG, "formulas": [str(folder / name) for name in texts], **changes}
    results = folder / "results"
    paths = write_shards(results, shard_size=config["shard_size"])
    for case in configuration.case_table(config):
        for start, stop in configuration.shards(config["weight_sets"], config["shard_size"]):
            arguments = (config["formulas"], case, config["seed"], start, stop, "numpy")
            path = results / f"shards/formulas/{case.name}/{start}-{stop}.json"
            files.write_json(path, "formulas", formulas_shard(*arguments))
            paths.append(path)
    tables.aggregate(paths, config, results)
    return results, config, paths


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return a_run(tmp_path_factory.mktemp("own"), {"mine.py": FORMULAS})


def marked(bodies):
    return "".join(
        f'@claim("forget_gate_jacobian")\ndef {name}(s):\n    {body}\n'
        for name, body in bodies.items()
    )


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run with formulas that mix weight sets, in shards of four, and blocks of two at n = 3."""
    text = HEAD + marked({name: body for name, (body, _) in MIXED.items()}) + marked(ALONE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "_ENTRIES", 2 * 3**2)
        return a_run(tmp_path_factory.mktemp("mixed"), {"mine.py": text}, shard_size=4)


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
    assert found["mine.nan"]["reason"].startswith("not finite where the derivative is (first at ")
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
    for name, words in (("lossy", "right to rounding in "), ("nan", "not finite where the deriv")):
        assert rows[f"mine.{name}"]["reason"].startswith(words)
        assert found[f"mine.{name}"].reason.startswith(words)


def test_the_other_tables_have_them_too_after_the_registrys_readings(run):
    results, _, _ = run
    rows = table(results, "verdicts.csv")
    last = {row["reading"]: row for row in rows[-len(VERDICTS) :]}
    words = {name: row["verdict"] for name, row in last.items()}
    assert words == VERDICTS | {"mine.large_only": "inconclusive"}  # for want of a verdict
    assert last["mine.right"]["claim"] == "hidden_jacobian"
    cases = {row["reading"] for row in table(results, "cases.csv")}
    assert set(VERDICTS) <= cases


def example_of(results, row):
    """The path of a row's counterexample; it stands in the row of its own case, too."""
    path = results / row["counterexample"]
    case = files.read_json(path, "counterexample")["case"]
    [where] = [
        line
        for line in table(results, "cases.csv")
        if line["reading"] == row["reading"] and line["counterexample"]
    ]
    assert {name: where[name] for name in case} == {k: str(v) for k, v in case.items()}
    return path


@pytest.mark.parametrize("name", ["run", "mixed"])
def test_every_refuted_formula_has_a_counterexample_that_replays_with_its_file(name, request):
    results, config, _ = request.getfixturevalue(name)
    rows = [row for row in table(results, "verdicts.csv") if row["reading"].startswith("mine.")]
    refuted = [row for row in rows if row["verdict"] == "refuted"]
    wanted = {"run": {"slip", "nan", "NaN"}, "mixed": {"and_wrong", "not_longer", "broken"}}
    assert {row["reading"].removeprefix("mine.") for row in refuted} == wanted[name]
    for row in refuted:
        path = example_of(results, row)
        outcome = replay(path, formula=config["formulas"][0])
        assert (outcome.verdict, outcome.same_bits) == ("refuted", True), row["reading"]
        with pytest.raises(InputError, match="--formula"):
            replay(path)


def test_counterexamples_are_told_apart_where_a_file_system_knows_no_capitals(run):
    results, _, _ = run
    written = [row["counterexample"] for row in table(results, "verdicts.csv")]
    names = [path for path in written if path]
    assert len({path.casefold() for path in names}) == len(names)
    assert "counterexamples/candidate_jacobian__mine.nan.json" in names  # the first has its own


@pytest.mark.parametrize("name", MIXED)
def test_a_formula_that_mixes_weight_sets_is_an_error_whose_calls_can_be_replayed(mixed, name):
    results, config, _ = mixed
    rows = {row["formula"]: row for row in table(results, "formulas.csv")}
    row = rows[f"mine.{name}"]
    assert (row["verdict"], row["likely_cause"]) == ("error", "")
    assert f"`mine.{name}` must treat each weight set alone" in row["reason"]
    assert "Set by set it is not refuted, on " in row["reason"]
    [row] = [r for r in table(results, "verdicts.csv") if r["reading"] == f"mine.{name}"]
    assert (row["verdict"], row["error_over_bound"]) == ("inconclusive", "")
    assert row["smallest_detectable"] == "inf"
    path = example_of(results, row)
    outcome = replay(path, formula=config["formulas"][0])
    assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
    assert [stop - start for start, stop in outcome.file["calls"]] == MIXED[name][1]
    assert outcome.alone["error"] <= outcome.alone["bound"] < outcome.found["error"]
    assert "alone it is within the bound: the formula mixes weight sets" in describe(outcome)
    with pytest.raises(InputError, match="so there is no single one to be shrunk"):
        shrink_file(path, config["formulas"][0])


def test_a_run_and_a_check_say_the_same_words_of_formulas_that_mix_weight_sets(mixed):
    results, config, _ = mixed
    said = {row["formula"]: row for row in table(results, "formulas.csv")}
    plan = Plan(hidden_sizes=[2], weight_sets=4, distributions=["normal_gain_1"])
    for result in check_formulas(load(config["formulas"][0]), plan):
        row = said[f"mine.{result.formula}"]
        assert row["verdict"] == ("error" if result.error else result.verdict), result.formula
        cut = slice(0, 40)
        reason = row["reason"].replace("`mine.", "`")
        assert reason[cut] == (result.error or result.reason or result.note)[cut]


def test_a_run_has_the_hint_at_rounding_for_what_cannot_be_tried_in_more_of_it(
    mixed, tmp_path, monkeypatch
):
    _, config, paths = mixed
    monkeypatch.setattr(hints, "of_rounding", lambda *a: "a hint" if a[-1] else "")
    tables.aggregate(paths, config, tmp_path / "again")
    rows = {row["formula"]: row["reason"] for row in table(tmp_path / "again", "formulas.csv")}
    assert [name for name, reason in rows.items() if "a hint" in reason] == ["mine.not_longer"]


def test_the_page_shows_the_calls_of_formulas_that_mix_weight_sets(mixed):
    results, _, _ = mixed
    verdicts, cases = (page.style.table(results, name) for name in ("verdicts.csv", "cases.csv"))
    [group] = page._own(results, verdicts, cases)
    found = {row["reading"]: row for row in group["rows"]}
    said = {name: found[f"mine.{name}"]["example"]["called_with"] for name in MIXED}
    assert re.fullmatch(r"weight sets \d to \d", said["beside"])
    assert re.fullmatch(r"weight set \d, then with weight set \d", said["remembers"])
    assert said["by_four"] == "weight sets 0 to 3"
    assert found["mine.broken"]["example"]["claimed"] in ("nan", "inf", "-inf")
    assert found["mine.not_alone"]["example"] is None


def test_the_page_shows_them_in_a_group_of_their_own(run):
    results, _, _ = run
    verdicts, cases = (page.style.table(results, name) for name in ("verdicts.csv", "cases.csv"))
    [group] = page._own(results, verdicts, cases)
    assert [row["reading"] for row in group["rows"]] == list(VERDICTS)
    assert group["rows"][1]["likely_cause"].startswith("one_minus_u")


NAMES = ["my formula.py", "it's.py", 'a"b.py', "50%.py", "a#b?&.py", "back\\slash.py", "ünï.py"]


def test_files_of_any_name_go_through_to_links_and_replays_that_work(tmp_path):
    texts = {name: HEAD + marked({"mine": "return 2 * right(s)"}) for name in NAMES}
    results, config, _ = a_run(tmp_path, texts)
    digests.check(results, ["manifest.json"])
    verdicts, cases = (page.style.table(results, name) for name in ("verdicts.csv", "cases.csv"))
    [group] = page._own(results, verdicts, cases)
    assert len(group["rows"]) == len(NAMES)
    for row, file in zip(group["rows"], config["formulas"], strict=True):
        link, *command = row["example"]["link"], *shlex.split(row["example"]["replay"])
        place = unquote(urlsplit(link).path)
        assert command == ["python", "-m", "lstm_gpu", "replay", f"{results.name}/{place}"]
        assert replay(results / place, formula=file).verdict == "refuted"


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


def test_shards_of_another_version_of_a_helper_are_refused(tmp_path):
    (tmp_path / "helper.py").write_text("factor = 1\n", encoding="utf-8")
    text = FORMULAS + "\n\ndef with_helper():\n    import helper\n"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    paths, config = [tmp_path / "mine.py"], {"formulas": [str(tmp_path / "mine.py")]}
    content = {"formulas": [{"name": f"mine.{f.name}", "sha256": f.sha256} for f in load(paths[0])]}
    shards._check_formulas(shards.Evidence(config, []), content, tmp_path / "0-1.json")
    (tmp_path / "helper.py").write_text("factor = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match="another version"):
        shards._check_formulas(shards.Evidence(config, []), content, tmp_path / "0-1.json")


def test_shards_of_a_file_of_another_name_are_refused(run, tmp_path):
    _, config, paths = run
    (tmp_path / "yours.py").write_text(FORMULAS, encoding="utf-8")
    with pytest.raises(InputError, match="another name"):
        tables.aggregate(paths, {**config, "formulas": [str(tmp_path / "yours.py")]}, tmp_path)


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


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    """In names, table rows, counterexamples and replays."""
    slips = {"a/mine.py": "return 2 * right(s)", "b/mine.py": "return 3 * right(s)"}
    texts = {name: HEAD + marked({"slip": body}) for name, body in slips.items()}
    results, config, _ = a_run(
        tmp_path, texts | {"c/yours.py": HEAD + marked({"slip": "return 0"})}
    )
    names = ["a.mine.slip", "b.mine.slip", "yours.slip"]
    assert [row["formula"] for row in table(results, "formulas.csv")] == names
    rows = {row["reading"]: row for row in table(results, "verdicts.csv")[-3:]}
    assert list(rows) == names
    for name, factor, file in zip(names, (2, 3), config["formulas"], strict=False):
        outcome = replay(example_of(results, rows[name]), formula=file)
        assert (outcome.verdict, outcome.same_bits) == ("refuted", True)
        claimed, measured, bound = (outcome.found[k] for k in ("claimed", "measured", "bound"))
        # `right` is within the bound of what is measured; the product with its factor is rounded.
        unit_roundoff = np.finfo(outcome.file["case"]["dtype"]).eps / 2
        assert abs(claimed - factor * measured) <= factor * bound + unit_roundoff * abs(claimed)
        assert abs(claimed - (5 - factor) * measured) > factor * bound  # nor is it the other file


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/mine.py"], ["mine"]),
        (["x/mine.py", "x/b.py"], ["mine", "b"]),
        (["x/mine.py", "y/mine.py"], ["x.mine", "y.mine"]),
        (["x/y/mine.py", "z/y/mine.py", "mine.py"], ["x.y.mine", "z.y.mine", "{}.mine"]),
        (["x/mine.py", "y/Mine.py"], ["x.mine", "y.Mine"]),  # one name on some file systems
        (["x/mine.py", "y/mine.py", "x.mine.py"], ["{}.x.mine", "y.mine", "{}.x.mine"]),
    ],
)
def test_names_of_files(tmp_path, paths, names):
    wanted = [name.format(tmp_path.name) for name in names]
    if len(set(names)) == len(names):
        assert names_of([tmp_path / path for path in paths]) == wanted
    else:  # as far as folders go
        assert names_of([tmp_path / path for path in paths])[0].endswith(wanted[0])


def test_a_file_named_twice_is_refused_with_both_places(tmp_path):
    (tmp_path / "mine.py").write_text(FORMULAS, encoding="utf-8")
    twice = [tmp_path / "mine.py", tmp_path / ".." / tmp_path.name / "mine.py"]
    with pytest.raises(InputError, match=r"have each name once, but `(.+)` and `(.+)` both") as no:
        load_all(twice)
    assert all(f"`{path}`" in str(no.value) for path in twice)


def test_a_mark_without_a_place_is_refused(run, tmp_path):
    _, config, paths = run
    content = files.read_json(paths[-1], "formulas")
    content["formulas"][0]["rounded"] = {"sets": 1, "first": None}
    files.write_json(tmp_path / "forged.json", "formulas", content)
    with pytest.raises(InputError, match=r"`formulas.rounded.first` in .* mapping of index"):
        tables.aggregate([*paths[:-1], tmp_path / "forged.json"], config, tmp_path)
