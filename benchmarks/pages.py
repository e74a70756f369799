"""The READMEs' tables from the record that they name: ``python -m benchmarks.pages`` rewrites them.

A table stands between ``<!-- NAME: RECORD -->`` and ``<!-- end of NAME -->``.
"""

import re
from pathlib import Path

from benchmarks import table
from benchmarks.record import KIND
from lstm_gpu.files import atomic_path, read_json

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")
TABLES = {"speed": table.speed, "floors": table.details, "growth": table.growth}
_MARKED = re.compile(
    rf"<!-- (?P<name>{'|'.join(TABLES)}): (?P<record>\S+) -->\n.*?<!-- end of (?P=name) -->",
    re.DOTALL,
)


def rewritten(text: str) -> str:
    """The page with every marked table made anew."""

    def table_of(found: re.Match[str]) -> str:
        name, path = found["name"], found["record"]
        made = TABLES[name](read_json(ROOT / path, KIND))
        return f"<!-- {name}: {path} -->\n{made}\n<!-- end of {name} -->"

    return _MARKED.sub(table_of, text)


def main() -> None:
    for page in PAGES:
        made = rewritten(page.read_text())
        with atomic_path(page) as temporary:
            temporary.write_text(made)


if __name__ == "__main__":
    main()
