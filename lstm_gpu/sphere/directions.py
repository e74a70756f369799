"""Directions on the unit sphere S^(n-1): pure functions of (seed, case, set, sample).

Every weight set has directions of its own, so that statistics of different sets are
independent. They are drawn on the host in float64, by portable arithmetic, and rounded once to
the case's dtype: the same bits on every machine and backend.
"""

import math
from typing import Any

import numpy as np

from lstm_gpu.bounds import unit_roundoff
from lstm_gpu.sphere.rounding import gamma, tree_depth, tree_sum, unit
from lstm_gpu.weights import Case
from lstm_gpu.weights.philox import uniforms
from lstm_gpu.weights.portable import standard_normal

# A direction's index in the stream is set · 2^40 + sample: the samples of a set are consecutive,
# and do not depend on how many are asked for. Philox counts up to 2^256.
_SAMPLE_BITS = 40
CAP_SAMPLES = 32  # per row: eight decades in strata of a quarter decade in float64


def _block(seed: int, stream: str, sets: range, samples: range, words: int) -> np.ndarray:
    """Uniforms (sets, samples, words)."""
    r = np.empty((len(sets), len(samples), words))
    for k, index in enumerate(sets):
        first = (index << _SAMPLE_BITS) + samples.start
        r[k] = uniforms(seed, stream, first, first + len(samples), words)
    return r


def _normalise(vectors: np.ndarray) -> np.ndarray:
    """Divide by the length, in place; a zero vector (of probability 2^-53 n) becomes e_1."""
    length = np.sqrt(tree_sum(vectors * vectors))[..., None]
    vectors[..., :1][length == 0] = 1
    vectors /= np.where(length == 0, 1, length)
    return vectors


def length_error(hidden_size: int, dtype: Any) -> float:
    """Bound on | ‖h‖ - 1 | for the directions of this module.

    Normalised in float64 (as `rounding.unit_error`), then rounded once to a narrower dtype.
    """
    if hidden_size == 1:
        return 0.0
    drawn = gamma((tree_depth(hidden_size) + 1) / 2 + 2, np.float64)
    narrowed = 0.0 if np.dtype(dtype) == np.float64 else unit_roundoff(dtype)
    return drawn + narrowed * (1 + drawn)


def uniform_directions(case: Case, seed: int, sets: range, samples: range) -> np.ndarray:
    """Directions uniform on the sphere, by normalising normal vectors.

    Returns
    -------
    (sets, samples, n) of the case's dtype; at n = 1 each is +1 or -1.
    """
    r = _block(seed, case.name + "/directions", sets, samples, case.hidden_size)
    return _normalise(standard_normal(r)).astype(case.dtype)


def cap_angles(r: Any, dtype: Any) -> np.ndarray:
    """Turn uniforms r (…, samples) into angles, one in each step of a geometric ladder.

    The ladder spans π/2 down to √u, where the deficit 1 - cos θ = θ²/2 is below u: rounding
    ends there, and further in nothing can be told apart. The angle is log-uniform and
    stratified. The uniform law of a cap of radius α would be a truncated Beta law; but in high
    dimension nearly all of a cap lies at its rim (density ~ θ^(n-2)), so one cap probes one
    distance. Where a wrong claim lies is unknown: a point at angle θ in the random tangent
    direction v beats a claim that is φ off along e when v·e > tan(θ/2)/tan φ, for nearly half
    of all v as soon as θ is well below φ/√n. So all scales deserve equal shares.
    """
    samples = r.shape[-1]
    widest, narrowest = math.pi / 2, math.sqrt(unit_roundoff(dtype))
    return widest * (narrowest / widest) ** ((np.arange(samples) + r) / samples)


def cap_draws(case: Case, seed: int, sets: range) -> tuple[np.ndarray, np.ndarray]:
    """Draw what the caps around all claimed directions of a set are made of.

    The rows of a set share the draws and the sets do not: each row by itself has independent
    samples, at a fraction of the price.

    Returns
    -------
    angles (sets, samples) in radians and normal vectors (sets, samples, n), in float64.
    """
    n = case.hidden_size
    r = _block(seed, case.name + "/caps", sets, range(CAP_SAMPLES), n + 1)
    return cap_angles(r[..., n], case.dtype), standard_normal(r[..., :n])


def caps(U_f: Any, angles: Any, normals: Any, xp: Any) -> Any:
    """Points of S^(n-1) at given angles from each row's claimed direction.

    h = cos θ ŵ + sin θ v, with v the unit vector along the part of the normal vector at right
    angles to ŵ; worked out in float64 and rounded once to the dtype of U_f.

    Parameters
    ----------
    U_f (sets, n, n), angles (sets, samples), normals (sets, samples, n)

    Returns
    -------
    (sets, rows, samples, n), with lengths within `length_error` of 1. A zero row gives the
    tangent directions themselves. Not for n = 1, where the sphere has no tangent.
    """
    direction, _ = unit(U_f.astype(xp.float64), xp)
    direction = direction[:, :, None, :]
    normal = normals[:, None]
    along = tree_sum(normal * direction)[..., None]
    points = normal - along * direction  # the tangent, of length about √n
    length = xp.sqrt(tree_sum(points * points))
    points *= (xp.sin(angles)[:, None] / xp.where(length > 0, length, 1))[..., None]
    points += xp.cos(angles)[:, None, :, None] * direction
    length = xp.sqrt(tree_sum(points * points))
    points /= xp.where(length > 0, length, 1)[..., None]
    return points.astype(U_f.dtype)
