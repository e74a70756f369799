"""The evidence beside the peers: who is asked what, how answers are counted, what is printed."""

import contextlib
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import checkers, evidence, evidence_table
from benchmarks.checkers import CHECKERS, Checker
from benchmarks.evidence import Cost
from benchmarks.questions import MUTANTS, case, questions
from lstm_gpu.claims import jacobians
from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.files import read_json, write_json
from lstm_gpu.tally import Comparison, summarise
from lstm_gpu.weights import draw

ROOT = Path(__file__).parents[1]
SEED, SETS = 3, 5
NAMES = [m.name for m in MUTANTS]
FORMULAS = len(MUTANTS) + 1


def asked(n=3, dtype="float64", sets=SETS, mutants=MUTANTS):
    return questions(draw(case(n, dtype), SEED, 0, sets), mutants)


def always(verdict):
    return Checker(f"always {verdict}", "float64", "", lambda sets: lambda J: [verdict] * len(J))


def present(checker):
    if checker.missing():
        pytest.skip(checker.missing())
    return checker


def each_checker(*names):
    return pytest.mark.parametrize(
        "checker",
        [c for c in CHECKERS if c.name.startswith(names)],
        ids=lambda c: f"{c.name}, {c.dtype}",
    )


# --- The checkers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["torch", "jax"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_peers_evaluate_the_same_cell_on_the_same_bits(package, dtype):
    module = pytest.importorskip(package)
    block = Block(draw(case(4, dtype), SEED, 0, SETS))
    if package == "torch":
        context, cells = contextlib.nullcontext(), checkers.torch_cells(block.sets)
    else:
        context, cells = module.enable_x64(dtype == "float64"), checkers.jax_cells(block.sets)
    for s, (h, function) in enumerate(cells):
        assert np.array_equal(np.asarray(h), block.sets.h_prev[s])
        with context:
            value = np.asarray(function(h))
        assert value.dtype == dtype
        error = block.errors.values["h"].error[s]
        assert (np.abs(value - block.step.h[s]) <= 2 * error).all()  # the error of each of the two


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ours_answers_as_the_campaign_does(dtype):
    """Set by set, for every mutant: refuted where either reference of the trials refutes."""
    q = asked(dtype=dtype)
    exam = checkers.ours(q.sets)
    for name in NAMES:
        refuted = [
            any(
                summarise(c, s).refuted_sets
                for r in REFERENCES
                for c in jacobians.trials(
                    Block(draw(case(3, dtype), SEED, s, s + 1)),
                    only=("hidden_jacobian", "as_written", name, r),
                )
            )
            for s in range(SETS)
        ]
        assert [v == "refuted" for v in exam(q.wrong[name][0])] == refuted
    assert exam(q.truth) == ["supported"] * SETS


def test_verdicts_are_of_each_set_by_itself():
    """Wrong in one set, no bound in another, a bound that hides all in a third."""
    measured = np.full((4, 2, 2), 0.5)
    claimed, bound = measured.copy(), np.full((4, 2, 2), 1e-9)
    claimed[1, 0, 1] += 1e-6
    bound[2] = np.inf
    bound[3] = 1.0
    own = Comparison("claim", "reading", "", "reference", claimed, measured, bound)
    with np.errstate(all="ignore"):
        found = checkers.verdicts([own], 4)
    assert found == ["supported", "refuted", "inconclusive", "inconclusive"]


@each_checker("ours", "torch", "jax")
def test_each_checker_refutes_zero(checker):
    q = asked(dtype=checker.dtype)
    exam = present(checker).open(q.sets)
    assert exam(0 * q.truth) == ["refuted"] * SETS


@each_checker("ours", "torch", "jax")
def test_the_truth_passes_but_for_gradcheck_in_float32(checker):
    """gradcheck's step of 1e-6 is below what float32 resolves; PyTorch warns of it."""
    q = asked(dtype=checker.dtype)
    expected = "supported"
    if "gradcheck" in checker.name and checker.dtype == "float32":
        expected = "refuted"
    assert expected in present(checker).open(q.sets)(q.truth)
    if expected == "supported":
        assert checker.open(q.sets)(q.truth) == [expected] * SETS


@each_checker("torch.autograd.gradcheck, slow", "jax")
def test_peers_use_the_jacobian_as_given_and_not_its_transpose(checker):
    q = asked(dtype=checker.dtype)
    exam = present(checker).open(q.sets)
    assert exam(q.wrong["jacobian_transposed"][0]) == ["refuted"] * SETS


def test_a_package_that_is_not_there_is_named():
    assert "make peers" in Checker("x", "float64", "no_such_package", None).missing()
    assert always("supported").missing() == ""


# --- The questions --------------------------------------------------------------------------------


def test_equal_to_the_truth_is_equivalent_and_nothing_else_is():
    alone = asked(n=1)  # a 1 x 1 matrix is its own transpose
    assert {n for n, (_, equal) in alone.wrong.items() if equal.all()} >= {
        "U_f_transposed",
        "all_U_transposed",
        "jacobian_transposed",
        "column_scaling_in_f",
    }
    assert not any(equal.any() for _, equal in asked(n=3).wrong.values())


def test_an_error_that_float32_hides_is_not_equal_to_the_truth():
    q = asked(n=64, dtype="float32", sets=1)
    J, equal = q.wrong["off_by_0.01_percent"]
    assert not equal.any()
    assert checkers.ours(q.sets)(J) == ["supported"]


# --- Counting -------------------------------------------------------------------------------------


def row_of(checker, q, tried=NAMES):
    row = evidence.empty(checker, 3, tried)
    evidence.put(checker, q, row)
    return row


def test_who_accepts_everything_catches_nothing():
    row = row_of(always("supported"), asked())
    assert evidence_table.caught(row) == []
    assert evidence_table.passed(row) == NAMES
    assert (row["false_alarms"], row["weight_sets"]) == (0, SETS)


def test_who_refutes_everything_catches_nothing_either():
    row = row_of(always("refuted"), asked())
    assert evidence_table.caught(row) == []
    assert evidence_table.passed(row) == []  # nothing can be said of them
    assert row["false_alarms"] == SETS


def test_who_cannot_tell_catches_nothing():
    row = row_of(always("inconclusive"), asked())
    assert (row["undecided"], row["false_alarms"]) == (SETS, 0)
    assert evidence_table.caught(row) == evidence_table.passed(row) == []


def test_equivalent_mutants_are_neither_caught_nor_missed():
    q = asked(n=1)
    equal = [name for name, (_, same) in q.wrong.items() if same.all()]

    def oracle(sets):
        return lambda J: np.where((q.truth == J).all(axis=(1, 2)), "supported", "refuted")

    knowing = Checker("oracle", "float64", "", oracle)
    for checker in (knowing, always("supported")):
        row = row_of(checker, q)
        assert all(row["equivalent"][name] == SETS for name in equal)
        assert not set(equal) & {*evidence_table.caught(row), *evidence_table.passed(row)}
        assert len(evidence_table.counted(row)) == len(NAMES) - len(equal)
    assert set(evidence_table.caught(row_of(knowing, q))) == (set(NAMES) - set(equal))


def test_only_sets_on_which_the_truth_passes_count():
    """One false alarm: what is refuted on that set alone is not caught."""
    q = asked()

    def nervous(sets):
        return lambda J: ["refuted"] + ["supported"] * (len(J) - 1)

    row = row_of(Checker("nervous", "float64", "", nervous), q)
    assert row["false_alarms"] == 1
    assert set(row["asked"].values()) == {SETS - 1}
    assert evidence_table.caught(row) == []


# --- How much fits --------------------------------------------------------------------------------


def test_weight_sets_fill_the_time_up_to_the_most():
    costs = [Cost(1.0, FORMULAS), Cost(2.0, FORMULAS)]
    assert evidence.affordable(costs, 3.5 * 3 * FORMULAS) == (3, [len(MUTANTS)] * 2)
    assert evidence.affordable([Cost(1e-9, FORMULAS)], 10.0)[0] == evidence.MOST_SETS


def test_who_refutes_the_truth_costs_one_formula():
    q = asked(sets=1)
    assert evidence.cost(always("refuted"), q).formulas == 1
    assert evidence.cost(always("supported"), q).formulas == FORMULAS
    assert Cost(2.0, 3).total == 6.0


def test_where_one_set_does_not_fit_the_slow_ones_try_fewer_mutants():
    costs = [Cost(seconds, FORMULAS) for seconds in (1e-3, 1.0, 10.0)]
    sets, counts = evidence.affordable(costs, 100.0)
    assert sets == 1
    assert counts[0] == counts[1] == len(MUTANTS)
    assert 1 <= counts[2] < len(MUTANTS)
    spent = sum((count + 1) * c.seconds for count, c in zip(counts, costs, strict=True))
    assert spent <= 100.0 < sum(c.total for c in costs)
    assert evidence.affordable([Cost(1e6, FORMULAS)], 1.0) == (1, [1])  # never none


def test_mutants_are_left_out_evenly():
    assert evidence.spread(len(MUTANTS)) == NAMES
    few = [NAMES.index(name) for name in evidence.spread(5)]
    assert few[0] == 0
    assert set(np.diff(few)) <= {len(NAMES) // 5, len(NAMES) // 5 + 1}
    row = evidence.empty(always("supported"), 8, evidence.spread(5))
    assert len(row["left_out"]) == len(NAMES) - 5


# --- The whole ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_small_run_from_the_weights_to_the_tables(tmp_path, capsys):
    """With the peers that are here; ours catches all in float64."""
    assert evidence.main(["--sizes", "3", "--seconds", "0.5", "--results", str(tmp_path)]) == 0
    (path,) = tmp_path.iterdir()
    record = read_json(path, evidence.KIND)
    here = [c for c in CHECKERS if not c.missing()]
    asked = [(r["checker"], r["dtype"], r["hidden_size"]) for r in record["trials"]]
    assert asked == [(c.name, c.dtype, 3) for c in here]
    for row in record["trials"]:
        assert row["weight_sets"] >= 1
        assert min(row["seconds"]) > 0
        if row["dtype"] == "float64":
            assert row["false_alarms"] == 0
            assert "all_zero" not in evidence_table.passed(row)
        if (row["checker"], row["dtype"]) == ("ours", "float64"):
            assert evidence_table.passed(row) == []
    assert str(tmp_path) not in path.read_text()
    capsys.readouterr()
    assert evidence.main(["--markdown", str(path)]) == 0
    assert capsys.readouterr().out.strip() == evidence_table.markdown(record)


def test_sizes_are_measured_with_the_checkers_given():
    (row,) = evidence.measure_size(2, 0.05, (always("supported"),))
    assert evidence_table.passed(row) == NAMES
    assert row["weight_sets"] == evidence.MOST_SETS


@pytest.mark.parametrize(
    "arguments",
    [["--sizes", "0"], ["--seconds", "0"], ["--seconds", "nan"], ["--seconds", "-1"]],
)
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        evidence.main(arguments)
    assert stopped.value.code == 2


def test_a_record_that_is_none_is_one_line(tmp_path, capsys):
    path = tmp_path / "other.json"
    write_json(path, "benchmark", {"sizes": []})
    assert evidence.main(["--markdown", str(path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


# --- The text -------------------------------------------------------------------------------------


def record_of(*rows):
    mutants = [{"name": name, "family": "", "seen": ""} for name in NAMES]
    return {"trials": list(rows), "mutants": mutants, "skipped": ["jax is not installed"]}


def test_the_tables_say_what_the_record_says():
    q = asked()
    blind, alarm = row_of(always("supported"), q), row_of(always("refuted"), q)
    blind["seconds"], alarm["seconds"] = [0.25, 0.5, 12.0], [0.001234]
    record = record_of(blind, alarm)
    total = len(NAMES)
    assert evidence_table.summary(record).splitlines() == [
        "|  | n = 3 |",
        "| --- | --- |",
        f"| always supported, float64 | 0/{total}, 0/{SETS}, 500 ms |",
        f"| always refuted, float64 | 0/{total}, {SETS}/{SETS}, 1.2 ms |",
    ]
    lines = evidence_table.escapes(record).splitlines()[2:]
    assert lines == [
        f"| `{name}` | always supported, float64: 3 ({SETS}/{SETS}) |" for name in NAMES
    ]
    blind["caught"] = dict.fromkeys(NAMES, SETS) | {NAMES[3]: SETS - 1}
    (line,) = evidence_table.escapes(record_of(blind)).splitlines()[2:]
    assert line == f"| `{NAMES[3]}` | always supported, float64: 3 (1/{SETS}) |"
    blind["caught"] = dict.fromkeys(NAMES, 0)
    text = evidence_table.text(record)
    assert "let pass: sigma_for_slope_in_f" in text
    assert "jax is not installed" in text


def test_what_there_was_no_time_for_is_said():
    row = row_of(always("supported"), asked(), evidence.spread(2))
    text = evidence_table.text(record_of(row))
    assert "0/2, " in text
    left = f"no time for {len(NAMES) - 2} of {len(NAMES)} mutants"
    assert f"n = 3, always supported, float64: {left}" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (0.0123, "12 ms"), (4.56e-5, "46 µs"), (1e-9, "< 1 µs")]
)
def test_times_have_two_digits(seconds, text):
    assert evidence_table.seconds({"seconds": [seconds]}) == text


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("README.md", evidence_table.summary),
        ("benchmarks/README.md", evidence_table.escapes),
    ],
)
def test_the_readme_shows_the_record(page, table):
    """`python -m benchmarks.evidence --markdown RECORD` prints what belongs there."""
    found = re.search(
        r"<!-- evidence: (\S+) -->\n(.*?)\n<!-- end of evidence -->",
        (ROOT / page).read_text(),
        re.DOTALL,
    )
    assert found, f"{page} has no evidence"
    record = read_json(ROOT / found[1], evidence.KIND)
    assert found[2] == table(record)


def test_what_the_readme_says_in_words_is_in_the_record():
    found = re.search(r"<!-- evidence: (\S+) -->", (ROOT / "README.md").read_text())
    rows = {
        (r["checker"], r["dtype"], r["hidden_size"]): r
        for r in read_json(ROOT / found[1], evidence.KIND)["trials"]
    }
    assert "all_zero" in evidence_table.passed(
        rows["torch.autograd.gradcheck, fast", "float64", 1024]
    )
    for (checker, dtype, n), row in rows.items():
        if checker == "ours":
            assert row["false_alarms"] == 0
            small = set() if dtype == "float64" else {"off_by_0.1_percent", "off_by_0.01_percent"}
            assert set(evidence_table.passed(row)) <= small
        if checker.startswith("jax") and dtype == "float64":
            assert evidence_table.passed(row) == []
            if n >= 512:
                assert np.median(row["seconds"]) < np.median(rows["ours", dtype, n]["seconds"])
        if checker.startswith("torch") and dtype == "float32":
            assert row["false_alarms"] > row["weight_sets"] / 2
