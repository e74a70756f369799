"""Modules that lie beside a formula file, for a formula that imports them when it is called.

While the file itself runs, its folder is the first place to look (`loading.load`), as for a script.
Formulas are called long after, among our own imports: so then it is the last.
"""

import sys
from pathlib import Path


def keep_beside(file: str | Path) -> None:
    """From now on, what is found nowhere else is looked for in the folder of a formula file."""
    folder = str(Path(file).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
