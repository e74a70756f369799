"""Proofs in the tables, in the verdicts and on the page; a bound proved wrong hides nowhere."""

import csv
from dataclasses import replace

import pandas as pd
import pytest
from report_run import CONFIG, aggregate, write_shards, written

from lstm_gpu import configuration, examination, files
from lstm_gpu.claims.registry import REFUTED
from lstm_gpu.replay import describe, replay
from lstm_gpu.report import counterexamples, enclosures, style, verdicts
from lstm_gpu.report.verdicts import Finding
from lstm_gpu.weights import Case

CLAIM, READING = "hidden_jacobian", "as_written"
HEADER = (
    "claim,reading,hidden_size,input_size,dtype,distribution,regime,seed,reference,index,row,"
    "column,proof,precision,derivative,formula,distance_log2_lower,distance_log2_upper,"
    "relative_log2_upper,reference_error_over_bound,formula_error_over_bound,bounds_hold"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return aggregate(tmp_path_factory.mktemp("run") / "results")


def rows(results, name):
    with (results / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(results, shards=(0,), **changes):
    """Tables of a run whose enclosures of D4, in one case and these shards of it, say something
    else."""

    def spoil(kind, content):
        if kind == "check" and content["case"] == configuration.case_table(CONFIG)[-1].as_dict():
            for row in content["enclosures"]:
                if row["claim"] == CLAIM and content["start"] in shards:
                    row.update(changes)

    return aggregate(results, change=spoil)


def verdict_of(results, table="verdicts.csv"):
    return [r["verdict"] for r in rows(results, table) if r["claim"] == CLAIM]


# --- The table ------------------------------------------------------------------------------------


def test_one_row_per_case_reading_and_reference(results):
    assert (results / "enclosures.csv").read_text().partition("\n")[0] == HEADER
    table = rows(results, "enclosures.csv")
    keys = {tuple(row[c] for c in HEADER.split(",")[:9]) for row in table}
    assert len(keys) == len(table) == 17 * len(configuration.case_table(CONFIG))


def test_true_readings_are_within_and_refuted_ones_are_proofs(results):
    expected = {(r["claim"], r["reading"]): r["verdict"] for r in rows(results, "verdicts.csv")}
    refuted = set()
    for row in rows(results, "enclosures.csv"):
        key = row["claim"], row["reading"]
        assert row["bounds_hold"] == "yes"
        if expected[key] == REFUTED:
            refuted |= {key} if row["proof"] == "refuted" else set()
        else:
            assert row["proof"] == "within 2^-200"
            assert int(row["relative_log2_upper"]) <= -200
    assert len(refuted) == 4


# --- Verdicts -------------------------------------------------------------------------------------


def test_a_proof_refutes_what_the_floats_let_pass(tmp_path):
    """As for a formula that is wrong by 10^-40: its error stays below the bound everywhere."""
    # In both shards: which of them holds the case's worst entry depends on the processor.
    worst = run(tmp_path, shards=(0, 2), proof="refuted")
    assert verdict_of(worst) == ["refuted"]
    assert verdict_of(worst, "cases.csv").count("refuted") == 1
    reasons = [r["reason"] for r in rows(worst, "cases.csv") if r["claim"] == CLAIM]
    assert reasons.count(verdicts.PROVED) == 1
    path = next(r["counterexample"] for r in rows(worst, "verdicts.csv") if r["claim"] == CLAIM)
    assert (worst / path).is_file()


def test_a_bound_proved_wrong_voids_the_verdict_wherever_it_is(tmp_path):
    spoilt = run(tmp_path, bounds_hold="no")
    assert verdict_of(spoilt) == ["inconclusive"]
    assert verdict_of(spoilt, "cases.csv").count("inconclusive") == 1
    reasons = {r["reason"] for r in rows(spoilt, "cases.csv") if r["claim"] == CLAIM}
    assert reasons == {"", verdicts.UNSOUND}
    kept = [r for r in rows(spoilt, "enclosures.csv") if r["bounds_hold"] == "no"]
    assert len(kept) == 2


def test_a_proof_needs_no_bound():
    finding = Finding(verdict="supported")
    finding.weigh([{"proof": "refuted", "bounds_hold": "no"}])
    assert (finding.verdict, finding.proved, finding.unsound) == ("refuted", True, True)
    total = verdicts.over_cases([Finding(verdict="supported", cases=1), finding])
    assert total.verdict == "refuted"


def test_what_holds_and_agrees_changes_nothing():
    for verdict in ("supported", "refuted", "inconclusive"):
        finding = Finding(verdict=verdict)
        finding.weigh([{"proof": "within 2^-200", "bounds_hold": "yes"}])
        finding.weigh([{"proof": "undecided", "bounds_hold": "undecided"}])
        assert finding.verdict == verdict


def test_an_error_above_its_bound_makes_the_better_counterexample():
    def refuting(n, ratio):
        case = Case(n, n, "float64", "pytorch_uniform", "generic")
        return Finding(verdict="refuted", worst={"ratio": ratio, "index": 0}, case=case)

    proved, measured = refuting(1, 0.01), refuting(8, 2.0)
    assert counterexamples.choose([proved, measured]) is measured
    assert counterexamples.choose([proved]) is proved


# --- The page -------------------------------------------------------------------------------------


def test_the_page_says_what_was_proved(results):
    told = enclosures.sentences(style.table(results, "enclosures.csv"))
    assert told["alarm"] == ""
    assert "0 undecided. All floats of the trial lie within" in told["proofs"]
    entries = {tuple(r[c] for c in (*HEADER.split(",")[:8], "index", "row", "column"))
               for r in rows(results, "enclosures.csv")}  # fmt: skip
    assert told["proofs"].startswith(f"At the worst {len(entries)} entries of this run")


def test_a_bound_proved_wrong_is_an_alarm_on_the_page(tmp_path):
    spoilt = run(tmp_path, bounds_hold="no", reference_error_over_bound=3.0)
    text = written(spoilt)
    assert 'class="summary alarm"' in text
    assert "2 derived bounds proved wrong, the first for hidden_jacobian / as_written" in text
    assert "All floats of the trial lie within" not in text
    total = len(rows(spoilt, "enclosures.csv"))
    assert f"hold in {total - 2} of {total} comparisons" in text
    assert verdicts.UNSOUND in text


def test_a_run_without_enclosures_says_so():
    table = pd.DataFrame(columns=HEADER.split(","))
    assert enclosures.sentences(table) == {"proofs": enclosures.NOTHING, "alarm": ""}


# --- A replay -------------------------------------------------------------------------------------


def counterexample(path, key, entry, case, index=0):
    claim, reading, mutant, reference = key
    found = examination.examine(key, entry, case, CONFIG["seed"], index, backend="numpy")
    content = {"claim": claim, "reading": reading, "mutant": mutant, "reference": reference}
    content |= {"entry": entry, "case": case.as_dict(), "seed": CONFIG["seed"], "index": index}
    files.write_json(path, "counterexample", {**content, **found})
    return path


GENERIC = Case(3, 3, "float64", "normal_gain_4", "generic")


def test_a_replay_shows_the_proof_of_a_refutation(tmp_path):
    key = ("forget_gate_jacobian", "column_scaling", "", "central")
    outcome = replay(counterexample(tmp_path / "c.json", key, [0, 1], GENERIC), "numpy")
    text = describe(outcome)
    assert outcome.verdict == "refuted"
    assert "in ball arithmetic of 256 bits" in text
    distance = text.partition("the claimed formula is at least ")[2].partition(" away")[0]
    error = outcome.found["error"]
    # `ball.at_least` rounds down to ten digits: by less than one in the last.
    assert abs(float(distance) - error) <= outcome.found["bound"] + 1e-9 * error


def test_a_replay_shows_that_a_formula_agrees(tmp_path):
    path = counterexample(tmp_path / "c.json", (CLAIM, READING, "", "central"), [0, 1], GENERIC)
    outcome = replay(path, "numpy")
    assert outcome.verdict == "supported"
    assert "proved: the claimed formula is within 2^-200 of the derivative" in describe(outcome)


def test_a_replay_of_a_wrong_formula_proves_it_wrong(tmp_path):
    key = (CLAIM, READING, "off_by_0.01_percent", "central")
    outcome = replay(counterexample(tmp_path / "c.json", key, [0, 1], GENERIC), "numpy")
    assert outcome.enclosure.proof == "refuted"


def test_a_replay_is_refuted_by_the_proof_where_the_bound_does_not_tell(tmp_path):
    key = ("forget_gate_jacobian", "column_scaling", "", "central")
    case = replace(GENERIC, dtype="float32", distribution="normal_gain_1", regime="near_zero")
    outcome = replay(counterexample(tmp_path / "c.json", key, [0, 1], case), "numpy")
    assert outcome.found["error"] <= outcome.found["bound"]
    assert outcome.verdict == "refuted"
    assert describe(outcome).endswith("refuted: the bound does not tell, the proof does")


def test_a_replay_of_the_sphere_has_no_enclosure(tmp_path):
    paths = write_shards(tmp_path)
    assert paths
    results = aggregate(tmp_path)
    path = results / "counterexamples" / "forget_gate_maximum__gate_equals_norm.json"
    outcome = replay(path, "numpy")
    assert outcome.enclosure is None
    assert "ball arithmetic" not in describe(outcome)
