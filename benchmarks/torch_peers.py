"""PyTorch's checks, as its documentation shows them: torch.autograd.gradcheck for one function at a
time, and torch.func's vmap of jacrev or jacfwd beside vmapped central differences.

torch is optional and imported where it is needed. It runs on the GPU where it finds one.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 2.0**-17  # of the differences, close to the cube root of float64's eps

Tensor = Any
Sets = Any  # peers.Inputs of tensors


def threads(count: int) -> None:
    """Let torch use `count` threads."""
    import torch

    torch.set_num_threads(count)


def convert(array: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(array).to("cuda" if torch.cuda.is_available() else "cpu")


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

    n = sets.h.shape[-1]
    steps = STEP * torch.eye(n, dtype=sets.h.dtype, device=sets.h.device)

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
