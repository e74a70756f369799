"""A Slurm cluster of one node on this machine, from Debian's packages, for the length of a block.

Everything is in one temporary folder and on free ports of the loopback; no systemd, no cgroups, no
accounting. `python tests/cluster/cluster.py COMMAND ...` runs a command beside such a cluster.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
TEMPLATE = Path(__file__).with_name("slurm.conf")
PATIENCE = 60.0
"""Seconds for the node to be idle, and for processes to end: a broken cluster never hangs."""


def unavailable() -> str:
    """Why there can be no cluster here; installs what is missing where that is possible."""
    if os.geteuid() != 0:
        return "a cluster needs root"
    if not all(map(shutil.which, PROGRAMS)) and shutil.which("apt-get"):
        for command in ("update", "install --yes --no-install-recommends slurm-wlm munge"):
            subprocess.run(
                ["apt-get", *command.split()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=False,
                timeout=300,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    return f"{', '.join(missing)} missing, and apt-get did not install them" if missing else ""


class Cluster:
    """The running daemons, and the environment in which Slurm's commands find them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().partition(".")[0]
        self.daemons: dict[str, subprocess.Popen] = {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if "SLURM" not in name},
            "SLURM_CONF": f"{folder}/slurm.conf",
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
        }

    def start(self) -> None:
        with socket.socket() as first, socket.socket() as second:
            for free in (first, second):
                free.bind(("127.0.0.1", 0))
            ports = {"controller": first.getsockname()[1], "node": second.getsockname()[1]}
        text = TEMPLATE.read_text().format(folder=self.folder, host=self.host, **ports)
        (self.folder / "slurm.conf").write_text(text)
        devices = [f"Name=gpu File={path}\n" for path in ("/dev/null", "/dev/zero")]
        (self.folder / "gres.conf").write_text("".join(devices))
        # The plugin calls `srun` inside a job without SLURM_CONF, so a script says it again.
        (self.folder / "bin").mkdir()
        real, srun = shutil.which("srun"), self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
        srun.chmod(0o755)
        (self.folder / "munge.key").touch(mode=0o600)
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        files = [f"--{kind}-file={self.folder}/munge.{kind}" for kind in ("key", "pid", "seed")]
        files += [f"--log-file={self.folder}/munge.log", f"--socket={self.folder}/munge.socket"]
        self._run("munged", "--foreground", "--force", *files)
        self._run("slurmctld", "-D")
        self.start_node()

    def start_node(self) -> None:
        """Start the node's daemon and wait until it answers and is idle."""
        self._run("slurmd", "-D", LSTM_GPU_NODE="1")
        until = time.monotonic() + PATIENCE
        while self.says("sinfo --noheader --format=%T") != "idle":
            dead = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if dead or time.monotonic() > until:
                reason = f"{dead[0]} has ended" if dead else f"no idle node in {PATIENCE:.0f} s"
                raise RuntimeError(f"the cluster did not come up: {reason}\n{self.logs()}")
            time.sleep(0.2)

    def _run(self, program: str, *options: str, **variables: str) -> None:
        with (self.folder / f"{program}.log").open("ab") as log:
            self.daemons[program] = subprocess.Popen(
                [program, *options],
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def says(self, command: str) -> str:
        """What one of Slurm's commands prints; nothing where it fails."""
        done = subprocess.run(
            command.split(), env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else ""

    def kill_node(self) -> None:
        """End, as a power cut does, the node's daemon and every process of the jobs on it."""
        until = time.monotonic() + PATIENCE
        while victims := self._of_the_node():
            if time.monotonic() > until:
                raise RuntimeError(f"processes {victims} cannot be killed\n{self.logs()}")
            for victim in victims:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            time.sleep(0.05)
        if daemon := self.daemons.pop("slurmd", None):
            daemon.wait(PATIENCE)

    def _of_the_node(self) -> list[int]:
        """Its daemon, that one's guardians of job steps, and the jobs: by their environment."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (process / "environ").read_bytes()
                mine = str(self.folder).encode() in environment
                if mine and (b"LSTM_GPU_NODE=" in environment or b"\0SLURM_JOB_ID=" in environment):
                    found.append(int(process.name))
        return found

    def logs(self, lines: int = 15) -> str:
        """The last lines of each daemon's log."""
        ends = {path.name: path.read_text(errors="replace").splitlines()[-lines:]
                for path in sorted(self.folder.glob("*.log"))}  # fmt: skip
        return "\n".join("\n".join([f"== {name}", *end]) for name, end in ends.items())

    def stop(self) -> None:
        self.kill_node()
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster with an idle node, which is gone after the block, with all that ran on it."""
    with tempfile.TemporaryDirectory(prefix="lstm_gpu-slurm-") as folder:
        made = Cluster(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


if __name__ == "__main__":
    if why := unavailable():
        sys.exit(f"error: {why}")
    with cluster() as running:
        ended = subprocess.run(sys.argv[1:], env=running.environment, check=False)
    sys.exit(ended.returncode)
