"""Ways to ask whether a Jacobian is right: this package's and its peers', as their manuals show.

Each checker is given weight sets and answers for a formula's values J (sets, n, n). The forward
function is the true cell, in each framework's own operations; J is what the backward pass (or
the forward-mode rule) multiplies with. All settings are the defaults. What does not depend on h,
the product W x, is computed once for the peers.
"""

import functools
import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lstm_gpu.claims.block import REFERENCES, Block
from lstm_gpu.tally import Comparison, Record, summarise
from lstm_gpu.weights import WeightSets

Array = Any
Exam = Callable[[Array], list[str]]  # J (sets, n, n) -> the verdict on each set

_FORMULA = ("hidden_jacobian", "formula", "")


class Checker(NamedTuple):
    """A way to ask, in one format: ``open(sets)`` gives the function that answers for a J."""

    name: str
    dtype: str
    package: str
    open: Callable[[WeightSets], Exam]

    def missing(self) -> str:
        """Why it cannot be asked here; "" where it can."""
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed (`make peers` installs it)"
        return ""


# --- Ours -----------------------------------------------------------------------------------------


def ours(sets: WeightSets) -> Exam:
    """Both references, each with its bound: refuted where an entry is above either."""
    block = Block(sets)
    references = {r: (block.measured(r, "h"), block.bound(r, "h")) for r in REFERENCES}
    return lambda J: verdicts(
        [Comparison(*_FORMULA, r, J, *own) for r, own in references.items()], len(sets)
    )


def verdicts(comparisons: list[Comparison], sets: int) -> list[str]:
    """The verdict on each weight set by itself, over all references."""

    def over(part: slice) -> Record:
        record = Record()
        for c in comparisons:
            own = c._replace(
                claimed=c.claimed[part], measured=c.measured[part], bound=c.bound[part]
            )
            record.merge(summarise(own, 0))
        return record

    whole = over(slice(None))
    if not whole.refuted_sets and whole.decisive_sets == sets * len(comparisons):
        return ["supported"] * sets  # the whole block's verdict is that of each set
    return [over(slice(s, s + 1)).verdict for s in range(sets)]


# --- The peers ------------------------------------------------------------------------------------


def forward(h: Array, drive: Array, U: Array, c_prev: Array, sigmoid: Any, tanh: Any) -> Array:
    """h_t (n,) of one weight set from drive = W x (4n,), U (4n, n); torch's or JAX's arrays."""
    i, f, u, o = (drive + U @ h).reshape(4, -1)
    return sigmoid(o) * tanh(sigmoid(f) * c_prev + sigmoid(i) * tanh(u))


def _singles(sets: WeightSets) -> Iterator[tuple[Array, ...]]:
    """h, W (4n, m), U (4n, n), x and c_prev of each weight set: the very bits that we get."""
    for h, W, U, x, c in zip(sets.h_prev, sets.W, sets.U, sets.x, sets.c_prev, strict=True):
        yield h, W.reshape(-1, W.shape[-1]), U.reshape(-1, U.shape[-1]), x, c


def _one_by_one(accepts: list[Callable[[Array], bool]]) -> Exam:
    """The exam of checkers of one weight set each."""

    def exam(J: Array) -> list[str]:
        answers = (accept(own) for accept, own in zip(accepts, J, strict=True))
        return ["supported" if answer else "refuted" for answer in answers]

    return exam


def torch_cells(sets: WeightSets) -> list[tuple[Array, Callable[[Array], Array]]]:
    """For each weight set h and the function h -> h_t, in torch, with one thread."""
    import torch

    torch.set_num_threads(1)
    cells = []
    for single in _singles(sets):
        h, W, U, x, c_prev = (torch.from_numpy(array) for array in single)
        fixed = {"drive": W @ x, "U": U, "c_prev": c_prev}
        fixed |= {"sigmoid": torch.sigmoid, "tanh": torch.tanh}
        cells.append((h, functools.partial(forward, **fixed)))
    return cells


def gradcheck(sets: WeightSets, fast: bool) -> Exam:
    """torch.autograd.gradcheck of a torch.autograd.Function with J in its backward."""
    import torch

    def accepts(h: Array, cell: Callable[[Array], Array], values: Array) -> bool:
        J = torch.from_numpy(values)

        class Cell(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, h: Array) -> Array:
                return cell(h)

            @staticmethod
            def backward(ctx: Any, gradient: Array) -> Array:
                return gradient @ J

        with warnings.catch_warnings():  # in float32: "this check will likely fail"
            warnings.filterwarnings("ignore", message="Input #0 requires gradient")
            return torch.autograd.gradcheck(
                Cell.apply, (h.clone().requires_grad_(),), fast_mode=fast, raise_exception=False
            )

    return _one_by_one([functools.partial(accepts, *own) for own in torch_cells(sets)])


def _jax(sets: WeightSets) -> Any:
    """A context in which JAX computes in the sets' format; with one thread, as the others do."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    import jax

    return jax.enable_x64(sets.U.dtype == "float64")


def jax_cells(sets: WeightSets) -> list[tuple[Array, Callable[[Array], Array]]]:
    """For each weight set h and the function h -> h_t, in JAX."""
    with _jax(sets):
        import jax

        cells = []
        for single in _singles(sets):
            h, W, U, x, c_prev = (jax.numpy.asarray(array) for array in single)
            fixed = {"drive": W @ x, "U": U, "c_prev": c_prev}
            fixed |= {"sigmoid": jax.nn.sigmoid, "tanh": jax.numpy.tanh}
            cells.append((h, functools.partial(forward, **fixed)))
        return cells


def check_grads(sets: WeightSets, modes: tuple[str, ...]) -> Exam:
    """jax.test_util.check_grads of first order: with J in a custom_jvp, or in a custom_vjp.

    modes : ("fwd", "rev"), the default, of a custom_jvp; ("rev",) of a custom_vjp, which has no
        forward mode
    """
    cells = jax_cells(sets)
    import jax
    from jax.test_util import check_grads as check

    def accepts(h: Array, cell: Callable[[Array], Array], values: Array) -> bool:
        with _jax(sets):
            J = jax.numpy.asarray(values)
            if "fwd" in modes:
                function = jax.custom_jvp(cell)
                function.defjvp(lambda primals, tangents: (cell(*primals), J @ tangents[0]))
            else:
                function = jax.custom_vjp(cell)
                function.defvjp(lambda h: (cell(h), None), lambda _, gradient: (gradient @ J,))
            try:
                check(function, (h,), order=1, modes=modes)
            except AssertionError:
                return False
            return True

    return _one_by_one([functools.partial(accepts, *own) for own in cells])


def _in_both(name: str, package: str, dtypes: tuple[str, ...], open_: Any) -> tuple[Checker, ...]:
    return tuple(Checker(name, dtype, package, open_) for dtype in dtypes)


_GRADCHECK, _CHECK_GRADS = "torch.autograd.gradcheck", "jax.test_util.check_grads"
# Each peer first in the format that its manual speaks of.
CHECKERS: tuple[Checker, ...] = (
    *_in_both("ours", "", ("float64", "float32"), ours),
    *_in_both(
        f"{_GRADCHECK}, slow", "torch", ("float64", "float32"),
        functools.partial(gradcheck, fast=False),
    ),
    *_in_both(
        f"{_GRADCHECK}, fast", "torch", ("float64", "float32"),
        functools.partial(gradcheck, fast=True),
    ),
    *_in_both(
        f"{_CHECK_GRADS}, custom_jvp", "jax", ("float32", "float64"),
        functools.partial(check_grads, modes=("fwd", "rev")),
    ),
    *_in_both(
        f"{_CHECK_GRADS}, custom_vjp", "jax", ("float32", "float64"),
        functools.partial(check_grads, modes=("rev",)),
    ),
)  # fmt: skip
