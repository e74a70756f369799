"""The derivation's four forms of sigma', and two remedies: one function per form, nothing else.

Every function takes the preactivation ``z`` and the exponential to use, and contains nothing but
``+ - * / **`` and ``abs``. So the same lines run on NumPy and CuPy arrays of any float dtype
(``exp=xp.exp``), where they round after every operation exactly as written, and on exact numbers
(``lstm_gpu.claims.sigmoid_exact``), where they do not round at all. A form is therefore proved
and measured in one and the same wording.

The literal sigma(z) = 1 / (1 + e^{-z}) is the document's; a numerically careful sigma would hide
what the survey is there to show. Source: the derivation's section on the sigmoid (D5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Form = Callable[[Any, Callable[[Any], Any]], Any]


def sigma(z: Any, exp: Callable[[Any], Any]) -> Any:
    """The logistic function as the document writes it, 1 / (1 + e^{-z})."""
    return 1 / (1 + exp(-z))


def exponential_square(z: Any, exp: Callable[[Any], Any]) -> Any:
    """e^{-z} (1 + e^{-z})^{-2}: the chain rule's own result."""
    t = exp(-z)
    return t * (1 + t) ** -2


def product_of_quotients(z: Any, exp: Callable[[Any], Any]) -> Any:
    """e^{-z} / (1 + e^{-z}) · 1 / (1 + e^{-z})."""
    t = exp(-z)
    return t / (1 + t) * (1 / (1 + t))


def difference_of_quotients(z: Any, exp: Callable[[Any], Any]) -> Any:
    """((1 + e^{-z}) / (1 + e^{-z}) - 1 / (1 + e^{-z})) sigma(z)."""
    t = exp(-z)
    return ((1 + t) / (1 + t) - 1 / (1 + t)) * sigma(z, exp)


def sigma_one_minus_sigma(z: Any, exp: Callable[[Any], Any]) -> Any:
    """(1 - sigma(z)) sigma(z): the form in the textbooks and in most code."""
    return (1 - sigma(z, exp)) * sigma(z, exp)


def reflected(z: Any, exp: Callable[[Any], Any]) -> Any:
    """sigma(z) sigma(-z), both literal: nothing cancels, but one of the exponentials overflows."""
    return sigma(z, exp) * sigma(-z, exp)


def stable(z: Any, exp: Callable[[Any], Any]) -> Any:
    """sigma(z) sigma(-z) with e^{-|z|} alone: nothing overflows and nothing cancels.

    sigma' is even, so the two factors are sigma(|z|) = 1 / (1 + e^{-|z|}) and
    sigma(-|z|) = e^{-|z|} / (1 + e^{-|z|}).
    """
    t = exp(-abs(z))
    return t / (1 + t) * (1 / (1 + t))


DOCUMENT_FORMS: dict[str, Form] = {
    "exponential_square": exponential_square,
    "product_of_quotients": product_of_quotients,
    "difference_of_quotients": difference_of_quotients,
    "sigma_one_minus_sigma": sigma_one_minus_sigma,
}
"""The four forms on trial, in the document's order; the keys are the readings of the claim."""

REMEDIES: dict[str, Form] = {"reflected": reflected, "stable": stable}
"""Not in the document: what to compute in its place. Equal to the forms in exact arithmetic."""
