"""Is this a value that JSON can keep?"""

from __future__ import annotations

import math
import sys
from typing import Any

from mlops_lab.base.errors import InvalidData, MlopsLabError

__all__ = ["json_value"]

_LONGEST_NUMBER = 13_000  # bits; Python refuses to write down or read numbers of more than 4,300 digits


def json_value(
    value: object, what: str, error: type[MlopsLabError] = InvalidData, *, keep: tuple[type, ...] = ()
) -> Any:
    """The value as JSON will give it back: tuples become lists, numbers plain ones; what is of a `keep` type stays.

    >>> json_value({"auc": 0.7, "airports": ("EWR", "JFK")}, "the result of task 'train'")
    {'auc': 0.7, 'airports': ['EWR', 'JFK']}

    Raises:
        InvalidData (or the class given): the value holds something JSON has no word for, or has no end.
    """
    try:
        return _plain(value, what, "", error, keep)
    except RecursionError:
        raise error(f"{what} is nested too deeply, or holds itself.") from None


def _plain(value: object, what: str, at: str, error: type[MlopsLabError], keep: tuple[type, ...]) -> Any:
    value = _without_numpy(value)
    if value is None or isinstance(value, (bool, *keep)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if value.bit_length() > _LONGEST_NUMBER:
            raise error(f"{what} holds a whole number{at} of more than 4,000 digits; keep it as text or in a file.")
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise error(f"{what} holds {value!r}{at}, for which JSON has no word.")
    if isinstance(value, (list, tuple)):
        return [_plain(each, what, f"{at or ' at '}[{index}]", error, keep) for index, each in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise error(f"{what} holds the key {key!r}{at}; keys of a JSON object are text.")
        return {str(key): _plain(each, what, f"{at or ' at '}[{key!r}]", error, keep) for key, each in value.items()}
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise error(
        f"{what} holds a {kind}{at}, which is no JSON value; store it as an artefact or a file and return its name."
    )


def _without_numpy(value: Any) -> Any:
    """One of numpy's numbers as Python's own; everything else as it is."""
    numpy = sys.modules.get("numpy")  # who returns one of its numbers has imported it
    if numpy is None or not isinstance(value, (numpy.bool_, numpy.integer, numpy.floating)):
        return value
    return value.item()
