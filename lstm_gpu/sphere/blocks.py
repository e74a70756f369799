"""How a search is cut into blocks: small enough for a cache, in the same way for every set."""

from typing import Any

import numpy as np

ELEMENTS = 2**15  # 256 KiB in float64: a few such arrays fit a core's cache
DEVICE_ELEMENTS = 2**22  # a GPU wants large launches
_MOST_SAMPLES = 256  # of one block


def block_elements(xp: Any) -> int:
    """Size of a block for this namespace."""
    return ELEMENTS if xp is np else DEVICE_ELEMENTS


def block_shape(size: int, elements: int) -> tuple[int, int]:
    """Weight sets and samples of one block: sets · n · samples is about `elements`.

    The samples depend on n alone, so that a set is cut in the same way alone and in company.
    """
    samples = max(16, min(_MOST_SAMPLES, elements // size))
    return max(1, elements // (samples * size)), samples


def cut(sets: int, samples: int, size: int, elements: int) -> list[tuple[range, list[range]]]:
    """Cut sets × samples into blocks: for each range of sets its ranges of samples."""
    set_step, sample_step = block_shape(size, elements)
    columns = [range(k, min(k + sample_step, samples)) for k in range(0, samples, sample_step)]
    return [(range(k, min(k + set_step, sets)), columns) for k in range(0, sets, set_step)]
