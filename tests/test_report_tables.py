"""The tables: their columns to the letter, their bytes, and the rules by which cases merge."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from report_run import CONFIG, aggregate, write_shards

from lstm_gpu import configuration, files
from lstm_gpu.accuracy import DOCUMENTED
from lstm_gpu.claims.registry import CLAIMS, REFUTED
from lstm_gpu.replay import replay
from lstm_gpu.report import columns, counterexamples, tables, verdicts
from lstm_gpu.tally import Comparison, Tally
from lstm_gpu.weights import Case

ONE_DIVISION = 2.0**-23  # relative: float32's rounding of error/bound, and float64's here
VERDICTS = (
    "claim,reading,statement,verdict,cases,weight_sets,comparisons,worst_error,error_bound,"
    "error_over_bound,smallest_detectable,mutants_caught,mutants,counterexample"
)
CASE = "hidden_size,input_size,dtype,distribution,regime,seed"
TABLES = (
    "verdicts.csv",
    "cases.csv",
    "mutants.csv",
    "mutation_score.csv",
    "alignment.csv",
    "sigmoid.csv",
    "ladder.csv",
    "detection.csv",
    "lint.csv",
    "enclosures.csv",
    "best_cosine.csv",
    "sigmoid_curve.csv",
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return aggregate(tmp_path_factory.mktemp("run") / "results")


def test_no_table_of_the_largest_run_is_too_large_to_be_read(results):
    """ladder.csv takes most for a case; tests/test_configuration.py has its longest lines."""
    share = columns.LARGEST / configuration.CASE_LIMIT
    cases = len(configuration.case_table(CONFIG))
    # What no number of cases lengthens, or what `SEARCH_LIMIT` is for.
    others = {"sigmoid.csv", "sigmoid_curve.csv", "best_cosine.csv"}
    sizes = {name: (results / name).stat().st_size / cases for name in set(columns.TABLES) - others}
    assert max(sizes, key=sizes.get) == "ladder.csv"
    assert max(sizes.values()) <= share, sizes


def rows(results, name):
    with (results / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def header(results, name):
    return (results / name).read_text(encoding="utf-8").partition("\n")[0]


def test_columns_keep_the_contract(results):
    assert header(results, "verdicts.csv") == VERDICTS
    assert header(results, "cases.csv").startswith(f"{CASE},{VERDICTS}")
    assert header(results, "mutants.csv").startswith(
        "claim,mutant,hidden_size,dtype,distribution,caught,largest_error_over_bound"
    )
    assert header(results, "alignment.csv").startswith(CASE)
    assert header(results, "sigmoid.csv").startswith("format,form,region,z_low,z_high")
    assert header(results, "ladder.csv").startswith(f"{CASE},formula,reference,step,gap,bound")


def test_a_row_per_claim_and_reading_in_the_registrys_order(results):
    found = [(row["claim"], row["reading"]) for row in rows(results, "verdicts.csv")]
    assert found == [(claim.id, reading.name) for claim in CLAIMS for reading in claim.readings]


def test_verdicts_are_the_expected_ones(results):
    expected = {(c.id, r.name): r.expected for c in CLAIMS for r in c.readings}
    for row in rows(results, "verdicts.csv"):
        assert row["verdict"] == expected[row["claim"], row["reading"]], row
        assert bool(row["counterexample"]) == (row["verdict"] == REFUTED)
        assert (float(row["error_over_bound"]) > 1) == (row["verdict"] == REFUTED)


def test_weight_sets_count_once_and_comparisons_for_every_reference(results):
    row = next(r for r in rows(results, "verdicts.csv") if r["claim"] == "hidden_jacobian")
    cases = configuration.case_table(CONFIG)
    sets = CONFIG["weight_sets"]
    assert int(row["cases"]) == len(cases) == 8
    assert int(row["weight_sets"]) == len(cases) * sets
    assert int(row["comparisons"]) == sum(2 * sets * case.hidden_size**2 for case in cases)


def test_proofs_count_as_one_case(results):
    found = [r for r in rows(results, "verdicts.csv") if r["claim"] == "sigmoid_derivative"]
    assert [r["cases"] for r in found] == ["1"] * 4
    in_cases = [r for r in rows(results, "cases.csv") if r["claim"] == "sigmoid_derivative"]
    assert {(r["hidden_size"], r["dtype"], r["seed"]) for r in in_cases} == {("", "", "")}


def test_mutants_of_a_claim_are_counted_once(results):
    of_claim = {}
    for row in rows(results, "mutants.csv"):
        of_claim.setdefault(row["claim"], {}).setdefault(row["mutant"], set()).add(row["caught"])
    for row in rows(results, "verdicts.csv"):
        mutants = of_claim[row["claim"]]
        assert int(row["mutants"]) == len(mutants)
        assert int(row["mutants_caught"]) == sum("yes" in c for c in mutants.values())


def test_the_mutation_score_follows_from_the_table_of_mutants(results):
    best = {}
    for row in rows(results, "mutants.csv"):
        place = best.setdefault((row["claim"], row["hidden_size"], row["dtype"]), {})
        place.setdefault(row["mutant"], set()).add(row["caught"])
    scores = rows(results, "mutation_score.csv")
    assert header(results, "mutation_score.csv").endswith("score,missed_mutants")
    assert len(scores) == len(best)
    for row in scores:
        seen = best[row["claim"], row["hidden_size"], row["dtype"]]
        caught = sum("yes" in outcomes for outcomes in seen.values())
        missed = [m for m, outcomes in seen.items() if "yes" not in outcomes and "no" in outcomes]
        assert int(row["caught"]) == caught
        assert row["missed_mutants"].split() == missed
        assert int(row["missed"]) == len(missed)
        assert caught + len(missed) + int(row["equivalent"]) == len(seen)
        assert float(row["score"]) == caught / (caught + len(missed))


def test_a_score_by_hand():
    def row(mutant, caught):
        return {"claim": "a", "hidden_size": 3, "dtype": "float64", "mutant": mutant} | {
            "caught": caught
        }

    tried = [row("x", "yes"), row("x", "no"), row("y", "no"), row("y", "equivalent here")]
    (score,) = tables.score_rows([*tried, row("z", "equivalent here"), row("w", "no")])
    assert (score["caught"], score["missed"], score["equivalent"]) == (1, 2, 1)
    assert score["score"] == 1 / 3
    assert score["missed_mutants"] == "y w"
    (score,) = tables.score_rows([row("z", "equivalent here")])
    assert score["score"] is None


def test_a_supported_case_names_the_mutants_that_it_missed(tmp_path):
    def spare(kind, content):
        if kind == "check" and content["case"]["hidden_size"] == 3:
            for record in content["records"]:
                if (record["claim"], record["mutant"]) == (CLAIM, "no_f_path"):
                    record["refuted_sets"] = 0

    tables.aggregate(write_shards(tmp_path, spare), CONFIG, tmp_path)
    for row in rows(tmp_path, "cases.csv"):
        if row["verdict"] == "inconclusive":
            continue
        missed = row["claim"] == CLAIM and row["hidden_size"] == "3"
        assert row["reason"].endswith("missed: no_f_path") == missed, row
        assert missed or "missed" not in row["reason"], row


def test_equivalent_mutants_are_called_so(results):
    found = {
        row["caught"]
        for row in rows(results, "mutants.csv")
        if row["mutant"] == "U_f_transposed" and row["hidden_size"] == "1"
    }
    assert found == {"equivalent here"}


def test_every_mutant_has_its_family_and_where_it_was_seen(results):
    assert all(row["family"] and row["seen"] for row in rows(results, "mutants.csv"))


def test_a_second_run_gives_the_same_bytes(results, tmp_path):
    again = aggregate(tmp_path / "elsewhere")
    for name in (*TABLES, "worst_entry.json", "manifest.json"):
        assert (again / name).read_bytes() == (results / name).read_bytes(), name
    for path in (results / "counterexamples").iterdir():
        copy = again / "counterexamples" / path.name
        assert copy.read_bytes() == path.read_bytes(), path.name


def test_the_size_of_the_shards_leaves_no_trace_in_the_tables(results, tmp_path):
    again = aggregate(tmp_path, config={**CONFIG, "shard_size": 4}, shard_size=4)
    for name in TABLES:
        assert (again / name).read_bytes() == (results / name).read_bytes(), name


def test_floats_keep_their_bits(results):
    worst = next(r for r in rows(results, "verdicts.csv") if r["claim"] == "tanh_cell_jacobian")
    error, bound = float(worst["worst_error"]), float(worst["error_bound"])
    assert repr(error) == worst["worst_error"]
    assert abs(float(worst["error_over_bound"]) - error / bound) <= ONE_DIVISION * error / bound


def test_no_path_and_no_time_in_the_tables(results):
    for name in (*TABLES, "manifest.json"):
        text = (results / name).read_text(encoding="utf-8")
        assert str(results) not in text
        assert str(results.parent) not in text


def test_manifest_says_what_is_needed_to_repeat_the_run(results):
    manifest = files.read_json(results / "manifest.json", "manifest")
    assert manifest["seeds"] == [CONFIG["seed"]]
    assert manifest["configuration"] == CONFIG
    assert manifest["configuration_digest"] == files.digest(CONFIG)
    assert set(manifest["versions"]) >= {"python", "numpy", "scipy", "pandas", "lstm_gpu"}
    assert {case.name for case in configuration.case_table(CONFIG)} == set(
        manifest["weights_digests"]
    )
    assert [d["backend"] for d in manifest["devices"]] == ["numpy"]
    assert manifest["accuracies"] == {d: DOCUMENTED.as_dict() for d in ("float32", "float64")}


def test_counterexamples_replay(results):
    refuted = [r for r in rows(results, "verdicts.csv") if r["verdict"] == REFUTED]
    assert refuted
    for row in refuted:
        it = files.read_json(results / row["counterexample"], "counterexample")
        assert it["error"] > it["bound"]
        assert all(float.fromhex(text) == it[name] for name, text in it["hex"].items())
        outcome = replay(results / row["counterexample"], "numpy")
        assert outcome.verdict == "refuted"
        assert outcome.same_bits


def test_counterexamples_of_an_earlier_run_go_and_other_files_stay(tmp_path):
    folder = tmp_path / "counterexamples"
    folder.mkdir()
    (folder / "hidden_jacobian__as_written.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    aggregate(tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert "hidden_jacobian__as_written.json" not in names
    assert "notes.txt" in names


def test_the_worst_entry_is_the_one_in_the_table(results):
    worst = files.read_json(results / "worst_entry.json", "worst_entry")
    k, j = worst["entry"]
    error = abs(worst["formula"][k][j] - worst["reference"][k][j])
    ratio = error / worst["bound"][k][j]
    found = [r for r in rows(results, "cases.csv") if r["claim"] == "hidden_jacobian"]
    assert abs(ratio - max(float(r["error_over_bound"]) for r in found)) <= ONE_DIVISION * ratio


# --- Merging --------------------------------------------------------------------------------------

CLAIM, READING = "hidden_jacobian", "as_written"


def finding(error, bound, measured=1.0, reference="central", case=None, sets=1):
    """The finding of one reading in one case with the same error in every set."""
    shape = (sets, 1)
    comparison = Comparison(
        CLAIM, READING, "", reference,
        np.full(shape, measured + error), np.full(shape, measured), np.full(shape, bound),
    )  # fmt: skip
    tally = Tally()
    tally.update(comparison, 0)
    return verdicts.in_tally(tally, case)[CLAIM, READING]


def a_case(n):
    return Case(n, n, "float64", "pytorch_uniform", "generic")


def test_one_refuting_case_refutes():
    supported = [finding(0.0, 0.25)] * 9
    total = verdicts.over_cases([*supported, finding(0.5, 0.25)])
    assert total.verdict == "refuted"
    assert total.worst["ratio"] == 2.0
    assert total.cases == 10


def test_a_case_that_cannot_decide_does_not_outvote():
    open_, held = finding(0.0, 2.0), finding(0.0, 0.25)
    assert open_.verdict == "inconclusive"
    assert "larger than the quantity" in open_.reason
    assert verdicts.over_cases([open_, held]).verdict == "supported"
    both = verdicts.over_cases([open_, open_])
    assert both.verdict == "inconclusive"
    assert both.reason == open_.reason


def test_no_case_at_all_is_inconclusive_and_has_a_row():
    total = verdicts.over_cases([])
    assert total.verdict == "inconclusive"
    assert total.reason == "nothing was compared"
    by_reading = {(c.id, r.name): [] for c in CLAIMS for r in c.readings}
    table = tables.verdict_rows([*verdicts.readings()], by_reading, {})
    assert len(table) == len(by_reading)
    assert table[0]["worst_error"] is None
    assert table[0]["smallest_detectable"] == math.inf


def test_what_would_have_been_caught_holds_for_both_formats():
    """The larger of the medians over the cases of a format, undecided ones included."""
    bounds = {"float64": [1e-12, 1e-10, 1e-9], "float32": [1e-4, 1e-3, 1e-2]}
    found = [
        finding(0.0, bound, case=replace(a_case(n), dtype=dtype))
        for dtype, sizes in bounds.items()
        for n, bound in enumerate(sizes, 1)
    ]
    assert verdicts.over_cases(found).smallest_detectable == 2e-3
    fine = found[:3]
    assert verdicts.over_cases(fine).smallest_detectable == 2e-10
    undecided = [finding(0.0, 2.0, case=a_case(n)) for n in (4, 5)]
    assert verdicts.over_cases([*fine, *undecided]).smallest_detectable == 2e-9
    assert verdicts.over_cases([*fine, *undecided, *undecided]).smallest_detectable == math.inf


@pytest.mark.parametrize(
    ("verdict", "sizes", "said"),
    [
        ("refuted", {"float64": 1e-9}, "–"),
        ("supported", {"": 0.0}, "any difference"),
        ("supported", {"float64": 0.0, "float32": 0.0}, "any difference"),
        ("supported", {"float64": 0.0, "float32": 1e-3}, "0 in float64, 0.001 in float32"),
        (
            "supported",
            {"float64": 1e-9, "float32": math.inf},
            "1e-09 in float64, nothing in float32",
        ),
        ("supported", {"": 2e-9}, "2e-09"),
        ("inconclusive", {"": math.inf}, "nothing"),
        ("inconclusive", {}, "nothing"),
    ],
)
def test_page_and_terminal_say_it_in_the_same_words(verdict, sizes, said):
    assert verdicts.would_have_caught(verdict, sizes, "{:.3g}".format) == said


def test_values_that_are_not_finite_are_a_reason():
    found = finding(math.nan, 0.25)
    assert found.verdict == "inconclusive"
    assert "not finite" in found.reason
    assert found.undecided_sets == 1


def test_one_refuting_reference_refutes_the_case():
    tally = Tally()
    for reference, error in (("central", 0.0), ("complex_step", 0.5)):
        values = [np.full((3, 1), v) for v in (1.0 + error, 1.0, 0.25)]
        tally.update(Comparison(CLAIM, READING, "", reference, *values), 0)
    found = verdicts.in_tally(tally)[CLAIM, READING]
    assert found.verdict == "refuted"
    assert found.reference == "complex_step"
    assert found.weight_sets == 3
    assert found.comparisons == 6


def test_an_error_over_a_bound_of_zero_is_infinite_and_written_so(tmp_path):
    total = verdicts.over_cases([finding(0.5, 0.0)])
    row = total.columns(CLAIMS[3], CLAIMS[3].readings[0], "")
    tables._write(tmp_path / "t.csv", tables.VERDICT_COLUMNS, [row])
    assert ",inf," in (tmp_path / "t.csv").read_text()


def test_the_counterexample_is_of_the_smallest_n_then_the_largest_error():
    candidates = [
        finding(8.0, 0.25, case=a_case(64)),
        finding(0.5, 0.25, case=a_case(2)),
        finding(1.5, 0.25, case=a_case(2)),
        finding(0.0, 0.25, case=a_case(1)),
    ]
    assert counterexamples.choose(candidates) is candidates[2]
    assert counterexamples.choose(candidates[3:]) is None


def test_a_mutant_caught_in_one_case_is_caught():
    missed, caught = finding(0.0, 0.25), finding(0.0, 0.25)
    missed.mutants, caught.mutants = {"sign": "no"}, {"sign": "yes"}
    assert verdicts.over_cases([missed, caught, missed]).mutants == {"sign": "yes"}
    assert verdicts.over_cases([missed, missed]).mutants == {"sign": "no"}


def test_a_refuted_proof_has_a_counterexample_too():
    tally = Tally()
    values = [np.full((1, 4), v) for v in (1.0, 0.5, 0.0)]
    tally.update(Comparison("sigmoid_derivative", "exponential_square", "", "exact", *values), 0)
    found = verdicts.in_tally(tally)["sigmoid_derivative", "exponential_square"]
    content = counterexamples.content("sigmoid_derivative", "exponential_square", found, CONFIG, {})
    assert content["claim"] == "sigmoid_derivative"
    json.dumps(content)


def test_a_refuted_claim_shows_in_every_table(tmp_path):
    """A formula that fails in a single weight set of one case is refuted for the whole run."""

    def spoil(kind, content):
        if kind == "check" and content["case"]["hidden_size"] == 3 and content["start"] == 2:
            for record in content["records"]:
                if record["claim"] == CLAIM and not record["mutant"]:
                    record["refuted_sets"] = 1
                    record["worst"] = {**record["worst"], "ratio": 7.0, "index": 2}

    paths = write_shards(tmp_path, spoil)
    tables.aggregate(paths, CONFIG, tmp_path)
    row = next(r for r in rows(tmp_path, "verdicts.csv") if r["claim"] == CLAIM)
    assert row["verdict"] == "refuted"
    assert (tmp_path / row["counterexample"]).is_file()
    in_cases = [r for r in rows(tmp_path, "cases.csv") if r["claim"] == CLAIM]
    assert [r["verdict"] for r in in_cases].count("refuted") == 4
    assert [bool(r["counterexample"]) for r in in_cases].count(True) == 1
