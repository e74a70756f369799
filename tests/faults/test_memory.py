"""A job that may not have the memory that it needs."""

import re

import pytest
from conftest import LONG

pytestmark = pytest.mark.slow

# Python runs a file of this name when it starts; the environment is the only way into a job.
LIMITER = """
import os, resource, sys
if any("/.snakemake/scripts/" in word and ".check." in word for word in sys.orig_argv):
    resource.setrlimit(resource.RLIMIT_AS, (int(os.environ["FAULT_BYTES"]),) * 2)
"""


@pytest.mark.parametrize("megabytes", [60, 120, 200] if LONG else [160])
def test_a_job_without_memory_says_how_much_it_needs(megabytes, place, settle, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(LIMITER)
    config = tmp_path / "config.yaml"
    config.write_text(place.config.read_text().replace("hidden_size: [3]", "hidden_size: [400]"))
    small, place.config = place.config, config
    limits = {"PYTHONPATH": str(tmp_path), "FAULT_BYTES": str(megabytes << 20)}
    code, said = place.run(**limits)
    assert code == 1, said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("check failed: ")]
    assert len(lines) == 1, said
    assert re.search(r"error: memory: .* This job needs up to \d+ MiB", lines[0]), said
    place.config = small  # enough for it: the small case, whose run is the undisturbed one
    settle(place, "out of memory", refused=1)
