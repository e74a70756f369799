"""What a run was made with: enough to make it again and to see that it is the same run."""

import importlib.metadata
import platform
import tomllib
from pathlib import Path
from typing import Any

from lstm_gpu import backend, files
from lstm_gpu.report.shards import Evidence

PACKAGES = ("numpy", "scipy", "pandas", "snakemake", "matplotlib", "python-flint")


def content(evidence: Evidence) -> dict[str, Any]:
    """The manifest: versions, devices, seed, digests. No path, date or timing is in it."""
    return {
        "versions": versions(),
        "devices": [
            {"backend": name, "device": device or "unnamed"} for name, device in evidence.devices
        ],
        "backend_asked_for": evidence.config["backend"],
        "seeds": [evidence.config["seed"]],
        "configuration": dict(evidence.config),
        "configuration_digest": files.digest(dict(evidence.config)),
        "weights_digests": {case.name: evidence.digests[case] for case in evidence.cases},
        "shards": dict(sorted(evidence.counts.items())),
    }


def versions() -> dict[str, str]:
    """Version of every package that a number or a picture depends on."""
    found = {"python": platform.python_version(), "lstm_gpu": own_version()}
    for name in PACKAGES:
        found[name] = _installed(name) or "not installed"
    cupy, _ = backend.cupy_or_reason()
    if cupy is not None:
        found["cupy"] = cupy.__version__
    return found


def own_version() -> str:
    """The version in the checkout's pyproject.toml, else that of the installed package."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return _installed("lstm_gpu") or "unknown"


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
