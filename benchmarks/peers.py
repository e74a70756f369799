"""The peers: how others check a Jacobian, on the same weight sets, each in the best batched form
that its own documentation shows.

Each gets the weight sets in its own arrays: their draw is not timed. None of them bounds an error:
gradcheck has its default tolerance, the others a largest difference that is compared with it.
"""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import jax_peers, scipy_peer, torch_peers
from lstm_gpu.weights import Case, draw

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

    check : of a batch of `Inputs`, the largest difference, or 0 or infinity where the peer has the
        verdict; one weight set at a time if not `batched`
    convert : NumPy's array to the peer's
    arrangements : (processes, threads of each) on two cores
    """

    name: str
    package: str
    check: Callable[[Inputs], float]
    convert: Callable[[np.ndarray], Any]
    batched: bool = True
    arrangements: tuple[tuple[int, int], ...] = ((1, 2), (2, 1))


def _torch(name: str, check: Callable[[Inputs], float], batched: bool = True) -> Peer:
    return Peer(name, "torch", check, torch_peers.convert, batched)


def _jax(name: str, check: Callable[[Inputs], float]) -> Peer:
    return Peer(name, "jax", check, jax_peers.convert)


PEERS = {
    peer.name: peer
    for peer in (
        _torch("torch.autograd.gradcheck, slow", torch_peers.gradcheck, batched=False),
        _torch("torch.autograd.gradcheck, fast", torch_peers.fast_gradcheck, batched=False),
        _torch("torch.func, vmap jacrev", torch_peers.jacrev),
        _torch("torch.func, vmap jacfwd", torch_peers.jacfwd),
        _jax("JAX, jit vmap jacrev", jax_peers.jacrev),
        _jax("JAX, jit vmap jacfwd", jax_peers.jacfwd),
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


@functools.lru_cache(maxsize=1)
def _held(name: str, case: Case, seed: int, start: int, stop: int, batch: int) -> list[Inputs]:
    whole, convert = inputs(case, seed, start, stop), PEERS[name].convert
    return [
        Inputs(*map(convert, whole.part(first, first + batch)))
        for first in range(0, stop - start, batch)
    ]


def hold(name: str, case: Case, seed: int, start: int, stop: int, batch: int) -> None:
    """Draw and convert the weight sets that `run` is about to check, so that it does not."""
    _held(name, case, seed, start, stop, batch)


def run(name: str, case: Case, seed: int, start: int, stop: int, batch: int, threads: int) -> str:
    """Check ``range(start, stop)`` in calls of `batch` weight sets; the verdict on all of them."""
    peer = PEERS[name]
    if peer.package == "torch":
        torch_peers.threads(threads)
    return verdict(max(map(peer.check, _held(name, case, seed, start, stop, batch))))
