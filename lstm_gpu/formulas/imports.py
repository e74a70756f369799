"""The modules beside a formula file: there while its code runs, and out of others' way after it.

Python knows a module by its name alone, and two files in different folders may each import a
`helper` of their own. So what a file has imported from its folder is kept with it. Python finds it
while the file's code runs, as if the file were the script; what was imported before from there, by
others, and what is installed stays what it is, and where it is.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Imports"]

_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_compiled: dict[Path, dict[str, Any]] = {}  # by folder: many cannot be loaded twice


class Imports:
    """What one loading of a formula file has imported from the folder of the file.

    beside : the files that its text imports from there (`helpers.helpers`). Their modules are
        looked for there first, as for a script; of the standard library's names, those that
        `sys.path` finds there.
    """

    def __init__(self, folder: Path, beside: Iterable[str]) -> None:
        self.folder = folder
        names = frozenset(name.split("/")[0].removesuffix(".py") for name in beside)
        self._names = names - sys.stdlib_module_names
        self._kept: dict[str, Any] = dict(_compiled.get(folder, {}))

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Run the file's code, or a formula of it, in the block."""
        before = sys.modules.copy()
        hidden = self._hidden(before)
        for name in hidden:
            del sys.modules[name]
        sys.modules.update(self._kept)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            with suppress(ValueError):  # its code has taken it out
                sys.meta_path.remove(self)
            self._take_out(before)
            sys.modules.update({name: before[name] for name in hidden})

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where `import` finds a module: a finder of `sys.meta_path`."""
        if path is not None or name not in self._names:
            return None
        return PathFinder.find_spec(name, [str(self.folder)], target)

    def _hidden(self, before: dict[str, Any]) -> list[str]:
        """The modules of others that have the names of ours."""
        tops = {name for name in self._names if name in before and self._is_elsewhere(before[name])}
        tops |= {
            name for name in self._kept if name in before and before[name] is not self._kept[name]
        }
        if not tops:
            return []
        return [name for name in before if name.partition(".")[0] in tops or name in tops]

    def _take_out(self, before: dict[str, Any]) -> None:
        now = sys.modules.copy()
        for name, module in now.items():
            if before.get(name) is module or not self._is_own(name, now, before):
                continue
            self._kept[name] = module
            if isinstance(getattr(_spec(module), "loader", None), ExtensionFileLoader):
                _compiled.setdefault(self.folder, {})[name] = module
            if name in before:
                sys.modules[name] = before[name]
            else:
                del sys.modules[name]

    def _is_own(self, name: str, now: dict[str, Any], before: dict[str, Any]) -> bool:
        """Whether a new module is of this folder; of a package, by the package."""
        if self._kept.get(name) is now[name]:
            return True
        top = name.partition(".")[0]
        if top in before and before[top] is now.get(top):
            return False  # more of a package that was there
        return top in self._names or self._is_here(now.get(top, now[name]))

    def _is_here(self, module: Any) -> bool:
        return any(
            place.is_relative_to(self.folder) and not _is_installed(place)
            for place in _places(module)
        )

    def _is_elsewhere(self, module: Any) -> bool:
        places = _places(module)
        return bool(places) and not any(
            place.is_relative_to(self.folder) or _is_installed(place) for place in places
        )


def _attribute(module: Any, name: str) -> Any:
    """What a module itself has under a name; one that loads itself when asked is not asked."""
    try:
        return object.__getattribute__(module, "__dict__").get(name)
    except AttributeError:
        return None


def _spec(module: Any) -> Any:
    return _attribute(module, "__spec__")


def _places(module: Any) -> list[Path]:
    """The folder that a module's file lies in; of a package without one, its folders."""
    file = _attribute(module, "__file__")
    if isinstance(file, str):
        return [Path(os.path.realpath(os.path.dirname(file)))]  # noqa: PTH120  the file may be a link
    return [Path(os.path.realpath(str(place))) for place in _attribute(module, "__path__") or ()]


def _is_installed(place: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(place.parts):
        return True
    return any(place.is_relative_to(root) for root in _INSTALLED)
