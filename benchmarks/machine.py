"""What the measurements ran on; never where: no host name, no path."""

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np


def processor() -> str:
    """The processor's model, as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _caches() -> dict[str, str]:
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    return {
        f"L{(index / 'level').read_text().strip()} "
        f"{(index / 'type').read_text().strip().lower()}": (index / "size").read_text().strip()
        for index in sorted(folder.glob("index*"))
        if (index / "size").exists()
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe() -> dict[str, Any]:
    """Processor, cores, caches and versions."""
    configuration = np.show_config(mode="dicts")
    blas = configuration.get("Build Dependencies", {}).get("blas", {})
    return {
        "processor": processor(),
        "cores": cores(),
        "caches": _caches(),
        "instructions": configuration.get("SIMD Extensions", {}).get("found", []),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', '')} {blas.get('version', '')}".strip(),
        "torch": _version("torch"),
        "jax": _version("jax"),
    }


def name() -> str:
    """A file name for this machine: its processor and cores."""
    words = re.sub(r"\((r|tm|c)\)", " ", f"{processor()} {cores()} cores".lower())
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
