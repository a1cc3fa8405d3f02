"""The combinations that a matrix makes, and what each is called.

All combinations of the vectors, less those that an `exclude` entry matches; then each `include` entry is added to every
combination where it overwrites no original value, or makes a combination of its own:
https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations. Where that page is
silent, GitHub's own `MatrixBuilder` is followed (https://github.com/actions/runner, `src/Sdk/WorkflowParser`): entries
are compared as `==` compares in an expression, and what an `include` adds to a combination is not part of the name.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from mlops_lab.base.errors import InvalidData
from mlops_lab.ci.expressions.values import Value, equals, fold, is_primitive, lookup, number_text, to_number, to_text

MAX_JOBS = 256
MAX_VALUES = 100_000  # that all `include` entries together may add


@dataclass(frozen=True)
class Combination:
    """One combination: its values, and what stands in brackets behind the job's name."""

    values: dict[str, Value]
    title: str


def expand_matrix(matrix: Mapping[str, Value]) -> list[dict[str, Value]]:
    """The combinations of a matrix, in GitHub's order.

    >>> expand_matrix({"fruit": ["apple", "pear"], "include": [{"color": "green"}, {"fruit": "fig"}]})
    [{'fruit': 'apple', 'color': 'green'}, {'fruit': 'pear', 'color': 'green'}, {'fruit': 'fig'}]

    Raises:
        InvalidData: a vector that is no list or is empty, an entry that is no mapping, is empty or excludes by a name
            that the matrix lacks, no vector at all, or more than 256 jobs.
    """
    return [one.values for one in combinations(matrix)]


def combinations(matrix: Mapping[str, Value]) -> list[Combination]:
    """The combinations with their titles; none where `exclude` strikes all of them.

    Raises:
        InvalidData: as `expand_matrix`.
    """
    vectors = {name: values for name, values in matrix.items() if name.lower() not in ("include", "exclude")}
    lists = {name: _vector(name, values) for name, values in vectors.items()}
    known = {name.lower() for name in lists}
    excluded, included = _entries(matrix, "exclude"), _entries(matrix, "include")
    _check(known, excluded, included)
    count = math.prod(map(len, lists.values()))
    if count > MAX_JOBS * 100:  # before they are written out
        raise _too_many(count)
    every = [dict(zip(lists, values, strict=True)) for values in product(*lists.values())] if lists else []
    index = _Vectors(lists, len(every))
    struck = 0
    for entry in excluded:
        struck |= index.matching(entry)
    left = [number for number in range(len(every)) if not struck >> number & 1]
    if len(left) > MAX_JOBS:
        raise _too_many(len(left))
    found = [Combination(dict(every[number]), combination_title(every[number])) for number in left]
    room = MAX_VALUES
    for entry in included:
        filters = {name: value for name, value in entry.items() if name.lower() in known}
        added = {name: value for name, value in entry.items() if name.lower() not in known}
        bits = index.matching(filters) & ~struck
        matching = [one for number, one in zip(left, found, strict=False) if bits >> number & 1] if bits else []
        room -= len(matching) * len(added)
        if room < 0:
            raise InvalidData(f"The matrix's 'include' adds more than {MAX_VALUES} values.")
        for one in matching:
            one.values.update(added)
        if not matching:
            found.append(Combination({**filters, **added}, combination_title({**filters, **added})))
        if len(found) > MAX_JOBS:
            raise _too_many(len(found))
    return found


class _Vectors:
    """The combinations that an entry matches, as bits; a plain value is looked up, not compared with each."""

    def __init__(self, lists: Mapping[str, list[Value]], count: int) -> None:
        self.every = (1 << count) - 1
        self.bits: dict[str, list[tuple[Value, int]]] = {}
        self.found: dict[tuple[str, str, Value], int] = {}
        inner = count
        for name, values in lists.items():
            turn, inner = inner, inner // len(values)
            again = sum(1 << at for at in range(0, count, turn))
            bits = [(((1 << inner) - 1) << (index * inner)) * again for index in range(len(values))]
            self.bits[name.lower()] = list(zip(values, bits, strict=True))
            for value, bit in self.bits[name.lower()]:
                for kind, key in _keys(value, "any", *() if isinstance(value, str) else ["no text"]):
                    self.found[name.lower(), kind, key] = self.found.get((name.lower(), kind, key), 0) | bit

    def matching(self, entry: Mapping[str, Value]) -> int:
        """As `equals` compares: text with text without case, all else as numbers."""
        matching = self.every
        for name, wanted in ((name.lower(), wanted) for name, wanted in entry.items()):
            if is_primitive(wanted):
                keys = _keys(wanted, "no text" if isinstance(wanted, str) else "any")
                bits = [self.found.get((name, kind, key), 0) for kind, key in keys]
            else:
                bits = [bit for value, bit in self.bits[name] if _same(wanted, value)]
            matching &= functools.reduce(operator.or_, bits, 0)
        return matching


def _keys(value: Value, *kinds: str) -> list[tuple[str, Value]]:
    """Under what a plain value is found: its text, and its number under each of those kinds of comparison."""
    number = to_number(value) if is_primitive(value) else math.nan
    text: list[tuple[str, Value]] = [("text", fold(value))] if isinstance(value, str) else []
    return text + [(kind, number) for kind in kinds if not math.isnan(number)]


def _check(
    known: Collection[str], excluded: Sequence[Mapping[str, Value]], included: Sequence[Mapping[str, Value]]
) -> None:
    """What GitHub refuses, in its words."""
    if not known and not included:
        raise InvalidData("Matrix must define at least one vector")
    if not all(included):
        raise InvalidData("Matrix include mapping does not contain any values")
    if not all(excluded):
        raise InvalidData("Matrix exclude filter must not be empty")
    for name in (name for entry in excluded for name in entry if name.lower() not in known):
        raise InvalidData(f"Matrix exclude key '{name}' does not match any key within the matrix")


def _too_many(count: int) -> InvalidData:
    return InvalidData(f"The matrix makes {count} jobs, and GitHub allows at most {MAX_JOBS} for one matrix.")


def _vector(name: str, values: Value) -> list[Value]:
    if not isinstance(values, list):
        raise InvalidData(f"Matrix vector '{name}' must be a list; it is {to_text(values) or 'empty'!r}.")
    if not values:
        raise InvalidData(f"Matrix vector '{name}' does not contain any values")
    return values


def _entries(matrix: Mapping[str, Value], key: str) -> list[Mapping[str, Value]]:
    entries = matrix.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InvalidData(f"The matrix's '{key}' must be a list of mappings.")
    return entries  # type: ignore[return-value]


def _same(wanted: Value, value: Value) -> bool:
    """Does a value fit what an entry asks for? Of a mapping or a list, only what the entry names is looked at."""
    if isinstance(wanted, Mapping):
        inner = value if isinstance(value, Mapping) else {}
        return all(_same(one, lookup(inner, name)) for name, one in wanted.items())
    if isinstance(wanted, list):
        items = value if isinstance(value, list) else []
        return all(_same(one, other) for one, other in zip(wanted, [*items, *[None] * len(wanted)], strict=False))
    return equals(value, wanted)


def combination_title(values: Mapping[str, Value]) -> str:
    """The values that are not empty, as they stand in brackets behind the job's name: `ubuntu-24.04, 3.11`."""
    return ", ".join(word for word in _leaves(list(values.values())) if word)


def _leaves(values: Sequence[Value]) -> list[str]:
    found: list[str] = []
    for value in values:
        if isinstance(value, Mapping):
            found += _leaves(list(value.values()))
        elif isinstance(value, list):
            found += _leaves(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(number_text(float(value)))
        else:
            found.append(to_text(value))
    return found
