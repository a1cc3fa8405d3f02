"""The parameters that a DAG takes, and the check that what was given is one of their values."""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName, expect_fields

JsonScalar = str | int | float | bool | None

_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "true or false",
    "date": "a date like 2013-09-01",
}
_NAME = re.compile(r"[\w\-]+")
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()
"""The default of a parameter that has none: a run must give it."""


@dataclass(frozen=True)
class Param:
    """A parameter of a DAG: type, default, bounds (Airflow's `Param`, whose JSON Schema words these are).

    Args:
        default: its value when a run does not give it; without one it is required. None allows None.
        type: `string integer number boolean date`; taken from the default when left out.
        description: one sentence for people.
        minimum, maximum: the least and the greatest value, both allowed; for integer, number and date.
        enum: the only values there are.

    A date is handed to tasks as ISO text (`"2013-09-01"`), because parameters are stored as JSON.

    >>> Param(0.7, minimum=0, maximum=1, description="the least AUC")
    Param(0.7, type='number', minimum=0.0, maximum=1.0)
    >>> Param(type="string", enum=["as_known", "daily_averages"]).check("daily", name="features")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: param features must be one of 'as_known', 'daily_averages', not 'daily'.

    Raises:
        InvalidDefinition: a type that does not exist or cannot be told, or a default outside its own bounds.
    """

    default: Any = REQUIRED
    type: str = ""
    description: str = ""
    minimum: Any = None
    maximum: Any = None
    enum: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        expect_fields(self, InvalidDefinition, type=str, description=str)
        values: Any = self.enum
        if values is not None and (isinstance(values, str) or not isinstance(values, Sequence) or not values):
            raise InvalidDefinition(f"the enum of a param is a list of values, not {values!r}.")
        samples = [self.default, *(self.enum or ())]
        kind = self.type or next((_type_of(each) for each in samples if each not in (REQUIRED, None)), "")
        if kind not in _WORDS:
            asked = f"of type {self.type!r}" if self.type else "without a type or a default that tells it"
            raise InvalidDefinition(f"a param {asked} cannot be; the types are: {', '.join(_WORDS)}.")
        object.__setattr__(self, "type", kind)
        if kind in ("string", "boolean") and not (self.minimum is None and self.maximum is None):
            raise InvalidDefinition(f"a param of type {kind} has no minimum or maximum; use enum.")
        try:
            for bound in ("minimum", "maximum"):
                if getattr(self, bound) is not None:
                    object.__setattr__(self, bound, _typed(kind, getattr(self, bound), bound))
            if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
                raise InvalidDefinition(f"a param of at least {self.minimum} and at most {self.maximum} has no value.")
            if self.enum is not None:
                object.__setattr__(self, "enum", tuple(_typed(kind, each, "enum") for each in self.enum))
            if self.default is not REQUIRED and self.default is not None:
                object.__setattr__(self, "default", self.check(self.default, name="default"))
        except InvalidData as error:
            raise InvalidDefinition(str(error)) from None

    def check(self, value: object, *, name: str) -> JsonScalar:
        """The value as it is stored, or InvalidData that says what was expected."""
        if value is None and self.default is None:
            return None
        typed: Any = _typed(self.type, value, name)
        if self.enum is not None and typed not in self.enum:
            raise InvalidData(f"param {name} must be one of {', '.join(map(repr, self.enum))}, not {typed!r}.")
        below = self.minimum is not None and typed < self.minimum
        if below or (self.maximum is not None and typed > self.maximum):
            ends = [f"at least {self.minimum}"] * (self.minimum is not None)
            ends += [f"at most {self.maximum}"] * (self.maximum is not None)
            raise InvalidData(f"param {name} must be {' and '.join(ends)}, not {typed!r}.")
        return typed  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        parts = [] if self.default is REQUIRED else [repr(self.default)]
        parts += [f"type={self.type!r}"]
        parts += [
            f"{each}={getattr(self, each)!r}" for each in ("minimum", "maximum") if getattr(self, each) is not None
        ]
        parts += [f"enum={list(self.enum)!r}"] if self.enum is not None else []
        return f"Param({', '.join(parts)})"


def declare(params: Mapping[str, Any]) -> dict[str, Param]:
    """Params as a DAG declares them: a plain value is the default of a param of its type."""
    for name in _named(params):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidDefinition(f"{name!r} cannot be the name of a param: letters, digits, dashes and underscores.")
    return {name: each if isinstance(each, Param) else Param(each) for name, each in params.items()}


def _named(params: Any) -> Mapping[str, Any]:
    if not isinstance(params, Mapping):
        raise InvalidData(f"params are given by name, {{name: value, …}}, not as {type(params).__name__}.")
    return params


def resolve_params(declared: Mapping[str, Param], given: Mapping[str, object] | None) -> dict[str, JsonScalar]:
    """The value of every declared parameter: the one given, else its default.

    >>> resolve_params({"trees": Param(100), "features": Param("as_known")}, {"trees": 30})
    {'trees': 30, 'features': 'as_known'}

    Raises:
        UnknownName: a parameter that is not declared (Airflow accepts those silently; a typing error should not pass).
        InvalidData: a value of another type, out of bounds, or a required one missing.
    """
    given = dict(_named(given or {}))
    for name in given:
        if name not in declared:
            raise UnknownName("param", name, declared)
    values: dict[str, JsonScalar] = {}
    for name, param in declared.items():
        if name in given:
            values[name] = param.check(given[name], name=name)
        elif param.default is REQUIRED:
            raise InvalidData(f"param {name} has no default and was not given; it must be {_WORDS[param.type]}.")
        else:
            values[name] = param.default
    return values


def parse_params(declared: Mapping[str, Param], texts: Iterable[str]) -> dict[str, JsonScalar]:
    """Values from command-line texts `name=value`, read according to each parameter's type; defaults are not added.

    >>> parse_params({"trees": Param(100), "dry_run": Param(False)}, ["trees=30", "dry_run=yes"])
    {'trees': 30, 'dry_run': True}

    Raises:
        UnknownName: a parameter that is not declared.
        InvalidData: a text without `=`, a name given twice, or a value that cannot be read as the type.
    """
    values: dict[str, JsonScalar] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise InvalidData(f"{text!r} is no parameter; write it as name=value.")
        if name not in declared:
            raise UnknownName("param", name, declared)
        if name in values:
            raise InvalidData(f"param {name} is given twice.")
        param = declared[name]
        if param.default is None and value.strip().lower() in ("none", "null"):
            values[name] = None
        else:
            values[name] = param.check(_read(param.type, value, name), name=name)
    return values


def _read(kind: str, text: str, name: str) -> object:
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
        if kind == "boolean":
            return _TRUTH[text.strip().lower()]
    except (ValueError, KeyError):
        raise InvalidData(f"param {name} must be {_WORDS[kind]}, not {text!r}.") from None
    return text.strip() if kind == "date" else text


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    for base, kind in ((str, "string"), (numbers.Integral, "integer"), (numbers.Real, "number"), (date, "date")):
        if isinstance(value, base):
            return kind
    return ""


def _typed(kind: str, value: object, name: str) -> JsonScalar:
    """The value as this type's JSON value; 3.0 is an integer and 3 a number, as in JSON Schema."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "boolean" and type(value).__name__ in ("bool", "bool_"):  # numpy's own is not a bool
        return bool(value)
    if kind == "integer" and isinstance(value, numbers.Integral) and is_number:
        return operator.index(value)
    if kind in ("integer", "number") and is_number:
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        if math.isfinite(number) and (kind == "number" or number.is_integer()):
            return int(number) if kind == "integer" else number
    if kind == "date" and isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if kind == "date" and isinstance(value, str) and len(value) == len("2013-09-01"):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise InvalidData(f"param {name} must be {_WORDS[kind]}, not {value!r} ({type(value).__name__}).")
