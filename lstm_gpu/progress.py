"""How far a long job is: a bar on a terminal, a plain line now and then in a log file."""

import logging
import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

__all__ = ["NEED", "Progress", "WorkflowProgress"]

LINE_EVERY = 20.0
"""Seconds between two lines of a log; the last line always comes."""

NEED = "needs up to"
"""How the first line of a job's log begins, which says how much memory it may take."""

# A full disk, a read-only folder, a quota: Snakemake says where in its own code it met it.
_NO_PLACE = re.compile(r"\[Errno (?:28|30|122)\] [^\n]*")
_REMEDY = "Free space, correct the permissions or choose another folder, then run again."
_KILLED = re.compile(r"SIGKILL|exit status 137\b")  # of the shell around a job, or of the job


class Progress:
    """A callable (done, total) that shows the state on `stream`, which may be called often.

    Parameters
    ----------
    title
        What is being counted, in a word or two.
    unit
        One thing counted, for example "sets".
    stream
        Where to write; a terminal gets a bar, anything else gets lines.
    """

    def __init__(self, title: str, unit: str = "sets", stream: TextIO | None = None) -> None:
        self.title = title
        self.unit = unit
        self.stream = stream if stream is not None else sys.stderr
        self.began = self.shown = time.monotonic()
        self.last: tuple[int, int] | None = None
        self.bar: tqdm | None = None
        if self.stream.isatty():
            columns, rows = shutil.get_terminal_size()  # 80 x 24 where the terminal does not say
            self.bar = tqdm(
                desc=title, unit=" " + unit, file=self.stream, ncols=columns, nrows=rows
            )

    def __call__(self, done: int, total: int) -> None:
        if self.last == (done, total):
            return
        self.last = (done, total)
        if self.bar is not None:
            self.bar.total = total
            self.bar.update(done - self.bar.n)
            return
        now = time.monotonic()
        if done < total and now - self.shown < LINE_EVERY:
            return
        self.shown = now
        self.write(f"{self.title}: {done} of {total} {self.unit}, {now - self.began:.0f} s")

    def write(self, line: str) -> None:
        """One line of text, above the bar where there is one."""
        if self.bar is not None:
            self.bar.write(line, file=self.stream)
        else:
            print(line, file=self.stream, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


class WorkflowProgress(logging.Handler):
    """Snakemake's events as one bar for the whole run, and one line for each job that fails.

    With `quiet: [rules]`, as in the default profile, Snakemake still writes four lines for each of
    some hundred jobs, and hides why one failed. `attach` replaces those lines on the terminal (its
    log file keeps them all); a failed job is shown with the last line of its own log, where the
    scripts put the reason.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self.progress = Progress("workflow", "jobs", stream)
        self.told: set[str] = set()
        self.killed = False  # what the exit status said of the job that is reported next

    def attach(self, logger: logging.Logger, quiet: Iterable[Any]) -> None:
        """Take over from the handlers of `logger` when `quiet` (of Snakemake) asks for it."""
        if "RULES" not in {item.name for item in quiet or ()}:
            return
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_news)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        match _event(record):
            case "progress":
                done, total = getattr(record, "done", 0), getattr(record, "total", 0)
                self.progress(done, total)
                if done >= total:
                    self.progress.close()
            case "error":
                text = record.getMessage()
                self.killed = bool(_KILLED.search(text))
                if (found := _NO_PLACE.search(text)) and found[0] not in self.told:
                    self.told.add(found[0])
                    self.progress.write(f"error: {found[0].strip('()')}. {_REMEDY}")
            case "job_error":
                self.progress.write(_failure(record, self.killed))
                self.killed = False


def _event(record: logging.LogRecord) -> str:
    return str(getattr(record, "event", None) or "")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line is neither routine nor said better by `WorkflowProgress`."""
    text = record.getMessage()
    if _event(record) == "error":
        # A script's exit status, whose log has the reason; what Snakemake itself could not write.
        return "CalledProcessError" not in text and not _NO_PLACE.search(text)
    routine = _event(record) in {"progress", "job_started", "job_finished"}
    # Where a table was not there before, Snakemake says for each that it has no copy of it.
    missing = text.startswith("Cannot restore ") and text.endswith(": no backup found.")
    return not routine and not missing and text != "Select jobs to execute..."


def _failure(record: logging.LogRecord, killed: bool) -> str:
    """One line: the last of the job's log, or what can be said for a process that could not."""
    name = getattr(record, "rule_name", None) or "job"
    logs = [Path(str(log).split(" (", 1)[0]) for log in getattr(record, "log", None) or []]
    where = f" (log: {logs[0]})" if logs else ""
    first, last = _ends(logs[0]) if logs else ("", "")
    need = f" ({first})" if first.startswith(NEED) else ""
    if killed:
        why = f"killed (kill -9), by hand or by the system when memory ran out{need}. Run again"
        return f"{name} failed: {why}{where}"
    if "emory" in last and not last.startswith("error: "):  # a library in C that ended the process
        last += need
    return f"{name} failed" + (f": {last}" if last else "") + where


def _ends(log: Path) -> tuple[str, str]:
    """The first and the last line of a log with something on them."""
    if not log.is_file():
        return "", ""
    with log.open(encoding="utf-8", errors="replace") as lines:
        said = (line.strip() for line in lines if line.strip())
        first = next(said, "")
        return first, next(iter(deque(said, maxlen=1)), first)
