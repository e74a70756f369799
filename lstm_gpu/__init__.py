"""lstm_gpu: puts hand-derived LSTM derivatives on trial, at scale."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["assert_supported", "check", "claim"]

if TYPE_CHECKING:
    from lstm_gpu.checking import assert_supported, check
    from lstm_gpu.formulas.loading import claim

_HOMES = {
    "assert_supported": "lstm_gpu.checking",
    "check": "lstm_gpu.checking",
    "claim": "lstm_gpu.formulas.loading",
}


def __getattr__(name: str) -> Any:
    """The public functions, imported when they are first asked for: `--help` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
