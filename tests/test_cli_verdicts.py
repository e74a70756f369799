"""`verdicts` in the terminal: which wrong formulas passed stands below the table."""

import re

import pandas as pd
import pytest
from report_run import aggregate

from lstm_gpu import cli
from lstm_gpu.cli import REFUTED, WRONG_INPUT
from lstm_gpu.report import findings, style


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return aggregate(tmp_path_factory.mktemp("run") / "results")


def test_all_caught_and_nothing_is_added(results, capsys):
    assert cli.main(["verdicts", str(results)]) == REFUTED
    out = capsys.readouterr().out
    assert "46/46" in out
    assert "missed" not in out


def test_the_missed_are_named_where_no_case_catches_them(results, tmp_path, capsys):
    frame = pd.read_csv(results / "mutants.csv", keep_default_na=False)
    of_d4 = frame["claim"] == "hidden_jacobian"
    frame.loc[of_d4 & (frame["mutant"] == "all_zero"), "caught"] = "no"
    frame.loc[of_d4 & (frame["mutant"] == "no_f_path"), "caught"] = "equivalent here"
    somewhere = frame.index[of_d4 & (frame["mutant"] == "W_for_U")][:-1]
    frame.loc[somewhere, "caught"] = "no"
    frame.to_csv(tmp_path / "mutants.csv", index=False)
    (tmp_path / "verdicts.csv").write_bytes((results / "verdicts.csv").read_bytes())
    cli.main(["verdicts", str(tmp_path)])
    out = capsys.readouterr().out
    assert out.endswith("hidden_jacobian missed: all_zero\n")


def test_the_mutants_of_many_cases_are_read(results, tmp_path, capsys):
    """As many lines as of a thousand cases: 16 MiB and more."""
    (tmp_path / "verdicts.csv").write_bytes((results / "verdicts.csv").read_bytes())
    head, *lines = (results / "mutants.csv").read_bytes().splitlines(keepends=True)
    times = 2**24 // sum(map(len, lines)) + 1
    (tmp_path / "mutants.csv").write_bytes(head + b"".join(lines) * times)
    assert cli.main(["verdicts", str(tmp_path)]) == REFUTED
    assert "46/46" in capsys.readouterr().out


def test_verdicts_may_be_looked_at_alone(results, tmp_path, capsys):
    (tmp_path / "verdicts.csv").write_bytes((results / "verdicts.csv").read_bytes())
    assert cli.main(["verdicts", str(tmp_path)]) != WRONG_INPUT
    assert "missed" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_a_wrong_table_of_mutants_is_one_line(results, tmp_path, capsys, content):
    (tmp_path / "verdicts.csv").write_bytes((results / "verdicts.csv").read_bytes())
    (tmp_path / "mutants.csv").write_bytes(content)
    assert cli.main(["verdicts", str(tmp_path)]) == WRONG_INPUT
    message = capsys.readouterr().err
    assert "mutants.csv" in message
    assert message.count("\n") == 1


def test_a_table_with_a_column_twice_is_one_line(tmp_path, capsys):
    lines = "claim,reading,verdict,verdict\na,b,refuted,supported\n"
    (tmp_path / "verdicts.csv").write_text(lines)
    assert cli.main(["verdicts", str(tmp_path)]) == WRONG_INPUT
    message = capsys.readouterr().err
    assert "it is not a table of this project (a column is there twice)" in message
    assert message.count("\n") == 1


def test_terminal_and_page_agree_on_what_would_have_been_caught(results, capsys):
    """The terminal has the larger of the page's two formats, and the same words for the rest."""
    cli.main(["verdicts", str(results)])
    lines = capsys.readouterr().out.splitlines()
    shown = {tuple(line.split()[:2]): re.split(" {2,}", line)[4] for line in lines[1:]}
    page = findings.detectable(style.table(results, "cases.csv"))
    table = style.table(results, "verdicts.csv").set_index(["claim", "reading"])
    assert set(shown) == set(page)
    sizes = 0
    for key, said in page.items():
        if " in float" not in said:
            assert shown[key] == said, key
            continue
        sizes += 1
        value = table.loc[key, "smallest_detectable"]
        assert shown[key] == f"{value:.3g}"
        assert style.number(float(value)) in said
    assert sizes > 5
    assert {"–", "any difference"} <= set(shown.values())
