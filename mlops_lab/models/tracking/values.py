"""Which values may a record hold, and how are they written down so that they come back the same?"""

from __future__ import annotations

import math
import numbers
import unicodedata
from collections.abc import Mapping
from typing import Any, TypeAlias

from mlops_lab.base.errors import InvalidData

__all__ = ["Scalar", "check_text", "check_texts", "figure", "named", "scalar", "spoken", "written"]

Scalar: TypeAlias = str | int | float | bool | None

_LONGEST = 10_000  # characters; a longer text is a file in the wrong place


def check_text(value: Any, what: str, *, needed: bool = False) -> str:
    """The text itself, if it is text that can be stored and shown.

    >>> check_text("late", "the name of a run")
    'late'

    Raises:
        InvalidData: no text, blank although needed, too long, or with characters that cannot be shown.
    """
    if not isinstance(value, str):
        raise InvalidData(f"{what} is text, not {type(value).__name__}: {value!r}.")
    if needed and not value.strip():
        raise InvalidData(f"{what} is needed, and it was left blank.")
    if len(value) > _LONGEST:
        raise InvalidData(f"{what} has {len(value)} characters; at most {_LONGEST} are kept.")
    odd = [sign for sign in value if unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t"]
    if odd:
        raise InvalidData(f"{what} holds a character that cannot be stored as text: {odd[0]!r}.")
    return value


def check_texts(values: Mapping[str, str] | None, what: str) -> dict[str, str]:
    """Named texts, such as tags, as a dictionary of its own.

    >>> check_texts({"team": "delays"}, "tag")
    {'team': 'delays'}

    Raises:
        InvalidData: a name or a value is no text.
    """
    return {
        check_text(key, f"the name of a {what}", needed=True): check_text(value, f"{what} {key!r}")
        for key, value in named(values, what).items()
    }


def named(values: Mapping[str, Any] | None, what: str) -> Mapping[str, Any]:
    """The values by name; none are no names.

    >>> named(["c"], "parameter")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: each parameter has a name: {name: value, …}, not list.

    Raises:
        InvalidData: these have no names.
    """
    if values is None or isinstance(values, Mapping):
        return values or {}
    raise InvalidData(f"each {what} has a name: {{name: value, …}}, not {type(values).__name__}.")


def scalar(key: str, value: Any) -> Scalar:
    """A parameter's value as a plain Python scalar; a NumPy scalar becomes one.

    >>> import numpy
    >>> scalar("depth", numpy.int64(3))
    3

    Raises:
        InvalidData: a list, a dictionary or an object.
    """
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, str):
        return check_text(str(plain), f"parameter {key!r}")
    if plain is None or isinstance(plain, bool):
        return plain
    if isinstance(plain, int):
        return int(plain)
    if isinstance(plain, float):
        return float(plain)
    raise InvalidData(
        f"parameter {key!r} is a {type(value).__name__}; parameters are text, numbers, true or false, or None, so"
        " write it as text."
    )


def figure(key: str, value: Any) -> float:
    """A metric's value as a float; NaN and infinity stay what they are.

    >>> figure("auc", 1)
    1.0

    Raises:
        InvalidData: this is no real number.
    """
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise InvalidData(f"metric {key!r} is {value!r}; a metric is one real number.")
    try:
        return float(plain)
    except OverflowError:
        raise InvalidData(f"metric {key!r} is too large for a floating-point number.") from None


def written(value: Any) -> Any:
    """The value as JSON has words for it: a figure that is not finite becomes {"float": "nan"}.

    >>> written(float("nan")), written(0.5)
    ({'float': 'nan'}, 0.5)
    """
    return {"float": repr(value)} if isinstance(value, float) and not math.isfinite(value) else value


def spoken(value: Any) -> Any:
    """The value that `written` wrote down.

    >>> spoken({"float": "-inf"}), spoken("nan")
    (-inf, 'nan')
    """
    return float(value["float"]) if isinstance(value, dict) else value
