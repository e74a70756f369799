"""Progress: a bar on a terminal, few lines in a log; failures with their reason."""

import io
import logging
from enum import Enum, StrEnum

import pytest

from lstm_gpu import progress
from lstm_gpu.progress import Progress, WorkflowProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_the_last_line_and_one_now_and_then(monkeypatch):
    now = iter(range(0, 1000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    log = io.StringIO()
    show = Progress("check", stream=log)
    for done in range(1, 61):
        show(done, 60)
    lines = log.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("check: 20 of 60 sets, ")
    assert lines[-1].startswith("check: 60 of 60 sets, ")


def test_a_terminal_gets_a_bar():
    terminal = Terminal()
    show = Progress("check", stream=terminal)
    show(5, 10)
    show(10, 10)
    show.close()
    assert "check" in terminal.getvalue()
    assert "10/10" in terminal.getvalue()


class Event(StrEnum):
    progress = "progress"
    job_error = "job_error"
    job_finished = "job_finished"
    error = "error"


class Quiet(Enum):
    RULES = 0
    HOST = 3


@pytest.fixture
def terminal_and_bar():
    """A logger like Snakemake's: one handler on the terminal, and the project's own."""
    terminal, bar = io.StringIO(), io.StringIO()
    logger = logging.Logger("workflow")
    logger.addHandler(logging.StreamHandler(terminal))
    return logger, terminal, bar


def test_the_workflow_is_one_line_and_its_routine_is_silent(terminal_and_bar):
    logger, terminal, bar = terminal_and_bar
    WorkflowProgress(bar).attach(logger, {Quiet.RULES})
    logger.info("Select jobs to execute...")
    logger.info("Finished jobid: 1", extra={"event": Event.job_finished})
    logger.info(None, extra={"event": Event.progress, "done": 2, "total": 2})
    logger.info("Building DAG of jobs...")
    assert terminal.getvalue() == "Building DAG of jobs...\n"
    assert bar.getvalue().startswith("workflow: 2 of 2 jobs")


def test_a_failed_job_is_one_line_with_the_last_line_of_its_log(terminal_and_bar, tmp_path):
    logger, terminal, bar = terminal_and_bar
    log = tmp_path / "a.log"
    log.write_text("first\nerror: `x` must be y, got z.\n\n")
    WorkflowProgress(bar).attach(logger, {Quiet.RULES})
    logger.error("RuleException:\nCalledProcessError in file", extra={"event": Event.error})
    logger.error("failed", extra={"event": Event.job_error, "rule_name": "check", "log": [log]})
    logger.error("WorkflowError: other", extra={"event": Event.error})
    assert bar.getvalue() == f"check failed: error: `x` must be y, got z. (log: {log})\n"
    assert "CalledProcessError" not in terminal.getvalue()
    assert "WorkflowError: other" in terminal.getvalue()


@pytest.mark.parametrize(
    "status", ["died with <Signals.SIGKILL: 9>.", "returned non-zero exit status 137."]
)
def test_a_killed_job_is_said_to_be_killed_and_what_it_needed(terminal_and_bar, tmp_path, status):
    logger, _, bar = terminal_and_bar
    log = tmp_path / "a.log"
    log.write_text("needs up to 267 MiB of memory\ncheck: 2 of 6 sets, 3 s\n")
    WorkflowProgress(bar).attach(logger, {Quiet.RULES})
    logger.error(f"CalledProcessError\nCommand 'x' {status}", extra={"event": Event.error})
    for _ in range(2):  # the second one failed for another reason
        extra = {"event": Event.job_error, "rule_name": "check", "log": [log]}
        logger.error("failed", extra=extra)
    first, second = bar.getvalue().splitlines()
    assert first.startswith("check failed: killed (kill -9), by hand or by the system")
    assert "needs up to 267 MiB of memory" in first
    assert second == f"check failed: check: 2 of 6 sets, 3 s (log: {log})"


@pytest.mark.parametrize("reason", ["[Errno 28] No space left on device", "[Errno 30] Read-only"])
def test_what_snakemake_cannot_write_is_one_line_and_no_traceback(terminal_and_bar, reason):
    logger, terminal, bar = terminal_and_bar
    WorkflowProgress(bar).attach(logger, {Quiet.RULES})
    for _ in range(2):
        text = f"Traceback (most recent call last):\n  File\n\nOSError: {reason}: 'a.log'"
        logger.error(text, extra={"event": Event.error})
    assert bar.getvalue().count("\n") == 1
    assert bar.getvalue().startswith(f"error: {reason}: 'a.log'. Free space")
    assert terminal.getvalue() == ""


def test_a_library_that_ran_out_of_memory_is_said_with_what_the_job_needed(
    terminal_and_bar, tmp_path
):
    logger, _, bar = terminal_and_bar
    log = tmp_path / "a.log"
    log.write_text("needs up to 267 MiB of memory\nOpenBLAS error: Memory allocation failed\n")
    WorkflowProgress(bar).attach(logger, {Quiet.RULES})
    logger.error("failed", extra={"event": Event.job_error, "rule_name": "check", "log": [log]})
    assert "OpenBLAS error: Memory allocation failed (needs up to 267 MiB" in bar.getvalue()


def test_a_failed_job_without_a_log(terminal_and_bar, tmp_path):
    logger, _, bar = terminal_and_bar
    WorkflowProgress(bar).attach(logger, {Quiet.RULES})
    logger.error("failed", extra={"event": Event.job_error, "rule_name": "page", "log": []})
    assert bar.getvalue() == "page failed\n"


@pytest.mark.parametrize("quiet", [{Quiet.HOST}, set(), None], ids=["host", "none", "no option"])
def test_snakemake_s_own_lines_come_back_on_demand(terminal_and_bar, quiet):
    logger, terminal, bar = terminal_and_bar
    WorkflowProgress(bar).attach(logger, quiet)
    logger.info(None, extra={"event": Event.progress, "done": 2, "total": 2})
    logger.info("Select jobs to execute...")
    assert "Select jobs" in terminal.getvalue()
    assert bar.getvalue() == ""
