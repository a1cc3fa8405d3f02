"""The six kinds of value, and how they turn into one another.

GitHub's expressions know null, booleans, numbers (IEEE 754 doubles), strings, arrays and objects. Here they are
Python's None, bool, float, str, list (or `FilteredArray`, what `.*` gives) and dict. The rules of coercion are those of
https://docs.github.com/actions/reference/workflows-and-actions/expressions; the fine print (white space,
hexadecimal) is that of GitHub's own `@actions/expressions`, which the tests ask; a number is printed as GitHub's
servers print it, with fifteen digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TypeAlias

Value: TypeAlias = "bool | float | str | list[Value] | Mapping[str, Value] | None"

# ECMAScript's white space, which is not quite Python's.
WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BASES = (
    (re.compile(r"0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"0[oO]([0-7]+)"), 8),
    (re.compile(r"0[bB]([01]+)"), 2),
)


class FilteredArray(list["Value"]):
    """What `.*` gives: a dereference after it asks every element, and drops those that have no answer."""


def kind_of(value: Value) -> str:
    """The name GitHub gives a value's kind: Null, Boolean, Number, String, Array or Object."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int | float):
        return "Number"
    if isinstance(value, str):
        return "String"
    return "Array" if isinstance(value, list | tuple) else "Object"


def is_primitive(value: Value) -> bool:
    """Is this null, a boolean, a number or a string?"""
    return kind_of(value) not in ("Array", "Object")


def is_truthy(value: Value) -> bool:
    """False, 0, -0, NaN, the empty string and null are falsy; all else, arrays and objects included, is truthy."""
    if isinstance(value, int | float):
        return not (value == 0 or math.isnan(value))
    return value not in (None, "")


def to_number(value: Value) -> float:
    """Null is 0, true is 1, the empty string is 0, other text a number if it reads as one; the rest is NaN."""
    if value is None:
        return 0.0
    if isinstance(value, int | float):
        return _double(value)
    return _text_to_number(value) if isinstance(value, str) else math.nan


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _text_to_number(text: str) -> float:
    text = text.strip(WHITE_SPACE)
    if not text:
        return 0.0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if text in ("Infinity", "+Infinity", "-Infinity"):
        return -math.inf if text[0] == "-" else math.inf
    for pattern, base in _BASES:
        if found := pattern.fullmatch(text):
            return _double(int(found[1], base))
    return math.nan


def to_text(value: Value) -> str:
    """How a value looks inside a string; an array is the word Array, an object the word Object."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(_double(value))
    return value if isinstance(value, str) else kind_of(value)


def number_text(number: float) -> str:
    """A double with fifteen significant digits, as GitHub's servers and runner print it (.NET's `G15`, never -0).

    >>> number_text(1e21), number_text(20140101123456789.0), number_text(0.1 + 0.2), number_text(-0.0)
    ('1E+21', '2.01401011234568E+16', '0.3', '0')
    """
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return f"{number or 0.0:.15g}".replace("e", "E")


def fold(text: str) -> str:
    """Text with its case forgotten. The dotless i stays itself: it is no other letter's capital for GitHub."""
    return "ı".join(part.upper() for part in text.split("ı"))


def _ordinal(text: str) -> bytes:
    return fold(text).encode("utf-16-be", "surrogatepass")


def _coerced(left: Value, right: Value) -> tuple[Value, Value]:
    """Two values of one kind; primitives of different kinds meet as numbers."""
    if kind_of(left) != kind_of(right) and is_primitive(left) and is_primitive(right):
        return to_number(left), to_number(right)
    return left, right


def equals(left: Value, right: Value) -> bool:
    """Loose equality: text without case, other kinds as numbers, arrays and objects only when they are the same one."""
    left, right = _coerced(left, right)
    if kind_of(left) != kind_of(right):
        return False
    if isinstance(left, str) and isinstance(right, str):
        return fold(left) == fold(right)
    return left == right if is_primitive(left) else left is right


def compare(left: Value, right: Value, operator: str) -> bool:
    """`<`, `<=`, `>` or `>=` between two values; nothing is less or greater than NaN, an array or an object."""
    if operator[1:] == "=" and equals(left, right):
        return True
    left, right = _coerced(left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _ordinal(left) < _ordinal(right) if operator[0] == "<" else _ordinal(left) > _ordinal(right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left < right if operator[0] == "<" else left > right
    return False


def lookup(mapping: Mapping[str, Value], key: str, default: Value = None) -> Value:
    """An object's property, whatever the case of its name; the exact name wins."""
    if key in mapping:
        return mapping[key]
    wanted = key.lower()
    return next((value for name, value in mapping.items() if str(name).lower() == wanted), default)
