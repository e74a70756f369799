"""The forget gate's preactivation as a function of h_{t-1} alone, with its rounding error."""

from dataclasses import dataclass
from typing import Any

from lstm_gpu import cell
from lstm_gpu.sphere.rounding import gamma, underflow_unit

Array = Any


@dataclass(frozen=True)
class Gate:
    """z(h) = W_f x + U_f h (+ b_f), by the forward equations.

    W (sets, 1, n, m), U (sets, 1, n, n), x (sets, m), b (sets, 1, n) or None. `silent` says
    that x = 0 and that there is no bias, so that what is added to U_f h is an exact zero.
    """

    W: Array
    U: Array
    x: Array
    b: Array | None
    silent: bool

    @classmethod
    def of(cls, sets: Any, x: Array | None = None, b: Array | None = None) -> "Gate":
        """Take the forget gate of `WeightSets`; x None means x = 0; b is (sets, n) or None."""
        gate = slice(cell.FORGET, cell.FORGET + 1)
        return cls(
            W=sets.W[:, gate],
            U=sets.U[:, gate],
            x=0 * sets.x if x is None else x,
            b=None if b is None else b[:, None],
            silent=x is None and b is None,
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Sets, length n of h, input size m."""
        return self.U.shape[0], self.U.shape[-1], self.W.shape[-1]

    def __call__(self, h: Array) -> Array:
        """z of all rows at all points: h (sets, points, n) -> (sets, points, n)."""
        return cell.preactivation(self.W, self.U, self.x, h, self.b)[:, 0]

    def without_input(self, h: Array, xp: Any) -> Array:
        """U_f h alone, the equation with its term W_f x struck out; shapes as above."""
        return xp.matmul(h[:, None], xp.swapaxes(self.U, 2, 3))[:, 0]

    def part(self, first: int, stop: int) -> "Gate":
        """The same of the weight sets first … stop - 1."""
        cut = slice(first, stop)
        b = None if self.b is None else self.b[cut]
        return Gate(self.W[cut], self.U[cut], self.x[cut], b, self.silent)

    def of_rows(self, cut: slice) -> "Gate":
        """The same of some of the rows only; n stays the length of h."""
        b = None if self.b is None else self.b[:, :, cut]
        return Gate(self.W[:, :, cut], self.U[:, :, cut], self.x, b, self.silent)

    def rows(self) -> "Gate":
        """Every row as a weight set of its own, sets · rows of them with one row each.

        So a row can be evaluated at its own points: h (sets · rows, points, n) gives
        (sets · rows, points, 1).
        """
        sets, n, m = self.sizes
        rows = self.U.shape[2]
        return Gate(
            W=self.W.reshape(sets * rows, 1, 1, m),
            U=self.U.reshape(sets * rows, 1, 1, n),
            x=self.x[:, None, :].repeat(rows, axis=1).reshape(sets * rows, m),
            b=None if self.b is None else self.b.reshape(sets * rows, 1, 1),
            silent=self.silent,
        )

    def driven_error(self, xp: Any) -> Array:
        """Bound (sets, rows) on what the terms W_f x + b_f add to the rounding of z.

        W_f x passes m roundings, then the additions of b_f and of U_f h; b_f passes two.
        """
        dtype, m = self.U.dtype, self.W.shape[-1]
        size = (xp.abs(self.W[:, 0]) * xp.abs(self.x)[:, None, :]).sum(axis=-1)
        error = gamma(m + 2, dtype) * (1 + gamma(m + 2, dtype)) * size
        if self.b is not None:
            error = error + gamma(2, dtype) * xp.abs(self.b[:, 0])
        return error

    def dot_error(self) -> float:
        """Bound on |fl(w·h) - w·h| in units of ‖w‖ ‖h‖, the addition of W_f x + b_f included.

        gamma(n) Σ |w_j h_j| for any order of summation, with or without fused multiply-add,
        and Cauchy-Schwarz.
        """
        n = self.U.shape[-1]
        return gamma(n if self.silent else n + 1, self.U.dtype)

    def underflow(self) -> float:
        """Bound on what gradual underflow may add to the error of z, absolute."""
        _, n, m = self.sizes
        return (n + m) * underflow_unit(self.U.dtype)

    def error(self, norm: Array, length: Any, xp: Any) -> Array:
        """Bound (sets, rows) on |fl(z(h)) - z(h)| for points of length ‖h‖ <= `length`."""
        return self.dot_error() * norm * length + self.driven_error(xp) + self.underflow()
