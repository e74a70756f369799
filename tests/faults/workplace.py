"""A folder in which the workflow runs on a tiny experiment, as a user starts it."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

LONG = os.environ.get("FAULTS") == "long"
ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("config.yaml")
UNCOUNTED = {"logs", "benchmarks", "jobs"}  # times, and what only the workflow looks at


class Workplace:
    """The folder, and what may be done in it; `until` a rule, or `full` with figures and page."""

    def __init__(
        self, folder: Path, config: Path = CONFIG, full: bool = False, until: str = "aggregate"
    ) -> None:
        self.folder, self.config, self.full, self.until = folder, config, full, until
        self.results = folder / "results"
        self.log = folder / "said"

    @property
    def command(self) -> list[str]:
        """What the user types; two jobs at a time, whatever the machine has."""
        until = [] if self.full else ["--until", self.until]
        return [
            *(sys.executable, "-m", "snakemake", "--directory", str(self.folder)),
            *("--configfile", str(self.config), "--cores", "2", *until),
        ]

    def start(self, *before: str, log: Path | None = None, **variables: str) -> subprocess.Popen:
        """Start the workflow in a process group of its own; its words go to a file."""
        self.folder.mkdir(exist_ok=True)
        with (log or self.log).open("wb") as words:
            return subprocess.Popen(
                [*before, *self.command],
                cwd=ROOT,
                env={**os.environ, **variables},
                stdout=words,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *before: str, **variables: str) -> tuple[int, str]:
        """Run the workflow to its end: exit code and words."""
        code = self.start(*before, **variables).wait(timeout=300)
        return code, self.said()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def copy(self, folder: Path) -> "Workplace":
        """The same in another folder, times of files included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workplace(folder, self.config, self.full, self.until)

    def digests(self, full: bool | None = None) -> dict[str, str]:
        """What a run is for: every table, shard, counterexample, and if `full` picture and page."""
        drawn = set() if self.full and full is not False else {"figures", "report.html"}
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.rglob("*"))
            if path.is_file()
            and path.relative_to(self.results).parts[0] not in UNCOUNTED | drawn
            and path.name != ".snakemake_timestamp"
        }


def end(process: subprocess.Popen) -> None:
    """Kill a workflow and all its jobs, as a power cut does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def jobs(process: subprocess.Popen) -> list[int]:
    """The jobs that are running now: the interpreters that a workflow has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (entry / "cmdline").read_bytes().split(b"\0")
            group = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[2])
            script = len(words) > 1 and b"/.snakemake/scripts/" in words[1]
            if group == process.pid and script and b"python" in words[0]:
                found.append(int(entry.name))
    return found


def wait_for_jobs(process: subprocess.Popen) -> list[int]:
    """The jobs that are running, as soon as there are any; none when the workflow has ended."""
    while process.poll() is None:
        if found := jobs(process):
            return found
        time.sleep(0.02)
    return []
