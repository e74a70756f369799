"""PyTorch's checks, as its documentation shows them: torch.autograd.gradcheck for one function at a
time, and torch.func's vmap of jacrev or jacfwd beside vmapped central differences; these of weight
sets that they are given, or that torch draws itself.

torch is optional and imported where it is needed. It runs on the GPU where it finds one.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 2.0**-17  # of the differences, close to the cube root of float64's eps

Tensor = Any
Sets = Any  # tensors h, W, U, x, c_prev, as peers.Inputs or a plain tuple


def threads(count: int) -> None:
    """Let torch use `count` threads."""
    import torch

    torch.set_num_threads(count)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def convert(array: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(array).to(_device())


def cell(h: Tensor, W: Tensor, U: Tensor, x: Tensor, c_prev: Tensor) -> Tensor:
    """h_t of one weight set; the gates are stacked, so each matrix is used in one product."""
    import torch

    i, f, u, o = (W @ x + U @ h).reshape(4, -1)
    c = f.sigmoid() * c_prev + i.sigmoid() * u.tanh()
    return o.sigmoid() * torch.tanh(c)


def differences(sets: Sets) -> Tensor:
    """Central differences (sets, n, n) along all unit vectors at once, batched."""
    import torch
    from torch.func import vmap

    h, *_ = sets
    steps = STEP * torch.eye(h.shape[-1], dtype=h.dtype, device=h.device)

    def columns(h: Tensor, *others: Tensor) -> Tensor:
        def column(e: Tensor) -> Tensor:
            return (cell(h + e, *others) - cell(h - e, *others)) / (2 * STEP)

        return vmap(column, out_dims=1)(steps)

    return vmap(columns)(*sets)


def jacobians(sets: Sets, differentiate: Callable[..., Any]) -> Tensor:
    """∂h_t/∂h_{t-1} (sets, n, n) by automatic differentiation, batched."""
    from torch.func import vmap

    return vmap(differentiate(cell))(*sets)


def jacrev(sets: Sets) -> float:
    """The largest difference; reverse mode."""
    from torch import func

    return float((jacobians(sets, func.jacrev) - differences(sets)).abs().max())


def jacfwd(sets: Sets) -> float:
    """The largest difference; forward mode."""
    from torch import func

    return float((jacobians(sets, func.jacfwd) - differences(sets)).abs().max())


class Source:
    """Weight sets that torch draws: a generator, which each check moves on, and memory for them."""

    def __init__(self, sets: int, n: int, m: int, seed: int) -> None:
        import torch

        self._generator = torch.Generator(_device()).manual_seed(seed)
        self._limit = 1 / math.sqrt(n)
        shapes = ((4 * n, m), (4 * n, n), (m,), (n,), (n,))  # W, U, x, o and y
        narrow, wide = (
            [torch.empty((sets, *shape), dtype=dtype, device=_device()) for shape in shapes]
            for dtype in (torch.float32, torch.float64)
        )
        self._memory = list(zip(wide, narrow, strict=True))
        self.draw()  # so that the memory is there

    def draw(self) -> tuple[Tensor, ...]:
        """h, W, U, x, c_prev of fresh weight sets: the law of `pytorch_uniform` with generic
        states. The next draw overwrites them.

        From torch's generator, so the numbers are not ours. Of torch's uniforms the form that is
        fastest on a CPU: float32, of 24 random bits, as ours are, drawn in place and widened.
        """
        limits = (self._limit, self._limit, 1.0, 1.0, 1.0)
        W, U, x, o, y = (
            wide.copy_(narrow.uniform_(-limit, limit, generator=self._generator))
            for (wide, narrow), limit in zip(self._memory, limits, strict=True)
        )
        o, y = 0.525 + 0.475 * o, 0.95 * y  # o from 0.05 to 1
        return o * y, W, U, x, y.atanh()


def jacrev_drawing(source: Source) -> float:
    """The largest difference on fresh weight sets; reverse mode.

    Ours draws what it checks, and so does who checks many random weight sets with torch.
    """
    return jacrev(source.draw())


def jacfwd_drawing(source: Source) -> float:
    """The largest difference on fresh weight sets; forward mode. As `jacrev_drawing`."""
    return jacfwd(source.draw())


def gradcheck(sets: Sets, fast_mode: bool = False) -> float:
    """0 if torch.autograd.gradcheck, in its default settings, passes each weight set."""
    from torch.autograd import gradcheck as check

    passed = True
    for h, *others in zip(*sets, strict=True):
        inputs = h.clone().requires_grad_(), *others
        passed &= check(cell, inputs, raise_exception=False, fast_mode=fast_mode)
    return 0.0 if passed else math.inf


def fast_gradcheck(sets: Sets) -> float:
    return gradcheck(sets, fast_mode=True)
