"""The peers: how PyTorch users check a Jacobian, on the same weight sets.

`gradcheck`     torch.autograd.gradcheck, slow mode, default settings, one weight set at a time
`torch_func`    vmap(jacrev(cell)) beside vmapped central differences, compared by their largest
                difference, a batch at a time

Both get the weight sets as tensors: their draw is not timed. torch is optional; this module is
imported where `missing` finds it.
"""

import functools
import importlib.util
from typing import Any, NamedTuple

from lstm_gpu.weights import Case, draw

STEP = 2.0**-17  # of torch_func's differences, close to the cube root of float64's eps
TOLERANCE = 1e-5  # gradcheck's default `atol`: what its users take for equal

Tensor = Any


class Inputs(NamedTuple):
    """Weight sets as tensors: h (sets, n), W (sets, 4n, m), U (sets, 4n, n), x, c_prev."""

    h: Tensor
    W: Tensor
    U: Tensor
    x: Tensor
    c_prev: Tensor

    def part(self, start: int, stop: int) -> "Inputs":
        return Inputs(*(tensor[start:stop] for tensor in self))


def missing() -> str:
    """Why the peers cannot run; "" where they can."""
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed (`make torch` installs it): the peers are skipped"
    return ""


def threads(count: int) -> None:
    """Let torch use `count` threads."""
    import torch

    torch.set_num_threads(count)


def inputs(case: Case, seed: int, start: int, stop: int) -> Inputs:
    """The weight sets ``range(start, stop)`` of a case, the same bits as ours."""
    import torch

    sets = draw(case, seed, start, stop)
    n, m = case.hidden_size, case.input_size
    arrays = (
        sets.h_prev,
        sets.W.reshape(len(sets), 4 * n, m),
        sets.U.reshape(len(sets), 4 * n, n),
        sets.x,
        sets.c_prev,
    )
    return Inputs(*(torch.from_numpy(array) for array in arrays))


def cell(h: Tensor, W: Tensor, U: Tensor, x: Tensor, c_prev: Tensor) -> Tensor:
    """h_t of one weight set; the gates are stacked, so each matrix is used in one product."""
    import torch

    i, f, u, o = (W @ x + U @ h).reshape(4, -1)
    c = f.sigmoid() * c_prev + i.sigmoid() * u.tanh()
    return o.sigmoid() * torch.tanh(c)


def jacobians(sets: Inputs) -> Tensor:
    """∂h_t/∂h_{t-1} (sets, n, n) by reverse-mode automatic differentiation, batched."""
    from torch.func import jacrev, vmap

    return vmap(jacrev(cell))(*sets)


def differences(sets: Inputs) -> Tensor:
    """Central differences (sets, n, n) along all unit vectors at once, batched."""
    import torch
    from torch.func import vmap

    n = sets.h.shape[-1]
    steps = STEP * torch.eye(n, dtype=sets.h.dtype)

    def columns(h: Tensor, *others: Tensor) -> Tensor:
        def column(e: Tensor) -> Tensor:
            return (cell(h + e, *others) - cell(h - e, *others)) / (2 * STEP)

        return vmap(column, out_dims=1)(steps)

    return vmap(columns)(*sets)


def verdict(gap: float) -> str:
    return "supported" if gap <= TOLERANCE else "refuted"


def torch_func(sets: Inputs, batch: int) -> str:
    """Compare both Jacobians in batches; the verdict on the largest difference of all."""
    count = len(sets.h)
    gaps = []
    for first in range(0, count, batch):
        part = sets.part(first, min(first + batch, count))
        gaps.append((jacobians(part) - differences(part)).abs().max())
    return verdict(float(max(gaps)))


def gradcheck(sets: Inputs, batch: int = 1) -> str:
    """Check each weight set with torch.autograd.gradcheck (`batch` is always 1)."""
    from torch.autograd import gradcheck as check

    passed = True
    for h, *others in zip(*sets, strict=True):
        h = h.clone().requires_grad_()
        # `others` is used before the loop goes on.
        passed &= check(lambda v: cell(v, *others), (h,), raise_exception=False)  # noqa: B023
    return "supported" if passed else "refuted"


ENGINES = {"gradcheck": gradcheck, "torch_func": torch_func}


@functools.lru_cache(maxsize=2)
def _held(case: Case, seed: int, start: int, stop: int) -> Inputs:
    return inputs(case, seed, start, stop)


def run(
    engine: str, case: Case, seed: int, start: int, stop: int, batch: int, thread_count: int
) -> str:
    """Check ``range(start, stop)`` in calls of `batch` weight sets; the verdict on all of them.

    The tensors are kept, so that a second call with the same range draws nothing.
    """
    threads(thread_count)
    return ENGINES[engine](_held(case, seed, start, stop), batch)
