"""The project's own files: one list of dependencies, commands that exist, no machine's places."""

import importlib.metadata
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker  # pytest's own dependency
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

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


def test_the_installed_command_is_the_one_that_python_m_runs():
    from lstm_gpu import __main__

    entry = PYPROJECT["project"]["scripts"]["lstm-gpu"]
    assert pkgutil.resolve_name(entry) is __main__.run


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


@pytest.mark.parametrize(("asked", "says"), [("gpu", "pandas_ is not here"), ("slow", "1 error")])
def test_on_a_gpu_a_module_of_tests_that_lacks_a_package_is_skipped(asked, says, tmp_path):
    """Such a machine may have the core's packages alone; elsewhere what lacks is an error."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_tables.py").write_text("import pandas_.io\n")
    (tmp_path / "test_core.py").write_text(
        "import pytest\n@pytest.mark.gpu\n@pytest.mark.slow\ndef test_core():\n    pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu: a\n    slow: b\n")
    search = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-m", asked],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": search},
    )  # fmt: skip
    assert says in done.stdout
    assert ("1 passed, 1 skipped" in done.stdout) == (asked == "gpu") == (done.returncode == 0)


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        ("", ""),
        ("config/large.yaml", "runs/large"),
        ("config/test/config.yaml", "runs/test-config"),
        ("../mine.yaml", "runs/..-mine"),
    ],
)
def test_a_run_with_another_configuration_leaves_the_tables_of_the_main_job_alone(config, folder):
    asked = subprocess.run(
        ["make", "--dry-run", "run", f"CONFIG={config}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    run = next(line for line in asked.stdout.splitlines() if "-m snakemake" in line)
    assert ("--directory" in run) == bool(config)
    if config:
        assert f"--configfile {config} --directory {folder}" in run
        assert f'echo "results: {folder}/results/report.html"' in asked.stdout


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


# --- The lock, on every Python that is supported --------------------------------------------------

SUPPORTED = ("3.11", "3.12", "3.13")


def pinned() -> dict[str, tuple[str, str]]:
    """Name -> version and marker ("" for every Python) of each pin."""
    text = (ROOT / "requirements.lock").read_text()
    found = re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;]+) *(?:; *([^\\\n]*?))? *\\$", text, re.MULTILINE
    )
    return {canonicalize_name(name): (number, marker) for name, number, marker in found}


def reached(python: str, roots: list[str], pins: dict[str, tuple[str, str]]) -> dict[str, str]:
    """What an installation on a Python (Linux) needs, as the installed packages say; name -> why.

    Raises AssertionError for what the lock lacks, or has outside of a range or for another Python.
    """
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    here |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    needed: dict[str, str] = {}
    todo = [(Requirement(root), "pyproject.toml") for root in roots]
    seen = set()
    while todo:
        asked, why = todo.pop()
        name = canonicalize_name(asked.name)
        assert name in pins, f"Python {python}: {why} needs {asked}: run `make lock`"
        number, marker = pins[name]
        assert asked.specifier.contains(number, prereleases=True), (python, why, str(asked), number)
        assert not marker or Marker(marker).evaluate(here), (python, why, name, marker)
        needed.setdefault(name, why)
        for extra in {"", *asked.extras} - {e for n, e in seen if n == name}:
            seen.add((name, extra))
            for text in importlib.metadata.requires(name) or []:
                inner = Requirement(text)
                if inner.marker is None or inner.marker.evaluate(here | {"extra": extra}):
                    todo.append((inner, name))
    return needed


@pytest.mark.parametrize("python", SUPPORTED)
def test_the_lock_is_just_what_a_python_needs(python):
    pins = pinned()
    assert len(pins) == len(locked())
    needed = reached(python, [*RUNTIME, *TEST], pins)
    for_this = {
        name
        for name, (_, marker) in pins.items()
        if not marker or Marker(marker).evaluate({"python_version": python})
    }
    assert for_this == set(needed), for_this ^ set(needed)


@pytest.mark.parametrize("python", SUPPORTED)
def test_every_pin_admits_the_python(python):
    for name, (number, _) in pinned().items():
        found = importlib.metadata.distribution(name)
        assert found.version == number, f"{name} {found.version} is installed: run `make setup`"
        asked = SpecifierSet(found.metadata.get("Requires-Python") or "")
        assert asked.contains(f"{python}.1"), (name, str(asked))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"numpy": ("1.0", "")}, "numpy"),
        ({"numpy": ("2.4.6", "python_version < '3.12'")}, "python_version"),
        ({"numpy": None}, "run `make lock`"),
        ({"pluggy": None}, "run `make lock`"),
    ],
)
def test_a_wrong_lock_is_noticed(changed, says):
    pins = {name: pin for name, pin in (pinned() | changed).items() if pin is not None}
    with pytest.raises(AssertionError, match=says):
        reached("3.13", [*RUNTIME, *TEST], pins)


def test_each_compiled_pin_has_wheels_for_every_python():
    """A hash names no file. One that is compiled here, for this Python, has a wheel for each of the
    others, so at least three hashes, unless one wheel serves all (abi3, or no Python in it).
    """
    text = (ROOT / "requirements.lock").read_text()
    compiled = 0
    for name in pinned():
        block = re.search(rf"^{re.escape(name)}==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        hashes = block.group().count("--hash=")
        wheel = importlib.metadata.distribution(name).read_text("WHEEL") or ""
        tags = re.findall(r"^Tag: (\S+)-(\S+)-\S+$", wheel, re.MULTILINE)
        own = any(tag == abi and tag.startswith("cp") for tag, abi in tags)
        compiled += own
        assert hashes >= (len(SUPPORTED) if own else 1), (name, hashes)
    assert compiled >= 5  # NumPy, SciPy, pandas and matplotlib among them


def test_nothing_is_installed_without_a_hash():
    """Also what builds the packages that have no wheel."""
    recipe = (ROOT / "Makefile").read_text()
    installs = re.findall(r"^\t@?\$\(PIP\) install (.*requirement .*)$", recipe, re.MULTILINE)
    assert len(installs) == 3
    assert all("--require-hashes" in line for line in installs)
    assert all("--no-build-isolation" in line or "--only-binary :all:" in line for line in installs)
    editable = re.findall(r"install (.*--editable .*)$", recipe, re.MULTILINE)
    assert all("--no-deps --no-build-isolation" in line for line in editable)
