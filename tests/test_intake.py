"""Whatever stands under a name, reading it ends at once and in one line."""

import os
from pathlib import Path

import pytest

from lstm_gpu import cli, configuration, exhaustive, files, recorded
from lstm_gpu.errors import InputError, printable
from lstm_gpu.intake import child, contents, head
from lstm_gpu.report import columns, shards
from lstm_gpu.weights import trained

READERS = {
    "contents": lambda path: contents(path, 1000),
    "head": lambda path: head(path, 10),
    "json": lambda path: files.read_json(path, "check"),
    "configuration": configuration.load,
    "kind of a shard": shards.kind_of,
    "counterexample": recorded.read,
    "table": lambda path: columns.table(path, "verdicts.csv"),
    "accuracy": lambda path: exhaustive.accuracy_from([path], "float32"),
    "weights": trained.load,
}


def strange(folder, what):
    """A name under which no regular file is to be found."""
    path = folder / "strange"
    match what:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link to itself":
            path.symlink_to(path)
        case "link to nothing":
            path.symlink_to(folder / "nothing")
        case "device":
            return Path("/dev/zero")
        case "NUL":
            return Path("a\0b")
        case "surrogate":
            return Path("a\ud800b")
        case "long":
            return Path("a" * 5000)
    return path


@pytest.mark.parametrize(
    "what",
    ["pipe", "folder", "link to itself", "link to nothing", "device", "NUL", "surrogate", "long"],
)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_one_line_for_every_reader(tmp_path, reader, what):
    with pytest.raises(InputError) as refusal:
        READERS[reader](strange(tmp_path, what))
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"head", "kind of a shard"}))
def test_a_file_without_end_is_refused_before_it_is_read(tmp_path, reader):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**40)  # a hole: nothing is stored
    with pytest.raises(InputError, match="must have at most"):
        READERS[reader](path)


def test_a_file_that_grows_while_it_is_read_is_refused():
    with pytest.raises(InputError, match="must have at most 5 bytes, got 6"):
        contents("/proc/self/status", 5)  # its size is given as 0


def test_a_file_of_just_the_limit_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert contents(tmp_path / "a", 5) == b"12345"
    assert head(tmp_path / "a", 2) == b"12"
    with pytest.raises(InputError, match="at most 4 bytes, got 5"):
        contents(tmp_path / "a", 4)


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/b", "a\\b", ".a", "", "a\0", "a\n", "\u202ea", "\ud800", "ä" * 128]
)
def test_a_name_made_from_data_stays_in_its_folder(tmp_path, name):
    with pytest.raises(InputError, match="plain file name") as refusal:
        child(tmp_path, name)
    assert str(refusal.value).isprintable()


def test_a_plain_name_is_taken_and_a_link_is_not(tmp_path):
    assert child(tmp_path, "a (1).b-c.json") == tmp_path / "a (1).b-c.json"
    (tmp_path / "link.json").symlink_to("/dev/null")
    with pytest.raises(InputError, match="must not be a link"):
        child(tmp_path, "link.json")


def test_messages_and_tables_do_not_steer_the_terminal():
    wild = "a\x1b[2J\x07\x9b1m\u202eb\ud800\u200b\x7f"
    assert printable(wild) == r"a\x1b[2J\x07\x9b1m\u202eb\ud800\u200b\x7f"
    assert printable("∂h_t × σ′ ∘") == "∂h_t × σ′ ∘"
    assert str(InputError(wild)).isprintable()
    assert len(str(InputError("x" * 10**6))) == 2000


def test_verdicts_prints_no_escape_sequence(tmp_path, capsys):
    (tmp_path / "verdicts.csv").write_text(
        "claim,reading,verdict,mutants\n\x1b[31mc,r\ud7ff\u202e,supported,\x9b\n", encoding="utf-8"
    )
    (tmp_path / "mutants.csv").write_text("claim,mutant,caught\n\x1b]0;c,\x07m,no\n")
    assert cli.main(["verdicts", str(tmp_path)]) == cli.SUPPORTED
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.rstrip("\n").split("\n"))
    assert r"\x1b]0;c missed: \x07m" in said


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("verdicts.csv", "claim,reading,verdict\na,b\n"),
        ("verdicts.csv", "claim,reading,verdict\na,b,supported,d\n"),
        ("verdicts.csv", "claim,reading,verdict\na,b,perhaps\n"),
        ("verdicts.csv", "claim,reading,verdict\n"),
        ("verdicts.csv", ""),
        ("mutants.csv", "claim,mutant,caught\na\n"),
        ("mutants.csv", "claim,mutant,caught\n" + "".join(f"a,{k},no\n" for k in range(10_001))),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, capsys, table, content):
    (tmp_path / "verdicts.csv").write_text("claim,reading,verdict\na,b,supported\n")
    (tmp_path / table).write_text(content)
    assert cli.main(["verdicts", str(tmp_path)]) == cli.WRONG_INPUT
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert table in captured.err
    assert captured.out == ""
