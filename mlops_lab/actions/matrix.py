"""Which legs does a matrix make?

The algorithm of https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations:
all combinations of the vectors, less those that an `exclude` entry matches, then each `include` entry is added to every
combination where it overwrites no original value, or makes a combination of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from mlops_lab.actions.expressions.values import Value, number_text, to_text
from mlops_lab.errors import InvalidData

__all__ = ["MAX_LEGS", "expand_matrix", "leg_title"]

MAX_LEGS = 256


def expand_matrix(matrix: Mapping[str, Value]) -> list[dict[str, Value]]:
    """The combinations of a matrix, in GitHub's order.

    >>> expand_matrix({"fruit": ["apple", "pear"], "include": [{"color": "green"}, {"fruit": "fig"}]})
    [{'fruit': 'apple', 'color': 'green'}, {'fruit': 'pear', 'color': 'green'}, {'fruit': 'fig'}]

    Raises:
        InvalidData: a vector that is no list or is empty, an entry that is no mapping, or more than 256 legs.
    """
    vectors = {name: values for name, values in matrix.items() if name.lower() not in ("include", "exclude")}
    lists = {name: _vector(name, values) for name, values in vectors.items()}
    count = 1
    for values in lists.values():
        count *= len(values)
    if count > MAX_LEGS * 100:  # before they are written out
        raise _too_many(count)
    combinations = [dict(zip(lists, values, strict=True)) for values in product(*lists.values())] if lists else []
    excluded = _entries(matrix, "exclude")
    originals = [one for one in combinations if not any(_covers(entry, one) for entry in excluded)]
    legs = [dict(one) for one in originals]
    for entry in _entries(matrix, "include"):
        matching = [
            leg
            for leg, original in zip(legs, originals, strict=False)
            if all(same(value, original[name]) for name, value in entry.items() if name in original)
        ]
        for leg in matching:
            leg.update(entry)
        if not matching:
            legs.append(dict(entry))
    if len(legs) > MAX_LEGS:
        raise _too_many(len(legs))
    return legs


def _too_many(count: int) -> InvalidData:
    return InvalidData(f"The matrix makes {count} jobs, and GitHub allows at most {MAX_LEGS} for one matrix.")


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


def _covers(entry: Mapping[str, Value], combination: Mapping[str, Value]) -> bool:
    """Does an `exclude` entry match? A part of the names is enough; a name that the matrix lacks never matches."""
    return all(name in combination and same(value, combination[name]) for name, value in entry.items())


def same(left: Value, right: Value) -> bool:
    """Equal in kind and value, however deep; a mapping of an entry must agree with all of the other."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    return left == right


def leg_title(leg: Mapping[str, Value]) -> str:
    """What stands in brackets behind the job's name: `ubuntu-24.04, 3.11`."""
    return ", ".join(_leaves(list(leg.values())))


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
