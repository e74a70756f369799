"""The kernels' phases by real threads: none reads what another one writes before the barrier."""

import itertools
import shutil
import subprocess
from pathlib import Path

import host_threads
import pytest

from lstm_gpu import compiled, cuda_check, kernels
from lstm_gpu.arrangement import PLACES
from lstm_gpu.weights import Case

SOURCE = Path(__file__).with_name("host_races.cpp")


def build(folder, sources):
    if not host_threads.compiler():
        pytest.skip("no C++ compiler")
    program = folder / "races"
    flags = ("-std=c++17", "-Og", "-g", "-ffp-contract=off", "-fsanitize=thread", "-DLSTM_THREADS")
    command = (host_threads.compiler(), *flags, f"-I{sources}", str(SOURCE), "-o", str(program))
    done = subprocess.run((*command, "-pthread"), capture_output=True, text=True, check=False)
    if "cannot find" in done.stderr:
        pytest.skip("the compiler has no thread sanitizer")
    assert done.returncode == 0, done.stderr
    return program


def run(program, folder, n, m, dtype, place, threads):
    case = Case(n, m, dtype, compiled.DISTRIBUTION, compiled.REGIME)
    laid = host_threads.laid_out(case, place, threads)
    parts = cuda_check.struct_of(case, 1), laid.struct, cuda_check.edges()
    problem = folder / "problem"
    problem.write_bytes(b"".join(part.tobytes() for part in parts))
    command = (str(program), str(problem), str(PLACES.index(place)), dtype[-2:])
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run on this system")
    return done


@pytest.mark.slow
def test_no_thread_races_another(tmp_path):
    program = build(tmp_path, kernels.SOURCES)
    for place, dtype in itertools.product(PLACES, ("float64", "float32")):
        for n, m, threads in ((3, 2, 2), (17, 5, 8), (5, 300, 16)):
            done = run(program, tmp_path, n, m, dtype, place, threads)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [  # two phases in one, twice; a count that is not atomic
        (
            "team_check.cuh",
            "draw_state(team, t, start); });\n  each([&](int t) { make_state(team, t);",
            "draw_state(team, t, start); make_state(team, t);",
        ),
        (
            "directions.cuh",
            "team.centre(t); });\n  each([&](int t) { team.tail(t);",
            "team.centre(t); team.tail(t);",
        ),
        ("directions.cuh", "add(tails(), 1)", "(*tails())++"),
    ],
)
def test_a_race_would_be_seen(header, right, wrong, tmp_path):
    sources = tmp_path / "cuda"
    shutil.copytree(kernels.SOURCES, sources)
    text = (sources / header).read_text()
    assert text.count(right) == 1
    (sources / header).write_text(text.replace(right, wrong))
    done = run(build(tmp_path, sources), tmp_path, 17, 5, "float64", PLACES[0], 8)
    assert "data race" in done.stderr
