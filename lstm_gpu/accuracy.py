"""How accurate a backend's exp, tanh and sigma of real arguments are: documented, or measured.

An ulp is the spacing of the format's numbers around the true value, so an error of k ulp is one
of at most 2k unit roundoffs relatively; below the normal range it is bounded by the smallest
normal number instead (`bounds` adds that everywhere). What holds for real arguments says nothing of
complex ones, which other routines compute: for those `bounds.COMPLEX_UNITS` is assumed as before.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lstm_gpu.fields import TEXT, Rule, check

__all__ = ["DOCUMENTED", "DOCUMENTED_ULP", "FIELDS", "Accuracy"]

# NumPy documents 4 for its vector routines (numpy/numpy#19478); CUDA documents 2 for expf and
# tanhf, 1 for exp and tanh (CUDA C++ Programming Guide, mathematical functions).
DOCUMENTED_ULP = 4

_ULP = Rule(
    "a number of at least 0",
    lambda value: (
        (type(value) is float and value >= 0) or (type(value) is int and 0 <= value < 2**53)
    ),
)
FIELDS = {"exp_ulp": _ULP, "tanh_ulp": _ULP, "sigmoid_ulp": _ULP, "source": TEXT}


@dataclass(frozen=True)
class Accuracy:
    """Largest errors in ulp where the true value is normal, and where the numbers come from.

    `exp_ulp` is recorded; the bounds use the other two (of e^{-z}, sigma is all that the cell
    computes).
    """

    exp_ulp: float
    tanh_ulp: float
    sigmoid_ulp: float
    source: str

    @property
    def tanh_units(self) -> float:
        """The error of tanh in unit roundoffs, relatively."""
        return 2 * self.tanh_ulp

    @property
    def sigmoid_units(self) -> float:
        """The error of sigma in unit roundoffs, relatively."""
        return 2 * self.sigmoid_ulp

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Accuracy":
        """The inverse of `as_dict`; `InputError` for anything else."""
        check(values, FIELDS, "the file", "accuracy")
        names = ("exp_ulp", "tanh_ulp", "sigmoid_ulp")
        return cls(**{name: float(values[name]) for name in names}, source=values["source"])


# sigma = 1/(1 + e^{-z}): e^{-z} has 2 · 4 unit roundoffs, the sum and the quotient one each: 10,
# which is at most 10 ulp.
DOCUMENTED = Accuracy(
    exp_ulp=DOCUMENTED_ULP,
    tanh_ulp=DOCUMENTED_ULP,
    sigmoid_ulp=2 * DOCUMENTED_ULP + 2,
    source="documented: numpy/numpy#19478 (4 ulp), CUDA C++ Programming Guide (2 ulp)",
)
