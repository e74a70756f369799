"""The peers: how others check a Jacobian, on the same weight sets, each in the best batched form
that its own documentation shows.

Each gets the weight sets in its own arrays, the same as ours: their draw is not timed. Ours draws
them as part of its check, so JAX and torch.func are measured once more with a draw of their own:
the same law, numbers of their own generators, fresh in every call. None of them bounds an error:
gradcheck has its default tolerance, the others a largest difference that is compared with it.
"""

import functools
import importlib.util
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import jax_peers, scipy_peer, torch_peers
from lstm_gpu.weights import Case, draw

DRAWING = ", drawing too"  # ends the name of a peer that draws
TOLERANCE = 1e-5  # gradcheck's default `atol`: what its users take for equal


class Inputs(NamedTuple):
    """Weight sets: h (sets, n), W (sets, 4n, m), U (sets, 4n, n), x (sets, m), c_prev (sets, n)."""

    h: Any
    W: Any
    U: Any
    x: Any
    c_prev: Any

    def part(self, start: int, stop: int) -> "Inputs":
        return Inputs(*(array[start:stop] for array in self))


class Peer(NamedTuple):
    """Who checks.

    check : of a batch of `Inputs`, or of the source that it draws from, the largest difference, or
        0 or infinity where the peer has the verdict; one weight set at a time if not `batched`
    convert : NumPy's array to the peer's
    arrangements : (processes, threads of each) on two cores
    source : who draws too has this: of weight sets in a batch, n, m and a seed, what `check` takes
    """

    name: str
    package: str
    check: Callable[[Any], float]
    convert: Callable[[np.ndarray], Any]
    batched: bool = True
    arrangements: tuple[tuple[int, int], ...] = ((1, 2), (2, 1))
    source: Callable[[int, int, int, int], Any] | None = None

    @property
    def draws(self) -> bool:
        return self.source is not None


def _torch(name: str, check: Callable[[Any], float], **settings: Any) -> Peer:
    return Peer(name, "torch", check, torch_peers.convert, **settings)


def _jax(name: str, check: Callable[[Any], float], **settings: Any) -> Peer:
    return Peer(name, "jax", check, jax_peers.convert, **settings)


_TORCH, _JAX = {"source": torch_peers.Source}, {"source": jax_peers.Source}


PEERS = {
    peer.name: peer
    for peer in (
        _torch("torch.autograd.gradcheck, slow", torch_peers.gradcheck, batched=False),
        _torch("torch.autograd.gradcheck, fast", torch_peers.fast_gradcheck, batched=False),
        _torch("torch.func, vmap jacrev", torch_peers.jacrev),
        _torch("torch.func, vmap jacfwd", torch_peers.jacfwd),
        _torch(f"torch.func, vmap jacrev{DRAWING}", torch_peers.jacrev_drawing, **_TORCH),
        _torch(f"torch.func, vmap jacfwd{DRAWING}", torch_peers.jacfwd_drawing, **_TORCH),
        _jax("JAX, jit vmap jacrev", jax_peers.jacrev),
        _jax("JAX, jit vmap jacfwd", jax_peers.jacfwd),
        _jax(f"JAX, jit vmap jacrev{DRAWING}", jax_peers.jacrev_drawing, **_JAX),
        _jax(f"JAX, jit vmap jacfwd{DRAWING}", jax_peers.jacfwd_drawing, **_JAX),
        Peer(  # NumPy: one thread
            *("scipy.differentiate.jacobian", "scipy", scipy_peer.jacobian, np.asarray),
            arrangements=((2, 1),),
        ),
    )
}


def missing(package: str) -> str:
    """Why the peers of a package cannot run; "" where they can."""
    if importlib.util.find_spec(package) is None:
        return f"{package} is not installed (`make peers` installs it): its checks are left out"
    return ""


def present() -> list[Peer]:
    return [peer for peer in PEERS.values() if not missing(peer.package)]


def inputs(case: Case, seed: int, start: int, stop: int) -> Inputs:
    """The weight sets ``range(start, stop)`` of a case, the same bits as ours, in NumPy."""
    sets = draw(case, seed, start, stop)
    n, m = case.hidden_size, case.input_size
    stacked = sets.W.reshape(-1, 4 * n, m), sets.U.reshape(-1, 4 * n, n)
    return Inputs(sets.h_prev, *stacked, sets.x, sets.c_prev)


def verdict(gap: float) -> str:
    return "supported" if gap <= TOLERANCE else "refuted"


_made = itertools.count()  # sources of this process


def _new_seed(seed: int, start: int) -> int:
    """Of a source: another one each time, and in processes that are at other ranges."""
    own = np.random.SeedSequence((seed, start, next(_made))).generate_state(1, np.uint64)
    return int(own[0]) >> 1  # JAX's and torch's seeds have a sign


@functools.lru_cache(maxsize=1)
def _held(name: str, case: Case, seed: int, start: int, stop: int, batch: int) -> list[Any]:
    """What the peer's check takes in each call; one source for all calls of the same batch."""
    peer, firsts = PEERS[name], range(start, stop, batch)
    if peer.source:
        n, m = case.hidden_size, case.input_size
        sizes = [min(batch, stop - first) for first in firsts]
        sources = {size: peer.source(size, n, m, _new_seed(seed, start)) for size in set(sizes)}
        return [sources[size] for size in sizes]
    whole = inputs(case, seed, start, stop)
    parts = (whole.part(first - start, first - start + batch) for first in firsts)
    return [Inputs(*map(peer.convert, part)) for part in parts]


def hold(name: str, case: Case, seed: int, start: int, stop: int, batch: int) -> None:
    """Make what the checks of `run` take, so that it does not: weight sets, or a source of them."""
    _held(name, case, seed, start, stop, batch)


def run(name: str, case: Case, seed: int, start: int, stop: int, batch: int, threads: int) -> str:
    """Check ``range(start, stop)`` in calls of `batch` weight sets; the verdict on all of them."""
    peer = PEERS[name]
    if peer.package == "torch":
        torch_peers.threads(threads)
    return verdict(max(map(peer.check, _held(name, case, seed, start, stop, batch))))
