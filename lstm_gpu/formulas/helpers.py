"""The files beside a formula file that it imports, found in its text: nothing here runs any of it.

What such a file says is part of the formula, so it is in the formula's digest and an input of the
workflow. A name that is made while the file runs (`importlib.import_module(name)`) is not found.
"""

import ast
import hashlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from lstm_gpu import files
from lstm_gpu.errors import InputError
from lstm_gpu.intake import contents

__all__ = ["folder_of", "helpers", "sha256_of"]

_LARGEST = 2**24  # bytes of a module; parsing takes some hundred times as much memory
# Whatever lies beside a file, these are not looked for there: they are loaded already.
_NEVER = {*sys.builtin_module_names, "__main__", "lstm_gpu"}


def folder_of(path: str | os.PathLike[str]) -> Path:
    """Where the modules lie that a formula file may import."""
    return Path(path).resolve().parent


def helpers(path: str | os.PathLike[str], code: bytes) -> dict[str, bytes]:
    """The Python files that a formula file imports from beside it, and those that they import.

    Parameters
    ----------
    code : of the file

    Returns
    -------
    what is in each, by its name from `folder_of(path)` with "/", sorted. Of a package that is
    imported, all files. What cannot be read, is no regular file or is larger than a module can be
    is left out, and what cannot be parsed imports nothing: Python says so where it is imported.
    """
    path, folder = Path(path).resolve(), folder_of(path)
    found: dict[Path, bytes] = {}
    waiting = [(path, code)]
    while waiting:
        file, text = waiting.pop()
        for candidate in _imported(file, text, folder):
            if candidate in found or candidate == path:
                continue
            inside = _read(candidate)
            if inside is not None:
                found[candidate] = inside
                waiting.append((candidate, inside))
    named = {file.relative_to(folder).as_posix(): inside for file, inside in found.items()}
    return dict(sorted(named.items()))


def sha256_of(code: bytes, beside: Mapping[str, bytes]) -> str:
    """The digest of a formula: of its file, and of its helpers where it has any."""
    own = hashlib.sha256(code).hexdigest()
    digests = [[name, hashlib.sha256(inside).hexdigest()] for name, inside in beside.items()]
    return files.digest([own, digests]) if digests else own


def _read(path: Path) -> bytes | None:
    try:
        return contents(path, _LARGEST)
    except InputError:
        return None


def _imported(file: Path, code: bytes, folder: Path) -> Iterator[Path]:
    """The files in `folder` that the import statements of a file in or below it stand for."""
    try:
        with warnings.catch_warnings(action="ignore"):  # they come again when the file is run
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(folder, alias.name.split("."), folder)
        elif isinstance(node, ast.ImportFrom):
            base = (
                folder if not node.level else file.parents[min(node.level, len(file.parents)) - 1]
            )
            module = node.module.split(".") if node.module else []
            if base.is_relative_to(folder):
                for alias in node.names:  # each may be a module
                    yield from _files(base, [*module, alias.name], folder)


def _files(base: Path, parts: list[str], folder: Path) -> Iterator[Path]:
    """The files of a module `parts` below `base`, in the order in which Python looks for them."""
    name, *rest = parts
    if base == folder and name in _NEVER:
        return
    package, module = base / name, base / f"{name}.py"
    if os.path.isfile(package / "__init__.py"):  # noqa: PTH113  pathlib's raises for long names
        yield from _whole(package)
    elif os.path.isfile(module):  # noqa: PTH113
        yield module
    elif rest and os.path.isdir(package):  # noqa: PTH112  a package without __init__
        yield from _files(package, rest, folder)


def _whole(package: Path) -> Iterator[Path]:
    """All modules of a package; nothing can be imported by a name that is no identifier."""
    for folder, below, names in os.walk(package):
        below[:] = [name for name in below if name.isidentifier()]
        for name in names:
            if name.endswith(".py") and name.removesuffix(".py").isidentifier():
                yield Path(folder, name)
