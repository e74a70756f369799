"""Formulas from a Python file: functions marked with the quantity that they claim to equal.

A formula file is a program: loading it runs it. Nothing in this package loads one that its user
has not named on the command line, in the configuration or in a call.
"""

import ast
import difflib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeVar

from lstm_gpu.errors import InputError
from lstm_gpu.formulas.helpers import folder_of, helpers, sha256_of
from lstm_gpu.formulas.imports import Imports
from lstm_gpu.formulas.surroundings import put_back

Function = TypeVar("Function", bound=Callable[[Any], Any])

ARGMAX = "forget_gate_argmax"
_LONGEST = 500  # of an exception's text in a message
NAMES = (
    "hidden_jacobian",
    "tanh_cell_jacobian",
    "cell_jacobian",
    "input_gate_jacobian",
    "forget_gate_jacobian",
    "output_gate_jacobian",
    "candidate_jacobian",
    "hidden_by_cell_jacobian",
    "cell_by_cell_jacobian",
    "hidden_by_input_jacobian",
    ARGMAX,
)
_MARK = "__claims_to_equal__"


class Marking(NamedTuple):
    """One use of a mark while a file is loaded; line : of the file, None where it has no part."""

    function: Any
    line: int | None


_files: list[tuple[str, list[Marking]]] = []  # being loaded, with the markings of each


class Formula(NamedTuple):
    """A function that claims to equal a quantity.

    file : where it was read from, "" for one given in a call
    sha256 : of that file and its helpers; imports : what it has imported from beside it
    """

    name: str
    quantity: str
    function: Callable[[Any], Any]
    file: str = ""
    sha256: str = ""
    imports: Imports | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.quantity, self.name

    def is_called(self, name: str) -> bool:
        """Whether a run of the workflow may call this formula of a file so: FUNCTION, FILE.FUNCTION
        or, where several files have one name, FOLDER.FILE.FUNCTION.
        """
        whole = f"{Path(self.file).stem}.{self.name}"
        return name in (self.name, whole) or name.endswith(f".{whole}")


def claim(quantity: str) -> Callable[[Function], Function]:
    """Mark a function as a formula that claims to equal a quantity; see `NAMES`.

    The function takes a `StepView` and returns an array (sets, n, n), for
    `hidden_by_input_jacobian` (sets, n, m). Several marks claim several quantities.

    Raises
    ------
    InputError
        for an unknown quantity.
    """
    known(quantity)

    def mark(function: Function) -> Function:
        if not callable(function):
            raise InputError(
                f"@claim({quantity!r}) must stand above a function, got {type(function).__name__}. "
                "In a class, put @staticmethod above it; a formula is best a plain function."
            )
        if inspect.iscoroutinefunction(function):
            raise InputError(
                f"`{_called(function)}` must be a plain function to be a formula, got "
                "`async def`. Write `def`."
            )
        try:
            setattr(function, _MARK, (quantity, *marks(function)))
        except (AttributeError, TypeError) as error:
            raise InputError(
                f"@claim({quantity!r}) must stand above a function, got {type(function).__name__} "
                f"`{_called(function)}`, which cannot be marked. Define a function that calls it."
            ) from error
        _note(function)
        return function

    return mark


def _note(function: Any) -> None:
    """Put a marking down to the file that is being loaded, unless a module it imports makes it.

    A module that is imported is a file of its own, and its formulas are tried where it is named.
    """
    if not _files:
        return
    path, markings = _files[-1]
    frame: FrameType | None = sys._getframe(1)
    line = None
    while frame is not None and frame.f_code is not load.__code__:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return
        if line is None and frame.f_code.co_filename == path:
            line = frame.f_lineno
        frame = frame.f_back
    markings.append(Marking(function, line))


def _called(function: Any) -> str:
    """A name for messages; an object that can be called need not have one."""
    name = function.__name__ if inspect.isroutine(function) else type(function).__name__
    return str(name)


def marks(function: Any) -> tuple[str, ...]:
    """The quantities that a function is marked with; none for what is no function."""
    found = _held(function, _MARK) if callable(function) else ()
    return found if type(found) is tuple else ()


def _held(value: Any, name: str) -> Any:
    """What an object itself (of a method, its function) holds under a name; None for nothing.

    Its `__getattr__` is not asked: that of `unittest.mock.call` has an answer to every name.
    """
    holder = value.__func__ if inspect.ismethod(value) else value
    try:
        return object.__getattribute__(holder, "__dict__").get(name)
    except AttributeError:
        return None


def known(quantity: Any) -> str:
    """The quantity, if there is one of that name; else InputError with the nearest."""
    if callable(quantity):
        raise InputError('`@claim` must name a quantity: write @claim("hidden_jacobian").')
    if quantity in NAMES:
        return str(quantity)
    close = difflib.get_close_matches(str(quantity), NAMES, n=1, cutoff=0.5)
    remedy = f"Did you mean `{close[0]}`?" if close else "Choose one of them."
    raise InputError(
        f"`quantity` must be one of {', '.join(NAMES)}; got {quantity!r:.60}. {remedy}"
    )


def load(path: str | Path) -> list[Formula]:
    """Run a file and return the formulas that it marks, in the order of their definition.

    Raises
    ------
    InputError
        The file cannot be read or run, or marks nothing.
    """
    path = Path(path)
    try:
        code = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the formula file `{path}` cannot be read: {error.strerror}. Check the name."
        ) from error
    beside = helpers(path, code)
    _refuse_names_of_python_s(beside, path)
    sha256 = sha256_of(code, beside)
    imports = Imports(folder_of(path), beside)
    name = f"lstm_gpu_formulas_{sha256[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"the formula file `{path}` must be a Python file: its name ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses and pickles in the file expect
    markings: list[Marking] = []
    _files.append((str(path), markings))
    try:
        tree = ast.parse(code, str(path))
        _refuse_two_of_one_name(tree, path)
        with put_back(), imports.at_hand():
            sys.path.insert(0, str(imports.folder))  # as for a script
            exec(compile(tree, str(path), "exec"), module.__dict__)
    except BaseException as error:  # whatever a file raises is its own fault, an interrupt is not
        del sys.modules[name]
        if isinstance(error, InputError | KeyboardInterrupt):
            raise
        raise InputError(
            f"the formula file `{path}` cannot be run: {blame(error, path)}. Mend it."
        ) from error
    finally:
        _files.pop()
    named: dict[int, tuple[str, Any]] = {}  # a function once, by its first name
    for attribute, value in module.__dict__.items():
        named.setdefault(id(value), (attribute, value))
    formulas = [
        Formula(attribute, quantity, function, str(path), sha256, imports)
        for attribute, function in named.values()
        for quantity in dict.fromkeys(marks(function))
    ]
    known_here = {id(f) for _, value in named.values() for f in _unwrapped(value)}
    lost = [marking for marking in markings if id(marking.function) not in known_here]
    if lost:
        raise InputError(
            f"the formula file `{path}` must keep every marked function under a name of its own, "
            f"but `{_called(lost[0].function)}` (line {lost[0].line or '?'}) cannot be found by "
            "any: it would go untried. Define it at the top of the file, with @claim as the "
            "outermost decorator."
        )
    if not formulas:
        raise InputError(
            f"the formula file `{path}` must mark a function with @claim(quantity), got none. "
            'Write `from lstm_gpu import claim` and `@claim("hidden_jacobian")` above it.'
        )
    return formulas


def _unwrapped(value: Any) -> Iterator[Any]:
    """A function and those that `functools.wraps` says it stands for; of a method, its function."""
    seen: set[int] = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        yield value
        if inspect.ismethod(value):
            yield value.__func__
        value = _held(value, "__wrapped__") if callable(value) else None


def _refuse_names_of_python_s(beside: Iterable[str], path: Path) -> None:
    """Which of the two is meant, and loaded, would depend on what was imported before."""
    for name in beside:
        if name.split("/")[0].removesuffix(".py") in sys.stdlib_module_names:
            raise InputError(
                f"`{name}` beside the formula file `{path}`, which is imported, must not have the "
                "name of a module of Python's own. Rename it."
            )


def _refuse_two_of_one_name(tree: ast.Module, path: Path) -> None:
    """The second function of a name replaces the first, which would go untried."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [function.name for function in functions]
    for function in functions:
        marked = any("claim(" in ast.unparse(mark) for mark in function.decorator_list)
        if marked and names.count(function.name) > 1:
            raise InputError(
                f"the formula file `{path}` must define `{function.name}` once, got "
                f"{names.count(function.name)}. Give each formula a name of its own."
            )


def blame(error: BaseException, path: str | Path) -> str:
    """An exception in one line, with the last line of the file that it passed through."""
    try:
        said = str(error)
    except BaseException as failure:  # an exception class of the file's own may fail at that, too
        if isinstance(failure, KeyboardInterrupt):
            raise
        said = ""
    shown = "".join(c if c.isprintable() else " " for c in said)  # no control characters
    text = " ".join(f"{type(error).__name__}: {shown}".split()).removesuffix(":")[:_LONGEST]
    if isinstance(error, SyntaxError):
        return text
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{text} (line {frames[-1].lineno})" if frames else text
