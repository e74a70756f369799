"""docs/tables.md explains every column of every table, in the order of the header."""

import re
from pathlib import Path

import pytest

from lstm_gpu.report import page, tables
from lstm_gpu.report.columns import TABLES

ROOT = Path(__file__).parents[1]
HEADERS = {**TABLES, "mutation_score.csv": tables.SCORE_COLUMNS}


def documented() -> dict[str, list[tuple[list[str], str, str]]]:
    """Section -> its rows: the columns that a row names, their unit, their meaning."""
    sections: dict[str, list[tuple[list[str], str, str]]] = {}
    for line in (ROOT / "docs" / "tables.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rows = sections.setdefault(line[3:], [])
        elif line.startswith("| `"):
            # A bar inside a cell is written \|.
            names, unit, meaning = re.split(r"(?<!\\)\|", line)[1:-1]
            rows.append((re.findall(r"`([^`]+)`", names), unit.strip(), meaning.strip()))
    return sections


def test_every_table_has_its_section():
    assert set(documented()) == {*HEADERS, "A case"}


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_every_column_is_explained_in_the_order_of_the_header(name):
    rows = documented()[name]
    assert [column for columns, *_ in rows for column in columns] == list(HEADERS[name])
    for columns, unit, meaning in rows:
        assert (
            unit
            or "#a-case" in meaning
            or "as in" in meaning
            or meaning == "where"
            or (meaning.startswith("where;"))
        ), columns
        assert meaning, columns


def test_the_six_columns_of_a_case_are_explained_once():
    assert [columns for columns, *_ in documented()["A case"]] == [
        [name] for name in tables.verdicts.CASE_COLUMNS
    ]


def test_the_readme_of_the_results_names_every_file_that_the_page_does():
    text = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    assert "docs/tables.md" in text
    for name in {*HEADERS, *page.TABLES, "report.html"}:
        assert f"`{name}`" in text, name
