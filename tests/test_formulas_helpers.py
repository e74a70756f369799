"""What a formula file imports from beside it, found in its text, and in its digest."""

import hashlib
import os

import pytest

from lstm_gpu import configuration
from lstm_gpu.formulas.helpers import helpers, sha256_of


@pytest.fixture
def found(tmp_path):
    """(text of a formula file, texts of files beside it by name) -> the names of its helpers."""

    def of(text, **files):
        for name, inside in files.items():
            path = tmp_path / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(inside)
        (tmp_path / "mine.py").write_text(text)
        return list(helpers(tmp_path / "mine.py", text.encode()))

    return of


PACKAGE = {"pkg__in____init__": "", "pkg__in__a": "", "pkg__in__sub__in__b": ""}
WHOLE = ["pkg/__init__.py", "pkg/a.py", "pkg/sub/b.py"]


@pytest.mark.parametrize(
    ("text", "files", "names"),
    [
        ("import helper, numpy", {"helper": ""}, ["helper.py"]),
        ("from helper import f as g", {"helper": ""}, ["helper.py"]),
        ("def f(s):\n    if s:\n        import helper", {"helper": ""}, ["helper.py"]),
        ("import one", {"one": "import two", "two": "import one, mine"}, ["one.py", "two.py"]),
        ("import one", {"one": "def (", "two": ""}, ["one.py"]),  # no Python
        ("import one", {"two": "", "numpy": ""}, []),
        ("import lstm_gpu, __main__", {"lstm_gpu__in____init__": "", "__main__": ""}, []),
        ("import pkg", PACKAGE, WHOLE),
        ("from pkg.sub import b", PACKAGE, WHOLE),
        ("import pkg", {**PACKAGE, "pkg__in__a": "import one", "one": ""}, ["one.py", *WHOLE]),
        ("import pkg", {**PACKAGE, "pkg__in__a": "from .. import x"}, WHOLE),
        ("import pkg", {**PACKAGE, "pkg__in__a": "from ......... import x"}, WHOLE),
        ("import pkg, ns", {"pkg__in__a": "", "ns__in__math": ""}, []),  # folders: nothing is run
        ("import ns.a", {"ns__in__a": "from . import b", "ns__in__b": ""}, ["ns/a.py", "ns/b.py"]),
        ("from ns import a", {"ns__in__a": "from .b import c", "ns__in__b": ""},
         ["ns/a.py", "ns/b.py"]),
        ("from ns import math", {"ns__in__math": ""}, ["ns/math.py"]),
        ("import importlib\nimportlib.import_module('helper')", {"helper": ""}, []),
        (f"import {'a' * 300}, a.{'b' * 300}", {"a__in__c": ""}, []),
    ],
)  # fmt: skip
def test_what_a_file_imports_from_beside_it(found, text, files, names):
    assert found(text, **files) == names


def test_what_is_no_module_is_none_and_takes_no_time(found, tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "loop.py").symlink_to("loop.py")
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "pkg").symlink_to("../pkg")
    files = {"pkg__in____init__": "", "here": ""}
    names = found("import pipe, folder, loop, large, gone, pkg, here", **files)
    assert names == ["here.py", "pkg/__init__.py"]


def test_a_link_to_a_formula_file_is_of_the_folder_that_it_leads_to(found, tmp_path):
    found("import helper", helper="")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link.py").symlink_to("../mine.py")
    assert list(helpers(tmp_path / "other" / "link.py", b"import helper")) == ["helper.py"]
    paths = configuration.formula_helpers({"formulas": [str(tmp_path / "other" / "link.py")]})
    assert paths == [str(tmp_path / "helper.py")]


def test_the_digest_is_the_files_own_without_helpers_and_covers_those_there_are():
    code = b"import helper\n"
    assert sha256_of(code, {}) == hashlib.sha256(code).hexdigest()
    digests = {
        sha256_of(code, beside)
        for beside in ({}, {"a.py": b""}, {"b.py": b""}, {"a.py": b"1"}, {"a.py": b"", "b.py": b""})
    }
    assert len(digests) == 5
