"""The benchmark's own pieces: every contestant does the work it is said to do; nothing is timed."""

import dataclasses
import math
import os
import platform
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from benchmarks import __main__ as command
from benchmarks import (
    contest,
    figure,
    floors,
    growth,
    jax_peers,
    machine,
    memory,
    ours,
    pages,
    peers,
    record,
    scipy_peer,
    table,
    torch_peers,
)
from benchmarks.contest import Contestant
from benchmarks.workers import Timing, workers
from lstm_gpu import bounds, campaign, cell, compiled, derivatives, scan
from lstm_gpu.claims.block import Block
from lstm_gpu.errors import InputError
from lstm_gpu.files import read_json
from lstm_gpu.majorants import Majorant, unit_majorants
from lstm_gpu.references import central
from lstm_gpu.tally import Tally
from lstm_gpu.weights import DTYPES, Case, WeightSets, draw, words_per_set

# torch.func's forward mode imports what torch itself calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")

CASE = Case(6, 5, "float64", "pytorch_uniform", "generic")
SEED, SETS = 3, 7

_, REASON = compiled.library_or_reason()
needs_compiler = pytest.mark.skipif("no C++ compiler" in REASON, reason=REASON)


def each(chosen):
    return pytest.mark.parametrize("peer", chosen, ids=[peer.name for peer in chosen])


each_peer = each(list(peers.PEERS.values()))
each_given = each([peer for peer in peers.PEERS.values() if not peer.draws])
each_drawing = each([peer for peer in peers.PEERS.values() if peer.draws])
# Those that say how far automatic derivative and central differences are apart.
each_automatic = each([p for p in peers.PEERS.values() if "vmap" in p.name])
# Those that differentiate by themselves, and how: (sets, n, n) as NumPy's array.
DERIVATIVES = {
    "torch jacrev": ("torch", lambda sets: torch_jacobian(sets, "jacrev")),
    "torch jacfwd": ("torch", lambda sets: torch_jacobian(sets, "jacfwd")),
    "jax jacrev": ("jax", lambda sets: jax_jacobian(sets, "jacrev")),
    "jax jacfwd": ("jax", lambda sets: jax_jacobian(sets, "jacfwd")),
}
DIFFERENCES = {
    "torch": lambda sets: torch_peers.differences(sets).numpy(),
    "jax": lambda sets: jax_differences(sets),
}


def torch_jacobian(sets, mode):
    func = pytest.importorskip("torch.func")
    return torch_peers.jacobians(sets, getattr(func, mode)).numpy()


def jax_jacobian(sets, mode):
    jax = pytest.importorskip("jax")
    return np.asarray(jax.vmap(getattr(jax, mode)(jax_peers.cell))(*sets))


def jax_differences(sets):
    jax = pytest.importorskip("jax")
    return np.asarray(jax.vmap(jax_peers.differences)(*sets))


def present(package):
    if peers.missing(package):
        pytest.skip(peers.missing(package))


def taken_by(peer, case=CASE, sets=SETS):
    """What its check takes: `Inputs`, or the source that it draws from."""
    present(peer.package)
    return peers._held(peer.name, case, SEED, 0, sets, sets)[0]


def inputs_of(package):
    return taken_by(next(p for p in peers.PEERS.values() if p.package == package and not p.draws))


def state_of(source):
    return source.key if hasattr(source, "key") else source._generator.get_state()


def put_back(source, state):
    if hasattr(source, "key"):
        source.key = state
    else:
        source._generator.set_state(state)


def next_sets(source):
    """What the next check of a drawing peer is about to draw, as NumPy's arrays of its own."""
    if hasattr(source, "key"):
        import jax

        drawn = jax_peers.draw(jax.random.split(source.key)[1], *source.shape)
        return peers.Inputs(*map(np.asarray, drawn))
    state = state_of(source)
    drawn = [array.numpy().copy() for array in source.draw()]
    put_back(source, state)
    return peers.Inputs(*drawn)


def weight_sets(sets):
    """Ours, of a peer's NumPy arrays. o_{t-1} is in no derivative."""
    W, U = (A.reshape(len(A), 4, -1, A.shape[-1]) for A in (sets.W, sets.U))
    return WeightSets(W, U, sets.x, sets.h, sets.c_prev, np.ones_like(sets.h))


@pytest.fixture
def block():
    return Block(draw(CASE, SEED, 0, SETS))


@pytest.fixture(autouse=True)
def _x64_is_left_as_it_was():
    """JAX's x64 mode is the process's own, and other modules' tests are run in it too."""
    yield
    peers._held.cache_clear()
    jax_peers._compiled.cache_clear()
    jax_peers._drawing.cache_clear()
    if not peers.missing("jax"):
        import jax

        jax.config.update("jax_enable_x64", False)


# --- The contestants do the same work -----------------------------------------------------------


@each_given
def test_peers_get_our_weight_sets(block, peer):
    sets, theirs = block.sets, taken_by(peer)
    n, m = CASE.hidden_size, CASE.input_size
    assert np.array_equal(np.asarray(theirs.W).reshape(SETS, 4, n, m), sets.W)
    assert np.array_equal(np.asarray(theirs.U).reshape(SETS, 4, n, n), sets.U)
    for name, own in (("h", sets.h_prev), ("x", sets.x), ("c_prev", sets.c_prev)):
        assert np.array_equal(np.asarray(getattr(theirs, name)), own)


@pytest.mark.parametrize("package", ["torch", "jax"])
def test_peers_evaluate_the_same_cell(block, package):
    module = {"torch": torch_peers, "jax": jax_peers}[package]
    rows = zip(*inputs_of(package), strict=True)
    gap = np.abs(np.stack([np.asarray(module.cell(*row)) for row in rows]) - block.step.h)
    assert (gap <= 2 * block.errors.values["h"].error).all()  # the error of each of the two


@pytest.mark.parametrize("name", DERIVATIVES)
def test_automatic_derivative_is_our_formula(block, name):
    package, jacobian = DERIVATIVES[name]
    formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
    gap = np.abs(jacobian(inputs_of(package)) - formula)
    assert (gap <= 2 * bounds.entries(block.formula_errors("h"), block.sets.U)).all()


@pytest.mark.parametrize("package", DIFFERENCES)
def test_peers_differences_are_central_differences(block, package):
    """Within the bounds of a central difference at the peers' own step."""
    whole = differences_at_their_step(block.sets)
    gap = np.abs(DIFFERENCES[package](inputs_of(package)) - whole.derivative)
    assert (gap <= 2 * whole.bound).all()


def differences_at_their_step(sets):
    step = torch_peers.STEP
    assert step == jax_peers.STEP
    c_size, slope = np.abs(sets.c_prev), np.abs(sets.U).max(axis=1)
    unit = unit_majorants(c_size, 3)["h"].orders
    majorant = Majorant(
        (unit[0], *(k[..., None] * slope**r for r, k in enumerate(unit[1:], start=1)))
    )
    dz = bounds.preactivation_error(sets, np.abs(sets.h_prev) + step).max(axis=1)
    noise = bounds.evaluation_errors(c_size, dz, bounds.unit_roundoff("float64"))["h"]
    return central.whole_differences(sets, lambda h: cell.step(sets, h=h).h, majorant, noise, step)


@each_automatic
def test_the_largest_difference_is_within_the_bounds(peer):
    """Of weight sets that are given and of those that are drawn alike: none is above the bound of
    automatic derivative and difference, which is far below what a wrong derivative would give.
    """
    taken = taken_by(peer)
    own = weight_sets(next_sets(taken) if peer.draws else peers.Inputs(*map(np.asarray, taken)))
    block = Block(own)
    bound = bounds.entries(block.formula_errors("h"), own.U) + differences_at_their_step(own).bound
    assert 0 < peer.check(taken) <= bound.max() < peers.TOLERANCE


def test_scipys_formula_is_ours(block):
    sets = inputs_of("scipy")
    formula = derivatives.hidden_jacobian(block.step, block.sets.U, block.sets.c_prev)
    assert (np.abs(scipy_peer.formula(sets) - formula) <= 2 * block.bound("central", "h")).all()


def test_scipys_differences_agree_with_the_formula():
    """To the tolerance that SciPy keeps by default, the root of eps, of its own error estimate."""
    sets = inputs_of("scipy")
    gap = np.abs(scipy_peer.differences(sets) - scipy_peer.formula(sets))
    assert gap.max() <= np.sqrt(np.finfo("float64").eps)


@pytest.mark.parametrize("engine", ours.CHECKS)
def test_ours_supports_the_formula(engine):
    if engine == "compiled" and REASON:
        pytest.skip(REASON)
    assert ours.run(engine, CASE, SEED, 0, SETS, SETS) == "supported"


@each_peer
def test_peers_support_the_formula(peer):
    present(peer.package)
    assert peers.run(peer.name, CASE, SEED, 0, SETS, 3 if peer.batched else 1, 1) == "supported"


def wrong(right):
    """The value is right, the derivative that is passed on is off by 0.01."""
    return lambda h, *others: right(h, *others) + 0.01 * (h - stopped(h)).sum()


def stopped(h):
    if hasattr(h, "detach"):
        return h.detach()
    import jax

    return jax.lax.stop_gradient(h)


@each_peer
def test_peers_refute_a_wrong_derivative(peer, monkeypatch):
    sets = taken_by(peer)
    for module in (torch_peers, jax_peers):
        monkeypatch.setattr(module, "cell", wrong(module.cell))
    right = scipy_peer.formula
    monkeypatch.setattr(scipy_peer, "formula", lambda sets: right(sets) + 0.01)
    if "fast" in peer.name:  # one random direction: it may miss a single weight set
        assert not all(peer.check(sets.part(k, k + 1)) == 0 for k in range(SETS))
    else:
        assert peers.verdict(peer.check(sets)) == "refuted"


@each_drawing
def test_drawn_weight_sets_have_the_law_of_ours(peer):
    """Of N uniforms the empirical distribution is within the root of ln(2/p)/2N of the law, but for
    a chance of p (Massart 1990): this has their range and mean, and that they fill it evenly.
    """
    n, m, sets = CASE.hidden_size, CASE.input_size, 5000
    drawn, chance = next_sets(taken_by(peer, sets=sets)), 1e-9
    shapes = [(sets, *shape) for shape in ((n,), (4 * n, m), (4 * n, n), (m,), (n,))]
    assert [array.shape for array in drawn] == shapes
    assert {array.dtype.name for array in drawn} == {"float64"}
    y = np.tanh(drawn.c_prev)
    unit = {"W": drawn.W * math.sqrt(n), "U": drawn.U * math.sqrt(n), "x": drawn.x}
    unit |= {"y": y / 0.95, "o": (drawn.h / y - 0.525) / 0.475}
    single = float(np.finfo("float32").eps)  # a limit is rounded to float32
    for name, values in unit.items():
        own = (1 + np.sort(values, axis=None)) / 2
        assert -single <= own[0] < own[-1] <= 1 + single, name
        steps = np.arange(own.size + 1) / own.size
        gap = max((steps[1:] - own).max(), (own - steps[:-1]).max())
        assert gap <= math.sqrt(math.log(2 / chance) / (2 * own.size)), name


@each_drawing
def test_drawn_numbers_have_nothing_to_do_with_each_other(peer):
    """The mean of N products of two independent numbers of ±1 is within the root of 2 ln(2/p)/N of
    0, but for a chance of p (Hoeffding). Arrays drawn from one key have 1/3.
    """
    case, sets, chance = dataclasses.replace(CASE, input_size=CASE.hidden_size), 5000, 1e-9
    drawn = next_sets(taken_by(peer, case, sets))
    n = case.hidden_size
    y = np.tanh(drawn.c_prev)
    arrays = [drawn.W[:, :n] * math.sqrt(n), drawn.U[:, :n] * math.sqrt(n), drawn.x[:, None]]
    arrays += [(y / 0.95)[:, None], ((drawn.h / y - 0.525) / 0.475)[:, None]]
    arrays += [drawn.W[:, n : 2 * n] * math.sqrt(n), np.roll(arrays[0], 1, axis=0)]
    for k, one in enumerate(arrays):
        for other in arrays[:k]:
            products = one * other
            limit = math.sqrt(2 * math.log(2 / chance) / products.size)
            assert abs(products.mean()) <= limit


@each_drawing
def test_every_call_draws_afresh(peer):
    """Other weight sets in every call, and the check is about them: put back, a source gives the
    same largest difference to the bit, and else another one.
    """
    source = taken_by(peer)
    drawn, largest = [], []
    for _ in range(3):
        state = state_of(source)
        drawn.append(next_sets(source))
        largest.append(peer.check(source))
        moved_on = state_of(source)
        put_back(source, state)
        assert peer.check(source) == largest[-1]
        put_back(source, moved_on)
    assert len(set(largest)) == 3
    for arrays in zip(*drawn, strict=True):
        rows = np.concatenate([array.reshape(SETS, -1) for array in arrays])
        assert len(np.unique(rows, axis=0)) == 3 * SETS  # and others in each weight set of a call


@each_drawing
def test_no_two_sources_are_alike(peer):
    """In a process that is at another range, and where a source was dropped and made again."""
    present(peer.package)
    drawn = []
    for start in (0, SETS, 0):
        peers._held.cache_clear()
        (source,) = peers._held(peer.name, CASE, SEED, start, start + SETS, SETS)
        drawn.append(next_sets(source).U)
    assert len({one.tobytes() for one in drawn}) == 3


def test_we_refute_a_wrong_formula(monkeypatch):
    right = derivatives.hidden_jacobian
    monkeypatch.setattr(
        scan.derivatives, "hidden_jacobian", lambda *arguments: 1.001 * right(*arguments)
    )
    assert ours.run("arrays", CASE, SEED, 0, SETS, SETS) == "refuted"


def test_batches_cover_the_range():
    held = peers._held("scipy.differentiate.jacobian", CASE, SEED, 2, 9, 3)
    assert [len(part.h) for part in held] == [3, 3, 1]
    whole = peers.inputs(CASE, SEED, 2, 9)
    assert np.array_equal(np.concatenate([part.U for part in held]), whole.U)


def test_we_check_what_the_campaign_checks():
    """The record of the full check is the campaign's record of the same comparison."""
    shard = campaign.check_shard(CASE, SEED, 1, 1 + SETS, "numpy")
    theirs = [r for r in shard["records"] if (r["claim"], r["mutant"]) == (scan.KEY[0], "")]
    mine = Tally()
    mine.records[scan.KEY] = scan.check_by_arrays(CASE, SEED, 1, 1 + SETS)
    assert mine.to_list() == [r for r in theirs if r["reference"] == "central"]


# --- The contest ----------------------------------------------------------------------------------


class FakePool:
    """Answers at once and writes down what it was asked for."""

    def __init__(self, wall=0.1):
        self.asked, self.wall = [], wall

    def run(self, function, arguments):
        self.asked.append((function, arguments))
        return Timing(self.wall, self.wall * len(arguments), ["supported"] * len(arguments))


def pools(wall=0.1):
    return dict.fromkeys(record.POOLS, FakePool(wall))


TORCH_FUNC, GRADCHECK = "torch.func, vmap jacrev", "torch.autograd.gradcheck, slow"


def test_processes_get_disjoint_ranges():
    fake = pools()
    entrant = Contestant("arrays", 2, 1, batch=4, calls=3)
    entrant.run(fake, CASE)
    ranges = [range(start, stop) for *_, start, stop, _ in fake["ours"].asked[0][1]]
    assert [len(r) for r in ranges] == [12, 12]
    assert not set(ranges[0]) & set(ranges[1])
    assert entrant.sets == 24


class HerePool:
    """Runs in this process, one after another, and says what it runs."""

    def __init__(self):
        self.now = None

    def run(self, function, arguments):
        self.now = function
        return Timing(0.1, 0.1, [function(*own) for own in arguments])


def test_what_a_peer_is_given_is_drawn_before_the_clock_starts(monkeypatch):
    here, drawing = HerePool(), []
    right = peers.draw
    monkeypatch.setattr(
        peers, "draw", lambda *arguments: drawing.append(here.now) or right(*arguments)
    )
    entrants = [Contestant("scipy.differentiate.jacobian", 1, 1, batch) for batch in (1, 2, 3)]
    contest.rounds(entrants, CASE, 2, {"peers": here})
    assert set(drawing) == {peers.hold}


def test_runs_are_long_enough():
    longer = Contestant(TORCH_FUNC, 1, 2, batch=4).long_enough(pools(0.01), CASE)
    assert longer.calls == round(contest._LEAST_SECONDS / 0.01)
    assert Contestant(GRADCHECK, 1, 1, 1).long_enough(pools(9.0), CASE).calls == 1


def test_every_contestant_has_processes():
    entrants = [
        Contestant(peer.name, *arrangement, 1)
        for peer in peers.PEERS.values()
        for arrangement in peer.arrangements
    ]
    for entrant in (*entrants, *record._ours(8)):
        assert record.POOLS[entrant.pool] >= entrant.processes
    jax = {(e.processes, e.pool) for e in entrants if e.engine.startswith("JAX")}
    assert jax == {(1, "jax, 1"), (2, "jax, 2")}


def test_rounds_are_interleaved_and_times_are_per_weight_set():
    fake = pools()
    entrants = [Contestant("arrays", 2, 1, 5), Contestant(TORCH_FUNC, 1, 2, 20)]
    rows = contest.rounds(entrants, CASE, 3, fake)
    asked = [function for function, _ in fake["ours"].asked if function is not peers.hold]
    assert asked == [*(ours.run, peers.run), *(peers.run, ours.run), *(ours.run, peers.run)]
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
        Contestant, "run", lambda self, pools, case: Timing(walls[self.batch], 0.0, [])
    )
    assert contest.best_batch(TORCH_FUNC, (1, 2), tuple(walls), None, CASE).batch == 10


def test_a_worker_that_fails_is_reported():
    with workers(1) as pool, pytest.raises(RuntimeError, match="ZeroDivisionError"):
        pool.run(divmod, [(1, 0)])


def test_a_worker_that_ends_is_reported():
    with pytest.raises(RuntimeError, match="ended before it answered"), workers(1) as pool:
        pool.run(os._exit, [(3,)])


# --- Floors, memory, growth, machine --------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_floor_counts_what_is_computed(dtype):
    """Words as they are drawn; multiplications of an entry as near.cuh has them, by hand."""
    case = dataclasses.replace(CASE, dtype=dtype)
    n, m = CASE.hidden_size, CASE.input_size
    found = floors.operations(case)
    assert found["word"] == words_per_set(case)
    # tanh of a small number: 3 for each gate, and for what c changes by. Points: 4 each. c: 4. h: 2
    # for tanh(c) at the points, 4 for their products, 1 for the inverse and the product with it.
    # The formula: 4, and times 2 s.
    by_hand = 3 * 4 + 3 + 4 * 4 + 4 + 2 + 4 + 1 + 1 + 4 + 1
    # float32: another term of 1/(1 - y), for each gate and for c; c's tanh at each point
    by_hand += 2 * 4 + 1 + 3 if dtype == "float32" else 0
    per_weight = 2 if dtype == "float32" else 1  # its size, too, where bounds are sharp
    assert found["multiply_add"] == per_weight * 4 * n * (n + m) + by_hand * n * n
    assert found["byte"] == 4 * n * n * 4


@needs_compiler
def test_the_floor_of_long_rows_has_the_bound_of_their_error():
    case = dataclasses.replace(CASE, input_size=400)
    n, m = case.hidden_size, case.input_size
    long, short = floors.operations(case), floors.operations(CASE)
    own = long["multiply_add"] - short["multiply_add"]
    assert own == 2 * 4 * n * (n + m) - 4 * n * (n + CASE.input_size)


@needs_compiler
def test_a_floor_is_made_of_its_parts():
    rates = floors.rates(CASE)
    assert set(rates) == set(floors.RATES) == set(floors.operations(CASE))
    assert all(rate > 0 for rate in rates.values())
    floor = floors.floor(CASE, {**dict.fromkeys(rates, 1e-9), "byte": 0.0})
    assert floor["whole"] == sum(part for name, part in floor.items() if name != "whole")
    slow_memory = floors.floor(CASE, {**dict.fromkeys(rates, 1e-9), "byte": 1.0})
    assert slow_memory["whole"] == slow_memory["byte"] == floors.operations(CASE)["byte"]


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


def test_scans_are_measured_in_processes_of_their_own():
    found = growth.measure((3, 30))
    assert [run["weight_sets"] for run in found["runs"]] == [3, 30]
    for run in found["runs"]:
        assert run["verdict"] == "supported"
        assert run["seconds"] > 0
        assert all(2**20 < run[name] < 2**30 for name in ("peak", "peak_of_a_job"))


# --- The whole ------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """Short runs of our side alone."""
    monkeypatch.setattr(peers, "missing", lambda package: f"{package} is not installed")
    monkeypatch.setattr(contest, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(record, "CALL_ENTRIES", 64)
    monkeypatch.setattr(record.memory, "peaks", lambda case, seed: {"10": 2**20, "100": 2**20})
    run = {"weight_sets": 7, "seconds": 0.5, "peak": 2**25, "peak_of_a_job": 2**26}
    monkeypatch.setattr(record.growth, "measure", lambda: {"runs": [run]})


def test_without_peers_our_side_is_measured_recorded_and_drawn(small, tmp_path, capsys):
    arguments = ["--sizes", "2", "--rounds", "2", "--results", str(tmp_path)]
    assert command.main([*arguments, "--figure", str(tmp_path / "speed.png")]) == 0
    output = capsys.readouterr().out
    assert "jax is not installed" in output
    assert "ours, arrays" in output
    (path,) = tmp_path.glob("*.json")
    content = read_json(path, record.KIND)
    assert [size["dtype"] for size in content["sizes"]] == list(DTYPES)
    assert content["sizes"][0]["peers"] == []
    assert len(content["sizes"][0]["ours"]["arrays"]["seconds"]) == 2
    assert str(tmp_path) not in path.read_text()
    assert imread(tmp_path / "speed.png").shape[1] > 1000


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


def row(engine, seconds, processes=1, threads=1):
    entrant = dataclasses.asdict(Contestant(engine, processes, threads, 8))
    times = {"seconds": [seconds] * 3, "processor_seconds": [seconds * processes] * 3}
    over = {
        name: contest.summary([seconds] * 3, [own] * 3)
        for name, own in (("compiled", 1e-6), ("arrays", 1e-5))
    }
    return {**entrant, **times, "over": over}


@pytest.fixture
def made():
    """A record of one size."""
    size = {
        "hidden_size": 8,
        "dtype": "float64",
        "ours": {"compiled": row("compiled", 1e-6, 2), "arrays": row("arrays", 1e-5, 2)},
        "peers": [
            row(GRADCHECK, 9e-4),
            row(TORCH_FUNC, 9e-6),
            row(TORCH_FUNC, 7e-6, threads=2),
            row("JAX, jit vmap jacrev", 5e-6, processes=2),
        ],
        "floor": {**dict.fromkeys(floors.RATES, 1e-7), "whole": 8e-7},
    }
    run = {"weight_sets": 10**5, "seconds": 0.5, "peak": 2**25, "peak_of_a_job": 2**26}
    machine = {"cores": 2, "processor": "a processor"}
    return {"sizes": [size], "growth": {"runs": [run]}, "machine": machine}


def test_the_table_names_each_peer_in_its_fastest_arrangement(made):
    assert table.speed(made).splitlines() == [
        "|  | n = 8 |",
        "| --- | --- |",
        "| compiled | 1 µs |",
        "| compiled, over the floor | 2.50 |",
        "| arrays | 10 µs |",
        f"| {GRADCHECK} / compiled | 900 |",
        f"| {TORCH_FUNC} / compiled | 7 |",
        "| JAX, jit vmap jacrev / compiled | 5 |",
    ]
    assert "JAX, jit vmap jacrev (2 x 1, batch 8): 5 µs |" in table.details(made)
    assert table.growth(made).endswith("| 100,000 | 0.50 s | 5.00 µs | 32 MiB | 64 MiB |")
    text = table.size_text(made["sizes"][0])
    assert "given 100 % of its cores" in text
    assert "compiled 2.50, arrays 25.00" in text


def test_peers_that_draw_have_rows_and_a_column_of_their_own(made):
    """Where the record has them: one from before they were there gives the tables it gave."""
    old, shown, said = table.details(made), figure.rates(made), figure.title(made)
    assert "draw" not in table.speed(made) + old
    drawing = f"JAX, jit vmap jacrev{peers.DRAWING}"
    made["sizes"][0]["peers"] += [row(drawing, 4e-6), row(TORCH_FUNC + peers.DRAWING, 8e-6)]
    assert table.speed(made).splitlines()[-3:] == [
        f"| {TORCH_FUNC}, drawing too / compiled | 8 |",
        "| JAX, jit vmap jacrev / compiled | 5 |",
        "| JAX, jit vmap jacrev, drawing too / compiled | 4 |",
    ]
    own = ["fastest that draws too", "---", "JAX, jit vmap jacrev (1 x 1, batch 8): 4 µs"]
    for line, before, cell_ in zip(
        table.details(made).splitlines(), old.splitlines(), own, strict=True
    ):
        assert line == f"{before} {cell_} |"
    assert f"  {drawing:<38}1 x 1, batch 8 " in table.size_text(made["sizes"][0])
    assert (figure.rates(made), figure.title(made)) == (shown, said)


def test_without_a_compiler_the_tables_have_no_floor(made):
    size = made["sizes"][0]
    size["floor"] = None
    del size["ours"]["compiled"]
    for other in size["peers"]:
        del other["over"]["compiled"]
    assert table.speed(made).splitlines()[2:4] == [
        "| compiled | - |",
        "| compiled, over the floor | - |",
    ]
    assert figure.title(made) == "Weight sets per second"
    assert "floor" not in figure.rates(made)
    assert "ours, arrays" in table.size_text(size)


def test_the_figure_shows_what_is_recorded(made):
    found = figure.rates(made)
    assert found["floor"] == {8: 1 / (8e-7 / 2)}
    assert found["ours, compiled"] == {8: 1 / 1e-6}
    assert found[TORCH_FUNC] == {8: 1 / 7e-6}
    assert figure.title(made) == (
        "The compiled check takes 2.5 to 2.5 times its floor; the fastest batched peer 5 to 5 "
        "times the check"
    )
    with figure.style.settings():
        labels = figure.draw(made).axes[0].get_legend_handles_labels()[1]
    assert labels == list(found)


def test_a_figure_that_cannot_be_written_is_one_line(made, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(InputError, match="taken"):
        figure.save(made, tmp_path / "taken" / "speed.png")


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_the_readmes_show_the_record(page):
    """`python -m benchmarks.pages` rewrites what belongs there."""
    assert pages.rewritten(page.read_text()) == page.read_text()


def test_a_table_that_is_not_the_records_is_rewritten():
    text = (pages.ROOT / "benchmarks" / "README.md").read_text()
    for name in pages.TABLES:
        wrong = re.sub(rf"(<!-- {name}: \S+ -->\n)", r"\1| another line |\n", text)
        assert wrong != text
        assert pages.rewritten(wrong) == text
