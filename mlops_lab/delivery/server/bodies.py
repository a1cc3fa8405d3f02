"""The rows of a request: read from its body, and checked against what the model was fitted on.

Read are the forms that the field sends: `instances` (Vertex AI, TensorFlow Serving), `dataframe_records`,
`dataframe_split` and `inputs` (MLflow), a bare list of rows, one row alone, and CSV with or without its header
(SageMaker). KServe's tensors are read in `protocol`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData, closest

if TYPE_CHECKING:
    import numpy as np

#: Values by column, all columns equally long; `ABSENT` where a row has no such column.
Table = dict[str, list[Any]]

#: The rows of a request by column: numbers as floats (NaN where nothing is known), all else as text ("").
Columns = Mapping[str, "Sequence[Any] | np.ndarray[Any, Any]"]

_ROWS = 1000  # the most rows of one request, where nothing else is said
_NUMBERS = {int, float, type(None)}
_TEXTS = {str, type(None)}
_HINTS = 20  # names that are compared with what was probably meant
_FORMS = ("instances", "dataframe_records", "dataframe_split", "inputs")


class RequestError(InvalidData):
    """A request that gets no prediction.

    Attributes: `status` (of HTTP), `kind` (one word for programs), `rows` (what is wrong with which row, where the
    others are right).

    | status | kind | when |
    |---|---|---|
    | 400 | MalformedBody | the body is not what its type says |
    | 404 | UnknownEntity, UnknownModel | nobody knows this flight, or this model |
    | 406, 415 | NotAcceptable, UnsupportedType | a format that is not spoken here |
    | 408 | SlowBody | the body did not come in time |
    | 413 | TooLarge, TooManyRows | more than one request may hold |
    | 422 | MissingColumn, WrongType, NoRows, … | the rows are not what the model needs |
    | 503 | NotReady, FeaturesUnavailable | ask again in a moment |

    >>> error = RequestError(413, "TooManyRows", "1,200 rows are more than 1,000.")
    >>> error.status, error.kind, str(error)
    (413, 'TooManyRows', '1,200 rows are more than 1,000.')
    """

    def __init__(self, status: int, kind: str, message: str, *, rows: Mapping[int, str] | None = None) -> None:
        self.status = status
        self.kind = kind
        self.rows = {} if rows is None else dict(rows)
        super().__init__(message)


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


def parse_json(body: bytes) -> Any:
    """The value of a JSON body.

    Raises:
        RequestError: it is no JSON, or nested too deeply.

    >>> parse_json(b'{"instances": [1')
    Traceback (most recent call last):
    mlops_lab.delivery.server.bodies.RequestError: the body is not JSON: Expecting ',' delimiter (line 1, column 17).
    """
    from pydantic_core import from_json  # a third of the time of json.loads, which words its refusals better

    try:
        return from_json(body, cache_strings="keys")
    except ValueError:
        pass
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        told = f"{error.msg} (line {error.lineno}, column {error.colno})"
        raise RequestError(400, "MalformedBody", f"the body is not JSON: {told}.") from None
    except UnicodeDecodeError:
        raise RequestError(400, "MalformedBody", "the body is not text in UTF-8.") from None
    except (RecursionError, ValueError):
        raise RequestError(400, "MalformedBody", "the body is nested too deeply, or holds a number too long.") from None


def table_of_json(value: Any, features: Sequence[str], known: Collection[str], *, limit: int = _ROWS) -> Table:
    """The rows of a JSON value, by column.

    Args:
        value: what `parse_json` gave.
        features: the model's features, in order: lists without names are taken in this order.
        known: every name that may be a column; one row alone is recognised by them.
        limit: the most rows.

    Raises:
        RequestError: it holds no rows, or rows that contradict each other.

    >>> table_of_json({"instances": [{"hour": 6}, {"hour": 7}]}, ["hour"], ["hour"])
    {'hour': [6, 7]}
    >>> table_of_json({"dataframe_split": {"columns": ["hour"], "data": [[6], [7]]}}, ["hour"], ["hour"])
    {'hour': [6, 7]}
    """
    if isinstance(value, list):
        return table_of_rows(value, features, known, limit=limit)
    if not isinstance(value, dict):
        raise RequestError(422, "NoRows", f"the body is a JSON {_kind(value)}; send {_wanted()}.")
    form = next((form for form in _FORMS if form in value), None)
    if form is None:
        if any(name in known for name in value):
            return table_of_rows([value], features, known)
        meant = next((near for name in islice(value, _HINTS) if (near := closest(str(name), _FORMS))), None)
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise RequestError(422, "NoRows", f"the body holds no rows; send {_wanted()}.{hint}")
    if form == "dataframe_split":
        return _table_of_split(value[form], limit)
    if form == "inputs" and isinstance(value[form], dict):
        return _table_of_columns(value[form])
    return table_of_rows(value[form], features, known, limit=limit)


def table_of_rows(rows: Any, features: Sequence[str], known: Collection[str], *, limit: int = _ROWS) -> Table:
    """Rows (objects by name, or lists in the order of the features) by column.

    Of the columns that are not known only a few are kept, for a hint: a row may name thousands.

    >>> table_of_rows([{"hour": 6, "day": 1}, {"hour": 7}], ["hour"], ["hour", "day"])
    {'hour': [6, 7], 'day': [1, ABSENT]}
    """
    if not isinstance(rows, list):
        raise RequestError(422, "NoRows", f"the rows are a JSON {_kind(rows)}; send a list of them.")
    if not rows:
        raise RequestError(422, "NoRows", "the list of rows is empty.")
    check_rows(len(rows), limit)
    if isinstance(rows[0], dict):
        if columns := _table_of_alike(rows, known):
            return columns
        names: dict[str, None] = {}
        others: dict[str, None] = {}
        for at, row in enumerate(rows):
            if not isinstance(row, dict):
                raise RequestError(
                    422, "WrongType", f"row {at} is a JSON {_kind(row)}, and the rows before are objects."
                )
            if row.keys() - names.keys():
                names |= dict.fromkeys(name for name in row if name in known)
                if len(others) < _HINTS:
                    others |= dict.fromkeys(islice((name for name in row if name not in known), _HINTS))
        return {name: [row.get(name, ABSENT) for row in rows] for name in (*names, *others)}
    lists = rows if isinstance(rows[0], list) else [[one] for one in rows]
    return _table_of_lists(lists, list(features), "the model has")


def _table_of_alike(rows: list[Any], known: Collection[str]) -> Table | None:
    """The columns of objects that all have the same two names or more, in a third of the time; None for others."""
    first = rows[0]
    if len(first) < 2 or set(map(type, rows)) != {dict} or set(map(len, rows)) != {len(first)}:
        return None
    others = [name for name in first if name not in known]
    kept = [*(name for name in first if name in known), *others]
    try:
        columns = zip(*map(itemgetter(*kept), rows), strict=True)
    except KeyError:
        return None
    return dict(zip(kept[: len(kept) - len(others) + _HINTS], map(list, columns), strict=False))


def table_of_csv(
    body: bytes, features: Sequence[str], known: Collection[str], *, header: bool | None = None, limit: int = _ROWS
) -> Table:
    r"""The rows of a CSV body, by column; an empty cell is a null.

    Args:
        body: the text, in UTF-8.
        features: the model's features, in order, for a body without a header.
        known: every name that may be a column; a first line made of them is a header.
        header: is the first line one? None to find out.
        limit: the most rows.

    Raises:
        RequestError: it is no CSV, or its lines are of different lengths.

    >>> table_of_csv(b"6,UA\r\n7,AA\r\n", ["hour", "airline"], ["hour", "airline"])
    {'hour': ['6', '7'], 'airline': ['UA', 'AA']}
    >>> table_of_csv(b"airline,hour\nUA,6\n", ["hour", "airline"], ["hour", "airline"])
    {'airline': ['UA'], 'hour': ['6']}
    """
    try:
        found = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        lines = list(islice((line for line in found if line), limit + 2))
    except UnicodeDecodeError:
        raise RequestError(400, "MalformedBody", "the body is not text in UTF-8.") from None
    except csv.Error as error:
        raise RequestError(400, "MalformedBody", f"the body is not CSV: {error}.") from None
    named = header if header is not None else bool(lines) and any(cell.strip() in known for cell in lines[0])
    names = [cell.strip() for cell in lines[0]] if named and lines else list(features)
    lines = lines[1:] if named else lines
    if not lines:
        raise RequestError(422, "NoRows", "the body has no rows.")
    check_rows(len(lines), limit)
    cells = [[None if cell == "" else cell for cell in line] for line in lines]
    return _table_of_lists(cells, names, "the header has" if named else "the model has")


def check_rows(rows: int, limit: int) -> None:
    """Bound the rows before anything is done with them.

    Raises:
        RequestError: 413, there are more than `limit`.
    """
    if rows > limit:
        raise RequestError(413, "TooManyRows", f"{rows:,} rows or more are above the {limit:,} of one request.")


def _table_of_split(value: Any, limit: int) -> Table:
    if not isinstance(value, dict) or not isinstance(value.get("columns"), list):
        raise RequestError(422, "NoRows", 'dataframe_split is {"columns": [...], "data": [[...], ...]}.')
    data = value.get("data")
    if not isinstance(data, list) or not data:
        raise RequestError(422, "NoRows", "dataframe_split has no rows in `data`.")
    check_rows(len(data), limit)
    return _table_of_lists(data, [str(name) for name in value["columns"]], "`columns` has")


def _table_of_columns(value: Mapping[str, Any]) -> Table:
    columns = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
    lengths = {len(one) for one in columns.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise RequestError(422, "NoRows", "the columns of `inputs` must be lists of one length, and not empty.")
    return columns


def _table_of_lists(rows: Sequence[Any], names: Sequence[str], whose: str) -> Table:
    if len(set(names)) != len(names):
        double = Counter(names).most_common(1)[0][0]
        raise RequestError(422, "DuplicateColumn", f"column {double!r} is there twice.")
    for at, row in enumerate(rows):
        if not isinstance(row, list):
            raise RequestError(422, "WrongType", f"row {at} is a JSON {_kind(row)}, and not a list.")
        if len(row) != len(names):
            raise RequestError(422, "WrongShape", f"row {at} has {len(row)} values; {whose} {len(names)} columns.")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "list", str: "text", bool: "truth value", type(None): "null"}
    return kinds.get(type(value), "number")


def _wanted() -> str:
    return '{"instances": [{...}, ...]} with the features, or with the keys of each row'


def columns_for(
    table: Table, kinds: Mapping[str, str], *, as_text: bool = False, words: Mapping[str, Collection[str]] | None = None
) -> Columns:
    """The columns a model needs, as it needs them; columns it does not know are left aside.

    Args:
        table: the rows as they came.
        kinds: for each feature `number` or `text`.
        as_text: is every value text because the format knows nothing else, as in CSV?
        words: the texts that the model knows, by column; with them CSV's `false` and `" B6 "` are read as meant.

    Raises:
        RequestError: a feature is missing, or a value cannot be what it has to be.

    >>> columns_for({"hour": [6, None], "late": [True, False]}, {"hour": "number", "late": "text"})
    {'hour': array([ 6., nan]), 'late': ['True', 'False']}
    >>> columns_for({"hour": ["six"]}, {"hour": "number"})
    Traceback (most recent call last):
    mlops_lab.delivery.server.bodies.RequestError: row 0: 'hour' must be a number or null, not 'six'.
    """
    missing = [name for name in kinds if name not in table]
    if missing:
        meant = closest(missing[0], [name for name in table if name not in kinds])
        hint = f" There is {meant!r}; did you mean that?" if meant else ""
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise RequestError(422, "MissingColumn", f"the model needs the column {missing[0]!r}{more}.{hint}")
    found: dict[str, Any] = {} if as_text else _number_columns(table, [one for one in kinds if kinds[one] == "number"])
    for name, kind in kinds.items():
        if name not in found:
            values = table[name]
            if kind == "number":
                found[name] = _numbers(name, values, as_text)
            else:
                found[name] = _texts(name, _as_meant(values, (words or {}).get(name, ())) if as_text else values)
    return found


def _number_columns(table: Table, names: Sequence[str]) -> dict[str, Any]:
    """All columns of numbers at once; none where any value is no number, which one at a time then say."""
    import numpy as np

    if not set(map(type, chain.from_iterable(table[name] for name in names))) <= _NUMBERS:
        return {}
    try:
        found = np.array([table[name] for name in names], dtype="float64")  # a null becomes NaN
    except OverflowError:
        return {}
    return {} if np.isinf(found).any() else dict(zip(names, found, strict=True))


def _as_meant(values: list[Any], words: Collection[str]) -> list[Any]:
    """CSV's texts without the blanks around them; its truth values in training's spelling."""
    stripped = [one.strip() if isinstance(one, str) else one for one in values]
    truths = {word.casefold(): word for word in words if word in ("True", "False")}
    if not truths or set(words) - {"True", "False", ""}:
        return stripped
    return [truths.get(one.casefold(), one) if isinstance(one, str) else one for one in stripped]


def _numbers(name: str, values: list[Any], as_text: bool) -> list[float]:
    good = _reads_as_number if as_text else _is_number
    if not all(map(good, values)):
        raise _wrong(name, values, "a number or null", good)
    return [math.nan if one is None else float(one) for one in values]


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


def _wrong(name: str, values: list[Any], wanted: str, good: Any) -> RequestError:
    kind = "WrongType"
    rows: dict[int, str] = {}
    for at, value in enumerate(values):
        if value is ABSENT:
            kind = kind if rows else "MissingColumn"
            rows[at] = f"no {name!r}; write null where nothing is known."
        elif not good(value):
            shown = repr(value)
            shown = shown if len(shown) <= 60 else shown[:60] + "…"
            rows[at] = f"{name!r} must be {wanted}, not {shown}."
    at, told = next(iter(rows.items()))
    return RequestError(422, kind, f"row {at}{' has ' if kind == 'MissingColumn' else ': '}{told}", rows=rows)
