"""Random weight sets: counter-based, so that one set can be drawn alone, anywhere."""

from lstm_gpu.weights.case import DTYPES, Case
from lstm_gpu.weights.distributions import DISTRIBUTIONS
from lstm_gpu.weights.draw import WeightSets, digest, draw, words_per_set
from lstm_gpu.weights.states import EDGES, REGIMES

__all__ = [
    "DISTRIBUTIONS",
    "DTYPES",
    "EDGES",
    "REGIMES",
    "Case",
    "WeightSets",
    "digest",
    "draw",
    "words_per_set",
]
