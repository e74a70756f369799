"""What a run was made with: enough to make it again and to see that it is the same run."""

import importlib.metadata
import platform
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_gpu import backend, configuration, files
from lstm_gpu.accuracy import FIELDS as ACCURACY
from lstm_gpu.errors import InputError
from lstm_gpu.fields import COUNT, TEXT, Each, check
from lstm_gpu.report.contents import SEED
from lstm_gpu.report.shards import Evidence

_VERSION = Each(TEXT, TEXT)
FIELDS = {
    "versions": _VERSION,
    "devices": [{"backend": TEXT, "device": TEXT}],
    "backend_asked_for": TEXT,
    "seeds": [SEED],
    "configuration_digest": TEXT,
    "weights_digests": Each(TEXT, TEXT),
    "accuracies": Each(TEXT, ACCURACY),
    "digests": Each(TEXT, TEXT),
    "shards": Each(TEXT, COUNT),
}
PACKAGES = ("numpy", "scipy", "pandas", "snakemake", "matplotlib", "python-flint")


def content(evidence: Evidence, digests: Mapping[str, str]) -> dict[str, Any]:
    """The manifest: versions, devices, seed, digests. No path, date or timing is in it.

    digests : of the other result files (`report.digests`)
    """
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
        "accuracies": {
            dtype: accuracy.as_dict() for dtype, accuracy in sorted(evidence.accuracies.items())
        },
        "digests": dict(digests),
        "shards": dict(sorted(evidence.counts.items())),
    }


def read(results: Path) -> dict[str, Any]:
    """The manifest of a run, checked; its configuration is one that may run.

    Raises
    ------
    InputError
        It is missing, damaged, or has something else in a field.
    """
    path = results / "manifest.json"
    content = files.read_json(path, "manifest")
    rest = {key: value for key, value in content.items() if key != "configuration"}
    check(rest, FIELDS, str(path))
    settings = content.get("configuration")
    if not isinstance(settings, dict):
        raise InputError(f"`configuration` in `{path}` must be a mapping. Run the workflow again.")
    configuration.validate(settings, str(path), formulas=False)
    return content


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
