"""A job that may not have the memory that it needs."""

import re

import pytest
import yaml
from workplace import LONG, Workplace

pytestmark = pytest.mark.slow

# Python runs a file of this name when it starts; the environment is the only way into a job.
LIMITER = """
import os, resource, sys
if any("/.snakemake/scripts/" in word and ".check." in word for word in sys.orig_argv):
    resource.setrlimit(resource.RLIMIT_AS, (int(os.environ["FAULT_BYTES"]),) * 2)
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory, undisturbed) -> Workplace:
    """A case whose arrays matter beside the interpreter, checked without a limit."""
    config = tmp_path_factory.mktemp("large") / "config.yaml"
    experiment = yaml.safe_load(undisturbed.config.read_text())
    experiment["cases"]["hidden_size"], experiment["weight_sets"] = [256], 2
    config.write_text(yaml.safe_dump(experiment))
    place = Workplace(config.parent / "work", config, until="check")
    code, said = place.run()
    assert code == 0, said
    return place


@pytest.mark.parametrize("megabytes", [60, 110, 150] if LONG else [160])
def test_a_job_without_memory_says_how_much_it_needs(megabytes, large, settle, tmp_path):
    place = Workplace(tmp_path / "work", large.config, until="check")
    (tmp_path / "sitecustomize.py").write_text(LIMITER)
    limits = {"PYTHONPATH": str(tmp_path), "FAULT_BYTES": str(megabytes << 20)}
    code, said = place.run(**limits)
    assert code == 1, said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("check failed: ")]
    assert len(lines) == 1, said
    assert re.search(r"emory.*needs up to \d+ MiB", lines[0]), said
    settle(place, "out of memory", refused=1, wanted=large)
