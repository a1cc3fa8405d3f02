"""Every reference of a SageMaker pipeline definition leads somewhere; a stand-in such as moto never looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError as Cycle
from graphlib import TopologicalSorter
from typing import Any

from mlops_lab.base.errors import CycleError, InvalidDefinition

__all__ = ["check_sagemaker"]


def check_sagemaker(definition: Mapping[str, Any]) -> None:
    """Every reference of a pipeline definition leads somewhere, and no step waits for itself.

    Raises:
        InvalidDefinition: a parameter, step or property file that is not there, or a name used twice.
        CycleError: steps that wait for each other.
    """
    parameters = [str(each["Name"]) for each in definition.get("Parameters", [])]
    steps = list(_all_steps(definition.get("Steps", [])))
    names = [str(step["Name"]) for step in steps]
    for name in names:
        if names.count(name) > 1:
            raise InvalidDefinition(f"two steps are called {name!r}.")
    files = {(step["Name"], each["PropertyFileName"]) for step in steps for each in step.get("PropertyFiles", [])}
    waits: dict[str, list[str]] = {}
    for step in steps:
        waits[step["Name"]] = [str(each) for each in step.get("DependsOn", [])]
        for reference in _references(step.get("Arguments")):
            kind, _, rest = reference.partition(".")
            name, _, inner = rest.partition(".")
            told = f"step {step['Name']!r} refers to {reference}, and there is no"
            if kind == "Parameters" and name not in parameters:
                raise InvalidDefinition(f"{told} parameter {name!r}.")
            if kind == "Steps":
                waits[step["Name"]].append(name)
                if inner.startswith("PropertyFiles.") and (name, inner.partition(".")[2]) not in files:
                    raise InvalidDefinition(f"{told} such property file.")
        for name in waits[step["Name"]]:
            if name not in names:
                raise InvalidDefinition(f"step {step['Name']!r} waits for {name!r}, and there is no such step.")
    _check_cycles(waits)


def _all_steps(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for step in steps:
        found.append(step)
        arguments = step.get("Arguments") or {}
        for branch in ("IfSteps", "ElseSteps"):
            found += _all_steps(arguments.get(branch, []))
    return found


def _references(value: Any) -> list[str]:
    """What `Get` asks for anywhere in a step's arguments; nested steps answer for themselves."""
    if isinstance(value, Mapping):
        if set(value) == {"Get"}:
            return [str(value["Get"])]
        inner = [each for key, each in value.items() if key not in ("IfSteps", "ElseSteps")]
        return [found for each in inner for found in _references(each)]
    return [found for each in value for found in _references(each)] if isinstance(value, list) else []


def _check_cycles(waits: Mapping[str, Sequence[str]]) -> None:
    try:
        TopologicalSorter(waits).prepare()
    except Cycle as error:
        raise CycleError(error.args[1][::-1]) from None
