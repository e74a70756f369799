"""A scan: the same record however it is cut, by whom, and by how many; its command line."""

import pytest

from lstm_gpu import cli, compiled, scan, scanning
from lstm_gpu.errors import InputError
from lstm_gpu.weights import Case

CASE = Case(8, 8, "float64", "pytorch_uniform", "generic")
OTHER = Case(3, 2, "float32", "sparse", "saturated")
needs_compiler = pytest.mark.skipif(
    compiled.library_or_reason()[0] is None, reason=compiled.library_or_reason()[1]
)


@pytest.mark.parametrize("case", [CASE, OTHER])
def test_tasks_and_jobs_make_no_difference(monkeypatch, case):
    whole = scan.scan(case, 3, 50, "numpy")
    monkeypatch.setattr(scan, "_ENTRIES_PER_TASK", 7 * case.hidden_size * 16)
    assert len(list(scan._tasks(case, 50))) == 8
    assert scan.scan(case, 3, 50, "numpy") == whole
    assert scan.scan(case, 3, 50, "numpy", jobs=2) == whole
    assert whole.weight_sets == 50
    assert whole.comparisons == 50 * case.hidden_size**2


def test_progress_ends_with_all_sets():
    seen = []
    scan.scan(CASE, 3, 20, "numpy", progress=lambda *state: seen.append(state))
    assert seen[-1] == (20, 20)


@needs_compiler
def test_both_engines_reach_the_same_verdict_from_the_same_bounds():
    by_arrays, by_code = (scan.scan(CASE, 3, 40, engine) for engine in ("numpy", "compiled"))
    assert by_arrays.verdict == by_code.verdict == "supported"
    # Both bounds hold the same terms, of which the compiled ones are up to 2 % larger together
    # (tests/test_compiled.py).
    larger = by_code.smallest_detectable / by_arrays.smallest_detectable
    assert 1 - 2**14 * 2.0**-53 <= larger <= 1.02


def test_a_wrong_formula_is_refuted(monkeypatch):
    true = scan.derivatives.hidden_jacobian
    monkeypatch.setattr(scan.derivatives, "hidden_jacobian", lambda *a: 1.000001 * true(*a))
    assert scan.scan(CASE, 3, 5, "numpy").verdict == "refuted"


def test_engines(monkeypatch):
    assert scan.engine_for(OTHER) == "numpy"
    assert scan.engine_for(CASE, "numpy") == "numpy"
    with pytest.raises(InputError, match="`engine` must be one of"):
        scan.engine_for(CASE, "fortran")
    monkeypatch.setattr(compiled, "library_or_reason", lambda: (None, "no compiler"))
    assert scan.engine_for(CASE) == "numpy"
    with pytest.raises(InputError, match="not available: no compiler"):
        scan.engine_for(CASE, "compiled")
    monkeypatch.setattr(compiled, "library_or_reason", lambda: (object(), ""))
    assert scan.engine_for(CASE) == "compiled"
    with pytest.raises(InputError, match="got sparse with saturated"):
        scan.engine_for(OTHER, "compiled")


def test_the_command_prints_a_line_for_each_size(capsys):
    arguments = ["scan", "--hidden-size", "2", "3", "--weight-sets", "30", "--engine", "numpy"]
    assert cli.main([*arguments, "--jobs", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["n", "2", "3"]
    assert all("supported" in line for line in lines[1:])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--hidden-size", "0", "`hidden_size` must be a whole number from 1"),
        ("--hidden-size", "4096", "`hidden_size` must leave"),
        ("--input-size", "-1", "`input_size` must be"),
        ("--weight-sets", "0", "`weight_sets` must be"),
        ("--seed", "-1", "`seed` must be"),
        ("--jobs", "0", "`jobs` must be"),
        ("--dtype", "float16", "`dtype` must be one of"),
        ("--distribution", "cauchy", "`distribution` must be one of"),
        ("--regime", "calm", "`regime` must be one of"),
        ("--engine", "fortran", "`engine` must be one of"),
    ],
)
def test_a_wrong_option_is_one_line(capsys, option, value, message):
    assert cli.main(["scan", "--weight-sets", "1", option, value]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_refuted_scan_has_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(scanning.Scan, "run", lambda self: iter([("refuted", ("x",) * 7)]))
    assert cli.main(["scan"]) == 1
