"""The benchmark's own pieces: every contestant does the work it is said to do; nothing is timed."""

import dataclasses
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import contest, floors, machine, memory, ours, peers, record, table
from benchmarks.contest import Contestant
from benchmarks.workers import Timing, workers
from lstm_gpu import bounds, campaign, cell, derivatives, scan, tally
from lstm_gpu.claims.block import Block
from lstm_gpu.files import read_json
from lstm_gpu.references import central
from lstm_gpu.tally import Tally
from lstm_gpu.weights import Case, draw, words_per_set

CASE = Case(6, 5, "float64", "pytorch_uniform", "generic")
SEED, SETS = 3, 7


@pytest.fixture
def block():
    return Block(draw(CASE, SEED, 0, SETS))


@pytest.fixture
def tensors():
    if peers.missing():
        pytest.skip(peers.missing())
    return peers.inputs(CASE, SEED, 0, SETS)


# --- The contestants do the same work -----------------------------------------------------------


@pytest.mark.torch
def test_peers_get_our_weight_sets(block, tensors):
    sets = block.sets
    n, m = CASE.hidden_size, CASE.input_size
    assert np.array_equal(tensors.W.numpy().reshape(SETS, 4, n, m), sets.W)
    assert np.array_equal(tensors.U.numpy().reshape(SETS, 4, n, n), sets.U)
    for name, own in (("h", sets.h_prev), ("x", sets.x), ("c_prev", sets.c_prev)):
        assert np.array_equal(getattr(tensors, name).numpy(), own)


@pytest.mark.torch
def test_peers_evaluate_the_same_cell(block, tensors):
    from torch.func import vmap

    gap = np.abs(vmap(peers.cell)(*tensors).numpy() - block.step.h)
    assert (gap <= 2 * block.errors.values["h"].error).all()  # the error of each of the two


@pytest.mark.torch
def test_automatic_derivative_is_our_formula(block, tensors):
    formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
    gap = np.abs(peers.jacobians(tensors).numpy() - formula)
    assert (gap <= 2 * bounds.entries(block.formula_errors("h"), block.sets.U)).all()


@pytest.mark.torch
def test_peers_differences_are_central_differences(block, tensors):
    """Within the bounds of a central difference at the peers' own step."""
    sets = block.sets
    c_size, slope = np.abs(sets.c_prev), np.abs(sets.U).max(axis=1)
    unit = bounds.unit_majorants(c_size, 3)["h"].orders
    majorant = bounds.Majorant(
        (unit[0], *(k[..., None] * slope**r for r, k in enumerate(unit[1:], start=1)))
    )
    dz = bounds.preactivation_error(sets, np.abs(sets.h_prev) + peers.STEP).max(axis=1)
    noise = bounds.evaluation_errors(c_size, dz, bounds.unit_roundoff("float64"))["h"]
    whole = central.whole_differences(
        sets, lambda h: cell.step(sets, h=h).h, majorant, noise, peers.STEP
    )
    gap = np.abs(peers.differences(tensors).numpy() - whole.derivative)
    assert (gap <= 2 * whole.bound).all()


@pytest.mark.torch
def test_all_support_the_formula(tensors):
    assert ours.ENGINES["ours"](CASE, SEED, 0, SETS, SETS) == "supported"
    assert peers.torch_func(tensors, SETS) == "supported"
    assert peers.gradcheck(tensors) == "supported"


@pytest.mark.torch
def test_peers_refute_a_wrong_derivative(tensors, monkeypatch):
    """The value is right, the derivative that is passed backwards is off by 0.01."""
    right = peers.cell
    monkeypatch.setattr(
        peers, "cell", lambda h, *others: right(h, *others) + 0.01 * (h - h.detach()).sum()
    )
    assert peers.torch_func(tensors, SETS) == "refuted"
    assert peers.gradcheck(tensors) == "refuted"


def test_we_refute_a_wrong_formula(monkeypatch):
    right = derivatives.hidden_jacobian
    monkeypatch.setattr(
        scan.derivatives, "hidden_jacobian", lambda *arguments: 1.001 * right(*arguments)
    )
    assert ours.ENGINES["ours"](CASE, SEED, 0, SETS, SETS) == "refuted"


@pytest.mark.torch
def test_batches_change_nothing_for_the_peer(tensors, monkeypatch):
    seen = []
    monkeypatch.setattr(peers, "verdict", lambda gap: seen.append(gap) or "supported")
    for batch in (1, 3, SETS, 100):
        peers.torch_func(tensors, batch)
    assert max(seen) - min(seen) <= 4 * bounds.unit_roundoff("float64") / peers.STEP


def test_we_check_what_the_campaign_checks():
    """The record of the full check is the campaign's record of the same comparison."""
    shard = campaign.check_shard(CASE, SEED, 1, 1 + SETS, "numpy")
    theirs = [r for r in shard["records"] if (r["claim"], r["mutant"]) == (ours.KEY[0], "")]
    mine = Tally()
    mine.records[scan.KEY] = scan.check_by_arrays(CASE, SEED, 1, 1 + SETS)
    assert mine.to_list() == [r for r in theirs if r["reference"] == "central"]


def test_given_weight_sets_are_the_drawn_ones(monkeypatch):
    monkeypatch.setattr(campaign, "_BLOCK_ENTRIES", 2 * CASE.hidden_size**2)
    summaries, real = [], tally.summarise
    monkeypatch.setattr(tally, "summarise", lambda *a: summaries.append(real(*a)) or summaries[-1])
    ours._held.cache_clear()
    drawn, given = ours.ENGINES["ours"], ours.run_given
    assert drawn(CASE, SEED, 2, 9, 3) == given(CASE, SEED, 2, 9, 3) == "supported"
    half = len(summaries) // 2
    assert summaries[:half] == summaries[half:]
    assert sum(record.weight_sets for record in summaries[:half]) == 7


# --- The contest ----------------------------------------------------------------------------------


class FakePool:
    """Answers at once and writes down what it was asked for."""

    def __init__(self, wall=0.1):
        self.asked, self.wall = [], wall

    def run(self, function, arguments):
        self.asked.append((function, arguments))
        return Timing(self.wall, self.wall * len(arguments), ["supported"] * len(arguments))


def test_processes_get_disjoint_ranges():
    pool = FakePool()
    entrant = Contestant("ours", 2, 1, batch=4, calls=3)
    entrant.run(pool, CASE)
    ranges = [range(start, stop) for _, _, start, stop, _ in pool.asked[0][1]]
    assert [len(r) for r in ranges] == [12, 12]
    assert not set(ranges[0]) & set(ranges[1])
    assert entrant.sets == 24


def test_runs_are_long_enough():
    pool = FakePool(wall=0.01)
    longer = Contestant("torch_func", 1, 2, batch=4).long_enough(pool, CASE)
    assert longer.calls == round(contest._LEAST_SECONDS / 0.01)
    assert Contestant("gradcheck", 1, 1, 1).long_enough(FakePool(9.0), CASE).calls == 1


def test_rounds_are_interleaved_and_times_are_per_weight_set():
    pool = FakePool()
    entrants = [Contestant("ours", 2, 1, 5), Contestant("torch_func", 1, 2, 20)]
    rows = contest.rounds(entrants, CASE, 3, {"ours": pool, "peers": pool})
    assert [function for function, _ in pool.asked] == [
        *(ours.ENGINES["ours"], peers.run),
        *(peers.run, ours.ENGINES["ours"]),
        *(ours.ENGINES["ours"], peers.run),
    ]
    assert rows[0]["seconds"] == [0.1 / 10] * 3
    assert rows[0]["processor_seconds"] == [0.2 / 10] * 3
    assert rows[1]["seconds"] == [0.1 / 20] * 3
    assert rows[1]["verdicts"] == ["supported"]


def test_ratios_are_taken_round_by_round():
    ratio = contest.summary([2.0, 30.0, 4.0], [1.0, 10.0, 1.0])
    assert (ratio["median"], ratio["least"]) == (3.0, 2.0)


def test_the_best_batch_takes_the_least_time_per_weight_set(monkeypatch):
    walls = {1: 1.0, 10: 2.0, 100: 50.0}
    monkeypatch.setattr(
        Contestant, "run", lambda self, pool, case: Timing(walls[self.batch], 0.0, [])
    )
    assert contest.best_batch("torch_func", (1, 2), tuple(walls), None, CASE).batch == 10


def test_a_worker_that_fails_is_reported():
    with workers(1) as pool, pytest.raises(RuntimeError, match="ZeroDivisionError"):
        pool.run(divmod, [(1, 0)])


def test_a_worker_that_ends_is_reported():
    with pytest.raises(RuntimeError, match="ended before it answered"), workers(1) as pool:
        pool.run(os._exit, [(3,)])


# --- Floors, memory, machine --------------------------------------------------------------------


def test_the_floor_counts_what_is_computed(monkeypatch):
    """exp, tanh and divide on Jacobians' entries, and the words drawn, as the check calls them."""
    counted = dict.fromkeys(("exp", "tanh", "divide"), 0)

    def counting(name, function):
        def call(array, *rest, **options):
            result = function(array, *rest, **options)
            if np.ndim(result) == 4:  # two points × sets × n × n
                counted[name] += np.size(result)
            return result

        return call

    for name in counted:
        monkeypatch.setattr(np, name, counting(name, getattr(np, name)))
    scan.check_by_arrays(CASE, SEED, 0, SETS)
    expected = floors.arithmetic(CASE)
    entries = SETS * CASE.hidden_size**2
    assert counted["exp"] == SETS * expected["exp"]
    assert counted["tanh"] == SETS * expected["tanh"]
    assert counted["divide"] + entries == SETS * expected["divide"]  # and error over bound
    assert expected["uniform"] == words_per_set(CASE)


def test_floors_are_ordered():
    rates = floors.rates()
    assert all(rate > 0 for rate in rates.values())
    floor = floors.floor(CASE, rates)
    assert 0 < floor["uniforms"] < floor["arithmetic"] < floor["with_passes"]


def test_the_machine_is_described_without_its_name():
    text = str(machine.describe()) + machine.name()
    assert machine.processor() in text
    for private in (platform.node(), str(Path.home()), str(Path.cwd()), os.sep + "usr"):
        assert not private or private not in text
    assert machine.name() == machine.name().lower()
    assert " " not in machine.name()


def test_memory_is_measured_in_a_process_of_its_own():
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory of a fresh process is read from /proc")
    with workers(1) as pool:
        peak = pool.run(memory._peak_after, [(CASE, SEED, 3)]).results[0]
    assert 2**20 < peak < 2**30


# --- The whole ------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """Short runs of our side alone."""
    monkeypatch.setattr(peers, "missing", lambda: "torch is not installed: the peers are skipped")
    monkeypatch.setattr(contest, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(record, "SHARD_ENTRIES", 64)
    monkeypatch.setattr(record.memory, "peaks", lambda case, seed: {"10": 2**20, "100": 2**20})


def test_without_torch_our_side_is_measured_and_recorded(small, tmp_path, capsys):
    assert command.main(["--sizes", "2", "--rounds", "2", "--results", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "the peers are skipped" in output
    assert "ours, weights given" in output
    (path,) = tmp_path.iterdir()
    content = read_json(path, "benchmark")
    assert content["sizes"][0]["peers"] == []
    assert len(content["sizes"][0]["ours"]["shard"]["seconds"]) == 2
    assert str(tmp_path) not in path.read_text()


def test_an_unwritable_folder_is_one_line(small, tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("a file, not a folder")
    assert command.main(["--sizes", "1", "--rounds", "1", "--results", str(taken)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("arguments", [["--sizes", "0"], ["--rounds", "-1"], ["--rounds", "x"]])
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2


def test_the_table_names_each_peer_in_its_fastest_arrangement():
    def row(engine, kind, seconds, processes=1, threads=1):
        entrant = dataclasses.asdict(Contestant(engine, processes, threads, 8))
        times = {"seconds": [seconds] * 3, "processor_seconds": [seconds * processes] * 3}
        names = ("ratio", "ratio_given", "processor_ratio")
        ratios = dict.fromkeys(names, contest.summary([seconds] * 3, [1e-6] * 3))
        return {**entrant, **times, **ratios, "kind": kind}

    size = {
        "hidden_size": 8,
        "ours": {kind: row("ours", kind, 1e-6, 2) for kind in ("fixed", "shard")},
        "peers": [
            row("gradcheck", "single", 9e-4),
            row("torch_func", "fixed", 9e-6),
            row("torch_func", "fixed", 7e-6, threads=2),
            row("torch_func", "best", 5e-6),
        ],
        "floor": {"arithmetic": 5e-7, "uniforms": 2e-7, "with_passes": 8e-7},
    }
    lines = [
        line.split() for line in table.conclusion([size]).splitlines() if line.split()[0] == "8"
    ]
    # Against the array code, the same with weights given, and the compiled check: not measured.
    assert lines == [["8", "900.0", "7.0", "5.0"]] * 2 + [["8", "-", "-", "-"]]
    text = table.size_text(size)
    assert "1 process x 2 threads" in text
    assert "4.00 and 2.50 times as long" in text
