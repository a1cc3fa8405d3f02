"""Which values do the inputs of a run or of a called workflow have?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlops_lab.base.errors import InvalidData, UnknownName
from mlops_lab.ci.expressions.values import Value, kind_of, to_number, to_text
from mlops_lab.ci.nodes import Node
from mlops_lab.ci.workflow import Input

__all__ = ["called_inputs", "dispatched_inputs"]


def dispatched_inputs(declared: Mapping[str, Input], given: Mapping[str, Value]) -> dict[str, Value]:
    """The `inputs` of a `workflow_dispatch`: booleans stay booleans, all else is text, as GitHub does it.

    Raises:
        UnknownName: an input that is not declared.
        InvalidData: a required one is missing, or a value is none of those allowed.
    """
    _no_strangers(declared, given)
    values: dict[str, Value] = {}
    for name, entry in declared.items():
        value = given.get(name, entry.default.plain() if entry.default is not None else None)
        if value in (None, ""):
            if entry.required:
                raise InvalidData(f"Required input '{name}' not provided")
            value = False if entry.kind == "boolean" else ""
        elif entry.kind == "boolean":
            value = _boolean(name, value)
        elif entry.kind == "number" and to_number(value) != to_number(value):
            raise InvalidData(f"Provided value '{to_text(value)}' for input '{name}' is not a number")
        elif entry.kind == "choice" and to_text(value) not in entry.options:
            allowed = ", ".join(entry.options)
            raise InvalidData(
                f"Provided value '{to_text(value)}' for input '{name}' not in the list of allowed values: {allowed}"
            )
        values[name] = value if isinstance(value, bool) else to_text(value)
    return values


def called_inputs(
    declared: Mapping[str, Input], given: Mapping[str, Value], default: Callable[[Node], Value]
) -> dict[str, Value]:
    """The `inputs` of a called workflow, each of its declared kind; `default` evaluates a default.

    Raises:
        UnknownName: an input that is not declared.
        InvalidData: a required one is missing, or a value of the wrong kind.
    """
    _no_strangers(declared, given)
    lower = {name.lower(): value for name, value in given.items()}
    empty: dict[str, Value] = {"boolean": False, "number": 0, "string": ""}
    values: dict[str, Value] = {}
    for name, entry in declared.items():
        if name.lower() in lower:
            value = lower[name.lower()]
        elif entry.default is not None:
            value = default(entry.default)
        elif entry.required:
            raise InvalidData(f"Input {name} is required, but not provided while calling.")
        else:
            value = empty[entry.kind]
        if entry.kind == "string":
            value = to_text(value)
        elif kind_of(value).lower() != entry.kind:
            raise InvalidData(f"The input '{name}' must be a {entry.kind}; the value is '{to_text(value)}'")
        values[name] = value
    return values


def _no_strangers(declared: Mapping[str, Input], given: Mapping[str, Value]) -> None:
    known = {name.lower() for name in declared}
    for name in given:
        if name.lower() not in known:
            raise UnknownName("input", name, declared, where="the workflow")


def _boolean(name: str, value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if to_text(value).lower() in ("true", "false"):
        return to_text(value).lower() == "true"
    raise InvalidData(f"Provided value '{to_text(value)}' for input '{name}' is neither true nor false")
