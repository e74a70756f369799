"""The project's own files: one list of dependencies, commands that exist, no machine's places."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PYPROJECT["project"]["dependencies"]
TEST = PYPROJECT["project"]["optional-dependencies"]["test"]
SLURM = PYPROJECT["project"]["optional-dependencies"]["slurm"]

# The same package under its conda name.
CONDA_NAMES = {"snakemake": "snakemake-minimal", "matplotlib": "matplotlib-base"}


def name_of(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement).group().lower()


def locked(name: str = "requirements.lock") -> dict[str, str]:
    lock = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, flags=re.MULTILINE))


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def files() -> list[Path]:
    """The tracked files and those that would be; every file of an exported tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
        return [path for path in paths if path.is_file()]
    pytest.skip("not a git checkout")


def test_environment_yml_lists_what_pyproject_lists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    wanted = [f"python{PYPROJECT['project']['requires-python']}", *RUNTIME, *TEST]
    renamed = [
        requirement.replace(name_of(requirement), CONDA_NAMES.get(name_of(requirement), ""), 1)
        if name_of(requirement) in CONDA_NAMES
        else requirement
        for requirement in wanted
    ]
    assert environment == renamed


@pytest.mark.parametrize(
    ("requirement", "lock"),
    [(requirement, "requirements.lock") for requirement in [*RUNTIME, *TEST]]
    + [(requirement, "requirements-slurm.lock") for requirement in SLURM],
)
def test_the_lock_holds_each_dependency_within_its_range(requirement, lock):
    name, found = name_of(requirement), locked(lock)
    assert name in found, f"run `make lock`: {name} is missing"
    for sign, bound in re.findall(r"(>=|<)([\d.]+)", requirement):
        kept = version(found[name]) >= version(bound)
        assert kept == (sign == ">="), f"{name} {found[name]} breaks {requirement}"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-slurm.lock"])
def test_the_lock_has_hashes_and_no_addresses_and_nothing_for_one_machine(lock):
    text = (ROOT / lock).read_text()
    pinned = re.findall(r"^\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE)
    assert len(pinned) == len(locked(lock))
    assert "://" not in text
    assert "file:/" not in text
    assert not [name for name in locked(lock) if re.match(r"torch|jax|cupy|nvidia|cuda", name)]


def test_slurm_is_for_those_who_ask_and_changes_no_package_of_the_lock():
    """So `make slurm` adds packages to an environment and replaces none."""
    everybody, cluster = locked(), locked("requirements-slurm.lock")
    assert {name_of(requirement) for requirement in SLURM} <= set(cluster) - set(everybody)
    for name in set(cluster) & set(everybody):
        assert cluster[name] == everybody[name], f"run `make lock`: {name}"
    for requirement in SLURM:
        assert f"\n  # - {requirement}\n" in (ROOT / "environment.yml").read_text()


def test_contributing_gives_a_reason_for_each_dependency():
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    reasons = re.findall(r"^\| `([^`]+)` \|", contributing, flags=re.MULTILINE)
    direct = {name_of(requirement) for requirement in [*RUNTIME, *TEST]}
    assert direct <= set(reasons), direct - set(reasons)


@pytest.mark.parametrize(
    "target",
    [
        "run",
        "test",
        "bench",
        "evidence",
        "gpu",
        "lint",
        "format",
        "report",
        "lock",
        "clean",
        "torch",
        "slurm",
        "peers",
    ],
)
def test_make_knows_the_target(target):
    asked = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip()


def test_make_honours_python_and_refuses_an_old_one(tmp_path):
    old = tmp_path / "python"
    old.write_text(
        "#!/bin/sh\n"
        "echo 'Python 3.11 or newer is needed, this is 3.9.1.' >&2\n"
        'case "$2" in *version_info*) exit 1;; esac\nexit 99\n'
    )
    old.chmod(0o755)
    asked = subprocess.run(
        ["make", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "setup"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    assert "Python 3.11 or newer is needed" in asked.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        ("", ""),
        ("| NVIDIA-SMI 535.1  Driver Version: 535.1   CUDA Version: 12.2 |", "cupy-cuda12x"),
        ("| NVIDIA-SMI 580.1  Driver Version: 580.1   CUDA Version: 13.0 |", "cupy-cuda13x"),
        ("| NVIDIA-SMI 999.1  Driver Version: 999.1   CUDA Version: 14.1 |", "cupy-cuda13x"),
        ("| NVIDIA-SMI 470.1  Driver Version: 470.1   CUDA Version: 11.4 |", "too old"),
    ],
    ids=["none", "12", "13", "14", "11"],
)
def test_make_chooses_the_cupy_build_for_the_driver(tmp_path, driver, says):
    """With a driver that is a script, and a pip that only says what it was asked."""
    tools, venv = tmp_path / "tools", tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    tools.mkdir()
    answers = f"#!/bin/sh\ncat <<'END'\n{driver}\nEND\n" if driver else "#!/bin/sh\nexit 9\n"
    for path, text in [
        (tools / "nvidia-smi", answers),
        (venv / "bin" / "python", '#!/bin/sh\necho "asked: $@"\n'),
    ]:
        path.write_text(text)
        path.chmod(0o755)
    (venv / "ready").touch()
    asked = subprocess.run(
        ["make", f"VENV={venv}", "cupy"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tools}:/usr/bin:/bin"},
    )
    assert asked.returncode == 0, asked.stderr
    said = asked.stdout + asked.stderr
    assert says in said
    assert ("asked:" in said) == ("cupy-cuda" in says)


def test_no_file_names_a_place_of_one_machine_or_a_package_index():
    # Spelt in parts, so that this file does not find itself.
    places = ["/" + "work/", "/" + "tmp/", "/" + "root/", "/" + "home/", "/" + "opt/"]
    hosts = ["py" + "pi.org", "python" + "hosted", "anaconda" + ".org", "download.py" + "torch"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files()
        if path.suffix not in {".png", ".svg", ".html"}
        for word in [*places, *hosts]
        if word in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []


def test_results_are_not_tracked():
    assert [p.name for p in files() if p.is_relative_to(ROOT / "results")] == ["README.md"]


def test_the_hooks_are_local():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    assert {hook["language"] for repo in hooks["repos"] for hook in repo["hooks"]} == {"system"}


def test_each_rule_that_computes_has_the_directives_and_a_thin_script():
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            for directive in ["input", "output", "log", "benchmark", "threads", "resources"]:
                assert f"\n    {directive}:" in rule, (path.name, directive)
            for directive in ["conda", "message", "script"]:
                assert f"\n    {directive}:" in rule, (path.name, directive)
    for path in (ROOT / "workflow" / "scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 40, path.name
