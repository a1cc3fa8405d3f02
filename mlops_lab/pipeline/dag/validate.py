"""Does a document fit the schema of DAGs, and if not, on which line?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from mlops_lab.base.errors import InvalidData, MlopsLabError, closest
from mlops_lab.pipeline.dag.positions import Place

__all__ = ["FORMAT", "VERSION", "check_document", "json_schema", "said_at"]

FORMAT, VERSION = "mlops-lab/dag", 1


@cache
def _schema() -> str:
    return files("mlops_lab.pipeline.dag").joinpath("document.schema.json").read_text(encoding="utf-8")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the documents.

    >>> json_schema()["properties"]["format"]
    {'const': 'mlops-lab/dag'}
    """
    schema: dict[str, Any] = json.loads(_schema())
    return schema


def check_document(document: Any, places: Mapping[tuple[str | int, ...], Place]) -> None:
    """InvalidData that says what is wrong with the document, and where."""
    from jsonschema import Draft202012Validator

    if isinstance(document, dict):
        if document.get("format") != FORMAT:
            raise InvalidData(f"{_at(places, ('format',))}this is no DAG: its format is not {FORMAT!r}.")
        version = document.get("version")
        if isinstance(version, int) and version > VERSION:
            raise InvalidData(
                f"{_at(places, ('version',))}the document is of version {version}, this mlops-lab reads up to "
                f"{VERSION}; update it."
            )
    errors = list(Draft202012Validator(json_schema()).iter_errors(document))
    if not errors:
        return
    # A misspelt key is an unknown one and a missing one at once; the unknown one has a line.
    place = {id(error): places.get(tuple(error.absolute_path), (0, 0)) for error in errors}
    first = min(errors, key=lambda error: (place[id(error)], error.validator != "additionalProperties"))
    path = tuple(first.absolute_path)
    if first.validator == "additionalProperties" and isinstance(first.schema, dict):
        known = list(first.schema["properties"])
        name = next(each for each in first.instance if each not in known)
        meant = closest(name, known)
        hint = f"Did you mean {meant!r}?" if meant else f"There is: {', '.join(known)}."
        raise InvalidData(f"{_at(places, (*path, name))}unknown key {name!r}{_inside(path)}. {hint}")
    what = first.message if len(first.message) <= 300 else f"{first.message[:100]} … {first.message[-100:]}"
    raise InvalidData(f"{_at(places, path)}{what}{_inside(path)}.")


@contextmanager
def said_at(places: Mapping[tuple[str | int, ...], Place], *path: str | int) -> Iterator[None]:
    """Errors of this package that are raised inside it begin with the line and column of that value."""
    try:
        yield
    except MlopsLabError as error:
        error.args = (f"{_at(places, path)}{error}", *error.args[1:])
        raise


def _inside(path: tuple[str | int, ...]) -> str:
    return f" in {'.'.join(map(str, path))}" if path else ""


def _at(places: Mapping[tuple[str | int, ...], Place], path: tuple[str | int, ...]) -> str:
    while path and path not in places:
        path = path[:-1]
    return f"line {places[path][0]}, column {places[path][1]}: " if path in places else ""
