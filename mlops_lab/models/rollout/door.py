"""Who answers this request, the champion or the challenger?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["answered_by_challenger"]


def answered_by_challenger(keys: Iterable[str], weight: float) -> np.ndarray[Any, Any]:
    """For each key, does the challenger answer it at this weight?

    The key decides, not chance: the same flight gets the same model each time it asks, and who was answered by the
    challenger at 5 percent still is at 25.

    Args:
        keys: what identifies a request, such as a flight.
        weight: percent of the traffic for the challenger, 0 to 100.

    Returns:
        Shape (keys,), bool.

    >>> answered_by_challenger(["2013-12-01-UA-1545-EWR", "2013-12-01-AA-1141-JFK"], 100).tolist()
    [True, True]
    >>> answered_by_challenger([f"flight {i}" for i in range(1000)], 25).mean().item()
    0.237
    """
    import numpy as np

    found: np.ndarray[Any, Any] = np.fromiter((_draw(str(key)) for key in keys), dtype="float64") * 100 < weight
    return found


@lru_cache(maxsize=65_536)  # a watch asks about the same keys every day of a rollout
def _draw(key: str) -> float:
    """Where a key stands, from 0 to 1: the first 8 bytes of a sha256 are as good as a fair draw, and stay the same."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
