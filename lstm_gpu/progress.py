"""How far a long job is: a bar on a terminal, a plain line now and then in a log file."""

import logging
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

__all__ = ["Progress", "WorkflowProgress"]

LINE_EVERY = 20.0
"""Seconds between two lines of a log; the last line always comes."""


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
            case "job_error":
                self.progress.write(_failure(record))


def _event(record: logging.LogRecord) -> str:
    return str(getattr(record, "event", None) or "")


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line is neither routine nor said better by `WorkflowProgress`."""
    text = record.getMessage()
    if _event(record) == "error":
        return "CalledProcessError" not in text  # a script's exit status; its log has the reason
    routine = _event(record) in {"progress", "job_started", "job_finished"}
    return not routine and text != "Select jobs to execute..."


def _failure(record: logging.LogRecord) -> str:
    name = getattr(record, "rule_name", None) or "job"
    logs = [Path(str(log).split(" (", 1)[0]) for log in getattr(record, "log", None) or []]
    for log in logs:
        if log.is_file():
            with log.open(encoding="utf-8", errors="replace") as lines:
                last = deque((line.strip() for line in lines if line.strip()), maxlen=1)
            if last:
                return f"{name} failed: {last[0]} (log: {log})"
    return f"{name} failed" + (f" (log: {logs[0]})" if logs else "")
