"""Are these values what the model was fitted on?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlops_lab.base.errors import closest
from mlops_lab.delivery.server.bodies import ABSENT, Table
from mlops_lab.delivery.server.refusal import Refusal
from mlops_lab.delivery.server.scorer import Columns

__all__ = ["columns_for"]

_NUMBERS = {int, float, type(None)}
_TEXTS = {str, type(None)}


def columns_for(table: Table, kinds: Mapping[str, str], *, as_text: bool = False) -> Columns:
    """The columns a model needs, as it needs them; columns it does not know are left aside.

    Args:
        table: the rows as they came.
        kinds: for each feature `number` or `text`.
        as_text: is every value text because the format knows nothing else, as in CSV?

    Raises:
        Refusal: a feature is missing, or a value cannot be what it has to be.

    >>> columns_for({"hour": [6, None], "late": [True, False]}, {"hour": "number", "late": "text"})
    {'hour': [6.0, nan], 'late': ['True', 'False']}
    >>> columns_for({"hour": ["six"]}, {"hour": "number"})
    Traceback (most recent call last):
    mlops_lab.delivery.server.refusal.Refusal: row 0: 'hour' must be a number or null, not 'six'.
    """
    missing = [name for name in kinds if name not in table]
    if missing:
        meant = closest(missing[0], [name for name in table if name not in kinds])
        hint = f" There is {meant!r}; did you mean that?" if meant else ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Refusal(422, "MissingColumn", f"the model needs the column {missing[0]!r}{more}.{hint}")
    return {
        name: _numbers(name, table[name], as_text) if kind == "number" else _texts(name, table[name])
        for name, kind in kinds.items()
    }


def _numbers(name: str, values: list[Any], as_text: bool) -> list[float]:
    try:
        if as_text or set(map(type, values)) <= _NUMBERS:
            if as_text and not all(map(_reads_as_number, values)):
                raise _wrong(name, values, "a number or null", _reads_as_number)
            numbers = [math.nan if one is None else float(one) for one in values]
            if not any(map(math.isinf, numbers)):
                return numbers
    except (ValueError, OverflowError):
        pass
    raise _wrong(name, values, "a number or null", _is_number if not as_text else _reads_as_number)


def _texts(name: str, values: list[Any]) -> list[str]:
    if set(map(type, values)) <= _TEXTS:
        return [one or "" for one in values]
    if all(map(_is_text, values)):  # True is what training made the text "True" of; NaN is how pandas writes a null
        return ["" if one is None or isinstance(one, float) else str(one) for one in values]
    raise _wrong(name, values, "text, a truth value or null", _is_text)


def _is_number(value: Any) -> bool:
    if type(value) not in _NUMBERS:
        return False
    try:
        return value is None or not math.isinf(float(value))
    except OverflowError:
        return False


def _reads_as_number(value: Any) -> bool:
    try:
        if isinstance(value, str) and ("_" in value or not value.isascii()):
            return False  # Python's float takes 6_2 and the digits of every script; CSV's numbers are none of those
        return value is None or not math.isinf(float(value))
    except (ValueError, TypeError, OverflowError):
        return False


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or (isinstance(value, float) and math.isnan(value))


def _wrong(name: str, values: list[Any], wanted: str, good: Any) -> Refusal:
    at, value = next((at, value) for at, value in enumerate(values) if not good(value))
    if value is ABSENT:
        return Refusal(422, "MissingColumn", f"row {at} has no {name!r}; write null where nothing is known.")
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:60] + "…"
    return Refusal(422, "WrongType", f"row {at}: {name!r} must be {wanted}, not {shown}.")
