"""What the commands print, and that no output changes what they end with."""

import builtins
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lstm_gpu import __main__, cli, output
from lstm_gpu.files import write_json
from lstm_gpu.formulas import surroundings
from lstm_gpu.weights import Case

FILE = """
from lstm_gpu import claim

@claim("forget_gate_jacobian")
def mine(step):
    return step.f[:, :, None] * step.U.f
"""
SMALL = ["--hidden-size", "2", "--weight-sets", "1", "--distribution", "sparse"]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(FILE)
    return tmp_path


def shell(line, **settings):
    """Run a line of bash, in which `$LSTM` is the command."""
    command = f"{shlex.quote(sys.executable)} -m lstm_gpu"
    settings = {**os.environ, "PYTHONPATH": str(Path(output.__file__).parents[1]), **settings}
    return subprocess.run(
        ["bash", "-c", line.replace("$LSTM", command)],
        capture_output=True, env=settings, check=False,
    )  # fmt: skip


CHECK = shlex.join(["check", "bad.py", *SMALL])
REPLAY = "replay counterexamples/forget_gate_jacobian__bad.mine.json --formula bad.py"


def test_a_reader_that_goes_early_does_not_change_the_verdict(here):
    for command in (CHECK, REPLAY):
        done = shell(f"$LSTM {command} | true; exit ${{PIPESTATUS[0]}}")
        assert done.returncode == cli.REFUTED
        assert done.stderr == b""


def test_a_scan_without_a_reader_ends_and_is_supported_only_if_it_is_through(monkeypatch, capsys):
    case = Case(2, 2, "float64", "pytorch_uniform", "generic")
    cells = ("2", "numpy", "1", "supported", "0.1", "1e-9", "0.0")
    monkeypatch.setattr("lstm_gpu.scanning.Scan.cases", [case, case])
    monkeypatch.setattr(cli, "say", lambda text: False)
    for verdicts, code in (
        (["supported"] * 2, cli.UNREAD), (["refuted"] * 2, cli.REFUTED),
        (["supported"], cli.UNREAD),
    ):  # fmt: skip
        ended = []

        def run(plan, verdicts=verdicts, ended=ended):
            for verdict in verdicts:
                ended.append(verdict)
                yield verdict, cells

        monkeypatch.setattr("lstm_gpu.scanning.Scan.run", run)
        assert cli.main(["scan", "--hidden-size", "2"]) == code
        assert len(ended) == 1
    monkeypatch.setattr("lstm_gpu.scanning.Scan.cases", [case])
    assert cli.main(["scan", "--hidden-size", "2"]) == cli.SUPPORTED


def test_a_scan_whose_progress_nobody_reads_has_no_verdict(monkeypatch, capsys):
    def run(plan):
        raise BrokenPipeError

    monkeypatch.setattr("lstm_gpu.scanning.Scan.run", run)
    assert cli.main(["scan", "--hidden-size", "2"]) == cli.UNREAD


@pytest.mark.parametrize(
    ("to", "says"),
    [
        (">/dev/full", "standard output cannot be written: No space left on device. "),
        (">&-", "standard output is closed, so nothing can be printed. "),
    ],
)
def test_an_output_that_takes_nothing_is_one_line(here, to, says):
    for command in (CHECK, "verdicts none", "validate bad.py"):
        done = shell(f"$LSTM {command} {to}")
        assert done.returncode == cli.WRONG_INPUT
        assert done.stderr.count(b"\n") == 1
    done = shell(f"$LSTM {CHECK} {to}")
    assert done.stderr.decode().startswith(f"lstm_gpu: {says}")


def test_a_closed_output_is_seen_before_another_file_takes_its_place(here):
    (here / "bad.py").write_text(FILE + "\nkept = open('log.txt', 'w')\n")
    assert shell(f"$LSTM {CHECK} >&-").returncode == cli.WRONG_INPUT
    assert not (here / "log.txt").exists()


def test_an_error_that_cannot_be_printed_changes_no_code(here):
    for to in ("2>/dev/full", "2>&-"):
        assert shell(f"$LSTM check none.py {to}").returncode == cli.WRONG_INPUT
        assert shell(f"$LSTM {CHECK} {to}").returncode == cli.REFUTED


# What a formula file may do to the descriptors, and to the streams in their places.
MOVES = {
    "to nowhere": "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)",
    "to a file": "os.dup2(os.open('log.txt', os.O_WRONLY | os.O_CREAT), 1)",
    "closed": "os.closerange(1, 3)",
    "closed, and a file in its place": "os.closerange(1, 2); kept = open('log.txt', 'w')",
    "all others closed, and files in their places": (
        "os.closerange(3, 99); kept = [open('log.txt', 'a') for _ in range(9)]"
    ),
    "no write": "sys.stdout.write = lambda *_: 0",
    "no flush": "sys.stdout.write = sys.stdout.flush = lambda *_: 1 / 0",
}


@pytest.mark.parametrize("when", ["loaded", "called"])
@pytest.mark.parametrize("move", MOVES)
def test_wherever_a_formula_file_leads_the_output_ours_goes_on(here, move, when):
    wanted = shell(f"$LSTM {CHECK}").stdout
    replayed = shell(f"$LSTM {REPLAY}").stdout.splitlines()[-1]
    line = "import os, sys; " + MOVES[move]
    text = FILE + line if when == "loaded" else FILE.replace("return", line + "\n    return")
    (here / "bad.py").write_text(text)
    for command in (CHECK, REPLAY):
        done = shell(f"$LSTM {command}")
        assert (done.returncode, done.stderr) == (cli.REFUTED, b"")
        assert done.stdout == wanted if command == CHECK else done.stdout.endswith(replayed + b"\n")
        assert not (here / "log.txt").exists() or (here / "log.txt").read_bytes() == b""


def test_where_every_way_is_closed_it_is_one_line(here):
    (here / "bad.py").write_text(FILE + "\nimport os\nos.close(1); os.closerange(3, 99)\n")
    done = shell(f"$LSTM {CHECK}")
    assert (done.returncode, done.stdout) == (cli.WRONG_INPUT, b"")
    assert done.stderr.startswith(b"lstm_gpu: standard output cannot be written: Bad file descr")
    assert done.stderr.count(b"\n") == 1
    (here / "bad.py").write_text(FILE + "\nimport os\nos.closerange(0, 99)\n")
    done = shell(f"$LSTM {CHECK}")
    assert (done.returncode, done.stdout, done.stderr) == (cli.WRONG_INPUT, b"", b"")


def test_what_a_formula_prints_stays_before_the_verdict(here):
    wanted = shell(f"$LSTM {CHECK}").stdout
    (here / "bad.py").write_text(FILE + "\nprint('first')\n")
    stdout = shell(f"$LSTM {CHECK}").stdout
    assert set(stdout.removesuffix(wanted).splitlines()) == {b"first"}


@pytest.mark.parametrize(
    "line",
    [
        "import atexit, os; atexit.register(os._exit, 0)",
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
        "import sys; sys.exit = len",
    ],
)
def test_nothing_that_a_formula_file_leaves_behind_changes_the_end(here, line):
    (here / "bad.py").write_text(FILE + line + "\nkept = open('log.txt', 'w'); kept.write('all')")
    for command in (CHECK, f"{REPLAY}", f"{REPLAY.replace('replay', 'shrink')}"):
        done = shell(f"timeout 30 $LSTM {command}")
        assert (done.returncode, done.stderr) == (cli.REFUTED, b"")
        assert (here / "log.txt").read_text() == "all"


def test_a_command_that_has_run_no_formula_ends_as_python_does(monkeypatch):
    ended = []
    monkeypatch.setattr(__main__, "main", lambda: cli.INCONCLUSIVE)
    monkeypatch.setattr(output, "end", ended.append)
    for entered, codes in ((False, []), (True, [cli.INCONCLUSIVE])):
        monkeypatch.setattr(surroundings, "entered", entered)
        assert __main__.run() == cli.INCONCLUSIVE
        assert ended == codes


# What a formula file may do to the streams and the process that it runs in; `S` takes nothing.
STREAM = "import builtins, inspect, io, os, signal, sys, numpy\nclass S:\n    encoding = 'none'\n"
CHANGES = {
    "an output that is no stream": "sys.stdout = object()",
    "an output of no encoding": "sys.stdout = S()",
    "an output of its own": "sys.stdout = io.StringIO()",
    "no output": "sys.stdout = None",
    "no attribute": "vars(sys).pop('stdout', None)",
    "another print": "builtins.print = lambda *a, **k: None",
    "no open": "builtins.open = builtins.max = None",
    "no type": "del builtins.type, builtins.len",
    "files that nobody may read": "os.umask(0o777)",
    "errors that are no stream": "sys.stderr = object()",
    "another folder": "os.chdir('/')",
    "another exit": "sys.exit = len",
    "floating-point errors": "numpy.seterr(all='raise')",
    "no interrupts": "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "no depth": "sys.setrecursionlimit(len(inspect.stack(0)) + 40)",
}
BUILTINS = ("print", "open", "max", "type", "len")


def umask():
    found = os.umask(0o022)
    os.umask(found)
    return found


def builtin():
    return [getattr(builtins, name, None) for name in BUILTINS]


STATE = (
    lambda: sys.stdout, lambda: sys.stderr, Path.cwd, np.geterr, sys.getrecursionlimit, umask,
    builtin,
)  # fmt: skip


@pytest.mark.parametrize("when", ["loaded", "called"])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_formula_file_does_to_its_process_the_verdict_stays(
    here, capsys, monkeypatch, change, when
):
    for name in BUILTINS:
        monkeypatch.setattr(builtins, name, getattr(builtins, name))
    monkeypatch.setattr(sys, "exit", sys.exit)
    small, replayed = shlex.split(CHECK), shlex.split(REPLAY)
    assert cli.main(small) == cli.main(replayed) == cli.REFUTED
    wanted, before = capsys.readouterr(), [state() for state in STATE]
    interrupt = signal.getsignal(signal.SIGINT)
    line = CHANGES[change]
    text = FILE + line if when == "loaded" else FILE.replace("return", line + "\n    return")
    (here / "bad.py").write_text(STREAM + text)
    assert cli.main(small) == cli.main(replayed) == cli.REFUTED
    assert capsys.readouterr() == wanted
    assert [state() for state in STATE] == before
    assert signal.getsignal(signal.SIGINT) is interrupt


def test_an_output_that_can_write_and_no_more_is_enough(here, monkeypatch):
    class Lines(list):
        write, flush = list.append, list.copy

    lines = Lines()
    monkeypatch.setattr(sys, "stdout", lines)
    assert cli.main(shlex.split(CHECK)) == cli.REFUTED
    assert "refuted" in "".join(lines)


def test_the_exit_code_is_the_verdict_s_whatever_a_formula_file_leaves_in_the_streams_places(here):
    for line, to in (
        ("sys.stdout = sys.stderr = object()", ""),  # nothing that Python can flush as it ends
        ("kept = sys.stdout.detach(), sys.stderr.detach()", ""),
        ("signal.signal(signal.SIGPIPE, signal.SIG_DFL)", "| true"),
    ):
        (here / "bad.py").write_text(STREAM + FILE + line)
        done = shell(f"$LSTM {CHECK} {to}; exit ${{PIPESTATUS[0]}}")
        assert (done.returncode, done.stderr) == (cli.REFUTED, b""), line
        assert to or b"refuted" in done.stdout
    (here / "bad.py").write_text(STREAM + "sys.stderr.close()\n1 / 0")
    done = shell(f"$LSTM {CHECK}")
    assert (done.returncode, done.stdout) == (cli.WRONG_INPUT, b"")
    assert b"ZeroDivisionError" in done.stderr
    assert shell("$LSTM check none.py 2>&-").stdout == b""  # no errors among the results


def test_what_the_output_cannot_show_is_written_out(here):
    (here / "ünï.py").write_text(FILE)
    done = shell(f"$LSTM {CHECK.replace('bad', 'ünï')}", **ASCII)
    assert done.returncode == cli.REFUTED, done.stderr
    assert b"mine     forget_gate_jacobian  refuted" in done.stdout
    done = shell(f"$LSTM {CHECK.replace('bad', 'ünï')}", PYTHONIOENCODING="ascii")
    assert done.returncode == cli.REFUTED, done.stderr
    assert rb"--formula '\xfcn\xef.py'" in done.stdout
    example = {
        "claim": "forget_gate_jacobian", "reading": "column_scaling", "mutant": "",
        "reference": "complex_step", "entry": [0, 1], "seed": 1, "index": 0,
        "case": Case(2, 3, "float64", "pytorch_uniform", "generic").as_dict(),
    }  # fmt: skip
    write_json(here / "of_the_document.json", "counterexample", example)
    done = shell("$LSTM replay of_the_document.json", **ASCII)
    assert done.returncode == cli.REFUTED, done.stderr
    assert done.stdout.startswith(rb"D6 forget_gate_jacobian / column_scaling: \u2202f_t/")


NAMES = [
    "my formula.py", "it's bad.py", "50%.py", "back\\slash.py", "new\nline.py", "-dash.py",
    "ünï.py", "non\udcffutf.py",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_replay_that_is_printed_can_be_pasted_whatever_the_name(here, name):
    (here / "bad.py").rename(name)
    done = shell(shlex.join(["$LSTM", "check", f"./{name}", *SMALL]).replace("'$LSTM'", "$LSTM"))
    assert done.returncode == cli.REFUTED, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if b" replay: " in line]
    command = line.partition(b": lstm-gpu ")[2]
    done = shell(f"$LSTM {os.fsdecode(command)}")
    assert done.returncode == cli.REFUTED, done.stderr
    assert b"the recorded values were met bit for bit" in done.stdout


def test_no_path_is_taken_for_an_option():
    assert output.argument(Path("-a.py")) == "./-a.py"
    assert output.argument(Path("a/-b.py")) == "a/-b.py"
    assert output.argument(Path("/-b.py")) == "/-b.py"
