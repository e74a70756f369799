"""The claims, typeset: LaTeX into MathML, which browsers show without a script."""

from functools import cache

from latex2mathml.converter import convert
from markupsafe import Markup


@cache
def typeset(latex: str) -> Markup:
    """MathML of a formula of the registry. It is code of this project, so it is not escaped."""
    return Markup(convert(latex.replace(r"\arg\max", r"\operatorname*{argmax}"), display="block"))
