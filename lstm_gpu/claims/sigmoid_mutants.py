"""Wrong formulas for sigma': slips of the kinds people make, each of which the proof must refute.

They are written like the forms (``lstm_gpu.sigmoid_forms``), so they run on the same exact
numbers. Each is filed under the reading it is a slip of, and every reading has at least two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lstm_gpu.sigmoid_forms import (
    Form,
    exponential_square,
    product_of_quotients,
    sigma,
    sigma_one_minus_sigma,
)

CLAIM = "sigmoid_derivative"
_SEEN = "CaptainE/RNN-LSTM-in-numpy#1, wvabrinskas/Neuron#181"
_SIGN = "MartinuzziFrancesco/torchrecurrent#22, wvabrinskas/Neuron#181"
_SYNTHETIC = "synthetic"


class Mutant(NamedTuple):
    """A wrong formula: its family and place of sighting, and the reading it is a slip of."""

    name: str
    claim: str
    family: str
    seen: str
    reading: str
    statement: str
    form: Form


def missing_square(z: Any, exp: Callable[[Any], Any]) -> Any:
    return exp(-z) * (1 + exp(-z)) ** -1


def exponent_sign(z: Any, exp: Callable[[Any], Any]) -> Any:
    return exp(z) * (1 + exp(-z)) ** -2


def off_by_a_ten_thousandth(z: Any, exp: Callable[[Any], Any]) -> Any:
    return exponential_square(z, exp) * 10001 / 10000


def sum_of_quotients(z: Any, exp: Callable[[Any], Any]) -> Any:
    t = exp(-z)
    return t / (1 + t) + 1 / (1 + t)


def same_quotient_twice(z: Any, exp: Callable[[Any], Any]) -> Any:
    t = exp(-z)
    return t / (1 + t) * (t / (1 + t))


def negative_product(z: Any, exp: Callable[[Any], Any]) -> Any:
    return -product_of_quotients(z, exp)


def sigma_one_plus_sigma(z: Any, exp: Callable[[Any], Any]) -> Any:
    return (1 + sigma(z, exp)) * sigma(z, exp)


def one_minus_sigma_squared(z: Any, exp: Callable[[Any], Any]) -> Any:
    return 1 - sigma(z, exp) * sigma(z, exp)


def negative(z: Any, exp: Callable[[Any], Any]) -> Any:
    return -sigma_one_minus_sigma(z, exp)


def of_activated_value(z: Any, exp: Callable[[Any], Any]) -> Any:
    return sigma_one_minus_sigma(sigma(z, exp), exp)


def _mutant(
    form: Form, reading: str, family: str, statement: str, seen: str = _SYNTHETIC
) -> Mutant:
    return Mutant(form.__name__, CLAIM, family, seen, reading, statement, form)


_ACTIVATION = "activation derivative"

MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        missing_square,
        "exponential_square",
        _ACTIVATION,
        "e^{-z} (1 + e^{-z})^{-1}: the square is missing, what is left is σ(-z)",
    ),
    _mutant(exponent_sign, "exponential_square", "sign", "e^{z} (1 + e^{-z})^{-2}"),
    _mutant(
        off_by_a_ten_thousandth,
        "exponential_square",
        "size of error",
        "1.0001 e^{-z} (1 + e^{-z})^{-2}",
    ),
    _mutant(
        sum_of_quotients,
        "product_of_quotients",
        "sign",
        "e^{-z} / (1 + e^{-z}) + 1 / (1 + e^{-z}): + for ·, which makes it 1",
        _SIGN,
    ),
    _mutant(
        same_quotient_twice,
        "product_of_quotients",
        "wrong factor",
        "(e^{-z} / (1 + e^{-z}))²: one quotient taken twice",
    ),
    _mutant(
        negative_product,
        "product_of_quotients",
        "sign",
        "-e^{-z} / (1 + e^{-z}) · 1 / (1 + e^{-z}): the inner derivative's sign not cancelled",
    ),
    _mutant(sigma_one_plus_sigma, "difference_of_quotients", "sign", "(1 + σ(z)) σ(z)", _SIGN),
    _mutant(
        one_minus_sigma_squared,
        "difference_of_quotients",
        _ACTIVATION,
        "1 - σ(z)²: the bracket lost, which makes it tanh' taken of σ's value",
        _SEEN,
    ),
    _mutant(sigma, "sigma_one_minus_sigma", _ACTIVATION, "σ(z) in place of σ'(z)", _SEEN),
    _mutant(negative, "sigma_one_minus_sigma", "sign", "-(1 - σ(z)) σ(z)"),
    _mutant(
        of_activated_value,
        "sigma_one_minus_sigma",
        _ACTIVATION,
        "(1 - σ(s)) σ(s) with s = σ(z): the derivative of an already activated value",
        _SEEN,
    ),
)
