"""What the formulas are compared with, one module each; none knows a formula."""

import importlib.util


def has_balls() -> bool:
    """Whether python-flint is installed: `ball` needs it, and shards do without it."""
    return importlib.util.find_spec("flint") is not None
