"""Result files: whole or not at all, and never read when damaged."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_gpu.errors import InputError
from lstm_gpu.files import atomic_path, digest, read_json, write_bytes, write_json, write_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.text().filter(lambda key: key not in {"format", "version", "digest"})


@given(content=st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_was_written_is_read_back_to_the_bit(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("files") / "a.json"
    write_json(path, "check", content)
    assert repr(read_json(path, "check")) == repr(dict(sorted(content.items()))) or (
        read_json(path, "check") == content
    )


def test_numpy_values_and_non_finite_ones_are_written(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, "check", {"x": np.float32(0.1), "n": np.int64(3), "a": np.eye(2), "i": np.inf})
    content = read_json(path, "check")
    assert content["x"] == float(np.float32(0.1))
    assert content["n"] == 3
    assert content["a"] == [[1.0, 0.0], [0.0, 1.0]]
    assert content["i"] == math.inf


def test_the_header_says_what_the_file_is(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, "check", {"b": 1, "a": [{"z": 1, "y": 2}]})
    raw = json.loads(path.read_text())
    assert list(raw) == ["format", "version", "digest", "a", "b"]
    assert (raw["format"], raw["version"]) == ("lstm_gpu check", 1)
    assert raw["digest"] == digest({"a": [{"y": 2, "z": 1}], "b": 1})


def test_the_same_content_gives_the_same_bytes(tmp_path):
    write_json(tmp_path / "a", "check", {"b": 1, "a": {"d": 1.5, "c": 2}})
    write_json(tmp_path / "b", "check", {"a": {"c": 2, "d": 1.5}, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_header_keys_are_not_content(tmp_path):
    with pytest.raises(KeyError, match="header"):
        write_json(tmp_path / "a.json", "check", {"digest": "0"})
    assert list(tmp_path.iterdir()) == []


def damaged(path: Path, how: str) -> None:
    raw = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(raw[: len(raw) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif how == "edited":
        path.write_bytes(raw.replace(b"0.1", b"0.2"))
    elif how == "foreign":
        path.write_text('{"a": 1}')
    elif how == "list":
        path.write_text("[1]")
    elif how == "version":
        path.write_bytes(raw.replace(b'"version": 1', b'"version": 2'))
    elif how == "kind":
        path.write_bytes(raw.replace(b"lstm_gpu check", b"lstm_gpu align"))
    elif how == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "does not exist"),
        ("truncated", "truncated or damaged"),
        ("empty", "truncated or damaged"),
        ("binary", "truncated or damaged"),
        ("edited", "does not match its own digest"),
        ("foreign", "must be a file of lstm_gpu"),
        ("list", "must be a file of lstm_gpu"),
        ("version", "format version 2"),
        ("kind", "must be a `lstm_gpu check` file, got `lstm_gpu align`"),
        ("folder", "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(tmp_path, how, message):
    path = tmp_path / "shard.json"
    write_json(path, "check", {"x": 0.1, "y": "text"})
    damaged(path, how)
    with pytest.raises(InputError, match=message) as refusal:
        read_json(path, "check")
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_single_flipped_bit_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "shard.json"
    content = {"x": 0.1, "counts": [1, 2, 3], "name": "a"}
    write_json(path, "check", content)
    raw = path.read_bytes()
    refused = 0
    for position in range(len(raw)):
        for bit in range(8):
            path.write_bytes(
                raw[:position] + bytes([raw[position] ^ (1 << bit)]) + raw[position + 1 :]
            )
            try:
                assert read_json(path, "check") == content, (position, bit)
            except InputError:
                refused += 1
    assert refused > 7 * len(raw)  # the rest are spaces that became other spaces


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def interrupted():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("obstacle", ["file in the way", "folder of that name", "no such device"])
def test_an_unwritable_place_is_one_line(tmp_path, obstacle):
    if obstacle == "file in the way":
        write_text(tmp_path / "results", "")
        path = tmp_path / "results" / "a.json"
    elif obstacle == "folder of that name":
        path = tmp_path / "a.json"
        path.mkdir()
    else:
        path = Path("/proc/lstm_gpu/a.json")
    with pytest.raises(InputError, match="cannot be written") as refusal:
        write_json(path, "check", {})
    assert f"`{path}`" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    full = Path("/dev/full")
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: _write_to(full, content))
    with pytest.raises(InputError, match="No space left"):
        write_bytes(tmp_path / "a", b"0")
    assert list(tmp_path.iterdir()) == []


def _write_to(path: Path, content: bytes) -> None:
    with path.open("wb", buffering=0) as device:
        device.write(content)


def test_an_error_about_another_file_is_not_blamed_on_this_one(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "other").read_text()


def test_a_killed_writer_leaves_no_file_of_that_name(tmp_path):
    program = (
        "import os, signal; from lstm_gpu.files import atomic_path\n"
        f"with atomic_path({str(tmp_path / 'a.json')!r}) as t:\n"
        "    t.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.json").exists()
    assert list(tmp_path.glob("*.json")) == []


def test_write_bytes_replaces(tmp_path):
    write_bytes(tmp_path / "a" / "b", b"1")
    write_bytes(tmp_path / "a" / "b", b"2")
    assert (tmp_path / "a" / "b").read_bytes() == b"2"


def test_messages_are_one_line_whatever_they_quote():
    assert str(InputError("a\n  b\tc")) == "a b c"


def test_a_link_stays_and_its_file_changes(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_what_is_no_regular_file_is_left_alone(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, ""):
        with pytest.raises(InputError, match="regular file"):
            write_text(path, "text")
    assert pipe.is_fifo()
